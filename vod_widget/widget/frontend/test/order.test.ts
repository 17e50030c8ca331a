import { describe, expect, it } from "vitest";
import { row, type Sent } from "./kernel";
import { name_of, open, type Page, settle } from "./page";

const names = (page: Page): (string | null | undefined)[] => page.rows().map((r) => r.querySelector(".nm")?.getAttribute("title"));
const three = () => [row("b.mp4", "Ready", { size_bytes: 1 }), row("c.mp4", "Ready", { size_bytes: 3 }), row("a.mp4", "Ready", { size_bytes: 2 })];
const sort = (page: Page): Record<string, string | null> => Object.fromEntries([...page.root.querySelectorAll("[aria-sort]")].map((e) => [(e.textContent ?? "").trim(), e.getAttribute("aria-sort")]));

describe("order", () => {
  it("sorts by a column, the other way round, and gives the queue's order back", async () => {
    const page = await open(three());
    const column = page.root.querySelector("[data-sort=name]") as HTMLElement;
    await page.click(column);
    expect(names(page)).toEqual(["a.mp4", "b.mp4", "c.mp4"]);
    expect(sort(page)).toEqual({ Name: "ascending", Size: "none", State: "none" });
    await page.click(column);
    expect(names(page)).toEqual(["c.mp4", "b.mp4", "a.mp4"]);
    await page.click(page.root.querySelector("[data-sort=size]") as HTMLElement);
    expect(names(page)).toEqual(["b.mp4", "a.mp4", "c.mp4"]);
    await page.click(page.root.querySelector("[data-sort=size]") as HTMLElement);
    await page.click(page.root.querySelector("[data-sort=size]") as HTMLElement);
    expect(names(page)).toEqual(["b.mp4", "c.mp4", "a.mp4"]);
    expect(page.kernel.last("view")).toMatchObject({ sort: "queue", descending: false });
  });
  it("reaches the columns by the arrow up from the first row", async () => {
    const page = await open(three());
    (page.rows()[0] as HTMLElement).focus();
    await page.key(page.rows()[0] as HTMLElement, "ArrowUp");
    expect(name_of(document.activeElement as Element)).toBe("Name");
    await page.key(document.activeElement as Element, "ArrowRight");
    expect(name_of(document.activeElement as Element)).toBe("Size");
    await page.key(document.activeElement as Element, "ArrowDown");
    expect(document.activeElement).toBe(page.rows()[0]);
  });
  it("moves a row with Alt and the arrows, the selected ones with their buttons, and only while the order is the queue's", async () => {
    const page = await open(three());
    const [first, second] = page.rows().map((r) => r.dataset["fileId"]);
    await page.key(page.rows()[1] as HTMLElement, "ArrowDown");
    (page.rows()[1] as HTMLElement).focus();
    await page.key(page.rows()[1] as HTMLElement, "ArrowUp", { altKey: true });
    expect(page.kernel.last("move")).toMatchObject({ file_ids: [second], where: "up" });
    await page.key(page.rows()[0] as HTMLElement, " ");
    await page.click(page.by_name("Move down"));
    expect(page.kernel.last("move")?.["where"]).toBe("down");
    const sent = page.kernel.of("move").length;
    await page.click(page.root.querySelector("[data-sort=name]") as HTMLElement);
    expect(page.by_name("Move up").getAttribute("aria-disabled")).toBe("true");
    await page.key(page.rows()[0] as HTMLElement, "ArrowDown", { altKey: true });
    expect(page.kernel.of("move")).toHaveLength(sent);
    expect(first).not.toBe(second);
  });
});

describe("the focus", () => {
  it("stays with a file that is moved, so that the next key moves it on", async () => {
    const page = await open(three());
    const last = page.rows()[2] as HTMLElement;
    const id = last.dataset["fileId"];
    last.focus();
    await page.key(last, "ArrowUp", { altKey: true });
    expect(names(page)).toEqual(["a.mp4", "b.mp4", "c.mp4"]);
    expect((document.activeElement as HTMLElement).dataset["fileId"]).toBe(id);
    await page.key(document.activeElement as Element, "ArrowDown", { altKey: true });
    expect(page.kernel.last("move")).toMatchObject({ file_ids: [id], where: "down" });
  });
});

