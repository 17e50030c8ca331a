/** What happened to files, for the status line: one sentence every few seconds, never one for each file. */
import { cause_of, type Key, own } from "./i18n";
import type { NoteMessage } from "./protocol";
import type { Session } from "./session";

/** Files that end within this time are told in one sentence. */
const GATHER_MS = 5_000;

export class Telling {
  #notes: NoteMessage[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  take(note: NoteMessage): void {
    this.#notes.push(note);
    this.#timer ??= setTimeout(() => this.#tell(), this.#notes.length === 1 ? 300 : GATHER_MS);
  }

  /** Something else stands in the status line now. */
  overwritten(): void {
    this.#told_count = this.#told_keys = false;
  }

  #last_told_at = 0;
  /** The status line holds a count of files that were not all through. */
  #told_count = false;
  /** It says that keys are needed: code of the person's own may give some by itself, a moment later. */
  #told_keys = false;

  get #wants_keys(): boolean {
    const { store } = this.#session;
    return store.summary.state === "Expire" || store.cached_rows().some((row) => row.state === "Expired");
  }

  /** One sentence for what happened in the last seconds; never one per file. */
  #tell(): void {
    const wait = this.#last_told_at + GATHER_MS - Date.now();
    if (wait > 0) {
      this.#timer = setTimeout(() => this.#tell(), wait);
      return;
    }
    this.#timer = undefined;
    const { store, t } = this.#session;
    this.#last_told_at = Date.now();
    const notes = this.#notes.splice(0);
    const named = (code: string): NoteMessage[] => notes.filter((note) => note.code === code);
    const name = (note: NoteMessage | undefined): string => String(note?.facts["name"] ?? "");
    // One note may stand for several files: `count` says for how many.
    const sum = (list: NoteMessage[]): number => list.reduce((n, note) => n + (Number(note.facts["count"]) || 1), 0);
    const done = named("file_done");
    const failed = named("file_failed");
    const [n_done, n_failed] = [sum(done), sum(failed)];
    const sentences: string[] = [];
    if (n_done === 1) sentences.push(t("note_done", { name: name(done[0]) }));
    else if (n_done > 1) sentences.push(t("note_many_done", { n: n_done }));
    if (n_failed === 1) {
      const facts = failed[0]?.facts ?? {};
      const cause = cause_of(t, String(facts["code"] ?? ""), String(facts["message"] ?? ""));
      sentences.push(t("note_failed", { name: name(failed[0]), cause }));
    } else if (n_failed > 1) sentences.push(t("note_many_failed", { n: n_failed }));
    for (const note of notes) {
      if (note.code === "file_done" || note.code === "file_failed") continue;
      const known: Record<string, Key> = { file_waiting_browser: "note_page", keys_needed: "note_keys", file_expired: "note_keys" };
      const key = own(known, note.code);
      if (key && (key !== "note_keys" || this.#wants_keys)) sentences.push(t(key, { name: name(note) }));
    }
    const { done: n, failed: f, total, left } = store.summary;
    const glue = t.locale === "en" ? " " : "";
    // One file that ended says it all, and so does the sentence for all files.
    const counted = done.length + failed.length > 0 && total > 1;
    if (counted) {
      if (notes.length === done.length && left === 0 && f === 0 && n === total) sentences.splice(0);
      sentences.push(this.#outcome());
      if (store.summary.state === "Expire") sentences.push(t("note_keys"));
    }
    if (sentences.length) this.#session.say([...new Set(sentences)].join(glue), failed.length ? "warn" : "");
    this.#told_count = counted && left > 0;
    this.#told_keys = sentences.includes(t("note_keys"));
  }

  /** The count in the status line was true when it was said; the end is said anew. */
  end(): void {
    if (this.#told_keys && !this.#wants_keys) this.#session.say("");
    if (!this.#told_count || this.#session.store.summary.left > 0 || this.#timer !== undefined) return;
    this.#session.say(this.#outcome(), this.#session.store.status.tone);
  }

  #outcome(): string {
    const { store, t } = this.#session;
    const { done, failed, total, left } = store.summary;
    return left === 0 && failed === 0 && done === total ? t("live_all_done", { n: done }) : t("live_some", { done, total, failed });
  }
}
