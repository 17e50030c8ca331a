/**
 * One view of the widget: puts the parts together, gives every part the newest state, and keeps keys and
 * focus inside. There may be several views of one session; each has its own panel and scroll position.
 */
import { h, set } from "../dom";
import type { Key, Translate } from "../i18n";
import type { Panels } from "../panels";
import type { Session } from "../session";
import { Drop } from "./drop";
import { Empty } from "./empty";
import { Filters } from "./filters";
import { Grid } from "./grid";
import { Banner, Foot, Refused } from "./notices";
import type { Panel } from "./panel";
import { fit_names, focused_in, type Host } from "./parts";
import { Strip } from "./strip";
import { Toolbar } from "./toolbar";

/** Bars change at most four times a second. */
const DATA_EVERY_MS = 250;
/** At this width and below the panel is a sheet over the list; the style sheet has the same number. */
const SHEET_PX = 850;
/** Below it rows are cards; likewise. */
const CARDS_PX = 700;

/** Tells JupyterLab and Notebook 7 that no shortcut of theirs is meant. */
const NO_SHORTCUTS = "data-lm-suppress-shortcuts";

export class View implements Host {
  readonly root: HTMLElement;
  #toolbar!: Toolbar;
  #strip!: Strip;
  #filters!: Filters;
  #grid!: Grid;
  #empty!: Empty;
  #foot!: Foot;
  #banner!: Banner;
  #refused!: Refused;
  #drop!: Drop;
  #main!: HTMLElement;
  #body!: HTMLElement;
  #input!: HTMLInputElement;
  #panel: Panel | null = null;
  #back: HTMLElement | null = null;
  #picking_again = false;
  #on_picture: ((file: File) => void) | null = null;
  #words: Translate | null = null;
  readonly #leave: () => void;
  readonly #sizes: ResizeObserver | null;
  #drawn_at = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #frame = 0;
  readonly #tick: ReturnType<typeof setInterval>;

