/** The list without files is the drop area; a filter or search without a match says so. */
import { h, replace } from "../dom";
import { bytes } from "../format";
import { icon } from "../icons";
import type { Session } from "../session";
import { button, enable, type Host, press } from "./parts";
import { add_items } from "./toolbar";

/** What is allowed here, said before anything is refused; the notebook of its author has no limits worth a line. */
export function limits(session: Session): string {
  const { max_files, max_file_bytes, max_total_bytes } = session.store.hello?.limits ?? {};
  if (!max_files || !max_file_bytes || max_files > 10_000) return "";
  return session.t("limits", { n: max_files, each: bytes(max_file_bytes), all: bytes(Math.min(max_total_bytes ?? 0, max_files * max_file_bytes)) });
}

export class Empty {
  readonly element = h("div", { class: "empty" });
  #shape = "";

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  update(): void {
    const { session } = this.#host;
    const { store, t } = session;
    const items = add_items(this.#host);
    const browser = session.allows("browser");
    const kind = store.summary.total > 0 ? "no-match" : "no-files";
    const allowed = [limits(session), store.hello?.reload_ends && t("reload_ends")].filter(Boolean).join(" ");
    const shape = JSON.stringify([t.locale, kind, allowed, items.map((item) => item.action)]);
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.element.className = kind === "no-match" ? "empty plain" : "empty";
      if (kind === "no-match") {
        replace(this.element, icon("find", "big"), h("h4", null, t("no_match")), h("div", { class: "go" }, button(t("show_all"), null, {
          "data-action": "show-all", onclick: () => {
            session.list.set_filter("all");
            session.list.set_search("");
          },
        })));
      } else {
        replace(this.element, icon("cloud", "big"), h("h4", null, t(browser ? "drop_title" : "empty_kernel")), h("p", null, t("drop_sub")),
          h("div", { class: "go" }, items.map((item, k) => button(item.label, item.icon, { "data-action": item.action, onclick: press(item.run) }, k === 0 ? "pri" : ""))),
          allowed && h("p", null, allowed), h("p", null, t("drop_formats")));
      }
    }
    for (const control of this.element.querySelectorAll<HTMLElement>("button")) enable(control, session.controllable || kind === "no-match");
  }
}
