import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import CHINESE_CAUSES from "../src/causes.zh.json";
import { cause_of, choose_locale, learn, translator } from "../src/i18n";
import { WORDS } from "../src/words";

const ENGLISH = Object.values(WORDS).map(([english]) => english as string);
const CHINESE = [...Object.values(WORDS).map(([, chinese]) => chinese as string), ...Object.values(CHINESE_CAUSES)];

const holes = (text: string): string[] => [...text.matchAll(/\{(\w+)[|}]/g)].map((m) => m[1] ?? "").sort();

/** Every code that the table of causes has, read from its source. */
function known_codes(): string[] {
  const source = readFileSync(join(import.meta.dirname, "../src/i18n.ts"), "utf8").split("const CAUSES")[1]?.split("].flatMap")[0] ?? "";
  return [...source.matchAll(/"c_\w+ ([^"]+)"/g)].flatMap((m) => (m[1] ?? "").split(" "));
}

describe("the table of words", () => {
  it("has the same facts in both languages", () => {
    for (const [key, [english, chinese]] of Object.entries(WORDS)) {
      expect(chinese, key).not.toBe("");
      expect([...new Set(holes(chinese))], key).toEqual([...new Set(holes(english))]);
    }
  });
  it("has no word that nobody says", () => {
    const folder = join(import.meta.dirname, "../src");
    const sources = readdirSync(folder, { recursive: true }).map(String).filter((name) => name.endsWith(".ts") && !name.endsWith("words.ts"))
      .map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
    const silent = Object.keys(WORDS).filter((key) => !new RegExp(`["'\`.]${key}\\b`).test(sources));
    expect(silent).toEqual([]);
  });
  it("says no please, no exclamation and no 您", () => {
    expect(ENGLISH.filter((text) => /please|oops|!|Error:/i.test(text))).toEqual([]);
    expect(CHINESE.filter((text) => /您|！/.test(text))).toEqual([]);
    // Full-width marks between Chinese; a space between Chinese and Latin letters.
    expect(CHINESE.filter((text) => /[\u4e00-\u9fff][,:;]|[\u4e00-\u9fff][A-Za-z]|[A-Za-z][\u4e00-\u9fff]/.test(text))).toEqual([]);
  });
});

describe("translate", () => {
  it("fills facts and chooses by number", () => {
    const t = translator("en");
    expect(t("added", { n: 1 })).toBe("1 file added.");
    expect(t("added", { n: 12480 })).toBe("12,480 files added.");
    expect(t("live_all_done", { n: 3 })).toBe("All 3 files are done.");
    expect(t("live_all_done", { n: 1 })).toBe("The file is done.");
  });
  it("does not read a fact as a template", () => {
    expect(translator("en")("note_done", { name: "{n}{name}.mp4" })).toBe("{n}{name}.mp4 is done.");
  });
  it("chooses the language by trait, page, browser", () => {
    expect(choose_locale("zh-CN", "en", "en")).toBe("zh-CN");
    expect(choose_locale("", "zh-Hans", "en")).toBe("zh-CN");
    expect(choose_locale("", "", "zh-TW")).toBe("zh-CN");
    expect(choose_locale("en", "zh", "zh")).toBe("en");
    expect(choose_locale(undefined, "fr", "zh")).toBe("en");
  });
  it("knows causes by code and falls back to the kernel's text", () => {
    expect(cause_of(translator("zh-CN"), "Source.Changed", "x")).toBe("发送过程中文件被修改");
    expect(cause_of(translator("en"), "Odd.Code", "The sky fell.")).toBe("The sky fell");
    expect(cause_of(translator("en"), "Odd.Code", "")).toBe("Odd.Code");
    for (const code of known_codes()) expect(cause_of(translator("en"), code, "?"), code).toMatch(/^[a-z]/);
    expect(known_codes().length).toBeGreaterThan(50);
  });
  it("says a code that nobody translated in a sentence of the page's language", () => {
    const t = translator("zh-CN");
    expect(cause_of(t, "Odd.Code", "The sky fell.")).toBe("服务返回错误 Odd.Code");
    expect(cause_of(t, "Odd.Code", "账号欠费。")).toBe("账号欠费");
    expect(cause_of(t, "", "The sky fell.")).toBe("The sky fell");
  });
  it("has Chinese words for the rarer codes, once they have come", () => {
    const t = translator("zh-CN");
    expect(cause_of(t, "Auth.External", "The command gave no keys.")).toBe("服务返回错误 Auth.External");
    learn("zh-CN", CHINESE_CAUSES);
    expect(cause_of(t, "Auth.External", "The command gave no keys.")).toBe("配置中的命令没有给出密钥");
    // What the vendor documents for the operations of an upload, and for all of them.
    const documented = "MissingParameter InvalidParameter OperationDenied OperationDenied.Suspended Forbidden Forbidden.RAM InternalError ServiceUnAvailable"
      + " InvalidFileName.Extension IllegalCharacters LengthExceededMax TagsExceededMax InvalidTemplateGroupId.NotFound InvalidStorage.NotFound Forbidden.InitFailed AddVideoFailed"
      + " InvalidTimeStamp.Expired SignatureDoesNotMatch IncompleteSignature InvalidAccessKeyId.NotFound InvalidAccessKeyId.Inactive Throttling.User"
      + " InvalidSecurityToken.Expired InvalidSecurityToken.Malformed InvalidSecurityToken.MismatchWithAccessKey InvalidVideo.Damaged RequestTimeTooSkewed AccessDenied";
    expect(documented.split(" ").filter((code) => cause_of(t, code, "Told in English.").includes(code))).toEqual([]);
    expect(cause_of(t, "InvalidAccessKeyId.Inactive", "Specified access key is disabled.")).toBe("AccessKey 已被禁用");
    expect(cause_of(translator("en"), "Auth.External", "The command gave no keys.")).toBe("The command gave no keys");
    expect(Object.keys(CHINESE_CAUSES).filter((code) => known_codes().includes(code))).toEqual([]);
  });
});
