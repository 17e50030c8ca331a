/** What a page asks the kernel for when it needs it: the side panels, and the Chinese words. */
import type { Connection } from "./connection";
import { run } from "./door";
import { learn } from "./i18n";
import type { Panels } from "./panels";

/** SHA-256 of each asset as it was built with this bundle: another version must not be mixed in. */
declare const ASSETS: { panels: string; chinese: string };

export class Later {
  panels: Panels | null = null;
  #panels_coming: Promise<Panels> | null = null;
  #words_coming: Promise<unknown> | null = null;
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Once for all that ask meanwhile; after a failure the next one asks again. */
  load_panels(): Promise<Panels> {
    this.#panels_coming ??= this.#asset("panels")
      .then((text) => run(text, ASSETS.panels))
      .then((panels) => {
        learn("en", panels.ENGLISH);
        return this.panels = panels;
      }).catch((error: unknown) => {
        this.#panels_coming = null;
        throw error;
      });
    return this.#panels_coming;
  }

  /** `then` is called when the words have come; without them a page says the rest in English. */
  learn_chinese(then: () => void): void {
    this.#words_coming ??= this.#asset("chinese").then((text) => {
      learn("zh-CN", JSON.parse(text) as Record<string, string>);
      then();
    }).catch(() => (this.#words_coming = null));
  }

  async #asset(name: "panels" | "chinese"): Promise<string> {
    return (await this.#connection.request("asset", { name, sha256: ASSETS[name] })).text;
  }
}
