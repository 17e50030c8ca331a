/**
 * What this host carries from page to kernel, found out by trying: no event tells that a message was too large for a
 * server, a proxy or an editor. The checksum of what arrived counts, silence does not.
 */
import type { Connection } from "./connection";
import { hex } from "./crc64";

/** A heartbeat that overtakes a probe tells within seconds that it is lost; a line may only be slow. */
const PROBE_MS = 60_000;
/** 1 MiB there within this time: 4 MiB slices (measured 0.1 s on loopback); slower ones get 2 MiB. */
const QUICK_MS = 500;
/** What takes longer is carried, but each click would wait behind it: larger ones are not tried. */
const SLOW_MS = 1_000;

/** Largest slice in bytes; 0 when no bytes come through. */
export async function find_reach(connection: Pick<Connection, "request">): Promise<number> {
  let took_ms = 0;
  const arrives = async (kib: number): Promise<boolean> => {
    // Every word differs, so that bytes in a wrong order show.
    const sent = new Uint8Array(new Uint32Array(kib * 256).map((_, k) => k * 2_654_435_761).buffer);
    const at = performance.now();
    const answer = await connection.request("probe", {}, [sent.buffer], PROBE_MS).catch(() => null);
    took_ms = performance.now() - at;
    return answer?.crc64 === hex(sent);
  };
  if (!(await arrives(1))) return 0;
  let reach = 0;
  // From below: the socket is closed by a message that is too large, once, and opened again; a slow line is soon known.
  for (const kib of [32, 256, 1024]) {
    if (!(await arrives(kib))) break;
    if (kib === 1024) reach = took_ms < QUICK_MS ? 4096 : took_ms < SLOW_MS ? 2048 : reach;
    else reach = kib;
    if (took_ms > SLOW_MS) break;
  }
  return 1024 * reach;
}
