/**
 * One page's line to the kernel: every intent gets an id, a deadline and exactly one answer or error, and
 * a heartbeat tells a kernel that is busy from one that is gone. Knows nothing of rows or of the screen.
 */
import type { AnswerMessage, Down, Intents, Kind, Model, WhoMessage } from "./protocol";

/** The kernel said no, or said nothing in time (code "NoAnswer", a slice also "Overtaken") or is not there (code "Offline"). */
export class IntentError extends Error {
  constructor(readonly code: string, message: string, readonly hint = "", readonly hint_zh = "") {
    super(message);
    this.name = "IntentError";
  }
}

/**
 * `connecting`: hello is not answered yet · `live` · `lost`: silence · `gone`: the kernel behind this
 * comm is another one now, so no answer will ever come.
 */
export type Link = "connecting" | "live" | "lost" | "gone";

export interface Timing { answer_ms: number; heartbeat_ms: number; silence_ms: number; comm_check_ms: number }
const TIMING: Timing = { answer_ms: 10_000, heartbeat_ms: 3_500, silence_ms: 5_000, comm_check_ms: 3_000 };

/** What a page makes of it. `pulse`: a heartbeat was answered, and with it how much the kernel has said. */
interface Listener {
  message: (message: Exclude<Down, AnswerMessage | WhoMessage>) => void;
  link: (link: Link) => void;
  pulse: (seq: number | undefined) => void;
}

/** Clicks that mean the same when they are made twice. */
const REPEATABLE = new Set<Kind>(["start", "stop", "pause", "resume", "cancel", "view"]);

interface Pending {
  kind: Kind;
  send: () => void;
  resolve: (data: unknown) => void;
  reject: (error: IntentError) => void;
  timer: ReturnType<typeof setTimeout>;
}

export class Connection {
  link: Link = "connecting";
  /** From the answer to `hello`; names this page in everything that follows. */
  token = "";
  /** Of the widget's comm, from there too. */
  comm_id = "";
  /** When the last message came: what the rows on the screen were true for. */
  heard_at = 0;
  readonly #pending = new Map<number, Pending>();
  // Answers are broadcast to every page of one kernel, so two pages must not use the same ids.
  #next_id = 1 + Math.floor(Math.random() * 2 ** 40) * 1024;
  #beat: ReturnType<typeof setInterval> | undefined;
  #watch: ReturnType<typeof setTimeout> | undefined;
  #asked_at = 0;
  #closed = false;
  readonly #timing: Timing;

  readonly #model: Model;
  readonly #listen: Listener;

