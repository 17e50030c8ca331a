/**
 * What a person may ask for beside sending: to watch a stored video, the categories of the account, a cover, what an
 * earlier kernel left unfinished. Small pictures of files are in `thumbs`.
 */
import { IntentError } from "./connection";
import type { Category } from "./protocol";
import type { Session } from "./session";
import { Thumbs, to_jpeg } from "./thumbs";

/** An address from GetPlayInfo is signed for an hour or so; it is asked for anew long before. */
const URL_GOOD_MS = 600_000;
/** The kernel takes 4 MiB; larger pictures are made smaller. */
const COVER_BYTES = 4_000_000;

export class Extras {
  readonly thumbs: Thumbs;
  readonly #urls = new Map<string, { url: string; at: number }>();
  #categories: Promise<Category[]> | null = null;
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
    this.thumbs = new Thumbs(session);
  }

  /** A kernel that holds no file may have been another one before. */
  greeted(): void {
    this.#categories = null;
    const { connection, store } = this.#session;
    if (store.summary.total > 0 || !this.#session.allows("kernel")) return;
    connection.request("unfinished", {}).then((found) => {
      store.unfinished = { files: found.files ?? 0, browser: found.browser ?? 0 };
      store.changed();
    }, () => undefined);
  }

  async take_back(): Promise<void> {
    const { store, t } = this.#session;
    const answer = await this.#session.ask("take_back", {}, t("bring_back"), ["take_back"]);
    if (!answer) return;
    store.unfinished = { files: 0, browser: 0 };
    this.#session.say(t("added", { n: answer.added }));
  }

  /** Opens the video in a new tab; the address is asked for when it is wanted. */
  async play(file_id: string): Promise<void> {
    const known = this.#urls.get(file_id);
    let url = known && Date.now() - known.at < URL_GOOD_MS ? known.url : "";
    if (!url) {
      const answer = await this.#session.ask("play", { file_id }, this.#session.t("play"), [`play:${file_id}`]);
      if (!answer || !/^https?:\/\//i.test(answer.url)) return;
      url = answer.url;
      this.#urls.set(file_id, { url, at: Date.now() });
    }
    // No page that is opened may reach back into the notebook.
    window.open(url, "_blank", "noopener,noreferrer");
  }

  /** Asked for once in a page; a refusal is asked again the next time. */
  categories(): Promise<Category[]> {
    this.#categories ??= this.#session.connection.request("list_categories", {}).then((answer) => answer.categories ?? []);
    return this.#categories.catch((error: unknown) => {
      this.#categories = null;
      throw error;
    });
  }

  /** Answers the cover's name, or null when it was not taken. */
  async set_cover(file_id: string, picture: Blob, name: string): Promise<string | null> {
    const session = this.#session;
    const fits = picture.size <= COVER_BYTES && /^image\/(jpeg|png|gif)$/.test(picture.type);
    const data = fits ? picture : await to_jpeg(picture);
    if (!data) {
      session.say(session.t("no_picture", { name }), "warn");
      return null;
    }
    try {
      const answer = await session.connection.request(
        "set_cover", { file_id, name: fits ? name : `${name.replace(/\.\w+$/, "")}.jpg` }, [await data.arrayBuffer()]);
      session.say(session.t("cover_set", { name: answer.cover }));
      return answer.cover;
    } catch (error) {
      session.say(error instanceof IntentError ? session.explain(error, session.t("cover")) : session.t("no_picture", { name }), "warn");
      return null;
    }
  }

  close(): void {
    this.thumbs.close();
  }
}
