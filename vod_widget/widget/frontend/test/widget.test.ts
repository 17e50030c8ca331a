import { describe, expect, it, vi } from "vitest";
import type { Row } from "../src/protocol";
import { row } from "./kernel";
import { name_of, open, type Page, settle } from "./page";

const files = (n: number, state: Row["state"] = "Ready"): Row[] => Array.from({ length: n }, (_, k) => row(`clip-${String(k + 1).padStart(5, "0")}.mp4`, state));
const focused = (): Element | null => document.activeElement;
const pressed = (page: Page): string[] => [...page.root.querySelectorAll<HTMLElement>(".bar .btn")].filter((b) => b.getAttribute("aria-disabled") !== "true").map(name_of);

describe("meeting the kernel", () => {
  it("says hello, then view, and shows the snapshot", async () => {
    const page = await open(files(3));
    expect(page.kernel.sent.slice(0, 2).map((m) => m.kind)).toEqual(["hello", "view"]);
    expect(page.kernel.last("hello")).toMatchObject({ version: 2, locale: "en" });
    expect(page.rows()).toHaveLength(3);
    expect(page.rows()[0]).toMatchObject({ role: "row" });
    expect(page.rows()[0]?.dataset).toMatchObject({ state: "Ready" });
  });
  it("names itself by its token from then on, and says nothing else in a message than the protocol has", async () => {
    const page = await open(files(1));
    await page.click(page.by_name("Start"));
    await page.click(page.by_name("Stop"));
    for (const message of page.kernel.sent) expect(message["token"]).toBe(message.kind === "hello" ? undefined : "page-token");
  });
  it("applies a snapshot that overtook the answer of its view", async () => {
    const page = await open([]);
    page.kernel.rows = files(2);
    const down = page.kernel.down.bind(page.kernel);
    page.kernel.down = (message) => {
      if (message["kind"] === "answer" && message["id"] === page.kernel.last("view")?.id) setTimeout(() => down(message), 50);
      else down(message);
    };
    page.kernel.snapshot();
    await settle();
    page.by_name("Search names").dispatchEvent(new Event("input"));
    await page.type(page.by_name("Search names"), "clip");
    await settle(1000);
    expect(page.rows()).toHaveLength(2);
  });
  it("asks again when a message was lost", async () => {
    const page = await open(files(2));
    const before = page.kernel.of("view").length;
    page.kernel.send_rows([{ ...page.kernel.rows[0] as Row, progress: 0.5 }]);
    await settle();
    expect(page.kernel.of("view")).toHaveLength(before);
    page.kernel.send_rows([page.kernel.rows[0] as Row], 99);
    await settle();
    expect(page.kernel.of("view")).toHaveLength(before + 1);
  });
  it("learns from the heartbeat that a message was lost", async () => {
    const page = await open(files(2));
    page.kernel.seq += 1; // a message that never came
    page.kernel.rows = files(1);
    await settle(10_500);
    expect(page.rows()).toHaveLength(1);
  });
  it("leaves what is meant for another tab alone, and answers the roll when one opens", async () => {
    const page = await open(files(2));
    page.kernel.down({ kind: "snapshot", page: 2, seq: 40, summary: page.kernel.summary(), first: 0, matching: 0, rows: [] });
    await settle();
    expect(page.rows()).toHaveLength(2);
    const before = page.kernel.of("ping").length;
    page.kernel.down({ kind: "who" });
    await settle();
    expect(page.kernel.of("ping")).toHaveLength(before + 1);
    expect(page.kernel.of("view")).toHaveLength(1);
  });
  it("keeps two views of one model equal", async () => {
    const page = await open(files(2));
    const other = document.createElement("div");
    document.body.append(other);
    const cleanup = page.module.render({ model: page.kernel, el: other });
    await settle();
    (page.kernel.rows[0] as Row).state = "Success";
    page.kernel.snapshot();
    await settle();
    for (const root of [page.root, other]) expect(root.querySelector("[data-file-id]")?.getAttribute("data-state")).toBe("Success");
    expect(page.kernel.of("hello")).toHaveLength(1);
    cleanup();
    expect(other.children).toHaveLength(0);
  });
  it("leaves no listener and no timer behind", async () => {
    const page = await open(files(2));
    page.close();
    expect(page.kernel.listeners()).toBe(0);
    await settle(100);
    expect(vi.getTimerCount()).toBe(0);
    expect(page.root.isConnected).toBe(false);
  });
  it("follows the locale trait at once, with data-action for tests in any language", async () => {
    const page = await open(files(1));
    expect(name_of(page.root.querySelector("[data-action=start]") as Element)).toBe("Start");
    page.kernel.traits["locale"] = "zh-CN";
    page.kernel.emit("change:locale");
    await settle();
    expect(name_of(page.root.querySelector("[data-action=start]") as Element)).toBe("开始");
    expect(page.rows()[0]?.textContent).toContain("就绪");
    page.kernel.on_intent = (m) => m.kind === "remove" ? { error: { code: "Policy", message: "no" } } : undefined;
    await page.click(page.root.querySelector("[data-action=remove]") as Element);
    expect(page.status()).toContain("此处不允许");
    page.kernel.traits["locale"] = "en";
    page.kernel.emit("change:locale");
    await settle();
    expect(page.status()).not.toMatch(/[\u4e00-\u9fff]/);
  });
});

