/**
 * A kernel for tests: a model that answers the protocol from a list of rows. It keeps every message, so a
 * test can ask what was sent; anything can be answered otherwise by `on_intent`.
 */
import { hex } from "../src/crc64";
import type { Action, Filter, Model, Profile, Row, Summary } from "../src/protocol";

export interface Sent { id: number; kind: string; buffers: ArrayBuffer[]; [key: string]: unknown }
type Handler = (...args: never[]) => void;

export const ACTIONS: Record<string, Action[]> = {
  Ready: ["remove"], Uploading: ["pause", "cancel"], Success: ["remove"], Failure: ["retry", "remove"],
  Canceled: ["resume", "remove"], Stopped: ["resume", "cancel", "remove"], Expired: ["cancel"],
};

let made = 0;
export function row(name: string, state: Row["state"], more: Partial<Row> = {}): Row {
  made += 1;
  const size_bytes = more.size_bytes === undefined ? 100_000_000 : more.size_bytes;
  const progress = more.progress ?? (state === "Success" ? 1 : 0);
  return {
    file_id: `f${made}`, name, source: "kernel", media_type: "video", size_bytes, state, phase: state === "Uploading" ? "sending" : "",
    sent_bytes: Math.round((size_bytes ?? 0) * progress), kept_bytes: Math.round((size_bytes ?? 0) * progress), progress, speed_bytes_per_s: 0, time_left_s: null, video_id: null, image_id: null,
    title: name, error: null, wait: null, duration_s: null, actions: ACTIONS[state] ?? [], ...more,
  };
}

export const PROFILES: Profile[] = [
  { name: "prod", place: "~/.aliyun/config.json", mode: "AK", masked_id: "LTAI…x9Qz", region: "cn-shanghai", usable: true, reason: "", is_current: true },
  { name: "media-ci", place: "environment", mode: "StsToken", masked_id: "STS…k2Lm", region: "cn-shanghai", usable: true, reason: "", is_current: false },
  { name: "studio-role", place: "ECS metadata", mode: "EcsRamRole", masked_id: "", renews_itself: true, region: "ap-southeast-1", usable: true, reason: "", is_current: false },
  { name: "old-lab", place: "~/.aliyun/config.json", mode: "StsToken", masked_id: "STS…p70d", region: "", usable: false, reason: "its token has ended; run: aliyun configure --profile old-lab --mode StsToken", reason_zh: "临时凭证已过期；运行：aliyun configure --profile old-lab --mode StsToken", is_current: false },
];

const IN: Record<Filter, (row: Row) => boolean> = {
  all: () => true, uploading: (r) => r.state === "Uploading", ready: (r) => r.state === "Ready",
  stopped: (r) => ["Stopped", "Canceled", "Expired"].includes(r.state), failed: (r) => r.state === "Failure", done: (r) => r.state === "Success",
};

export class FakeKernel implements Model {
  readonly sent: Sent[] = [];
  readonly traits: Record<string, unknown> = { locale: "en", state: "Init" };
  rows: Row[];
  profiles = PROFILES;
  origin = [{ used: false, en: "environment: nothing; not set", zh: "环境变量：无" }, { used: true, en: "~/.aliyun/config.json: profile prod", zh: "配置 prod" }];
  current_profile: string | null = "prod";
  policy: Record<string, unknown> = { name: "private", sources: ["browser", "kernel"] };
  details: Record<string, unknown> = {};
  summary_more: Partial<Summary> = {};
  categories: { cate_id: number; path: string }[] = [];
  /** Name -> text; the gallery puts the built files here. */
  assets: Record<string, string> = {};
  limits: Record<string, number> = {};
  unfinished = { files: 0, browser: 0 };
  state = "Start";
  alive = true;
  widget_manager?: Model["widget_manager"];
  delay_ms = 0;
  on_intent: ((message: Sent) => { data?: unknown; error?: { code: string; message: string } } | "silent" | undefined) | null = null;
  private readonly handlers = new Map<string, Set<Handler>>();
  private window: { first: number; count: number; filter: Filter; search: string; sort: string; descending: boolean } =
    { first: 0, count: 50, filter: "all", search: "", sort: "queue", descending: false };
  seq = 0;

  constructor(rows: Row[] = []) {
    this.rows = rows;
  }

