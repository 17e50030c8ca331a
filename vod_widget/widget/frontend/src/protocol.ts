/**
 * The messages between the two halves of the widget, as types. The contract is docs/widget-protocol.md;
 * a name that is spelled here and there differs nowhere else in the front-end.
 */

export const PROTOCOL_VERSION = 2;
/** The kernel cuts a window at this many rows. */
export const MAX_VIEW_ROWS = 200;

export type FileState = "Ready" | "Uploading" | "Success" | "Failure" | "Canceled" | "Stopped" | "Expired";
export type Action = "cancel" | "pause" | "resume" | "retry" | "remove";
export type NextStep = "retry" | "keys" | "pick_file" | "remove";
export type Filter = "all" | "uploading" | "ready" | "stopped" | "failed" | "done";
export const FILTERS: readonly Filter[] = ["all", "uploading", "ready", "stopped", "failed", "done"];

export type Sort = "queue" | "name" | "size" | "state";
/** What a page looks at, beside where. */
export interface Look { filter: Filter; search: string; sort: Sort; descending: boolean }

export interface RowError { code: string; message: string; hint?: string | null; hint_zh?: string; next_step?: NextStep | null }

export interface Row {
  file_id: string;
  name: string;
  source: string;
  media_type: string;
  size_bytes: number | null;
  state: FileState;
  phase: string;
  /** As the summary counts them; what the storage acknowledged of them is kept. */
  sent_bytes: number;
  kept_bytes: number;
  progress: number;
  speed_bytes_per_s: number;
  time_left_s: number | null;
  video_id: string | null;
  image_id: string | null;
  title: string | null;
  error: RowError | null;
  wait: { seconds: number; reason: string } | null;
  duration_s: number | null;
  actions: Action[];
  /** Where a finished image can be seen; only http and https are followed. */
  view_url?: string;
  /** A finished video: `play` tells where it can be watched. */
  can_play?: boolean;
}

export interface Summary {
  state: string;
  total: number;
  done: number;
  failed: number;
  /** Of these, the ones that another try may help. */
  retryable: number;
  canceled: number;
  left: number;
  counts: Record<Filter, number>;
  size_bytes: number;
  sent_bytes: number;
  failed_bytes: number;
  done_bytes: number;
  /** How long the queue ran in all; 0 while it runs. */
  took_s: number;
  speed_bytes_per_s: number;
  time_left_s: number | null;
  progress: number;
  /** Why files failed, the most frequent first: code, the kernel's text, how many. */
  causes?: [code: string, message: string, files: number][];
  can_start: boolean;
  can_stop: boolean;
  profile: { name: string; region: string; is_emulator: boolean; masked_id: string; region_is_default?: boolean } | null;
  destination: string;
}

export interface Profile {
  name: string;
  place: string;
  mode: string;
  masked_id: string;
  region: string;
  usable: boolean;
  reason: string;
  /** The same in Chinese, as far as the kernel knows it. */
  reason_zh?: string;
  is_current: boolean;
  expires_at_s?: number | null;
  renews_itself?: boolean;
}

/** One place of the search for keys, as a sentence. */
export interface Step { used: boolean; en: string; zh: string }

/** What the kernel allows; a key that is absent does not forbid. The kernel checks every intent anyway. */
export interface Policy { name?: string; sources?: string[]; inline_credentials?: boolean; choose_profile?: boolean; steer?: boolean }

/** What a page may bring; told before anything is refused. */
export interface Limits { max_files?: number; max_file_bytes?: number; max_total_bytes?: number }

export interface Hello {
  token: string;
  /** Of the widget's comm: another kernel has no such. */
  comm_id?: string;
  /** The number by which snapshots and rows name this page. */
  page: number;
  policy: Policy;
  roots: string[];
  limits: Limits;
  profiles: Profile[];
  current_profile: string | null;
  origin?: Step[];
  /** Each load of this page is another kernel, and the uploads of the old one end (Voila). */
  reload_ends?: boolean;
}

export interface DirEntry {
  name: string;
  path: string;
  is_dir: boolean;
  size_bytes: number | null;
  media_type: string | null;
  refused: string | null;
}
/** `more`: how many there are beyond those that are told. */
export interface Listing { path: string; parent: string | null; entries: DirEntry[]; more: number }

export interface Refusal { name: string; code: string; message: string; client_id?: string; address?: string }
/** `progress` (0..1) and `goes_on`: a row waited for this file, and goes on without another click. */
export interface Added { file_id: string; name: string; client_id?: string; progress?: number; goes_on?: boolean }
export interface AddAnswer { added: Added[]; refused: Refusal[] }

export interface Offer {
  client_id: string;
  name: string;
  size_bytes: number;
  last_modified_ms: number;
  type: string;
  /** CRC64 of the first and the last 64 KiB; a row that waits takes back only the same file. */
  edges: string;
}

export interface Attempt { number: number; code: string; message: string; waited_s: number }
export interface Detail {
  row: Row;
  attempts: Attempt[];
  /** What helps while it waits for its next attempt. */
  wait_hint?: string;
  wait_hint_zh?: string;
  request_id: string | null;
  reference_id: string | null;
  object: string | null;
  bucket: string | null;
  path?: string | null;
  description?: string | null;
  tags?: string[] | null;
  cate_id?: number | null;
  template_group_id?: string;
  workflow_id?: string;
  /** Name of the picture that will be sent, or its address. */
  cover?: string;
}
export interface Category { cate_id: number; path: string }

export interface Secrets {
  access_key_id: string;
  access_key_secret: string;
  security_token: string;
  region: string;
}

/** What CreateUploadVideo answered: the permission for one file. */
export interface UploadAuth { upload_auth: string; upload_address: string; media_id: string }

