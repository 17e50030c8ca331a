/** What several selected files say about themselves, changed at once. What is left empty stays as it is in each file. */
import { categories } from "../covers";
import { type Child, h, replace, set, text, uid } from "../dom";
import { DESCRIPTION_BYTES, no_picture, split_tags, tags_wrong, utf8_length } from "./metadata";
import { field, frame, type Panel, refusals } from "./panel";
import { button, enable, type Host, is_enabled, press } from "./parts";

type Field = "tags" | "description" | "cate_id" | "template_group_id" | "workflow_id";

export class SeveralPanel implements Panel {
  readonly kind = "several";
  readonly element: HTMLElement;
  readonly #inputs = new Map<Field, HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement>();
  readonly #counts = new Map<Field, HTMLElement>();
  readonly #category = h("div", { class: "fd" });
  readonly #apply: HTMLButtonElement;
  readonly #told = h("div", { class: "told", role: "status" });
  readonly #who = h("span", { class: "mut" });
  #warned = false;
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
    const { session } = host;
    const { t } = session;
    const keep = t("stays");
    const made = (key: Field, wide = false): HTMLElement => {
      const control = h(key === "description" ? "textarea" : "input", {
        class: "inp", id: uid(), placeholder: keep, "data-field": key, spellcheck: "false", rows: key === "description" ? 3 : null, oninput: () => this.#typed(),
      });
      return this.#field(key, control, wide);
    };
    this.#apply = button(t("apply"), null, { "data-action": "apply", onclick: press(() => void this.#send()) }, "pri sm");
    replace(this.#category, this.#number());
    const steer = session.store.hello?.policy.steer !== false;
    this.element = frame(host, t("edit_several"), h("div", null, h("h4", null, t("edit_several")), h("div", { class: "sub" }, t("several_sub"))),
      h("div", { class: "sc" }, h("div", { class: "fl" }, made("description", true), made("tags", true), this.#category,
        steer && [made("template_group_id"), made("workflow_id")]), this.#told),
      h("div", { class: "sf" }, this.#who, this.#apply));
    if (steer) void this.#load_categories();
  }

  #field(key: Field, control: HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement, wide: boolean): HTMLElement {
    const { t } = this.#host.session;
    const word = { tags: "tags", description: "description", cate_id: "category_name", template_group_id: "template", workflow_id: "workflow" } as const;
    const out = h("span", { class: "cnt" });
    this.#inputs.set(key, control);
    this.#counts.set(key, out);
    return field(t(word[key]), out, control, wide);
  }

  #number(): Child {
    const control = h("input", {
      class: "inp", id: uid(), placeholder: this.#host.session.t("stays"), "data-field": "cate_id", inputmode: "numeric", maxlength: 15, oninput: () => this.#typed(),
    });
    return [...this.#field("cate_id", control, false).childNodes];
  }

  /** With the account's categories the number becomes a list, unless somebody types already. */
  async #load_categories(): Promise<void> {
    const { session } = this.#host;
    const found = await categories(session).catch(() => []);
    const typed = this.#inputs.get("cate_id");
    if (!found.length || typed?.value || document.activeElement === typed) return;
    const select = h("select", { id: uid(), "data-field": "cate_id", onchange: () => this.#typed() }, h("option", { value: "" }, session.t("stays")),
      found.map((one) => h("option", { value: String(one.cate_id) }, one.path)));
    replace(this.#category, [...this.#field("cate_id", select, false).childNodes]);
  }

  #value(key: Field): string {
    return this.#inputs.get(key)?.value.trim() ?? "";
  }

  #typed(): void {
    this.#warned = false;
    this.update();
  }

  get #filled(): boolean {
    return [...this.#inputs.keys()].some((key) => this.#value(key) !== "");
  }

  update(): void {
    const { session } = this.#host;
    const { t, store } = session;
    const n = store.selected.size;
    text(this.#who, t("selected", { n }));
    const tags = split_tags(this.#value("tags"));
    const over = utf8_length(this.#value("description")) - DESCRIPTION_BYTES;
    const wrong: Record<Field, string> = {
      tags: tags_wrong(t, tags),
      description: over > 0 ? t("too_many", { n: over }) : no_picture(t, this.#value("description")),
      cate_id: /^\d{0,15}$/.test(this.#value("cate_id")) ? "" : t("number_only"),
      template_group_id: /^\S{0,64}$/.test(this.#value("template_group_id")) ? "" : t("id_bad"),
      workflow_id: /^\S{0,64}$/.test(this.#value("workflow_id")) ? "" : t("id_bad"),
    };
    for (const [key, out] of this.#counts) {
      text(out, wrong[key] || (key === "tags" ? t("tags_hint") : ""));
      out.classList.toggle("t-err", wrong[key] !== "");
      set(this.#inputs.get(key)!, "aria-invalid", wrong[key] ? "true" : null);
    }
    enable(this.#apply, session.controllable && n > 0 && this.#filled && Object.values(wrong).every((one) => !one) && !store.busy.has("edit_files"));
  }

  async take(): Promise<boolean> {
    if (!this.#filled) return true;
    if (is_enabled(this.#apply)) return await this.#send();
    this.#warned = true;
    this.#host.session.say(this.#host.session.t("unsaved"), "warn");
    return false;
  }

  /** True when all of them were changed that had not started. */
  async #send(): Promise<boolean> {
    const { session } = this.#host;
    const { t, store } = session;
    const said = (key: Field): string | null => this.#value(key) || null;
    const tags = split_tags(this.#value("tags"));
    const cate_id = said("cate_id");
    const answer = await session.ask("edit_files", {
      file_ids: [...store.selected], description: said("description"), tags: tags.length ? tags : null, cate_id: cate_id === null ? null : Number(cate_id),
      template_group_id: said("template_group_id"), workflow_id: said("workflow_id"),
    }, t("apply"), ["edit_files"]);
    if (!answer) return false;
    session.say(t("edited", { n: answer.changed }), answer.refused.length ? "warn" : "");
    if (answer.refused.length === 0) this.#host.close_panel(true);
    else {
      replace(this.#told, h("p", null, t("edited", { n: answer.changed })), refusals(t, t("not_edited", { n: answer.refused.length }), answer.refused));
      // The form is longer than the panel is high.
      this.#told.scrollIntoView?.({ block: "nearest" });
    }
    return answer.refused.every(({ code }) => code === "InvalidState");
  }

  focus(): void {
    this.#inputs.get("description")?.focus();
  }

  may_close(): boolean {
    if (!this.#filled || this.#warned) return true;
    this.#warned = true;
    this.#host.session.say(this.#host.session.t("unsaved"), "warn");
    return false;
  }

  close(): void {
    // nothing to release
  }

  again(): Panel {
    const made = new SeveralPanel(this.#host);
    for (const [key, control] of made.#inputs) control.value = this.#value(key);
    return made;
  }
}
