/**
 * One widget model in this page: connects, keeps the store true, feeds browser files and carries out what
 * the person asks for. Lives in the model's closure, so it survives every view and no reload.
 */
import type { Adding } from "./adding";
import { Connection, IntentError, type Timing } from "./connection";
import type { Direct } from "./direct";
import { Extras } from "./extras";
import { Feeder } from "./feeder";
import { clock } from "./format";
import { GivingBack } from "./giving_back";
import { cause_of, choose_locale, translator, type Translate } from "./i18n";
import { Later } from "./later";
import { List } from "./list";
import type { Panels } from "./panels";
import { type Action, type Down, type Intents, type Kind, type Model, PROTOCOL_VERSION, type Profile, type Row } from "./protocol";
import { Store } from "./state/store";
import { Telling } from "./telling";

export class Session {
  readonly store = new Store();
  readonly connection: Connection;
  readonly feeder: Feeder;
  readonly extras: Extras;
  #direct: Direct | null = null;
  readonly later: Later;
  t: Translate;
  readonly list: List;
  #adding: Adding | null = null;
  readonly #giving_back = new GivingBack();
  readonly telling = new Telling(this);
  closed = false;
  /** Of the queue, when rows came last. */
  #state = "";
  #hello_timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly model: Model, timing: Partial<Timing> = {}) {
    this.list = new List(this, timing.answer_ms);
    this.t = translator(choose_locale(model.get("locale")));
    this.connection = new Connection(model, {
      message: (message) => {
        try {
          this.#receive(message);
        } catch (error) {
          this.fail(error);
        }
      },
      link: (link) => {
        const before = this.store.link;
        this.store.link = link;
        this.store.heard_at = this.connection.heard_at;
        if (link === "live" && (before === "lost" || before === "gone")) {
          this.say(this.t("live_back"));
          this.list.ask_view();
        }
        if (link === "gone" && before !== "gone") this.store.halt();
        if (link === "gone") this.say(this.t("live_restarted"), "warn");
        this.store.changed();
      },
      pulse: (seq) => {
        if (seq !== undefined && this.store.behind(seq)) this.list.ask_view();
      },
    }, timing);
    this.feeder = new Feeder(this.connection, this.store.held);
    this.extras = new Extras(this);
    this.later = new Later(this.connection);
    model.on("change:locale", this.#relocate as (...args: never[]) => void);
    model.on("change", this.#take_traits);
    this.#take_traits();
    this.store.status = { text: this.t("live_connecting"), tone: "" };
    this.#greet();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.#hello_timer);
    this.list.close();
    this.telling.close();
    this.model.off("change:locale", this.#relocate as (...args: never[]) => void);
    this.model.off("change", this.#take_traits);
    this.connection.close();
    this.extras.close();
    this.feeder.clear();
    this.#direct?.clear();
  }

  /** The status line, which is also the one live region. */
  say(text: string, tone: "" | "warn" = ""): void {
    this.telling.overwritten();
    this.store.status = { text, tone };
    this.store.changed();
  }

  /** A fault of this page's own code: said once, with what a report needs; the kernel's uploads go on. */
  fail(error: unknown): void {
    if (this.store.fault) return;
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    // Where in which bundle says enough; an address of the page may hold a token.
    const places = (stack ?? "").split("\n").slice(0, 8).map((line) => line.replace(/\S+:\/\/\S*?(?=(:\d+){1,2}\)?$)/, "widget.js"));
    this.store.fault = [`${name}: ${message}`, ...places, navigator.userAgent].join("\n");
    this.say(this.t("page_failed"), "warn");
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
    kind: K, keys: Intents[K][0], label: string, busy: readonly string[] = [], refused?: (code: string) => void, buffers: ArrayBuffer[] = [],
  ): Promise<Intents[K][1] | null> {
    for (const key of busy) this.store.busy.add(key);
    if (busy.length) this.store.changed();
    try {
      return await this.connection.request(kind, keys, buffers);
    } catch (error) {
      if (!this.closed) {
        this.say(this.explain(error, label), "warn");
        if (error instanceof IntentError) refused?.(error.code);
      }
      return null;
    } finally {
      for (const key of busy) this.store.busy.delete(key);
      if (!this.closed) this.store.changed();
    }
  }

  /** What came for later; null when it did not, which is said then. */
  panels(label: string): Promise<Panels | null> {
    return this.later.load_panels().catch((error: unknown) => {
      if (!this.closed) this.say(this.explain(error, label), "warn");
      return null;
    });
  }

  /** The browser's own files, on their way into the list: see `Adding.offer`. */
  offer(files: readonly File[], again = false, quiet = false): void {
    void this.adding().then((adding) => adding?.offer(files, again, quiet));
  }

  /** One for all views; null when its code did not come, which is said then. */
  async adding(): Promise<Adding | null> {
    const panels = await this.panels(this.t("add"));
    return panels && (this.#adding ??= new panels.Adding(this));
  }

  explain(error: unknown, label: string): string {
    if (!(error instanceof IntentError)) return this.t("offline", { action: label });
    if (error.code === "NoAnswer") return this.t("timeout", { action: label });
    if (error.code === "Offline") return this.t("offline", { action: label });
    if (error.code === "Timeout") return this.t("slow", { action: label });
    if (error.code === "Auth.Missing" && this.may_choose) return this.t("keys_missing", { action: label });
    const said = this.t("refused_intent", { action: label, cause: cause_of(this.t, error.code, error.message) });
    return this.t.locale === "en" ? `${said} ${error.hint}`.trim() : said + error.hint_zh;
  }

  /** `no_keys` opens the place where the person can choose some. */
  start(no_keys: () => void): void {
    // What was said while files were gathered would stand there until one has ended.
    this.say("");
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
    if (!answer) return;
    const states = { done: "Success", failed: "Failure Canceled", all: "" }[which];
    this.#removed([...this.store.selected].filter((id) => !states || states.includes(this.store.row(id)?.state ?? "?")), answer.removed);
  }

  /** What is gone is selected no more. */
  #removed(file_ids: string[], n: number): void {
    for (const id of file_ids) this.store.selected.delete(id);
    this.say(this.t("removed_n", { n }));
  }

  act(action: Action, file_ids: string[]): void {
    const free = file_ids.filter((id) => !this.store.busy.has(`${action}:${id}`));
    if (!free.length) return;
    // "a.mp4 failed" would stand there while it is sent again.
    this.say("");
    void this.ask(action, { file_ids: free }, this.t(action), free.map((id) => `${action}:${id}`)).then((answer) => {
      if (answer && action === "remove") this.#removed(free, answer.changed);
    });
  }

  retry_failed(): void {
    this.say("");
    void this.ask("retry_failed", {}, this.t("retry"), ["retry_failed"]);
  }

  // ---- down ------------------------------------------------------------------------------------------

  #greet(): void {
    this.#learn();
    this.connection.request("hello", { version: PROTOCOL_VERSION, locale: choose_locale("") }).then(
      (hello) => {
        this.store.hello = hello;
        this.connection.token = this.feeder.token = hello.token;
        this.connection.comm_id = hello.comm_id ?? "";
        this.store.profiles = hello.profiles ?? [];
        this.store.origin = hello.origin ?? [];
        this.store.current_profile = hello.current_profile;
        this.store.status = { text: "", tone: "" };
        this.store.changed();
        this.list.ask_view();
      },
      (error: unknown) => {
        if (this.closed) return;
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
        this.list.receive(message);
        return;
      case "rows": {
        const gap = this.store.gap(message.seq);
        this.store.apply_rows(message);
        this.saw(message.rows);
        if (gap) this.list.ask_view();
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
        // Few widgets send so. Parts wait for the code in their order, and go through the kernel when it does not come.
        this.later.load_panels().then(({ Direct }) => {
          this.#direct ??= new Direct(this.connection);
          if (!this.closed) this.#direct.put(message, this.feeder.file(message.file_id));
        }, () => undefined);
        return;
      case "drop":
        this.feeder.drop(message.file_id);
        return;
      case "note":
        this.telling.take(message);
        return;
    }
  }

  /** Rows came from the kernel. */
  saw(rows: readonly Row[]): void {
    const before = this.#state;
    this.#state = this.store.summary.state;
    // What was said while files were sent is no longer true; the line says how it stands.
    if (this.#state === "Stop" && before && before !== "Stop") this.say("");
    const files = this.#giving_back.of(rows);
    if (files.length) this.offer(files, true, true);
    this.telling.end();
    this.extras.saw();
  }

  #learn(): void {
    if (this.t.locale !== "en") this.later.learn_chinese(() => !this.closed && this.#relocate());
  }

  readonly #relocate = (): void => {
    this.t = translator(choose_locale(this.model.get("locale")));
    this.#learn();
    // What was said stays in the old language, so it goes; the state says itself anew.
    this.say(this.store.fault ? this.t("page_failed") : this.store.hello ? "" : this.t("live_connecting"), this.store.fault ? "warn" : "");
  };

  // ---- words that several views need ------------------------------------------------------------------

  since(): string {
    return clock(this.store.heard_at || Date.now());
  }

  /** Why a profile cannot be used. */
  reason_of(profile: Profile): string {
    return (this.t.locale !== "en" && profile.reason_zh) || profile.reason;
  }

  profile_label(profile: Pick<Profile, "name" | "masked_id" | "region">): string {
    const { name, masked_id } = profile;
    return [name === "session" ? this.t("keys_title") : name === "environment" && this.t.locale !== "en" ? this.t("place_environment") : name, masked_id, profile.region].filter(Boolean).join(" · ");
  }
}