interface Files { file_ids: string[] }
interface Changed { changed: number }
type Nothing = Record<string, never>;

/** kind -> [keys of the intent, data of its answer] */
export interface Intents {
  hello: [{ version: number; locale: string }, Hello];
  view: [{ first: number; count: number } & Look, Nothing];
  start: [Nothing, Nothing];
  stop: [Nothing, Nothing];
  clear: [{ which: "done" | "failed" | "all" }, { removed: number }];
  cancel: [Files, Changed];
  pause: [Files, Changed];
  resume: [Files, Changed];
  retry: [Files, Changed];
  remove: [Files, Changed];
  retry_failed: [Nothing, Changed];
  place: [Files & { before: string }, Changed];
  move: [Files & { where: "first" | "up" | "down" | "last" }, Changed];
  unfinished: [Nothing, { files: number; browser: number }];
  take_back: [Nothing, { added: number }];
  list_dir: [{ path: string }, Listing];
  complete_path: [{ prefix: string }, { paths: string[] }];
  add_paths: [{ paths: string[] }, AddAnswer];
  add_addresses: [{ urls: string[] }, AddAnswer];
  offer_files: [{ files: Offer[] }, AddAnswer];
  reoffer_files: [{ files: Offer[] }, AddAnswer];
  reach: [{ slice_bytes: number }, Nothing];
  slice: [{ file_id: string; token: string; pull_id: number; offset: number }, Nothing];
  slice_error: [{ file_id: string; token: string; pull_id: number; reason: "changed" | "gone" | "read" }, Nothing];
  put_progress: [{ file_id: string; put_id: number; sent_bytes: number }, Nothing];
  put_done: [{ file_id: string; put_id: number; etag: string; crc64: string; stored_crc64: string }, Nothing];
  put_error: [{ file_id: string; put_id: number; reason: "network" | "status" | "read" }, Nothing];
  set_credentials: [Secrets, { masked_id: string; current_profile: string | null }];
  set_upload_auth: [UploadAuth, { masked_id: string; current_profile: string | null }];
  test_credentials: [Nothing, Nothing];
  forget_credentials: [Nothing, { current_profile: string | null }];
  list_profiles: [Nothing, { profiles: Profile[]; current_profile: string | null; origin?: Step[] }];
  choose_profile: [{ name: string }, { current_profile: string | null }];
  detail: [{ file_id: string }, Detail];
  set_metadata: [
    { file_id: string; title: string; description: string; tags: string[]; cate_id: number | null;
      template_group_id: string; workflow_id: string; cover: string | null },
    { row: Row; cover: string },
  ];
  /** null leaves a field of each file as it is. */
  edit_files: [
    Files & { description: string | null; tags: string[] | null; cate_id: number | null; template_group_id: string | null; workflow_id: string | null },
    Changed & { refused: Refusal[] },
  ];
  set_cover: [{ file_id: string; name: string }, { cover: string }];
  thumbnail: [{ file_id: string }, { buffer?: DataView }];
  play: [{ file_id: string }, { url: string }];
  list_categories: [Nothing, { categories: Category[] }];
  /** A file that was built with this bundle; refused when the kernel has that of another version. */
  asset: [{ name: "panels" | "chinese"; sha256: string }, { text: string }];
  /** `seq` of the last snapshot or rows: what this page has not seen was lost on the way. */
  ping: [Nothing, { seq?: number }];
  bye: [Nothing, Nothing];
  probe: [Nothing, { size_bytes: number; crc64: string }];
}
export type Kind = keyof Intents;

export interface AnswerMessage {
  kind: "answer";
  id: number;
  ok?: true;
  data?: unknown;
  error?: { code: string; message: string; hint?: string; hint_zh?: string };
}
export interface SnapshotMessage {
  kind: "snapshot";
  page: number;
  seq: number;
  summary: Summary;
  first: number;
  matching: number;
  rows: Row[];
}
export interface RowsMessage {
  kind: "rows";
  page: number;
  seq: number;
  summary: Summary;
  rows: Row[];
  first: number;
  matching: number;
}
export interface PullMessage { kind: "pull"; file_id: string; pull_id: number; offset: number; length: number }
/** PUT this part to the storage by this URL; `put_stop` has none. */
export interface PutMessage { kind: "put" | "put_stop"; file_id: string; put_id: number; offset: number; length: number; url?: string }
export interface DropMessage { kind: "drop"; file_id: string }
export interface NoteMessage { kind: "note"; code: string; facts: Record<string, unknown> }
/** What the test of the keys found: the verdict, then advice. */
export interface TestedMessage { kind: "tested"; ok: boolean; took_ms: number; told: { en: string[]; zh: string[] } }
/** Who is still there? Every page answers with a heartbeat. */
export interface WhoMessage { kind: "who" }
export type Down =
  AnswerMessage | SnapshotMessage | RowsMessage | PullMessage | PutMessage | DropMessage | NoteMessage | TestedMessage | WhoMessage;

/** The part of JupyterLab's connection to a kernel that we use. */
export interface Kernel {
  readonly status: string;
  requestCommInfo(content: { target_name: string }): Promise<{ content: { status: string; comms?: Record<string, unknown> } }>;
}

/** The part of anywidget's model that we use. */
export interface Model {
  get(name: string): unknown;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
  // The handler's arguments depend on the event name.
  on(name: string, handler: (...args: never[]) => void): void;
  off(name?: string | null, handler?: ((...args: never[]) => void) | null): void;
  /** The host's own; not every host has it, nor a kernel in it. */
  readonly widget_manager?: { readonly kernel?: Kernel | null } | undefined;
}
