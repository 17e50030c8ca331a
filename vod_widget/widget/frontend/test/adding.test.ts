import { describe, expect, it, vi } from "vitest";
import { row } from "./kernel";
import { name_of, open, type Page, settle } from "./page";

const focused = (): Element | null => document.activeElement;

describe("adding", () => {
  const pick = async (page: Page, ...list: File[]): Promise<void> => {
    const input = page.root.querySelector<HTMLInputElement>("input[type=file]") as HTMLInputElement;
    Object.defineProperty(input, "files", { configurable: true, value: list });
    input.dispatchEvent(new Event("change"));
    await settle();
  };
  it("offers picked files, keeps their handles and answers pulls", async () => {
    const page = await open();
    expect(page.root.querySelectorAll("input[type=file]")).toHaveLength(1);
    await pick(page, new File(["hello"], "a.mp4", { type: "video/mp4", lastModified: 7 }));
    expect(page.kernel.last("offer_files")?.["files"]).toEqual([{ client_id: "c1", name: "a.mp4", size_bytes: 5, last_modified_ms: 7, type: "video/mp4", edges: "" }]);
    const file_id = page.row("a.mp4").dataset["fileId"];
    page.kernel.down({ kind: "pull", file_id, pull_id: 3, offset: 1, length: 3 });
    vi.useRealTimers();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(page.kernel.last("slice")).toMatchObject({ file_id, pull_id: 3, offset: 1, token: "page-token" });
    expect(new TextDecoder().decode(page.kernel.last("slice")?.buffers[0])).toBe("ell");
  });
  it("says the limits beside what was refused, for then the list is no longer empty", async () => {
    const page = await open([row("one.mp4", "Ready")], (kernel) => {
      kernel.limits = { max_files: 100, max_file_bytes: 2e10, max_total_bytes: 1e11 };
    });
    await pick(page, new File(["x"], "setup.exe"));
    expect(page.root.querySelector(".ref ul")?.textContent).toBe("setup.exe: not a file that VOD takesAt most 100 files, 20.0 GB each and 100 GB together.");
  });
  it("shows at once how much there is when more comes within a second", async () => {
    const page = await open();
    await pick(page, new File(["12345"], "a.mp4"));
    await pick(page, new File(["1234567"], "b.mp4"));
    expect(page.root.querySelector(".strip .n")?.textContent).toBe("0 of 12 B");
  });
  it("names refused files in place, until dismissed", async () => {
    const page = await open();
    await pick(page, new File(["x"], "setup.exe"), new File(["x"], "ok.mp4"));
    const list = page.root.querySelector(".ref") as HTMLElement;
    expect(list.hidden).toBe(false);
    expect(list.textContent).toContain("1 file was not added");
    expect(list.textContent).toContain("setup.exe: not a file that VOD takes");
    await page.click(page.by_name("Dismiss"));
    expect(list.hidden).toBe(true);
    expect(page.rows()).toHaveLength(1);
  });
  it("re-offers after a reload when a row asks for its file", async () => {
    const page = await open([row("b.mp4", "Uploading", { source: "browser", phase: "waiting", wait: { seconds: 0, reason: "Source.Detached" }, error: { code: "Source.Detached", message: "", next_step: "pick_file" } })]);
    const clicked = vi.fn();
    (page.root.querySelector("input[type=file]") as HTMLInputElement).click = clicked;
    await page.click(page.by_name("Pick file… b.mp4"));
    expect(clicked).toHaveBeenCalledOnce();
    await pick(page, new File(["x"], "b.mp4"));
    expect(page.kernel.of("reoffer_files")).toHaveLength(1);
    expect(page.kernel.of("offer_files")).toHaveLength(0);
    await pick(page, new File(["x"], "new.mp4"));
    expect(page.kernel.of("offer_files")).toHaveLength(1);
  });
  it.each([
    ["en", "clip.mp4 goes on from 47 %.", "2 files go on. b.mp4 is here again, at 9 %. 1 file added."],
    ["zh-CN", "clip.mp4 从 47 % 继续上传。", "2 个文件继续上传。b.mp4 已重新选择，进度 9 %。已添加 1 个文件。"],
  ] as const)("says of files that rows waited for that they go on, and from where (%s)", async (locale, one, many) => {
    const page = await open([], (kernel) => { kernel.traits["locale"] = locale; });
    const back = (name: string, progress: number, goes_on: boolean): object => ({ client_id: "", file_id: name, name, progress, goes_on });
    const answer = (...added: object[]) => { page.kernel.on_intent = (m) => m.kind === "offer_files" ? { data: { added, refused: [] } } : undefined; };
    answer(back("clip.mp4", 0.4799, true));
    await pick(page, new File(["x"], "clip.mp4"));
    expect(page.status()).toBe(one);
    answer(back("a.mp4", 0.4, true), back("b.mp4", 0.099, false), back("c.mp4", 0, true), { client_id: "", file_id: "d", name: "d.mp4" });
    await pick(page, new File(["x"], "d.mp4"));
    expect(page.status()).toBe(many);
  });
  it("does not blame the kernel for a list that comes late behind the page's own bytes", async () => {
    const page = await open(Array.from({ length: 80 }, (_, k) => row(`${k}.mp4`, "Ready")));
    const sort = async (): Promise<string> => {
      page.kernel.on_intent = (m) => m.kind === "view" ? "silent" : undefined;
      await page.click(page.by_name("Name"));
      await settle(11_000);
      page.kernel.on_intent = null;
      return page.status();
    };
    expect(await sort()).toContain("did not answer in 10 s");
    await pick(page, new File(["x"], "mine.mp4"));
    expect(await sort()).toBe("1 file added.");
  });
  it("gives a file back by itself that was picked in this tab, as when the cell runs again", async () => {
    const before = await open();
    await pick(before, new File(["four"], "again.mp4"));
    before.close();
    const waits = { source: "browser", size_bytes: 4, phase: "waiting", wait: { seconds: 0, reason: "Source.Detached" }, error: { code: "Source.Detached", message: "", next_step: "pick_file" as const } };
    const page = await open([row("again.mp4", "Uploading", waits), row("never-seen.mp4", "Uploading", waits)]);
    await settle(3000);
    expect(page.kernel.of("reoffer_files").map((m) => (m["files"] as { name: string }[]).map((file) => file.name))).toEqual([["again.mp4"]]);
    expect(page.status()).not.toContain("added");
  });
  it("sends many files in several messages", async () => {
    const page = await open();
    await pick(page, ...Array.from({ length: 1200 }, (_, k) => new File(["x"], `${k}.mp4`)));
    await settle(1000);
    expect(page.kernel.of("offer_files").map((m) => (m["files"] as unknown[]).length)).toEqual([500, 500, 200]);
    expect(page.status()).toBe("1,200 files added.");
  });
  it("offers what the policy names, and nothing else", async () => {
    const offered = async (sources: string[]): Promise<string[]> => {
      const page = await open([], (kernel) => { kernel.policy = { sources }; });
      const names = [...page.root.querySelectorAll(".empty button")].map(name_of);
      page.close();
      return names;
    };
    expect(await offered(["browser", "kernel"])).toEqual(["From this computer", "From the kernel's files"]);
    expect(await offered(["browser"])).toEqual(["From this computer"]);
    expect(await offered(["browser", "kernel", "address"])).toEqual(["From this computer", "From the kernel's files", "From an address"]);
  });
  it("shows a veil while files are dragged, and takes the drop", async () => {
    const page = await open();
    const event = (type: string): Event => Object.assign(new Event(type, { bubbles: true, cancelable: true }), {
      dataTransfer: { types: ["Files"], items: [{ kind: "file" }, { kind: "file" }], files: [new File(["x"], "a.mp4"), new File(["y"], "b.mp4")], dropEffect: "" },
    });
    page.root.dispatchEvent(event("dragenter"));
    const veil = page.root.querySelector(".drop") as HTMLElement;
    expect(veil.hidden).toBe(false);
    expect(veil.textContent).toContain("Drop to add 2 files");
    await page.key(page.root, "Escape");
    expect(veil.hidden).toBe(true);
    page.root.dispatchEvent(event("dragenter"));
    const drop = event("drop");
    page.root.dispatchEvent(drop);
    await settle();
    expect(drop.defaultPrevented).toBe(true);
    expect(veil.hidden).toBe(true);
    expect(page.rows()).toHaveLength(2);
  });
  it("takes the veil away also when what was under the pointer went", async () => {
    const page = await open([row("a.mp4", "Ready"), row("b.mp4", "Ready")]);
    const veil = page.root.querySelector(".drop") as HTMLElement;
    const event = (type: string, target: Element): Promise<void> => {
      target.dispatchEvent(Object.assign(new Event(type, { bubbles: true, cancelable: true }), { dataTransfer: { types: ["Files"], items: [], files: [], dropEffect: "" } }));
      return settle(0);
    };
    const [a, b] = [page.row("a.mp4"), page.row("b.mp4")];
    const word = a.querySelector("b")!;
    for (const [type, target] of [["dragenter", a], ["dragenter", word], ["dragleave", a]] as const) await event(type, target);
    expect(veil.hidden).toBe(false);
    word.remove(); // its dragleave reaches nobody
    await event("dragenter", b);
    await event("dragover", b);
    expect(veil.hidden).toBe(false);
    await event("dragleave", b);
    expect(veil.hidden).toBe(true);
    await event("dragenter", b);
    for (let k = 0; k < 5; k++) {
      await event("dragover", b);
      await settle(400);
    }
    expect(veil.hidden).toBe(false);
    await settle(1_000);
    expect(veil.hidden, "nothing is held over it any more").toBe(true);
  });
  it("leaves words to the field that they are pasted into, whatever picture of them is beside", async () => {
    const page = await open([row("a.mp4", "Ready")]);
    const paste = async (target: Element, types: string[]): Promise<boolean> => {
      const event = Object.assign(new Event("paste", { bubbles: true, cancelable: true }), { clipboardData: { types, items: [], files: [new File(["x"], "image.png", { type: "image/png" })] } });
      target.dispatchEvent(event);
      await settle();
      return event.defaultPrevented;
    };
    const search = page.root.querySelector("input[type=search]")!;
    expect(await paste(search, ["text/plain", "Files"])).toBe(false);
    expect(page.kernel.of("offer_files")).toHaveLength(0);
    expect(await paste(search, ["Files"])).toBe(true);
    expect(await paste(page.row("a.mp4"), ["text/plain", "Files"])).toBe(true);
    expect(page.kernel.of("offer_files")).toHaveLength(2);
  });
  it("takes the files of a folder that is dropped", async () => {
    const page = await open();
    const file = (name: string) => ({ name, isDirectory: false, file: (done: (f: File) => void) => done(new File(["x"], name)) });
    const batches = [[file("1.mp4"), file(".DS_Store")], []];
    const folder = { name: "clips", isDirectory: true, createReader: () => ({ readEntries: (done: (e: unknown[]) => void) => done(batches.shift() ?? []) }) };
    const items = [{ kind: "file", webkitGetAsEntry: () => folder, getAsFile: () => null }, { kind: "file", webkitGetAsEntry: () => file("2.mp4"), getAsFile: () => new File(["y"], "2.mp4") }];
    page.root.dispatchEvent(Object.assign(new Event("drop", { bubbles: true, cancelable: true }), { dataTransfer: { types: ["Files"], items, files: [] } }));
    await settle();
    expect(page.rows().map((one) => one.querySelector(".nm")?.getAttribute("title"))).toEqual(["1.mp4", "2.mp4"]);
  });
  it("browses the kernel's files, completes paths and adds what is chosen", async () => {
    const page = await open();
    await page.click(page.by_name("From the kernel's files"));
    const path = page.root.querySelector("input[data-action=path]") as HTMLInputElement;
    expect(path.value).toBe("/data/");
    expect(focused()).toBe(path);
    const entries = [...page.root.querySelectorAll<HTMLElement>(".ent")];
    expect(entries.map((e) => e.querySelector(".nm")?.getAttribute("title"))).toEqual(["clips", "talks 2026", "keynote-2026-main-stage-multicam-final-v7.mp4", "podcast-ep-114.wav", "notes.txt"]);
    expect(entries[4]?.querySelector("input")?.disabled).toBe(true);
    await page.click(page.by_name("Open folder clips"));
    expect(page.kernel.last("list_dir")).toMatchObject({ path: "/data/clips" });
    await page.type(path, "/data/cl");
    expect([...page.root.querySelectorAll("[role=option]")].map((e) => e.textContent)).toEqual(["/data/clips/", "/data/classroom-07.mp4"]);
    await page.key(path, "ArrowDown");
    await page.key(path, "ArrowDown");
    await page.key(path, "Enter");
    expect(path.value).toBe("/data/classroom-07.mp4");
    await page.type(path, "/data/clips/*.mp4");
    await page.click(page.by_name("Add"));
    expect(page.kernel.last("add_paths")).toMatchObject({ paths: ["/data/clips/*.mp4"] });
    expect(page.root.querySelector(".side")).toBeNull();
  });
  it("adds all of the folder that is shown: by one box, or by its path when that was typed", async () => {
    const page = await open();
    await page.click(page.by_name("From the kernel's files"));
    const path = page.root.querySelector("input[data-action=path]") as HTMLInputElement;
    const add = page.root.querySelector("[data-action=add-paths]") as HTMLElement;
    const all = page.root.querySelector("[data-action=all-listed]") as HTMLInputElement;
    expect(add.getAttribute("aria-disabled")).toBe("true");
    await page.click(all);
    const boxes = [...page.root.querySelectorAll<HTMLInputElement>(".ent input")];
    expect(boxes.map((box) => box.checked)).toEqual([true, true, true, true, false]);
    await page.click(boxes[1] as Element);
    expect(all.checked).toBe(false);
    await page.click(all);
    await page.click(add);
    expect(page.kernel.last("add_paths")).toMatchObject({ paths: ["/data/clips", "/data/keynote.mp4", "/data/podcast.wav", "/data/talks 2026"] });
    await page.click(page.by_name("From the kernel's files"));
    await page.type(page.root.querySelector("input[data-action=path]") as Element, path.value);
    await page.click(page.root.querySelector("[data-action=add-paths]") as Element);
    expect(page.kernel.last("add_paths")).toMatchObject({ paths: ["/data/"] });
  });
  describe("narrows the list to what is typed", () => {
    const listed = ["v1.mp4", "V2.mp4", "v10 [a].mp4", "会议+1.mp4", "notes.txt"].map((name) => ({
      name, path: `/data/${name}`, is_dir: false, size_bytes: 1, media_type: "video", refused: name === "notes.txt" ? "InvalidFileName.Extension" : null,
    }));
    const many = Array.from({ length: 1_500 }, (_, k) => ({ ...listed[0]!, name: `x${k}.mp4`, path: `/data/x${k}.mp4` }));
    const shown = (page: Page): string[] => [...page.root.querySelectorAll<HTMLElement>(".ent[data-path]")].map((one) => one.querySelector(".nm")?.getAttribute("title") ?? "");
    const box = async (entries: unknown[], more = 0): Promise<[Page, HTMLInputElement]> => {
      const page = await open([], (kernel) => { kernel.on_intent = (m) => m.kind === "list_dir" ? { data: { path: "/data", parent: null, entries, more } } : undefined; });
      await page.click(page.by_name("From the kernel's files"));
      return [page, page.root.querySelector("input[data-action=path]") as HTMLInputElement];
    };
    it("as a part of names, and as the kernel reads a pattern", async () => {
      const clips = { name: "v clips", path: "/data/v clips", is_dir: true, size_bytes: null, media_type: null, refused: null };
      const [page, path] = await box([clips, ...listed]);
      for (const [typed, names] of [
        ["v", ["v clips", "v1.mp4", "V2.mp4", "v10 [a].mp4"]], ["v*", ["v1.mp4", "v10 [a].mp4"]], ["?1.mp4", ["v1.mp4"]], ["v[!1]*", []], ["[vV][0-9].*", ["v1.mp4", "V2.mp4"]],
        ["*+1.mp4", ["会议+1.mp4"]], ["[", []], ["v10 [[]a].mp4", ["v10 [a].mp4"]], ["*", listed.map((one) => one.name)], ["**/v1.mp4", ["v clips", ...listed.map((one) => one.name)]], ["", ["v clips", ...listed.map((one) => one.name)]],
      ] as const) {
        await page.type(path, `/data/${typed}`);
        expect(shown(page), typed).toEqual(names);
      }
      await page.type(path, "/data/none");
      expect(page.root.querySelector(".dir")?.textContent).toBe("No file matches");
    });
    it("and all that goes with it is chosen by the one box, also what is not drawn", async () => {
      const [page, path] = await box([...many, ...listed], 300);
      const all = page.root.querySelector("[data-action=all-listed]") as HTMLInputElement;
      expect(shown(page)).toHaveLength(1_000);
      expect(page.root.querySelector(".dir")?.textContent).toContain("and 805 more"); // those, and 300 of a longer folder
      await page.click(all);
      expect(page.root.querySelector(".sf")?.textContent).toContain("1,504 selected");
      await page.click(all);
      await page.type(path, "/data/v");
      await page.click(all);
      await page.click(page.by_name("Add 3"));
      expect(page.kernel.last("add_paths")?.["paths"]).toEqual(["/data/v1.mp4", "/data/V2.mp4", "/data/v10 [a].mp4"]);
    });
    it("and Enter adds a pattern or a name beside what was chosen; other words have only narrowed the list", async () => {
      for (const [typed, added] of [["v*", ["/data/V2.mp4", "/data/v*"]], ["v1.mp4", ["/data/V2.mp4", "/data/v1.mp4"]], ["v1", ["/data/V2.mp4"]]] as const) {
        const [page, path] = await box(listed);
        await page.click(page.root.querySelectorAll(".ent input")[1] as Element);
        await page.type(path, `/data/${typed}`);
        await page.key(path, "Escape");
        await page.key(path, "Enter");
        expect(page.kernel.last("add_paths")?.["paths"]).toEqual(added);
        page.close();
      }
    });
  });
  it("keeps what is typed before the first folder has come", async () => {
    const page = await open();
    await page.click(page.by_name("From the kernel's files"));
    page.by_name("Close").click();
    page.kernel.delay_ms = 60;
    page.by_name("From the kernel's files").click();
    await settle(30);
    const path = page.root.querySelector("input[data-action=path]") as HTMLInputElement;
    path.value = "/data/talk.mp4";
    path.dispatchEvent(new Event("input", { bubbles: true }));
    await settle(2_000);
    expect(path.value).toBe("/data/talk.mp4");
    expect(page.root.querySelector(".dir")?.textContent, "the folder has come").toBe("No file matches");
    await page.click(page.by_name("Add"));
    await settle();
    expect(page.kernel.last("add_paths")).toMatchObject({ paths: ["/data/talk.mp4"] });
  });
  it("shows the folder that is typed, or why it cannot be shown", async () => {
    const page = await open();
    await page.click(page.by_name("From the kernel's files"));
    const path = page.root.querySelector("input[data-action=path]") as HTMLInputElement;
    await page.type(path, "/other/*.mp4");
    expect(page.kernel.last("list_dir")).toMatchObject({ path: "/other/" });
    expect(page.root.querySelector(".ent[data-path]")?.getAttribute("data-path")).toBe("/other/keynote.mp4");
    expect(path.value).toBe("/other/*.mp4");
    const asked = page.kernel.of("list_dir").length;
    await page.type(path, "/other/");
    expect(page.kernel.of("list_dir")).toHaveLength(asked);
    page.kernel.on_intent = (m) => m.kind === "list_dir" ? { error: { code: "Source.Missing", message: "no" } } : undefined;
    await page.type(path, "/gone/");
    expect(page.root.querySelector(".dir")?.textContent).toBe("/gone/: the file is not there.");
    page.kernel.on_intent = null;
    await page.type(path, "/other/");
    await page.click(page.by_name("Add"));
    expect(page.kernel.last("add_paths")).toMatchObject({ paths: ["/other/"] });
  });
  it("keeps the panel open when a path is refused", async () => {
    const page = await open();
    await page.click(page.by_name("From the kernel's files"));
    const path = page.root.querySelector("input[data-action=path]") as HTMLInputElement;
    await page.type(path, "/bad.mp4");
    await page.key(path, "Enter");
    const told = page.root.querySelector(".side .told") as HTMLElement;
    expect(told.textContent).toBe("1 file was not added/bad.mp4: the file is not there");
    expect((page.root.querySelector(".ref") as HTMLElement).hidden).toBe(true);
    await page.type(path, "/bad.mp");
    expect(told.textContent).toBe("");
  });
});

