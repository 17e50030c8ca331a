/**
 * What a file says about itself, to be edited until it starts: title, description, tags, category, template group,
 * workflow, cover. Limits are counted at every key in UTF-8 bytes, as the service counts.
 */
import { categories, set_cover } from "../covers";
import { h, replace, set, text, uid } from "../dom";
import { cause_of, type Translate } from "../i18n";
import type { Category, Detail } from "../protocol";
import { frame_jpeg } from "../pictures";
import { field } from "./panel";
import { button, enable, type Host, icon_button, is_enabled, press } from "./parts";

const TITLE_BYTES = 128;
export const DESCRIPTION_BYTES = 1024;
export const TAGS = 16;
export const TAG_BYTES = 32;

/** Tags as somebody types them, with commas between. */
export function split_tags(typed: string): string[] {
  return typed.split(/[,，]/).map((part) => part.trim()).filter(Boolean);
}

export function utf8_length(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** What the service refuses in every text: all of four bytes, and what shows as a picture (vod_widget/fields.py has the same rule). */
const PICTURE = /.?[\ufe0f\u20e3]|[\u{10000}-\u{10ffff}]|\p{Emoji_Presentation}/u;

/** What to say beside a text that holds such a character, or "". */
export function no_picture(t: Translate, ...texts: string[]): string {
  const found = PICTURE.exec(texts.join(" "));
  return found ? t("emoji_bad", { c: found[0] }) : "";
}

/** What is wrong with these tags, or "". */
export function tags_wrong(t: Translate, tags: readonly string[]): string {
  return tags.some((tag) => utf8_length(tag) > TAG_BYTES) ? t("tag_long") : no_picture(t, ...tags) || (tags.length > TAGS ? t("tag_many") : "");
}

interface Values {
  title: string; description: string; tags: string[]; cate_id: string; template_group_id: string; workflow_id: string; cover: string;
}

type Text = HTMLInputElement | HTMLTextAreaElement;
type Inputs = Record<Exclude<keyof Values, "tags" | "cate_id">, Text>;

export class MetadataForm {
  readonly element = h("div");
  readonly foot = h("div", { class: "sf" });
  readonly editable: boolean;
  readonly #host: Host;
  readonly #detail: Detail;
  #saved: Values;
  #tags: string[];
  readonly #inputs: Inputs;
  #category!: HTMLInputElement | HTMLSelectElement;
  readonly #category_field = h("div");
  readonly #tag_input: HTMLInputElement;
  readonly #tag_box: HTMLElement;
  readonly #counts = new Map<string, HTMLElement>();
  readonly #undo: HTMLButtonElement;
  readonly #apply: HTMLButtonElement;
  /** The name of a picture that stands in the field; no path, so it is not sent as one. */
  #picture: string;
  readonly #redraw: () => void;
  edited: () => void = () => undefined;

  constructor(host: Host, detail: Detail, redraw: () => void) {
    this.#host = host;
    this.#detail = detail;
    this.#redraw = redraw;
    const { t, store } = host.session;
    this.editable = detail.row.state === "Ready";
    const steer = this.editable && store.hello?.policy.steer !== false;
    const saved: Values = {
      title: detail.row.title ?? "", description: detail.description ?? "", tags: [...detail.tags ?? []],
      cate_id: detail.cate_id === null || detail.cate_id === undefined ? "" : String(detail.cate_id),
      template_group_id: detail.template_group_id ?? "", workflow_id: detail.workflow_id ?? "", cover: detail.cover ?? "",
    };
    this.#saved = saved;
    this.#tags = [...saved.tags];
    this.#picture = saved.cover;
    const input = (key: keyof Values, may = this.editable): HTMLInputElement => {
      const made = h("input", { type: "text", class: "inp", id: uid(), readonly: !may, "data-field": key, spellcheck: "false", oninput: () => this.#changed_now() });
      made.value = String(saved[key]);
      return made;
    };
    const description = h("textarea", { class: "inp", id: uid(), readonly: !this.editable, rows: 3, "data-field": "description", oninput: () => this.#changed_now() });
    description.value = saved.description;
    this.#inputs = {
      title: input("title"), description, template_group_id: input("template_group_id", steer), workflow_id: input("workflow_id", steer), cover: input("cover", steer),
    };
    set(this.#inputs.cover, "placeholder", t("cover_hint"));
    // An empty title is the file's name again.
    set(this.#inputs.title, "placeholder", detail.row.name);
    this.#tag_input = h("input", {
      type: "text", class: "inp", id: uid(), placeholder: t("add_tag"), "data-field": "tags", oninput: () => this.#changed_now(),
      onkeydown: (event: KeyboardEvent) => this.#tag_key(event), onblur: () => this.#take_tags(),
    });
    this.#tag_box = h("div", { class: this.editable ? "tags" : "tags ro" });
    this.#draw_tags();
    this.#category_input(input("cate_id"));
    const count = (key: string): HTMLElement => {
      const made = h("span", { class: "cnt" });
      this.#counts.set(key, made);
      return made;
    };
    const video = detail.row.media_type !== "image";
    const part = (key: "template_group_id" | "workflow_id", word: "template" | "workflow"): HTMLElement => field(t(word), count(key), this.#inputs[key], false);
    const cover = field(t("cover"), count("cover"), this.#inputs.cover);
    if (video && this.editable) cover.append(this.#cover_buttons());
    this.#undo = button(t("undo"), null, { "data-action": "undo", onclick: press(() => this.#redraw()) }, "sm");
    this.#apply = button(t("apply"), null, { "data-action": "apply", onclick: press(() => void this.#send()) }, "pri sm");
    replace(this.element, !this.editable && h("p", { class: "mut note first" }, t("only_ready")), h("div", { class: "fl" },
      field(t("title"), count("title"), this.#inputs.title), field(t("description"), count("description"), description),
      h("div", { class: "fd w" }, h("div", null, h("label", { for: this.editable ? this.#tag_input.id : null }, t("tags")), count("tags")), this.#tag_box),
      this.#category_field, video && part("template_group_id", "template"), video && part("workflow_id", "workflow"),
      video && cover));
    replace(this.foot, h("span", { class: "mut" }, t("applies")), this.#undo, this.#apply);
    if (steer) void this.#load_categories();
    this.refresh();
  }

  /** What was typed into the same form in another language. */
  take_over(before: MetadataForm): void {
    this.#tags = before.#tags;
    this.#picture = before.#picture;
    this.#saved = before.#saved;
    for (const key of Object.keys(this.#inputs) as (keyof Inputs)[]) this.#inputs[key].value = before.#inputs[key].value;
    this.#tag_input.value = before.#tag_input.value;
    this.#category.value = before.#category.value;
    this.#draw_tags();
    this.refresh();
  }

  changed(): boolean {
    return this.editable && JSON.stringify(this.#values()) !== JSON.stringify(this.#saved);
  }

  /** Apply, as Start does it; false when something is wrong or was refused, which is said. */
  async take(): Promise<boolean> {
    this.#take_tags();
    if (!this.changed()) return true;
    if (is_enabled(this.#apply)) return await this.#send();
    this.#host.session.say(this.#host.session.t("unsaved"), "warn");
    return false;
  }

  // ---- category --------------------------------------------------------------------------------------

  #category_input(control: HTMLInputElement | HTMLSelectElement): void {
    const { t } = this.#host.session;
    this.#category = control;
    if (control instanceof HTMLInputElement) {
      set(control, "inputmode", "numeric");
      control.maxLength = 15;
    }
    const count = this.#counts.get("cate_id") ?? h("span", { class: "cnt" });
    this.#counts.set("cate_id", count);
    set(this.#category_field, "class", "fd");
    replace(this.#category_field, h("div", null, h("label", { for: control.id }, t(control instanceof HTMLSelectElement ? "category_name" : "category")), count), control);
  }

  /** With the account's categories the number becomes a list; without them (no keys, no right) it stays a number. */
  async #load_categories(): Promise<void> {
    let found: Category[];
    try {
      found = await categories(this.#host.session);
    } catch {
      return;
    }
    const typed = this.#category.value;
    // Never under somebody's fingers.
    if (!found.length || document.activeElement === this.#category || typed !== this.#saved.cate_id) return;
    const known = found.some((one) => String(one.cate_id) === typed);
    const select = h("select", { id: uid(), "data-field": "cate_id", onchange: () => this.#changed_now() }, h("option", { value: "" }, this.#host.session.t("none")),
      typed && !known && h("option", { value: typed }, typed), found.map((one) => h("option", { value: String(one.cate_id) }, one.path)));
    select.value = typed;
    this.#category_input(select);
    this.refresh();
  }

  // ---- cover -----------------------------------------------------------------------------------------

  #cover_buttons(): HTMLElement {
    const { session } = this.#host;
    const { t } = session;
    const { row } = this.#detail;
    const take = async (picture: Blob, name: string): Promise<void> => {
      const cover = await set_cover(session, row.file_id, picture, name);
      if (cover === null) return;
      this.#detail.cover = this.#picture = this.#saved.cover = this.#inputs.cover.value = cover;
      this.#changed_now();
    };
    const file = session.feeder.file(row.file_id);
    return h("div", { class: "cvb" },
      session.allows("browser") && button(t("cover_pick"), "image", { "data-action": "cover-pick", onclick: press(() => this.#host.pick_picture((picked) => void take(picked, picked.name))) }, "sm"),
      file && row.media_type === "video" && button(t("cover_frame"), "video", {
        "data-action": "cover-frame", onclick: press(() => void frame_jpeg(file).then((made) => made
          ? take(made, `${row.name.replace(/\.\w+$/, "")}.jpg`) : session.say(t("no_picture", { name: row.name }), "warn"))),
      }, "sm"));
  }

  // ---- tags ------------------------------------------------------------------------------------------

  #tag_key(event: KeyboardEvent): void {
    if (event.key === "Enter" || event.key === "," || event.key === "，") {
      event.preventDefault();
      this.#take_tags();
    } else if (event.key === "Backspace" && this.#tag_input.value === "" && this.#tags.length > 0) {
      this.#tags.pop();
      this.#draw_tags();
      this.#changed_now();
    }
  }

  #take_tags(): void {
    const parts = split_tags(this.#tag_input.value);
    if (parts.length === 0) return;
    if (tags_wrong(this.#host.session.t, parts.slice(0, TAGS))) return; // stays to be mended; the counter says why
    this.#tags = [...new Set([...this.#tags, ...parts])];
    this.#tag_input.value = "";
    this.#draw_tags();
    this.#changed_now();
  }

  #draw_tags(): void {
    const { t } = this.#host.session;
    const focus = document.activeElement === this.#tag_input;
    replace(this.#tag_box, this.#tags.map((tag) => h("span", { class: "tag" }, tag, this.editable && icon_button(t("of_name", { action: t("remove"), name: tag }), "x", {
      onclick: () => {
        this.#tags = this.#tags.filter((one) => one !== tag);
        this.#draw_tags();
        this.#changed_now();
        this.#tag_input.focus();
      },
    }))), this.editable && this.#tag_input);
    if (focus) this.#tag_input.focus();
  }

  // ---- the whole -------------------------------------------------------------------------------------

  #changed_now(): void {
    this.edited();
    this.#say("cover", "", false, this.#inputs.cover);
    this.refresh();
  }

  /** Beside the name of a field. */
  #say(key: string, words: string, wrong: boolean, input?: HTMLElement): boolean {
    const out = this.#counts.get(key);
    if (out) {
      text(out, words);
      out.classList.toggle("t-err", wrong);
    }
    if (input) set(input, "aria-invalid", wrong ? "true" : null);
    return !wrong;
  }

  refresh(): void {
    const { session } = this.#host;
    const { t } = session;
    const say = this.#say.bind(this);
    const limit = (key: "title" | "description", max: number): boolean => {
      const { value } = this.#inputs[key];
      const n = utf8_length(value);
      const wrong = n > max ? t("too_many", { n: n - max }) : no_picture(t, value);
      return say(key, wrong || t("bytes_count", { n, max: String(max) }), wrong !== "", this.#inputs[key]);
    };
    const id = (key: "template_group_id" | "workflow_id", fine: string): boolean => {
      const wrong = !/^\S{0,64}$/.test(this.#inputs[key].value.trim());
      return say(key, wrong ? t("id_bad") : fine, wrong, this.#inputs[key]);
    };
    const typed = split_tags(this.#tag_input.value);
    const tags_bad = tags_wrong(t, typed.slice(0, TAGS)) || tags_wrong(t, this.#tags);
    const digits = /^\d{0,15}$/.test(this.#category.value.trim());
    const good = [
      limit("title", TITLE_BYTES), limit("description", DESCRIPTION_BYTES),
      say("tags", tags_bad || t("tags_count", { n: this.#tags.length, max: TAGS }), tags_bad !== ""),
      say("cate_id", digits ? t("optional") : t("number_only"), !digits, this.#category),
      id("template_group_id", t("optional")), id("workflow_id", t("optional")),
    ].every(Boolean);
    set(this.#inputs.template_group_id, "placeholder", this.#inputs.workflow_id.value.trim() ? t("workflow_decides") : null);
    const busy = session.store.busy.has(`set_metadata:${this.#detail.row.file_id}`);
    set(this.foot, "hidden", !this.editable);
    enable(this.#apply, good && this.changed() && session.controllable && !busy);
    enable(this.#undo, this.changed() && !busy);
  }

  #values(): Values {
    const { title, description, template_group_id, workflow_id, cover } = this.#inputs;
    return {
      title: title.value, description: description.value, tags: [...this.#tags], cate_id: this.#category.value.trim(),
      template_group_id: template_group_id.value.trim(), workflow_id: workflow_id.value.trim(), cover: cover.value.trim(),
    };
  }

  async #send(): Promise<boolean> {
    const { session } = this.#host;
    const { row } = this.#detail;
    const { cate_id, cover, ...rest } = this.#values();
    const number = cate_id === "" ? null : Number(cate_id);
    const answer = await session.ask("set_metadata", {
      file_id: row.file_id, ...rest, cate_id: number, cover: cover === this.#picture ? null : cover,
    }, session.t("apply"), [`set_metadata:${row.file_id}`], (code) => {
      // Everything else is known before; only the kernel sees whether there is such a picture.
      if (cover === this.#picture || !/^(Source|Path|Restriction\.Ext)/.test(code)) return;
      this.#say("cover", cause_of(session.t, code, ""), true, this.#inputs.cover);
      this.#inputs.cover.focus();
    });
    if (!answer) return false;
    session.store.put(answer.row);
    Object.assign(this.#detail, { row: answer.row, ...rest, cate_id: number, cover: answer.cover });
    this.#redraw();
    session.say(session.t("applied"));
    return true;
  }
}
