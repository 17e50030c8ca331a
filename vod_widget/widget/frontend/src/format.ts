/** Numbers as people read them: three digits and a unit, decimal units, nothing is "–". */
import type { Row } from "./protocol";
import type { Translate } from "./i18n";

export const NOTHING = "–";
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Two sizes of one pair share the unit of the larger one. */
function scale(value: number): number {
  let unit = 0;
  // 999.5 would be drawn as "1000": it belongs to the next unit.
  while (unit < UNITS.length - 1 && value >= (unit === 0 ? 1000 : 999.5)) {
    value /= 1000;
    unit++;
  }
  return unit;
}

function digits(value: number, unit: number): string {
  if (unit === 0) return String(Math.round(value));
  if (value >= 99.95) return COUNT.format(Math.round(value));
  if (value >= 9.995) return value.toFixed(1);
  return value.toFixed(2);
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value) || value < 0) return NOTHING;
  const unit = scale(value);
  return `${digits(value / 1000 ** unit, unit)} ${UNITS[unit] ?? ""}`;
}

/** "2.98 of 8.41 GB" */
export function bytes_pair(t: Translate, part: number, whole: number): string {
  const unit = scale(whole);
  if (part >= whole) return bytes(whole);
  if (part > 0 && scale(part) !== unit && part < whole / 1000) return t("bytes_of", { a: bytes(part), b: bytes(whole) });
  const a = digits(part / 1000 ** unit, unit);
  return t("bytes_of", { a: part === 0 ? "0" : a, b: bytes(whole) });
}

/** Number and unit stay on one line, also where the words around them wrap. */
export function unbroken(value: string): string {
  return value.replaceAll(" ", "\u00a0");
}

export function speed(bytes_per_s: number): string {
  return bytes_per_s > 0 ? `${bytes(bytes_per_s)}/s` : NOTHING;
}

export function duration(t: Translate, seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds) || seconds < 0) return NOTHING;
  const s = Math.round(seconds);
  const two = (big: "unit_min" | "unit_h" | "unit_d", a: number, small: "unit_s" | "unit_min" | "unit_h", b: number): string =>
    b ? `${t(big, { n: a })} ${t(small, { n: b })}` : t(big, { n: a });
  if (s < 60) return t("unit_s", { n: Math.max(s, seconds > 0 ? 1 : 0) });
  if (s < 3600) return two("unit_min", Math.floor(s / 60), "unit_s", s % 60);
  const minutes = Math.round(s / 60);
  if (minutes < 24 * 60) return two("unit_h", Math.floor(minutes / 60), "unit_min", minutes % 60);
  const hours = Math.round(minutes / 60);
  return two("unit_d", Math.floor(hours / 24), "unit_h", hours % 24);
}

/** Never rounds up: 100 is reserved for what is verified. */
export function percent(fraction: number, finished: boolean): number {
  if (finished) return 100;
  if (!Number.isFinite(fraction)) return 0;
  return Math.max(0, Math.min(99, Math.floor(fraction * 100 + 1e-9)));
}

const COUNT = new Intl.NumberFormat("en-US");
export function count(n: number): string {
  return COUNT.format(n);
}

export function clock(ms: number): string {
  const at = new Date(ms);
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** First four … last four; short ones whole. */
export function short_id(id: string): string {
  return id.length > 10 ? `${id.slice(0, 4)}…${id.slice(-4)}` : id;
}

export function asset_id(row: Row): string | null {
  return row.video_id || row.image_id || null;
}

/**
 * Cut in the middle so that the number at the end and the extension survive: head 58 %, extension and end
 * 42 %. Characters are cut whole (no half of a surrogate pair). Gives what stays, what is hidden, and the end that stays.
 */
export function middle_cut(name: string, fits: (text: string) => boolean): [string, string, string] {
  if (fits(name)) return [name, "", ""];
  const chars = [...name];
  const dot = chars.lastIndexOf(".");
  const extension = dot < 0 || chars.length - dot > 6 ? 0 : chars.length - dot;
  const cut = (keep: number): [string, string, string] => {
    const tail = extension + Math.round((keep - extension) * 0.42);
    const part = (from: number, to: number): string => chars.slice(from, to).join("");
    return [part(0, keep - tail), part(keep - tail, chars.length - tail), part(chars.length - tail, chars.length)];
  };
  let low = Math.min(extension + 3, chars.length - 1);
  let high = chars.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const [head, , tail] = cut(middle);
    if (fits(`${head}…${tail}`)) low = middle;
    else high = middle - 1;
  }
  return cut(low);
}
