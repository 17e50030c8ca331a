import { describe, expect, it, vi } from "vitest";
import type { Row } from "../src/protocol";
import { row } from "./kernel";
import { open, type Page, settle } from "./page";

const files = (n: number, state: Row["state"] = "Ready"): Row[] => Array.from({ length: n }, (_, k) => row(`clip-${String(k + 1).padStart(5, "0")}.mp4`, state));

describe("details", () => {
  it("edits metadata with counters in bytes and blocks what is too long", async () => {
    const page = await open(files(1), (kernel) => { kernel.details = { tags: ["old"], description: "d", cate_id: 7 }; });
    await page.click(page.by_name("Open details of clip-00001.mp4"));
    const title = page.root.querySelector("[data-field=title]") as HTMLInputElement;
    const apply = page.root.querySelector("[data-action=apply]") as HTMLElement;
    expect(apply.getAttribute("aria-disabled")).toBe("true");
    await page.type(title, "主".repeat(43));
    expect(page.root.querySelector(".side .cnt")?.textContent).toBe("1 byte too many");
    expect(title.getAttribute("aria-invalid")).toBe("true");
    expect(apply.getAttribute("aria-disabled")).toBe("true");
    await page.type(title, "主题");
    expect(page.root.querySelector(".side .cnt")?.textContent).toBe("6 / 128 bytes");
    const tags = page.root.querySelector("[data-field=tags]") as HTMLInputElement;
    await page.type(tags, "new, 2026");
    await page.key(tags, "Enter");
    await page.click(apply);
    expect(page.kernel.last("set_metadata")).toMatchObject({ title: "主题", description: "d", tags: ["old", "new", "2026"], cate_id: 7 });
    expect(page.status()).toBe("Metadata applied");
  });
  it("asks once before typed changes are dropped", async () => {
    const page = await open(files(1));
    await page.click(page.by_name("Open details of clip-00001.mp4"));
    await page.type(page.root.querySelector("[data-field=title]") as Element, "other");
    await page.click(page.by_name("Close"));
    expect(page.root.querySelector(".side")).not.toBeNull();
    expect(page.status()).toContain("not applied");
    expect(page.root.querySelector(".body [role=status]:not(.told)"), "a sheet would cover it").toBeNull();
    await page.click(page.by_name("Close"));
    expect(page.root.querySelector(".side")).toBeNull();
  });
  it("is read only while a file is sent, and opens a failure on its cause", async () => {
    const page = await open([row("u.mp4", "Uploading"), row("f.mp4", "Failure", { error: { code: "Forbidden.RAM", message: "Their policy lacks a right.", hint: "Nothing was sent.", next_step: "keys" } })]);
    await page.click(page.by_name("Open details of u.mp4"));
    expect((page.root.querySelector("[data-field=title]") as HTMLInputElement).readOnly).toBe(true);
    await page.click(page.by_name("Open details of f.mp4"));
    const why = page.root.querySelector(".why")?.textContent;
    expect(why).toContain("Failed: this account may not create videosNothing was sent.");
    expect(why, "the cause is said once").not.toContain("Their policy lacks a right.");
    expect(page.root.querySelector(".side dl")?.textContent).toContain("Their policy lacks a right.");
    expect(page.root.querySelector(".side dl")?.textContent).toContain("7B2E41C6-90AF-5D13-8E5B-1C2F64A0D97E");
    await page.click(page.root.querySelector(".why [data-action=policy]") as Element);
    expect(page.root.querySelector(".pol")?.textContent).toContain("vod:CreateUploadVideo");
    Object.assign(page.kernel.rows[1]!, { state: "Success", error: null, actions: ["remove"] });
    page.kernel.snapshot();
    await settle();
    expect(page.root.querySelector(".pol"), "not beside a file that is stored").toBeNull();
  });
});

