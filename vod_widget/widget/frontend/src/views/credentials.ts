/**
 * Where uploads get their authority: the profiles that the kernel found, and keys typed for this session.
 * Typed keys exist in the three inputs only; they are read, sent and emptied in one step.
 */
import { choose_profile, forget_credentials, load_profiles, set_credentials, test_credentials } from "../accounts";
import { h, replace, set, uid } from "../dom";
import { duration } from "../format";
import { type Key, own, type Translate } from "../i18n";
import { icon } from "../icons";
import type { Profile, Secrets, UploadAuth } from "../protocol";
import { button, enable, type Host, press } from "./parts";
import { field, frame, type Panel } from "./panel";

// In quotes: names that the kernel sends are never shortened.
const PLACES = {
  "session": "place_inline", "environment": "place_environment", "ECS metadata": "place_role", "code": "place_code", "built-in": "emulator_chip",
} as const;
const MODES = {
  "AK": "mode_ak", "StsToken": "mode_sts", "EcsRamRole": "mode_role", "RamRoleArn": "mode_role", "ChainableRamRoleArn": "mode_role", "RamRoleArnWithEcs": "mode_role",
  "application": "place_code",
} as const;

function word(t: Translate, table: Record<string, Key>, code: string): string {
  // The kernel may say more, like "environment (NAMES)"; a place without a word of ours is shown as it is: a path.
  const key = own(table, code) ?? own(table, code.split(" (")[0] ?? "");
  return key ? t(key) : code;
}

