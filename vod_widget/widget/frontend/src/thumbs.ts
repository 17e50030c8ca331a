/** Small pictures of files: one is made at a time, only for rows that are drawn, and kept as pixels; a file that cannot be shown keeps its icon. */
import { h } from "./dom";
import type { Picture } from "./pictures";
import type { Row } from "./protocol";
import type { Session } from "./session";

const MOST = 500;
/** The kernel sends no larger image. */
const KERNEL_BYTES = 524_288;

export class Thumbs {
  readonly #known = new Map<string, Picture>();
  #queue: Row[] = [];
  #busy = false;
  #closed = false;
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** A fresh canvas of a row's picture, or null: the same row may stand in several views. */
  of(row: Row): HTMLCanvasElement | null {
    const known = this.#known.get(row.file_id);
    if (!known) return null;
    const copy = h("canvas", { width: known.width, height: known.height, "aria-hidden": "true" });
    copy.getContext("2d")?.drawImage(known, 0, 0);
    return copy;
  }

  /** Have a row's picture made; when it comes the rows are drawn anew. */
  want(row: Row): void {
    if (!this.#known.has(row.file_id) && this.#can_show(row) && !this.#queue.some((one) => one.file_id === row.file_id)) {
      this.#queue = [row, ...this.#queue].slice(0, 40); // what was scrolled into view last comes first
      void this.#work();
    }
  }

  has(file_id: string): boolean {
    return Boolean(this.#known.get(file_id));
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#known.clear();
  }

  #can_show({ file_id, media_type, source, size_bytes }: Row): boolean {
    const image = media_type === "image";
    if (this.#session.feeder.file(file_id)) return image || media_type === "video";
    return image && source === "kernel" && (size_bytes ?? Infinity) <= KERNEL_BYTES && this.#session.allows("kernel");
  }

  async #work(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let row = this.#queue.shift(); row && !this.#closed; row = this.#queue.shift()) {
      const wanted = row;
      const picture = await this.#session.later.load_panels().then(({ picture_of }) => picture_of(this.#session, wanted)).catch(() => null);
      this.#known.set(row.file_id, picture);
      const oldest = this.#known.size > MOST ? this.#known.keys().next().value : undefined;
      if (oldest !== undefined) this.#known.delete(oldest);
      if (picture && !this.#closed) this.#session.store.changed();
    }
    this.#busy = false;
  }
}