describe("the queue", () => {
  it("lets Start and Stop follow the kernel, and holds a pressed button until the answer", async () => {
    const page = await open(files(2), (kernel) => { kernel.state = "Init"; });
    expect(pressed(page)).toContain("Start");
    expect(pressed(page)).not.toContain("Stop");
    page.kernel.on_intent = (m) => m.kind === "start" ? "silent" : undefined;
    await page.click(page.by_name("Start"));
    expect(pressed(page)).not.toContain("Start");
    await page.click(page.by_name("Start"));
    expect(page.kernel.of("start")).toHaveLength(1);
    await settle(10_000);
    expect(page.status()).toContain("Start: the kernel did not answer in 10 s");
    expect(pressed(page)).toContain("Start");
  });
  it("sends the intent of each row button for that file alone", async () => {
    const all = [row("u.mp4", "Uploading"), row("s.mp4", "Stopped"), row("f.mp4", "Failure", { error: { code: "Source.Read", message: "", next_step: "retry" } }), row("r.mp4", "Ready")];
    const page = await open(all);
    const expected = [["Pause u.mp4", "pause", 0], ["Cancel u.mp4", "cancel", 0], ["Resume s.mp4", "resume", 1], ["Retry f.mp4", "retry", 2], ["Remove f.mp4", "remove", 2], ["Remove r.mp4", "remove", 3]] as const;
    page.kernel.on_intent = (m) => m["file_ids"] ? { data: { changed: 1 } } : undefined;
    for (const [label, kind, k] of expected) {
      const control = page.by_name(label);
      expect(control.dataset["action"]).toBe(kind);
      await page.click(control);
      expect(page.kernel.last(kind)?.["file_ids"]).toEqual([all[k]?.file_id]);
    }
  });
  it("says a refusal in the status line and changes nothing", async () => {
    const page = await open(files(1));
    page.kernel.on_intent = (m) => m.kind === "remove" ? { error: { code: "Policy", message: "Not allowed" } } : undefined;
    await page.click(page.by_name("Remove clip-00001.mp4"));
    expect(page.status()).toBe("Remove: not allowed here.");
    expect(page.rows()).toHaveLength(1);
  });
  it("shows counts that sum and filters in the kernel", async () => {
    const page = await open([...files(3), row("d.mp4", "Success"), row("f.mp4", "Failure"), row("c.mp4", "Canceled")]);
    const segments = [...page.root.querySelectorAll(".seg [data-filter]")].map((e) => e.textContent);
    expect(segments).toEqual(["All 6", "Uploading 0", "Ready 3", "Stopped 1", "Failed 1", "Done 1"]);
    await page.click(page.root.querySelector("[data-filter=done]") as Element);
    expect(page.kernel.last("view")).toMatchObject({ filter: "done", first: 0 });
    expect(page.rows()).toHaveLength(1);
    await page.click(page.root.querySelector("[data-filter=all]") as Element);
    await page.type(page.by_name("Search names"), "d.m");
    expect(page.kernel.last("view")).toMatchObject({ search: "d.m" });
    expect(page.rows()).toHaveLength(1);
    await page.type(page.by_name("Search names"), "nothing");
    expect(page.root.querySelector(".empty")?.textContent).toContain("No file matches");
    await page.click(page.by_name("Show all"));
    expect(page.rows()).toHaveLength(6);
  });
  it("keeps bars and percent honest", async () => {
    const page = await open([row("a.mp4", "Uploading", { progress: 1, size_bytes: 100 })]);
    expect(page.root.querySelector(".pct")?.textContent).toBe("99 %");
    expect(page.row("a.mp4").querySelector("[role=progressbar]")?.getAttribute("aria-valuenow")).toBe("99");
    Object.assign(page.kernel.rows[0] as Row, { state: "Success", phase: "" });
    page.kernel.state = "End";
    page.kernel.snapshot();
    await settle();
    expect(page.root.querySelector(".pct")?.textContent).toBe("100 %");
  });
  it("writes bars at most four times a second", async () => {
    const page = await open([row("a.mp4", "Uploading", { progress: 0 })]);
    const writes: string[] = [];
    const bar = page.row("a.mp4").querySelector<HTMLElement>(".pb i") as HTMLElement;
    new MutationObserver(() => writes.push(bar.style.width)).observe(bar, { attributes: true });
    for (let k = 1; k <= 40; k++) {
      page.kernel.send_rows([{ ...page.kernel.rows[0] as Row, progress: k / 50 }]);
      await vi.advanceTimersByTimeAsync(25);
    }
    await settle();
    expect(writes.length).toBeLessThanOrEqual(6);
    expect(bar.style.width).toBe("80%");
  });
  it("tells the end once, with a way to copy every id", async () => {
    const copied = vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
    const page = await open(Array.from({ length: 430 }, (_, k) => row(`f${k}.mp4`, "Success", { video_id: `id-${k}` })), (kernel) => { kernel.state = "End"; });
    const banner = page.root.querySelector(".ban") as HTMLElement;
    expect(banner.textContent).toContain("430 files are stored.");
    await page.click(page.by_name("Copy 430 ids"));
    await settle(2000);
    expect(copied).toHaveBeenCalledWith(Array.from({ length: 430 }, (_, k) => `id-${k}`).join("\n"));
    expect(page.status()).toBe("430 ids copied");
    await page.click(page.by_name("Dismiss"));
    expect(banner.hidden).toBe(true);
  });
  it("puts Retry first when some failed", async () => {
    const page = await open([row("a.mp4", "Success", { video_id: "x" }), row("b.mp4", "Failure")], (kernel) => { kernel.state = "End"; });
    await page.click(page.by_name("Retry 1 failed"));
    expect(page.kernel.of("retry_failed")).toHaveLength(1);
  });
  it("gathers what ended into one sentence", async () => {
    const page = await open([row("a.mp4", "Success"), row("b.mp4", "Uploading")]);
    page.kernel.down({ kind: "note", code: "file_done", facts: { name: "a.mp4" } });
    await settle(6000);
    expect(page.status()).toBe("a.mp4 is done. 1 of 2 done, 0 failed.");
    page.kernel.down({ kind: "note", code: "file_done", facts: { name: "z.mp4", count: 7 } });
    page.kernel.down({ kind: "note", code: "file_failed", facts: { name: "b.mp4", code: "Source.Changed" } });
    await settle(6000);
    expect(page.status()).toBe("7 files are done. b.mp4 failed: the file changed while it was sent. 1 of 2 done, 0 failed.");
  });
  it("says the end of all files once, and a count that was overtaken anew", async () => {
    const page = await open([row("a.mp4", "Success"), row("b.mp4", "Success"), row("c.mp4", "Uploading")]);
    page.kernel.down({ kind: "note", code: "file_done", facts: { name: "b.mp4" } });
    await settle(6000);
    expect(page.status()).toBe("b.mp4 is done. 2 of 3 done, 0 failed.");
    (page.kernel.rows[2] as Row).state = "Success";
    page.kernel.send_rows([page.kernel.rows[2] as Row]);
    await settle();
    expect(page.status()).toBe("All 3 files are done.");
    page.kernel.down({ kind: "note", code: "file_done", facts: { name: "c.mp4" } });
    await settle(6000);
    expect(page.status()).toBe("All 3 files are done.");
  });
  it("names a single file that is done, and nothing beside it", async () => {
    const page = await open([row("rand60.mp4", "Success")]);
    page.kernel.down({ kind: "note", code: "file_done", facts: { name: "rand60.mp4" } });
    await settle(6000);
    expect(page.status()).toBe("rand60.mp4 is done.");
  });
  it("names the remedy when Start finds no keys, and opens its place", async () => {
    const page = await open(files(1), (kernel) => { kernel.state = "Init"; });
    page.kernel.on_intent = (m) => m.kind === "start" ? { error: { code: "Auth.Missing", message: "No credentials" } } : undefined;
    for (let k = 0; k < 2; k++) {
      await page.click(page.by_name("Start"));
      expect(page.status()).toBe("Start: no keys were found. Under Credentials, choose “Built-in emulator” or enter keys.");
      expect(page.root.querySelector(".side")).not.toBeNull();
    }
    page.kernel.on_intent = (m) => m.kind === "start" ? { error: { code: "Timeout", message: "long" } } : undefined;
    await page.click(page.by_name("Start"));
    expect(page.status()).toBe("Start is still running…");
  });
  it("asks twice only before running uploads are thrown away", async () => {
    const page = await open([row("u.mp4", "Uploading"), row("d.mp4", "Success")]);
    await page.click(page.root.querySelector("[data-action=clear]") as Element);
    await page.click(page.root.querySelector("[data-action=clear-done]") as Element);
    expect(page.kernel.last("clear")).toMatchObject({ which: "done" });
    expect(page.status()).toBe("1 file cleared.");
    await page.click(page.root.querySelector("[data-action=clear]") as Element);
    await page.click(page.root.querySelector("[data-action=clear-all]") as Element);
    expect(page.kernel.of("clear")).toHaveLength(1);
    expect(page.root.querySelector(".menu")?.textContent).toContain("Press again: 1 upload will be canceled");
    await page.click(page.root.querySelector("[data-action=clear-all]") as Element);
    expect(page.kernel.last("clear")).toMatchObject({ which: "all" });
  });
});

