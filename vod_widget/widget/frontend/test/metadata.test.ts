import { describe, expect, it, vi } from "vitest";
import { row } from "./kernel";
import { name_of, open, type Page, settle } from "./page";

const field = (page: Page, name: string): HTMLInputElement => page.root.querySelector(`.side [data-field=${name}]`) as HTMLInputElement;
async function form(prepare: Parameters<typeof open>[1] = () => undefined, more: Parameters<typeof row>[2] = {}): Promise<Page> {
  const page = await open([row("talk.mp4", "Ready", more)], prepare);
  await page.click(page.by_name("Open details of talk.mp4"));
  return page;
}
const apply = (page: Page): HTMLElement => page.root.querySelector("[data-action=apply]") as HTMLElement;

describe("what a file says about itself", () => {
  it("lets the category be chosen by its name, and sends its number", async () => {
    const page = await form((kernel) => {
      kernel.categories = [{ cate_id: 12, path: "Day 10" }, { cate_id: 11, path: "Day 9" }, { cate_id: 7, path: "Events / 2026" }, { cate_id: 9, path: "讲座" }, { cate_id: 6, path: "Events" }];
      kernel.details = { cate_id: 9 };
    });
    const select = field(page, "cate_id") as unknown as HTMLSelectElement;
    expect([...select.options].map((option) => option.text), "in an order in which one is found").toEqual(["–", "Day 9", "Day 10", "Events", "Events / 2026", "讲座"]);
    expect(select.value).toBe("9");
    select.value = "7";
    select.dispatchEvent(new Event("change"));
    await page.click(apply(page));
    expect(page.kernel.last("set_metadata")).toMatchObject({ cate_id: 7, cover: null, template_group_id: "", workflow_id: "" });
  });
  it("keeps a number field where the categories cannot be had", async () => {
    const page = await form((kernel) => { kernel.on_intent = (m) => m.kind === "list_categories" ? { error: { code: "Forbidden.RAM", message: "no" } } : undefined; });
    expect(field(page, "cate_id").tagName).toBe("INPUT");
    const said = (): string | null | undefined => field(page, "cate_id").closest(".fd")?.querySelector(".cnt")?.textContent;
    expect(said()).toBe("optional");
    await page.type(field(page, "cate_id"), "12a");
    expect(said()).toBe("Digits only");
    expect(apply(page).getAttribute("aria-disabled")).toBe("true");
    await page.type(field(page, "cate_id"), "12");
    await page.click(apply(page));
    expect(page.kernel.last("set_metadata")?.["cate_id"]).toBe(12);
  });
  it("says that a workflow decides instead of a template group, and refuses ids with blanks", async () => {
    const page = await form();
    await page.type(field(page, "workflow_id"), "wf-1");
    expect(field(page, "template_group_id").placeholder).toBe("Workflow decides");
    await page.type(field(page, "template_group_id"), "two words");
    expect(apply(page).getAttribute("aria-disabled")).toBe("true");
    await page.type(field(page, "template_group_id"), "tpl");
    await page.click(apply(page));
    expect(page.kernel.last("set_metadata")).toMatchObject({ workflow_id: "wf-1", template_group_id: "tpl" });
  });
  it("says at once which character the service does not take, not after Apply", async () => {
    const page = await form();
    const said = (name: string): string | null | undefined => field(page, name).closest(".fd")?.querySelector(".cnt")?.textContent;
    for (const [typed, c] of [["Launch 🚀 day", "🚀"], ["I ❤️ it", "❤️"], ["done ✅", "✅"], ["吉野家 𠮷", "𠮷"]] as const) {
      for (const name of ["title", "description", "tags"]) {
        await page.type(field(page, name), typed);
        expect(said(name), name).toBe(`VOD does not take ${c}`);
        expect(apply(page).getAttribute("aria-disabled")).toBe("true");
        if (name === "tags") await page.key(field(page, name), "Enter");
        expect(field(page, name).value, "stays to be mended").toBe(typed);
        await page.type(field(page, name), "");
      }
    }
    await page.type(field(page, "title"), "3 ❤ © ™ 主题");
    expect(said("title")).toBe("19 / 128 bytes");
    expect(apply(page).getAttribute("aria-disabled")).toBeNull();
  });
  it("takes the file's name back for a title that is emptied", async () => {
    const page = await form((kernel) => { kernel.on_intent = (m) => m.kind === "set_metadata" ? { data: { row: { ...kernel.rows[0], title: "talk.mp4" }, cover: "" } } : undefined; }, { title: "Keynote" });
    await page.type(field(page, "title"), "");
    expect(field(page, "title").placeholder).toBe("talk.mp4");
    await page.click(apply(page));
    expect(page.kernel.last("set_metadata")?.["title"]).toBe("");
    expect(field(page, "title").value).toBe("talk.mp4");
  });
  it("sends a cover as path or address only when it was typed", async () => {
    const page = await form((kernel) => { kernel.details = { cover: "frame.jpg" }; });
    expect(field(page, "cover").value).toBe("frame.jpg");
    await page.type(field(page, "title"), "New");
    await page.click(apply(page));
    expect(page.kernel.last("set_metadata")?.["cover"]).toBeNull();
    await page.type(field(page, "cover"), "posters/talk.png");
    await page.click(apply(page));
    expect(page.kernel.last("set_metadata")?.["cover"]).toBe("posters/talk.png");
    await page.type(field(page, "cover"), "");
    await page.click(apply(page));
    expect(page.kernel.last("set_metadata")?.["cover"]).toBe("");
  });
  it("sends a picked picture at once, by the one file input, which then takes files again", async () => {
    const page = await form();
    const input = page.root.querySelector("input[type=file]") as HTMLInputElement;
    input.click = vi.fn();
    await page.click(page.by_name("Picture…"));
    expect([input.accept, input.multiple]).toEqual(["image/*", false]);
    Object.defineProperty(input, "files", { configurable: true, value: [new File(["jpeg"], "poster.jpg", { type: "image/jpeg" })] });
    vi.stubGlobal("createImageBitmap", undefined); // nothing here can look at pictures
    input.dispatchEvent(new Event("change"));
    vi.useRealTimers();
    await new Promise((resolve) => setTimeout(resolve, 50));
    vi.unstubAllGlobals();
    expect(page.kernel.last("set_cover")).toMatchObject({ name: "poster.jpg" });
    expect(new TextDecoder().decode(page.kernel.last("set_cover")?.buffers[0])).toBe("jpeg");
    expect(page.kernel.of("offer_files")).toHaveLength(0);
    expect([input.accept, input.multiple]).toEqual(["", true]);
    expect(field(page, "cover").value).toBe("poster.jpg");
    expect(page.status()).toBe("poster.jpg is the cover now.");
  });
  it("takes no file for a cover that only has the name of a picture", async () => {
    const page = await form();
    const input = page.root.querySelector("input[type=file]") as HTMLInputElement;
    input.click = vi.fn();
    await page.click(page.by_name("Picture…"));
    Object.defineProperty(input, "files", { configurable: true, value: [new File(["junk"], "broken.png", { type: "image/png" })] });
    vi.stubGlobal("createImageBitmap", () => Promise.reject(new Error("junk")));
    vi.stubGlobal("Image", class { onerror?: () => void; set src(_: string) { queueMicrotask(() => this.onerror?.()); } });
    try {
      input.dispatchEvent(new Event("change"));
      await settle();
    } finally {
      vi.unstubAllGlobals();
    }
    expect(page.kernel.of("set_cover")).toHaveLength(0);
    expect(page.status()).toBe("broken.png is no picture that this browser can read.");
  });
  it("marks the cover when the kernel has no such picture, until something else is typed", async () => {
    const page = await form((kernel) => { kernel.on_intent = (m) => m.kind === "set_metadata" && m["cover"] === "gone.png" ? { error: { code: "Source.Missing", message: "gone" } } : undefined; });
    const said = (): string | null | undefined => field(page, "cover").closest(".fd")?.querySelector(".cnt")?.textContent;
    await page.type(field(page, "cover"), "gone.png");
    await page.click(apply(page));
    expect([said(), field(page, "cover").getAttribute("aria-invalid")]).toEqual(["the file is not there", "true"]);
    expect(document.activeElement).toBe(field(page, "cover"));
    await page.type(field(page, "cover"), "poster.png");
    expect([said(), field(page, "cover").getAttribute("aria-invalid")]).toEqual(["", null]);
  });
  it("keeps what was typed while the other tab is looked at", async () => {
    const page = await form();
    await page.type(field(page, "title"), "Typed");
    await page.click(page.by_name("Transfer"));
    await page.click(page.by_name("Metadata"));
    expect(field(page, "title").value).toBe("Typed");
    await page.click(page.by_name("Undo"));
    expect(field(page, "title").value).toBe("talk.mp4");
  });
  it("is applied by Start, which begins nothing while it is wrong or refused", async () => {
    const page = await form((kernel) => { kernel.state = "Init"; });
    const order = (): string[] => page.kernel.sent.map((m) => m.kind).filter((kind) => ["set_metadata", "start"].includes(kind));
    await page.type(field(page, "title"), "😀");
    await page.click(page.by_name("Start"));
    expect([order(), page.status()]).toEqual([[], "Changes are not applied. Close again to drop them."]);
    page.kernel.on_intent = (m) => m.kind === "set_metadata" ? { error: { code: "Restriction.Field", message: "the title is bad" } } : undefined;
    await page.type(field(page, "title"), "Keynote");
    await page.click(page.by_name("Start"));
    expect(page.status()).toContain("Apply: the title is bad");
    expect(order()).toEqual(["set_metadata"]);
    page.kernel.on_intent = null;
    await page.type(field(page, "tags"), "typed, and not yet a tag");
    await page.click(page.by_name("Start"));
    expect(order()).toEqual(["set_metadata", "set_metadata", "start"]);
    expect(page.kernel.last("set_metadata")).toMatchObject({ title: "Keynote", tags: ["typed", "and not yet a tag"] });
    page.kernel.state = "Stop";
    page.kernel.snapshot();
    await settle();
    await page.click(page.by_name("Start"));
    expect(order(), "nothing is left to apply").toEqual(["set_metadata", "set_metadata", "start", "start"]);
  });
  it("says so when the file starts by itself before it was applied", async () => {
    const page = await form();
    await page.type(field(page, "title"), "Keynote");
    Object.assign(page.kernel.rows[0]!, { state: "Uploading", phase: "sending" });
    page.kernel.snapshot();
    await settle();
    expect(field(page, "title").value).toBe("talk.mp4");
    expect(page.status()).toBe("Apply: it has started.");
  });
  it("no longer warns of changes once they were dropped", async () => {
    const page = await form();
    await page.type(field(page, "title"), "Typed");
    await page.click(page.by_name("Close"));
    expect(page.status()).toContain("Changes are not applied");
    await page.click(page.by_name("Close"));
    expect(page.root.querySelector(".side")).toBeNull();
    expect(page.status()).not.toContain("Changes are not applied");
  });
  it("offers neither cover nor processing for an image, nor to a page for strangers", async () => {
    const image = await form(() => undefined, { media_type: "image" });
    expect(field(image, "cover")).toBeNull();
    image.close();
    const page = await form((kernel) => { kernel.policy = { sources: ["browser"], steer: false }; });
    expect(field(page, "workflow_id").readOnly).toBe(true);
    expect(page.kernel.of("list_categories")).toHaveLength(0);
  });
});

