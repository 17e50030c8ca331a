/** The frame of the side panel: a titled complementary region, one at a time, closed by × or Escape. */
import { type Child, h } from "../dom";
import { type Host, icon_button } from "./parts";

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
}

export function frame(host: Host, label: string, head: Child, ...rest: Child[]): HTMLElement {
  return h("aside", { class: "side", role: "complementary", "aria-label": label },
    h("div", { class: "sh" }, head, icon_button(host.session.t("close"), "x", { "data-action": "close", onclick: () => host.close_panel() })),
    ...rest);
}

export function field(label: string, right: Child, control: HTMLElement, wide = true): HTMLElement {
  return h("div", { class: wide ? "fd w" : "fd" }, h("div", null, h("label", { for: control.id || null }, label), right), control);
}
