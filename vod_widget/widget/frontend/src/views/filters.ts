/** Filters with their counts and the search; with a selection the same place holds what can be done to it. */
import { h, replace, set, text } from "../dom";
import { count } from "../format";
import { icon } from "../icons";
import { type Action, type Filter, FILTERS } from "../protocol";
import { ACTION_ICON } from "../rowmodel";
import { button, enable, focused_in, type Host, icon_button, press } from "./parts";

/** The least width of the search with its margins. */
const SEARCH_PX = 84;
const SORTS = ["name", "size", "state"] as const;
const BULK: readonly Action[] = ["pause", "resume", "cancel", "retry", "remove"];

export class Filters {
  readonly element = h("div", { class: "filt" });
  readonly search: HTMLInputElement;
  readonly #plain: HTMLElement[];
  readonly #counts = new Map<Filter, { button: HTMLElement; number: HTMLElement; option: HTMLOptionElement }>();
  readonly #select: HTMLSelectElement;
  readonly #order: HTMLSelectElement;
  readonly #bulk_count = h("b", { class: "nsel" });
  readonly #bulk = new Map<Action, HTMLElement>();
  readonly #bulk_parts: HTMLElement[];
  readonly #moves: HTMLElement[] = [];
  readonly #edit: HTMLElement;
  #mode: "" | "plain" | "bulk" = "";
  readonly #segments: HTMLElement;
  #measured = "";
  #needs_px = 0;

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
    const { session } = host;
    const { t } = session;
    const segments = FILTERS.map((filter) => {
      const number = h("b");
      const element = h("button", { type: "button", "data-filter": filter, onclick: () => session.list.set_filter(filter) }, t(filter), " ", number);
      const option = h("option", { value: filter });
      this.#counts.set(filter, { button: element, number, option });
      return element;
    });
    this.#select = h("select", {
      class: "fsel", "aria-label": t("filter"), onchange: () => session.list.set_filter(this.#select.value as Filter),
    }, [...this.#counts.values()].map(({ option }) => option));
    this.#order = h("select", {
      class: "osel", "aria-label": t("order"), "data-action": "order", onchange: () => session.list.set_order(this.#order.value),
    }, h("option", { value: "queue" }, t("order")), SORTS.flatMap((sort) => [
      h("option", { value: sort }, `${t(sort)} ↑`), h("option", { value: `-${sort}` }, `${t(sort)} ↓`),
    ]));
    this.search = h("input", {
      type: "search", class: "inp", "aria-label": t("find"), placeholder: t("search"), maxlength: 200, autocomplete: "off", spellcheck: "false",
      oninput: () => session.list.set_search(this.search.value),
      onkeydown: (event: KeyboardEvent) => {
        if (event.key === "ArrowDown") {
          event.preventDefault();
          host.focus_grid();
        } else if (event.key === "Escape" && this.search.value) {
          event.preventDefault();
          event.stopPropagation();
          this.search.value = "";
          session.list.set_search("");
        }
      },
    });
    this.search.value = session.store.search;
    this.#segments = h("div", { class: "seg", role: "group", "aria-label": t("filter") }, segments);
    this.#plain = [this.#segments, this.#select, this.#order,
      h("div", { class: "find" }, icon("find"), this.search)];
    for (const action of BULK) {
      this.#bulk.set(action, button(h("span", { class: "tx" }, t(action)), ACTION_ICON[action], {
        "data-action": `selected-${action}`, title: t(action),
        onclick: press(() => session.act(action, this.#able(action))),
      }, "sm"));
    }
    for (const where of ["up", "down"] as const) {
      this.#moves.push(icon_button(t(where === "up" ? "move_up" : "move_down"), where === "up" ? "up_dir" : "down_dir", {
        "data-action": `selected-${where}`, title: t(where === "up" ? "move_first" : "move_last"),
        onclick: press((event) => session.move([...session.store.selected], !event.shiftKey ? where : where === "up" ? "first" : "last")),
      }));
    }
    this.#edit = button(h("span", { class: "tx" }, t("edit_several")), "edit", {
      "data-action": "selected-edit", title: t("edit_several"), onclick: press(() => host.open_several()),
    }, "sm");
    this.#bulk_parts = [this.#bulk_count, ...this.#bulk.values(), this.#edit, ...this.#moves, h("button", {
      type: "button", class: "lnk", "data-action": "clear-selection", title: t("unselect"),
      onclick: () => {
        session.store.selected.clear();
        session.store.changed();
        host.focus_grid();
      },
    }, icon("x"), h("span", { class: "tx" }, t("unselect")))];
  }

  update(): void {
    const { store, t } = this.#host.session;
    const mode = store.selected.size > 0 ? "bulk" : "plain";
    if (mode !== this.#mode) {
      this.#mode = mode;
      // With the last file that was selected its buttons go, and the next key would be the notebook's.
      const leaves = focused_in(this.element);
      replace(this.element, mode === "bulk" ? this.#bulk_parts : this.#plain);
      if (leaves) this.#host.focus_grid();
      set(this.element, "role", mode === "bulk" ? "toolbar" : null);
      set(this.element, "aria-label", mode === "bulk" ? t("selected_files") : null);
    }
    for (const [filter, parts] of this.#counts) {
      const n = count(store.summary.counts[filter] ?? 0);
      text(parts.number, n);
      text(parts.option, `${t(filter)} ${n}`);
      set(parts.button, "aria-pressed", store.filter === filter ? "true" : "false");
    }
    if (mode === "plain") this.#fit();
    const order = `${store.descending ? "-" : ""}${store.sort}`;
    if (this.#order.value !== order) this.#order.value = order;
    if (this.#select.value !== store.filter) this.#select.value = store.filter;
    if (this.search.value !== store.search && document.activeElement !== this.search) this.search.value = store.search;
    if (mode === "bulk") {
      text(this.#bulk_count, t("selected", { n: store.selected.size }));
      for (const element of this.#moves) enable(element, this.#host.session.controllable && store.in_order);
      enable(this.#edit, this.#host.session.controllable && [...store.selected].some((id) => (store.row(id)?.state ?? "Ready") === "Ready"));
      for (const [action, element] of this.#bulk) enable(element, this.#host.session.controllable && this.#able(action).length > 0);
    }
  }

  /** Segments that do not fit beside the search become a select; fonts and counts decide, not a number. */
  #fit(): void {
    const width = this.element.clientWidth;
    if (width === 0) return;
    const words = this.#segments.textContent ?? "";
    if (words !== this.#measured) {
      this.#measured = words;
      this.element.classList.remove("tight");
      this.#needs_px = this.#segments.scrollWidth + 24 + SEARCH_PX + (this.#order.offsetWidth && this.#order.offsetWidth + 8);
    }
    this.element.classList.toggle("tight", width < this.#needs_px);
  }

  /** Of the selected files those that allow it; a row that is not loaded is the kernel's to judge. */
  #able(action: Action): string[] {
    const { store } = this.#host.session;
    return [...store.selected].filter((id) => store.row(id)?.actions.includes(action) ?? true);
  }
}
