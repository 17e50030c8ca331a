/**
 * One row of the grid. It is rebuilt only when its shape changes (state, buttons, cause); between that only
 * widths and numbers are written, so nothing moves under the pointer and the focus stays.
 */
import { h, replace, set, text } from "../dom";
import { bytes, NOTHING, short_id } from "../format";
import { type Key, own, type Translate } from "../i18n";
import { icon, type IconName } from "../icons";
import type { Action, Row } from "../protocol";
import { ACTION_ICON, type Look, look, type Step } from "../rowmodel";
import type { CachedRow } from "../state/store";
import { bar, button, copy_button, enable, focused_in, type Host, icon_button, name_element, press } from "./parts";

/** Speed and time left change at most so often: a number that dances is not read. */
const NUMBERS_EVERY_MS = 1_000;

/** Where a file's bytes come from, in words. */
export function source_word(t: Translate, source: string): string {
  return t(own<Key>(SOURCE, source) ?? "file");
}

const SOURCE = { browser: "this_computer", kernel: "kernel_files", address: "address", memory: "memory" } as const;
const KIND = { video: "video", audio: "audio", image: "image" } as const;

export class RowView {
  readonly element = h("div", { role: "row", class: "row", tabindex: -1 });
  file_id = "";
  #shape = "";
  #numbers_at = 0;
  #write: ((now: Look) => void) | null = null;
  #checkbox: HTMLInputElement | null = null;

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  update(cached: CachedRow, index: number, tab_stop: boolean): void {
    const { store, t } = this.#host.session;
    // A kernel that is gone sends nothing any more, whatever its last word was.
    const row = store.link === "gone" && cached.row.state === "Uploading"
      ? { ...cached.row, state: "Stopped" as const, phase: "", wait: null, error: null } : cached.row;
    const now = look(row, t, (Date.now() - cached.heard_at) / 1000);
    const offline = !this.#host.session.controllable;
    const shape = JSON.stringify([
      t.locale, row.file_id, row.name, row.size_bytes, row.source, row.media_type, row.state, now.icon, now.rest, now.facts,
      now.trouble, now.bar === "none", now.next, now.buttons, now.id, now.took, now.trouble ? row.state : now.word, row.view_url, row.can_play,
      this.#host.session.extras.thumbs.has(row.file_id),
    ]);
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.file_id = row.file_id;
      this.#build(row, now);
    }
    set(this.element, "aria-rowindex", index + 2);
    set(this.element, "tabindex", tab_stop ? 0 : -1);
    set(this.element, "data-state", row.state);
    set(this.element, "data-phase", row.phase || null);
    const selected = store.selected.has(row.file_id);
    set(this.element, "aria-selected", selected ? "true" : "false");
    if (this.#checkbox) this.#checkbox.checked = selected;
    this.element.classList.toggle("on", this.#host.detail_of() === row.file_id);
    this.#write?.(now);
    for (const control of this.element.querySelectorAll<HTMLElement>("button[data-step]")) {
      const step = control.dataset["step"] ?? "";
      enable(control, !store.busy.has(`${step}:${row.file_id}`) && (!offline || step === "open"));
    }
  }

  #build(row: Row, now: Look): void {
    const { t } = this.#host.session;
    const active = focused_in(this.element);
    const focus_key = active === this.element ? "row" : active?.getAttribute("data-step") ?? (active ? "row" : null);
    const name = row.name;
    const kind = own<IconName & Key>(KIND, row.media_type);
    const kind_word = t(kind ?? "file");

    this.#checkbox = h("input", {
      type: "checkbox", tabindex: -1, "aria-label": `${t("select")} ${name}`, "data-step": "select",
      onchange: () => {
        const { store } = this.#host.session;
        if (this.#checkbox?.checked) store.selected.add(row.file_id);
        else store.selected.delete(row.file_id);
        store.changed();
      },
    });
    const thumb = h("div", { class: kind === "video" || kind === "image" ? "th" : "th k", title: kind_word },
      this.#host.session.extras.thumbs.of(row) ?? icon(kind ?? "file"), h("span", { class: "sr" }, kind_word));
    thumb.style.setProperty("--h", String(hue(name)));

    const progress = bar(t("progress_of", { name }));
    const percent = h("div", { class: "pp" });
    const word = h("b", { class: `t-${now.tone}` });
    const state = h("div", { class: "st" });
    const mark = h("span", { class: `t-${now.tone} ic` }, icon(now.icon));
    if (now.trouble && now.bar === "none") {
      state.append(mark, h("div", { class: "w el" }, word, now.rest && t("colon"), now.rest), h("div", { class: "cause el" }, now.facts));
      state.title = [now.rest ? now.word + t("colon") + now.rest : now.word, now.facts].filter(Boolean).join("\n");
    } else {
      state.append(mark, h("div", { class: "w el" }, word, now.rest && h("span", { class: "mut" }, ` · ${now.rest}`)), progress.element, percent);
    }

    const speed = h("div", { class: "sp r n cl", role: "gridcell", "aria-label": null });
    const left = h("div", { class: "lf r n cl", role: "gridcell" });
    const middle = now.trouble ? [h("div", { class: "span3", role: "gridcell", "aria-colspan": 3 }, state)]
      : [h("div", { class: "stc", role: "gridcell" }, state), ...now.took
        ? [h("div", { class: "took r n cl mut", role: "gridcell", "aria-colspan": 2 }, now.took)] : [speed, left]];

    const next = now.next;
    const id_word = t(row.video_id ? "video_id" : row.image_id ? "image_id" : "video_id");
    const last = next
      ? h("div", { class: "nx", role: "gridcell" }, button(next.label, null, {
        tabindex: -1, "aria-label": t("of_name", { action: next.label, name }), "data-step": next.step,
        "data-action": next.step, onclick: press(() => this.#step(next.step, row)),
      }, "sm"))
      : h("div", { class: now.id ? "id" : "id no", role: "gridcell" }, now.id
        ? [h("span", { class: "mono", title: now.id }, short_id(now.id)),
          copy_button(this.#host.session, id_word, t("copy_id_of", { what: id_word, name }), () => now.id ?? "", { tabindex: -1 })]
        : h("span", { class: "mut pad" }, NOTHING));

    const buttons = now.buttons.map((action) => icon_button(t("of_name", { action: t(action), name }), ACTION_ICON[action], {
      tabindex: -1, "data-action": action, "data-step": action, onclick: press(() => this.#step(action, row)),
    }));
    const open = icon_button(t("open_of", { name }), "right", {
      tabindex: -1, "data-action": "details", "data-step": "open", onclick: () => this.#host.open_detail(row.file_id),
    });
    const play = row.view_url && /^https?:\/\//i.test(row.view_url)
      ? h("a", { class: "ply lnk", href: row.view_url, target: "_blank", rel: "noopener noreferrer", tabindex: -1,
        "aria-label": t("of_name", { action: t("view"), name }) }, t("view"))
      : row.can_play ? h("button", { type: "button", class: "ply lnk", tabindex: -1, "data-action": "play", "data-step": "play",
        "aria-label": t("of_name", { action: t("play"), name }), onclick: press(() => this.#step("play", row)) }, icon("play"), t("play")) : null;

    set(this.element, "data-file-id", row.file_id);
    this.element.className = `row${row.state === "Success" ? " done" : ""}${now.trouble ? " bad" : ""}`;
    replace(this.element,
      h("div", { role: "gridcell", class: "ck" }, this.#checkbox),
      h("div", { role: "gridcell", class: "kd" }, thumb),
      h("div", { role: "gridcell", class: "cn" }, name_element(name), h("div", { class: "sub el" }, source_word(t, row.source))),
      h("div", { role: "gridcell", class: "sz r n cl" }, bytes(row.size_bytes)),
      middle, last,
      h("div", { role: "gridcell", class: "act" }, play, buttons, open));

    this.#numbers_at = 0;
    this.#write = (look_now) => {
      text(word, look_now.word);
      if (now.trouble && now.bar !== "none") state.title = look_now.word;
      const full = look_now.bar === "verify" || look_now.bar === "ok";
      progress.update(full ? 100 : look_now.percent, look_now.bar, look_now.bar === "ask" ? null : look_now.bar === "verify" ? 99 : look_now.percent);
      text(percent, look_now.percent_text);
      const at = Date.now();
      if (at - this.#numbers_at < NUMBERS_EVERY_MS) return;
      this.#numbers_at = at;
      number(speed, look_now.speed, t("speed"));
      number(left, look_now.left, t("time_left"));
    };

    if (focus_key === "row") this.element.focus({ preventScroll: true });
    else if (focus_key) {
      const same = this.element.querySelector<HTMLElement>(`[data-step="${focus_key}"]`);
      (same ?? this.element).focus({ preventScroll: true });
    }
  }

  #step(step: Step, row: Row): void {
    run_step(this.#host, step, row.file_id);
  }
}

/** What the next step or a button of a row does; the panel's head uses the same. */
export function run_step(host: Host, step: Step, file_id: string): void {
  switch (step) {
    case "keys": host.open_credentials(true); return;
    case "policy": host.open_policy(file_id); return;
    case "pick_file": host.pick(true); return;
    case "play": void host.session.extras.play(file_id); return;
    default: host.session.act(step satisfies Action, [file_id]);
  }
}

function number(cell: HTMLElement, value: string, column: string): void {
  text(cell, value || NOTHING);
  cell.classList.toggle("mut", !value);
  set(cell, "title", value ? column : null);
}

/** A row that the kernel has not described yet. */
export function skeleton(index: number): HTMLElement {
  return h("div", { role: "row", class: "row skel", "aria-rowindex": index + 2, "aria-busy": "true" },
    h("div", { role: "gridcell", class: "ck" }), h("div", { role: "gridcell", class: "kd" }, h("i")),
    h("div", { role: "gridcell", class: "cn" }, h("i")), h("div", { role: "gridcell", class: "sz" }),
    h("div", { role: "gridcell", class: "stc" }, h("i")));
}

/** The same file has the same colour in every list. */
function hue(name: string): number {
  let value = 7;
  for (const char of name) value = (value * 31 + (char.codePointAt(0) ?? 0)) | 0;
  return (value >>> 0) % 360;
}
