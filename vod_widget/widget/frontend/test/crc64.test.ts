import { afterEach, expect, it, vi } from "vitest";
import { crc64_kit, edges, hex } from "../src/crc64";

const text = (words: string) => new TextEncoder().encode(words);
const bytes = (size: number) => new Uint8Array(size).map((_, k) => Math.imul(k, 2_654_435_761) >>> 9);

/** Bit by bit, as it is defined. */
function defined(data: Uint8Array): string {
  let sum = 2n ** 64n - 1n;
  const step = Array.from({ length: 256 }, (_, n) => {
    let value = BigInt(n);
    for (let k = 0; k < 8; k++) value = value & 1n ? value >> 1n ^ 0xc96c5795d7870f42n : value >> 1n;
    return value;
  });
  for (const byte of data) sum = sum >> 8n ^ step[Number(sum & 255n) ^ byte]!;
  return (sum ^ 2n ** 64n - 1n).toString(16).padStart(16, "0");
}

/** Of pieces of so many bytes. */
function cut(data: Uint8Array, size: number, sum = crc64_kit()): string {
  for (let at = 0; at < data.length; at += size) sum.add(data.subarray(at, at + size));
  return sum.end().toString(16).padStart(16, "0");
}

afterEach(() => vi.unstubAllGlobals());

it.each([["", "0000000000000000"], ["123456789", "995dc9bbdf1939fa"]])("the check value of CRC-64/XZ: %s", (words, want) => {
  expect(hex(text(words))).toBe(want);
});
it.each([["WebAssembly", true], ["without", false]])("long bytes in any pieces have the sum of the definition: %s", (_, with_it) => {
  let made = 0;
  const { Module, Instance } = WebAssembly;
  vi.stubGlobal("WebAssembly", with_it ? { Module, Instance: class extends Instance { constructor(module: WebAssembly.Module) { super(module); made++; } } } : undefined);
  const sum = crc64_kit();
  expect(made).toBe(with_it ? 1 : 0);
  for (const size of [1, 46_271, 46_273, 46_288, 524_289, 1_300_003]) {
    const data = bytes(size);
    const want = defined(data);
    for (const piece of [size, 65_537]) expect([size, piece, cut(data, piece, sum)]).toEqual([size, piece, want]);
  }
});
it("the text of the kit is a worker's whole text", () => {
  expect(cut(text("123456789"), 4, new Function(`return (${crc64_kit})()`)())).toBe("995dc9bbdf1939fa");
});
it("edges are the first and the last 64 KiB of what is sent in parts", async () => {
  const data = bytes(2 ** 21);
  const file = (bytes: Uint8Array) => new File([bytes as never], "a.mp4");
  const before = await edges(file(data));
  expect(before).toBe(hex(new Uint8Array([...data.slice(0, 65_536), ...data.slice(-65_536)])));
  data[2 ** 20]! ^= 255;
  expect(await edges(file(data))).toBe(before);
  data[5]! ^= 255;
  expect(await edges(file(data))).not.toBe(before);
  expect(await edges(file(data.slice(0, 1000)))).toBe("");
});