  get(name: string): unknown {
    return this.traits[name];
  }

  on(name: string, handler: Handler): void {
    const list = this.handlers.get(name) ?? new Set();
    list.add(handler);
    this.handlers.set(name, list);
  }

  off(name?: string | null, handler?: Handler | null): void {
    if (name && handler) this.handlers.get(name)?.delete(handler);
    else if (name) this.handlers.delete(name);
    else this.handlers.clear();
  }

  emit(name: string, ...args: unknown[]): void {
    for (const handler of [...this.handlers.get(name) ?? []]) (handler as (...args: unknown[]) => void)(...args);
  }

  listeners(): number {
    return [...this.handlers.values()].reduce((sum, list) => sum + list.size, 0);
  }

  send(content: unknown, _callbacks?: unknown, buffers: ArrayBuffer[] = []): void {
    const message = { ...(content as object), buffers } as Sent;
    this.sent.push(message);
    if (!this.alive) return;
    // As over a socket: never answered in the same turn.
    setTimeout(() => this.handle(message), this.delay_ms);
  }

  of(kind: string): Sent[] {
    return this.sent.filter((message) => message.kind === kind);
  }

  last(kind: string): Sent | undefined {
    return this.of(kind).at(-1);
  }

  down(message: Record<string, unknown>): void {
    this.emit("msg:custom", message, []);
  }

  matching(): Row[] {
    const { filter, search, sort, descending } = this.window;
    const found = this.rows.filter((r) => IN[filter](r) && r.name.toLowerCase().includes(search.toLowerCase()));
    if (sort === "name") found.sort((a, b) => a.name.localeCompare(b.name));
    if (sort === "size") found.sort((a, b) => (a.size_bytes ?? 0) - (b.size_bytes ?? 0));
    return descending ? found.reverse() : found;
  }

  snapshot(): void {
    const all = this.matching();
    this.down({
      kind: "snapshot", page: 1, seq: ++this.seq, summary: this.summary(), first: this.window.first, matching: all.length,
      rows: structuredClone(all.slice(this.window.first, this.window.first + this.window.count)),
    });
  }

  send_rows(rows: Row[], seq = ++this.seq): void {
    this.seq = seq;
    this.down({ kind: "rows", page: 1, seq, summary: this.summary(), rows: structuredClone(rows), first: this.window.first, matching: this.matching().length });
  }

  summary(): Summary {
    const n = (filter: Filter): number => this.rows.filter(IN[filter]).length;
    const sum = (list: Row[], key: "size_bytes" | "sent_bytes"): number => list.reduce((total, r) => total + (r[key] ?? 0), 0);
    const size_bytes = sum(this.rows, "size_bytes");
    const sent_bytes = sum(this.rows, "sent_bytes");
    const canceled = this.rows.filter((r) => r.state === "Canceled").length;
    const speed = this.rows.reduce((total, r) => total + r.speed_bytes_per_s, 0);
    const profile = this.profiles.find((p) => p.name === this.current_profile);
    return {
      state: this.state, total: this.rows.length, done: n("done"), failed: n("failed"), canceled, retryable: this.rows.filter((r) => r.state === "Failure" && r.error?.next_step !== "remove").length, took_s: 0,
      left: this.rows.length - n("done") - n("failed") - canceled,
      counts: { all: n("all"), uploading: n("uploading"), ready: n("ready"), stopped: n("stopped"), failed: n("failed"), done: n("done") },
      size_bytes, sent_bytes, failed_bytes: sum(this.rows.filter(IN.failed), "size_bytes"), done_bytes: sum(this.rows.filter(IN.done), "size_bytes"),
      causes: this.rows.filter((r) => r.state === "Failure" && r.error).slice(0, 3).map((r) => [r.error!.code, r.error!.message, 1]),
      speed_bytes_per_s: speed, time_left_s: speed > 0 ? (size_bytes - sent_bytes) / speed : null,
      progress: size_bytes ? sent_bytes / size_bytes : 0, can_start: this.state !== "Start" && n("ready") > 0, can_stop: this.state === "Start",
      profile: this.current_profile === "emulator" ? { name: "emulator", region: "cn-shanghai", is_emulator: true, masked_id: "" }
        : profile ? { name: profile.name, region: profile.region, is_emulator: false, masked_id: profile.masked_id } : null,
      destination: "", ...this.summary_more,
    };
  }

