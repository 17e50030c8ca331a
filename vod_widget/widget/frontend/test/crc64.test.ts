import { expect, it } from "vitest";
import { crc64_kit, edges, hex } from "../src/crc64";

const sum = crc64_kit();
const text = (words: string) => new TextEncoder().encode(words);

it.each([["", "0000000000000000"], ["123456789", "995dc9bbdf1939fa"], ["a".repeat(1000), "@"]])("the check value of CRC-64/XZ: %s", (words, want) => {
  if (want !== "@") expect(hex(sum(text(words)))).toBe(want);
  // Any cut gives the same sum.
  for (const cut of [0, 1, 7, 8, words.length]) expect(sum(text(words).slice(cut), sum(text(words).slice(0, cut)))).toEqual(sum(text(words)));
});
it("the text of the kit is a worker's whole text", () => {
  const again = new Function(`return (${crc64_kit})()`)() as typeof sum;
  expect(hex(again(text("123456789")))).toBe("995dc9bbdf1939fa");
});
it("edges are the first and the last 64 KiB of what is sent in parts", async () => {
  const data = new Uint8Array(2 ** 21).map((_, k) => k % 251);
  const file = (bytes: Uint8Array) => new File([bytes as never], "a.mp4");
  const before = await edges(file(data));
  expect(before).toMatch(/^[0-9a-f]{16}$/);
  expect(before).toBe(hex(sum(data.slice(-65_536), sum(data.slice(0, 65_536)))));
  data[2 ** 20] = 255;
  expect(await edges(file(data))).toBe(before);
  data[5] = 255;
  expect(await edges(file(data))).not.toBe(before);
  expect(await edges(file(data.slice(0, 1000)))).toBe("");
});
