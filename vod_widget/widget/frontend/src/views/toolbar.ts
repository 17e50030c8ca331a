/** Start, Stop, Add files, Clear, and where the files go: the labelled select "Credentials". */
import { choose_profile } from "../accounts";
import { h, replace, set, uid } from "../dom";
import { icon } from "../icons";
import { button, enable, type Host, press } from "./parts";
import { type Item, Menu } from "./menu";

const INLINE = "\u0000inline";

export class Toolbar {
  readonly element: HTMLElement;
  readonly menus: Menu[];
  readonly add_button: HTMLButtonElement;
  readonly #start: HTMLButtonElement;
  readonly #stop: HTMLButtonElement;
  readonly #clear: HTMLButtonElement;
  readonly #select: HTMLSelectElement;
  readonly #details: HTMLButtonElement;
  #options_key = "";

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
    const { session } = host;
    const { t } = session;
    const caret = (): HTMLElement => h("span", { class: "cv" }, icon("down"));
    this.#start = button(t("start"), "play", { "data-action": "start", onclick: press(() => void host.take_typed().then((taken) => taken && session.start(() => {
      if (this.#details.getAttribute("aria-expanded") !== "true") host.open_credentials(false);
    }))) }, "pri");
    this.#stop = button(t("stop"), "stop", { "data-action": "stop", onclick: press(() => session.stop()) });
    this.add_button = button([t("add"), caret()], "plus", { "data-action": "add" });
    this.#clear = button([t("clear"), caret()], "trash", { "data-action": "clear" });
    const id = uid();
    this.#select = h("select", { id, "data-action": "credentials", onchange: () => this.#chosen() });
    this.#details = button(h("span", { class: "tx" }, t("details")), "key", {
      title: t("details"), "data-action": "credentials-details", "aria-expanded": "false", onclick: press(() => host.open_credentials(false)),
    });
    this.element = h("div", { class: "bar", role: "toolbar", "aria-label": t("upload") }, this.#start, this.#stop, this.add_button, this.#clear,
      h("div", { class: "cred" }, h("label", { for: id }, t("credentials")), this.#select, this.#details));
    this.menus = [
      new Menu(host.root, this.add_button, () => add_items(host)),
      new Menu(host.root, this.#clear, () => this.#clear_items()),
    ];
  }

  update(credentials_open: boolean): void {
    const { session } = this.#host;
    const { store } = session;
    const on = session.controllable;
    const { summary, busy } = store;
    const sources = (["browser", "kernel", "address"] as const).some((source) => session.allows(source));
    this.#able(this.#start, on && summary.can_start && !busy.has("start"));
    this.#able(this.#stop, on && summary.can_stop && !busy.has("stop"));
    this.#able(this.add_button, on && sources);
    this.#able(this.#clear, on && summary.total > 0 && !busy.has("clear"));
    this.#able(this.#details, on && session.may_choose);
    set(this.#details, "aria-expanded", credentials_open ? "true" : "false");
    // A control that is switched off loses the focus: whoever chooses by keys keeps it.
    set(this.#select, "disabled", !on || !session.may_choose || (busy.has("credentials") && !this.#select.matches(":focus")));
    this.#options(credentials_open);
  }

  /** Greyed by the attribute that also other people's tests read; but not under the person's own focus. */
  #able(element: HTMLButtonElement, on: boolean): void {
    const focused = (element.getRootNode() as Document | ShadowRoot).activeElement === element;
    enable(element, on);
    set(element, "disabled", !on && !focused);
  }

  #options(keep: boolean): void {
    const { session } = this.#host;
    const { store, t } = session;
    const current = store.current_profile ?? store.summary.profile?.name ?? "";
    const inline = store.hello?.policy.inline_credentials !== false;
    const key = JSON.stringify([t.locale, store.profiles, current, store.summary.profile, inline]);
    if (key !== this.#options_key) {
      this.#options_key = key;
      // A person's own profile of that name cannot be used; it stands there and says why.
      const known = store.profiles.filter((profile) => profile.place !== "built-in");
      const listed = known.map((profile) => h("option", {
        value: profile.name === "emulator" ? "" : profile.name, disabled: !profile.usable, title: session.reason_of(profile) || null,
      }, session.profile_label(profile)));
      const own = store.summary.profile;
      const missing = current !== "" && current !== "emulator" && !known.some((profile) => profile.name === current);
      replace(this.#select,
        current === "" && h("option", { value: "", disabled: true }, t("choose_profile")),
        missing && h("option", { value: current }, own && own.name === current ? session.profile_label(own) : current),
        listed.length > 0 && h("optgroup", { label: t("found") }, listed),
        h("option", { value: "emulator" }, t("emulator")),
        inline && h("option", { value: INLINE }, t("enter_keys")));
      this.#select.value = current;
    }
    // The entry "Enter keys…" stays chosen only while its form is open.
    if (!keep && this.#select.value !== current) this.#select.value = current;
  }

  #chosen(): void {
    const { value } = this.#select;
    if (this.#host.session.store.busy.has("credentials")) this.#options(false);
    else if (value === INLINE) this.#host.open_credentials(true);
    else if (value) void choose_profile(this.#host.session, value);
  }

  #clear_items(): Item[] {
    const { session } = this.#host;
    const { t } = session;
    const { counts, total, done, failed, canceled } = session.store.summary;
    // What was stopped has parts that are kept, and loses them.
    const begun = counts.uploading + counts.stopped - canceled;
    return [
      { label: t("clear_done"), sub: t("clear_sub", { n: done }), icon: "ok", action: "clear-done", off: done === 0, run: () => void session.clear("done") },
      { label: t("clear_failed"), sub: t("clear_sub", { n: failed + canceled }), icon: "fail", action: "clear-failed", off: failed + canceled === 0, run: () => void session.clear("failed") },
      {
        label: t("clear_all"), sub: t(begun > 0 ? "clear_all_sub" : "clear_sub", { n: total }), icon: "trash", action: "clear-all",
        sure: () => begun > 0 ? t("clear_sure", { n: begun }) : null, run: () => void session.clear("all"),
      },
    ];
  }
}

export function add_items(host: Host): Item[] {
  const { t } = host.session;
  const items: Item[] = [
    { label: t("from_computer"), sub: t("from_computer_sub"), icon: "pc", action: "add-browser", run: () => host.pick(false) },
    { label: t("from_kernel"), sub: t("from_kernel_sub"), icon: "kernel", action: "add-kernel", run: () => host.open_browser() },
    { label: t("from_address"), sub: t("from_address_sub"), icon: "address", action: "add-address", run: () => host.open_address() },
  ];
  const source = { "add-browser": "browser", "add-kernel": "kernel", "add-address": "address" } as const;
  return items.filter((item) => host.session.allows(source[item.action as keyof typeof source]));
}
