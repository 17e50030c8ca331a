/**
 * Bytes of browser files: keeps the File handles of this page and answers each pull of the kernel with that
 * slice. The kernel holds the credit, so nothing is queued here beyond what it asked for. Slices are
 * addressed by offset: any order and any repeat is right.
 */
import { type Connection, IntentError } from "./connection";
import type { PullMessage } from "./protocol";

/** Reads at a time; the kernel's window of 8 MiB in slices of 2 MiB asks for no more. */
const PARALLEL_READS = 4;

/**
 * Files that were picked in this tab, over all its widgets: a cell that is run again goes on with them, and so does a
 * page that slept too long. Each widget may have its own copy of this module, so the window keeps them.
 */
const PICKED_IN_TAB = Symbol.for("vod_widget.picked");
const picked: Map<string, File> = ((globalThis as Record<symbol, unknown>)[PICKED_IN_TAB] ??= new Map()) as Map<string, File>;
const picked_key = (name: string, size: number | null): string => `${size} ${name}`;

/** The file that a row waits for, if it was picked in this tab. */
export function picked_before(name: string, size: number | null): File | undefined {
  return picked.get(picked_key(name, size));
}

export class Feeder {
  token = "";
  readonly #files = new Map<string, File>();
  /** Files that this page once held: only for these may it say that they are gone. */
  readonly #released = new Set<string>();
  readonly #queue: PullMessage[] = [];
  #reading = 0;

  readonly #connection: Pick<Connection, "request">;
  readonly #held: Set<string>;

  constructor(
    connection: Pick<Connection, "request">,
    held: Set<string>) {
    this.#connection = connection;
    this.#held = held;
  }

  keep(file_id: string, file: File): void {
    this.#files.set(file_id, file);
    picked.set(picked_key(file.name, file.size), file);
    this.#released.delete(file_id);
    this.#held.add(file_id);
  }

  drop(file_id: string): void {
    const file = this.#files.get(file_id);
    if (file) {
      this.#files.delete(file_id);
      this.#released.add(file_id);
      picked.delete(picked_key(file.name, file.size));
    }
    this.#held.delete(file_id);
    for (let k = this.#queue.length - 1; k >= 0; k--) if (this.#queue[k]?.file_id === file_id) this.#queue.splice(k, 1);
  }

  file(file_id: string): File | undefined {
    return this.#files.get(file_id);
  }

  get size(): number {
    return this.#files.size;
  }

  pull(message: PullMessage): void {
    if (!this.#files.has(message.file_id)) {
      // Another page of the same kernel may hold the file and hears this pull too: it must not be spoilt.
      if (this.#released.has(message.file_id)) this.#fail(message, "gone");
      return;
    }
    // A pull that is asked again while it still waits here replaces itself.
    const same = this.#queue.findIndex((p) => p.file_id === message.file_id && p.offset === message.offset);
    if (same >= 0) this.#queue[same] = message;
    else this.#queue.push(message);
    this.#next();
  }

  clear(): void {
    this.#files.clear();
    this.#queue.length = 0;
    this.#held.clear();
  }

  #next(): void {
    while (this.#reading < PARALLEL_READS) {
      const message = this.#queue.shift();
      if (!message) return;
      this.#reading++;
      void this.#answer(message).finally(() => {
        this.#reading--;
        this.#next();
      });
    }
  }

  async #answer(message: PullMessage): Promise<void> {
    const file = this.#files.get(message.file_id);
    if (!file) return;
    const end = Math.min(file.size, message.offset + message.length);
    let buffer: ArrayBuffer;
    try {
      buffer = await file.slice(message.offset, end).arrayBuffer();
    } catch (error) {
      // Chromium says NotReadableError when the file on disk differs from the one that was picked.
      const name = error instanceof Error || error instanceof DOMException ? error.name : "";
      this.#fail(message, name === "NotReadableError" ? "changed" : name === "NotFoundError" ? "gone" : "read");
      return;
    }
    if (buffer.byteLength !== end - message.offset || buffer.byteLength === 0 && message.length > 0) {
      this.#fail(message, "changed");
      return;
    }
    if (!this.#files.has(message.file_id)) return; // dropped while it was read
    const { file_id, pull_id, offset } = message;
    const send = () => this.#connection.request("slice", { file_id, token: this.token, pull_id, offset }, [buffer]);
    // Unanswered or refused: the kernel pulls again if it still wants the slice. What a socket took along goes once more
    // at once: the kernel would wait some rounds for it, and this place would stay taken for ten seconds.
    await send().catch((error: unknown) => error instanceof IntentError && error.code === "Overtaken" ? send() : null).catch(() => null);
  }

  #fail(message: PullMessage, reason: "changed" | "gone" | "read"): void {
    const { file_id, pull_id } = message;
    void this.#connection.request("slice_error", { file_id, token: this.token, pull_id, reason }).catch(() => undefined);
  }
}
