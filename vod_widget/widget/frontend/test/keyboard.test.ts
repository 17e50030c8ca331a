import { describe, expect, it } from "vitest";
import type { Row } from "../src/protocol";
import { row } from "./kernel";
import { name_of, open, settle } from "./page";

const files = (n: number, state: Row["state"] = "Ready"): Row[] => Array.from({ length: n }, (_, k) => row(`clip-${String(k + 1).padStart(5, "0")}.mp4`, state));
const focused = (): Element | null => document.activeElement;

describe("keys", () => {
  it("moves by arrows, one tab stop for the grid", async () => {
    const page = await open(files(20));
    expect(page.rows().filter((r) => r.tabIndex === 0)).toHaveLength(1);
    page.rows()[0]?.focus();
    await page.key(focused() as Element, "ArrowDown");
    await page.key(focused() as Element, "ArrowDown");
    expect(focused()).toBe(page.row("clip-00003.mp4"));
    await page.key(focused() as Element, "ArrowUp");
    expect(focused()).toBe(page.row("clip-00002.mp4"));
    await page.key(focused() as Element, "End");
    expect(focused()).toBe(page.row("clip-00020.mp4"));
    await page.key(focused() as Element, "Home");
    expect(focused()).toBe(page.row("clip-00001.mp4"));
    expect(page.rows().filter((r) => r.tabIndex === 0)).toHaveLength(1);
  });
  it("End leads to the last row, which has the focus when it has come", async () => {
    const page = await open(files(2_000));
    page.rows()[0]?.focus();
    await page.key(focused() as Element, "End");
    await settle(2_000);
    expect(focused()).toBe(page.row("clip-02000.mp4"));
    await page.key(focused() as Element, "Home");
    await settle(2_000);
    expect(focused()).toBe(page.row("clip-00001.mp4"));
  });
  it("lets go of what another page removed", async () => {
    const page = await open(files(3));
    page.rows()[0]?.focus();
    await page.key(focused() as Element, "a", { ctrlKey: true });
    expect(page.root.querySelector(".nsel")?.textContent).toBe("3 selected");
    page.kernel.rows.splice(0, 1);
    page.kernel.snapshot();
    await settle();
    expect(page.root.querySelector(".nsel")?.textContent).toBe("2 selected");
  });
  it("goes into the row's controls and back", async () => {
    const page = await open(files(2));
    page.rows()[0]?.focus();
    await page.key(focused() as Element, "ArrowRight");
    expect((focused() as HTMLInputElement).type).toBe("checkbox");
    await page.key(focused() as Element, "ArrowRight");
    expect(name_of(focused() as Element)).toBe("Remove clip-00001.mp4");
    await page.key(focused() as Element, "ArrowLeft");
    await page.key(focused() as Element, "ArrowLeft");
    expect(focused()).toBe(page.rows()[0]);
  });
  it("selects by Space, extends by Shift, takes all by Ctrl+A, and Escape lets go", async () => {
    const page = await open(files(450));
    page.rows()[0]?.focus();
    await page.key(focused() as Element, " ");
    await page.key(focused() as Element, "ArrowDown", { shiftKey: true });
    await page.key(focused() as Element, "ArrowDown", { shiftKey: true });
    expect(page.root.querySelector(".nsel")?.textContent).toBe("3 selected");
    expect(page.rows().filter((r) => r.getAttribute("aria-selected") === "true")).toHaveLength(3);
    await page.key(focused() as Element, "a", { ctrlKey: true });
    await settle(2000);
    expect(page.root.querySelector(".nsel")?.textContent).toBe("450 selected");
    await page.click(page.root.querySelector("[data-action=selected-remove]") as Element);
    expect(page.kernel.last("remove")?.["file_ids"]).toHaveLength(450);
    expect(page.root.querySelector(".nsel"), "what is gone is selected no more").toBeNull();
  });
  it("extends by Shift with every key that moves, also over rows that were never drawn", async () => {
    const page = await open(files(2_000));
    const selected = (): string | null | undefined => page.root.querySelector(".nsel")?.textContent;
    page.rows()[0]?.focus();
    await page.key(focused() as Element, "ArrowDown");
    await page.key(focused() as Element, "PageDown", { shiftKey: true });
    expect(selected()).toBe("6 selected");
    await page.key(focused() as Element, "End", { shiftKey: true });
    await settle(4_000);
    expect(selected()).toBe("1,999 selected");
    await page.key(focused() as Element, "Home", { shiftKey: true });
    await settle(2_000);
    expect(selected()).toBe("2 selected");
  });
  it("moves a file to the top and to the end of the queue by Alt, and many by Shift on their buttons", async () => {
    const page = await open(files(9));
    const [first, second] = page.rows().map((r) => r.dataset["fileId"]);
    page.rows()[1]?.focus();
    for (const [key, where] of [["Home", "first"], ["End", "last"], ["ArrowUp", "up"]]) {
      await page.key(page.row("clip-00002.mp4"), key!, { altKey: true });
      expect(page.kernel.last("move")).toMatchObject({ file_ids: [second], where });
    }
    const asked = page.kernel.of("move").length;
    await page.key(page.row("clip-00002.mp4"), "PageUp", { altKey: true });
    expect(page.kernel.of("move")).toHaveLength(asked);
    for (const name of ["clip-00001.mp4", "clip-00002.mp4"]) await page.click(page.row(name).querySelector("input")!);
    for (const [way, far] of [["up", "first"], ["down", "last"]]) {
      const button = page.root.querySelector(`[data-action=selected-${way}]`) as HTMLElement;
      expect(button.title).toMatch(/with Shift, to the (top|end)$/);
      for (const shiftKey of [false, true]) {
        button.dispatchEvent(new MouseEvent("click", { bubbles: true, shiftKey }));
        await settle();
        expect(page.kernel.last("move")?.["where"]).toBe(shiftKey ? far : way);
      }
    }
    expect(new Set(page.kernel.last("move")?.["file_ids"] as string[])).toEqual(new Set([first, second]));
  });
  it("lets go of what it removed alone, says how much, and keeps the focus inside", async () => {
    const page = await open([...files(4), row("done.mp4", "Success"), row("failed.mp4", "Failure")]);
    page.rows()[0]?.focus();
    await page.key(focused() as Element, " ");
    await page.key(focused() as Element, "ArrowDown", { shiftKey: true });
    await page.click(page.row("clip-00001.mp4").querySelector("[data-action=remove]") as Element);
    expect(page.root.querySelector(".nsel")?.textContent).toBe("1 selected");
    expect(page.status()).toBe("1 file cleared.");
    for (const name of ["done.mp4", "failed.mp4"]) await page.click(page.row(name).querySelector("input") as Element);
    page.kernel.on_intent = (m) => m.kind === "clear" ? { data: { removed: 1 } } : undefined;
    for (const [which, left] of [["done", 2], ["failed", 1]]) {
      await page.click(page.root.querySelector("[data-action=clear]") as Element);
      await page.click(page.root.querySelector(`[data-action=clear-${which}]`) as Element);
      expect(page.root.querySelector(".nsel")?.textContent).toBe(`${left} selected`);
    }
    const remove = page.root.querySelector("[data-action=selected-remove]") as HTMLElement;
    remove.focus();
    await page.click(remove);
    expect(page.root.querySelector(".nsel")).toBeNull();
    expect(page.root.querySelector(".grid")?.contains(focused())).toBe(true);
  });
  it("removes by Delete, or cancels what is sent; and focus stays inside", async () => {
    const page = await open([...files(2), row("u.mp4", "Uploading")]);
    page.rows()[0]?.focus();
    await page.key(focused() as Element, "Delete");
    expect(page.kernel.of("remove")).toHaveLength(1);
    expect(page.root.contains(focused())).toBe(true);
    expect(focused()).toBe(page.row("clip-00002.mp4"));
    page.row("u.mp4").focus();
    await page.key(focused() as Element, "Delete");
    expect(page.kernel.of("cancel")).toHaveLength(1);
  });
  it("opens detail by Enter, and Escape closes it and gives the focus back", async () => {
    const page = await open(files(2));
    page.rows()[1]?.focus();
    await page.key(focused() as Element, "Enter");
    expect(page.root.querySelector(".side")?.getAttribute("aria-label")).toBe("Details of clip-00002.mp4");
    expect(focused()?.getAttribute("role")).toBe("tab");
    await page.key(focused() as Element, "Escape");
    expect(page.root.querySelector(".side")).toBeNull();
    expect(focused()).toBe(page.row("clip-00002.mp4"));
  });
  it("lets no key out to the notebook", async () => {
    const page = await open(files(2));
    expect(page.root.getAttribute("data-lm-suppress-shortcuts")).toBe("true");
    const leaked: string[] = [];
    const listener = (event: Event): void => { leaked.push((event as KeyboardEvent).key); };
    document.addEventListener("keydown", listener);
    // Notebook 7 listens here, and its shortcuts mean whatever has the focus in a notebook.
    const before = (event: Event): void => { if (!(event.target as Element).hasAttribute("data-lm-suppress-shortcuts")) listener(event); };
    document.addEventListener("keydown", before, true);
    page.rows()[0]?.focus();
    for (const key of ["b", "a", "d", "d", "Enter", "Escape", "/", "x"]) await page.key(focused() as Element, key);
    document.removeEventListener("keydown", listener);
    document.removeEventListener("keydown", before, true);
    expect(leaked).toEqual([]);
    expect(focused()).toBe(page.by_name("Search names"));
  });
  it("takes the last row out of the page and keeps the focus in the widget", async () => {
    const page = await open(files(1));
    page.rows()[0]?.focus();
    await page.key(focused() as Element, "Delete");
    await settle();
    expect(page.rows()).toHaveLength(0);
    expect(page.root.querySelector(".empty")?.contains(focused())).toBe(true);
  });
  it("keeps the focus on a button whose row is rebuilt", async () => {
    const page = await open([row("u.mp4", "Uploading", { phase: "authorizing" })]);
    page.by_name("Cancel u.mp4").focus();
    page.kernel.send_rows([{ ...page.kernel.rows[0] as Row, phase: "sending", progress: 0.2 }]);
    await settle();
    expect(name_of(focused() as Element)).toBe("Cancel u.mp4");
    expect(focused()?.isConnected).toBe(true);
  });
});

