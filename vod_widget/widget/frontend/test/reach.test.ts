import { describe, expect, it, vi } from "vitest";
import { hex } from "../src/crc64";
import { find_reach } from "../src/reach";

/** A host that carries at most so many bytes, and may turn the bytes of an echo. */
function host(most: number, turn: (bytes: Uint8Array) => void = () => undefined, bytes_per_s = Infinity) {
  const sizes: number[] = [];
  return {
    sizes,
    request: (async (_kind: string, _keys: unknown, buffers: ArrayBuffer[]) => {
      const sent = buffers[0]!;
      sizes.push(sent.byteLength);
      if (bytes_per_s < Infinity) await new Promise((resolve) => setTimeout(resolve, 1000 * sent.byteLength / bytes_per_s));
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
  it.each([
    [1_900_000, 2 * MIB, MIB], [600_000, 262_144, MIB], [62_500, 262_144, 262_144], [20_000, 32_768, 32_768],
  ])("a line of %s bytes a second gets slices of %s, and no larger probe than %s", async (bytes_per_s, want, largest) => {
    vi.useFakeTimers();
    const slow = host(10 * MIB, undefined, bytes_per_s);
    const found = find_reach(slow);
    await vi.advanceTimersByTimeAsync(60_000);
    vi.useRealTimers();
    expect(await found).toBe(want);
    expect(Math.max(...slow.sizes)).toBe(largest);
  });
  it("a message with one wrong byte does not count", async () => {
    const wrong = host(10 * MIB, (bytes) => { if (bytes.length > 300_000) bytes[300_000]! ^= 1; });
    expect(await find_reach(wrong)).toBe(262_144);
    expect(wrong.sizes).toEqual([1024, 32_768, 262_144, MIB]);
  });
  it("an answer without the checksum does not count", async () => {
    expect(await find_reach({ request: (async () => ({ size_bytes: 1024 })) as never })).toBe(0);
  });
});
