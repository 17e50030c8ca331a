/**
 * The mathematics of the virtual list, without a page: which rows stand in the page, and which to ask
 * the kernel for.
 */
import { MAX_VIEW_ROWS } from "./protocol";

export interface Range { first: number; count: number }

/** Rows drawn beyond the visible ones on each side. */
export const OVERSCAN = 2;
/** So many rows are drawn whatever the height, for screen readers and for a page not laid out yet. */
export const LEAST_ROWS = 6;

/** Chromium stops laying out at about 33.5 million px. */
export const MAX_BODY_PX = 30_000_000;

export function drawn_range(scroll_top: number, viewport: number, row_height: number, total: number): Range {
  if (total <= 0) return { first: 0, count: 0 };
  const top = Math.max(0, Math.min(scroll_top, total * row_height - viewport));
  const visible_first = Math.min(total - 1, Math.floor(top / row_height));
  const visible_end = Math.max(visible_first + 1, Math.ceil((top + Math.max(0, viewport)) / row_height));
  let first = Math.max(0, visible_first - OVERSCAN);
  let end = Math.min(total, visible_end + OVERSCAN);
  if (end - first < LEAST_ROWS) {
    end = Math.min(total, first + LEAST_ROWS);
    first = Math.max(0, end - LEAST_ROWS);
  }
  return { first, count: end - first };
}

/** A wider window than the drawn one, snapped, so that a short scroll asks for nothing. */
export function wanted_window(drawn: Range, total: number): Range {
  const margin = 30;
  const step = 20;
  const first = Math.max(0, Math.floor((drawn.first - margin) / step) * step);
  const end = Math.min(Math.max(total, 1), drawn.first + drawn.count + margin + step);
  return { first, count: Math.max(1, Math.min(MAX_VIEW_ROWS, Math.max(50, end - first))) };
}

export function covers(window: Range, drawn: Range, total: number): boolean {
  const end = Math.min(total, drawn.first + drawn.count);
  return drawn.first >= window.first && end <= window.first + window.count;
}

/** The scroll position that shows a row whole. */
export function scroll_to_show(index: number, scroll_top: number, viewport: number, row_height: number): number {
  const top = index * row_height;
  if (top < scroll_top) return top;
  if (top + row_height > scroll_top + viewport) return top + row_height - viewport;
  return scroll_top;
}
