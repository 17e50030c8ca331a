/**
 * One row of the grid. It is rebuilt only when its shape changes (state, buttons, kind); between that only words,
 * widths and numbers are written, so nothing moves under the pointer and the focus stays. A row that was scrolled
 * away serves for another file: making one costs ten times as much as writing other words into it.
 */
import { h, replace, set, text } from "../dom";
import { bytes, NOTHING, short_id } from "../format";
import { type Key, own, type Translate } from "../i18n";
import { icon, type IconName } from "../icons";
import type { Action, Row } from "../protocol";
import { ACTION_ICON, type Look, look, type Step } from "../rowmodel";
import type { CachedRow } from "../state/store";
import { bar, button, copy_button, enable, focused_in, type Host, icon_button, press } from "./parts";

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
  #words = "";
  #numbers_at = 0;
  #fill: ((row: Row, now: Look) => void)[] = [];
  #write: ((now: Look, fresh: boolean) => void) | null = null;
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
    const other = row.file_id !== this.file_id;
    this.file_id = row.file_id;
    const shape = JSON.stringify([
      t.locale, row.media_type, row.state, now.icon, now.tone, !now.rest, now.trouble, now.bar === "none", now.next?.step, now.buttons, !now.id, !now.took,
      Boolean(row.view_url), row.can_play, this.#host.session.extras.thumbs.has(row.file_id) && row.file_id,
    ]);
    const words = JSON.stringify([
      row.file_id, row.name, row.size_bytes, row.source, now.rest, now.facts, now.next?.label, now.id, now.took, row.view_url, now.trouble && now.word,
    ]);
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#words = "";
      this.#build(row, now);
    }
    if (words !== this.#words) {
      this.#words = words;
      this.#numbers_at = 0;
      for (const write of this.#fill) write(row, now);
    }
    set(this.element, "aria-rowindex", index + 2);
    set(this.element, "tabindex", tab_stop ? 0 : -1);
    set(this.element, "data-state", row.state);
    set(this.element, "data-phase", row.phase || null);
    const selected = store.selected.has(row.file_id);
    set(this.element, "aria-selected", selected ? "true" : "false");
    if (this.#checkbox) this.#checkbox.checked = selected;
    this.element.classList.toggle("on", this.#host.detail_of() === row.file_id);
    this.#write?.(now, other);
    for (const control of this.element.querySelectorAll<HTMLElement>("button[data-step]")) {
      const step = control.dataset["step"] ?? "";
      enable(control, !store.busy.has(`${step}:${row.file_id}`) && (!offline || step === "open"));
    }
  }

  #build(row: Row, now: Look): void {
    const { t } = this.#host.session;
    const active = focused_in(this.element);
    const focus_key = active === this.element ? "row" : active?.getAttribute("data-step") ?? (active ? "row" : null);
    const kind = own<IconName & Key>(KIND, row.media_type);
    const kind_word = t(kind ?? "file");
    const fill = this.#fill = [] as ((row: Row, now: Look) => void)[];
    /** A name for screen readers in which the file's name stands; with `title` for eyes as well. */
    const named = <E extends HTMLElement>(element: E, say: (name: string) => string, title = true): E => {
      fill.push(({ name }) => {
        set(element, "aria-label", say(name));
        if (title) set(element, "title", say(name));
      });
      return element;
    };
    /** Words that are other ones for another file. */
    const worded = <E extends HTMLElement>(element: E, say: (row: Row, now: Look) => string): E => {
      fill.push((row_now, look_now) => text(element, say(row_now, look_now)));
      return element;
    };

    const checkbox = this.#checkbox = named(h("input", {
      type: "checkbox", tabindex: -1, "data-step": "select",
      onchange: () => {
        const { store } = this.#host.session;
        if (checkbox.checked) store.selected.add(this.file_id);
        else store.selected.delete(this.file_id);
        store.changed();
      },
    }), (name) => `${t("select")} ${name}`, false);
    const { thumbs } = this.#host.session.extras;
    const thumb = h("div", { class: kind === "video" || kind === "image" ? "th" : "th k", title: kind_word },
      thumbs.of(row) ?? icon(kind ?? "file"), h("span", { class: "sr" }, kind_word));
    fill.push((row_now) => {
      thumb.style.setProperty("--h", String(hue(row_now.name)));
      thumbs.want(row_now);
    });

    const progress = bar("");
    named(progress.element, (name) => t("progress_of", { name }), false);
    const percent = h("div", { class: "pp" });
    const word = h("b", { class: `t-${now.tone}` });
    const state = h("div", { class: "st" });
    const mark = h("span", { class: `t-${now.tone} ic` }, icon(now.icon));
    const stuck = now.trouble && now.bar === "none";
    if (stuck) {
      state.append(mark, h("div", { class: "w el" }, word, worded(h("span"), (_, { rest }) => rest && t("colon") + rest)), worded(h("div", { class: "cause el" }), (_, { facts }) => facts));
      fill.push((_, { word: w, rest, facts }) => {
        state.title = [rest ? w + t("colon") + rest : w, facts].filter(Boolean).join("\n");
      });
    } else {
      state.append(mark, h("div", { class: "w el" }, word, now.rest && worded(h("span", { class: "mut" }), (_, { rest }) => ` · ${rest}`)), progress.element, percent);
    }

    const speed = h("div", { class: "sp r n cl", role: "gridcell", "aria-label": null });
    const left = h("div", { class: "lf r n cl", role: "gridcell" });
    const middle = now.trouble ? [h("div", { class: "span3", role: "gridcell", "aria-colspan": 3 }, state)]
      : [h("div", { class: "stc", role: "gridcell" }, state), ...now.took
        ? [worded(h("div", { class: "took r n cl mut", role: "gridcell", "aria-colspan": 2 }), (_, { took }) => took)] : [speed, left]];

    const { next } = now;
    const id_word = t(row.image_id && !row.video_id ? "image_id" : "video_id");
    const last = h("div", { class: next ? "nx" : now.id ? "id" : "id no", role: "gridcell" });
    if (next) {
      const { step } = next;
      const label = h("span");
      last.append(named(button(label, null, { tabindex: -1, "data-step": step, "data-action": step, onclick: press(() => this.#step(step)) }, "sm"),
        (name) => t("of_name", { action: next.label, name }), false));
      worded(label, (_, look_now) => look_now.next?.label ?? "");
    } else if (now.id) {
      const mono = worded(h("span", { class: "mono" }), (_, { id }) => short_id(id ?? ""));
      let id = "";
      fill.push((_, look_now) => set(mono, "title", id = look_now.id ?? ""));
      last.append(mono, named(copy_button(this.#host.session, id_word, "", () => id, { tabindex: -1 }), (name) => t("copy_id_of", { what: id_word, name })));
    } else last.append(h("span", { class: "mut pad" }, NOTHING));

    const buttons = now.buttons.map((action) => named(icon_button("", ACTION_ICON[action], {
      tabindex: -1, "data-action": action, "data-step": action, onclick: press(() => this.#step(action)),
    }), (name) => t("of_name", { action: t(action), name })));
    const open = named(icon_button("", "right", {
      tabindex: -1, "data-action": "details", "data-step": "open", onclick: () => this.#host.open_detail(this.file_id),
    }), (name) => t("open_of", { name }));
    let play: HTMLElement | null = null;
    if (row.view_url && /^https?:\/\//i.test(row.view_url)) {
      const link = play = h("a", { class: "ply lnk", target: "_blank", rel: "noopener noreferrer", tabindex: -1 }, t("view"));
      fill.push(({ view_url }) => set(link, "href", view_url));
    } else if (row.can_play) {
      play = h("button", { type: "button", class: "ply lnk", tabindex: -1, "data-action": "play", "data-step": "play", onclick: press(() => this.#step("play")) }, icon("play"), t("play"));
    }
    if (play) named(play, (name) => t("of_name", { action: t(row.view_url ? "view" : "play"), name }), false);

    const title = h("div", { class: "nm" });
    fill.push(({ file_id, name }) => {
      set(this.element, "data-file-id", file_id);
      if (title.dataset["name"] === name) return;
      set(title, "title", name);
      set(title, "data-name", name);
      text(title, name);
    });
    this.element.className = `row${row.state === "Success" ? " done" : ""}${now.trouble ? " bad" : ""}`;
    replace(this.element,
      h("div", { role: "gridcell", class: "ck" }, h("label", null, checkbox)),
      h("div", { role: "gridcell", class: "kd" }, thumb),
      h("div", { role: "gridcell", class: "cn" }, title, worded(h("div", { class: "sub el" }), ({ source }) => source_word(t, source))),
      worded(h("div", { role: "gridcell", class: "sz r n cl" }), ({ size_bytes }) => bytes(size_bytes)),
      middle, last,
      h("div", { role: "gridcell", class: "act" }, play, buttons, open));

    this.#write = (look_now, fresh) => {
      text(word, look_now.word);
      // Where no speed stands the words may run on.
      state.classList.toggle("free", !look_now.speed && !now.trouble);
      if (now.trouble && now.bar !== "none") state.title = look_now.word;
      const full = look_now.bar === "verify" || look_now.bar === "ok";
      progress.update(full ? 100 : look_now.percent, look_now.bar, look_now.bar === "ask" ? null : look_now.bar === "verify" ? 99 : look_now.percent, fresh);
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

  #step(step: Step): void {
    run_step(this.#host, step, this.file_id);
  }
}

/** What the next step or a button of a row does; the panel's head uses the same. */
export function run_step(host: Host, step: Step, file_id: string): void {
  switch (step) {
    case "keys": host.open_credentials(true, file_id); return;
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
export function skeleton(): HTMLElement {
  return h("div", { role: "row", class: "row skel", "aria-busy": "true" },
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
