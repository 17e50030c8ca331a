import { describe, expect, it, vi } from "vitest";
import type { Row, Summary } from "../src/protocol";
import { row } from "./kernel";
import { name_of, open, type Page, settle } from "./page";

const files = (n: number, state: Row["state"] = "Ready"): Row[] => Array.from({ length: n }, (_, k) => row(`clip-${String(k + 1).padStart(5, "0")}.mp4`, state));
const pressed = (page: Page): string[] => [...page.root.querySelectorAll<HTMLElement>(".bar .btn")].filter((b) => b.getAttribute("aria-disabled") !== "true").map(name_of);

describe("the queue", () => {
  it("lets Start and Stop follow the kernel, and holds a pressed button until the answer", async () => {
    const page = await open(files(2), (kernel) => { kernel.state = "Init"; });
    expect(pressed(page)).toContain("Start");
    expect(pressed(page)).not.toContain("Stop");
    page.kernel.on_intent = (m) => m.kind === "start" ? "silent" : undefined;
    await page.click(page.by_name("Start"));
    expect(pressed(page)).not.toContain("Start");
    await page.click(page.by_name("Start"));
    expect(page.kernel.of("start")).toHaveLength(1);
    await settle(10_000);
    expect(page.status()).toContain("Start: the kernel did not answer in 10 s");
    expect(pressed(page)).toContain("Start");
  });
  it("says no more of what was before Start", async () => {
    const page = await open(files(3), (kernel) => { kernel.state = "Init"; });
    await page.click(page.row("clip-00003.mp4").querySelector("[data-action=remove]") as Element);
    expect(page.status()).toBe("1 file cleared.");
    await page.click(page.by_name("Start"));
    expect(page.status()).toBe("");
  });
  it("says after Stop what is left, and not what was said while files were sent", async () => {
    const all = files(3, "Uploading");
    const page = await open(all);
    Object.assign(all[0]!, { state: "Success" });
    page.kernel.snapshot();
    page.kernel.down({ kind: "note", code: "file_done", facts: { name: "clip-00001.mp4" } });
    await settle();
    expect(page.status()).toBe("clip-00001.mp4 is done. 1 of 3 done, 0 failed.");
    page.kernel.state = "Stop";
    page.kernel.snapshot();
    await settle();
    expect(page.status()).toBe("Stopped. 2 files are left; press Start to go on.");
    // What happens then is said again.
    Object.assign(all[1]!, { state: "Expired" });
    page.kernel.snapshot();
    page.kernel.down({ kind: "note", code: "keys_needed", facts: { name: "clip-00002.mp4" } });
    await settle(6_000);
    expect(page.status()).toBe("New keys are needed to go on.");
    page.kernel.snapshot();
    await settle();
    expect(page.status()).toBe("New keys are needed to go on.");
  });
  it("says that keys are needed only while they are: code of the notebook may give new ones by itself", async () => {
    const all = files(3, "Uploading");
    const page = await open(all);
    const expire = async (): Promise<void> => {
      Object.assign(all[1]!, { state: "Expired" });
      page.kernel.send_rows([all[1]!]);
      page.kernel.down({ kind: "note", code: "keys_needed", facts: { name: "clip-00002.mp4" } });
    };
    const renew = (): void => {
      Object.assign(all[1]!, { state: "Uploading" });
      page.kernel.send_rows([all[1]!]);
    };
    await expire();
    renew();
    await settle(6_000);
    expect(page.status(), "they came before it was said").toBe("");
    await expire();
    await settle(6_000);
    expect(page.status()).toBe("New keys are needed to go on.");
    renew();
    await settle();
    expect(page.status(), "they came").toBe("");
    await expire();
    page.kernel.state = "Expire";
    Object.assign(all[0]!, { state: "Success" });
    page.kernel.snapshot();
    page.kernel.down({ kind: "note", code: "file_done", facts: { name: "clip-00001.mp4" } });
    await settle(6_000);
    expect(page.status(), "nothing else is sent").toBe("clip-00001.mp4 is done. New keys are needed to go on. 1 of 3 done, 0 failed.");
  });
  it("sends the intent of each row button for that file alone", async () => {
    const all = [row("u.mp4", "Uploading"), row("s.mp4", "Stopped"), row("f.mp4", "Failure", { error: { code: "Source.Read", message: "", next_step: "retry" } }), row("r.mp4", "Ready")];
    const page = await open(all);
    const expected = [["Pause u.mp4", "pause", 0], ["Cancel u.mp4", "cancel", 0], ["Resume s.mp4", "resume", 1], ["Retry f.mp4", "retry", 2], ["Remove f.mp4", "remove", 2], ["Remove r.mp4", "remove", 3]] as const;
    page.kernel.on_intent = (m) => m["file_ids"] ? { data: { changed: 1 } } : undefined;
    for (const [label, kind, k] of expected) {
      const control = page.by_name(label);
      expect(control.dataset["action"]).toBe(kind);
      await page.click(control);
      expect(page.kernel.last(kind)?.["file_ids"]).toEqual([all[k]?.file_id]);
    }
  });
  it("says a refusal in the status line and changes nothing", async () => {
    const page = await open(files(1));
    page.kernel.on_intent = (m) => m.kind === "remove" ? { error: { code: "Policy", message: "Not allowed" } } : undefined;
    await page.click(page.by_name("Remove clip-00001.mp4"));
    expect(page.status()).toBe("Remove: not allowed here.");
    expect(page.rows()).toHaveLength(1);
  });
  it("shows counts that sum and filters in the kernel", async () => {
    const page = await open([...files(3), row("d.mp4", "Success"), row("f.mp4", "Failure"), row("c.mp4", "Canceled")]);
    const segments = [...page.root.querySelectorAll(".seg [data-filter]")].map((e) => e.textContent);
    expect(segments).toEqual(["All 6", "Uploading 0", "Ready 3", "Stopped 1", "Failed 1", "Done 1"]);
    await page.click(page.root.querySelector("[data-filter=done]") as Element);
    expect(page.kernel.last("view")).toMatchObject({ filter: "done", first: 0 });
    expect(page.rows()).toHaveLength(1);
    await page.click(page.root.querySelector("[data-filter=all]") as Element);
    await page.type(page.by_name("Search names"), "d.m");
    expect(page.kernel.last("view")).toMatchObject({ search: "d.m" });
    expect(page.rows()).toHaveLength(1);
    await page.type(page.by_name("Search names"), "nothing");
    expect(page.root.querySelector(".empty")?.textContent).toContain("No file matches");
    await page.click(page.by_name("Show all"));
    expect(page.rows()).toHaveLength(6);
  });
  it("keeps bars and percent honest", async () => {
    const page = await open([row("a.mp4", "Uploading", { progress: 1, size_bytes: 100 })]);
    expect(page.root.querySelector(".pct")?.textContent).toBe("99 %");
    expect(page.row("a.mp4").querySelector("[role=progressbar]")?.getAttribute("aria-valuenow")).toBe("99");
    Object.assign(page.kernel.rows[0] as Row, { state: "Success", phase: "" });
    page.kernel.state = "End";
    page.kernel.snapshot();
    await settle();
    expect(page.root.querySelector(".pct")?.textContent).toBe("100 %");
  });
  it("writes bars at most four times a second", async () => {
    const page = await open([row("a.mp4", "Uploading", { progress: 0 })]);
    const writes: string[] = [];
    const bar = page.row("a.mp4").querySelector<HTMLElement>(".pb i") as HTMLElement;
    new MutationObserver(() => writes.push(bar.style.width)).observe(bar, { attributes: true });
    for (let k = 1; k <= 40; k++) {
      page.kernel.send_rows([{ ...page.kernel.rows[0] as Row, progress: k / 50 }]);
      await vi.advanceTimersByTimeAsync(25);
    }
    await settle();
    expect(writes.length).toBeLessThanOrEqual(6);
    expect(bar.style.width).toBe("80%");
  });
  it("tells the end once, with a way to copy every id", async () => {
    const copied = vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
    const page = await open(Array.from({ length: 430 }, (_, k) => row(`f${k}.mp4`, "Success", { video_id: `id-${k}` })), (kernel) => {
      kernel.state = "End";
      kernel.summary_more = { took_s: 65.2 };
    });
    const banner = page.root.querySelector(".ban") as HTMLElement;
    expect(banner.textContent).toContain("430 files are stored.");
    expect(banner.textContent).toMatch(/B in 1\u00a0min\u00a05\u00a0s\. Every file/);
    await page.click(page.by_name("Copy 430 ids"));
    await settle(2000);
    expect(copied).toHaveBeenCalledWith(Array.from({ length: 430 }, (_, k) => `id-${k}`).join("\n"));
    expect(page.status()).toBe("430 ids copied");
    await page.click(page.by_name("Dismiss"));
    expect(banner.hidden).toBe(true);
  });
  it("names in the copied table what the ids are", async () => {
    const copied = vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
    const rows = [row("a.mp4", "Success", { video_id: "v", size_bytes: 5 }), row("b.png", "Success", { image_id: "i", size_bytes: 7 })];
    const page = await open(rows, (kernel) => { kernel.state = "End"; });
    await page.click(page.root.querySelector("[data-action=copy-table]") as Element);
    await settle(2000);
    expect(copied).toHaveBeenLastCalledWith("Name\tSize\tVideoId / ImageId\na.mp4\t5\tv\nb.png\t7\ti");
  });
  it("puts Retry first when some failed", async () => {
    const page = await open([row("a.mp4", "Success", { video_id: "x" }), row("b.mp4", "Failure")], (kernel) => { kernel.state = "End"; });
    await page.click(page.by_name("Retry 1 failed"));
    expect(page.kernel.of("retry_failed")).toHaveLength(1);
  });
  it.each(["Retry b.mp4", "Retry 1 failed"])("says no more that a file failed once it is sent again (%s)", async (button) => {
    const page = await open([row("a.mp4", "Success", { video_id: "x" }), row("b.mp4", "Failure")], (kernel) => { kernel.state = "End"; });
    page.kernel.down({ kind: "note", code: "file_failed", facts: { name: "b.mp4", code: "Source.Changed" } });
    await settle(6000);
    expect(page.status()).toContain("b.mp4 failed");
    await page.click(page.by_name(button));
    expect(page.status()).not.toContain("b.mp4 failed");
  });
  it("gathers what ended into one sentence", async () => {
    const page = await open([row("a.mp4", "Success"), row("b.mp4", "Uploading")]);
    page.kernel.down({ kind: "note", code: "file_done", facts: { name: "a.mp4" } });
    await settle(6000);
    expect(page.status()).toBe("a.mp4 is done. 1 of 2 done, 0 failed.");
    page.kernel.down({ kind: "note", code: "file_done", facts: { name: "z.mp4", count: 7 } });
    page.kernel.down({ kind: "note", code: "file_failed", facts: { name: "b.mp4", code: "Source.Changed" } });
    await settle(6000);
    expect(page.status()).toBe("7 files are done. b.mp4 failed: the file changed while it was sent. 1 of 2 done, 0 failed.");
    page.kernel.down({ kind: "note", code: "file_failed", facts: { name: "b.mp4", code: "InvalidArgument", message: "the storage refused PutObject: bad" } });
    await settle(6000);
    expect(page.status()).toBe("b.mp4 failed: the storage refused PutObject: bad. 1 of 2 done, 0 failed.");
  });
  it("says the end of all files once, and a count that was overtaken anew", async () => {
    const page = await open([row("a.mp4", "Success"), row("b.mp4", "Success"), row("c.mp4", "Uploading")]);
    page.kernel.down({ kind: "note", code: "file_done", facts: { name: "b.mp4" } });
    await settle(6000);
    expect(page.status()).toBe("b.mp4 is done. 2 of 3 done, 0 failed.");
    (page.kernel.rows[2] as Row).state = "Success";
    page.kernel.send_rows([page.kernel.rows[2] as Row]);
    await settle();
    expect(page.status()).toBe("All 3 files are done.");
    page.kernel.down({ kind: "note", code: "file_done", facts: { name: "c.mp4" } });
    await settle(6000);
    expect(page.status()).toBe("All 3 files are done.");
  });
  it("names a single file that is done, and nothing beside it", async () => {
    const page = await open([row("rand60.mp4", "Success")]);
    page.kernel.down({ kind: "note", code: "file_done", facts: { name: "rand60.mp4" } });
    await settle(6000);
    expect(page.status()).toBe("rand60.mp4 is done.");
  });
  it("names the remedy when Start finds no keys, and opens its place", async () => {
    const page = await open(files(1), (kernel) => { kernel.state = "Init"; });
    page.kernel.on_intent = (m) => m.kind === "start" ? { error: { code: "Auth.Missing", message: "No credentials" } } : undefined;
    for (let k = 0; k < 2; k++) {
      await page.click(page.by_name("Start"));
      expect(page.status()).toBe("Start: no keys were found. Under Credentials, choose “Built-in emulator” or enter keys.");
      expect(page.root.querySelector(".side")).not.toBeNull();
    }
    page.kernel.on_intent = (m) => m.kind === "start" ? { error: { code: "Timeout", message: "long" } } : undefined;
    await page.click(page.by_name("Start"));
    expect(page.status()).toBe("Start is still running…");
  });
  it("asks twice only before running uploads are thrown away", async () => {
    const page = await open([row("u.mp4", "Uploading"), row("d.mp4", "Success")]);
    await page.click(page.root.querySelector("[data-action=clear]") as Element);
    await page.click(page.root.querySelector("[data-action=clear-done]") as Element);
    expect(page.kernel.last("clear")).toMatchObject({ which: "done" });
    expect(page.status()).toBe("1 file cleared.");
    await page.click(page.root.querySelector("[data-action=clear]") as Element);
    await page.click(page.root.querySelector("[data-action=clear-all]") as Element);
    expect(page.kernel.of("clear")).toHaveLength(1);
    expect(page.root.querySelector(".menu")?.textContent).toContain("Press again: 1 upload will be canceled");
    page.kernel.rows.push(row("v.mp4", "Uploading"));
    page.kernel.snapshot(); // another one began meanwhile: the question was asked all the same
    await page.click(page.root.querySelector("[data-action=clear-all]") as Element);
    expect(page.kernel.last("clear")).toMatchObject({ which: "all" });
  });
  it("asks as well before the parts of stopped files are, and not for files that hold nothing", async () => {
    const page = await open([row("s.mp4", "Stopped", { progress: 0.9 }), row("e.mp4", "Expired"), row("c.mp4", "Canceled"), row("r.mp4", "Ready")]);
    const all = (): Element => page.root.querySelector("[data-action=clear-all]") as Element;
    await page.click(page.root.querySelector("[data-action=clear]") as Element);
    expect(all().textContent).toContain("what is being sent is canceled");
    await page.click(all());
    expect(page.root.querySelector(".menu")?.textContent).toContain("Press again: 2 uploads will be canceled");
    expect(page.kernel.of("clear")).toHaveLength(0);
    await page.key(all(), "Escape");
    page.kernel.rows.splice(0, 2);
    page.kernel.snapshot();
    await settle();
    await page.click(page.root.querySelector("[data-action=clear]") as Element);
    await page.click(all());
    expect(page.kernel.of("clear")).toHaveLength(1);
  });
});

