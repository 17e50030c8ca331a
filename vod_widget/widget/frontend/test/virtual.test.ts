import { describe, expect, it } from "vitest";
import { covers, drawn_range, scroll_to_show, wanted_window } from "../src/virtual";

describe("the drawn rows", () => {
  it("are the visible ones and two on each side", () => {
    expect(drawn_range(0, 240, 40, 1000)).toEqual({ first: 0, count: 8 });
    expect(drawn_range(4000, 240, 40, 1000)).toEqual({ first: 98, count: 10 });
    expect(drawn_range(4010, 240, 40, 1000)).toEqual({ first: 98, count: 11 });
  });
  it("are never fewer than six when there are so many", () => {
    expect(drawn_range(0, 0, 40, 100)).toEqual({ first: 0, count: 6 });
    expect(drawn_range(1e9, 0, 40, 100)).toEqual({ first: 94, count: 6 });
    expect(drawn_range(0, 0, 40, 3)).toEqual({ first: 0, count: 3 });
    expect(drawn_range(0, 500, 40, 0)).toEqual({ first: 0, count: 0 });
  });
  it("cover every visible pixel at any scroll position", () => {
    for (let seed = 1; seed < 2000; seed++) {
      const total = 1 + (seed * 7919) % 20_000;
      const viewport = (seed * 104_729) % 900;
      const top = (seed * 15_485_863) % Math.max(1, total * 40);
      const { first, count } = drawn_range(top, viewport, 40, total);
      const real_top = Math.max(0, Math.min(top, total * 40 - viewport));
      expect(first).toBeGreaterThanOrEqual(0);
      expect(first + count).toBeLessThanOrEqual(total);
      expect(first * 40).toBeLessThanOrEqual(real_top);
      expect((first + count) * 40).toBeGreaterThanOrEqual(Math.min(total * 40, real_top + viewport));
      expect(count).toBeGreaterThanOrEqual(Math.min(6, total));
    }
  });
});

describe("the window asked for", () => {
  it("covers what is drawn, within the kernel's limit", () => {
    for (let first = 0; first < 20_000; first += 333) {
      const drawn = { first, count: 24 };
      const window = wanted_window(drawn, 20_000);
      expect(covers(window, drawn, 20_000)).toBe(true);
      expect(window.count).toBeLessThanOrEqual(200);
    }
  });
  it("stays for a short scroll", () => {
    const window = wanted_window({ first: 500, count: 10 }, 10_000);
    expect(covers(window, { first: 520, count: 10 }, 10_000)).toBe(true);
    expect(covers(window, { first: 900, count: 10 }, 10_000)).toBe(false);
  });
});

it("scrolls no further than needed", () => {
  expect(scroll_to_show(3, 0, 200, 40)).toBe(0);
  expect(scroll_to_show(10, 0, 200, 40)).toBe(240);
  expect(scroll_to_show(2, 400, 200, 40)).toBe(80);
});
