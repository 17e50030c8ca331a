/**
 * Elements from code. Text reaches the page as text nodes and attributes only; there is no way in here to
 * parse a string as markup, and links go to http or https only.
 */

export type Child = Node | string | number | null | undefined | false | Child[];
type Value = string | number | boolean | null | undefined | ((event: never) => void);
export type Attributes = Record<string, Value>;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K, attributes?: Attributes | null, ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) set(element, name, value);
  append(element, children);
  return element;
}

export function set(element: Element, name: string, value: Value): void {
  if (name.startsWith("on")) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    return;
  }
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (name === "href" && !/^https?:\/\//i.test(text)) return;
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

export function append(parent: Element, children: Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(parent, child);
    else parent.append(child instanceof Node ? child : String(child));
  }
}

/** Writes only what differs: a text node that is replaced is spoken again and loses the selection. */
export function text(element: Element, value: string): void {
  if (element.textContent !== value) element.textContent = value;
}

export function replace(parent: Element, ...children: Child[]): void {
  parent.replaceChildren();
  append(parent, children);
}

let last_uid = 0;
/** An id for label-for and aria-controls, unique over all widgets of the page. */
export function uid(): string {
  last_uid += 1;
  return `vod-widget-${last_uid}-${Math.floor(Math.random() * 1e9).toString(36)}`;
}

/** What is drawn where an element's text would not fit; null when the page cannot measure. */
let canvas: CanvasRenderingContext2D | null | undefined;
export function measurer(element: Element): ((text: string) => number) | null {
  if (canvas === undefined) {
    try {
      canvas = document.createElement("canvas").getContext("2d");
    } catch {
      canvas = null;
    }
  }
  if (!canvas) return null;
  const context = canvas;
  const { fontWeight, fontSize, fontFamily } = getComputedStyle(element);
  return (value) => {
    context.font = `${fontWeight} ${fontSize} ${fontFamily}`;
    return context.measureText(value).width;
  };
}