describe("ten thousand rows", () => {
  it("keeps a handful in the page and asks for the window around them", async () => {
    const page = await open(files(10_000));
    expect(page.rows().length).toBeGreaterThanOrEqual(6);
    expect(page.root.querySelectorAll("[role=row]").length).toBeLessThan(40);
    const grid = page.root.querySelector(".grid") as HTMLElement;
    expect(grid.getAttribute("aria-rowcount")).toBe("10001");
    grid.scrollTop = 5000 * 40;
    grid.dispatchEvent(new Event("scroll"));
    expect(page.root.querySelectorAll(".skel").length).toBeGreaterThan(0);
    await settle();
    const view = page.kernel.last("view") as unknown as { first: number; count: number };
    expect(view.first).toBeLessThanOrEqual(4998);
    expect(view.first + view.count).toBeGreaterThan(5004);
    expect(view.count).toBeLessThanOrEqual(200);
    expect(page.root.querySelectorAll(".skel")).toHaveLength(0);
    expect(page.row("clip-05001.mp4").getAttribute("aria-rowindex")).toBe("5002");
    expect(page.root.querySelector(".pos")?.textContent).toContain("of 10,000");
  });
  it("asks less than twenty times a second while scrolling wildly", async () => {
    const page = await open(files(10_000));
    const before = page.kernel.sent.length;
    const grid = page.root.querySelector(".grid") as HTMLElement;
    for (let k = 0; k < 100; k++) {
      grid.scrollTop = (k * 4099) % 390_000;
      grid.dispatchEvent(new Event("scroll"));
      await vi.advanceTimersByTimeAsync(10);
    }
    expect(page.kernel.sent.length - before).toBeLessThan(12);
    await settle();
    expect(page.root.querySelectorAll(".skel")).toHaveLength(0);
  });
});

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
  it("names refused files in place, until dismissed", async () => {
    const page = await open();
    await pick(page, new File(["x"], "setup.exe"), new File(["x"], "ok.mp4"));
    const list = page.root.querySelector(".ref") as HTMLElement;
    expect(list.hidden).toBe(false);
    expect(list.textContent).toContain("1 file was not added");
    expect(list.textContent).toContain("setup.exe: the service does not take this kind of file");
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
  it("shows the folder that is typed, or why it cannot be shown", async () => {
    const page = await open();
    await page.click(page.by_name("From the kernel's files"));
    const path = page.root.querySelector("input[data-action=path]") as HTMLInputElement;
    await page.type(path, "/other/*.mp4");
    expect(page.kernel.last("list_dir")).toMatchObject({ path: "/other/" });
    expect(page.root.querySelector(".ent[data-path]")?.getAttribute("data-path")).toBe("/other/clips");
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
    expect(page.root.querySelector(".side")).not.toBeNull();
    expect(page.root.querySelector(".ref")?.textContent).toContain("the file is not there");
  });
});

