import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { hex } from "../src/crc64";
import { Direct } from "../src/direct";

/** A network that answers each PUT as the test says. */
class Request {
  static all: Request[] = [];
  upload: { onprogress?: (event: { loaded: number }) => void } = {};
  onloadend?: () => void;
  status = 0;
  url = "";
  body?: Blob;
  aborted = false;
  headers: Record<string, string> = {};
  constructor() { Request.all.push(this); }
  open(method: string, url: string) { this.url = `${method} ${url}`; }
  send(body: Blob) { this.body = body; }
  abort() { this.aborted = true; }
  getResponseHeader(name: string) { return this.headers[name] ?? null; }
  answer(status: number, headers: Record<string, string> = {}) { Object.assign(this, { status, headers }); this.onloadend?.(); }
}

describe("parts that go straight to the storage", () => {
  const data = new Uint8Array(1000).map((_, k) => k % 251);
  const tick = () => new Promise((resolve) => setTimeout(resolve, 20));
  let out: Record<string, unknown>[];
  let direct: Direct;
  const put = (put_id: number, offset: number, length: number, url?: string) =>
    direct.put({ kind: url ? "put" : "put_stop", file_id: "f", put_id, offset, length, ...url && { url } }, new File([data], "a.mp4"));
  beforeEach(() => {
    out = [];
    Request.all = [];
    vi.stubGlobal("XMLHttpRequest", Request);
    // A host that allows no worker: the work is done here, by the very same function.
    vi.stubGlobal("Worker", class { constructor() { throw new Error("not allowed"); } });
    direct = new Direct({ request: ((kind: string, keys: object) => { out.push({ kind, ...keys }); return Promise.resolve({}); }) as never });
  });
  afterEach(() => vi.unstubAllGlobals());

  it("sends exactly the bytes of the part and tells both sums", async () => {
    put(3, 100, 200, "https://b/o?s");
    const [request] = Request.all as [Request];
    expect(request.url).toBe("PUT https://b/o?s");
    expect(new Uint8Array(await request.body!.arrayBuffer())).toEqual(data.slice(100, 300));
    request.upload.onprogress?.({ loaded: 50 });
    request.answer(200, { ETag: '"E1"', "x-oss-hash-crc64ecma": "77" });
    await tick();
    expect(out).toEqual([
      { kind: "put_progress", file_id: "f", put_id: 3, sent_bytes: 50 },
      { kind: "put_done", file_id: "f", put_id: 3, etag: "E1", crc64: String(BigInt(`0x${hex(data.slice(100, 300))}`)), stored_crc64: "77" },
    ]);
  });
  it("tells of all parts together at most once a second, first of the one that has moved most", () => {
    const clock = vi.spyOn(Date, "now").mockReturnValue(1_000);
    for (const put_id of [1, 2, 3]) put(put_id, 0, 300, "https://b/o");
    const moves = (...loaded: number[]) => loaded.forEach((bytes, k) => Request.all[k]?.upload.onprogress?.({ loaded: bytes }));
    moves(10, 200, 30);
    clock.mockReturnValue(1_999);
    moves(20, 210, 150);
    clock.mockReturnValue(2_000);
    moves(25, 215, 160);
    clock.mockReturnValue(3_000);
    moves(25, 216, 160);
    expect(out.map(({ put_id, sent_bytes }) => [put_id, sent_bytes])).toEqual([[1, 10], [2, 210], [3, 160]]);
  });
  it("tells of no progress just after the end of a part, which says more", async () => {
    const clock = vi.spyOn(Date, "now").mockReturnValue(1_000);
    for (const put_id of [1, 2]) put(put_id, 0, 300, "https://b/o");
    Request.all[0]?.answer(200, { ETag: "E" });
    clock.mockReturnValue(1_999);
    Request.all[1]?.upload.onprogress?.({ loaded: 100 });
    clock.mockReturnValue(2_000);
    Request.all[1]?.upload.onprogress?.({ loaded: 200 });
    await tick();
    expect(out.map(({ kind, put_id }) => [kind, put_id])).toEqual([["put_progress", 2], ["put_done", 1]]);
  });
  it.each([[0, {}, "network"], [403, {}, "status"], [200, {}, "status"]])("status %s with %o is no success: %s", async (status, headers, reason) => {
    put(1, 0, 10, "https://b/o");
    Request.all[0]?.answer(status, headers);
    await tick();
    expect(out).toEqual([{ kind: "put_error", file_id: "f", put_id: 1, reason }]);
  });
  it("goes on with a part that it is asked for again, and says its end once more when that was lost", async () => {
    let lost = true;
    direct = new Direct({ request: ((kind: string, { put_id }: { put_id: number }) => {
      out.push({ kind, put_id });
      return lost ? Promise.reject(new Error("no answer")) : Promise.resolve({});
    }) as never });
    put(1, 0, 10, "https://b/o");
    put(1, 0, 10, "https://b/o");
    expect(Request.all.map(({ aborted }) => aborted)).toEqual([false]);
    Request.all[0]?.answer(200, { ETag: "E" });
    await tick();
    lost = false;
    put(1, 0, 10, "https://b/o");
    await tick();
    const said = { kind: "put_done", put_id: 1 };
    expect([out, Request.all.length]).toEqual([[said, said], 1]);
  });
  it("stops a part when it is told to, and says nothing of it", async () => {
    put(1, 0, 10, "https://b/o");
    put(1, 0, 0);
    expect(Request.all[0]?.aborted).toBe(true);
    Request.all[0]?.answer(0);
    await tick();
    expect(out).toEqual([]);
  });
  it("leaves a file that this page does not hold to the page that does", () => {
    direct.put({ kind: "put", file_id: "g", put_id: 1, offset: 0, length: 1, url: "https://b/o" }, undefined);
    expect(Request.all).toEqual([]);
  });
  it("goes on here when the worker turns out not to be allowed", async () => {
    let made: { onerror?: () => void } = {};
    vi.stubGlobal("Worker", class { onerror?: () => void; constructor() { made = this; } postMessage() { /* never runs */ } terminate() { /* no */ } });
    put(1, 0, 10, "https://b/o");
    expect(Request.all).toEqual([]);
    made.onerror?.();
    Request.all[0]?.answer(200, { ETag: "E" });
    await tick();
    expect(out).toMatchObject([{ kind: "put_done", put_id: 1, stored_crc64: "" }]);
  });
});
