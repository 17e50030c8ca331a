/** Files dragged over, dropped or pasted anywhere in the widget, with the veil that says so. */
import { h, replace } from "../dom";
import type { Dropped } from "../dropped";
import { icon } from "../icons";
import type { Host } from "./parts";

/** A browser says three times a second at least that something is held over an element. */
const OVER_MS = 1_000;

export class Drop {
  readonly #veil = h("div", { class: "drop", hidden: true });
  #over: EventTarget | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
    const { root } = host;
    root.append(this.#veil);
    root.addEventListener("dragenter", (event) => {
      if (!has_files(event.dataTransfer)) return;
      event.preventDefault();
      this.#over = event.target;
      this.#show(event.dataTransfer);
    });
    root.addEventListener("dragover", (event) => {
      if (!has_files(event.dataTransfer)) return;
      event.preventDefault();
      event.stopPropagation();
      // An element that goes from under the pointer, as a row's words do when its state changes, says no more that it was left.
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.hide(), OVER_MS);
      if (this.#veil.hidden) this.#show(event.dataTransfer);
      if (event.dataTransfer) event.dataTransfer.dropEffect = this.#allowed ? "copy" : "none";
    });
    root.addEventListener("dragleave", (event) => {
      if (!has_files(event.dataTransfer)) return;
      // What is entered next is told before.
      if (event.target === this.#over) this.hide();
    });
    root.addEventListener("drop", (event) => {
      if (!has_files(event.dataTransfer)) return;
      event.preventDefault();
      event.stopPropagation();
      this.hide();
      this.#take(event.dataTransfer);
    });
    root.addEventListener("paste", (event) => {
      const transfer = event.clipboardData;
      if (!transfer || transfer.files.length === 0) return;
      // An office program gives a picture of the words that it copies.
      if (transfer.types.includes("text/plain") && (event.target as Element).matches("input,textarea")) return;
      event.preventDefault();
      event.stopPropagation();
      this.#take(transfer);
    });
  }

  /** True when there was a veil to take away (Escape). */
  hide(): boolean {
    const was = !this.#veil.hidden;
    clearTimeout(this.#timer);
    this.#veil.hidden = true;
    return was;
  }

  get #allowed(): boolean {
    return this.#host.session.controllable && this.#host.session.allows("browser");
  }

  #show(transfer: DataTransfer | null): void {
    const { t } = this.#host.session;
    const n = [...transfer?.items ?? []].filter((item) => item.kind === "file").length;
    if (!this.#allowed) replace(this.#veil, icon("slash"), t("drop_refused"));
    else replace(this.#veil, icon("cloud"), n > 0 ? t("drop_now", { n }) : t("drop_now_any"), h("small", null, t("drop_now_sub")));
    this.#veil.hidden = false;
  }

  #take(transfer: DataTransfer | null): void {
    if (!transfer) return;
    if (!this.#allowed) {
      this.#host.session.say(this.#host.session.t("drop_refused"), "warn");
      return;
    }
    // Entries must be taken now: the transfer is emptied when the event handler returns.
    const entries = [...transfer.items ?? []].filter((item) => item.kind === "file").map((item) => ({ item, entry: item.webkitGetAsEntry?.() }));
    const dropped: Dropped[] = entries.some(({ entry }) => entry?.isDirectory)
      ? entries.map(({ item, entry }) => entry?.isDirectory ? entry as FileSystemDirectoryEntry : item.getAsFile()) : [...transfer.files];
    const { session } = this.#host;
    void session.panels(session.t("add")).then((panels) => panels?.files_of(dropped)).then((found) => {
      if (found?.length) session.offer(found);
    });
  }
}

function has_files(transfer: DataTransfer | null): boolean {
  return transfer !== null && [...transfer.types ?? []].includes("Files");
}
