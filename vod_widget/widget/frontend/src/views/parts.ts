/** Small pieces that several views share: buttons, cut names, bars, copying, rows of keys. */
import { type Attributes, type Child, h, measurer, set } from "../dom";
import { middle_cut } from "../format";
import { icon, type IconName } from "../icons";
import type { Session } from "../session";

/** What the views of one root ask of it. */
export interface Host {
  readonly session: Session;
  readonly root: HTMLElement;
  open_detail(file_id: string): void;
  open_credentials(keys: boolean, for_file?: string): void;
  open_browser(): void;
  open_address(): void;
  open_policy(file_id: string): void;
  /** For all selected files. */
  open_several(): void;
  close_panel(force?: boolean): void;
  /** Before files start: what was typed in the panel. */
  take_typed(): Promise<boolean>;
  /** Opens the browser's file dialog; with `again`, for files that rows wait for. */
  pick(again: boolean): void;
  /** Opens it for one picture. */
  pick_picture(then: (file: File) => void): void;
  focus_grid(): void;
  focus_search(): void;
  detail_of(): string | null;
}

export function button(label: Child, name: IconName | null, attributes: Attributes = {}, classes = ""): HTMLButtonElement {
  return h("button", { type: "button", class: `btn ${classes}`.trim(), ...attributes }, name && icon(name), label);
}

/** An icon alone: the words are its name and its tooltip. */
export function icon_button(label: string, name: IconName, attributes: Attributes = {}): HTMLButtonElement {
  return h("button", { type: "button", class: "ib", "aria-label": label, title: label, ...attributes }, icon(name));
}

/**
 * Off for now: `aria-disabled` keeps the focus where it is (focus that falls to the page would let the
 * notebook take the next key), and the handlers of `press` do nothing meanwhile.
 */
export function enable(element: HTMLElement, on: boolean): void {
  set(element, "aria-disabled", on ? null : "true");
}

export function is_enabled(element: Element): boolean {
  return element.getAttribute("aria-disabled") !== "true" && !element.hasAttribute("disabled");
}

/** A click handler that respects `enable`. */
export function press(action: (event: MouseEvent) => void): (event: MouseEvent) => void {
  return (event) => {
    if (is_enabled(event.currentTarget as Element)) action(event);
  };
}

interface Fitted { name: string; width: number }
const fitted = new WeakMap<Element, Fitted>();
/** To ask for the font makes the browser find every style anew: a quarter of the time of a list that scrolls. */
const rulers = new WeakMap<Element, (text: string) => number>();

/**
 * Cuts the names below `scope`, which share one font. `width`: their common width where the caller knows it,
 * because reading one makes the browser lay out; their font is that of before then. Returns the width of the first name.
 */
export function fit_names(scope: Element, width = 0): number {
  const elements = [...scope.querySelectorAll<HTMLElement>(".nm")];
  // Read every width before the first write: one layout, not one per row.
  const widths = elements.map((element) => width || element.clientWidth);
  let measure = width ? rulers.get(scope) ?? null : null;
  elements.forEach((element, k) => {
    const room = widths[k] ?? 0;
    const name = element.dataset["name"] ?? "";
    const before = fitted.get(element);
    if (room <= 0 || (before?.name === name && before.width === room)) return;
    measure ??= measurer(element);
    const ruler = measure;
    if (!ruler) return;
    rulers.set(scope, ruler);
    fitted.set(element, { name, width: room });
    const [head, hidden, tail] = middle_cut(name, (text) => ruler(text) + 4 <= room);
    // The whole name stays the row's text: for who listens to it, copies it, or looks for it in the page.
    if (hidden || element.firstElementChild) element.replaceChildren(head, ...hidden ? [h("span", { class: "cut" }, hidden), tail] : []);
  });
  return widths[0] ?? 0;
}

export async function copy_text(value: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(value);
    return true;
  } catch {
    // No permission, or a page without https: the old way.
    const area = h("textarea", { class: "sr", "aria-hidden": "true" });
    area.value = value;
    const active = document.activeElement;
    document.body.append(area);
    area.style.position = "fixed";
    area.select();
    let done = false;
    try {
      done = document.execCommand("copy");
    } catch {
      done = false;
    }
    area.remove();
    if (active instanceof HTMLElement) active.focus();
    return done;
  }
}

/** A copy button whose icon is a tick for 1.2 s. */
export function copy_button(session: Session, what: string, label: string, value: () => string, attributes: Attributes = {}): HTMLButtonElement {
  const element = icon_button(label, "copy", {
    "data-action": "copy",
    onclick: () => {
      void copy_text(value()).then((done) => {
        session.say(done ? session.t("copied", { what }) : session.t("copy_failed"), done ? "" : "warn");
        if (!done) return;
        element.replaceChildren(icon("ok", "t-ok"));
        setTimeout(() => element.replaceChildren(icon("copy")), 1_200);
      });
    },
    ...attributes,
  });
  return element;
}

/** `fresh`: it shows something else now, so it does not slide there. */
export function bar(label: string): { element: HTMLElement; update: (percent: number, kind: string, value: number | null, fresh?: boolean) => void } {
  let fill = h("i");
  const element = h("div", { class: "pb", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": label }, fill);
  return {
    element,
    update(percent, kind, value, fresh) {
      if (fresh) fill.replaceWith(fill = h("i"));
      const classes = kind === "plain" ? "pb" : `pb ${kind}`;
      if (element.className !== classes) element.className = classes;
      const width = `${percent}%`;
      if (fill.style.width !== width) fill.style.width = width;
      set(element, "aria-valuenow", value);
    },
  };
}

/** The element that has the focus, also inside a shadow root. */
export function focused_in(element: Element): Element | null {
  const root = element.getRootNode();
  const active = root instanceof ShadowRoot ? root.activeElement : document.activeElement;
  return active && element.contains(active) ? active : null;
}

export function visible(element: HTMLElement): boolean {
  // Without layout (tests) everything counts as visible.
  return element.offsetParent !== null || document.documentElement.clientWidth === 0 || element.getClientRects().length > 0;
}
