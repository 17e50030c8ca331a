/**
 * Parts that this page PUTs straight to the storage, by URLs that the kernel signed for one part each. The sum of the
 * bytes that were read is told beside the one that the storage answered; the kernel compares. Done in a worker, so that
 * summing does not hold up the page; a host that allows none has it done here.
 */
import type { Connection } from "./connection";
import { crc64_kit, type Sum } from "./crc64";
import type { Intents, PutMessage } from "./protocol";

/** No blob: stop this one. */
interface Job { id: string; blob?: Blob; url?: string }
export interface Word { id: string; so_far?: number; http_status?: number; part_etag?: string | null; stored_sum?: string | null; read_sum?: string }

/** Self-contained: its text is the worker's. */
export function direct_kit(kit: () => Sum, say: (word: Word) => void): (message: { data: Job }) => void {
  const live = new Map<string, XMLHttpRequest>();
  const idle: Sum[] = [];
  /** What has left of each part, and what of that was told. */
  const moved = new Map<string, [number, number]>();
  let told = 0;
  return ({ data: { id, blob, url } }) => {
    live.get(id)?.abort();
    moved.delete(id);
    if (!blob) return;
    const request = new XMLHttpRequest();
    live.set(id, request);
    // The browser reads the part once more for its body: cheaper than to hand over what was read here.
    const summed = (async () => {
      const sum = idle.pop() ?? kit();
      const stream = blob.stream();
      // Filled before it is handed over: a pipe gives a small piece at a time, each at the cost of a turn of the loop.
      let space: Uint8Array<ArrayBuffer> | undefined = new Uint8Array(1_048_576);
      let reader: { read: (into: Uint8Array<ArrayBuffer>, how: { min: number }) => Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>>; cancel: () => Promise<void> };
      try {
        reader = stream.getReader({ mode: "byob" });
      } catch {
        space = undefined; // it gives its own
        reader = stream.getReader() as unknown as typeof reader;
      }
      let left = blob.size;
      try {
        while (left && live.get(id) === request) {
          const { done, value } = await reader.read(space!, { min: Math.min(left, 1_048_576) });
          if (done) break;
          sum.add(value);
          left -= value.length;
          space &&= new Uint8Array(value.buffer);
        }
        return left ? "" : String(sum.end());
      } finally {
        void reader.cancel().catch(() => undefined);
        sum.end();
        idle.push(sum);
      }
    })();
    moved.set(id, [0, 0]);
    request.upload.onprogress = ({ loaded }) => {
      const mine = moved.get(id);
      if (!mine) return;
      mine[0] = loaded;
      const now = Date.now();
      if (now - told < 1_000) return;
      told = now;
      // The one of which most is not told yet: each message costs a notebook more than its bytes.
      const [most, of] = [...moved].reduce((a, b) => (b[1][0] - b[1][1] > a[1][0] - a[1][1] ? b : a));
      of[1] = of[0];
      say({ id: most, so_far: of[0] });
    };
    request.onloadend = async () => {
      moved.delete(id);
      if (request.status === 200) told = Date.now(); // its end says more
      else live.delete(id);
      const read_sum = await summed.catch(() => "");
      live.delete(id);
      const header = (name: string) => request.getResponseHeader(name);
      say({ id, http_status: request.status, part_etag: header("ETag"), stored_sum: header("x-oss-hash-crc64ecma"), read_sum });
    };
    request.open("PUT", url!);
    request.send(blob);
  };
}

export class Direct {
  #do: ((job: Job) => void) | null = null;
  #worker: Worker | null = null;
  /** Until the kernel has said that it knows the end; then without the bytes, with the word of it. */
  readonly #jobs = new Map<string, Job & { put: PutMessage; word?: Word }>();
  readonly #connection: Pick<Connection, "request">;

  constructor(connection: Pick<Connection, "request">) {
    this.#connection = connection;
  }

  put(put: PutMessage, file: File | undefined): void {
    const id = `${put.file_id} ${put.put_id}`;
    if (!put.url) {
      if (this.#jobs.delete(id)) this.#do?.({ id });
      return;
    }
    const known = this.#jobs.get(id);
    if (known?.word) this.#hear(known.word); // it was lost on its way
    if (!file || known) return;
    const job = { id, blob: file.slice(put.offset, put.offset + put.length), url: put.url };
    this.#jobs.set(id, { ...job, put });
    (this.#do ??= this.#begin())(job);
  }

  clear(): void {
    this.#worker?.terminate();
    this.#do = null;
    this.#jobs.clear();
  }

  #begin(): (job: Job) => void {
    const kit = direct_kit(crc64_kit, this.#hear);
    const here = (data: Job) => kit({ data });
    try {
      const text = `onmessage=(${direct_kit})(${crc64_kit},postMessage)`;
      const worker = this.#worker = new Worker(URL.createObjectURL(new Blob([text])));
      worker.onmessage = ({ data }) => this.#hear(data as Word);
      worker.onerror = () => {
        this.#do = here;
        for (const job of this.#jobs.values()) if (!job.word) here(job);
      };
      return (job) => worker.postMessage(job);
    } catch {
      return here;
    }
  }

  readonly #hear = (word: Word): void => {
    const { id, so_far, http_status, part_etag, stored_sum, read_sum } = word;
    const job = this.#jobs.get(id);
    if (!job) return;
    const { file_id, put_id } = job.put;
    const tell = <K extends "put_progress" | "put_done" | "put_error">(kind: K, keys: Omit<Intents[K][0], "file_id" | "put_id">) =>
      this.#connection.request(kind, { file_id, put_id, ...keys } as unknown as Intents[K][0]);
    if (so_far) return void tell("put_progress", { sent_bytes: so_far }).catch(() => undefined);
    job.word = word;
    delete job.blob;
    void (http_status === 200 && part_etag && read_sum ? tell("put_done", { etag: part_etag.replaceAll('"', ""), crc64: read_sum, stored_crc64: stored_sum ?? "" })
      : tell("put_error", { reason: http_status ? "status" : "network" })).then(() => this.#jobs.delete(id), () => undefined);
  };
}