describe("what was stored", () => {
  it("plays a video in a new tab that cannot reach back, and asks for the address once", async () => {
    const opened = vi.spyOn(window, "open").mockReturnValue(null);
    const page = await open([row("a.mp4", "Success", { can_play: true, video_id: "v" }), row("b.mp4", "Uploading")]);
    expect([...page.root.querySelectorAll("[data-action=play]")].map(name_of)).toEqual(["Play a.mp4"]);
    await page.click(page.by_name("Play a.mp4"));
    await page.click(page.by_name("Play a.mp4"));
    expect(page.kernel.of("play")).toHaveLength(1);
    const url = `https://cdn.example/${page.rows()[0]?.dataset["fileId"] ?? ""}.mp4`;
    expect(opened.mock.calls).toEqual([[url, "_blank", "noopener,noreferrer"], [url, "_blank", "noopener,noreferrer"]]);
    page.kernel.on_intent = (m) => m.kind === "play" ? { data: { url: "javascript:alert(1)" } } : undefined;
    await settle(700_000);
    await page.click(page.by_name("Play a.mp4"));
    expect(opened).toHaveBeenCalledTimes(2);
    page.kernel.on_intent = (m) => m.kind === "play" ? { error: { code: "Play.NotReady", message: "" } } : undefined;
    await page.click(page.by_name("Play a.mp4"));
    expect(page.status()).toBe("Play: the service still prepares it, try again soon.");
    opened.mockRestore();
  });
  it("asks for a small picture of a kernel's image once, and keeps the icon when there is none", async () => {
    const page = await open([
      row("small.png", "Ready", { media_type: "image", size_bytes: 1000 }), row("large.png", "Ready", { media_type: "image", size_bytes: 9e6 }), row("v.mp4", "Ready", { size_bytes: 10 }),
    ], (kernel) => { kernel.on_intent = (m) => m.kind === "thumbnail" ? { error: { code: "Picture", message: "" } } : undefined; });
    page.kernel.snapshot();
    await settle(2000);
    expect(page.kernel.of("thumbnail").map((m) => m["file_id"])).toEqual([page.row("small.png").dataset["fileId"]]);
    expect(page.row("small.png").querySelector(".th svg")).not.toBeNull();
  });
});

