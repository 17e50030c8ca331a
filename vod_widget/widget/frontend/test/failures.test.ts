import { describe, expect, it, vi } from "vitest";
import { cause_of, learn, translator } from "../src/i18n";
import type { NextStep, Row, RowError } from "../src/protocol";
import { row } from "./kernel";
import { open, type Page, settle } from "./page";

const refused = (code: string, next_step: NextStep): RowError =>
  ({ code, message: "The service said no.", hint: "Do this.", hint_zh: "这样做。", next_step });
const failed = (name: string, code = "InvalidAccessKeyId", next_step: NextStep = "keys"): Row =>
  row(name, "Failure", { error: refused(code, next_step) });
const side = (page: Page): HTMLElement => page.root.querySelector(".side") as HTMLElement;
async function fill(page: Page, values: string[]): Promise<void> {
  page.root.querySelectorAll<HTMLInputElement>(".side input[type=password]").forEach((input, k) => (input.value = values[k] ?? ""));
  side(page).querySelector("form")?.dispatchEvent(new Event("submit", { cancelable: true }));
  await settle();
}

describe("a failure", () => {
  it("goes on with new keys when its own step asked for them, with all that failed alike", async () => {
    const rows = [failed("a.mp4"), failed("b.mp4"), failed("c.mp4", "Source.Changed", "retry")];
    const page = await open(rows);
    await page.click(page.by_name("New keys… a.mp4"));
    await fill(page, ["LTAI-id", "secret"]);
    expect(page.kernel.last("retry")?.["file_ids"]).toEqual([rows[0]?.file_id, rows[1]?.file_id]);
  });
  it("takes a pasted permission for its own file alone, and nothing is tried when keys are entered elsewhere", async () => {
    const rows = [failed("a.mp4"), failed("b.mp4")];
    const page = await open(rows, (kernel) => { kernel.profiles = [{ ...kernel.profiles[0]!, mode: "UploadAuth" }]; });
    await page.click(page.by_name("New keys… b.mp4"));
    // The way of the keys in use is the one that is offered.
    await fill(page, ["", "", "", JSON.stringify({ UploadAuth: "x", UploadAddress: "y", VideoId: "z" })]);
    expect(page.kernel.last("retry")?.["file_ids"]).toEqual([rows[1]?.file_id]);
    page.kernel.sent.length = 0;
    await page.click(page.by_name("Details"));
    await page.click(page.root.querySelector("[data-profile=inline]") as Element);
    await page.click(page.by_name("Three fields"));
    await fill(page, ["LTAI-id", "secret"]);
    expect(page.kernel.of("set_credentials")).toHaveLength(1);
    expect(page.kernel.of("retry")).toHaveLength(0);
  });
  it("is said in Chinese alone on a Chinese page, with what to do", async () => {
    const page = await open([failed("a.mp4", "SignatureDoesNotMatch")], (kernel) => { kernel.traits["locale"] = "zh-CN"; });
    await page.click(page.by_name("打开详情：a.mp4"));
    const words = side(page).textContent ?? "";
    expect(words).toContain("密钥未被接受");
    expect(words).toContain("这样做。");
    expect(words).not.toContain("The service said no");
    expect(words).not.toContain("Do this");
  });
  it("says what helps while it waits for its next try", async () => {
    const waits = row("a.mp4", "Uploading", { phase: "waiting", wait: { seconds: 12, reason: "Journal.Write" }, actions: ["retry", "pause", "cancel"] });
    const page = await open([waits], (kernel) => {
      kernel.details = {
        wait_hint: "Free some disk space.", wait_hint_zh: "释放磁盘空间。",
        attempts: [{ number: 1, code: "Network.Lost", message: "lost", waited_s: 1 }, { number: 2, code: "Journal.Write", message: "No space is left in /journal", waited_s: 0 }],
      };
    });
    await page.click(page.by_name("Open details of a.mp4"));
    expect(side(page).querySelector(".why")?.textContent).toContain("Retrying: the checkpoint cannot be written");
    expect(side(page).querySelector(".why p")?.textContent).toBe("Free some disk space.");
    expect(side(page).querySelector("dl")?.textContent).toContain("CauseNo space is left in /journal");
    await page.click(side(page).querySelector(".why [data-action=retry]") as Element);
    expect(page.kernel.last("retry")?.["file_ids"]).toEqual([waits.file_id]);
  });
  it("is told by its cause, the most frequent first, and tried again with all others by one button while the rest is sent", async () => {
    const causes: [string, string, number][] = [["InvalidAccessKeyId", "no", 2], ["Odd.Code", "The sky fell.", 1]];
    const page = await open([failed("a.mp4"), failed("b.mp4"), failed("c.mp4", "Odd.Code"), row("u.mp4", "Uploading")], (kernel) => {
      kernel.summary_more = { causes };
    });
    expect(page.root.querySelector<HTMLElement>(".ban")?.hidden).toBe(true);
    await page.click(page.root.querySelector("[data-filter=failed]") as Element);
    expect(page.root.querySelector(".ban")?.textContent).toContain("Cause: the keys are not accepted\u00a0(2)\u00a0· The sky fell\u00a0(1)");
    await page.click(page.by_name("Retry 3 failed"));
    expect(page.kernel.of("retry_failed")).toHaveLength(1);
  });
  it("that another try cannot help is not counted among those that are tried again", async () => {
    const hopeless = failed("b.mp4", "Restriction.Size", "remove");
    const page = await open([failed("a.mp4"), hopeless, row("d.mp4", "Success")], (kernel) => { kernel.state = "End"; });
    expect(page.by_name("Retry 1 failed")).toBeTruthy();
    const other = await open([hopeless], (kernel) => { kernel.state = "End"; });
    expect(other.root.querySelector("[data-action=retry-failed]")).toBeNull();
  });
  it("of this computer's own network is not laid at the kernel's door", async () => {
    const page = await open([row("a.mp4", "Uploading")]);
    vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
    page.kernel.alive = false;
    await settle(20_000);
    expect(page.root.querySelector(".ban")?.textContent).toMatch(/This computer is offline\. The rows show what the kernel said at \d/);
    vi.restoreAllMocks();
  });
  it("of a button comes with what to do", async () => {
    const page = await open([row("a.mp4", "Ready")], (kernel) => { kernel.state = "Init"; });
    page.kernel.on_intent = (m) => m.kind === "start" ? { error: { code: "Journal.Write", message: "no", hint: "Free some disk space.", hint_zh: "释放磁盘空间。" } } : undefined;
    await page.click(page.by_name("Start"));
    expect(page.status()).toBe("Start: the checkpoint cannot be written. Free some disk space.");
    page.kernel.traits["locale"] = "zh-CN";
    page.kernel.emit("change:locale");
    await settle();
    await page.click(page.by_name("开始"));
    expect(page.status()).toBe("开始：断点记录无法写入。释放磁盘空间。");
  });
  it("finds its words in what the page has learned", () => {
    learn("zh-CN", { "Odd.Code": "怪" });
    expect(cause_of(translator("zh-CN"), "Odd.Code", "The sky fell.")).toBe("怪");
  });
});

describe("a profile of the person's own", () => {
  it("named as the emulator stands there with its reason, and leaves the emulator to be chosen", async () => {
    const page = await open([], (kernel) => {
      const own = { ...kernel.profiles[0]!, name: "emulator", usable: false, reason: "rename the profile", is_current: false };
      kernel.profiles = [own, { ...own, place: "built-in", usable: true, reason: "" }];
      kernel.current_profile = "emulator";
    });
    const select = page.root.querySelector(".cred select") as HTMLSelectElement;
    expect([...select.options].filter((one) => one.disabled).map((one) => one.title)).toEqual(["rename the profile"]);
    expect(select.selectedOptions[0]?.textContent).toBe("Built-in emulator (no account)");
    await page.click(page.by_name("Details"));
    expect([...page.root.querySelectorAll(".pf")].map((one) => one.getAttribute("aria-checked"))).toEqual(["false", "true", "false"]);
  });
});