describe("credentials", () => {
  const SECRET = "S3cr3t-CANARY-value-0123456789";
  it("chooses a profile by its labelled select", async () => {
    const page = await open(files(1));
    const select = page.root.querySelector(".cred select") as HTMLSelectElement;
    expect(page.root.querySelector(`label[for="${select.id}"]`)?.textContent).toBe("Credentials");
    expect([...select.options].map((o) => [o.value, o.disabled])).toEqual([["prod", false], ["media-ci", false], ["studio-role", false], ["old-lab", true], ["emulator", false], ["\u0000inline", false]]);
    select.value = "emulator";
    select.dispatchEvent(new Event("change"));
    await settle();
    expect(page.kernel.last("choose_profile")).toMatchObject({ name: "emulator" });
    expect(page.root.querySelector(".chip")?.textContent).toContain("Emulator: no account");
  });
  it("lists profiles with place, mode and masked id; unusable ones with their reason", async () => {
    const page = await open(files(1));
    await page.click(page.by_name("Details"));
    const entries = [...page.root.querySelectorAll<HTMLElement>(".pf")];
    expect(entries[0]?.textContent).toContain("CLI profile · AccessKey · cn-shanghai");
    expect(entries[3]?.getAttribute("aria-disabled")).toBe("true");
    expect(entries[3]?.textContent).toContain("expired 3 h ago");
    expect([...page.root.querySelectorAll("details li")].map((li) => [li.textContent, li.querySelector("b") !== null])).toEqual([
      ["environment: nothing; not set", false], ["~/.aliyun/config.json: profile prod", true]]);
    await page.click(entries[3] as Element);
    expect(page.kernel.of("choose_profile")).toHaveLength(0);
    await page.click(entries[1] as Element);
    expect(page.kernel.last("choose_profile")).toMatchObject({ name: "media-ci" });
  });
  it("sends typed keys once, empties the fields at once and keeps nothing", async () => {
    const page = await open(files(1));
    const select = page.root.querySelector(".cred select") as HTMLSelectElement;
    select.value = "\u0000inline";
    select.dispatchEvent(new Event("change"));
    await settle();
    const inputs = [...page.root.querySelectorAll<HTMLInputElement>(".side input[type=password]")];
    const [id, secret, token] = inputs as [HTMLInputElement, HTMLInputElement, HTMLInputElement];
    expect(inputs.every((i) => i.autocomplete === "off" || i.getAttribute("autocomplete") === "off")).toBe(true);
    id.value = "LTAI-id";
    secret.value = SECRET;
    token.value = "";
    page.kernel.delay_ms = 1000;
    (page.root.querySelector(".side form") as HTMLFormElement).dispatchEvent(new Event("submit", { cancelable: true }));
    // In the same turn, before any answer:
    expect(inputs.map((i) => i.value)).toEqual(["", "", "", ""]);
    await settle(3000);
    const sent = page.kernel.of("set_credentials");
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({ access_key_id: "LTAI-id", access_key_secret: SECRET, security_token: "", region: "" });
    page.kernel.sent.length = 0;
    expect(page.status()).toBe("Keys taken: LTAI…abcd");
    expect(page.root.querySelector(".side")).toBeNull();
    expect(document.documentElement.outerHTML).not.toContain(SECRET);
    expect(deep_search(page.module, SECRET)).toBe(false);
    expect(deep_search(page.kernel.traits, SECRET)).toBe(false);
  });
  it("empties the fields also when the keys are refused, or the panel is closed", async () => {
    const page = await open(files(1));
    page.kernel.on_intent = (m) => m.kind === "set_credentials" ? { error: { code: "Region", message: "the region is not one" } } : undefined;
    await page.click(page.by_name("Details"));
    await page.click(page.root.querySelector("[data-profile=inline]") as Element);
    const inputs = [...page.root.querySelectorAll<HTMLInputElement>(".side input[type=password]")];
    (inputs[0] as HTMLInputElement).value = "LTAI-id";
    (inputs[1] as HTMLInputElement).value = SECRET;
    (page.root.querySelector(".side form") as HTMLFormElement).dispatchEvent(new Event("submit", { cancelable: true }));
    await settle();
    expect(inputs.map((i) => i.value).join("")).toBe("");
    expect(page.root.querySelector(".cmp")?.textContent).toContain("the region is not one");
    (inputs[1] as HTMLInputElement).value = SECRET;
    await page.click(page.by_name("Close"));
    expect(inputs.map((i) => i.value).join("")).toBe("");
  });
  it("reads JSON as the console gives it", async () => {
    const { secrets_of_json } = await import("../src/views/credentials");
    expect(secrets_of_json('{"Credentials":{"AccessKeyId":"STS.a","AccessKeySecret":"b","SecurityToken":"c","Expiration":"x"}}', "")).toEqual({ access_key_id: "STS.a", access_key_secret: "b", security_token: "c", region: "" });
    expect(secrets_of_json('{"access_key_id":"a","access_key_secret":"b","region_id":"cn-beijing"}', "")).toMatchObject({ security_token: "", region: "cn-beijing" });
    expect(secrets_of_json("{", "")).toBeNull();
    expect(secrets_of_json('{"a":1}', "")).toBeNull();
  });
  it("tests the keys in use by a click, says the verdict and the advice, and forgets them with the keys", async () => {
    const page = await open(files(1));
    await page.click(page.by_name("Details"));
    await page.click(page.by_name("Test"));
    expect(page.kernel.of("test_credentials")).toHaveLength(1);
    const told = () => page.root.querySelector(".told") as HTMLElement;
    page.kernel.down({ kind: "tested", ok: true, took_ms: 84, told: { en: ["Account 1, role, cn-shanghai: ready.", "Keys of the root account."], zh: ["可以上传。", "主账号。"] } });
    await settle();
    expect([...told().querySelectorAll("p")].map((p) => p.textContent)).toEqual(["Account 1, role, cn-shanghai: ready. Answered in 84 ms.", "Keys of the root account."]);
    expect(told().getAttribute("role")).toBe("status");
    await page.click(page.root.querySelector("[data-profile=media-ci]") as Element);
    await settle();
    expect(told().textContent).toBe("");
  });
  it("says how long each key lives", async () => {
    const now_s = Date.now() / 1000;
    const page = await open(files(1), (kernel) => {
      const base = { place: "~/.aliyun/config.json", masked_id: "", region: "", usable: true, reason: "", is_current: false };
      kernel.profiles = [
        { ...base, name: "a", mode: "AK" }, { ...base, name: "b", mode: "StsToken", expires_at_s: now_s + 2465 },
        { ...base, name: "c", mode: "StsToken", expires_at_s: now_s - 3 * 3600 }, { ...base, name: "d", mode: "EcsRamRole", renews_itself: true },
      ];
    });
    await page.click(page.by_name("Details"));
    const ends = [...page.root.querySelectorAll(".pf small.e")].map((e) => e.textContent);
    expect(ends).toEqual(["no expiry", expect.stringMatching(/^41 min( \d+ s)? left$/), expect.stringMatching(/^expired 3 h/), "renews itself"]);
    expect(page.root.querySelectorAll(".pf .e.mono")[3]?.textContent).toBe("by role");
  });
  it("sends a pasted answer of CreateUploadVideo as the permission for one file", async () => {
    const page = await open(files(1));
    await page.click(page.by_name("Details"));
    await page.click(page.root.querySelector("[data-profile=inline]") as Element);
    await page.click([...page.root.querySelectorAll(".side button")].find((b) => b.textContent === "Paste JSON") as Element);
    const paste = [...page.root.querySelectorAll<HTMLInputElement>(".side input[type=password]")][3] as HTMLInputElement;
    paste.value = JSON.stringify({ RequestId: "r", VideoId: "video-1", UploadAddress: "address", UploadAuth: SECRET });
    (page.root.querySelector(".side form") as HTMLFormElement).dispatchEvent(new Event("submit", { cancelable: true }));
    expect(paste.value).toBe("");
    await settle();
    expect(page.kernel.of("set_credentials")).toHaveLength(0);
    expect(page.kernel.of("set_upload_auth")).toMatchObject([{ upload_auth: SECRET, upload_address: "address", media_id: "video-1" }]);
    page.kernel.sent.length = 0;
    expect(page.status()).toBe("The next file uses the permission for vide…eo-1");
    expect(deep_search(page.module, SECRET)).toBe(false);
  });
  it("offers no keys where the policy forbids them", async () => {
    const page = await open(files(1), (kernel) => { kernel.policy = { sources: ["browser"], inline_credentials: false, choose_profile: false }; });
    const select = page.root.querySelector(".cred select") as HTMLSelectElement;
    expect([...select.options].some((o) => o.value === "\u0000inline")).toBe(false);
    expect(select.disabled).toBe(true);
  });
});

