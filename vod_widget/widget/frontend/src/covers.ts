/** What the metadata form asks for: the categories of the account, and a cover that the page has. */
import type { Category, Hello } from "./protocol";
import type { Session } from "./session";
import { BY_NAME } from "./dropped";
import { is_whole, to_jpeg } from "./pictures";

/** The kernel takes 4 MiB; larger pictures are made smaller. */
const COVER_BYTES = 4_000_000;

// By the kernel's greeting: another kernel may have another account.
const asked = new WeakMap<Hello, Promise<Category[]>>();

/** Asked for once of a kernel; a refusal is asked again the next time. */
export async function categories(session: Session): Promise<Category[]> {
  const { hello } = session.store;
  if (!hello) return [];
  let coming = asked.get(hello);
  if (!coming) {
    coming = session.connection.request("list_categories", {})
      // The service gives the newest first; whoever looks for one knows its name.
      .then((answer) => (answer.categories ?? []).sort((a, b) => BY_NAME.compare(a.path, b.path)));
    asked.set(hello, coming);
    coming.catch(() => asked.delete(hello));
  }
  return coming;
}

/** Answers the cover's name, or null when it was not taken. */
export async function set_cover(session: Session, file_id: string, picture: Blob, name: string): Promise<string | null> {
  const { t } = session;
  const fits = picture.size <= COVER_BYTES && /^image\/(jpeg|png|gif)$/.test(picture.type) && await is_whole(picture);
  const data = await (fits ? picture : await to_jpeg(picture))?.arrayBuffer().catch(() => null);
  if (!data) {
    session.say(t("no_picture", { name }), "warn");
    return null;
  }
  const answer = await session.ask("set_cover", { file_id, name: fits ? name : `${name.replace(/\.\w+$/, "")}.jpg` }, t("cover"), [], undefined, [data]);
  if (answer) session.say(t("cover_set", { name: answer.cover }));
  return answer && answer.cover;
}