describe("the mouse", () => {
  const press = async (element: Element, more: MouseEventInit = {}, type = "click"): Promise<MouseEvent> => {
    const down = new MouseEvent("mousedown", { bubbles: true, cancelable: true, detail: type === "click" ? 1 : 2, ...more });
    element.dispatchEvent(down);
    element.dispatchEvent(new MouseEvent(type, { bubbles: true, cancelable: true, ...more }));
    await settle();
    return down;
  };
  it("chooses as in a file manager: one more with Ctrl, all between with Shift, by the boxes too", async () => {
    const page = await open(files(6));
    const numbers = (): number[] => page.rows().flatMap((r, k) => r.getAttribute("aria-selected") === "true" ? [k + 1] : []);
    const [name, box] = [".nm", "input"].map((part) => (k: number): Element => page.row(`clip-0000${k}.mp4`).querySelector(part) as Element) as [(k: number) => Element, (k: number) => Element];
    await press(name(2));
    expect(numbers(), "a plain click chooses nothing: it would take away what was chosen").toEqual([]);
    const down = await press(name(4), { shiftKey: true });
    expect(numbers()).toEqual([2, 3, 4]);
    expect(down.defaultPrevented, "no words are selected").toBe(true);
    expect(focused()).toBe(page.row("clip-00004.mp4"));
    await press(name(3), { ctrlKey: true });
    expect(numbers()).toEqual([2, 4]);
    await press(name(6), { metaKey: true });
    expect(numbers()).toEqual([2, 4, 6]);
    await press(box(1));
    await press(box(6), { shiftKey: true });
    expect(numbers(), "that box was let go, and all up to it").toEqual([]);
    await press(box(5));
    await press(box(3), { shiftKey: true });
    expect(numbers()).toEqual([3, 4, 5]);
  });
  it("opens a file by two clicks on its row, not on its controls", async () => {
    const page = await open(files(2));
    await press(page.row("clip-00002.mp4").querySelector("[data-action=remove]") as Element, {}, "dblclick");
    await press(page.row("clip-00002.mp4").querySelector("label") as Element, {}, "dblclick");
    expect(page.root.querySelector(".side")).toBeNull();
    const down = await press(page.row("clip-00002.mp4").querySelector(".sz") as Element, {}, "dblclick");
    expect(down.defaultPrevented).toBe(true);
    expect(page.root.querySelector(".side")?.getAttribute("aria-label")).toBe("Details of clip-00002.mp4");
  });
});