/** Looks through everything that can be reached from a value. */
function deep_search(start: unknown, needle: string): boolean {
  const seen = new Set<unknown>();
  const stack: unknown[] = [start];
  while (stack.length) {
    const value = stack.pop();
    if (typeof value === "string" && value.includes(needle)) return true;
    if ((typeof value !== "object" && typeof value !== "function") || value === null || seen.has(value)) continue;
    seen.add(value);
    for (const key of Object.getOwnPropertyNames(value)) {
      try {
        stack.push((value as Record<string, unknown>)[key]);
      } catch {
        // a getter of the page
      }
    }
  }
  return false;
}

describe("details", () => {
  it("edits metadata with counters in bytes and blocks what is too long", async () => {
    const page = await open(files(1), (kernel) => { kernel.details = { tags: ["old"], description: "d", cate_id: 7 }; });
    await page.click(page.by_name("Open details of clip-00001.mp4"));
    const title = page.root.querySelector("[data-field=title]") as HTMLInputElement;
    const apply = page.root.querySelector("[data-action=apply]") as HTMLElement;
    expect(apply.getAttribute("aria-disabled")).toBe("true");
    await page.type(title, "主".repeat(43));
    expect(page.root.querySelector(".side .cnt")?.textContent).toBe("1 byte too many");
    expect(title.getAttribute("aria-invalid")).toBe("true");
    expect(apply.getAttribute("aria-disabled")).toBe("true");
    await page.type(title, "主题");
    expect(page.root.querySelector(".side .cnt")?.textContent).toBe("6 / 128 bytes");
    const tags = page.root.querySelector("[data-field=tags]") as HTMLInputElement;
    await page.type(tags, "new, 2026");
    await page.key(tags, "Enter");
    await page.click(apply);
    expect(page.kernel.last("set_metadata")).toMatchObject({ title: "主题", description: "d", tags: ["old", "new", "2026"], cate_id: 7 });
    expect(page.status()).toBe("Metadata applied");
  });
  it("asks once before typed changes are dropped", async () => {
    const page = await open(files(1));
    await page.click(page.by_name("Open details of clip-00001.mp4"));
    await page.type(page.root.querySelector("[data-field=title]") as Element, "other");
    await page.click(page.by_name("Close"));
    expect(page.root.querySelector(".side")).not.toBeNull();
    expect(page.status()).toContain("not applied");
    await page.click(page.by_name("Close"));
    expect(page.root.querySelector(".side")).toBeNull();
  });
  it("is read only while a file is sent, and opens a failure on its cause", async () => {
    const page = await open([row("u.mp4", "Uploading"), row("f.mp4", "Failure", { error: { code: "Forbidden.RAM", message: "Their policy lacks a right.", hint: "Nothing was sent.", next_step: "keys" } })]);
    await page.click(page.by_name("Open details of u.mp4"));
    expect((page.root.querySelector("[data-field=title]") as HTMLInputElement).readOnly).toBe(true);
    await page.click(page.by_name("Open details of f.mp4"));
    expect(page.root.querySelector(".why")?.textContent).toContain("Their policy lacks a right. Nothing was sent.");
    expect(page.root.querySelector(".side dl")?.textContent).toContain("7B2E41C6-90AF-5D13-8E5B-1C2F64A0D97E");
    await page.click(page.root.querySelector(".why [data-action=policy]") as Element);
    expect(page.root.querySelector(".pol")?.textContent).toContain("vod:CreateUploadVideo");
  });
});

