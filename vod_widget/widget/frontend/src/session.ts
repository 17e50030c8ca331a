/**
 * One widget model in this page: connects, keeps the store true, feeds browser files and carries out what
 * the person asks for. Lives in the model's closure, so it survives every view and no reload.
 */
import { Connection, IntentError, type Timing } from "./connection";
import { edges } from "./crc64";
import { Direct } from "./direct";
import { Feeder, picked_before } from "./feeder";
import { asset_id, clock } from "./format";
import { cause_of, choose_locale, type Key, own, translator, type Translate } from "./i18n";
import {
  type Action, type AddAnswer, type Down, type Filter, type Intents, type Kind, type Look, MAX_VIEW_ROWS, type Model,
  type NoteMessage, type Offer, PROTOCOL_VERSION, type Profile, type Row, type Secrets, type SnapshotMessage, type Sort, type UploadAuth,
} from "./protocol";
import { find_reach } from "./reach";
import { Extras } from "./extras";
import { Later } from "./later";
import { Store } from "./state/store";
import type { Range } from "./virtual";

/** Offers in one message: well under the kernel's limit of 4 MiB and quick to answer. */
const OFFERS_PER_MESSAGE = 500;
/** Control messages are limited to 20 a second; scrolling may use a few of them. */
const VIEW_EVERY_MS = 120;
const SEARCH_AFTER_MS = 200;
/** Files that end within this time are told in one sentence. */
const GATHER_MS = 5_000;
const EARLY_SNAPSHOT_MS = 150;
const GIVE_BACK_EVERY_MS = 15_000;

export class Session {
  readonly store = new Store();
  readonly connection: Connection;
  readonly feeder: Feeder;
  readonly extras: Extras;
  readonly direct: Direct;
  readonly later: Later;
  t: Translate;
  window: Range = { first: 0, count: 50 };

  #view_timer: ReturnType<typeof setTimeout> | undefined;
  #search_timer: ReturnType<typeof setTimeout> | undefined;
  #gather_timer: ReturnType<typeof setTimeout> | undefined;
  #hello_timer: ReturnType<typeof setTimeout> | undefined;
  #last_view_at = 0;
  /** Bumped by each `view`: rows of an older filter must not be shown under the new one. */
  #view_generation = 0;
  #answered_generation = 0;
  #early_snapshot: SnapshotMessage | null = null;
  #early_timer: ReturnType<typeof setTimeout> | undefined;
  #collecting: ((message: SnapshotMessage) => void) | null = null;
  #notes: NoteMessage[] = [];
  #next_client = 1;
  #closed = false;

  readonly #timing: Partial<Timing>;

