/** One file in full: its metadata to edit while it is Ready, and how its transfer went. */
import { type Child, h, replace, set, text, uid } from "../dom";
import { asset_id, bytes, bytes_pair, duration, NOTHING, unbroken } from "../format";
import { cause_of } from "../i18n";
import type { Detail, Row } from "../protocol";
import { ACTION_ICON, look } from "../rowmodel";
import { button, copy_button, copy_text, enable, fit_names, focused_in, type Host, icon_button, press } from "./parts";
import { MetadataForm } from "./metadata";
import { name_element, type Panel } from "./panel";
import { run_step, source_word } from "./row";

/** The least that the keys must be allowed to do; the same text is in the handbook. */
const POLICY = JSON.stringify({
  Version: "1",
  Statement: [{
    Effect: "Allow", Resource: "*",
    Action: ["vod:CreateUploadVideo", "vod:RefreshUploadVideo", "vod:CreateUploadImage", "vod:GetVideoInfo"],
  }],
}, null, 2);

export class DetailPanel implements Panel {
  readonly kind = "detail";
  readonly element: HTMLElement;
  readonly #head = h("div", { class: "hdt" });
  readonly #buttons = h("span", { class: "hb" });
  readonly #sub = h("div", { class: "sub el" });
  readonly #content = h("div", { class: "sc", role: "tabpanel", id: uid() });
  #foot = h("div", { class: "sf" });
  readonly #tabs: { metadata: HTMLElement; transfer: HTMLElement };
  #tab: "metadata" | "transfer";
  #detail: Detail | null = null;
  #detail_state = "";
  #loading = false;
  #warned = false;
  #show_policy: boolean;
  #shape = "";
  /** Changes several times a second, so it is written by itself: what stands beside it may be selected, or hold the focus. */
  #sent: HTMLElement | null = null;
  #files = 0;
  #form: MetadataForm | null = null;
  /** The form in the language before. */
  #typed: MetadataForm | null = null;

  readonly #host: Host;

