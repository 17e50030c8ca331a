/** The kernel's files: a typed path with completion, folders to enter, files to choose, patterns to type. */
import { h, replace, set, text, uid } from "../dom";
import { bytes } from "../format";
import { cause_of } from "../i18n";
import { icon } from "../icons";
import type { DirEntry, Listing } from "../protocol";
import { button, enable, fit_names, type Host, press } from "./parts";
import { field, frame, name_element, type Panel, refusals } from "./panel";

const COMPLETE_AFTER_MS = 150;
/** More entries than this are not drawn; typing further narrows the list. */
const MOST_ENTRIES = 1_000;
const GLOB = /[*?[]/;

/** Does the name match the end of what is typed: as the kernel's pattern does, or by holding it? */
export function matcher(end: string): (name: string) => boolean {
  if (!GLOB.test(end)) return (name) => name.toLowerCase().includes(end.toLowerCase());
  const source = end.replace(/\[(!?)([^\]]+)\]|[*?]|[^]/gu, (all, not: string | undefined, set_of: string | undefined) => set_of
    ? `[${not ? "^" : ""}${set_of.replace(/[\\\]^[]/g, "\\$&")}]`
    : { "*": ".*", "?": "." }[all] ?? all.replace(/[\\^$.+()[\]{}|/]/, "\\$&"));
  try {
    const pattern = new RegExp(`^${source}$`, "su");
    return (name) => pattern.test(name);
  } catch {
    return () => true; // half-typed
  }
}

export class BrowsePanel implements Panel {
  readonly kind = "browse";
  readonly element: HTMLElement;
  readonly #input: HTMLInputElement;
  readonly #options = h("ul", { class: "cpl", role: "listbox", hidden: true });
  readonly #list = h("div", { class: "dir", role: "group" });
  readonly #count = h("span", { class: "mut" });
  readonly #all: HTMLInputElement;
  readonly #add: HTMLButtonElement;
  readonly #told = h("div", { class: "told", role: "status" });
  #chosen = new Map<string, DirEntry>();
  #listing: Listing | null = null;
  /** What entering a folder wrote into the field: this alone is not typed. */
  #entered = "";
  /** The folder of what is typed, as it was last asked for. */
  #folder = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;
  #selected_option = -1;

  readonly #host: Host;