describe("keys", () => {
  it("moves by arrows, one tab stop for the grid", async () => {
    const page = await open(files(20));
    expect(page.rows().filter((r) => r.tabIndex === 0)).toHaveLength(1);
    page.rows()[0]?.focus();
    await page.key(focused() as Element, "ArrowDown");
    await page.key(focused() as Element, "ArrowDown");
    expect(focused()).toBe(page.row("clip-00003.mp4"));
    await page.key(focused() as Element, "ArrowUp");
    expect(focused()).toBe(page.row("clip-00002.mp4"));
    await page.key(focused() as Element, "End");
    expect(focused()).toBe(page.row("clip-00020.mp4"));
    await page.key(focused() as Element, "Home");
    expect(focused()).toBe(page.row("clip-00001.mp4"));
    expect(page.rows().filter((r) => r.tabIndex === 0)).toHaveLength(1);
  });
  it("goes into the row's controls and back", async () => {
    const page = await open(files(2));
    page.rows()[0]?.focus();
    await page.key(focused() as Element, "ArrowRight");
    expect((focused() as HTMLInputElement).type).toBe("checkbox");
    await page.key(focused() as Element, "ArrowRight");
    expect(name_of(focused() as Element)).toBe("Remove clip-00001.mp4");
    await page.key(focused() as Element, "ArrowLeft");
    await page.key(focused() as Element, "ArrowLeft");
    expect(focused()).toBe(page.rows()[0]);
  });
  it("selects by Space, extends by Shift, takes all by Ctrl+A, and Escape lets go", async () => {
    const page = await open(files(450));
    page.rows()[0]?.focus();
    await page.key(focused() as Element, " ");
    await page.key(focused() as Element, "ArrowDown", { shiftKey: true });
    await page.key(focused() as Element, "ArrowDown", { shiftKey: true });
    expect(page.root.querySelector(".nsel")?.textContent).toBe("3 selected");
    expect(page.rows().filter((r) => r.getAttribute("aria-selected") === "true")).toHaveLength(3);
    await page.key(focused() as Element, "a", { ctrlKey: true });
    await settle(2000);
    expect(page.root.querySelector(".nsel")?.textContent).toBe("450 selected");
    await page.click(page.root.querySelector("[data-action=selected-remove]") as Element);
    expect(page.kernel.last("remove")?.["file_ids"]).toHaveLength(450);
    await page.key(page.root, "Escape");
    expect(page.root.querySelector(".nsel")).toBeNull();
  });
  it("removes by Delete, or cancels what is sent; and focus stays inside", async () => {
    const page = await open([...files(2), row("u.mp4", "Uploading")]);
    page.rows()[0]?.focus();
    await page.key(focused() as Element, "Delete");
    expect(page.kernel.of("remove")).toHaveLength(1);
    expect(page.root.contains(focused())).toBe(true);
    expect(focused()).toBe(page.row("clip-00002.mp4"));
    page.row("u.mp4").focus();
    await page.key(focused() as Element, "Delete");
    expect(page.kernel.of("cancel")).toHaveLength(1);
  });
  it("opens detail by Enter, and Escape closes it and gives the focus back", async () => {
    const page = await open(files(2));
    page.rows()[1]?.focus();
    await page.key(focused() as Element, "Enter");
    expect(page.root.querySelector(".side")?.getAttribute("aria-label")).toBe("Details of clip-00002.mp4");
    expect(focused()?.getAttribute("role")).toBe("tab");
    await page.key(focused() as Element, "Escape");
    expect(page.root.querySelector(".side")).toBeNull();
    expect(focused()).toBe(page.row("clip-00002.mp4"));
  });
  it("lets no key out to the notebook", async () => {
    const page = await open(files(2));
    expect(page.root.getAttribute("data-lm-suppress-shortcuts")).toBe("true");
    const leaked: string[] = [];
    const listener = (event: Event): void => { leaked.push((event as KeyboardEvent).key); };
    document.addEventListener("keydown", listener);
    page.rows()[0]?.focus();
    for (const key of ["b", "a", "d", "d", "Enter", "Escape", "/", "x"]) await page.key(focused() as Element, key);
    document.removeEventListener("keydown", listener);
    expect(leaked).toEqual([]);
    expect(focused()).toBe(page.by_name("Search names"));
  });
  it("keeps the focus on a button whose row is rebuilt", async () => {
    const page = await open([row("u.mp4", "Uploading", { phase: "authorizing" })]);
    page.by_name("Cancel u.mp4").focus();
    page.kernel.send_rows([{ ...page.kernel.rows[0] as Row, phase: "sending", progress: 0.2 }]);
    await settle();
    expect(name_of(focused() as Element)).toBe("Cancel u.mp4");
    expect(focused()?.isConnected).toBe(true);
  });
});

