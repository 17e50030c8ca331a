/** A menu under a button: arrows, Home, End, Escape, and the focus back where it came from. */
import { h } from "../dom";
import { icon, type IconName } from "../icons";
import { is_enabled } from "./parts";

export interface Item {
  label: string;
  sub: string;
  icon: IconName;
  action: string;
  off?: boolean;
  /** Returns a text to ask once more instead of acting. */
  sure?: () => string | null;
  run: () => void;
}

export class Menu {
  #element: HTMLElement | null = null;
  readonly #outside = (event: Event): void => {
    const path = event.composedPath();
    if (this.#element && !path.includes(this.#element) && !path.includes(this.opener)) this.close(false);
  };

  readonly #root: HTMLElement;
  readonly #items: () => Item[];

  constructor(root: HTMLElement, readonly opener: HTMLElement, items: () => Item[]) {
    this.#root = root;
    this.#items = items;
    opener.setAttribute("aria-haspopup", "menu");
    opener.setAttribute("aria-expanded", "false");
    opener.addEventListener("click", () => {
      if (!is_enabled(opener)) return;
      if (this.#element) this.close(true);
      else this.open();
    });
    opener.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" || !is_enabled(opener)) return;
      event.preventDefault();
      this.open();
    });
  }

  get is_open(): boolean {
    return this.#element !== null;
  }

  open(): void {
    this.close(false);
    const menu = h("div", { class: "menu", role: "menu", "aria-label": this.opener.textContent, onkeydown: (event: KeyboardEvent) => this.#key(event) });
    for (const item of this.#items()) {
      const label = h("span", null, item.label);
      const button = h("button", {
        type: "button", role: "menuitem", tabindex: -1, "data-action": item.action, disabled: item.off === true,
        onclick: () => {
          const question = item.sure?.() ?? null;
          // Once: how many there are goes on changing while somebody reads.
          if (question !== null && !label.className) {
            label.textContent = question;
            label.className = "t-err";
            return;
          }
          this.close(true);
          item.run();
        },
      }, icon(item.icon), label, h("small", null, item.sub));
      menu.append(button);
    }
    const frame = this.#root.getBoundingClientRect();
    const at = this.opener.getBoundingClientRect();
    menu.style.top = `${at.bottom - frame.top + 2}px`;
    this.#root.append(menu);
    const room = this.#root.clientWidth - menu.offsetWidth - 4;
    menu.style.left = `${Math.max(4, Math.min(at.left - frame.left, room))}px`;
    this.#element = menu;
    this.opener.setAttribute("aria-expanded", "true");
    this.#entries()[0]?.focus();
    document.addEventListener("pointerdown", this.#outside, true);
  }

  close(give_back: boolean): void {
    if (!this.#element) return;
    this.#element.remove();
    this.#element = null;
    this.opener.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", this.#outside, true);
    if (give_back) this.opener.focus();
  }

  #entries(): HTMLElement[] {
    return [...this.#element?.querySelectorAll<HTMLElement>("[role=menuitem]:not([disabled])") ?? []];
  }

  #key(event: KeyboardEvent): void {
    const entries = this.#entries();
    const at = entries.indexOf(event.target as HTMLElement);
    const go = (to: number): void => {
      event.preventDefault();
      entries[(to + entries.length) % entries.length]?.focus();
    };
    switch (event.key) {
      case "ArrowDown": go(at + 1); return;
      case "ArrowUp": go(at - 1); return;
      case "Home": go(0); return;
      case "End": go(-1); return;
      case "Escape":
        event.preventDefault();
        event.stopPropagation();
        this.close(true);
        return;
      case "Tab": this.close(true); return;
      default:
    }
  }
}