  constructor(readonly model: Model, timing: Partial<Timing> = {}) {
    this.#timing = timing;
    this.t = translator(choose_locale(model.get("locale")));
    this.connection = new Connection(model, {
      message: (message) => this.#receive(message),
      link: (link) => {
        const before = this.store.link;
        this.store.link = link;
        this.store.heard_at = this.connection.heard_at;
        if (link === "live" && (before === "lost" || before === "gone")) {
          this.say(this.t("live_back"));
          this.ask_view();
        }
        if (link === "gone" && before !== "gone") this.store.halt();
        if (link === "gone") this.say(this.t("live_restarted"), "warn");
        this.store.changed();
      },
      pulse: (seq) => {
        if (seq !== undefined && this.store.behind(seq)) this.ask_view();
      },
    }, timing);
    this.feeder = new Feeder(this.connection, this.store.held);
    this.extras = new Extras(this);
    this.direct = new Direct(this.connection);
    this.later = new Later(this.connection);
    model.on("change:locale", this.#relocate as (...args: never[]) => void);
    model.on("change", this.#take_traits);
    this.#take_traits();
    this.store.status = { text: this.t("live_connecting"), tone: "" };
    this.#greet();
  }

  close(): void {
    this.#closed = true;
    for (const timer of [this.#view_timer, this.#search_timer, this.#gather_timer, this.#hello_timer, this.#early_timer]) clearTimeout(timer);
    this.model.off("change:locale", this.#relocate as (...args: never[]) => void);
    this.model.off("change", this.#take_traits);
    this.connection.close();
    this.extras.close();
    this.feeder.clear();
    this.direct.clear();
  }

  /** The status line, which is also the one live region. */
  say(text: string, tone: "" | "warn" = ""): void {
    this.#told_count = false;
    this.store.status = { text, tone };
    this.store.changed();
  }

  get controllable(): boolean {
    return this.store.link === "live";
  }

  move(file_ids: string[], where: "first" | "up" | "down" | "last"): void {
    if (file_ids.length && this.controllable) void this.ask("move", { file_ids, where }, this.t("order"));
  }

  allows(source: "browser" | "kernel" | "address"): boolean {
    const sources = this.store.hello?.policy.sources;
    if (!sources) return source !== "address";
    return sources.includes(source);
  }

  // ---- intents ---------------------------------------------------------------------------------------

  /** Sends, waits, and puts a refusal or a timeout into the status line. Resolves to null then. */
  async ask<K extends Kind>(
    kind: K, keys: Intents[K][0], label: string, busy: readonly string[] = [], refused?: (code: string) => void,
  ): Promise<Intents[K][1] | null> {
    for (const key of busy) this.store.busy.add(key);
    if (busy.length) this.store.changed();
    try {
      return await this.connection.request(kind, keys);
    } catch (error) {
      if (!this.#closed) {
        this.say(this.explain(error, label), "warn");
        if (error instanceof IntentError) refused?.(error.code);
      }
      return null;
    } finally {
      for (const key of busy) this.store.busy.delete(key);
      if (!this.#closed) this.store.changed();
    }
  }

  explain(error: unknown, label: string): string {
    if (!(error instanceof IntentError)) return this.t("offline", { action: label });
    if (error.code === "NoAnswer") return this.t("timeout", { action: label });
    if (error.code === "Offline") return this.t("offline", { action: label });
    if (error.code === "Timeout") return this.t("slow", { action: label });
    if (error.code === "Auth.Missing" && this.may_choose) return this.t("keys_missing", { action: label });
    return this.t("refused_intent", { action: label, cause: cause_of(this.t, error.code, error.message) });
  }

  /** `no_keys` opens the place where the person can choose some. */
  start(no_keys: () => void): void {
    void this.ask("start", {}, this.t("start"), ["start"], (code) => {
      if (code === "Auth.Missing" && this.may_choose) no_keys();
    });
  }

  get may_choose(): boolean {
    return this.store.hello?.policy.choose_profile !== false;
  }

  stop(): void {
    void this.ask("stop", {}, this.t("stop"), ["stop"]);
  }

  async clear(which: "done" | "failed" | "all"): Promise<void> {
    const answer = await this.ask("clear", { which }, this.t("clear"), ["clear"]);
    if (answer) this.say(this.t("removed_n", { n: answer.removed }));
  }

  act(action: Action, file_ids: string[]): void {
    const free = file_ids.filter((id) => !this.store.busy.has(`${action}:${id}`));
    if (free.length) void this.ask(action, { file_ids: free }, this.t(action), free.map((id) => `${action}:${id}`));
  }

  retry_failed(): void {
    void this.ask("retry_failed", {}, this.t("retry"), ["retry_failed"]);
  }

  /** Answers true when nothing was refused. */
  async add_paths(paths: string[]): Promise<boolean> {
    const answer = await this.ask("add_paths", { paths }, this.t("add"), ["add"]);
    if (!answer) return false;
    this.#told_added([answer]);
    return answer.refused.length === 0 && answer.added.length > 0;
  }

  /** `again`: files that rows wait for since a reload of the page; `quiet`: nobody picked them just now. */
  async offer(files: readonly File[], again = false, quiet = false): Promise<void> {
    const answers: AddAnswer[] = [];
    for (let at = 0; at < files.length; at += OFFERS_PER_MESSAGE) {
      const batch = files.slice(at, at + OFFERS_PER_MESSAGE);
      if (files.length > OFFERS_PER_MESSAGE) this.say(this.t("offering", { a: at, b: files.length }));
      const by_client = new Map<string, File>();
      const offers: Offer[] = await Promise.all(batch.map(async (file) => {
        const client_id = `c${this.#next_client++}`;
        by_client.set(client_id, file);
        return { client_id, name: file.name, size_bytes: file.size, last_modified_ms: file.lastModified, type: file.type, edges: await edges(file) };
      }));
      const answer = await this.ask(again ? "reoffer_files" : "offer_files", { files: offers }, this.t("add"), ["add"]);
      if (!answer) break;
      for (const added of answer.added) {
        const file = by_client.get(added.client_id ?? "");
        if (file) this.feeder.keep(added.file_id, file);
      }
      answers.push(answer);
    }
    if (answers.length && !quiet) this.#told_added(answers);
    // Last: a probe that is too large for the server costs the socket, and with it what is on its way.
    void this.#probe();
  }

  #probed = false;

  /** Before the first browser file of this page: what does the host carry? Until that is known slices are small. */
  async #probe(): Promise<void> {
    if (this.#probed) return;
    this.#probed = true;
    const slice_bytes = await find_reach(this.connection);
    void this.connection.request("reach", { slice_bytes }).catch(() => (this.#probed = false));
    if (this.#closed) return;
    if (!slice_bytes) this.say(this.t("no_bytes"), "warn");
    this.ask_view();
  }

  async set_credentials(secrets: Secrets | UploadAuth): Promise<boolean> {
    // The one message with a secret in it; nothing here keeps it.
    const single = "upload_auth" in secrets;
    const answer = await (single ? this.ask("set_upload_auth", secrets, this.t("use_keys"), ["credentials"])
      : this.ask("set_credentials", secrets, this.t("use_keys"), ["credentials"]));
    if (!answer) return false;
    this.#uses(answer.current_profile);
    this.say(this.t(single ? "auth_taken" : "keys_taken", { id: answer.masked_id }));
    return true;
  }

  #uses(profile: string | null): void {
    this.store.current_profile = profile;
    this.store.tested = null;
    void this.load_profiles();
  }

  /** What is found comes as a message of its own. */
  test_credentials(): void {
    this.store.tested = null;
    void this.ask("test_credentials", {}, this.t("test"), ["credentials"]);
  }

  async forget_credentials(): Promise<void> {
    const answer = await this.ask("forget_credentials", {}, this.t("forget"), ["credentials"]);
    if (!answer) return;
    this.#uses(answer.current_profile);
    this.say(this.t("keys_forgotten"));
  }

  async choose_profile(name: string): Promise<void> {
    const answer = await this.ask("choose_profile", { name }, this.t("credentials"), ["credentials"]);
    if (!answer) return;
    this.#uses(answer.current_profile);
    this.say(this.t("profile_chosen", { name: name === "emulator" ? this.t("emulator") : name }));
  }

  async load_profiles(): Promise<void> {
    const answer = await this.ask("list_profiles", {}, this.t("credentials"));
    if (!answer) return;
    this.store.profiles = answer.profiles;
    this.store.origin = answer.origin ?? [];
    this.store.current_profile = answer.current_profile;
    this.store.changed();
  }

  // ---- the window of rows ----------------------------------------------------------------------------

  set_filter(filter: Filter): void {
    if (this.store.filter === filter) return;
    this.store.filter = filter;
    this.#new_list();
  }

  /** The same column again turns the order round, and then gives the queue's order back. */
  set_sort(sort: Sort): void {
    const { store } = this;
    if (store.sort !== sort) [store.sort, store.descending] = [sort, false];
    else if (!store.descending) store.descending = true;
    else [store.sort, store.descending] = ["queue", false];
    this.#new_list();
  }

  set_search(search: string): void {
    if (this.store.search === search) return;
    this.store.search = search;
    clearTimeout(this.#search_timer);
    this.#search_timer = setTimeout(() => this.#new_list(), SEARCH_AFTER_MS);
  }

  #new_list(): void {
    this.store.forget_places();
    this.window = { first: 0, count: this.window.count };
    this.ask_view();
    this.store.changed();
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
    void this.connection.request("view", { ...this.window, ...this.store.look }).then(
      () => this.#view_answered(generation),
      (error: unknown) => {
        this.#view_answered(generation);
        if (!this.#closed) this.say(this.explain(error, this.t("files")), "warn");
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
      if (this.#early_snapshot === early) this.#take_snapshot(early);
    }, EARLY_SNAPSHOT_MS);
  }

  #take_snapshot(message: SnapshotMessage): void {
    this.#early_snapshot = null;
    if (this.#collecting) this.#collecting(message);
    else this.store.apply_snapshot(message);
    this.#give_back(message.rows);
    this.#tell_end();
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
          const timer = setTimeout(() => resolve(null), this.#timing.answer_ms ?? 10_000);
          this.#collecting = (message) => {
            clearTimeout(timer);
            resolve(message);
          };
        });
        this.#view_generation++;
        const generation = this.#view_generation;
        await this.connection.request("view", { first: rows.length, count: MAX_VIEW_ROWS, ...look });
        this.#view_answered(generation);
        const page = await snapshot;
        if (!page || page.first !== rows.length || page.rows.length === 0) break;
        rows.push(...page.rows);
        for (const row of page.rows) this.store.put(row);
        if (rows.length >= page.matching) break;
        // The kernel takes twenty messages a second, and forty at once.
        if (rows.length >= 20 * MAX_VIEW_ROWS) await new Promise((resolve) => setTimeout(resolve, 70));
      }
    } catch (error) {
      this.say(this.explain(error, this.t("files")), "warn");
    } finally {
      this.#collecting = null;
      this.ask_view();
    }
    return rows;
  }

  async select_all(): Promise<void> {
    const rows = await this.collect(this.store.look);
    for (const row of rows) this.store.selected.add(row.file_id);
    this.store.changed();
  }

  /** Rows that are known and finished, if the kernel counts no more of them than that. */
  async done_rows(): Promise<Row[]> {
    const known = this.store.cached_rows().filter((row) => row.state === "Success");
    return known.length >= this.store.summary.done ? known : this.collect({ filter: "done", search: "", sort: "queue", descending: false });
  }

  // ---- down ------------------------------------------------------------------------------------------

  #greet(): void {
    this.#learn();
    this.connection.request("hello", { version: PROTOCOL_VERSION, locale: this.t.locale }).then(
      (hello) => {
        this.store.hello = hello;
        this.connection.token = this.feeder.token = hello.token;
        this.store.profiles = hello.profiles ?? [];
        this.store.origin = hello.origin ?? [];
        this.store.current_profile = hello.current_profile;
        this.store.status = { text: "", tone: "" };
        this.store.changed();
        this.ask_view();
        this.extras.greeted();
      },
      (error: unknown) => {
        if (this.#closed) return;
        if (error instanceof IntentError && error.code !== "NoAnswer" && error.code !== "Offline") {
          this.say(this.explain(error, this.t("upload")), "warn");
          return;
        }
        // The kernel may be busy with a cell: ask again, the heartbeat's pace.
        this.#hello_timer = setTimeout(() => this.#greet(), 2_000);
        this.store.changed();
      },
    );
  }

  /** Until the kernel answers the traits are all that is known: a cell keeps it busy, or the notebook was saved and has none. */
  readonly #take_traits = (): void => {
    if (this.store.hello) return;
    const [total = 0, done = 0, failed = 0, progress = 0, speed_bytes_per_s = 0] =
      ["total", "done", "failed", "progress", "speed"].map((name) => Number(this.model.get(name)) || 0);
    const { summary } = this.store;
    this.store.summary = {
      ...summary, state: String(this.model.get("state")), total, done, failed, progress, speed_bytes_per_s, left: total - done - failed,
      size_bytes: 1, sent_bytes: progress, counts: { ...summary.counts, all: total, done, failed },
    };
    this.store.changed();
  };

  #receive(message: Exclude<Down, { kind: "answer" | "who" }>): void {
    this.store.heard_at = Date.now();
    // One comm serves every tab of the kernel; each has its own part of the list.
    if ((message.kind === "snapshot" || message.kind === "rows") && message.page !== this.store.hello?.page) return;
    switch (message.kind) {
      case "snapshot":
        this.store.gap(message.seq);
        // Until the kernel has answered the last `view`, this is still the former filter or window.
        if (this.#view_generation === this.#answered_generation) this.#take_snapshot(message);
        else this.#early_snapshot = message;
        return;
      case "rows": {
        const gap = this.store.gap(message.seq);
        this.store.apply_rows(message);
        this.#give_back(message.rows);
        this.#tell_end();
        if (gap) this.ask_view();
        return;
      }
      case "pull":
        this.feeder.pull(message);
        return;
      case "tested":
        this.store.tested = message;
        this.store.changed();
        return;
      case "put":
      case "put_stop":
        this.direct.put(message, this.feeder.file(message.file_id));
        return;
      case "drop":
        this.feeder.drop(message.file_id);
        return;
      case "note":
        this.#notes.push(message);
        this.#gather_timer ??= setTimeout(() => this.#tell_notes(), this.#notes.length === 1 ? 300 : GATHER_MS);
        return;
    }
  }

  readonly #given_back = new Map<string, number>();

  /** Rows that wait for a file that this tab has: the cell was run again, or the page was away for long. */
  #give_back(rows: readonly Row[]): void {
    const now = Date.now();
    const files = new Set<File>();
    for (const row of rows) {
      const file = row.error?.code === "Source.Detached" ? picked_before(row.name, row.size_bytes) : undefined;
      if (!file || now - (this.#given_back.get(row.file_id) ?? 0) < GIVE_BACK_EVERY_MS) continue;
      this.#given_back.set(row.file_id, now);
      files.add(file);
    }
    if (files.size) void this.offer([...files], true, true);
  }

  #last_told_at = 0;
  /** The status line holds a count of files that were not all through. */
  #told_count = false;

  /** One sentence for what happened in the last seconds; never one per file. */
  #tell_notes(): void {
    const wait = this.#last_told_at + GATHER_MS - Date.now();
    if (wait > 0) {
      this.#gather_timer = setTimeout(() => this.#tell_notes(), wait);
      return;
    }
    this.#gather_timer = undefined;
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
    if (n_done === 1) sentences.push(this.t("note_done", { name: name(done[0]) }));
    else if (n_done > 1) sentences.push(this.t("note_many_done", { n: n_done }));
    if (n_failed === 1) {
      const facts = failed[0]?.facts ?? {};
      const cause = cause_of(this.t, String(facts["code"] ?? ""), String(facts["message"] ?? ""));
      sentences.push(this.t("note_failed", { name: name(failed[0]), cause }));
    } else if (n_failed > 1) sentences.push(this.t("note_many_failed", { n: n_failed }));
    for (const note of notes) {
      if (note.code === "file_done" || note.code === "file_failed") continue;
      const known: Record<string, Key> = { file_waiting_browser: "note_page", keys_needed: "note_keys", file_expired: "note_keys" };
      const key = own(known, note.code);
      if (key) sentences.push(this.t(key, { name: name(note) }));
    }
    const { done: n, failed: f, total, left } = this.store.summary;
    const glue = this.t.locale === "en" ? " " : "";
    // One file that ended says it all, and so does the sentence for all files.
    const counted = done.length + failed.length > 0 && total > 1;
    if (counted) {
      if (notes.length === done.length && left === 0 && f === 0 && n === total) sentences.splice(0);
      sentences.push(this.#outcome());
    }
    if (sentences.length) this.say([...new Set(sentences)].join(glue), failed.length ? "warn" : "");
    this.#told_count = counted && left > 0;
  }

  /** The count in the status line was true when it was said; the end is said anew. */
  #tell_end(): void {
    if (!this.#told_count || this.store.summary.left > 0 || this.#gather_timer !== undefined) return;
    this.say(this.#outcome(), this.store.status.tone);
  }

  #outcome(): string {
    const { done, failed, total, left } = this.store.summary;
    return left === 0 && failed === 0 && done === total ? this.t("live_all_done", { n: done }) : this.t("live_some", { done, total, failed });
  }

  #told_added(answers: AddAnswer[]): void {
    const added = answers.reduce((sum, answer) => sum + answer.added.length, 0);
    const refused = answers.flatMap((answer) => answer.refused);
    this.store.refused = refused;
    const words = [added ? this.t("added", { n: added }) : "", refused.length ? `${this.t("refused_add", { n: refused.length })}${this.t("stop_mark")}` : ""];
    this.say(words.filter(Boolean).join(this.t.locale === "en" ? " " : "") || this.t("added_none"), refused.length ? "warn" : "");
  }

  #learn(): void {
    if (this.t.locale !== "en") this.later.learn_chinese(() => !this.#closed && this.#relocate());
  }

  readonly #relocate = (): void => {
    this.t = translator(choose_locale(this.model.get("locale")));
    this.#learn();
    // What was said stays in the old language, so it goes; the state says itself anew.
    this.say(this.store.hello ? "" : this.t("live_connecting"));
  };

  // ---- words that several views need ------------------------------------------------------------------

  since(): string {
    return clock(this.store.heard_at || Date.now());
  }

  profile_label(profile: Pick<Profile, "name" | "masked_id" | "region">): string {
    if (profile.name === "emulator") return this.t("emulator");
    if (profile.name === "session") return [this.t("keys_title"), profile.masked_id].filter(Boolean).join(" · ");
    return [profile.name, profile.masked_id, profile.region].filter(Boolean).join(" · ");
  }

  /** A tab-separated table for a spreadsheet; a cell that could be taken for a formula is quoted away. */
  table(rows: Row[]): string {
    const safe = (cell: string): string => (/^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell).replace(/[\t\r\n]/g, " ");
    const head = [this.t("name"), this.t("size"), this.t("video_id")].join("\t");
    return [head, ...rows.map((row) => [safe(row.name), String(row.size_bytes ?? ""), asset_id(row) ?? ""].join("\t"))].join("\n");
  }
}
