/** Links, one a line, which the kernel reads by itself; what it cannot take stays in the field, with its reason below. */
import { h, replace, set, text, uid } from "../dom";
import { field, frame, type Panel, refusals } from "./panel";
import { button, enable, type Host, press } from "./parts";

/** The kernel takes so many in one message. */
const MOST = 100;

export class AddressPanel implements Panel {
  readonly kind = "address";
  readonly element: HTMLElement;
  readonly #input: HTMLTextAreaElement;
  readonly #add: HTMLButtonElement;
  readonly #count = h("span", { class: "cnt" });
  readonly #told = h("div", { class: "told", role: "status" });

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
    const { t } = host.session;
    this.#input = h("textarea", {
      class: "inp", id: uid(), rows: 5, placeholder: "https://example.com/talk.mp4", autocomplete: "off", autocapitalize: "off", spellcheck: "false", "data-field": "addresses",
      oninput: () => this.update(), onkeydown: (event: KeyboardEvent) => {
        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        void this.#submit();
      },
    });
    // Several links fill more lines than a description does.
    this.#input.style.height = "108px";
    this.#add = button(t("add_this"), "plus", { "data-action": "add-address-now", onclick: press(() => void this.#submit()) }, "pri sm");
    this.element = frame(host, t("address_title"), h("div", null, h("h4", null, t("address_title"))),
      h("div", { class: "sc" }, h("div", { class: "fl" }, field(t("address_label"), this.#count, this.#input)), h("p", { class: "mut note" }, t("address_note")), this.#told),
      h("div", { class: "sf" }, h("span", { class: "mut" }, t("from_kernel_sub")), this.#add));
  }

  get #lines(): string[] {
    return [...new Set(this.#input.value.split(/\s+/).filter(Boolean))];
  }

  update(): void {
    const { session } = this.#host;
    const { t } = session;
    const lines = this.#lines;
    const wrong = lines.find((line) => !/^https?:\/\/[^/\s@?]+([/?]|$)/i.test(line));
    const words = wrong ? t("address_bad", { line: wrong.length > 30 ? `${wrong.slice(0, 29)}…` : wrong }) : lines.length > MOST ? t("address_many", { n: MOST }) : "";
    text(this.#count, words);
    this.#count.classList.toggle("t-err", words !== "");
    set(this.#input, "aria-invalid", words ? "true" : null);
    const label = lines.length > 1 ? t("add_n", { n: lines.length }) : t("add_this");
    const node = this.#add.lastChild;
    if (node && node.nodeValue !== label) node.nodeValue = label;
    enable(this.#add, session.controllable && lines.length > 0 && !words && !session.store.busy.has("add"));
  }

  focus(): void {
    this.#input.focus();
  }

  may_close(): boolean {
    return true;
  }

  close(): void {
    // nothing to release
  }

  again(): Panel {
    const made = new AddressPanel(this.#host);
    made.#input.value = this.#input.value;
    return made;
  }

  async #submit(): Promise<void> {
    if (this.#add.getAttribute("aria-disabled") === "true") return;
    const lines = this.#lines;
    const { session } = this.#host;
    replace(this.#told, session.t("asking"));
    const answer = await (await session.adding())?.add_addresses(lines);
    replace(this.#told);
    if (!answer) return; // what was typed stays
    const { refused } = answer;
    if (refused.length === 0) {
      this.#host.close_panel(true);
      return;
    }
    replace(this.#told, refusals(session.t, session.t("refused_add", { n: refused.length }), refused));
    // What joined the list need not be typed again; a refusal names its address without what follows the question mark.
    this.#input.value = lines.filter((line) => refused.some((one) => one.address === line.split(/[?#]/)[0])).join("\n");
    this.update();
  }
}