  constructor(host: Host, before?: BrowsePanel) {
    this.#host = host;
    const { t } = host.session;
    const options_id = uid();
    this.#options.id = options_id;
    set(this.#options, "aria-label", t("path"));
    set(this.#list, "aria-label", t("browse_title"));
    this.#input = h("input", {
      type: "text", class: "inp", id: uid(), role: "combobox", "aria-expanded": "false", "aria-controls": options_id, "aria-autocomplete": "list",
      autocomplete: "off", spellcheck: "false", maxlength: 4096, "data-action": "path",
      oninput: () => this.#typed(), onkeydown: (event: KeyboardEvent) => this.#key(event), onblur: () => this.#hide_options(),
    });
    this.#all = h("input", { type: "checkbox", "data-action": "all-listed", onchange: () => this.#choose_all() });
    this.#add = button(t("add_this"), "plus", { "data-action": "add-paths", onclick: press(() => void this.#submit()) }, "pri sm");
    const box = h("div", { class: "pth" }, field(t("path"), null, this.#input), this.#options,
      h("p", { class: "mut hint" }, t("path_sub")), this.#told);
    this.element = frame(host, t("browse_title"), h("div", null, h("h4", null, t("browse_title"))), box,
      h("div", { class: "sc dirs" }, this.#list), h("div", { class: "sf" }, h("label", { class: "pick" }, this.#all, t("select_all")), this.#count, this.#add));
    if (before && before.#listing) {
      [this.#listing, this.#entered, this.#folder, this.#chosen, this.#input.value] = [before.#listing, before.#entered, before.#folder, before.#chosen, before.#input.value];
      this.#draw();
    } else void this.#enter(host.session.store.hello?.roots?.[0] ?? "");
  }

  update(): void {
    const { session } = this.#host;
    const { t } = session;
    const typed = this.#typed_paths().length;
    const n = this.#chosen.size;
    const usable = this.#usable();
    set(this.#all, "disabled", usable.length === 0);
    this.#all.checked = usable.length > 0 && usable.every((entry) => this.#chosen.has(entry.path));
    text(this.#count, n ? t("selected", { n }) : t("choose_hint"));
    const label = n ? t("add_n", { n }) : t("add_this");
    const node = this.#add.lastChild;
    if (node && node.nodeValue !== label) node.nodeValue = label;
    enable(this.#add, session.controllable && (n > 0 || typed > 0) && !session.store.busy.has("add"));
    fit_names(this.#list);
  }

  /** What is typed behind the folder that is shown. */
  get #end(): string {
    const { value } = this.#input;
    return this.#listing && value !== this.#entered && value.startsWith(this.#folder) ? value.slice(this.#folder.length) : "";
  }

  /** The entries of the folder that go with what is typed: a pattern shows what it would add. */
  #shown(): DirEntry[] {
    const entries = this.#listing?.entries ?? [];
    const end = this.#end;
    // A pattern over several folders is the kernel's to follow.
    if (!end || end.includes("/")) return entries;
    const matches = matcher(end);
    return entries.filter((entry) => matches(entry.name) && !(entry.is_dir && GLOB.test(end)));
  }

  /** What can be chosen of that, also where the list is too long to be drawn whole. */
  #usable(): DirEntry[] {
    return this.#shown().filter((entry) => entry.refused === null);
  }

  #choose_all(): void {
    for (const entry of this.#usable()) {
      if (this.#all.checked) this.#chosen.set(entry.path, entry);
      else this.#chosen.delete(entry.path);
    }
    for (const box of this.#list.querySelectorAll<HTMLInputElement>("input:not([disabled])")) box.checked = this.#all.checked;
    this.update();
  }

  focus(): void {
    this.#input.focus();
    this.#input.setSelectionRange(this.#input.value.length, this.#input.value.length);
  }

  may_close(): boolean {
    return true;
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  again(): Panel {
    return new BrowsePanel(this.#host, this);
  }

  /** What is typed: a folder that was only entered is not meant as a whole. */
  #typed_paths(): string[] {
    const typed = this.#input.value.trim();
    return typed && typed !== this.#entered ? [typed] : [];
  }

  async #enter(path: string): Promise<void> {
    const turn = ++this.#asked;
    const before = this.#input.value;
    if (!this.#listing) replace(this.#list, h("p", { class: "mut none" }, this.#host.session.t("loading")));
    const listing = await this.#host.session.ask("list_dir", { path }, this.#host.session.t("browse_title"));
    if (turn !== this.#asked) return;
    if (!listing) {
      if (!this.#listing) replace(this.#list, h("p", { class: "t-err none" }, this.#host.session.store.status.text));
      return;
    }
    this.#listing = listing;
    this.#entered = this.#folder = listing.path.endsWith("/") ? listing.path : `${listing.path}/`;
    // Whoever types faster than a disk answers means what was typed.
    if (this.#input.value === before) this.#input.value = this.#entered;
    this.#hide_options();
    this.#draw();
    this.update();
  }

  #draw(): void {
    const { t } = this.#host.session;
    const listing = this.#listing;
    if (!listing) return;
    const rows: HTMLElement[] = [];
    if (listing.parent !== null) {
      rows.push(h("div", { class: "ent" }, h("span"), icon("up_dir"), h("button", {
        type: "button", class: "lnk nml", onclick: () => void this.#enter(listing.parent ?? ""),
      }, t("up"))));
    }
    const shown = this.#shown();
    for (const entry of shown.slice(0, MOST_ENTRIES)) rows.push(this.#entry(entry));
    const more = Math.max(0, shown.length - MOST_ENTRIES) + (listing.more ?? 0);
    if (more > 0) rows.push(h("p", { class: "mut none" }, t("and_more", { n: more })));
    else if (shown.length === 0) rows.push(h("p", { class: "mut none" }, t(this.#end ? "no_match" : "folder_empty")));
    replace(this.#list, rows);
    const scroller = this.#list.parentElement;
    if (scroller) scroller.scrollTop = 0;
  }

  #entry(entry: DirEntry): HTMLElement {
    const { t } = this.#host.session;
    const box = h("input", {
      type: "checkbox", "aria-label": `${t("select")} ${entry.name}`, disabled: entry.refused !== null,
      onchange: () => {
        if (box.checked) this.#chosen.set(entry.path, entry);
        else this.#chosen.delete(entry.path);
        this.update();
      },
    });
    box.checked = this.#chosen.has(entry.path);
    const kind = entry.is_dir ? "folder" : entry.media_type === "video" || entry.media_type === "audio" || entry.media_type === "image" ? entry.media_type : "file";
    const name = entry.is_dir
      ? h("button", { type: "button", class: "lnk nml", "aria-label": t("open_folder", { name: entry.name }), onclick: () => void this.#enter(entry.path) }, name_element(entry.name))
      : h("label", { class: "nml", onclick: () => { if (!box.disabled) box.click(); } }, name_element(entry.name));
    const right = entry.refused !== null ? h("span", { class: "mut el rsn", title: cause_of(t, entry.refused, entry.refused) }, cause_of(t, entry.refused, entry.refused))
      : h("span", { class: "mut n" }, entry.is_dir ? "" : bytes(entry.size_bytes));
    return h("div", { class: entry.refused !== null ? "ent off" : "ent", "data-path": entry.path }, h("label", { class: "bx" }, box), icon(kind), name, right);
  }

  // ---- the typed path --------------------------------------------------------------------------------

  #typed(): void {
    clearTimeout(this.#timer);
    replace(this.#told);
    this.#entered = "";
    this.update();
    this.#timer = setTimeout(() => {
      void this.#follow();
      void this.#complete();
    }, COMPLETE_AFTER_MS);
  }

  /** Below the field stands the folder of what is typed, never another one. */
  async #follow(): Promise<void> {
    const folder = /^([^*?[]*\/)?/.exec(this.#input.value)?.[0] ?? "";
    if (folder === this.#folder) {
      this.#draw();
      this.update();
      return;
    }
    this.#folder = folder;
    const turn = ++this.#asked;
    const { session } = this.#host;
    const listing = await session.connection.request("list_dir", { path: folder }).catch((error: unknown) => session.explain(error, folder));
    if (turn !== this.#asked) return;
    this.#listing = typeof listing === "string" ? null : listing;
    if (typeof listing === "string") replace(this.#list, h("p", { class: "mut none" }, listing));
    else this.#draw();
    this.update();
  }

  async #complete(): Promise<void> {
    const prefix = this.#input.value;
    if (!prefix || /[*?[]/.test(prefix)) {
      this.#hide_options();
      return;
    }
    const answer = await this.#host.session.connection.request("complete_path", { prefix }).catch(() => null);
    if (!answer || this.#input.value !== prefix || !this.element.isConnected) return;
    const paths = answer.paths.filter((path) => path !== prefix).slice(0, 50);
    this.#selected_option = -1;
    replace(this.#options, paths.map((path) => h("li", {
      role: "option", id: uid(), "aria-selected": "false", title: path,
      // Before the input's blur, which would take the list away.
      onmousedown: (event: MouseEvent) => {
        event.preventDefault();
        this.#choose(path);
      },
    }, path)));
    const open = paths.length > 0 && this.#input.ownerDocument.activeElement === this.#input;
    set(this.#options, "hidden", !open);
    set(this.#input, "aria-expanded", open ? "true" : "false");
  }

  #hide_options(): void {
    set(this.#options, "hidden", true);
    set(this.#input, "aria-expanded", "false");
    set(this.#input, "aria-activedescendant", null);
    this.#selected_option = -1;
  }

  #choose(path: string): void {
    this.#input.value = path;
    this.#hide_options();
    if (path.endsWith("/")) void this.#enter(path);
    else this.update();
  }

  #key(event: KeyboardEvent): void {
    const options = [...this.#options.children] as HTMLElement[];
    const open = !this.#options.hidden && options.length > 0;
    switch (event.key) {
      case "ArrowDown": case "ArrowUp": {
        if (!open) return;
        event.preventDefault();
        const by = event.key === "ArrowDown" ? 1 : -1;
        this.#selected_option = (this.#selected_option + by + options.length) % options.length;
        options.forEach((option, k) => set(option, "aria-selected", k === this.#selected_option ? "true" : "false"));
        const now = options[this.#selected_option];
        set(this.#input, "aria-activedescendant", now?.id ?? null);
        now?.scrollIntoView?.({ block: "nearest" });
        return;
      }
      case "Tab": {
        if (!open || event.shiftKey) return;
        event.preventDefault();
        this.#choose((options[Math.max(0, this.#selected_option)] as HTMLElement).title);
        return;
      }
      case "Enter":
        event.preventDefault();
        if (open && this.#selected_option >= 0) this.#choose((options[this.#selected_option] as HTMLElement).title);
        else if (this.#input.value.endsWith("/")) void this.#enter(this.#input.value);
        else void this.#submit(true);
        return;
      case "Escape":
        if (!open) return;
        event.preventDefault();
        event.stopPropagation();
        this.#hide_options();
        return;
      default:
    }
  }

  /** `typed`: by Enter behind the path. A pattern, or the name of a file, is meant then, beside what was chosen; else it narrowed the list. */
  async #submit(typed = false): Promise<void> {
    const end = this.#end;
    const meant = this.#chosen.size === 0 || (typed && (GLOB.test(end) || this.#shown().some((entry) => entry.name === end)));
    const paths = [...this.#chosen.keys(), ...meant ? this.#typed_paths() : []];
    if (paths.length === 0) return;
    const { session } = this.#host;
    const answer = await (await session.adding())?.add_paths(paths);
    if (!answer) return; // what was chosen stays
    const { added, refused } = answer;
    this.#chosen.clear();
    this.#draw();
    this.update();
    if (added.length && !refused.length) this.#host.close_panel(true);
    else replace(this.#told, refused.length ? refusals(session.t, session.t("refused_add", { n: refused.length }), refused) : session.t("added_none"));
  }
}
