/**
 * What the kernel last said, and what this page chose to look at. One store per model, so two views of
 * one widget always agree. Holds no secret and decides nothing: the kernel's word replaces ours.
 */
import type { Link } from "../connection";
import {
  type Filter, type Hello, type Look, type Profile, type Refusal, type Row, type RowsMessage, type SnapshotMessage,
  type Sort, type Step, type Summary, type TestedMessage,
} from "../protocol";

/** Rows that are kept beside the window; a scroll back shows them at once until the kernel answers. */
const CACHE_ROWS = 4_000;

export interface CachedRow { row: Row; heard_at: number }

export const NO_SUMMARY: Summary = {
  state: "Init", total: 0, done: 0, failed: 0, retryable: 0, canceled: 0, left: 0,
  counts: { all: 0, uploading: 0, ready: 0, stopped: 0, failed: 0, done: 0 },
  size_bytes: 0, sent_bytes: 0, failed_bytes: 0, done_bytes: 0, took_s: 0, speed_bytes_per_s: 0, time_left_s: null,
  progress: 0, can_start: false, can_stop: false, profile: null, destination: "",
};

/** `data`: may wait a quarter of a second · `now`: the person is waiting for it. */
export type Urgency = "data" | "now";

export interface StatusLine { text: string; tone: "" | "warn" }

export class Store {
  link: Link = "connecting";
  heard_at = 0;
  hello: Hello | null = null;
  profiles: Profile[] = [];
  origin: Step[] = [];
  current_profile: string | null = null;
  /** The last test of the keys in use, gone with them. */
  tested: TestedMessage | null = null;
  summary: Summary = NO_SUMMARY;
  /** False until the first snapshot: then nothing is known, which is not the same as nothing is there. */
  known = false;
  matching = 0;
  filter: Filter = "all";
  search = "";
  sort: Sort = "queue";
  descending = false;
  readonly selected = new Set<string>();
  refused: Refusal[] = [];
  status: StatusLine = { text: "", tone: "" };
  /** Bytes still missing on this page: file_ids whose File handle this page holds. */
  readonly held = new Set<string>();
  /** `action:file_id` of intents that are not answered yet; their buttons wait. */
  readonly busy = new Set<string>();
  dismissed_done = false;
  /** What a report of this page's own fault needs; "" while all is well. */
  fault = "";
  /** What an earlier kernel left on the way to the same place. */
  unfinished = { files: 0, browser: 0 };

  readonly #by_index = new Map<number, string>();
  readonly #by_id = new Map<string, CachedRow>();
  readonly #listeners = new Set<(urgency: Urgency) => void>();
  #last_seq: number | null = null;

  subscribe(listener: (urgency: Urgency) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed(urgency: Urgency = "now"): void {
    for (const listener of [...this.#listeners]) listener(urgency);
  }

  get look(): Look {
    const { filter, search, sort, descending } = this;
    return { filter, search, sort, descending };
  }

  /** Rows stand as files start, all of them: only then "up" and "down" mean what the eye sees. Strangers leave it as it is. */
  get in_order(): boolean {
    return this.sort === "queue" && !this.descending && this.filter === "all" && this.search === "" && this.hello?.policy.steer !== false;
  }

  row_at(index: number): CachedRow | undefined {
    const id = this.#by_index.get(index);
    return id === undefined ? undefined : this.#by_id.get(id);
  }

  row(file_id: string): Row | undefined {
    return this.#by_id.get(file_id)?.row;
  }

  index_of(file_id: string): number {
    for (const [index, id] of this.#by_index) if (id === file_id) return index;
    return -1;
  }

  cached_rows(): Row[] {
    return [...this.#by_id.values()].map((cached) => cached.row);
  }

  /** A kernel that is gone sends nothing any more, whatever its last word was; the rows say the same. */
  halt(): void {
    const { counts } = this.summary;
    this.summary = { ...this.summary, state: "Stop", counts: { ...counts, uploading: 0, stopped: counts.stopped + counts.uploading } };
  }

  /** The rows of another filter or search stand at other places. */
  forget_places(): void {
    this.#by_index.clear();
  }

  /** True when a message was missed before this one. */
  gap(seq: number): boolean {
    const missed = this.#last_seq !== null && seq > this.#last_seq + 1;
    this.#last_seq = seq;
    return missed;
  }

  /** True when the kernel has said more than this page heard. */
  behind(seq: number): boolean {
    return this.#last_seq !== null && seq > this.#last_seq;
  }

  apply_snapshot(message: SnapshotMessage): void {
    const now = Date.now();
    const moved = message.matching !== this.matching ||
      message.rows.some((row, k) => {
        const id = this.#by_index.get(message.first + k);
        return id !== undefined && id !== row.file_id;
      });
    // When anything moved inside the window, places outside it are doubtful too.
    if (moved) this.#by_index.clear();
    this.#apply_summary(message.summary);
    this.matching = message.matching;
    message.rows.forEach((row, k) => {
      this.#by_index.set(message.first + k, row.file_id);
      this.put(row, now);
    });
    for (const index of [...this.#by_index.keys()]) if (index >= message.matching) this.#by_index.delete(index);
    // A list that is here as a whole tells what another page has removed.
    if (message.rows.length === message.summary.total) {
      const here = new Set(message.rows.map((row) => row.file_id));
      for (const id of this.selected) if (!here.has(id)) this.selected.delete(id);
    }
    this.#trim();
    this.known = true;
    this.changed("now");
  }

  apply_rows(message: RowsMessage): void {
    const now = Date.now();
    let structural = message.matching !== this.matching || message.summary.state !== this.summary.state;
    for (const row of message.rows) {
      const old = this.#by_id.get(row.file_id)?.row;
      if (!old || old.state !== row.state || old.phase !== row.phase) structural = true;
      this.put(row, now);
    }
    this.#apply_summary(message.summary);
    this.matching = message.matching;
    this.changed(structural ? "now" : "data");
  }

  put(row: Row, now = Date.now()): void {
    this.#by_id.set(row.file_id, { row, heard_at: now });
  }

  #apply_summary(summary: Summary): void {
    // A new run makes the old result's banner news again.
    if (summary.left > 0 || summary.total !== this.summary.total) this.dismissed_done = false;
    this.summary = summary;
    if (summary.total === 0) {
      this.selected.clear();
      this.#by_id.clear();
    }
  }

  #trim(): void {
    if (this.#by_id.size <= CACHE_ROWS) return;
    const placed = new Set(this.#by_index.values());
    for (const id of this.#by_id.keys()) {
      if (this.#by_id.size <= CACHE_ROWS) break;
      if (!placed.has(id) && !this.selected.has(id)) this.#by_id.delete(id);
    }
    if (this.#by_id.size > CACHE_ROWS) {
      // Everything is placed: the oldest places go; scrolling back asks again.
      for (const [index, id] of this.#by_index) {
        if (this.#by_id.size <= CACHE_ROWS) break;
        this.#by_index.delete(index);
        if (!this.selected.has(id)) this.#by_id.delete(id);
      }
    }
  }
}
