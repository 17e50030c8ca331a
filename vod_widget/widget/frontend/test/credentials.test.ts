import { describe, expect, it } from "vitest";
import type { Row } from "../src/protocol";
import { row } from "./kernel";
import { open, settle } from "./page";

const files = (n: number, state: Row["state"] = "Ready"): Row[] => Array.from({ length: n }, (_, k) => row(`clip-${String(k + 1).padStart(5, "0")}.mp4`, state));

describe("credentials", () => {
  const SECRET = "S3cr3t-CANARY-value-0123456789";
  it("chooses a profile by its labelled select", async () => {
    const page = await open(files(1));
    const select = page.root.querySelector(".cred select") as HTMLSelectElement;
    expect(page.root.querySelector(`label[for="${select.id}"]`)?.textContent).toBe("Credentials");
    expect([...select.options].map((o) => [o.value, o.disabled])).toEqual([["prod", false], ["media-ci", false], ["studio-role", false], ["old-lab", true], ["emulator", false], ["\u0000inline", false]]);
    select.value = "emulator";
    select.dispatchEvent(new Event("change"));
    await settle();
    expect(page.kernel.last("choose_profile")).toMatchObject({ name: "emulator" });
    expect(page.root.querySelector(".chip")?.textContent).toContain("Emulator: no account");
  });
  it("lists profiles with place, mode and masked id; unusable ones with their reason", async () => {
    const page = await open(files(1));
    await page.click(page.by_name("Details"));
    const entries = [...page.root.querySelectorAll<HTMLElement>(".pf")];
    expect(entries[0]?.textContent).toContain("~/.aliyun/config.json · AccessKey · cn-shanghai");
    expect(entries[3]?.getAttribute("aria-disabled")).toBe("true");
    expect(entries[3]?.textContent).toContain("its token has ended; run: aliyun configure --profile old-lab --mode StsToken");
    expect([...page.root.querySelectorAll("details li")].map((li) => [li.textContent, li.querySelector("b") !== null])).toEqual([
      ["environment: nothing; not set", false], ["~/.aliyun/config.json: profile prod", true]]);
    await page.click(entries[3] as Element);
    expect(page.kernel.of("choose_profile")).toHaveLength(0);
    await page.click(entries[1] as Element);
    expect(page.kernel.last("choose_profile")).toMatchObject({ name: "media-ci" });
  });
  it("sends typed keys once, empties the fields at once and keeps nothing", async () => {
    const page = await open(files(1));
    const select = page.root.querySelector(".cred select") as HTMLSelectElement;
    select.value = "\u0000inline";
    select.dispatchEvent(new Event("change"));
    await settle();
    const inputs = [...page.root.querySelectorAll<HTMLInputElement>(".side input[type=password]")];
    const [id, secret, token] = inputs as [HTMLInputElement, HTMLInputElement, HTMLInputElement];
    expect(inputs.every((i) => i.autocomplete === "off" || i.getAttribute("autocomplete") === "off")).toBe(true);
    id.value = "LTAI-id";
    secret.value = SECRET;
    token.value = "";
    page.kernel.delay_ms = 1000;
    (page.root.querySelector(".side form") as HTMLFormElement).dispatchEvent(new Event("submit", { cancelable: true }));
    // In the same turn, before any answer:
    expect(inputs.map((i) => i.value)).toEqual(["", "", "", ""]);
    await settle(3000);
    const sent = page.kernel.of("set_credentials");
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({ access_key_id: "LTAI-id", access_key_secret: SECRET, security_token: "", region: "" });
    page.kernel.sent.length = 0;
    expect(page.status()).toBe("Keys taken: LTAI…abcd");
    expect(page.root.querySelector(".side")).toBeNull();
    expect(document.documentElement.outerHTML).not.toContain(SECRET);
    expect(deep_search(page.module, SECRET)).toBe(false);
    expect(deep_search(page.kernel.traits, SECRET)).toBe(false);
  });
  it("empties the fields also when the keys are refused, or the panel is closed", async () => {
    const page = await open(files(1));
    page.kernel.on_intent = (m) => m.kind === "set_credentials" ? { error: { code: "Region", message: "the region is not one" } } : undefined;
    await page.click(page.by_name("Details"));
    await page.click(page.root.querySelector("[data-profile=inline]") as Element);
    const inputs = [...page.root.querySelectorAll<HTMLInputElement>(".side input[type=password]")];
    (inputs[0] as HTMLInputElement).value = "LTAI-id";
    (inputs[1] as HTMLInputElement).value = SECRET;
    (page.root.querySelector(".side form") as HTMLFormElement).dispatchEvent(new Event("submit", { cancelable: true }));
    await settle();
    expect(inputs.map((i) => i.value).join("")).toBe("");
    expect(page.root.querySelector(".cmp")?.textContent).toContain("the region is not one");
    (inputs[1] as HTMLInputElement).value = SECRET;
    await page.click(page.by_name("Close"));
    expect(inputs.map((i) => i.value).join("")).toBe("");
  });
  it("reads JSON as the console gives it", async () => {
    const { secrets_of_json } = await import("../src/views/credentials");
    expect(secrets_of_json('{"Credentials":{"AccessKeyId":"STS.a","AccessKeySecret":"b","SecurityToken":"c","Expiration":"x"}}', "")).toEqual({ access_key_id: "STS.a", access_key_secret: "b", security_token: "c", region: "" });
    expect(secrets_of_json('{"access_key_id":"a","access_key_secret":"b","region_id":"cn-beijing"}', "")).toMatchObject({ security_token: "", region: "cn-beijing" });
    expect(secrets_of_json("{", "")).toBeNull();
    expect(secrets_of_json('{"a":1}', "")).toBeNull();
  });
  it("tests the keys in use by a click, says the verdict and the advice, and forgets them with the keys", async () => {
    const page = await open(files(1));
    await page.click(page.by_name("Details"));
    await page.click(page.by_name("Test"));
    expect(page.kernel.of("test_credentials")).toHaveLength(1);
    const told = () => page.root.querySelector(".told") as HTMLElement;
    page.kernel.down({ kind: "tested", ok: true, took_ms: 84, told: { en: ["Account 1, role, cn-shanghai: ready.", "Keys of the root account."], zh: ["可以上传。", "主账号。"] } });
    await settle();
    expect([...told().querySelectorAll("p")].map((p) => p.textContent)).toEqual(["Account 1, role, cn-shanghai: ready. Answered in 84 ms.", "Keys of the root account."]);
    expect(told().getAttribute("role")).toBe("status");
    await page.click(page.root.querySelector("[data-profile=media-ci]") as Element);
    await settle();
    expect(told().textContent).toBe("");
  });
  it("says how long each key lives", async () => {
    const now_s = Date.now() / 1000;
    const page = await open(files(1), (kernel) => {
      const base = { place: "~/.aliyun/config.json", masked_id: "", region: "", usable: true, reason: "", is_current: false };
      kernel.profiles = [
        { ...base, name: "a", mode: "AK" }, { ...base, name: "b", mode: "StsToken", expires_at_s: now_s + 2465 },
        { ...base, name: "c", mode: "StsToken", expires_at_s: now_s - 3 * 3600 }, { ...base, name: "d", mode: "EcsRamRole", renews_itself: true },
      ];
    });
    await page.click(page.by_name("Details"));
    const ends = [...page.root.querySelectorAll(".pf small.e")].map((e) => e.textContent);
    expect(ends).toEqual(["no expiry", expect.stringMatching(/^41 min( \d+ s)? left$/), expect.stringMatching(/^expired 3 h/), "renews itself"]);
    const facts = [...page.root.querySelectorAll(".pf small.el")].map((e) => e.textContent);
    expect(facts[3]).toBe("~/.aliyun/config.json · by role");
  });
  it("sends a pasted answer of CreateUploadVideo as the permission for one file", async () => {
    const page = await open(files(1));
    await page.click(page.by_name("Details"));
    await page.click(page.root.querySelector("[data-profile=inline]") as Element);
    await page.click([...page.root.querySelectorAll(".side button")].find((b) => b.textContent === "Paste JSON") as Element);
    const paste = [...page.root.querySelectorAll<HTMLInputElement>(".side input[type=password]")][3] as HTMLInputElement;
    paste.value = JSON.stringify({ RequestId: "r", VideoId: "video-1", UploadAddress: "address", UploadAuth: SECRET });
    (page.root.querySelector(".side form") as HTMLFormElement).dispatchEvent(new Event("submit", { cancelable: true }));
    expect(paste.value).toBe("");
    await settle();
    expect(page.kernel.of("set_credentials")).toHaveLength(0);
    expect(page.kernel.of("set_upload_auth")).toMatchObject([{ upload_auth: SECRET, upload_address: "address", media_id: "video-1" }]);
    page.kernel.sent.length = 0;
    expect(page.status()).toBe("The next file uses the permission for vide…eo-1");
    expect(deep_search(page.module, SECRET)).toBe(false);
  });
  it("says that an expired file goes on with the permission that was pasted for it", async () => {
    const page = await open([row("a.mp4", "Ready"), row("b.mp4", "Expired", { video_id: "video-1" })]);
    await page.click(page.row("b.mp4").querySelector("[data-step=keys]") as Element);
    await page.click([...page.root.querySelectorAll(".side button")].find((b) => b.textContent === "Paste JSON") as Element);
    const paste = [...page.root.querySelectorAll<HTMLInputElement>(".side input[type=password]")][3] as HTMLInputElement;
    paste.value = JSON.stringify({ VideoId: "video-1", UploadAddress: "address", UploadAuth: "auth" });
    (page.root.querySelector(".side form") as HTMLFormElement).dispatchEvent(new Event("submit", { cancelable: true }));
    await settle();
    expect(page.status()).toBe("1 file goes on.");
  });
  it("offers no keys where the policy forbids them", async () => {
    const page = await open(files(1), (kernel) => { kernel.policy = { sources: ["browser"], inline_credentials: false, choose_profile: false }; });
    const select = page.root.querySelector(".cred select") as HTMLSelectElement;
    expect([...select.options].some((o) => o.value === "\u0000inline")).toBe(false);
    expect(select.disabled).toBe(true);
  });
});

/** Looks through everything that can be reached from a value. */
function deep_search(start: unknown, needle: string): boolean {
  const seen = new Set<unknown>();
  const stack: unknown[] = [start];
  while (stack.length) {
    const value = stack.pop();
    if (typeof value === "string" && value.includes(needle)) return true;
    if ((typeof value !== "object" && typeof value !== "function") || value === null || seen.has(value)) continue;
    seen.add(value);
    for (const key of Object.getOwnPropertyNames(value)) {
      try {
        stack.push((value as Record<string, unknown>)[key]);
      } catch {
        // a getter of the page
      }
    }
  }
  return false;
}
