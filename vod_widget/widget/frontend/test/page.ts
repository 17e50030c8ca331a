/** A page with one widget in it and a fake kernel behind, and short ways to look at it. */
import { afterEach, vi } from "vitest";
import widget from "../src/index";
import type { Row } from "../src/protocol";
import { FakeKernel } from "./kernel";

export interface Page {
  kernel: FakeKernel;
  root: HTMLElement;
  module: ReturnType<typeof widget>;
  close: () => void;
  rows: () => HTMLElement[];
  row: (name: string) => HTMLElement;
  by_name: (name: string, within?: Element) => HTMLElement;
  status: () => string;
  click: (element: Element) => Promise<void>;
  key: (element: Element, key: string, more?: KeyboardEventInit) => Promise<KeyboardEvent>;
  type: (input: Element, value: string) => Promise<void>;
}

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
  document.body.replaceChildren();
  vi.useRealTimers();
});

/** Lets messages travel and frames be drawn. Tests run on fake timers, so nothing waits for real. */
export async function settle(ms = 400): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

export function name_of(element: Element): string {
  return (element.getAttribute("aria-label") ?? element.textContent ?? "").trim();
}

export async function open(rows: Row[] = [], prepare: (kernel: FakeKernel) => void = () => undefined): Promise<Page> {
  vi.useFakeTimers();
  const kernel = new FakeKernel(rows);
  prepare(kernel);
  const module = widget();
  const el = document.createElement("div");
  document.body.append(el);
  const cleanup_model = module.initialize({ model: kernel });
  const cleanup_view = module.render({ model: kernel, el });
  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    cleanup_view();
    cleanup_model();
  };
  closers.push(close);
  // There is no layout here; the list is 240 px high.
  for (const grid of el.querySelectorAll(".grid")) Object.defineProperty(grid, "clientHeight", { configurable: true, value: 240 });
  await settle();
  const root = el.querySelector<HTMLElement>(".vod-widget");
  if (!root) throw new Error("no root");
  const all = (): HTMLElement[] => [...root.querySelectorAll<HTMLElement>("[role=row][data-file-id]")];
  return {
    kernel, root, module, close,
    rows: all,
    row: (name) => {
      const found = all().find((row) => row.querySelector(".nm")?.getAttribute("title") === name);
      if (!found) throw new Error(`no row ${name}`);
      return found;
    },
    by_name: (name, within = root) => {
      const found = [...within.querySelectorAll<HTMLElement>("button,a,input,select,[role=tab]")].find((e) => name_of(e) === name);
      if (!found) throw new Error(`nothing is called ${name}`);
      return found;
    },
    status: () => root.querySelector("[role=status]")?.textContent ?? "",
    click: async (element) => {
      (element as HTMLElement).click();
      await settle();
    },
    key: async (element, key, more = {}) => {
      const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, composed: true, ...more });
      element.dispatchEvent(event);
      await settle();
      return event;
    },
    type: async (input, value) => {
      (input as HTMLInputElement).value = value;
      input.dispatchEvent(new Event("input", { bubbles: true }));
      await settle();
    },
  };
}
