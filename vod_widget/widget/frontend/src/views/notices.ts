/**
 * What the widget has to say: the status line with its one polite live region, the banner (all done, the
 * kernel restarted, no answer), and the list of files that were refused.
 */
import { h, replace, set, text } from "../dom";
import { bytes, count, duration, unbroken } from "../format";
import { cause_of } from "../i18n";
import { icon } from "../icons";
import { limits } from "./empty";
import { button, copy_text, enable, type Host, icon_button, press } from "./parts";
import { is_finished } from "./strip";

/** Makes the uploader of what was left, and sends it. */
const RESUME = "vw.resume().run()";

export class Foot {
  readonly element: HTMLElement;
  readonly #mark = h("span", { class: "t-warn", hidden: true }, icon("warn"));
  readonly #live = h("span", { class: "el", role: "status", "aria-live": "polite" });
  readonly #chip = h("span", { class: "chip" });
  readonly #copy: HTMLElement;
  #chip_key = "";

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
    const { session } = host;
    this.#copy = button(session.t("copy_details"), "copy", {
      hidden: true, "data-action": "copy-fault", onclick: () => void copy_text(session.store.fault).then((done) => done || session.say(session.t("copy_failed"), "warn")),
    }, "sm");
    this.element = h("div", { class: "foot" }, this.#mark, this.#live, this.#copy, this.#chip);
  }

  update(): void {
    const { session } = this.#host;
    const { store, t } = session;
    set(this.#mark, "hidden", store.status.tone !== "warn");
    set(this.#copy, "hidden", !store.fault);
    const line = store.status.text || this.#idle();
    text(this.#live, line);
    set(this.#live, "title", line);
    const profile = store.summary.profile;
    const key = JSON.stringify([t.locale, profile, store.summary.destination]);
    if (key === this.#chip_key) return;
    this.#chip_key = key;
    const emulator = profile?.is_emulator ?? false;
    const where = emulator ? t("emulator_chip") : profile ? session.profile_label({ ...profile, masked_id: "" }) : store.summary.destination;
    set(this.#chip, "title", where);
    replace(this.#chip, where && icon(emulator ? "plug" : "cloud"), h("span", null, where));
  }

  #idle(): string {
    const { store, t } = this.#host.session;
    const { summary } = store;
    if (!store.known || store.link !== "live") return "";
    if (summary.total === 0) return t("live_empty");
    if (summary.state === "Stop" && summary.left > 0) return t("live_stopped", { n: summary.left });
    if (store.hello?.reload_ends && summary.left > 0) return t("reload_ends");
    if (is_finished(summary)) return t("live_all_done", { n: summary.total });
    if (summary.state === "Expire") return t("note_keys");
    if (summary.done + summary.failed > 0) return t("live_some", { done: summary.done, total: summary.total, failed: summary.failed });
    return summary.counts.ready > 0 && summary.state !== "Start" ? t("live_ready", { n: summary.counts.ready }) : "";
  }
}

export class Banner {
  readonly element = h("div", { class: "ban", hidden: true });
  #shape = "";

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  update(): void {
    const { session } = this.#host;
    const { store, t } = session;
    const { summary } = store;
    const over = summary.total > 0 && summary.left === 0 && summary.counts.uploading === 0 && summary.state !== "Start";
    const kind = store.link === "gone" ? "gone"
      : store.link === "lost" ? (store.hello ? "lost" : "none")
        : store.link === "live" && (over || store.filter === "failed") && !store.dismissed_done && summary.done + summary.failed > 0 ? (summary.failed > 0 ? "failed" : over ? "done" : "")
          : store.link === "live" && store.known && store.unfinished.files + store.unfinished.browser > 0 ? "left" : "";
    for (const control of this.element.querySelectorAll<HTMLElement>("[data-action=take-back]")) enable(control, !store.busy.has("take_back"));
    const shape = JSON.stringify([t.locale, kind, store.unfinished, kind === "lost" && [navigator.onLine, session.since()], summary.done, summary.failed, summary.retryable, summary.took_s, summary.causes, summary.done_bytes]);
    for (const control of this.element.querySelectorAll<HTMLElement>("[data-action=retry-failed]")) enable(control, !store.busy.has("retry_failed"));
    if (shape === this.#shape) return;
    this.#shape = shape;
    set(this.element, "hidden", kind === "");
    if (kind === "") {
      replace(this.element);
      return;
    }
    this.element.className = `ban ${kind === "done" ? "ok" : kind === "left" ? "new" : "warn"}`;
    const dismiss = icon_button(t("dismiss"), "x", {
      "data-action": "dismiss", onclick: () => {
        store.dismissed_done = true;
        store.unfinished = { files: 0, browser: 0 };
        store.changed();
        this.#host.focus_grid();
      },
    });
    const ids = (first: boolean): HTMLElement => button(t("copy_ids", { n: summary.done }), "copy", {
      "data-action": "copy-ids", onclick: press((event) => void this.#copy(event.currentTarget as HTMLElement, "copy_ids")),
    }, first ? "pri sm" : "sm");
    const table = button(t("copy_table"), null, {
      "data-action": "copy-table", onclick: press((event) => void this.#copy(event.currentTarget as HTMLElement, "copy_table")),
    }, "sm");
    const causes = (summary.causes ?? []).map(([code, message, n]) => cause_of(t, code, message) + (n < summary.failed ? `\u00a0(${count(n)})` : "")).join("\u00a0· ");
    const [bold, rest, acts] = ((): [string, string, HTMLElement[]] => {
      switch (kind) {
        case "done": return [t("banner_done", { n: summary.done }), t("banner_done_sub", { size: unbroken(bytes(summary.done_bytes)), took: summary.took_s > 0 ? t("in_all", { time: unbroken(duration(t, summary.took_s)) }) : "" }), [ids(true), table, dismiss]];
        case "failed": return [
          t("banner_failed", { done: count(summary.done), failed: count(summary.failed) }),
          causes && t("cause") + t("colon") + causes,
          [...summary.retryable > 0 ? [button(t("retry_failed", { n: summary.retryable }), "retry", { "data-action": "retry-failed", onclick: press(() => session.retry_failed()) }, "pri sm")] : [],
            ...summary.done > 0 ? [ids(false)] : [], dismiss],
        ];
        case "gone": return [t("kernel_gone"), t("kernel_gone_sub"), [button(t("copy_resume"), "copy", {
          "data-action": "copy-resume", onclick: () => void copy_text(RESUME).then((done) => session.say(done ? t("copied", { what: RESUME }) : t("copy_failed"))),
        }, "pri sm")]];
        case "left": {
          const { files, browser } = store.unfinished;
          return [files ? t("left_files", { n: files }) : t("left_browser", { n: browser }), files && browser ? t("left_browser", { n: browser }) : "",
            [...files ? [button(t("bring_back"), "retry", { "data-action": "take-back", onclick: press(() => void session.extras.take_back()) }, "pri sm")] : [], dismiss]];
        }
        case "lost": return [t("lost"), t(navigator.onLine === false ? "offline_sub" : "lost_sub", { time: session.since() }), []];
        default: return [t("no_kernel"), t("no_kernel_sub"), []];
      }
    })();
    replace(this.element, h("span", { class: kind === "done" ? "t-ok" : kind === "left" ? "mut" : "t-warn" }, icon(kind === "done" ? "ok" : kind === "left" ? "hold" : "warn")),
      h("div", null, h("b", null, bold), " ", rest), acts.length > 0 && h("div", { class: "acts" }, acts));
  }

  async #copy(control: HTMLElement, what: "copy_ids" | "copy_table"): Promise<void> {
    const { session } = this.#host;
    enable(control, false);
    await (await session.panels(session.t("copy")))?.[what](session);
    enable(control, true);
  }
}

/** Refused files, in place and dismissible; never a dialog. */
export class Refused {
  readonly element = h("div", { class: "ref", role: "group", hidden: true });
  #shown: unknown = null;

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  update(): void {
    const { session } = this.#host;
    const { refused } = session.store;
    const { panels } = session.later;
    // What was refused was added by them.
    if (this.#shown === refused || (refused.length > 0 && !panels)) return;
    this.#shown = refused;
    set(this.element, "hidden", refused.length === 0);
    if (refused.length > 0) panels?.show_refused(this.#host, this.element, limits(session));
  }
}
