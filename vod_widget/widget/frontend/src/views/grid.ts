/**
 * The list of files: a grid of which only the visible rows stand in the page. Asks the kernel for the
 * window around them, moves the focus by keys, and keeps it when its row leaves.
 */
import { h, set, text } from "../dom";
import { count } from "../format";
import type { Action, Sort } from "../protocol";
import { drawn_range, covers, MAX_BODY_PX, type Range, scroll_to_show, wanted_window } from "../virtual";
import { enable, fit_names, focused_in, type Host, press, visible } from "./parts";
import { RowView, skeleton } from "./row";

const HEADER_PX = 26;
const POSITION_MS = 1_000;
/** Below this many rows the scroll bar says enough. */
const POSITION_FROM = 100;
const MOST_SPARE = 40;
/** While the list moves, so many rows a frame get their words and the others wait as skeletons: a dozen at once, each
 * time a window of rows arrives, cost three frames. */
const MOVING_ROWS = 3;
const MOVING_MS = 100;

/** The row that was pressed beside its controls. */
function row_at({ target }: Event): HTMLElement | null {
  return (target as Element).closest("button,a,label") ? null : (target as Element).closest("[data-file-id]");
}

export class Grid {
  readonly element: HTMLElement;
  readonly position = h("div", { class: "pos", "aria-hidden": "true", hidden: true });
  readonly #body = h("div", { role: "rowgroup", class: "rows" });
  readonly #slice = h("div", { class: "slice", role: "presentation" });
  readonly #header: HTMLElement;
  readonly #all: HTMLInputElement;
  readonly #sorts = new Map<Sort, HTMLElement>();
  readonly #views = new Map<string, RowView>();
  /** Rows that were scrolled away, for other files; skeletons likewise. */
  readonly #spare: RowView[] = [];
  readonly #bones: HTMLElement[] = [];
  #active = 0;
  #anchor = 0;
  #position_timer: ReturnType<typeof setTimeout> | undefined;
  #moving_timer: ReturnType<typeof setTimeout> | undefined;
  #drawn: Range = { first: 0, count: 0 };
  #order = "";
  #viewport = 0;
  #name_width = 0;
  #row_height = 40;
  #header_height = HEADER_PX;

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
    const { t } = host.session;
    this.#all = h("input", {
      type: "checkbox", "aria-label": t("select_all"), tabindex: -1,
      onchange: () => {
        if (this.#all.checked) void host.session.list.select_all();
        else {
          host.session.store.selected.clear();
          host.session.store.changed();
        }
      },
    });
    const column = (key: "name" | "size" | "state" | "speed" | "time_left" | "video_id" | "actions", right: boolean): HTMLElement => {
      const sortable = key === "name" || key === "size" || key === "state";
      const cell = h("div", { role: "columnheader", class: right ? `r h-${key}` : `h-${key}` }, sortable
        ? h("button", { type: "button", class: "srt", tabindex: -1, "data-sort": key, onclick: press(() => host.session.list.set_sort(key)) }, t(key), h("i", { "aria-hidden": "true" })) : t(key));
      if (sortable) this.#sorts.set(key, cell);
      return cell;
    };
    this.#header = h("div", { class: "row hd", role: "row", "aria-rowindex": 1 },
      h("div", { role: "columnheader", class: "ck" }, h("label", null, this.#all)),
      h("div", { role: "columnheader", class: "kd" }, h("span", { class: "sr" }, t("kind"))),
      column("name", false), column("size", true), column("state", false), column("speed", true), column("time_left", true),
      column("video_id", true), column("actions", true));
    this.#body.append(this.#slice);
    this.element = h("div", {
      class: "grid", role: "grid", "aria-label": t("file_list"), "aria-colcount": 9, "aria-multiselectable": "true", tabindex: -1,
      onkeydown: (event: KeyboardEvent) => this.#key(event),
      onfocusin: (event: FocusEvent) => this.#focused(event),
      // Neither choosing a range nor opening a file is selecting its words.
      onmousedown: (event: MouseEvent) => { if (event.shiftKey || event.detail > 1) event.preventDefault(); },
      onpointerdown: (event: PointerEvent) => {
        const { later, store } = host.session;
        if (event.button === 0 && store.in_order && row_at(event) && (event.target as Element).closest(".th")) later.panels?.drag(host, this.element, event);
      },
      onclick: (event: MouseEvent) => this.#clicked(event),
      ondblclick: (event: MouseEvent) => {
        const row = row_at(event);
        if (row) host.open_detail(row.dataset["fileId"] ?? "");
      },
    }, this.#header, this.#body);
    this.element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  /** The size may be another one: measure before the next use. */
  resized(): void {
    this.#viewport = 0;
    this.#name_width = 0;
  }

  /** Reading sizes makes the browser lay out at once, so it is done only after a change of size. */
  #measure(): void {
    if (this.#viewport > 0) return;
    const value = Number.parseFloat(getComputedStyle(this.element).getPropertyValue("--row"));
    this.#row_height = value > 0 ? value : 40;
    const height = this.element.clientHeight;
    // As cards the rows have no header.
    this.#header_height = this.#header.offsetHeight === 0 && height > 0 ? 0 : HEADER_PX;
    this.#viewport = Math.max(0, height - this.#header_height);
  }

  update(): void {
    const { store } = this.#host.session;
    const total = store.matching;
    this.#measure();
    const height = this.#row_height;
    const viewport = this.#viewport;
    set(this.element, "aria-rowcount", total + 1);
    set(this.element, "data-order", store.in_order ? "" : null);
    const body_height = `${Math.min(total * height, MAX_BODY_PX)}px`;
    if (this.#body.style.height !== body_height) this.#body.style.height = body_height;
    const had_focus = focused_in(this.element);
    // The focus stays with its file, wherever that moves; it may be moved on by the next key.
    const focused = had_focus?.closest<HTMLElement>(".row");
    if (focused && Number(focused.getAttribute("aria-rowindex")) - 2 === this.#active) {
      const now = store.index_of(focused.dataset["fileId"] ?? "");
      if (now >= 0) this.#active = now;
    }
    this.#active = Math.max(0, Math.min(this.#active, total - 1));
    this.#drawn = drawn_range(this.element.scrollTop, viewport, height, total);
    const drawn = Array.from({ length: this.#drawn.count }, (_, k) => store.row_at(this.#drawn.first + k));
    const alive = new Set(drawn.map((cached) => cached?.row.file_id));
    for (const [id, view] of this.#views) {
      if (alive.has(id)) continue;
      this.#views.delete(id);
      view.element.remove();
      // One that had the focus would carry it to another file.
      if (this.#spare.length < MOST_SPARE && !view.element.contains(had_focus)) this.#spare.push(view);
    }
    const elements: HTMLElement[] = [];
    const order: string[] = [];
    let bones = 0;
    let room = this.#moving_timer === undefined ? Infinity : MOVING_ROWS;
    drawn.forEach((cached, k) => {
      const index = this.#drawn.first + k;
      // The one that is to have the focus does not wait.
      const waits = cached && !this.#views.has(cached.row.file_id) && index !== this.#active && room-- <= 0;
      if (!cached || waits || order.includes(cached.row.file_id)) {
        const bone = this.#bones[bones++] ??= skeleton();
        set(bone, "aria-rowindex", index + 2);
        elements.push(bone);
        order.push(`?${index}`);
        return;
      }
      const id = cached.row.file_id;
      let view = this.#views.get(id);
      if (!view) this.#views.set(id, view = this.#spare.pop() ?? new RowView(this.#host));
      view.update(cached, index, index === this.#active);
      elements.push(view.element);
      order.push(id);
    });
    const top = `${this.#drawn.first * height}px`;
    if (this.#slice.style.top !== top) this.#slice.style.top = top;
    const key = order.join("|");
    if (key !== this.#order) {
      this.#order = key;
      this.#place(elements);
    }
    const active_drawn = this.#active >= this.#drawn.first && this.#active < this.#drawn.first + this.#drawn.count && store.row_at(this.#active);
    set(this.element, "tabindex", active_drawn ? -1 : 0);
    // The row that had the focus is gone, or that a key led to has come: it takes the focus, or the grid itself. Never the notebook.
    if (had_focus && (had_focus === this.element || !focused_in(this.element))) (this.#row_element(this.#active) ?? this.element).focus({ preventScroll: true });
    const selected = store.selected.size;
    this.#all.checked = selected > 0 && selected >= store.matching;
    this.#all.indeterminate = selected > 0 && selected < store.matching;
    set(this.#all, "disabled", !this.#host.session.controllable || total === 0);
    for (const [sort, cell] of this.#sorts) {
      set(cell, "aria-sort", store.sort !== sort ? "none" : store.descending ? "descending" : "ascending");
      enable(cell.firstChild as HTMLElement, this.#host.session.controllable);
    }
    // As a table all names are equally wide; as cards the buttons decide.
    const width = fit_names(this.#slice, this.#name_width);
    if (this.#header_height > 0) this.#name_width = width;
    this.#want();
  }

  /** Moves as few elements as possible: an element that is taken out loses focus and hover. */
  #place(elements: HTMLElement[]): void {
    const keep = new Set(elements);
    for (const child of [...this.#slice.children]) if (!keep.has(child as HTMLElement)) child.remove();
    let at: Element | null = this.#slice.firstElementChild;
    for (const element of elements) {
      if (element === at) at = at.nextElementSibling;
      else this.#slice.insertBefore(element, at);
    }
  }

  #want(): void {
    const { session } = this.#host;
    if (!session.controllable || this.#drawn.count === 0) return;
    const missing = covers(session.list.window, this.#drawn, session.store.matching);
    if (!missing) session.list.see(wanted_window(this.#drawn, session.store.matching));
  }

  /** True when a row on the screen counts down. */
  get counting(): boolean {
    const { store } = this.#host.session;
    return [...this.#views.keys()].some((id) => store.row(id)?.wait);
  }

  #scrolled(): void {
    // Read before the update writes.
    const top = this.element.scrollTop;
    const above = this.element.offsetTop;
    const { store, t } = this.#host.session;
    const total = store.matching;
    const drawn = drawn_range(top, this.#viewport, this.#row_height, total);
    clearTimeout(this.#moving_timer);
    this.#moving_timer = setTimeout(() => {
      this.#moving_timer = undefined;
      this.update();
    }, MOVING_MS);
    if (this.#viewport === 0 || drawn.first !== this.#drawn.first || drawn.count !== this.#drawn.count) this.update();
    if (total < POSITION_FROM) return;
    const height = this.#row_height;
    const viewport = this.#viewport;
    const first = Math.round(top / height) + 1;
    const last = Math.min(total, Math.max(first, Math.floor((top + viewport) / height)));
    text(this.position, t("position", { a: count(first), b: count(last), n: count(total) }));
    const share = top / Math.max(1, total * height - viewport);
    this.position.style.top = `${above + this.#header_height + 14 + (viewport - 28) * share}px`;
    set(this.position, "hidden", false);
    clearTimeout(this.#position_timer);
    this.#position_timer = setTimeout(() => set(this.position, "hidden", true), POSITION_MS);
  }

  close(): void {
    clearTimeout(this.#position_timer);
    clearTimeout(this.#moving_timer);
  }

  // ---- focus and keys --------------------------------------------------------------------------------

  #row_element(index: number): HTMLElement | null {
    const id = this.#host.session.store.row_at(index)?.row.file_id;
    return (id !== undefined && this.#views.get(id)?.element) || null;
  }

  focus(): void {
    (this.#row_element(this.#active) ?? this.element).focus({ preventScroll: true });
  }

  focus_file(file_id: string): void {
    const index = this.#host.session.store.index_of(file_id);
    if (index >= 0) this.#go(index);
    else this.focus();
  }

  #focused(event: FocusEvent): void {
    const row = (event.target as Element).closest<HTMLElement>(".row[data-file-id]");
    if (!row) return;
    const index = Number(row.getAttribute("aria-rowindex")) - 2;
    if (index === this.#active) return;
    this.#row_element(this.#active)?.setAttribute("tabindex", "-1");
    this.#active = index;
    row.setAttribute("tabindex", "0");
  }

  #go(index: number): void {
    const { store } = this.#host.session;
    const to = Math.max(0, Math.min(index, store.matching - 1));
    this.#row_element(this.#active)?.setAttribute("tabindex", "-1");
    this.#active = to;
    const top = scroll_to_show(to, this.element.scrollTop, this.#viewport, this.#row_height);
    if (top !== this.element.scrollTop) this.element.scrollTop = top;
    this.update();
    this.focus();
  }

  #key(event: KeyboardEvent): void {
    const { session } = this.#host;
    const { store } = session;
    const target = event.target as HTMLElement;
    const on_row = target === this.element || target.classList.contains("row");
    const page = Math.max(1, Math.floor(this.#viewport / this.#row_height) - 1);
    const row = store.row_at(this.#active)?.row;
    const done = (): void => event.preventDefault();
    const command = event.ctrlKey || event.metaKey;
    switch (event.key) {
      case "ArrowDown": case "ArrowUp": case "PageDown": case "PageUp": case "Home": case "End": {
        done();
        const before = this.#active;
        const up = event.key === "ArrowUp";
        if (target.closest(".hd") && event.key.startsWith("Arrow")) {
          this.#go(0);
          return;
        }
        const column = this.#sorts.get("name")?.firstChild as HTMLElement;
        if (up && before === 0 && !event.shiftKey && !event.altKey && visible(column)) {
          // Above the first row stand the columns, which sort.
          column.focus();
          return;
        }
        const where = ({ ArrowUp: "up", ArrowDown: "down", Home: "first", End: "last" } as Record<string, "up" | "down" | "first" | "last">)[event.key];
        if (event.altKey) {
          if (row && where && store.in_order) session.move(this.#meant(row.file_id), where);
          return;
        }
        this.#go(before + (({ ArrowUp: -1, ArrowDown: 1, PageDown: page, PageUp: -page, Home: -Infinity } as Record<string, number>)[event.key] ?? Infinity));
        if (event.shiftKey) this.#extend(before);
        else this.#anchor = this.#active;
        return;
      }
      case "ArrowRight": done(); this.#step_in(target, 1); return;
      case "ArrowLeft": done(); this.#step_in(target, -1); return;
      case "a": case "A":
        if (!command) return;
        done();
        void session.list.select_all();
        return;
      case "Escape":
        if (on_row) return;
        if (target.closest(".hd")) return;
        done();
        event.stopPropagation();
        this.focus();
        return;
      default:
    }
    if (!on_row || !row) return;
    switch (event.key) {
      case "Enter": done(); this.#host.open_detail(row.file_id); return;
      case " ":
        done();
        if (!store.selected.delete(row.file_id)) store.selected.add(row.file_id);
        this.#anchor = this.#active;
        store.changed();
        return;
      case "Delete": case "Backspace": done(); this.#discard(row.file_id); return;
      default:
    }
  }

  #extend(from: number): void {
    const { store } = this.#host.session;
    if (store.selected.size === 0) this.#anchor = from;
    store.selected.clear();
    this.#range(true);
  }

  /** From the row that was meant last to this one; the kernel is asked for rows that were never drawn. */
  #range(on: boolean): void {
    const { list, store } = this.#host.session;
    const [low, high] = [Math.min(this.#anchor, this.#active), Math.max(this.#anchor, this.#active)];
    const take = (ids: (string | undefined)[]): void => {
      for (const id of ids) if (id) store.selected[on ? "add" : "delete"](id);
      store.changed();
    };
    const known = Array.from({ length: high - low + 1 }, (_, k) => store.row_at(low + k)?.row.file_id);
    if (known.every(Boolean)) take(known);
    else void list.collect(store.look).then((rows) => take(rows.slice(low, high + 1).map((row) => row.file_id)));
  }

  /** As in a file manager: Ctrl takes one row more, Shift all up to it; the boxes know Shift as well. */
  #clicked(event: MouseEvent): void {
    const box = event.target instanceof HTMLInputElement && event.target;
    const row = box ? box.closest<HTMLElement>("[data-file-id]") : row_at(event);
    if (!row) return;
    const { store } = this.#host.session;
    const id = row.dataset["fileId"] ?? "";
    const index = Number(row.getAttribute("aria-rowindex")) - 2;
    const { shiftKey } = event;
    if (!shiftKey) this.#anchor = index;
    const on = box ? box.checked : shiftKey || !store.selected.has(id);
    if (!shiftKey && (box || !(event.ctrlKey || event.metaKey))) return;
    // Before anything is drawn: the box is about to say its own.
    store.selected[on ? "add" : "delete"](id);
    this.#go(index);
    if (shiftKey) this.#range(on);
    else store.changed();
  }

  /** The row, or with it all that are selected. */
  #meant(file_id: string): string[] {
    const { selected } = this.#host.session.store;
    return selected.has(file_id) ? [...selected] : [file_id];
  }

  /** Delete: off the list, or, while it is sent, canceled. With a selection, all of it. */
  #discard(file_id: string): void {
    const { session } = this.#host;
    const ids = this.#meant(file_id);
    for (const action of ["remove", "cancel"] satisfies Action[]) {
      const fit = ids.filter((id) => {
        const actions = session.store.row(id)?.actions ?? [];
        return action === "remove" ? actions.includes("remove") : actions.includes("cancel") && !actions.includes("remove");
      });
      if (fit.length && session.controllable) session.act(action, fit);
    }
  }

  #step_in(target: HTMLElement, by: 1 | -1): void {
    const row = target.closest<HTMLElement>(".hd") ?? this.#row_element(this.#active);
    if (!row) return;
    const controls = [...row.querySelectorAll<HTMLElement>("input,button,a[href]")].filter(visible);
    const at = controls.indexOf(target);
    const to = target === row || target === this.element ? (by === 1 ? 0 : -1) : at + by;
    (to < 0 || to >= controls.length ? (by === -1 ? row : controls[controls.length - 1] ?? row) : controls[to] ?? row).focus();
  }
}

