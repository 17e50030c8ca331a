import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection, IntentError, type Link } from "../src/connection";
import { FakeKernel } from "./kernel";

describe("the line to the kernel", () => {
  let kernel: FakeKernel;
  let connection: Connection;
  let links: Link[];
  const heard: unknown[] = [];
  beforeEach(() => {
    vi.useFakeTimers();
    kernel = new FakeKernel();
    links = [];
    heard.length = 0;
    connection = new Connection(kernel, { message: (m) => heard.push(m), link: (l) => links.push(l), pulse: () => undefined });
  });
  afterEach(() => {
    connection.close();
    vi.useRealTimers();
  });

  it("pairs each answer with its question", async () => {
    kernel.on_intent = (m) => m.kind === "complete_path" ? { data: { paths: [`${m["prefix"] as string}!`] } } : undefined;
    const answers = Promise.all([connection.request("complete_path", { prefix: "a" }), connection.request("complete_path", { prefix: "b" })]);
    await vi.advanceTimersByTimeAsync(10);
    expect(await answers).toEqual([{ paths: ["a!"] }, { paths: ["b!"] }]);
    expect(new Set(kernel.sent.map((m) => m.id)).size).toBe(2);
    expect(kernel.sent.every((m) => Number.isSafeInteger(m.id))).toBe(true);
  });
  it("rejects with the kernel's code", async () => {
    kernel.on_intent = () => ({ error: { code: "Policy", message: "not here" } });
    const failed = connection.request("start", {}).catch((e: unknown) => e);
    await vi.advanceTimersByTimeAsync(10);
    expect(await failed).toMatchObject({ code: "Policy", message: "not here" });
  });
  it("gives up after ten seconds", async () => {
    kernel.alive = false;
    const failed = connection.request("start", {}).catch((e: unknown) => e);
    await vi.advanceTimersByTimeAsync(9_900);
    let settled = false;
    void failed.then(() => { settled = true; });
    await vi.advanceTimersByTimeAsync(0);
    expect(settled).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    expect(await failed).toBeInstanceOf(IntentError);
    expect(await failed).toMatchObject({ code: "NoAnswer" });
  });
  it("rejects at once when the comm is closed", async () => {
    vi.spyOn(kernel, "send").mockImplementation(() => { throw new Error("closed"); });
    await expect(connection.request("start", {})).rejects.toMatchObject({ code: "Offline" });
  });
  it("ignores answers of other pages and nonsense", () => {
    kernel.down({ kind: "answer", id: 1, ok: true, data: {} });
    kernel.emit("msg:custom", null);
    kernel.emit("msg:custom", "text");
    kernel.emit("msg:custom", {});
    expect(heard).toEqual([]);
  });
  it("gives up a slice or a probe that a heartbeat overtook, and nothing else", async () => {
    kernel.on_intent = (m) => m.kind === "ping" ? undefined : "silent";
    const probe = connection.request("probe", {}, [new ArrayBuffer(1)]).catch((e: unknown) => e);
    const slice = connection.request("slice", { file_id: "f", token: "t", pull_id: 1, offset: 0 }, [new ArrayBuffer(1)]);
    const failed = slice.catch((e: unknown) => e);
    const said: string[] = [];
    void connection.request("start", {}).catch(() => said.push("start"));
    const ping = connection.request("ping", {});
    void connection.request("slice", { file_id: "f", token: "t", pull_id: 2, offset: 1 }, [new ArrayBuffer(1)]).catch(() => said.push("later"));
    await vi.advanceTimersByTimeAsync(10);
    await ping;
    expect(await failed).toMatchObject({ code: "Overtaken" });
    expect(await probe).toMatchObject({ code: "Overtaken" });
    expect(said).toEqual([]);
  });
  it("makes a click again that went down with the socket which the probe cost, once", async () => {
    kernel.on_intent = (m) => ["clear", "stop", "probe"].includes(m.kind) || (m.kind === "start" && kernel.of("start").length === 1) ? "silent" : undefined;
    void connection.request("stop", {}).catch(() => undefined);
    void connection.request("probe", {}, [new ArrayBuffer(1)], 60_000).catch(() => undefined);
    const start = connection.request("start", {});
    void connection.request("clear", { which: "done" }).catch(() => undefined);
    await vi.advanceTimersByTimeAsync(9_000);
    await start;
    expect(["start", "stop", "clear", "probe"].map((kind) => kernel.of(kind).length)).toEqual([2, 1, 1, 1]);
    expect(new Set(kernel.of("start").map((m) => m.id)).size).toBe(1);
  });
  it("is lost after silence and back with the next word", async () => {
    void connection.request("ping", {});
    await vi.advanceTimersByTimeAsync(10);
    expect(links).toEqual(["live"]);
    kernel.alive = false;
    // Ten seconds is what a person may believe in a dead screen, whenever in the beat the kernel went.
    await vi.advanceTimersByTimeAsync(9_000);
    expect(links).toEqual(["live", "lost"]);
    kernel.alive = true;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(links).toEqual(["live", "lost", "live"]);
  });
  it("is not lost while a busy kernel still publishes", async () => {
    void connection.request("ping", {});
    await vi.advanceTimersByTimeAsync(10);
    kernel.alive = false;
    for (let s = 0; s < 40; s++) {
      kernel.down({ kind: "note", code: "x", facts: {} });
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(links).toEqual(["live"]);
  });
  it("knows a restarted kernel within seconds", async () => {
    void connection.request("ping", {});
    await vi.advanceTimersByTimeAsync(10);
    kernel.alive = false;
    kernel.emit("comm_live_update");
    await vi.advanceTimersByTimeAsync(3_100);
    expect(links).toEqual(["live", "gone"]);
  });
  it("knows a kernel that was restarted from another tab: free, silent, and without this comm", async () => {
    const asked: string[] = [];
    const host = { status: "busy", comms: {} as Record<string, unknown> };
    kernel.widget_manager = { kernel: { get status() { return host.status; }, requestCommInfo: async ({ target_name }) => {
      asked.push(target_name);
      return { content: { status: "ok", comms: host.comms } };
    } } };
    connection.comm_id = "comm-1";
    await vi.advanceTimersByTimeAsync(7_000);
    expect(asked).toEqual([]);
    kernel.alive = false;
    await vi.advanceTimersByTimeAsync(20_000);
    // A cell runs, and with it the kernel is silent.
    expect([links, asked]).toEqual([["live", "lost"], []]);
    Object.assign(host, { status: "idle", comms: { "comm-1": {} } });
    await vi.advanceTimersByTimeAsync(4_000);
    expect([links, asked]).toEqual([["live", "lost"], ["jupyter.widget"]]);
    host.comms = { "comm-2": {} };
    await vi.advanceTimersByTimeAsync(4_000);
    expect(links).toEqual(["live", "lost", "gone"]);
    kernel.alive = true;
    await vi.advanceTimersByTimeAsync(4_000);
    expect(links).toEqual(["live", "lost", "gone", "live"]);
  });
  it("leaves nothing behind", async () => {
    const failed = connection.request("start", {}).catch((e: unknown) => e);
    kernel.alive = false;
    connection.close();
    expect(await failed).toMatchObject({ code: "Offline" });
    expect(kernel.listeners()).toBe(0);
    expect(vi.getTimerCount()).toBeLessThanOrEqual(1); // the fake kernel's own
  });
});