describe("details of a file that moves on", () => {
  const button = (page: Page, action: string): HTMLElement => page.root.querySelector(`.side [data-action=${action}]`) as HTMLElement;
  const moved = async (page: Page, change: Partial<Row>): Promise<void> => {
    Object.assign(page.kernel.rows[0]!, change);
    page.kernel.snapshot();
    await settle();
  };
  it("keep the focus when their buttons, or the form, are drawn anew", async () => {
    const page = await open([row("u.mp4", "Uploading", { actions: ["pause", "cancel"] })]);
    await page.click(page.by_name("Open details of u.mp4"));
    const [metadata, transfer] = [...page.root.querySelectorAll<HTMLElement>("[role=tab]")];
    await page.click(transfer!);
    button(page, "cancel").focus();
    await moved(page, { phase: "verifying", actions: ["cancel"] });
    expect(document.activeElement, "its successor").toBe(button(page, "cancel"));
    await moved(page, { state: "Canceled", phase: "", actions: ["resume", "remove"] });
    expect(document.activeElement, "its tab").toBe(transfer);
    button(page, "resume").focus();
    await moved(page, { state: "Ready", actions: ["remove"] });
    expect(document.activeElement).toBe(transfer);
    await page.click(metadata!);
    const title = (): HTMLInputElement => page.root.querySelector(".side [data-field=title]") as HTMLInputElement;
    await page.type(title(), "Other");
    button(page, "apply").focus();
    await page.click(button(page, "apply"));
    expect(document.activeElement).toBe(button(page, "apply"));
    title().focus();
    await moved(page, { state: "Uploading", phase: "sending", actions: ["pause", "cancel"] });
    expect(title().readOnly).toBe(true);
    expect(document.activeElement).toBe(title());
  });
  it("tell what is sent, how fast and how long without drawing the rest anew", async () => {
    const page = await open([row("u.mp4", "Uploading", { phase: "sending", size_bytes: 10e6, sent_bytes: 1e6, speed_bytes_per_s: 2e6, time_left_s: 4.5 })]);
    await page.click(page.by_name("Open details of u.mp4"));
    await page.click(page.by_name("Transfer"));
    const facts = page.root.querySelector(".side dl") as HTMLElement;
    const copy = facts.querySelector("[data-action=copy]");
    expect(facts.textContent).toContain("1.00 of 10.0 MB · 2.00 MB/s · 5 s left");
    await moved(page, { sent_bytes: 5e6, speed_bytes_per_s: 2.5e6, time_left_s: 2 });
    expect(facts.textContent).toContain("5.00 of 10.0 MB · 2.50 MB/s · 2 s left");
    expect(facts.isConnected).toBe(true);
    expect(facts.querySelector("[data-action=copy]")).toBe(copy);
  });
  it("go when the file leaves the list, whoever took it off, and not with another file", async () => {
    const page = await open([row("a.mp4", "Canceled"), row("b.mp4", "Success"), row("c.mp4", "Success")]);
    page.kernel.on_intent = (m) => m.kind === "detail" && !page.kernel.rows.some((r) => r.file_id === m["file_id"]) ? { error: { code: "NotFound", message: "" } } : undefined;
    await page.click(page.by_name("Open details of a.mp4"));
    page.kernel.rows.splice(1, 1);
    page.kernel.snapshot();
    await settle();
    expect(page.root.querySelector(".side")).not.toBeNull();
    button(page, "remove").focus();
    page.kernel.rows.splice(0, 1);
    page.kernel.snapshot();
    await settle();
    expect(page.root.querySelector(".side")).toBeNull();
    expect(page.root.querySelector(".grid")?.contains(document.activeElement)).toBe(true);
  });
});

describe("what a report needs", () => {
  it("of a failed file is copied whole", async () => {
    const page = await open([row("b.mp4", "Failure", { progress: 0.5, error: { code: "Forbidden.RAM", message: "no right", hint: "Ask for it.", next_step: "keys" } })]);
    const copied = vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
    await page.click(page.by_name("Open details of b.mp4"));
    await page.click(page.root.querySelector("[data-action=copy-error]")!);
    const said = String(copied.mock.calls[0]?.[0]);
    for (const part of ["Name: b.mp4", "Forbidden.RAM", "RequestId: 7B2E41C6", "this account may not create videos", "Next step: Show policy. Ask for it."]) expect(said).toContain(part);
    expect(page.status()).toBe("Details copied");
  });
  it("of a fault of the page itself is offered once, and the page goes on", async () => {
    const page = await open([row("a.mp4", "Uploading")]);
    const copied = vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
    page.kernel.down({ kind: "rows", page: 1, seq: ++page.kernel.seq, summary: page.kernel.summary(), rows: null, first: 0, matching: 1 });
    await settle();
    expect(page.status()).toContain("Something failed in this page");
    await page.click(page.root.querySelector("[data-action=copy-fault]")!);
    expect(String(copied.mock.calls[0]?.[0])).toContain("TypeError");
    expect(page.rows()).toHaveLength(1);
  });
});