describe("a kernel that does not answer", () => {
  it("is reconnected to, with controls off meanwhile", async () => {
    const page = await open(files(2), (kernel) => { kernel.state = "Init"; });
    page.kernel.alive = false;
    await settle(25_000);
    expect(page.root.querySelector(".ban")?.textContent).toContain("Reconnecting…");
    expect(pressed(page)).toEqual([]);
    expect(page.rows()).toHaveLength(2);
    page.kernel.alive = true;
    await settle(11_000);
    expect((page.root.querySelector(".ban") as HTMLElement).hidden).toBe(true);
    expect(pressed(page)).toContain("Start");
  });
  it("was restarted: says so, sends nothing any more, and nothing reads as being sent", async () => {
    const page = await open([row("u.mp4", "Uploading", { progress: 0.5 })]);
    page.kernel.alive = false;
    page.kernel.emit("comm_live_update");
    await settle(3_500);
    expect(page.root.querySelector(".ban")?.textContent).toContain("The kernel restarted.");
    expect(page.row("u.mp4").dataset["state"]).toBe("Stopped");
    expect(page.root.querySelector("[data-filter=uploading]")?.textContent).toBe("Uploading 0");
    expect(page.root.querySelector("[data-filter=stopped]")?.textContent).toBe("Stopped 1");
    const copied = vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
    await page.click(page.by_name("Copy vw.resume().run()"));
    expect(copied).toHaveBeenCalledWith("vw.resume().run()");
    const before = page.kernel.of("stop").length;
    await page.click(page.root.querySelector("[data-action=stop]") as Element);
    expect(page.kernel.of("stop")).toHaveLength(before);
  });
  it("was never there", async () => {
    const page = await open([], (kernel) => { kernel.alive = false; });
    await settle(13_000);
    expect(page.root.querySelector(".ban")?.textContent).toContain("No answer from the kernel.");
  });
});