describe("what an earlier kernel left", () => {
  it("is offered in an empty list, and comes back with one click", async () => {
    const page = await open([], (kernel) => { kernel.unfinished = { files: 2, browser: 1 }; });
    const banner = page.root.querySelector(".ban") as HTMLElement;
    expect(banner.textContent).toContain("2 files of an earlier session are not finished. 1 file from a browser goes on when added again.");
    await page.click(page.by_name("Bring back"));
    expect(page.kernel.of("take_back")).toHaveLength(1);
    expect(names(page)).toEqual(["left-0.mp4", "left-1.mp4"]);
    expect(banner.textContent).toContain("1 file from a browser goes on when added again.");
    await page.click(page.by_name("Dismiss"));
    expect(banner.hidden).toBe(true);
  });
  it("is left no more once it was added again, though other files still are", async () => {
    const page = await open([], (kernel) => { kernel.unfinished = { files: 0, browser: 2 }; });
    const banner = page.root.querySelector(".ban") as HTMLElement;
    expect(banner.textContent).toContain("2 files from a browser go on when added again.");
    page.kernel.unfinished = { files: 0, browser: 1 };
    page.kernel.rows.push(row("again.mp4", "Uploading"));
    page.kernel.snapshot();
    await settle();
    expect(banner.textContent).toContain("1 file from a browser goes on when added again.");
    page.kernel.unfinished = { files: 0, browser: 0 };
    page.kernel.rows.push(row("too.mp4", "Ready"));
    page.kernel.snapshot();
    await settle();
    expect(banner.hidden).toBe(true);
    // And then nobody asks any more.
    const asked = page.kernel.of("unfinished").length;
    page.kernel.rows.push(row("new.mp4", "Ready"));
    page.kernel.snapshot();
    await settle();
    expect(page.kernel.of("unfinished")).toHaveLength(asked);
  });
  it("is counted once at a time, and once more when the list grew meanwhile", async () => {
    const page = await open([], (kernel) => { kernel.unfinished = { files: 0, browser: 9 }; });
    page.kernel.on_intent = (message) => message.kind === "unfinished" ? "silent" : undefined;
    const asked = page.kernel.of("unfinished").length;
    for (const name of ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]) {
      page.kernel.rows.push(row(name, "Ready"));
      page.kernel.snapshot();
      await settle();
    }
    expect(page.kernel.of("unfinished")).toHaveLength(asked + 1);
    page.kernel.on_intent = null;
    page.kernel.unfinished = { files: 0, browser: 5 };
    page.kernel.answer(page.kernel.last("unfinished") as Sent, page.kernel.unfinished);
    await settle();
    expect(page.kernel.of("unfinished")).toHaveLength(asked + 2);
    expect(page.root.querySelector(".ban")?.textContent).toContain("5 files from a browser go on when added again.");
  });
  it("is looked for again when keys come, which lead to another place", async () => {
    const page = await open([], (kernel) => { kernel.current_profile = null; });
    const banner = page.root.querySelector(".ban") as HTMLElement;
    expect(banner.hidden).toBe(true);
    page.kernel.unfinished = { files: 1, browser: 0 };
    page.kernel.current_profile = "prod";
    page.kernel.snapshot();
    await settle();
    expect(banner.textContent).toContain("1 file of an earlier session is not finished.");
    expect(page.kernel.of("unfinished")).toHaveLength(2);
  });
  it("is not asked for where files of the kernel are not allowed", async () => {
    const page = await open([], (kernel) => { kernel.policy = { sources: ["browser"] }; });
    expect(page.kernel.of("unfinished")).toHaveLength(0);
  });
  it("says limits before anything is refused", async () => {
    const page = await open([], (kernel) => {
      kernel.policy = { sources: ["browser"] };
      kernel.on_intent = (m) => m.kind === "hello" ? { data: { session: "s", page: 1, token: "page-token", policy: { sources: ["browser"] }, roots: [],
        limits: { max_files: 100, max_file_bytes: 2e10, max_total_bytes: 1e11 }, profiles: [], current_profile: null } } : undefined;
    });
    page.kernel.snapshot();
    expect(page.root.querySelector(".empty")?.textContent).toContain("At most 100 files, 20.0 GB each and 100 GB together.");
  });
  it("is chosen by a select where rows are cards, and says what the columns say", async () => {
    const page = await open([row("b.mp4", "Ready"), row("a.mp4", "Ready")]);
    const select = page.root.querySelector("[data-action=order]") as HTMLSelectElement;
    select.value = "-name";
    select.dispatchEvent(new Event("change"));
    await settle();
    expect(page.kernel.last("view")).toMatchObject({ sort: "name", descending: true });
    await page.click(page.by_name("Name"));
    expect(select.value).toBe("queue");
  });
});

