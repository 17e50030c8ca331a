/** Files on their way into the list: paths and addresses for the kernel, and the browser's own. */
import { edges } from "./crc64";
import { percent } from "./format";
import type { AddAnswer, Offer } from "./protocol";
import { find_reach } from "./reach";
import type { Session } from "./session";

/** Offers in one message: well under the kernel's limit of 4 MiB and quick to answer. */
const OFFERS_PER_MESSAGE = 500;

export class Adding {
  #next_client = 1;
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  add_paths(paths: string[]): Promise<AddAnswer | null> {
    return this.#add(this.#session.ask("add_paths", { paths }, this.#session.t("add"), ["add"]));
  }

  add_addresses(urls: string[]): Promise<AddAnswer | null> {
    return this.#add(this.#session.ask("add_addresses", { urls }, this.#session.t("add"), ["add"]));
  }

  async #add(asked: Promise<AddAnswer | null>): Promise<AddAnswer | null> {
    const answer = await asked;
    if (!answer) return null;
    this.#told_added([answer]);
    // Refusals are said in the panel, where they can be mended.
    this.#session.store.refused = [];
    return answer;
  }

  /** `again`: files that rows wait for since a reload of the page; `quiet`: nobody picked them just now. */
  async offer(files: readonly File[], again = false, quiet = false): Promise<void> {
    const answers: AddAnswer[] = [];
    for (let at = 0; at < files.length; at += OFFERS_PER_MESSAGE) {
      const batch = files.slice(at, at + OFFERS_PER_MESSAGE);
      if (files.length > OFFERS_PER_MESSAGE) this.#session.say(this.#session.t("offering", { a: at, b: files.length }));
      const by_client = new Map<string, File>();
      const offers: Offer[] = await Promise.all(batch.map(async (file) => {
        const client_id = `c${this.#next_client++}`;
        by_client.set(client_id, file);
        // Where a backslash is a character of a name, what stands before it must not be taken for folders.
        return { client_id, name: file.name.replaceAll("\\", "_"), size_bytes: file.size, last_modified_ms: file.lastModified, type: file.type, edges: await edges(file) };
      }));
      const answer = await this.#session.ask(again ? "reoffer_files" : "offer_files", { files: offers }, this.#session.t("add"), ["add"]);
      if (!answer) break;
      for (const added of answer.added) {
        const file = by_client.get(added.client_id ?? "");
        if (file) this.#session.feeder.keep(added.file_id, file);
      }
      answers.push(answer);
    }
    if (answers.length && !quiet) this.#told_added(answers);
    // Last: a probe that is too large for the server costs the socket, and with it what is on its way.
    void this.#probe();
  }

  #probed = false;

  /** Before the first browser file of this page: what does the host carry? Until that is known slices are small. */
  async #probe(): Promise<void> {
    if (this.#probed) return;
    this.#probed = true;
    const slice_bytes = await find_reach(this.#session.connection);
    void this.#session.connection.request("reach", { slice_bytes }).catch(() => (this.#probed = false));
    if (this.#session.closed) return;
    if (!slice_bytes) this.#session.say(this.#session.t("no_bytes"), "warn");
    this.#session.list.ask_view();
  }

  #told_added(answers: AddAnswer[]): void {
    const { store, t } = this.#session;
    const added = answers.flatMap((answer) => answer.added);
    const refused = answers.flatMap((answer) => answer.refused);
    store.refused = refused;
    const back = added.filter((one) => one.progress !== undefined);
    const words: string[] = [];
    for (const goes_on of [true, false]) {
      const those = back.filter((one) => !one.goes_on !== goes_on);
      const [one] = those;
      const p = percent(one?.progress ?? 0, false);
      if (one && those.length === 1 && p > 0) words.push(t(goes_on ? "goes_on_from" : "back_at", { name: one.name, p }));
      else if (one) words.push(t(goes_on ? "goes_on" : "back", { n: those.length }));
    }
    if (added.length > back.length) words.push(t("added", { n: added.length - back.length }));
    if (refused.length) words.push(t("refused_add", { n: refused.length }) + t("stop_mark"));
    if (added.length && store.hello?.reload_ends) words.push(t("reload_ends"));
    this.#session.say(words.join(t.locale === "en" ? " " : "") || t("added_none"), refused.length ? "warn" : "");
  }
}