  constructor(model: Model, listen: Listener, timing: Partial<Timing> = {}) {
    this.#model = model;
    this.#listen = listen;
    this.#timing = { ...TIMING, ...timing };
    model.on("msg:custom", this.#receive as (...args: never[]) => void);
    // Fired when the comm goes dead or comes back, thus also at a kernel restart. Its value cannot be
    // read through anywidget's proxy, so it only makes us ask.
    model.on("comm_live_update", this.#suspect as (...args: never[]) => void);
    addEventListener("beforeunload", this.#leave, true);
    this.#beat = setInterval(() => this.#heartbeat(), this.#timing.heartbeat_ms);
  }

  request<K extends Kind>(kind: K, keys: Intents[K][0], buffers?: ArrayBuffer[], answer_ms = this.#timing.answer_ms): Promise<Intents[K][1]> {
    const id = this.#next_id++;
    return new Promise<Intents[K][1]>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new IntentError("NoAnswer", kind));
      }, answer_ms);
      // The token says which page speaks: the kernel lets a page touch only what it may.
      const send = (): void => this.#model.send({ ...this.token && { token: this.token }, ...keys, id, kind }, undefined, buffers);
      this.#pending.set(id, { kind, send, resolve: resolve as (data: unknown) => void, reject, timer });
      if (!this.#asked_at) this.#asked_at = Date.now();
      this.#expect();
      try {
        send();
      } catch {
        // A comm that was closed throws at once; the others stay silent until the deadline.
        clearTimeout(timer);
        this.#pending.delete(id);
        reject(new IntentError("Offline", kind));
      }
    });
  }

  close(): void {
    this.#closed = true;
    removeEventListener("beforeunload", this.#leave, true);
    clearInterval(this.#beat);
    clearTimeout(this.#watch);
    this.#model.off("msg:custom", this.#receive as (...args: never[]) => void);
    this.#model.off("comm_live_update", this.#suspect as (...args: never[]) => void);
    for (const waiting of this.#pending.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(new IntentError("Offline", "closed"));
    }
    this.#pending.clear();
  }

  /** Said before `pagehide`, when what is sent is lost behind slices; the kernel hears again whoever is asked and stays. */
  readonly #leave = (): void => {
    if (this.token) this.request("bye", {}).catch(() => undefined);
  };

  #heartbeat(): void {
    this.#doubt();
    this.request("ping", {}).then((answer) => this.#listen.pulse(answer.seq), () => undefined);
  }

  /** A restart from another tab is told to nobody here: a kernel that is free and does not know this comm is another one. */
  #doubt(): void {
    const kernel = this.#model.widget_manager?.kernel;
    if (this.link !== "lost" || !this.comm_id || kernel?.status !== "idle") return;
    const before = this.heard_at;
    kernel.requestCommInfo({ target_name: "jupyter.widget" }).then(({ content }) => {
      if (!this.#closed && this.heard_at === before && content.comms && !(this.comm_id in content.comms)) this.#become("gone");
    }, () => undefined);
  }

  /** From the first unanswered question on, silence has a limit. Any message ends it: a kernel that is
   * busy with a cell still publishes from its own thread. */
  #expect(): void {
    if (this.#watch !== undefined) return;
    this.#watch = setTimeout(() => {
      this.#watch = undefined;
      if (!this.#asked_at || this.link === "gone") return;
      this.#become("lost");
      this.#doubt();
    }, this.#timing.silence_ms);
  }

  readonly #suspect = (): void => {
    const before = this.heard_at;
    this.#heartbeat();
    setTimeout(() => {
      if (this.heard_at === before) this.#become("gone");
    }, this.#timing.comm_check_ms);
  };

  readonly #receive = (content: unknown, buffers: DataView[] = []): void => {
    if (typeof content !== "object" || content === null || !("kind" in content)) return;
    this.heard_at = Date.now();
    this.#asked_at = 0;
    clearTimeout(this.#watch);
    this.#watch = undefined;
    const message = content as Down;
    if (message.kind === "who") {
      // A new page came; this one shows that it is no leftover of a reload.
      if (this.token) this.#heartbeat();
      return;
    }
    if (message.kind !== "answer") {
      if (this.link === "lost" || this.link === "gone") this.#become("live");
      this.#listen.message(message);
      return;
    }
    const waiting = this.#pending.get(message.id);
    if (this.link !== "live" && (waiting || this.link !== "connecting")) this.#become("live");
    if (!waiting) return; // another page's answer, or one that came after its deadline
    this.#pending.delete(message.id);
    clearTimeout(waiting.timer);
    // Bytes and heartbeats are answered in their order: what was overtaken went down with a socket.
    let probe_lost = false;
    if (waiting.kind === "ping") for (const [id, lost] of this.#pending) {
      if (id > message.id) continue;
      // A click that went down with the socket which our own probe cost is made again.
      if (probe_lost && REPEATABLE.has(lost.kind)) lost.send();
      if (lost.kind !== "slice" && lost.kind !== "probe") continue;
      probe_lost ||= lost.kind === "probe";
      this.#pending.delete(id);
      clearTimeout(lost.timer);
      lost.reject(new IntentError("Overtaken", lost.kind));
    }
    if (message.error) waiting.reject(new IntentError(message.error.code, message.error.message, message.error.hint, message.error.hint_zh));
    else waiting.resolve({ ...message.data as object, buffer: buffers[0] });
  };

  #become(link: Link): void {
    if (this.link === link) return;
    this.link = link;
    this.#listen.link(link);
  }
}