describe("hostile words", () => {
  const EVIL = [
    "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "\"><svg onload=alert(1)>", "'; alert(1); //", "javascript:alert(1)", "{{7*7}}", "${alert(1)}",
    "<iframe srcdoc='<script>alert(1)</script>'>", "</title><script>alert(1)</script>", "<a href=javascript:alert(1)>x</a>", "&lt;b&gt;", "<b>bold</b>", "\u202Egpj.exe", "a\u0000b",
    "<math><mtext></mtext></math>", "<style>*{display:none}</style>", "<base href=//evil>", "<object data=x>", "<embed src=x>", "<form action=//evil>", "]]>", "<!--", "-->", "<![CDATA[",
    "%3Cscript%3E", "\\u003cscript\\u003e", "<img/src/onerror=alert(1)>", "<details open ontoggle=alert(1)>", "<video><source onerror=alert(1)>", "<input autofocus onfocus=alert(1)>",
    "<marquee onstart=alert(1)>", "<body onload=alert(1)>", "<link rel=stylesheet href=//evil>", "<meta http-equiv=refresh content=0>", "onmouseover=alert(1)", "x\" onmouseover=\"alert(1)",
    "x' style='position:fixed", "`${1}`", "<svg><animate onbegin=alert(1)>", "<template><script>1</script></template>", "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>", "__proto__",
    "constructor", "<x contenteditable onblur=alert(1)>", "<button formaction=javascript:alert(1)>", "<select onchange=alert(1)>", "data:text/html,<script>1</script>", "\uD800", "😀".repeat(50), "<plaintext>",
  ];
  it(`are text in every place (${EVIL.length} names)`, async () => {
    const page = await open([]);
    expect(EVIL).toHaveLength(50);
    for (const evil of EVIL) {
      page.kernel.rows = [
        row(evil, "Failure", { title: evil, source: evil, media_type: evil, video_id: evil, error: { code: evil, message: evil, hint: evil, next_step: "retry" } }),
        row(`${evil}2`, "Success", { video_id: evil, view_url: evil, duration_s: 3 }),
        row(`${evil}3`, "Uploading", { phase: evil, wait: { seconds: 3, reason: evil } }),
      ];
      page.kernel.details = { request_id: evil, reference_id: evil, object: evil, bucket: evil, tags: [evil], attempts: [{ number: 1, code: evil, message: evil, waited_s: 1 }] };
      page.kernel.snapshot();
      await settle(300);
      page.kernel.down({ kind: "note", code: "file_done", facts: { name: evil } });
      page.rows()[0]?.querySelector<HTMLElement>("[data-action=details]")?.click();
      await settle(300);
      expect(page.rows()).toHaveLength(3);
      const foreign = [...page.root.querySelectorAll("*")].filter((e) => !KNOWN.has(e.tagName.toLowerCase()));
      expect(foreign.map((e) => e.tagName), evil).toEqual([]);
      const handlers = [...page.root.querySelectorAll("*")].flatMap((e) => e.getAttributeNames()).filter((n) => n.startsWith("on") || n === "srcdoc" || n === "formaction");
      expect(handlers, evil).toEqual([]);
      expect([...page.root.querySelectorAll("a")].every((a) => /^https?:/.test(a.getAttribute("href") ?? "https:"))).toBe(true);
      expect(page.rows()[0]?.querySelector(".nm")?.getAttribute("title")).toBe(evil);
    }
  });
  const KNOWN = new Set(["div", "span", "b", "i", "p", "h4", "ul", "ol", "li", "dl", "dt", "dd", "pre", "small", "button", "input", "select", "option", "optgroup", "label", "textarea", "aside", "form", "details", "summary", "svg", "path", "a"]);
});
