import { beforeEach, describe, expect, it } from "vitest";
import { IntentError } from "../src/connection";
import { files_of } from "../src/dropped";
import { Feeder } from "../src/feeder";

interface Out { kind: string; keys: Record<string, unknown>; buffer: ArrayBuffer | undefined }

describe("bytes of browser files", () => {
  let out: Out[];
  let feeder: Feeder;
  const held = new Set<string>();
  const data = new Uint8Array(1000).map((_, k) => k % 251);
  const pull = (pull_id: number, offset: number, length: number, file_id = "f1") => feeder.pull({ kind: "pull", file_id, pull_id, offset, length });
  const tick = () => new Promise((resolve) => setTimeout(resolve, 20));
  beforeEach(() => {
    out = [];
    held.clear();
    feeder = new Feeder({
      request: ((kind: string, keys: Record<string, unknown>, buffers?: ArrayBuffer[]) => {
        out.push({ kind, keys, buffer: buffers?.[0] });
        return Promise.resolve({});
      }) as never,
    }, held);
    feeder.token = "T";
    feeder.keep("f1", new File([data], "a.mp4"));
  });

  it("answers with exactly the bytes asked for, in any order and as often as asked", async () => {
    pull(1, 600, 400);
    pull(2, 0, 300);
    pull(3, 300, 300);
    await tick();
    pull(4, 0, 300);
    await tick();
    expect(out.map((o) => o.kind)).toEqual(["slice", "slice", "slice", "slice"]);
    for (const { keys, buffer } of out) {
      const offset = keys["offset"] as number;
      expect(keys).toMatchObject({ file_id: "f1", token: "T" });
      expect(new Uint8Array(buffer as ArrayBuffer)).toEqual(data.slice(offset, offset + (offset === 600 ? 400 : 300)));
    }
    expect(out.filter((o) => o.keys["offset"] === 0).map((o) => o.keys["pull_id"])).toEqual([2, 4]);
  });
  it.each([["Overtaken", 2], ["NoAnswer", 1]])("sends a slice that is %s %s times in all", async (code, times) => {
    feeder = new Feeder({
      request: ((kind: string, keys: Record<string, unknown>, buffers?: ArrayBuffer[]) => {
        out.push({ kind, keys, buffer: buffers?.[0] });
        return Promise.reject(new IntentError(code, kind));
      }) as never,
    }, held);
    feeder.keep("f1", new File([data], "a.mp4"));
    pull(1, 900, 100);
    await tick();
    expect(out.map((o) => new Uint8Array(o.buffer!))).toEqual(Array.from({ length: times }, () => data.slice(900)));
  });
  it("sends a short last slice", async () => {
    pull(1, 900, 4096);
    await tick();
    expect(out[0]?.buffer?.byteLength).toBe(100);
  });
  it("says changed when there is nothing there any more", async () => {
    pull(1, 5000, 100);
    await tick();
    expect(out).toMatchObject([{ kind: "slice_error", keys: { reason: "changed", pull_id: 1, token: "T" } }]);
  });
  it.each([["NotReadableError", "changed"], ["NotFoundError", "gone"], ["OddError", "read"]])("%s becomes %s", async (name, reason) => {
    const file = new File([data], "a.mp4");
    file.slice = () => ({ arrayBuffer: () => Promise.reject(new DOMException("no", name)) }) as unknown as Blob;
    feeder.keep("f1", file);
    pull(9, 0, 10);
    await tick();
    expect(out).toMatchObject([{ kind: "slice_error", keys: { reason, pull_id: 9 } }]);
  });
  it("is silent about files of other pages, and says gone for its own that it let go", async () => {
    pull(1, 0, 10, "stranger");
    feeder.drop("f1");
    pull(2, 0, 10);
    await tick();
    expect(out).toMatchObject([{ kind: "slice_error", keys: { file_id: "f1", reason: "gone" } }]);
    expect(held.size).toBe(0);
  });
  it("reads at most four slices at a time", async () => {
    let now = 0;
    let most = 0;
    const file = new File([data], "a.mp4");
    file.slice = () => ({
      arrayBuffer: async () => {
        most = Math.max(most, ++now);
        await tick();
        now--;
        return new ArrayBuffer(10);
      },
    }) as unknown as Blob;
    feeder.keep("f1", file);
    for (let k = 0; k < 12; k++) pull(k, k * 10, 10);
    for (let k = 0; k < 6; k++) await tick();
    expect(most).toBe(4);
    expect(out.length).toBe(12);
  });
});

describe("a drop", () => {
  const as_file = (name: string): FileSystemFileEntry => ({ isDirectory: false, isFile: true, name, file: (done: (f: File) => void) => done(new File(["x"], name)) }) as never;
  const as_folder = (name: string, entries: FileSystemEntry[]): FileSystemDirectoryEntry => ({
    isDirectory: true, isFile: false, name,
    createReader: () => {
      const rest = [...entries];
      return { readEntries: (done: (e: FileSystemEntry[]) => void) => done(rest.splice(0, 2)) };
    },
  }) as never;
  it("brings the files of folders too, sorted as people count, whatever the batch size, without hidden ones", async () => {
    const folder = as_folder("clips", [as_file("10.mp4"), as_file(".DS_Store"), as_folder("deep", [as_file("2.mp4")]), as_file("3.mp4")]);
    expect((await files_of([folder, new File(["x"], "0.mp4"), null])).map((f) => f.name)).toEqual(["3.mp4", "10.mp4", "2.mp4", "0.mp4"]);
  });
});
