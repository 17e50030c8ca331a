import { describe, expect, it } from "vitest";
import { hex } from "../src/crc64";
import { find_reach } from "../src/reach";

/** A host that carries at most so many bytes, and may turn the bytes of an echo. */
function host(most: number, turn: (bytes: Uint8Array) => void = () => undefined, slow_ms = 0) {
  const sizes: number[] = [];
  return {
    sizes,
    request: (async (_kind: string, _keys: unknown, buffers: ArrayBuffer[]) => {
      const sent = buffers[0]!;
      sizes.push(sent.byteLength);
      if (slow_ms) await new Promise((resolve) => setTimeout(resolve, sent.byteLength > 2000 ? slow_ms : 0));
      if (sent.byteLength > most) throw new Error("NoAnswer");
      const echo = new Uint8Array(sent.slice(0));
      turn(echo);
      return { size_bytes: sent.byteLength, crc64: hex(echo) };
    }) as never,
  };
}

describe("what the host carries", () => {
  const MIB = 1_048_576;
  it.each([[10 * MIB, 4 * MIB], [MIB - 1, 262_144], [200_000, 32_768], [10_000, 0], [0, 0]])("at most %s bytes in a message: slices of %s", async (most, want) => {
    expect(await find_reach(host(most))).toBe(want);
  });
  it("a slow host gets smaller slices", async () => {
    expect(await find_reach(host(10 * MIB, undefined, 520))).toBe(2 * MIB);
  });
  it("a message with one wrong byte does not count", async () => {
    const wrong = host(10 * MIB, (bytes) => { if (bytes.length > 300_000) bytes[300_000]! ^= 1; });
    expect(await find_reach(wrong)).toBe(262_144);
    expect(wrong.sizes).toEqual([1024, MIB, 262_144]);
  });
  it("an answer without the checksum does not count", async () => {
    expect(await find_reach({ request: (async () => ({ size_bytes: 1024 })) as never })).toBe(0);
  });
});