describe("hostile words", () => {
  const EVIL = [
    "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "\"><svg onload=alert(1)>", "'; alert(1); //", "javascript:alert(1)", "{{7*7}}", "${alert(1)}",
    "<iframe srcdoc='<script>alert(1)</script>'>", "</title><script>alert(1)</script>", "<a href=javascript:alert(1)>x</a>", "&lt;b&gt;", "<b>bold</b>", "\u202Egpj.exe", "a\u0000b",
    "<math><mtext></mtext></math>", "<style>*{display:none}</style>", "<base href=//evil>", "<object data=x>", "<embed src=x>", "<form action=//evil>", "]]>", "<!--", "-->", "<![CDATA[",
    "%3Cscript%3E", "\\u003cscript\\u003e", "<img/src/onerror=alert(1)>", "<details open ontoggle=alert(1)>", "<video><source onerror=alert(1)>", "<input autofocus onfocus=alert(1)>",
    "<marquee onstart=alert(1)>", "<body onload=alert(1)>", "<link rel=stylesheet href=//evil>", "<meta http-equiv=refresh content=0>", "onmouseover=alert(1)", "x\" onmouseover=\"alert(1)",
    "x' style='position:fixed", "`${1}`", "<svg><animate onbegin=alert(1)>", "<template><script>1</script></template>", "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>", "__proto__",
    "constructor", "<x contenteditable onblur=alert(1)>", "<button formaction=javascript:alert(1)>", "<select onchange=alert(1)>", "data:text/html,<script>1</script>", "\uD800", "😀".repeat(50), "<plaintext>",
  ];
  it(`are text in every place (${EVIL.length} names)`, async () => {
    const page = await open([]);
    expect(EVIL).toHaveLength(50);
    for (const evil of EVIL) {
      page.kernel.rows = [
        row(evil, "Failure", { title: evil, source: evil, media_type: evil, video_id: evil, error: { code: evil, message: evil, hint: evil, next_step: "retry" } }),
        row(`${evil}2`, "Success", { video_id: evil, view_url: evil, duration_s: 3 }),
        row(`${evil}3`, "Uploading", { phase: evil, wait: { seconds: 3, reason: evil } }),
      ];
      page.kernel.details = { request_id: evil, reference_id: evil, object: evil, bucket: evil, tags: [evil], attempts: [{ number: 1, code: evil, message: evil, waited_s: 1 }] };
      page.kernel.snapshot();
      await settle(300);
      page.kernel.down({ kind: "note", code: "file_done", facts: { name: evil } });
      page.rows()[0]?.querySelector<HTMLElement>("[data-action=details]")?.click();
      await settle(300);
      expect(page.rows()).toHaveLength(3);
      const foreign = [...page.root.querySelectorAll("*")].filter((e) => !KNOWN.has(e.tagName.toLowerCase()));
      expect(foreign.map((e) => e.tagName), evil).toEqual([]);
      const handlers = [...page.root.querySelectorAll("*")].flatMap((e) => e.getAttributeNames()).filter((n) => n.startsWith("on") || n === "srcdoc" || n === "formaction");
      expect(handlers, evil).toEqual([]);
      expect([...page.root.querySelectorAll("a")].every((a) => /^https?:/.test(a.getAttribute("href") ?? "https:"))).toBe(true);
      expect(page.rows()[0]?.querySelector(".nm")?.getAttribute("title")).toBe(evil);
    }
  });
  const KNOWN = new Set(["div", "span", "b", "i", "p", "h4", "ul", "ol", "li", "dl", "dt", "dd", "pre", "small", "button", "input", "select", "option", "optgroup", "label", "textarea", "aside", "form", "details", "summary", "svg", "path", "a"]);
});