export class CredentialsPanel implements Panel {
  readonly kind = "credentials";
  readonly element: HTMLElement;
  readonly #list = h("div", { role: "radiogroup" });
  readonly #origin = h("ol");
  readonly #test: HTMLButtonElement;
  readonly #told = h("div", { class: "told", role: "status" });
  #key = "";

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
    const { t } = host.session;
    set(this.#list, "aria-label", t("profiles_found"));
    this.#list.className = "pfs";
    this.#test = button(t("test"), "shield", { "data-action": "test-keys", onclick: press(() => test_credentials(host.session)) }, "sm");
    this.element = frame(host, t("credentials"), h("div", null, h("h4", null, t("credentials"))),
      h("div", { class: "sc top" }, this.#list, h("div", { class: "tst" }, this.#test, this.#told), h("details", null, h("summary", null, t("where_from")), this.#origin)));
    this.#list.addEventListener("keydown", (event) => this.#arrows(event));
    void load_profiles(host.session);
  }

  update(): void {
    const { session } = this.#host;
    const { store, t } = session;
    const current = store.current_profile ?? store.summary.profile?.name ?? "";
    const busy = store.busy.has("credentials");
    const key = JSON.stringify([store.profiles, store.origin, current, busy, session.controllable, store.tested, store.summary.profile, Math.floor(Date.now() / 60_000)]);
    if (key === this.#key) return;
    this.#key = key;
    enable(this.#test, session.controllable && !busy && current !== "");
    const found_out = store.tested;
    const lines = found_out?.told[t.locale === "en" ? "en" : "zh"] ?? [];
    replace(this.#told, busy && !found_out ? t("testing") : lines.map((line, k) => h("p", { class: k ? "mut" : found_out?.ok ? "t-ok" : "t-err" },
      k === 0 && icon(found_out?.ok ? "ok" : "fail"), h("span", null, line, k === 0 && found_out?.ok ? t("in_ms", { n: found_out.took_ms }) : ""))));
    const inline = store.hello?.policy.inline_credentials !== false;
    const had = this.#list.contains(document.activeElement);
    const found = store.profiles.filter((profile) => profile.place !== "built-in");
    replace(this.#list,
      found.length === 0 && h("p", { class: "mut none" }, t("no_profiles")),
      found.map((profile) => this.#entry(profile, current)),
      this.#special("emulator", t("emulator"), current === "emulator", () => void choose_profile(session, "emulator")),
      inline && this.#special("inline", t("enter_keys"), false, () => this.#host.open_credentials(true)));
    const entries = [...this.#list.querySelectorAll<HTMLElement>(".pf")];
    const chosen = entries.find((entry) => entry.getAttribute("aria-checked") === "true") ?? entries[0];
    for (const entry of entries) set(entry, "tabindex", entry === chosen ? 0 : -1);
    if (had) chosen?.focus();
    replace(this.#origin, store.origin.map((step) => {
      const line = step[t.locale === "en" ? "en" : "zh"];
      return h("li", null, step.used ? h("b", null, line) : line);
    }));
    set(this.element.querySelector("details") as Element, "hidden", store.origin.length === 0);
  }

  focus(): void {
    this.#list.querySelector<HTMLElement>(".pf[tabindex='0']")?.focus();
  }

  may_close(): boolean {
    return true;
  }

  close(): void {
    // nothing to release
  }

  again(): Panel {
    return new CredentialsPanel(this.#host);
  }

  #entry(profile: Profile, current: string): HTMLElement {
    const { session } = this.#host;
    const { t } = session;
    const chosen = profile.usable && profile.name === current;
    const own_region = session.store.summary.profile;
    const region = profile.region || (chosen && own_region?.region_is_default ? own_region.region + t("by_default") : "");
    const facts = [word(t, PLACES, profile.place), word(t, MODES, profile.mode), region].filter(Boolean).join(" · ");
    const [life, over] = this.#life(profile);
    const element = h("button", {
      type: "button", class: "pf", role: "radio", "aria-checked": chosen ? "true" : "false", "data-profile": profile.name,
      title: session.reason_of(profile) || null, onclick: press(() => void choose_profile(session, profile.name)),
    }, h("span", { class: "dot" }), h("b", { class: "el" }, session.profile_label({ name: profile.name, masked_id: "", region: "" })), h("span", { class: "e mono" }, profile.masked_id),
    h("small", { class: !profile.usable || !life ? "el all" : "el", title: facts }, facts),
    !profile.usable ? h("small", { class: "rsn t-warn" }, icon("warn"), h("span", null, session.reason_of(profile)))
      : h("small", { class: over ? "e t-warn" : "e" }, over && icon("warn"), life));
    enable(element, profile.usable && session.controllable && !session.store.busy.has("credentials"));
    return element;
  }

  /** Until when its key lives, and whether that is over. */
  #life(profile: Profile): [string, boolean] {
    const { t } = this.#host.session;
    if (profile.renews_itself) return [t("renews"), false];
    if (profile.mode === "AK") return [t("no_end"), false];
    if (!profile.expires_at_s) return ["", false];
    const left_s = profile.expires_at_s - Date.now() / 1000;
    return left_s > 0 ? [t("left_suffix", { time: duration(t, left_s) }), false] : [t("ended", { time: duration(t, -left_s) }), true];
  }

  #special(name: string, label: string, chosen: boolean, run: () => void): HTMLElement {
    const { session } = this.#host;
    const element = h("button", {
      type: "button", class: "pf one", role: "radio", "aria-checked": chosen ? "true" : "false", "data-profile": name, onclick: press(run),
    }, h("span", { class: "dot" }), h("b", { class: "el" }, label));
    enable(element, session.controllable && !session.store.busy.has("credentials"));
    return element;
  }

  #arrows(event: KeyboardEvent): void {
    const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const entries = [...this.#list.querySelectorAll<HTMLElement>(".pf")];
    const at = entries.indexOf(event.target as HTMLElement);
    const to = entries[(at + by + entries.length) % entries.length];
    for (const entry of entries) set(entry, "tabindex", entry === to ? 0 : -1);
    to?.focus();
  }
}

export class KeysPanel implements Panel {
  readonly kind = "keys";
  readonly element: HTMLElement;
  readonly #secret = (): HTMLInputElement => h("input", {
    type: "password", class: "inp", id: uid(), autocomplete: "off", spellcheck: "false", autocapitalize: "off", "data-lpignore": "true",
    oninput: () => this.#complain(""),
  });
  readonly #id = this.#secret();
  readonly #key = this.#secret();
  readonly #token = this.#secret();
  readonly #json = this.#secret();
  readonly #region = h("input", { type: "text", class: "inp", id: uid(), autocomplete: "off", spellcheck: "false", placeholder: "cn-shanghai", maxlength: 40 });
  readonly #inputs = { id: this.#id, key: this.#key, token: this.#token, json: this.#json, region: this.#region };
  readonly #complaint = h("p", { class: "t-err cmp", role: "alert" });
  readonly #use: HTMLButtonElement;
  readonly #forget: HTMLButtonElement;
  readonly #fields: HTMLElement[];
  readonly #paste: HTMLElement;
  readonly #region_field: HTMLElement;
  readonly #tabs: [HTMLElement, HTMLElement];
  #pasting = false;

  readonly #host: Host;

  readonly #for_file: string;

  constructor(host: Host, for_file = "") {
    this.#host = host;
    this.#for_file = for_file;
    const { t } = host.session;
    const tab = (label: string, pasting: boolean): HTMLElement => h("button", { type: "button", onclick: () => this.#mode(pasting) }, label);
    this.#tabs = [tab(t("three_fields"), false), tab(t("paste_json"), true)];
    const small = (value: string): HTMLElement => h("span", { class: "cnt" }, value);
    set(this.#token, "placeholder", t("key_token_sub"));
    this.#fields = [field(t("key_id"), small(t("key_id_sub")), this.#id), field(t("key_secret"), null, this.#key),
      field(t("key_token"), small(t("optional")), this.#token, false)];
    this.#paste = field(t("json_label"), small(t("json_sub")), this.#json);
    this.#region_field = field(t("key_region"), small(t("optional")), this.#region);
    this.#use = button(t("use_keys"), "key", { type: "submit", "data-action": "use-keys" }, "pri sm");
    this.#forget = button(t("forget"), null, {
      "data-action": "forget-keys", onclick: press(() => {
        this.#empty();
        void forget_credentials(host.session);
      }),
    }, "sm");
    const form = h("form", {
      class: "frm", autocomplete: "off",
      onsubmit: (event: Event) => {
        event.preventDefault();
        void this.#send();
      },
    }, h("div", { class: "sc top" }, h("div", { class: "seg two", role: "group", "aria-label": t("keys_title") }, this.#tabs),
      h("div", { class: "fl" }, this.#fields, this.#paste, this.#region_field), this.#complaint, h("p", { class: "mut note" }, t("keys_note"))),
    h("div", { class: "sf" }, h("span"), this.#forget, this.#use));
    this.element = frame(host, t("keys_title"), h("div", null, h("h4", null, t("keys_title"))), form);
    this.#mode(host.session.store.profiles.some((profile) => profile.is_current && profile.mode === "UploadAuth"));
  }

  update(): void {
    const { session } = this.#host;
    const on = session.controllable && !session.store.busy.has("credentials");
    enable(this.#use, on);
    enable(this.#forget, on);
  }

  focus(): void {
    this.#id.focus();
  }

  may_close(): boolean {
    return true;
  }

  close(): void {
    this.#empty();
  }

  again(): Panel {
    const made = new KeysPanel(this.#host, this.#for_file);
    made.#mode(this.#pasting);
    for (const name of ["id", "key", "token", "json", "region"] as const) made.#inputs[name].value = this.#inputs[name].value;
    return made;
  }

  #mode(pasting: boolean): void {
    this.#pasting = pasting;
    this.#empty();
    for (const one of this.#fields) set(one, "hidden", pasting);
    set(this.#paste, "hidden", !pasting);
    this.#region_field.classList.toggle("w", pasting);
    this.#tabs.forEach((tab, k) => set(tab, "aria-pressed", (k === 1) === pasting ? "true" : "false"));
  }

  #empty(): void {
    for (const input of [this.#id, this.#key, this.#token, this.#json]) input.value = "";
    this.#complain("");
  }

  #complain(words: string): void {
    if (this.#complaint.textContent !== words) this.#complaint.textContent = words;
  }

  async #send(): Promise<void> {
    const { session } = this.#host;
    const { t } = session;
    if (!session.controllable || session.store.busy.has("credentials")) return;
    const region = this.#region.value.trim();
    let taken: Secrets | UploadAuth | null;
    if (this.#pasting) {
      taken = secrets_of_json(this.#json.value, region);
      if (!taken) {
        this.#complain(t("json_bad"));
        return;
      }
    } else {
      taken = {
        access_key_id: this.#id.value.trim(), access_key_secret: this.#key.value.trim(), security_token: this.#token.value.trim(), region,
      };
      if (!taken.access_key_id || !taken.access_key_secret) {
        this.#complain(t("keys_needed"));
        return;
      }
    }
    const single = "upload_auth" in taken;
    const stuck = session.store.cached_rows().filter((row) => row.state === "Failure" && (single ? row.file_id === this.#for_file : row.error?.next_step === "keys"));
    const answered = set_credentials(session, taken);
    // Sent in this very turn: from here on neither the page nor this closure holds them.
    taken = null;
    this.#empty();
    if (await answered) {
      this.#host.close_panel(true);
      if (this.#for_file) session.act("retry", stuck.map((row) => row.file_id));
    } else this.#complain(session.store.status.text);
  }
}

/** The shapes that the console, AssumeRole, CreateUploadVideo and the command line give. */
export function secrets_of_json(source: string, region: string): Secrets | UploadAuth | null {
  let data: unknown;
  try {
    data = JSON.parse(source);
  } catch {
    return null;
  }
  const found: Record<string, string> = {};
  const visit = (value: unknown, depth: number): void => {
    if (typeof value !== "object" || value === null || depth > 3) return;
    for (const [name, inner] of Object.entries(value)) {
      if (typeof inner === "string") found[name.toLowerCase().replace(/[^a-z]/g, "")] ??= inner.trim();
      else visit(inner, depth + 1);
    }
  };
  visit(data, 0);
  const [upload_auth, upload_address, media_id] = [found["uploadauth"], found["uploadaddress"], found["videoid"] ?? found["imageid"]];
  if (upload_auth && upload_address && media_id) return { upload_auth, upload_address, media_id };
  const id = found["accesskeyid"];
  const secret = found["accesskeysecret"];
  if (!id || !secret) return null;
  return {
    access_key_id: id, access_key_secret: secret, security_token: found["securitytoken"] ?? found["ststoken"] ?? "",
    region: region || (found["regionid"] ?? found["region"] ?? ""),
  };
}