  answer(message: Sent, data: unknown): void {
    this.down({ kind: "answer", id: message.id, ok: true, data });
  }

  private handle(message: Sent): void {
    if (!this.alive) return;
    const special = this.on_intent?.(message);
    if (special === "silent") return;
    if (special) {
      this.down(special.error ? { kind: "answer", id: message.id, error: special.error } : { kind: "answer", id: message.id, ok: true, data: special.data });
      return;
    }
    const of = (ids: unknown): Row[] => this.rows.filter((r) => (ids as string[]).includes(r.file_id));
    switch (message.kind) {
      case "hello":
        this.answer(message, {
          comm_id: "comm-1", page: 1, token: "page-token", policy: this.policy, roots: ["/data"], limits: this.limits, profiles: this.profiles, current_profile: this.current_profile,
        });
        this.snapshot();
        return;
      case "view":
        this.window = message as unknown as typeof this.window;
        this.answer(message, {});
        this.snapshot();
        return;
      case "start": this.state = "Start"; break;
      case "stop": this.state = "Stop"; break;
      case "pause": for (const r of of(message["file_ids"])) Object.assign(r, { state: "Stopped", phase: "paused", actions: ACTIONS["Stopped"] }); break;
      case "remove": this.rows = this.rows.filter((r) => !(message["file_ids"] as string[]).includes(r.file_id)); break;
      case "clear": {
        const before = this.rows.length;
        const which = message["which"] as "done" | "failed" | "all";
        this.rows = this.rows.filter((r) => !IN[which](r));
        this.answer(message, { removed: before - this.rows.length });
        this.snapshot();
        return;
      }
      case "list_profiles": this.answer(message, { profiles: this.profiles, current_profile: this.current_profile, origin: this.origin }); return;
      case "choose_profile":
        this.current_profile = message["name"] as string;
        this.answer(message, { current_profile: this.current_profile });
        this.snapshot();
        return;
      case "set_credentials": this.current_profile = "session"; this.answer(message, { masked_id: "LTAI…abcd", current_profile: "session" }); return;
      case "set_upload_auth": this.current_profile = "session"; this.answer(message, { masked_id: "vide…eo-1", current_profile: "session" }); return;
      case "forget_credentials": this.current_profile = null; this.answer(message, { current_profile: null }); return;
      case "offer_files": case "reoffer_files": {
        const files = message["files"] as { client_id: string; name: string; size_bytes: number }[];
        const added: unknown[] = [];
        const refused: unknown[] = [];
        for (const file of files) {
          if (file.name.endsWith(".exe")) refused.push({ client_id: file.client_id, name: file.name, code: "InvalidFileName.Extension", message: "no" });
          else {
            const r = row(file.name, "Ready", { source: "browser", size_bytes: file.size_bytes });
            this.rows.push(r);
            added.push({ client_id: file.client_id, file_id: r.file_id, name: file.name });
          }
        }
        this.answer(message, { added, refused });
        this.snapshot();
        return;
      }
      case "add_paths": {
        const paths = message["paths"] as string[];
        const added = paths.filter((p) => !p.includes("bad")).map((p) => {
          const r = row(p.split("/").pop() ?? p, "Ready");
          this.rows.push(r);
          return { file_id: r.file_id, name: r.name };
        });
        this.answer(message, { added, refused: paths.filter((p) => p.includes("bad")).map((p) => ({ name: p, code: "Source.Missing", message: "no such file" })) });
        this.snapshot();
        return;
      }
      case "add_addresses": {
        const [bad, good] = [true, false].map((wanted) => (message["urls"] as string[]).filter((url) => url.includes("bad") === wanted)) as [string[], string[]];
        const added = good.map((url) => row(url.split("/").pop() ?? url, "Ready", { source: "address" }));
        this.rows.push(...added);
        this.answer(message, {
          added: added.map((r) => ({ file_id: r.file_id, name: r.name })),
          refused: bad.map((url) => ({ name: url.split("?")[0]?.split("/").pop(), address: url.split("?")[0], code: "Source.Private", message: "private" })),
        });
        this.snapshot();
        return;
      }
      case "list_dir": {
        const path = (message["path"] as string).replace(/\/$/, "") || "/data";
        this.answer(message, {
          path, parent: path === "/data" ? null : "/data",
          entries: [
            { name: "clips", path: `${path}/clips`, is_dir: true, size_bytes: null, media_type: null, refused: null },
            { name: "talks 2026", path: `${path}/talks 2026`, is_dir: true, size_bytes: null, media_type: null, refused: null },
            { name: "keynote-2026-main-stage-multicam-final-v7.mp4", path: `${path}/keynote.mp4`, is_dir: false, size_bytes: 2.41e9, media_type: "video", refused: null },
            { name: "podcast-ep-114.wav", path: `${path}/podcast.wav`, is_dir: false, size_bytes: 2.84e8, media_type: "audio", refused: null },
            { name: "notes.txt", path: `${path}/notes.txt`, is_dir: false, size_bytes: 912, media_type: null, refused: "InvalidFileName.Extension" },
          ],
        });
        return;
      }
      case "complete_path": this.answer(message, { paths: ["/data/clips/", "/data/classroom-07.mp4"].filter((p) => p.startsWith(message["prefix"] as string)) }); return;
      case "detail": {
        const r = this.rows.find((one) => one.file_id === message["file_id"]);
        this.answer(message, {
          row: structuredClone(r), attempts: [], request_id: "7B2E41C6-90AF-5D13-8E5B-1C2F64A0D97E", reference_id: "3f9a0c51aa00bb11cc22dd33d2b84e70",
          object: "sv/4f2a-19b/4f2a-19b.mp4", bucket: "outin-5f2d", description: "", tags: [], cate_id: null,
          template_group_id: "", workflow_id: "", cover: "", ...this.details,
        });
        return;
      }
      case "set_metadata": {
        const r = this.rows.find((one) => one.file_id === message["file_id"]);
        if (r) r.title = message["title"] as string;
        this.answer(message, { row: structuredClone(r), cover: message["cover"] ?? "" });
        return;
      }
      case "edit_files": {
        const chosen = of(message["file_ids"]);
        const late = chosen.filter((r) => r.state !== "Ready");
        this.answer(message, { changed: chosen.length - late.length, refused: late.map((r) => ({ name: r.name, code: "InvalidState", message: "started" })) });
        return;
      }
      case "set_cover": this.answer(message, { cover: message["name"] }); return;
      case "play": this.answer(message, { url: `https://cdn.example/${String(message["file_id"])}.mp4` }); return;
      case "list_categories": this.answer(message, { categories: this.categories }); return;
      case "unfinished": this.answer(message, this.unfinished); return;
      case "take_back":
        this.rows = Array.from({ length: this.unfinished.files }, (_, k) => row(`left-${k}.mp4`, "Stopped"));
        this.unfinished = { ...this.unfinished, files: 0 };
        this.answer(message, { added: this.rows.length });
        this.snapshot();
        return;
      case "place": {
        const ids = message["file_ids"] as string[];
        const moved = this.rows.filter((r) => ids.includes(r.file_id));
        const rest = this.rows.filter((r) => !ids.includes(r.file_id));
        const at = rest.findIndex((r) => r.file_id === message["before"]);
        rest.splice(at < 0 ? rest.length : at, 0, ...moved);
        this.rows = rest;
        this.answer(message, { changed: moved.length });
        this.snapshot();
        return;
      }
      case "move": {
        const ids = message["file_ids"] as string[];
        const moved = this.rows.filter((r) => ids.includes(r.file_id));
        this.rows = [...moved, ...this.rows.filter((r) => !ids.includes(r.file_id))];
        this.answer(message, { changed: moved.length });
        this.snapshot();
        return;
      }
      case "asset": this.answer(message, { text: this.assets[message["name"] as string] ?? "{}" }); return;
      case "probe": this.answer(message, { size_bytes: message.buffers[0]?.byteLength, crc64: hex(new Uint8Array(message.buffers[0]!)) }); return;
      case "ping": this.answer(message, { seq: this.seq }); return;
      default:
    }
    this.answer(message, message["file_ids"] ? { changed: (message["file_ids"] as string[]).length } : {});
    if (!["slice", "slice_error", "reach"].includes(message.kind)) this.snapshot();
  }
}
