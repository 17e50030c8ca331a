import { describe, expect, it, vi } from "vitest";
import type { Row } from "../src/protocol";
import { row } from "./kernel";
import { name_of, open, type Page, settle } from "./page";

const files = (n: number, state: Row["state"] = "Ready"): Row[] => Array.from({ length: n }, (_, k) => row(`clip-${String(k + 1).padStart(5, "0")}.mp4`, state));
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
  it.each(["", "en", "zh-CN"])("tells the page's own language at hello, whatever the trait says (%s)", async (trait) => {
    document.documentElement.lang = "zh-TW";
    const page = await open([], (kernel) => { kernel.traits["locale"] = trait; });
    document.documentElement.lang = "";
    expect(page.kernel.last("hello")).toMatchObject({ locale: "zh-CN" });
    expect(name_of(page.root.querySelector("[data-action=start]") as Element)).toBe(trait === "en" ? "Start" : "开始");
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

describe("another language in the middle of something", () => {
  const speak = async (page: Page, locale: string): Promise<void> => {
    page.kernel.traits["locale"] = locale;
    page.kernel.emit("change:locale");
    await settle();
    expect(page.root.lang).toBe(locale);
  };
  it.each([
    ["a row's button", (page: Page) => page.row("clip-00003.mp4").querySelector("[data-step=remove]")],
    ["a row", (page: Page) => page.row("clip-00004.mp4")],
    ["a button of the toolbar", (page: Page) => page.root.querySelector("[data-action=credentials]")],
    ["the search", (page: Page) => page.root.querySelector(".find input")],
  ])("leaves the focus on %s", async (_, find) => {
    const page = await open(files(5));
    (find(page) as HTMLElement).focus();
    await speak(page, "zh-CN");
    expect(document.activeElement).toBe(find(page));
    await speak(page, "en");
    expect(document.activeElement).toBe(find(page));
  });
  it("gives the focus of an open menu back to its button", async () => {
    const page = await open(files(2));
    await page.click(page.root.querySelector("[data-action=add]") as Element);
    expect(document.activeElement?.getAttribute("role")).toBe("menuitem");
    await speak(page, "zh-CN");
    expect(document.activeElement).toBe(page.root.querySelector("[data-action=add]"));
  });
  it("keeps the place in a long list", async () => {
    const page = await open(files(500));
    const grid = (): HTMLElement => page.root.querySelector(".grid") as HTMLElement;
    grid().scrollTop = 4_000;
    grid().dispatchEvent(new Event("scroll"));
    await settle();
    await speak(page, "zh-CN");
    expect(grid().scrollTop).toBe(4_000);
    expect(page.row("clip-00102.mp4").textContent).toContain("就绪");
  });
  it("leaves a panel open, with what was typed, in the new language", async () => {
    const page = await open(files(2));
    await page.click(page.by_name("Open details of clip-00002.mp4"));
    const field = (name: string): HTMLInputElement => page.root.querySelector(`.side [data-field=${name}]`) as HTMLInputElement;
    await page.type(field("title"), "讲座 one");
    await page.type(field("tags"), "a, b");
    await page.key(field("tags"), "Enter");
    await page.type(field("cate_id"), "12");
    field("title").focus();
    await speak(page, "zh-CN");
    expect(page.root.querySelector(".side")?.textContent).toContain("标题");
    expect(document.activeElement).toBe(field("title"));
    await page.click(page.root.querySelector("[data-action=apply]") as Element);
    expect(page.kernel.last("set_metadata")).toMatchObject({ title: "讲座 one", tags: ["a", "b"], cate_id: 12 });
  });
  it("keeps typed keys, a typed path with what was chosen, and links", async () => {
    const page = await open(files(1), (kernel) => { kernel.policy = { sources: ["browser", "kernel", "address"] }; });
    const inputs = (): HTMLInputElement[] => [...page.root.querySelectorAll<HTMLInputElement>(".side .inp")];
    await page.click(page.by_name("Details"));
    await page.click(page.root.querySelector("[data-profile=inline]") as Element);
    const [id, key] = inputs() as [HTMLInputElement, HTMLInputElement];
    [id.value, key.value] = ["LTAI-id", "typed"];
    await speak(page, "zh-CN");
    expect(inputs().slice(0, 2).map((input) => input.value)).toEqual(["LTAI-id", "typed"]);
    expect([id.value, key.value], "what is gone holds no key").toEqual(["", ""]);
    expect(page.root.querySelector(".side")?.textContent).toContain("使用这些密钥");
    await page.click(page.root.querySelector("[data-action=close]") as Element);
    const add = async (action: string): Promise<void> => {
      await page.click(page.root.querySelector("[data-action=add]") as Element);
      await page.click(page.root.querySelector(`[data-action=${action}]`) as Element);
    };
    await add("add-kernel");
    await page.click(page.root.querySelector(".dir input:not([disabled])") as Element);
    await speak(page, "en");
    expect(page.root.querySelector("[data-action=add-paths]")?.textContent).toBe("Add 1");
    await page.click(page.root.querySelector("[data-action=close]") as Element);
    await add("add-address");
    await page.type(inputs()[0] as HTMLInputElement, "https://example.com/a.mp4");
    await speak(page, "zh-CN");
    expect(inputs()[0]?.value).toBe("https://example.com/a.mp4");
    expect(page.root.querySelector("[data-action=add-address-now]")?.getAttribute("aria-disabled")).toBeNull();
  });
});
