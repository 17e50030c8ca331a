/** Rows that are dragged by their picture to another place of the queue; with a row that is selected, all that are. */
import { h } from "../dom";
import type { Host } from "./parts";

/** Less is a click. */
const BEGINS_PX = 5;
/** So near to an edge the list scrolls by itself, so often, and so far at once. */
const EDGE_PX = 24;
const SCROLL_EVERY_MS = 60;

export function drag(host: Host, grid: HTMLElement, down: PointerEvent): void {
  const { session } = host;
  const { store } = session;
  const row = (down.target as Element).closest<HTMLElement>("[data-file-id]");
  const body = grid.querySelector<HTMLElement>(".rows");
  if (!row || !body) return;
  const id = row.dataset["fileId"] ?? "";
  const row_px = row.offsetHeight || 40;
  const mark = h("div", { "aria-hidden": "true" });
  Object.assign(mark.style, { position: "absolute", left: "0", right: "0", height: "2px", background: "var(--brand)", zIndex: "4", pointerEvents: "none" });
  const over = new AbortController();
  const { signal } = over;
  const meant = store.selected.has(id) ? [...store.selected] : [id];
  // A row that scrolls away becomes another file's.
  const pale = (ids: readonly string[]): void => {
    for (const one of grid.querySelectorAll<HTMLElement>("[data-file-id]")) one.style.opacity = ids.includes(one.dataset["fileId"] ?? "") ? ".5" : "";
  };
  let at = down.clientY;
  let place = -1;
  const show = (): void => {
    place = Math.max(0, Math.min(store.matching, Math.round((at - body.getBoundingClientRect().top) / row_px)));
    // The first and the last place are inside the list, too.
    pale(meant);
    mark.style.top = `${Math.min(Math.max(place * row_px - 1, 0), store.matching * row_px - 2)}px`;
  };
  const scroll = setInterval(() => {
    if (place < 0) return;
    const { top, bottom } = grid.getBoundingClientRect();
    const by = at < top + EDGE_PX + 26 ? -1 : at > bottom - EDGE_PX ? 1 : 0;
    if (by) grid.scrollTop += by * row_px / 2;
    show();
  }, SCROLL_EVERY_MS);
  signal.addEventListener("abort", () => {
    clearInterval(scroll);
    mark.remove();
    pale([]);
    grid.style.cursor = grid.style.userSelect = "";
  });
  const listen = <K extends keyof DocumentEventMap>(name: K, then: (event: DocumentEventMap[K]) => void): void =>
    document.addEventListener(name, then, { signal, capture: true });
  listen("pointermove", (event) => {
    if (event.pointerId !== down.pointerId) return;
    at = event.clientY;
    if (place < 0) {
      if (Math.abs(at - down.clientY) < BEGINS_PX) return;
      body.append(mark);
      Object.assign(grid.style, { cursor: "grabbing", userSelect: "none" });
    }
    show();
  });
  listen("pointerup", () => {
    const to = place;
    over.abort();
    const before = store.row_at(to)?.row.file_id;
    // A row that is not known yet has no name to be put before.
    if (to < 0 || (before === undefined && to < store.matching) || !store.in_order) return;
    if (meant.length === 1 && (to === store.index_of(id) || to === store.index_of(id) + 1)) return;
    void session.ask("place", { file_ids: meant, before: before ?? "" }, session.t("order"));
  });
  listen("pointercancel", () => over.abort());
  listen("keydown", (event) => {
    if (event.key !== "Escape" || place < 0) return;
    event.preventDefault();
    event.stopPropagation();
    over.abort();
  });
}
