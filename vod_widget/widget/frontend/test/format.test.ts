import { describe, expect, it } from "vitest";
import { bytes, bytes_pair, duration, middle_cut, percent, short_id, speed } from "../src/format";
import { utf8_length } from "../src/views/metadata";
import { translator } from "../src/i18n";

const en = translator("en");
const zh = translator("zh-CN");

describe("numbers", () => {
  it.each([[0, "0 B"], [912, "912 B"], [2_100_000, "2.10 MB"], [38e6, "38.0 MB"], [86.3e6, "86.3 MB"], [744e6, "744 MB"], [2.41e9, "2.41 GB"],
    [999_499_999, "999 MB"], [999_600_000, "1.00 GB"], [6.36e12, "6.36 TB"], [null, "–"], [-1, "–"], [Number.NaN, "–"]])("%s bytes read %s", (n, words) => {
    expect(bytes(n)).toBe(words);
  });
  it("shares the unit in a pair", () => {
    expect(bytes_pair(en, 2.98e9, 8.41e9)).toBe("2.98 of 8.41 GB");
    expect(bytes_pair(zh, 2.98e9, 8.41e9)).toBe("2.98 / 8.41 GB");
    expect(bytes_pair(en, 8.41e9, 8.41e9)).toBe("8.41 GB");
    expect(bytes_pair(en, 0, 8.41e9)).toBe("0 of 8.41 GB");
  });
  it.each([[0.4, "1 s", "1 秒"], [43, "43 s", "43 秒"], [81, "1 min 21 s", "1 分 21 秒"], [120, "2 min", "2 分"], [53_880, "14 h 58 min", "14 小时 58 分"],
    [86_400 * 2 + 3600, "2 d 1 h", "2 天 1 小时"]])("%s s read %s", (s, a, b) => {
    expect(duration(en, s)).toBe(a);
    expect(duration(zh, s)).toBe(b);
  });
  it("never says 100 before everything is verified", () => {
    expect(percent(0.9999, false)).toBe(99);
    expect(percent(1, false)).toBe(99);
    expect(percent(1, true)).toBe(100);
    expect(percent(0.62, false)).toBe(62);
    expect(percent(Number.NaN, false)).toBe(0);
  });
  it("has nothing to say of no speed", () => {
    expect(speed(0)).toBe("–");
    expect(speed(21.4e6)).toBe("21.4 MB/s");
  });
});

describe("names", () => {
  it("keeps the end and the extension", () => {
    const name = "keynote-2026-main-stage-multicam-final-v7.mp4";
    const [head, hidden, tail] = middle_cut(name, (text) => text.length <= 24);
    expect(head).toMatch(/^keynote/);
    expect(tail).toMatch(/v7\.mp4$/);
    expect(head.length + 1 + tail.length).toBeLessThanOrEqual(24);
    expect(head + hidden + tail).toBe(name);
  });
  it("leaves a short one, and cuts no character in half", () => {
    expect(middle_cut("a.mp4", () => true)).toEqual(["a.mp4", "", ""]);
    const cut = middle_cut(`${"🎬".repeat(40)}.mp4`, (text) => [...text].length <= 12);
    expect([...cut.join("")].every((char) => char === "🎬" || ".mp4".includes(char))).toBe(true);
  });
  it("shortens ids and counts bytes", () => {
    expect(short_id("a1f0c3d2e4f57c2e")).toBe("a1f0…7c2e");
    expect(short_id("short")).toBe("short");
    expect(utf8_length("主题")).toBe(6);
  });
});