  constructor(readonly session: Session, el: HTMLElement) {
    this.root = h("div", {
      class: "vod-widget", role: "region", [NO_SHORTCUTS]: "true",
      onkeydown: (event: KeyboardEvent) => this.#key(event),
      // Keys pressed in here are ours: none may reach the notebook.
      onkeyup: (event: KeyboardEvent) => event.stopPropagation(),
      onkeypress: (event: KeyboardEvent) => event.stopPropagation(),
      // Somebody comes near: a panel that is opened soon should be there at once.
      onpointerenter: () => this.#fetch_panels(),
      onfocusin: (event: FocusEvent) => {
        // Notebook 7 looks before any of our handlers, and from the element that has the focus on upwards.
        (event.target as HTMLElement).setAttribute(NO_SHORTCUTS, "true");
        this.#fetch_panels();
      },
    });
    this.#build();
    el.append(this.root);
    this.#leave = session.store.subscribe((urgency) => this.#schedule(urgency === "now"));
    this.#sizes = typeof ResizeObserver === "undefined" ? null : new ResizeObserver(() => {
      // Cards are higher than rows. A person's own size, which the browser keeps in the style, wins.
      this.root.classList.toggle("tall", this.root.clientWidth <= CARDS_PX);
      this.#grid.resized();
      this.#schedule(true);
    });
    this.#sizes?.observe(this.root);
    this.#sizes?.observe(this.#grid.element);
    this.#tick = setInterval(() => {
      if (this.#grid.counting) this.#schedule(true);
    }, 1_000);
    this.update();
  }

  close(): void {
    this.#leave();
    this.#sizes?.disconnect();
    clearInterval(this.#tick);
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#frame);
    this.#grid.close();
    this.#panel?.close();
    this.#panel = null;
    for (const menu of this.#toolbar.menus) menu.close(false);
    this.root.remove();
  }

  #build(): void {
    const { t } = this.session;
    this.#words = t;
    this.root.replaceChildren();
    set(this.root, "aria-label", t("region"));
    set(this.root, "lang", t.locale);
    this.#toolbar = new Toolbar(this);
    this.#strip = new Strip(this);
    this.#filters = new Filters(this);
    this.#grid = new Grid(this);
    this.#empty = new Empty(this);
    this.#foot = new Foot(this);
    this.#banner = new Banner(this);
    this.#refused = new Refused(this);
    this.#main = h("div", { class: "main" }, this.#strip.element, this.#filters.element, this.#refused.element, this.#grid.element,
      this.#grid.position, this.#empty.element, this.#banner.element);
    this.#body = h("div", { class: "body" }, this.#main);
    this.#input = h("input", {
      type: "file", multiple: true, class: "sr", tabindex: -1, "aria-hidden": "true", "aria-label": t("from_computer"),
      onchange: () => {
        const files = [...this.#input.files ?? []];
        const picture = this.#on_picture;
        this.#plain_input();
        // Emptied, so that the same file can be picked again.
        this.#input.value = "";
        const again = this.#picking_again;
        this.#picking_again = false;
        if (picture) {
          if (files[0]) picture(files[0]);
        } else if (files.length) this.session.offer(files, again);
      },
    });
    // What is said is seen beside a sheet too, for it may answer the panel; and it is heard before what a panel says itself.
    this.root.append(this.#toolbar.element, this.#foot.element, this.#body, this.#input);
    this.#drop = new Drop(this);
  }

  /** All of it in another language. Returns what is left to do when it is drawn: nobody loses the place, the focus, or what was typed. */
  #build_again(): () => void {
    for (const menu of this.#toolbar.menus) menu.close(true);
    const top = this.#grid.element.scrollTop;
    const active = focused_in(this.root);
    // Both languages have the same elements at the same places.
    const path: number[] = [];
    for (let at = active; at && at !== this.root; at = at.parentElement) path.unshift([...at.parentElement?.children ?? []].indexOf(at));
    const panel = this.#panel;
    this.#panel = panel?.again() ?? null;
    panel?.close();
    this.#sizes?.unobserve(this.#grid.element);
    this.#grid.close();
    this.#build();
    if (this.#panel) this.#body.append(this.#panel.element);
    this.#sizes?.observe(this.#grid.element);
    return () => {
      this.#grid.element.scrollTop = top;
      this.#grid.update();
      if (!active) return;
      (path.reduce<Element | undefined>((at, k) => at?.children[k], this.root) as HTMLElement | undefined)?.focus({ preventScroll: true });
      if (!focused_in(this.root)) this.focus_grid();
    };
  }

  #schedule(now: boolean): void {
    const wait = now ? 0 : Math.max(0, this.#drawn_at + DATA_EVERY_MS - Date.now());
    if (wait > 0) {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#schedule(true);
      }, wait);
      return;
    }
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.update();
    });
  }

  update(): void {
    this.#drawn_at = Date.now();
    try {
      this.#draw();
    } catch (error) {
      this.session.fail(error);
    }
    this.#foot.update();
  }

  #draw(): void {
    const { session } = this;
    const { store } = session;
    const then = this.#words !== session.t && this.#build_again();
    this.root.classList.toggle("off", store.link === "gone" || store.link === "lost");
    set(this.root, "data-link", store.link);
    set(this.root, "data-uploader-state", store.summary.state);
    const bare = store.known ? store.matching === 0 : store.link !== "connecting" && store.summary.total === 0;
    const leaves = bare && focused_in(this.#grid.element) !== null;
    set(this.#empty.element, "hidden", !bare);
    set(this.#grid.element, "hidden", bare);
    set(this.#main, "aria-busy", store.known ? null : "true");
    this.#toolbar.update(this.#panel?.kind === "credentials" || this.#panel?.kind === "keys");
    this.#strip.update();
    this.#filters.update();
    this.#refused.update();
    this.#banner.update();
    if (bare) this.#empty.update();
    // Also out of sight: what is in no list stands in no page.
    this.#grid.update();
    // With its last row the list goes; the next key would be the notebook's.
    if (leaves) this.focus_grid();
    this.#panel?.update();
    const sheet = this.#panel !== null && this.root.clientWidth > 0 && this.root.clientWidth <= SHEET_PX;
    // Under a sheet nothing may be reached by Tab.
    set(this.#main, "inert", sheet);
    if (then) then();
  }

  // ---- panels ----------------------------------------------------------------------------------------

  detail_of(): string | null {
    return this.#panel?.file_id ?? null;
  }

  open_detail(file_id: string): void {
    this.#open("details", (panels) => new panels.DetailPanel(this, file_id, false));
  }

  open_policy(file_id: string): void {
    this.#open("details", (panels) => new panels.DetailPanel(this, file_id, true));
  }

  open_several(): void {
    this.#open("edit_several", (panels) => new panels.SeveralPanel(this));
  }

  /** `for_file`: it failed for its keys, and goes on with new ones. */
  open_credentials(keys: boolean, for_file = ""): void {
    if (!keys && this.#panel?.kind === "credentials") {
      this.close_panel();
      return;
    }
    this.#open("credentials", (panels) => keys ? new panels.KeysPanel(this, for_file) : new panels.CredentialsPanel(this));
  }

  open_browser(): void {
    this.#open("browse_title", (panels) => new panels.BrowsePanel(this));
  }

  open_address(): void {
    this.#open("address_title", (panels) => new panels.AddressPanel(this));
  }

  #fetch_panels(): void {
    if (this.session.controllable) this.session.later.load_panels().catch(() => undefined);
  }

  #open(label: Key, make: (panels: Panels) => Panel): void {
    const { later, t } = this.session;
    if (!later.panels) {
      void this.session.panels(t(label)).then((panels) => {
        if (panels && this.root.isConnected) this.#open(label, make);
      });
      return;
    }
    if (this.#panel && !this.#panel.may_close()) return;
    const active = focused_in(this.root);
    // From one panel to the next, the way back stays the first opener.
    if (!this.#panel) this.#back = active instanceof HTMLElement ? active : null;
    this.#panel?.close();
    this.#panel?.element.remove();
    this.#panel = make(later.panels);
    this.#body.append(this.#panel.element);
    this.update();
    fit_names(this.#panel.element);
    this.#panel.focus();
  }

  async take_typed(): Promise<boolean> {
    return await this.#panel?.take?.() ?? true;
  }

  close_panel(force = false): void {
    const panel = this.#panel;
    if (!panel || (!force && !panel.may_close())) return;
    const inside = focused_in(panel.element) !== null || focused_in(this.root) === null;
    const file_id = this.detail_of();
    panel.close();
    panel.element.remove();
    this.#panel = null;
    // What was warned of is decided.
    if (this.session.store.status.text === this.session.t("unsaved")) this.session.say("");
    this.update();
    if (!inside) return;
    if (file_id !== null) this.#grid.focus_file(file_id);
    else if (this.#back?.isConnected && this.#back.getClientRects().length > 0) this.#back.focus();
    else this.focus_grid();
    this.#back = null;
  }

  pick(again: boolean): void {
    this.#picking_again = again;
    this.#plain_input();
    this.#input.click();
  }

  /** There is one file input for all, so that other people's tests find it. */
  pick_picture(then: (file: File) => void): void {
    this.#on_picture = then;
    this.#input.accept = "image/*";
    this.#input.multiple = false;
    this.#input.click();
  }

  #plain_input(): void {
    this.#on_picture = null;
    this.#input.accept = "";
    this.#input.multiple = true;
  }

  focus_grid(): void {
    if (!this.#grid.element.hidden) this.#grid.focus();
    else (this.#empty.element.querySelector<HTMLElement>("button") ?? this.#toolbar.add_button).focus();
  }

  focus_search(): void {
    this.#filters.search.focus();
  }

  // ---- keys ------------------------------------------------------------------------------------------

  #key(event: KeyboardEvent): void {
    event.stopPropagation();
    const target = event.target as HTMLElement;
    const typing = target.matches("input:not([type=checkbox]),textarea,select");
    if (event.key === "Escape" && !event.defaultPrevented) {
      if (this.#drop.hide()) event.preventDefault();
      else if (this.#panel) {
        event.preventDefault();
        this.close_panel();
      } else if (this.session.store.selected.size > 0) {
        event.preventDefault();
        this.session.store.selected.clear();
        this.session.store.changed();
        this.focus_grid();
      }
      return;
    }
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey && this.#filters.search.isConnected) {
      event.preventDefault();
      this.focus_search();
    }
  }
}
