/** The choice of the language, and sentences from the table of words: the kernel sends codes, and facts. */
import { type Key, WORDS } from "./words";

export type { Key };
export type Locale = "en" | "zh-CN";

/** The trait wins, then the page, then the browser; every Chinese is zh-CN, all else English. */
export function choose_locale(trait: unknown, page = document.documentElement.lang, browser = navigator.language): Locale {
  const wanted = [trait, page, browser].find((tag) => typeof tag === "string" && tag !== "") as string | undefined;
  return /^zh\b/i.test(wanted ?? "") ? "zh-CN" : "en";
}

export type Facts = Record<string, string | number>;
export type Translate = ((key: Key, facts?: Facts) => string) & { readonly locale: Locale };

/** As built, the bundle has most words in English alone, and none of the panels (scripts/build.mjs); the rest is learned. */
const TABLE: Partial<Record<Key, readonly [string, string] | string>> = WORDS;
const LEARNED: Record<Locale, Record<string, string>> = { en: {}, "zh-CN": {} };

export function learn(locale: Locale, words: Record<string, string>): void {
  Object.assign(LEARNED[locale], words);
}

export function translator(locale: Locale): Translate {
  const template = (key: Key): string => {
    const words = TABLE[key];
    if (typeof words === "object") return words[locale === "en" ? 0 : 1];
    return LEARNED[locale][key] ?? words ?? LEARNED.en[key] ?? key;
  };
  return Object.assign((key: Key, facts: Facts = {}): string => fill(template(key), facts), { locale });
}

/** One pass over the template, so a fact that looks like a template stays as it is. */
function fill(template: string, facts: Facts): string {
  let out = "";
  let at = 0;
  while (at < template.length) {
    const open = template.indexOf("{", at);
    if (open < 0) return out + template.slice(at);
    const close = matching_brace(template, open);
    out += template.slice(at, open);
    const [name = "", one, many] = split_choice(template.slice(open + 1, close));
    if (one === undefined) out += fact(facts[name]);
    else out += fill((plain_number(facts[name]) === 1 ? one : many) ?? "", facts);
    at = close + 1;
  }
  return out;
}

function split_choice(inner: string): string[] {
  const name = inner.indexOf("|");
  if (name < 0) return [inner];
  const rest = inner.slice(name + 1);
  const middle = rest.indexOf("|");
  return [inner.slice(0, name), rest.slice(0, middle), rest.slice(middle + 1)];
}

function matching_brace(template: string, open: number): number {
  let depth = 0;
  for (let k = open; k < template.length; k++) {
    if (template[k] === "{") depth++;
    else if (template[k] === "}" && --depth === 0) return k;
  }
  return template.length;
}

const NUMBER = new Intl.NumberFormat("en-US");
function fact(value: string | number | undefined): string {
  return typeof value === "number" ? NUMBER.format(value) : value ?? "";
}

function plain_number(value: string | number | undefined): number {
  return typeof value === "number" ? value : Number(String(value ?? "").replace(/,/g, ""));
}

/** A table is asked for its own entries only: "constructor" is a word, too. */
export function own<T>(table: Record<string, T>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

/** Causes in words, each with its codes of the error tree and of the cloud. */
const CAUSES: Record<string, Key> = Object.fromEntries([
  "c_changed Source.Changed", "c_missing Source.Missing", "c_irregular Source.NotAFile", "c_folder Path.NotAFolder",
  "c_no_media Source.NoMedia", "c_no_glob Path.NoMatch", "c_no_user Path.NoUser", "c_slow Path.Slow", "c_read Source.Read Source.Permission",
  "c_detached Source.Detached", "c_no_keys Auth.Missing",
  "c_old_keys Auth.Expired InvalidSecurityToken.Expired SecurityTokenExpired",
  "c_bad_keys Auth InvalidAccessKeyId.NotFound InvalidAccessKeyId SignatureDoesNotMatch",
  "c_forbidden Forbidden.RAM Permission", "c_kind InvalidFileName.Extension Restriction.Extension",
  "c_network Network Network.Lost", "c_connect Network.Connect Network.Refused", "c_dns Network.Dns", "c_late Network.Timeout",
  "c_tls Tls", "c_rush Throttling Throttling.User", "c_server Server.Fault InternalError ServiceUnavailable ServiceUnAvailable",
  "c_clock Clock.Skew InvalidTimeStamp.Expired RequestTimeTooSkewed", "c_integrity Integrity", "c_locked Locked", "c_gone NotFound Video.Gone",
  "c_endpoint Endpoint.Refused", "c_disk Journal.Write", "c_restart NoSuchUpload", "c_protocol Protocol",
  "c_callback Callback", "c_twice AlreadyQueued", "c_too_large FileTooLarge File.TooLarge Source.TooLarge",
  "c_empty Source.Empty EmptyFile", "c_denied Policy Denied Policy.Denied Source.Outside", "c_limit Limit",
  "c_no_match Source.NoMatch", "c_owner Owner", "c_rate RateLimit", "c_busy Busy",
  "c_started InvalidState", "c_private Source.Private", "c_no_range Source.NoRange", "c_scheme Source.Scheme", "c_page Source.Stalled Source.Waiting", "c_not_ready Play.NotReady",
].flatMap((line) => {
  const [key, ...codes] = line.split(" ");
  return codes.map((code) => [code, key as Key]);
}));

/**
 * A cause in words, as part of a sentence: our own for a code that we know, else the kernel's text. That is English, so
 * what it may say has words in causes.zh.json, which come with the Chinese ones.
 */
export function cause_of(t: Translate, code: string, message: string): string {
  const key = own(CAUSES, code);
  const told = key ? t(key) : own(LEARNED[t.locale], code);
  if (told) return told;
  const plain = message.trim().replace(/[.。]$/, "");
  // A code that nobody translated: the sentence is Chinese at least, and the kernel says the next step.
  return code && (!plain || (t.locale !== "en" && !/[\u4e00-\u9fff]/.test(plain))) ? t("c_unknown", { code }) : plain;
}
