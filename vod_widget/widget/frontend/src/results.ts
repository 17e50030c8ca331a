/** What was stored, for the clipboard. */
import { asset_id } from "./format";
import type { Row } from "./protocol";
import type { Session } from "./session";
import { copy_text } from "./views/parts";

/** Rows that are known and finished, if the kernel counts no more of them than that. */
async function done_rows(session: Session): Promise<Row[]> {
  const known = session.store.cached_rows().filter((row) => row.state === "Success");
  return known.length >= session.store.summary.done ? known : session.list.collect({ filter: "done", search: "", sort: "queue", descending: false });
}

async function give(session: Session, value: string, said: string): Promise<void> {
  const done = await copy_text(value);
  session.say(done ? said : session.t("copy_failed"), done ? "" : "warn");
}

export async function copy_ids(session: Session): Promise<void> {
  const ids = (await done_rows(session)).map(asset_id).filter((id): id is string => Boolean(id));
  await give(session, ids.join("\n"), session.t("ids_copied", { n: ids.length }));
}

/** A tab-separated table for a spreadsheet; a cell that could be taken for a formula is quoted away. */
export async function copy_table(session: Session): Promise<void> {
  const { t } = session;
  const safe = (cell: string): string => (/^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell).replace(/[\t\r\n]/g, " ");
  const rows = await done_rows(session);
  // The vendor's own names, in any language.
  const ids = [rows.some((row) => row.video_id) && "VideoId", rows.some((row) => row.image_id) && "ImageId"].filter(Boolean);
  const head = [t("name"), t("size"), ids.join(" / ")].join("\t");
  const lines = rows.map((row) => [safe(row.name), String(row.size_bytes ?? ""), asset_id(row) ?? ""].join("\t"));
  await give(session, [head, ...lines].join("\n"), t("table_copied", { n: rows.length }));
}
