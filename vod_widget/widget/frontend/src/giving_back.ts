/** Rows that wait for a file that this tab has: the cell was run again, or the page was away for long. */
import { picked_before } from "./feeder";
import type { Row } from "./protocol";

const GIVE_BACK_EVERY_MS = 15_000;

export class GivingBack {
  readonly #given_at = new Map<string, number>();

  /** The files of such rows, each once in a while: who asks offers them again. */
  of(rows: readonly Row[]): File[] {
    const now = Date.now();
    const files = new Set<File>();
    for (const row of rows) {
      const file = row.error?.code === "Source.Detached" ? picked_before(row.name, row.size_bytes) : undefined;
      if (!file || now - (this.#given_at.get(row.file_id) ?? 0) < GIVE_BACK_EVERY_MS) continue;
      this.#given_at.set(row.file_id, now);
      files.add(file);
    }
    return [...files];
  }
}