describe("addresses", () => {
  const panel = async (): Promise<Page> => {
    const page = await open([], (kernel) => { kernel.policy = { name: "private", sources: ["browser", "kernel", "address"] }; });
    await page.click(page.root.querySelector(".empty [data-action=add-address]")!);
    return page;
  };
  const field = (page: Page): HTMLTextAreaElement => page.root.querySelector(".side [data-field=addresses]") as HTMLTextAreaElement;
  const add = (page: Page): HTMLElement => page.root.querySelector("[data-action=add-address-now]") as HTMLElement;

  it("are taken one a line; what is refused stays with its reason, and the rest joins the list", async () => {
    const page = await panel();
    expect(document.activeElement).toBe(field(page));
    await page.type(field(page), "https://a.example/one.mp4\nhttps://a.example/bad.mp4?Signature=s3cr3t\n");
    expect(add(page).textContent).toBe("Add 2");
    await page.click(add(page));
    expect(page.kernel.last("add_addresses")?.["urls"]).toEqual(["https://a.example/one.mp4", "https://a.example/bad.mp4?Signature=s3cr3t"]);
    expect(page.root.querySelector(".side .told")?.textContent).toContain("bad.mp4: not on the public internet");
    expect(field(page).value).toBe("https://a.example/bad.mp4?Signature=s3cr3t");
    expect(page.row("one.mp4").textContent).toContain("Address");
    await page.type(field(page), "https://a.example/two.mp4");
    await page.key(field(page), "Enter", { ctrlKey: true });
    expect(page.root.querySelector(".side")).toBeNull();
  });
  it("are not asked for when they are none", async () => {
    const page = await panel();
    for (const typed of ["", "a.mp4", "ftp://a.example/a.mp4", "https://user:pw@a.example/a.mp4"]) {
      await page.type(field(page), typed);
      await page.click(add(page));
    }
    await page.type(field(page), `https://a.example/a.mp4\nhttps://a.example/b.mp4\nhtps://a.example/${"c".repeat(99)}.mp4`);
    expect(page.root.querySelector(".side .cnt")?.textContent, "which of them").toBe("Not a link: htps://a.example/cccccccccccc…");
    expect(page.kernel.of("add_addresses")).toEqual([]);
  });
});
