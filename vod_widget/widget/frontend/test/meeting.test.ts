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
