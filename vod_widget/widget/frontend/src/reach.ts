/**
 * What this host carries from page to kernel, found out by trying: no event tells that a message was too large for a
 * server, a proxy or an editor. The checksum of what arrived counts, silence does not.
 */
import type { Connection } from "./connection";
import { hex } from "./crc64";

const PROBE_MS = 4_000;
/** 1 MiB there within this time: 4 MiB slices (measured 0.1 s on loopback); slower ones get 2 MiB. */
const QUICK_MS = 500;

/** Largest slice in bytes; 0 when no bytes come through. */
export async function find_reach(connection: Pick<Connection, "request">): Promise<number> {
  const arrives = async (kib: number): Promise<boolean> => {
    // Every word differs, so that bytes in a wrong order show.
    const sent = new Uint8Array(new Uint32Array(kib * 256).map((_, k) => k * 2_654_435_761).buffer);
    const answer = await connection.request("probe", {}, [sent.buffer], PROBE_MS).catch(() => null);
    return answer?.crc64 === hex(sent);
  };
  if (!(await arrives(1))) return 0;
  const at = performance.now();
  // The socket is closed by a message that is too large, and opened again; what was in flight is asked for again.
  for (const kib of [1024, 256, 32]) {
    if (await arrives(kib)) return 1024 * (kib < 1024 ? kib : performance.now() - at < QUICK_MS ? 4096 : 2048);
  }
  return 0;
}
