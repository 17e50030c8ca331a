/**
 * What a person may ask for beside sending: to watch a stored video, and what an earlier kernel left unfinished. Small
 * pictures of files are in `thumbs`; covers and categories, which the panels alone need, in `metadata`.
 */
import type { Session } from "./session";
import { Thumbs } from "./thumbs";

/** An address from GetPlayInfo is signed for an hour or so; it is asked for anew long before. */
const URL_GOOD_MS = 600_000;

export class Extras {
  readonly thumbs: Thumbs;
  readonly #urls = new Map<string, { url: string; at: number }>();
  /** How long the list was when what was left was counted. */
  #counted_with = 0;
  #counting = false;
  #again = false;
  #account = "";
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
    this.thumbs = new Thumbs(session);
  }

  /** Rows came: other keys lead to another place, where something else was left; what is in the list now is left no more. */
  saw(): void {
    const { summary: { profile, total }, unfinished } = this.#session.store;
    const account = `${profile?.name} ${profile?.masked_id} ${profile?.region}`;
    const moved = account !== this.#account && (total === 0 || this.#account !== "") && this.#session.allows("kernel");
    this.#account = account;
    if (moved || (unfinished.files + unfinished.browser > 0 && total !== this.#counted_with)) this.#count_left();
  }

  /** One count at a time: with many files left one takes longer than the next file takes to come. */
  #count_left(): void {
    this.#again = this.#counting;
    if (this.#counting) return;
    this.#counting = true;
    const { connection, store } = this.#session;
    this.#counted_with = store.summary.total;
    connection.request("unfinished", {}).then((found) => {
      store.unfinished = { files: found.files ?? 0, browser: found.browser ?? 0 };
      store.changed();
    }, () => undefined).finally(() => {
      this.#counting = false;
      if (this.#again) this.#count_left();
    });
  }

  async take_back(): Promise<void> {
    const { t } = this.#session;
    const answer = await this.#session.ask("take_back", {}, t("bring_back"), ["take_back"]);
    if (!answer) return;
    this.#count_left();
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

  close(): void {
    this.thumbs.close();
  }
}