describe("the line above the list", () => {
  const right = (page: Page): string => [...page.root.querySelectorAll<HTMLElement>(".rt span")].filter((one) => !one.hidden).map((one) => one.textContent).join(" · ");
  const say = async (page: Page, more: Partial<Summary>, ms = 300): Promise<string> => {
    page.kernel.summary_more = { size_bytes: 40e6, ...more };
    page.kernel.snapshot();
    await settle(ms);
    return right(page);
  };
  it("shows bytes that go with its percent, and waits for the first speed before it says that nothing moves", async () => {
    const page = await open([row("u.mp4", "Uploading"), row("r.mp4", "Ready")]);
    const idle = { state: "Start", sent_bytes: 0, progress: 0, speed_bytes_per_s: 0, time_left_s: null };
    expect(await say(page, { ...idle, state: "Init" })).toBe("0 of 40.0 MB");
    expect(await say(page, idle)).toBe("0 of 40.0 MB");
    expect(await say(page, { ...idle, sent_bytes: 2e6, progress: 0.05 })).toBe("2.00 of 40.0 MB");
    expect(page.root.querySelector(".pct")?.textContent).toBe("5 %");
    expect(await say(page, { ...idle, sent_bytes: 4e6, progress: 0.1, speed_bytes_per_s: 2e6, time_left_s: 18 }, 2_500)).toBe("4.00 of 40.0 MB · 2.00 MB/s · 18 s left");
    expect(await say(page, { ...idle, sent_bytes: 4e6, progress: 0.1 })).toBe("4.00 of 40.0 MB · 0 B/s · waiting");
  });
  it("says stopped when it was, not when a file joins a queue that has ended", async () => {
    const page = await open([row("d.mp4", "Success"), row("r.mp4", "Ready")]);
    const sent = { sent_bytes: 30e6, done_bytes: 30e6, speed_bytes_per_s: 0, time_left_s: null };
    expect(await say(page, { ...sent, state: "End" }, 1_200)).toBe("30.0 of 40.0 MB");
    expect(await say(page, { ...sent, state: "Stop" }, 1_200)).toBe("30.0 of 40.0 MB · stopped");
    page.kernel.rows.push(row("s.mp4", "Stopped"));
    expect(await say(page, { ...sent, state: "Init" }, 1_200), "what was brought back").toBe("30.0 of 40.0 MB · stopped");
  });
});

