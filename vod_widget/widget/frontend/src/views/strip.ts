/** The whole queue in one line and one bar: percent, counts, bytes, speed, time left. */
import { h, replace, set, text } from "../dom";
import { bytes, bytes_pair, count, duration, percent, speed } from "../format";
import { icon, type IconName } from "../icons";
import type { Summary } from "../protocol";
import type { Host } from "./parts";

const NUMBERS_EVERY_MS = 1_000;
/** So long after a start nothing is known of its speed; "waiting" would be read as a fault. */
const FIRST_SPEED_MS = 2_000;

export class Strip {
  readonly element: HTMLElement;
  readonly #sum = h("div", { class: "sum" });
  readonly #bar: HTMLElement;
  readonly #parts = { done: h("i", { class: "p-ok" }), sent: h("i", { class: "p-sent" }), failed: h("i", { class: "p-err" }) };
  #shape = "";
  #numbers_at = 0;
  #write: ((summary: Summary) => void) | null = null;

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
    this.#bar = h("div", {
      class: "tot", role: "progressbar", "aria-label": host.session.t("all_files"), "aria-valuemin": 0, "aria-valuemax": 100,
    }, this.#parts.done, this.#parts.sent, this.#parts.failed);
    this.element = h("div", { class: "strip" }, this.#sum, this.#bar);
  }

  update(): void {
    const { summary } = this.#host.session.store;
    const shape = summary.total === 0 ? "empty" : summary.failed > 0 ? "failed" : "fine";
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#build(shape);
    }
    const whole = is_finished(summary);
    const p = percent(summary.progress, whole);
    set(this.#bar, "aria-valuenow", p);
    const share = (part: number): string => `${summary.size_bytes > 0 ? Math.min(100, (part / summary.size_bytes) * 100) : 0}%`;
    const done = whole ? "100%" : share(summary.done_bytes);
    if (this.#parts.done.style.width !== done) this.#parts.done.style.width = done;
    // sent_bytes holds everything sent; what is done and what was lost with failures is drawn apart.
    const moving = Math.max(0, summary.sent_bytes - summary.done_bytes);
    this.#parts.sent.style.width = whole ? "0" : share(moving);
    this.#parts.failed.style.width = whole ? "0" : share(summary.failed_bytes);
    for (const part of Object.values(this.#parts)) part.hidden = part.style.width === "0%" || part.style.width === "0" || part.style.width === "0px";
    this.#write?.(summary);
  }

  #build(shape: string): void {
    const { t } = this.#host.session;
    if (shape === "empty") {
      replace(this.#sum, h("span", { class: "mut" }, t("no_files")));
      this.#write = null;
      return;
    }
    const part = (name: IconName, tone: string, word: "n_done" | "n_failed" | "n_left"): [HTMLElement, HTMLElement] => {
      const number = h("b");
      return [h("span", { class: "c" }, h("span", { class: tone }, icon(name)), number, ` ${t(word)}`), number];
    };
    const pct = h("span", { class: "pct" });
    const [done, n_done] = part("ok", "t-ok", "n_done");
    const [failed, n_failed] = part("fail", shape === "failed" ? "t-err" : "mut", "n_failed");
    const [left, n_left] = part("ring", "mut", "n_left");
    const size = h("span", { class: "n" });
    const rate = h("span", { class: "n" });
    const time = h("span", { class: "n opt" });
    replace(this.#sum, pct, done, failed, left, h("span", { class: "rt" }, size, rate, time));
    this.#numbers_at = 0;
    let state = "";
    let [running_before, since] = [false, 0];
    this.#write = (summary) => {
      text(pct, `${percent(summary.progress, is_finished(summary))} %`);
      text(n_done, count(summary.done));
      text(n_failed, count(summary.failed));
      text(n_left, count(summary.left));
      const now = Date.now();
      const { link, known } = this.#host.session.store;
      const running = summary.state === "Start" && link !== "gone";
      if (running !== running_before) [running_before, since] = [running, now];
      const over = summary.left === 0;
      // Beside the percent, which would not go with older bytes.
      text(size, !known ? "" : over ? bytes(summary.size_bytes) : bytes_pair(t, Math.max(0, summary.sent_bytes), summary.size_bytes));
      // Numbers that run are written once a second; what was added or taken off, the first speed and its end show at once, for nothing may follow.
      const stage = `${summary.state}${link}${summary.size_bytes}${summary.speed_bytes_per_s > 0}`;
      if (now - this.#numbers_at < NUMBERS_EVERY_MS && state === stage) return;
      state = stage;
      this.#numbers_at = now;
      const early = !summary.speed_bytes_per_s && now - since < FIRST_SPEED_MS;
      const stopped = summary.state === "Stop" || summary.counts.stopped > summary.canceled;
      text(rate, !running || early ? "" : summary.speed_bytes_per_s > 0 ? speed(summary.speed_bytes_per_s) : "0 B/s");
      text(time, over ? "" : !running ? (summary.state === "Expire" && link !== "gone" ? t("waiting_word") : stopped ? t("stopped_word") : "")
        : summary.time_left_s !== null ? t("left_suffix", { time: duration(t, summary.time_left_s) }) : early ? "" : t("waiting_word"));
      for (const part of [rate, time]) part.hidden = over || !part.textContent;
    };
  }
}

/** Everything is verified: only now may it read 100. */
export function is_finished(summary: Summary): boolean {
  return summary.total > 0 && summary.done === summary.total;
}