describe("a row that is dragged by its picture", () => {
  const at = (type: string, y: number): PointerEvent => new PointerEvent(type, { bubbles: true, cancelable: true, clientY: y, pointerId: 1 });
  // Nothing is laid out here: rows are 40 px high and begin at 0.
  const pull = async (page: Page, name: string, from: number, to: number, ...then: string[]): Promise<void> => {
    page.row(name).querySelector(".th")?.dispatchEvent(at("pointerdown", from));
    document.dispatchEvent(at("pointermove", to));
    await settle();
    for (const type of then.length ? then : ["pointerup"]) document.dispatchEvent(type === "Escape" ? new KeyboardEvent("keydown", { key: type, bubbles: true }) : at(type, to));
    await settle();
  };
  const abc = async (): Promise<Page> => {
    const page = await open(["a.mp4", "b.mp4", "c.mp4", "d.mp4"].map((name) => row(name, "Ready")));
    await page.click(page.by_name("Open details of a.mp4")); // what is needed for it has come
    await page.click(page.by_name("Close"));
    return page;
  };
  it("stands where it is let go, alone or with all that are selected", async () => {
    const page = await abc();
    await pull(page, "d.mp4", 140, 41);
    expect(names(page)).toEqual(["a.mp4", "d.mp4", "b.mp4", "c.mp4"]);
    await pull(page, "a.mp4", 20, 500);
    expect(names(page)).toEqual(["d.mp4", "b.mp4", "c.mp4", "a.mp4"]);
    expect(page.kernel.last("place")?.["before"]).toBe("");
    for (const name of ["b.mp4", "a.mp4"]) await page.click(page.row(name).querySelector("input")!);
    await pull(page, "a.mp4", 140, 0);
    expect(names(page)).toEqual(["b.mp4", "a.mp4", "d.mp4", "c.mp4"]);
    expect(page.root.querySelectorAll(".rows > *"), "no mark is left").toHaveLength(1);
  });
  it("stays where it was when nothing is meant, or Escape takes it back", async () => {
    const page = await abc();
    await pull(page, "b.mp4", 60, 63);
    await pull(page, "b.mp4", 60, 45);
    await pull(page, "b.mp4", 60, 80);
    await pull(page, "b.mp4", 60, 150, "Escape", "pointerup");
    await pull(page, "b.mp4", 60, 150, "pointercancel", "pointerup");
    expect(page.root.querySelectorAll(".rows > *")).toHaveLength(1);
    await page.click(page.root.querySelector("[data-sort=name]")!);
    await pull(page, "b.mp4", 60, 150);
    expect(page.kernel.of("place")).toEqual([]);
  });
  it("shows where it would stand, and only a list in its order has rows to drag", async () => {
    const page = await abc();
    page.row("c.mp4").querySelector(".th")?.dispatchEvent(at("pointerdown", 100));
    document.dispatchEvent(at("pointermove", 41));
    expect(page.root.querySelector<HTMLElement>(".rows > :last-child")?.style.top).toBe("39px");
    expect(page.rows().map((r) => r.style.opacity)).toEqual(["", "", ".5", ""]);
    document.dispatchEvent(at("pointercancel", 41));
    expect(page.rows().map((r) => r.style.opacity).join("")).toBe("");
    expect(page.root.querySelector("[data-order]")).not.toBeNull();
    await page.click(page.root.querySelector("[data-sort=name]")!);
    expect(page.root.querySelector("[data-order]")).toBeNull();
    const stranger = await open([row("a.mp4", "Ready"), row("b.mp4", "Ready")], (kernel) => { kernel.policy = { ...kernel.policy, steer: false }; });
    await stranger.click(stranger.row("b.mp4").querySelector("input")!);
    expect(stranger.root.querySelector("[data-order]")).toBeNull();
    expect(stranger.by_name("Move up").getAttribute("aria-disabled"), "the kernel would refuse it").toBe("true");
  });
});