describe("several files at once", () => {
  const several = async (): Promise<Page> => {
    const page = await open([row("a.mp4", "Ready"), row("b.mp4", "Uploading"), row("c.mp4", "Ready")]);
    for (const name of ["a.mp4", "b.mp4"]) await page.click(page.row(name).querySelector("input[type=checkbox]")!);
    await page.click(page.root.querySelector("[data-action=selected-edit]")!);
    return page;
  };
  it("sends only what was filled in, and names the file that has started", async () => {
    const page = await several();
    expect(apply(page).getAttribute("aria-disabled")).toBe("true");
    await page.type(field(page, "tags"), "demo, 2026，讲座");
    await page.click(apply(page));
    const ids = ["a.mp4", "b.mp4"].map((name) => page.row(name).dataset["fileId"]);
    expect(page.kernel.last("edit_files")).toMatchObject({
      file_ids: ids, tags: ["demo", "2026", "讲座"], description: null, cate_id: null, template_group_id: null, workflow_id: null,
    });
    expect(page.root.querySelector(".side .told")?.textContent).toContain("b.mp4: it has started");
    expect(page.status()).toBe("Metadata of 1 file changed.");
  });
  it("are changed by Start, too, and one that has started keeps none from it", async () => {
    const page = await several();
    page.kernel.state = "Stop";
    page.kernel.snapshot();
    await page.type(field(page, "cate_id"), "x1");
    await page.click(page.by_name("Start"));
    expect(page.status()).toBe("Changes are not applied. Close again to drop them.");
    await page.type(field(page, "cate_id"), "7");
    await page.click(page.by_name("Start"));
    expect(page.kernel.sent.map((m) => m.kind).filter((kind) => ["edit_files", "start"].includes(kind))).toEqual(["edit_files", "start"]);
  });
  it("blocks what the service would refuse", async () => {
    const page = await several();
    await page.type(field(page, "description"), "描".repeat(342));
    expect(page.root.querySelector(".side")?.textContent).toContain("2 bytes too many");
    expect(apply(page).getAttribute("aria-disabled")).toBe("true");
    await page.type(field(page, "description"), "short 😀");
    expect(page.root.querySelector(".side")?.textContent).toContain("VOD does not take 😀");
    expect(apply(page).getAttribute("aria-disabled")).toBe("true");
    await page.type(field(page, "description"), "short");
    await page.type(field(page, "tags"), "a, 🎬");
    expect(page.root.querySelector(".side")?.textContent).toContain("VOD does not take 🎬");
    expect(apply(page).getAttribute("aria-disabled")).toBe("true");
    await page.type(field(page, "tags"), "a");
    expect(apply(page).getAttribute("aria-disabled")).toBeNull();
    await page.type(field(page, "cate_id"), "x1");
    expect(apply(page).getAttribute("aria-disabled")).toBe("true");
  });
});
