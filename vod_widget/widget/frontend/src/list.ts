/**
 * The window of rows that this page looks at: filter, order and search, asked of the kernel, and the snapshots that answer.
 */
import { IntentError } from "./connection";
import { MAX_VIEW_ROWS, type Filter, type Look, type Row, type SnapshotMessage, type Sort } from "./protocol";
import type { Session } from "./session";
import type { Range } from "./virtual";

/** Control messages are limited to 20 a second, and each window that arrives while the list is scrolled costs a frame. */
const VIEW_EVERY_MS = 250;
const SEARCH_AFTER_MS = 200;
const EARLY_SNAPSHOT_MS = 150;

export class List {
  window: Range = { first: 0, count: 50 };
  #view_timer: ReturnType<typeof setTimeout> | undefined;
  #search_timer: ReturnType<typeof setTimeout> | undefined;
  #early_timer: ReturnType<typeof setTimeout> | undefined;
  #last_view_at = 0;
  /** Bumped by each `view`: rows of an older filter must not be shown under the new one. */
  #view_generation = 0;
  #answered_generation = 0;
  #early_snapshot: SnapshotMessage | null = null;
  #collecting: ((message: SnapshotMessage) => void) | null = null;
  #closed = false;
  readonly #session: Session;
  readonly #answer_ms: number;

  constructor(session: Session, answer_ms = 10_000) {
    this.#session = session;
    this.#answer_ms = answer_ms;
  }

  close(): void {
    this.#closed = true;
    for (const timer of [this.#view_timer, this.#search_timer, this.#early_timer]) clearTimeout(timer);
  }

  /** Until the kernel has answered the last `view`, a snapshot is still of the former filter or window. */
  receive(message: SnapshotMessage): void {
    if (this.#view_generation === this.#answered_generation) this.#take(message);
    else this.#early_snapshot = message;
  }

  set_filter(filter: Filter): void {
    if (this.#session.store.filter === filter) return;
    this.#session.store.filter = filter;
    this.#new_list();
  }

  /** The same column again turns the order round, and then gives the queue's order back. */
  set_sort(sort: Sort): void {
    const { store } = this.#session;
    if (store.sort !== sort) [store.sort, store.descending] = [sort, false];
    else if (!store.descending) store.descending = true;
    else [store.sort, store.descending] = ["queue", false];
    this.#new_list();
  }

  /** As cards the rows have no columns to press; a select says both at once, "-size" being the largest first. */
  set_order(order: string): void {
    const { store } = this.#session;
    [store.sort, store.descending] = [order.replace("-", "") as Sort, order.startsWith("-")];
    this.#new_list();
  }

  set_search(search: string): void {
    if (this.#session.store.search === search) return;
    this.#session.store.search = search;
    clearTimeout(this.#search_timer);
    this.#search_timer = setTimeout(() => this.#new_list(), SEARCH_AFTER_MS);
  }

  #new_list(): void {
    this.#session.store.forget_places();
    this.window = { first: 0, count: this.window.count };
    this.ask_view();
    this.#session.store.changed();
  }

  see(window: Range): void {
    if (window.first === this.window.first && window.count === this.window.count) return;
    this.window = window;
    if (this.#view_timer !== undefined) return;
    const wait = Math.max(0, this.#last_view_at + VIEW_EVERY_MS - Date.now());
    this.#view_timer = setTimeout(() => this.ask_view(), wait);
  }

  ask_view(): void {
    clearTimeout(this.#view_timer);
    this.#view_timer = undefined;
    if (this.#collecting) return; // it asks again when it is through
    this.#last_view_at = Date.now();
    const generation = ++this.#view_generation;
    void this.#session.connection.request("view", { ...this.window, ...this.#session.store.look }).then(
      () => this.#view_answered(generation),
      (error: unknown) => {
        this.#view_answered(generation);
        // On a slow line it travels behind this page's own bytes: it only comes late, and nobody clicked.
        const late = error instanceof IntentError && error.code === "NoAnswer" && this.#session.feeder.size > 0;
        if (!this.#closed && !late) this.#session.say(this.#session.explain(error, this.#session.t("files")), "warn");
      },
    );
  }

  #view_answered(generation: number): void {
    this.#answered_generation = Math.max(this.#answered_generation, generation);
    const early = this.#early_snapshot;
    if (this.#answered_generation !== this.#view_generation || !early) return;
    // The snapshot should follow the answer. Should it have overtaken it, it is all that will come.
    clearTimeout(this.#early_timer);
    this.#early_timer = setTimeout(() => {
      if (this.#early_snapshot === early) this.#take(early);
    }, EARLY_SNAPSHOT_MS);
  }

  #take(message: SnapshotMessage): void {
    this.#early_snapshot = null;
    if (this.#collecting) this.#collecting(message);
    else this.#session.store.apply_snapshot(message);
    this.#session.saw(message.rows);
  }

  /**
   * All rows of a filter, page by page, for what must name every file: copying VideoIds, selecting all.
   * The kernel has one window, so the list stands still meanwhile and is asked again afterwards.
   */
  async collect(look: Look): Promise<Row[]> {
    const rows: Row[] = [];
    if (this.#collecting) return rows;
    try {
      for (;;) {
        const snapshot = new Promise<SnapshotMessage | null>((resolve) => {
          const timer = setTimeout(() => resolve(null), this.#answer_ms);
          this.#collecting = (message) => {
            clearTimeout(timer);
            resolve(message);
          };
        });
        this.#view_generation++;
        const generation = this.#view_generation;
        await this.#session.connection.request("view", { first: rows.length, count: MAX_VIEW_ROWS, ...look });
        this.#view_answered(generation);
        const page = await snapshot;
        if (!page || page.first !== rows.length || page.rows.length === 0) break;
        rows.push(...page.rows);
        for (const row of page.rows) this.#session.store.put(row);
        if (rows.length >= page.matching) break;
        // The kernel takes twenty messages a second, and forty at once.
        if (rows.length >= 20 * MAX_VIEW_ROWS) await new Promise((resolve) => setTimeout(resolve, 70));
      }
    } catch (error) {
      this.#session.say(this.#session.explain(error, this.#session.t("files")), "warn");
    } finally {
      this.#collecting = null;
      this.ask_view();
    }
    return rows;
  }

  async select_all(): Promise<void> {
    const rows = await this.collect(this.#session.store.look);
    for (const row of rows) this.#session.store.selected.add(row.file_id);
    this.#session.store.changed();
  }
}