  constructor(host: Host, readonly file_id: string, policy: boolean, before?: DetailPanel) {
    this.#host = host;
    const { t, store } = host.session;
    const row = store.row(file_id);
    const bad = row?.state === "Failure" || row?.state === "Expired" || row?.wait || policy;
    this.#show_policy = policy;
    this.#tab = before ? before.#tab : bad ? "transfer" : "metadata";
    const tab = (which: "metadata" | "transfer"): HTMLElement => h("button", {
      type: "button", role: "tab", id: uid(), "aria-controls": this.#content.id, onclick: () => this.#go(which),
      onkeydown: (event: KeyboardEvent) => {
        if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
        event.preventDefault();
        this.#go(this.#tab === "metadata" ? "transfer" : "metadata");
        this.#tabs[this.#tab].focus();
      },
    }, t(which === "metadata" ? "tab_metadata" : "tab_transfer"));
    this.#tabs = { metadata: tab("metadata"), transfer: tab("transfer") };
    const name = row?.name ?? "";
    this.#head.append(h("h4", null, name_element(name)), this.#sub);
    this.element = h("aside", { class: "side", role: "complementary", "aria-label": t("details_of", { name }) },
      h("div", { class: "sh" }, this.#head, this.#buttons, icon_button(t("close"), "x", { "data-action": "close", onclick: () => host.close_panel() })),
      h("div", { class: "tabs seg", role: "tablist" }, this.#tabs.metadata, this.#tabs.transfer), this.#content, this.#foot);
    if (before && before.#detail) [this.#detail, this.#detail_state, this.#typed] = [before.#detail, before.#detail_state, before.#form];
    else void this.#load();
  }

  again(): Panel {
    return new DetailPanel(this.#host, this.file_id, this.#show_policy, this);
  }

  focus(): void {
    this.#tabs[this.#tab].focus();
  }

  may_close(): boolean {
    if (!this.#form?.changed() || this.#warned) return true;
    this.#warned = true;
    this.#host.session.say(this.#host.session.t("unsaved"), "warn");
    return false;
  }

  async take(): Promise<boolean> {
    const taken = await this.#form?.take() ?? true;
    this.#warned = !taken;
    return taken;
  }

  close(): void {
    // nothing to release
  }

  get #row(): Row | null {
    return this.#host.session.store.row(this.file_id) ?? this.#detail?.row ?? null;
  }

  async #load(): Promise<void> {
    this.#loading = true;
    const { session } = this.#host;
    const detail = await session.ask("detail", { file_id: this.file_id }, session.t("details"));
    this.#loading = false;
    if (!detail) return;
    this.#detail = detail;
    this.#detail_state = stage(detail.row);
    // What is being typed stays until the file starts.
    if (!this.#form?.changed() || detail.row.state !== "Ready") {
      if (this.#form?.changed()) session.say(session.t("refused_intent", { action: session.t("apply"), cause: session.t("c_started") }), "warn");
      this.#form = null;
    }
    session.store.put(detail.row);
    this.#shape = "";
    this.update();
    session.store.changed();
  }

  /** The file left the list: by a button here, by Clear, by another page or by code. */
  #look_whether_gone(): void {
    const { session } = this.#host;
    const { total } = session.store.summary;
    const fewer = total < this.#files;
    this.#files = total;
    if (!fewer || !session.controllable) return;
    session.connection.request("detail", { file_id: this.file_id }).catch((error: { code?: string }) => {
      if (error.code === "NotFound" && this.element.isConnected) this.#host.close_panel(true);
    });
  }

  update(): void {
    const had = focused_in(this.element) as HTMLElement | null;
    this.#look_whether_gone();
    this.#draw();
    if (!had || focused_in(this.element)) return;
    // The control that had the focus is drawn anew or is gone; fallen to the page, the next key would be the notebook's.
    const same = [...this.element.querySelectorAll<HTMLElement>("[data-action],[data-field]")].find((one) =>
      (["data-action", "data-field", "aria-label"]).every((name) => one.getAttribute(name) === had.getAttribute(name)));
    (same ?? this.#tabs[this.#tab]).focus();
  }

  #draw(): void {
    const { session } = this.#host;
    const { t, store } = session;
    const row = this.#row;
    if (!row) return;
    // Attempts and ids change with the state; ask again when it does.
    if (this.#detail && !this.#loading && stage(row) !== this.#detail_state && session.controllable) {
      this.#detail_state = stage(row);
      void this.#load();
    }
    const now = look(row, t);
    text(this.#sub, [bytes(row.size_bytes), now.word, now.trouble && now.bar === "none" ? "" : now.rest,
      now.percent_text === t("none") || row.state === "Success" ? "" : now.percent_text].filter(Boolean).join(" · "));
    for (const which of ["metadata", "transfer"] as const) {
      set(this.#tabs[which], "aria-selected", which === this.#tab ? "true" : "false");
      set(this.#tabs[which], "tabindex", which === this.#tab ? 0 : -1);
    }
    set(this.#content, "aria-labelledby", this.#tabs[this.#tab].id);
    const head_key = now.buttons.join();
    if (this.#buttons.dataset["key"] !== head_key) {
      this.#buttons.dataset["key"] = head_key;
      replace(this.#buttons, now.buttons.map((action) => icon_button(t("of_name", { action: t(action), name: row.name }), ACTION_ICON[action], {
        "data-action": action, onclick: press(() => session.act(action, [row.file_id])),
      })));
    }
    for (const control of this.#buttons.querySelectorAll<HTMLElement>("button")) {
      enable(control, session.controllable && !store.busy.has(`${control.dataset["action"] ?? ""}:${row.file_id}`));
    }
    const shape = JSON.stringify([this.#tab, this.#detail !== null, row.state === "Ready", row.state,
      this.#tab === "transfer" ? [row.error, row.wait?.reason, asset_id(row), this.#detail?.attempts, this.#show_policy] : ""]);
    if (shape !== this.#shape) {
      this.#shape = shape;
      if (this.#tab === "transfer") this.#build_transfer(row);
      else this.#build_metadata();
    }
    if (this.#tab === "metadata") this.#form?.refresh();
    else if (this.#sent) {
      const time = now.left && t("left_suffix", { time: now.left });
      text(this.#sent, [bytes_pair(t, row.state === "Success" ? row.size_bytes ?? 0 : row.sent_bytes, row.size_bytes ?? 0), now.left && now.speed, time].filter(Boolean).join(" · "));
    }
    fit_names(this.#head);
  }

  #go(tab: "metadata" | "transfer"): void {
    if (tab === this.#tab) return;
    this.#tab = tab;
    this.#shape = "";
    this.update();
  }

  #build_metadata(): void {
    const { t } = this.#host.session;
    const detail = this.#detail;
    if (!detail) {
      replace(this.#content, h("p", { class: "mut none" }, t("loading")));
      set(this.#foot, "hidden", true);
      return;
    }
    if (!this.#form) {
      const form = new MetadataForm(this.#host, detail, () => {
        this.#form = null;
        this.#warned = false;
        this.#shape = "";
        this.update();
      });
      form.edited = () => { this.#warned = false; };
      this.#form = form;
      if (this.#typed) form.take_over(this.#typed);
      this.#typed = null;
    }
    replace(this.#content, this.#form.element);
    if (this.#foot !== this.#form.foot) this.#foot.replaceWith(this.#form.foot);
    this.#foot = this.#form.foot;
  }

  // ---- transfer --------------------------------------------------------------------------------------

  /** For a report: all that stands on this page about the failure, and no secret, for the kernel sends none. */
  async #copy_error(row: Row, next: string): Promise<void> {
    const { session } = this.#host;
    const { t } = session;
    const { error } = row;
    const facts: [string, string | null | undefined][] = [
      [t("name"), row.name], [t("state"), row.state], [t("error_code"), error?.code], [t("request_id"), this.#detail?.request_id],
      [t("cause"), error && [cause_of(t, error.code, error.message), error.message].join(". ")], [t("next_step"), [next.replace("…", ""), error?.hint].filter(Boolean).join(". ")],
      [t("sent"), bytes_pair(t, row.sent_bytes, row.size_bytes ?? 0)], [t("video_id"), asset_id(row)], [t("reference_id"), this.#detail?.reference_id],
      ...(this.#detail?.attempts ?? []).map((one): [string, string] => [`${t("attempts")} ${one.number}`, `${one.code} ${one.message}`]),
    ];
    const done = await copy_text(facts.filter(([, value]) => value).map(([name, value]) => `${name}: ${value ?? ""}`).join("\n"));
    session.say(done ? t("copied", { what: t("details") }) : t("copy_failed"), done ? "" : "warn");
  }

  #build_transfer(row: Row): void {
    const { session } = this.#host;
    const { t } = session;
    const detail = this.#detail;
    set(this.#foot, "hidden", true);
    // Without a countdown, which nobody would count down here.
    const now = look(row, t, Infinity);
    const id = asset_id(row);
    const mono = (what: string, value: string | null | undefined): Child => value
      ? [h("span", { class: "mono el", title: value }, value), copy_button(session, what, t("copy_id_of", { what, name: row.name }), () => value)]
      : NOTHING;
    const line = (label: string, ...value: Child[]): Child => [h("dt", null, label), h("dd", null, ...value)];
    const attempts = detail?.attempts ?? [];
    const english = t.locale === "en";
    const { error } = row;
    this.#sent = h("span", { class: "brk" });
    replace(this.#content,
      now.trouble && h("div", { class: row.state === "Failure" ? "why" : "why soft" },
        h("b", { class: row.state === "Failure" ? "t-err" : "t-warn" }, now.word, now.rest && t("colon"), now.rest),
        h("p", null, error ? (english ? error.hint : error.hint_zh) : english ? detail?.wait_hint : detail?.wait_hint_zh),
        now.next && button(now.next.label, now.next.step === "retry" ? "retry" : now.next.step === "remove" ? "trash" : now.next.step === "pick_file" ? "pc" : "key", {
          "data-action": now.next.step, onclick: press(() => {
            if (now.next) run_step(this.#host, now.next.step, row.file_id);
          }),
        }, "pri sm"),
        now.buttons.includes("retry") && button(t("retry"), "retry", {
          "aria-label": t("of_name", { action: t("retry"), name: row.name }), "data-action": "retry", onclick: press(() => session.act("retry", [row.file_id])),
        }, "sm"),
        button(t("copy_details"), "copy", { "data-action": "copy-error", onclick: () => void this.#copy_error(row, now.next?.label ?? "") }, "sm")),
      this.#show_policy && error && h("div", { class: "pol" }, h("div", { class: "polh" }, h("b", null, t("policy_title")), copy_button(session, "policy", t("copy"), () => POLICY)),
        h("pre", { tabindex: 0 }, POLICY)),
      h("dl", null,
        error && line(t("error_code"), h("span", { class: "el" }, error.code)),
        // The kernel's own sentence is English; "Copy details" has it in every language. Without words for the code it is all there is.
        error && (english || now.rest.includes(error.code)) && !error.message.toLowerCase().startsWith(now.rest.toLowerCase()) && line(t("cause"), h("span", { class: "brk" }, error.message)),
        // Which host or call it is that the row's few words stand for.
        english && !error && row.wait && attempts.length > 0 && line(t("cause"), h("span", { class: "brk" }, attempts[attempts.length - 1]?.message ?? "")),
        (error || detail?.request_id) && line(t("request_id"), mono("RequestId", detail?.request_id)),
        line(t("source"), source_word(t, row.source)),
        detail?.path && line(t("path"), mono(t("path"), detail.path)),
        line(t("sent"), this.#sent),
        line(t(row.image_id && !row.video_id ? "image_id" : "video_id"), mono(t(row.image_id && !row.video_id ? "image_id" : "video_id"), id)),
        line(t("reference_id"), mono("ReferenceId", detail?.reference_id)),
        detail?.bucket && line(t("bucket"), h("span", { class: "mono el", title: detail.bucket }, detail.bucket)),
        detail?.object && line(t("object"), mono("Object", detail.object)),
        attempts.length > 0 && line(t("attempts"), h("ol", { class: "att" }, attempts.map((one) => h("li", { title: english && one.message },
          cause_of(t, one.code, one.message), h("small", null, ` · ${one.code}${one.waited_s > 0 ? ` · ${unbroken(duration(t, one.waited_s))}` : ""}`)))))));
  }
}

/** Facts of the detail change when this does. */
function stage(row: Row): string {
  return [row.state, row.error?.code, row.wait !== null].join();
}