describe("ten thousand rows", () => {
  it("keeps a handful in the page and asks for the window around them", async () => {
    const page = await open(files(10_000));
    expect(page.rows().length).toBeGreaterThanOrEqual(6);
    expect(page.root.querySelectorAll("[role=row]").length).toBeLessThan(40);
    const grid = page.root.querySelector(".grid") as HTMLElement;
    expect(grid.getAttribute("aria-rowcount")).toBe("10001");
    grid.scrollTop = 5000 * 40;
    grid.dispatchEvent(new Event("scroll"));
    expect(page.root.querySelectorAll(".skel").length).toBeGreaterThan(0);
    await settle();
    const view = page.kernel.last("view") as unknown as { first: number; count: number };
    expect(view.first).toBeLessThanOrEqual(4998);
    expect(view.first + view.count).toBeGreaterThan(5004);
    expect(view.count).toBeLessThanOrEqual(200);
    expect(page.root.querySelectorAll(".skel")).toHaveLength(0);
    expect(page.row("clip-05001.mp4").getAttribute("aria-rowindex")).toBe("5002");
    expect(page.root.querySelector(".pos")?.textContent).toContain("of 10,000");
  });
  it("a row serves for another file after it was scrolled away, and its buttons mean that file", async () => {
    const page = await open(files(10_000));
    const made = page.rows();
    made[0]!.focus();
    const grid = page.root.querySelector(".grid") as HTMLElement;
    grid.scrollTop = 5000 * 40;
    grid.dispatchEvent(new Event("scroll"));
    await settle();
    const now = page.rows();
    expect(now.some((one) => made.includes(one))).toBe(true);
    expect(now, "focus never moves to another file").not.toContain(made[0]);
    const again = now.find((one) => made.includes(one))!;
    const name = again.querySelector<HTMLElement>("[data-name]")!.dataset["name"]!;
    for (const one of again.querySelectorAll("button[aria-label],input")) expect(one.getAttribute("aria-label")).toContain(name);
    const file_id = again.dataset["fileId"];
    again.querySelector<HTMLElement>("[data-action=remove]")!.click();
    await settle();
    expect(page.kernel.last("remove")?.["file_ids"]).toEqual([file_id]);
  });
  it("gives words to a few rows a frame while it moves, and to all of them when it stands", async () => {
    const page = await open(files(10_000));
    const grid = page.root.querySelector(".grid") as HTMLElement;
    const skeletons = (): number => page.root.querySelectorAll(".skel").length;
    grid.scrollTop = 20 * 40; // in the window that the kernel sent, beyond what was drawn
    grid.dispatchEvent(new Event("scroll"));
    const drawn = page.rows().length + skeletons();
    expect(page.rows()).toHaveLength(3);
    grid.dispatchEvent(new Event("scroll"));
    await vi.advanceTimersByTimeAsync(50);
    expect(skeletons(), "it may move on").toBeGreaterThan(0);
    await vi.advanceTimersByTimeAsync(60);
    expect(skeletons()).toBe(0);
    expect(page.rows()).toHaveLength(drawn);
  });
  it("the row that a key leads to has its words and the focus at once, also while it moves", async () => {
    const page = await open(files(40));
    const grid = page.root.querySelector(".grid") as HTMLElement;
    page.rows()[0]!.focus();
    grid.dispatchEvent(new Event("scroll"));
    page.rows()[0]!.dispatchEvent(new KeyboardEvent("keydown", { key: "End", bubbles: true }));
    expect(page.root.querySelectorAll(".skel").length).toBeGreaterThan(0);
    expect(document.activeElement).toBe(page.row("clip-00040.mp4"));
  });
  it("asks less than twenty times a second while scrolling wildly", async () => {
    const page = await open(files(10_000));
    const before = page.kernel.sent.length;
    const grid = page.root.querySelector(".grid") as HTMLElement;
    for (let k = 0; k < 100; k++) {
      grid.scrollTop = (k * 4099) % 390_000;
      grid.dispatchEvent(new Event("scroll"));
      await vi.advanceTimersByTimeAsync(10);
    }
    expect(page.kernel.sent.length - before).toBeLessThan(12);
    await settle();
    expect(page.root.querySelectorAll(".skel")).toHaveLength(0);
  });
});
