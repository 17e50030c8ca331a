/** The frame of the side panel: a titled complementary region, one at a time, closed by × or Escape. */
import { type Child, h, replace, set } from "../dom";
import { cause_of, type Translate } from "../i18n";
import { icon } from "../icons";
import type { Refusal } from "../protocol";
import { type Host, icon_button } from "./parts";

const MOST_REFUSALS = 20;
const MOST_ABOVE = 50;

export interface Panel {
  readonly kind: string;
  readonly element: HTMLElement;
  /** The file that it is about. */
  readonly file_id?: string;
  update(): void;
  /** Where the focus goes when it opens. */
  focus(): void;
  /** False when there is something to lose and the person has not been asked yet. */
  may_close(): boolean;
  close(): void;
  /** Takes what was typed before files start, for it is meant for them; false when it cannot be taken, which is said. */
  take?(): Promise<boolean>;
  /** The same in the language that is spoken now, with what was typed. */
  again(): Panel;
}

export function frame(host: Host, label: string, head: Child, ...rest: Child[]): HTMLElement {
  return h("aside", { class: "side", role: "complementary", "aria-label": label },
    h("div", { class: "sh" }, head, icon_button(host.session.t("close"), "x", { "data-action": "close", onclick: () => host.close_panel() })),
    ...rest);
}

export function field(label: string, right: Child, control: HTMLElement, wide = true): HTMLElement {
  return h("div", { class: wide ? "fd w" : "fd" }, h("div", null, h("label", { for: control.id || null }, label), right), control);
}

/** A file name that is cut in the middle to the room it has; whole in the tooltip. */
export function name_element(name: string): HTMLDivElement {
  return h("div", { class: "nm", title: name, "data-name": name }, name);
}

/** What was refused and why, where it can be mended. */
export function refusals(t: Translate, title: string, refused: readonly Refusal[]): Child {
  return [h("p", { class: "t-err" }, title), h("ul", null, reasons(t, refused, MOST_REFUSALS))];
}

function reasons(t: Translate, refused: readonly Refusal[], most: number): Child[] {
  return [...refused.slice(0, most).map((one) => h("li", null, h("b", null, one.name), t("colon"), cause_of(t, one.code, one.message))),
    refused.length > most && h("li", { class: "mut" }, t("and_more", { n: refused.length - most }))];
}

/** The same above the list, until it is dismissed, with what is allowed here. */
export function show_refused(host: Host, element: HTMLElement, allowed: string): void {
  const { store, t } = host.session;
  const title = t("refused_add", { n: store.refused.length });
  set(element, "aria-label", title);
  replace(element, h("div", { class: "refh" }, h("span", { class: "t-err" }, icon("fail")), h("b", null, title),
    icon_button(t("dismiss"), "x", {
      "data-action": "dismiss-refused", onclick: () => {
        store.refused = [];
        store.changed();
        host.focus_grid();
      },
    })),
  h("ul", { tabindex: 0 }, reasons(t, store.refused, MOST_ABOVE), allowed && h("li", { class: "mut" }, allowed)));
}
