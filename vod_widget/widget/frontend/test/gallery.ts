/**
 * Every state of the screen in a page of its own: the committed bundle on the fake kernel. `scripts/gallery` takes the
 * pictures, and the browser tests run the accessibility checker over the same states.
 */
// @ts-expect-error the bundle has no types of its own
import module from "../../static/widget.js";
import type widget from "../src/index";
import type { Row } from "../src/protocol";
import { FakeKernel, PROFILES, row } from "./kernel";

type Prepare = (kernel: FakeKernel, root: () => HTMLElement) => (() => unknown) | undefined;

const MB = 1e6;
const EMULATOR = (kernel: FakeKernel): void => { kernel.current_profile = "emulator"; };
const running = (): Row[] => [
  row("teaser-vertical-9x16.mp4", "Success", { source: "browser", size_bytes: 86.3 * MB, video_id: "a1f05e6de87c2e7c", can_play: true, duration_s: 4, phase: "" }),
  row("keynote-2026-main-stage-multicam-final-v7.mp4", "Uploading", { size_bytes: 2410 * MB, progress: 0.62, speed_bytes_per_s: 21.4 * MB, time_left_s: 43, video_id: "c77e11aa90bb41d0" }),
  row("drone-coast-sunrise-take-03.mov", "Uploading", { size_bytes: 1860 * MB, progress: 0.18, speed_bytes_per_s: 18.9 * MB, time_left_s: 81, video_id: "9b2d77aa90bbe058" }),
  row("interview-liu-camera-B.mkv", "Uploading", { source: "browser", size_bytes: 744 * MB, progress: 0.999, phase: "verifying", video_id: "0d4c77aa90bbb7f3" }),
  row("webinar-q3-recording.mp4", "Uploading", { size_bytes: 512 * MB, progress: 0.41, phase: "waiting", wait: { seconds: 12, reason: "Network.Lost" }, actions: ["retry", "pause", "cancel"] }),
  row("发布会-上海站-开场.mp4", "Uploading", { size_bytes: 320 * MB, phase: "authorizing" }),
  row("podcast-ep-114.wav", "Ready", { media_type: "audio", size_bytes: 284 * MB }),
  row("poster-main.png", "Success", { media_type: "image", source: "browser", size_bytes: 2.4 * MB, image_id: "5b0177aa90bb9e12", view_url: "https://example.com/poster.png", duration_s: 1 }),
  row("classroom-07.mp4", "Stopped", { size_bytes: 640 * MB, progress: 0.35, phase: "paused", actions: ["resume", "cancel", "remove"] }),
];
const failures = (): Row[] => [
  row("bumper-old-logo.avi", "Failure", { size_bytes: 38 * MB, error: { code: "Source.Changed", message: "The file changed while it was sent.", hint: "Add it again.", next_step: "retry" } }),
  row("townhall-recording-full.mp4", "Failure", { size_bytes: 3300 * MB, progress: 0.3, error: { code: "Forbidden.RAM", message: "This account may not create videos.", hint: "Ask for vod:CreateUploadVideo.", next_step: "keys" } }),
  row("setup-notes.pdf", "Failure", { media_type: "file", size_bytes: 0.8 * MB, actions: ["remove"], error: { code: "Restriction.Extension", message: "VOD takes no .pdf.", hint: "", next_step: "remove" } }),
  row("holiday-cut-2.mp4", "Uploading", { source: "browser", size_bytes: 410 * MB, progress: 0.5, phase: "waiting", wait: { seconds: 0, reason: "Source.Detached" }, error: { code: "Source.Detached", message: "The page was reloaded.", next_step: "pick_file" } }),
  row("lecture-12.mp4", "Canceled", { size_bytes: 900 * MB, progress: 0.2 }),
  row("trailer-4k.mp4", "Success", { size_bytes: 190 * MB, video_id: "77ab1c2d3e4f5a6b", can_play: true, duration_s: 11 }),
];
const expired = (): Row[] => [
  row("keynote-2026-main-stage.mp4", "Expired", { size_bytes: 2410 * MB, progress: 0.62, error: { code: "Auth.Expired", message: "The keys ran out at 10:38.", next_step: "keys" } }),
  row("drone-coast-sunrise-take-03.mov", "Expired", { size_bytes: 1860 * MB, error: { code: "Auth.Expired", message: "The keys ran out at 10:38.", next_step: "keys" } }),
  row("teaser-vertical-9x16.mp4", "Success", { size_bytes: 86.3 * MB, video_id: "a1f05e6de87c2e7c", can_play: true, duration_s: 4 }),
];
const done = (): Row[] => Array.from({ length: 12 }, (_, k) => row(`episode-${String(k + 1).padStart(2, "0")}.mp4`, "Success",
  { size_bytes: (60 + 7 * k) * MB, video_id: `${(k + 17) * 7919}c2e7c0a1b2${k}`, can_play: true, duration_s: 3 + k }));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** A picture of a page that was still busy shows another state than its name says. */
async function until(shown: () => unknown): Promise<void> {
  for (let k = 0; k < 400 && !shown(); k++) await pause(25);
  if (!shown()) throw new Error(`not shown: ${String(shown)}`);
}
const opened = (root: () => HTMLElement, selector: string): Promise<void> => until(() => root().querySelector(selector));
const press = (root: () => HTMLElement, selector: string, then: string) => async (): Promise<void> => {
  root().querySelector<HTMLElement>(selector)!.click();
  await opened(root, then);
};
const select = (root: () => HTMLElement, ...rows: number[]): Promise<void> => {
  for (const k of rows) root().querySelectorAll<HTMLElement>("[role=row] input[type=checkbox]")[k + 1]!.click();
  return until(() => root().querySelectorAll("[aria-selected=true][data-file-id]").length === rows.length && root().querySelector("[data-action=selected-edit]"));
};

export const STATES: Record<string, Prepare> = {
  empty: (kernel) => {
    EMULATOR(kernel);
    kernel.state = "Init";
    return undefined;
  },
  running: (kernel) => {
    kernel.rows = running();
    return undefined;
  },
  selected: (kernel, root) => {
    kernel.rows = running();
    return () => select(root, 0, 2);
  },
  detail: (kernel, root) => {
    const rows = running();
    kernel.rows = [...rows.splice(6, 1), ...rows];
    kernel.categories = [{ cate_id: 7, path: "Events" }, { cate_id: 8, path: "Events / 2026" }];
    kernel.details = { description: "Opening keynote, four cameras, graded.", tags: ["keynote", "2026", "shanghai"], cate_id: 8, workflow_id: "wf-7a41" };
    return press(root, "[data-state=Ready] [data-step=open]", ".side [data-field=title]");
  },
  failed: (kernel) => {
    kernel.rows = failures().filter((one) => one.state !== "Uploading");
    kernel.summary_more = { causes: kernel.rows.flatMap(({ error }) => error ? [[error.code, error.message, 1] as [string, string, number]] : []) };
    kernel.state = "End";
    return undefined;
  },
  problem: (kernel, root) => {
    kernel.rows = failures();
    kernel.state = "End";
    kernel.details = { attempts: [{ number: 1, code: "Network.Lost", message: "connection lost", waited_s: 2 }, { number: 2, code: "OperationDenied", message: "not activated", waited_s: 0 }] };
    return press(root, "[data-step=open]", ".side .why");
  },
  expired: (kernel) => {
    kernel.rows = expired();
    kernel.state = "Expire";
    return undefined;
  },
  done: (kernel) => {
    kernel.rows = done();
    kernel.state = "End";
    return undefined;
  },
  credentials: (kernel, root) => {
    kernel.rows = running();
    return press(root, "[data-action=credentials-details]", ".side [data-profile]");
  },
  keys: (kernel, root) => {
    kernel.rows = running();
    return async () => {
      const chooser = root().querySelector<HTMLSelectElement>("[data-action=credentials]")!;
      chooser.selectedIndex = chooser.options.length - 1;
      chooser.dispatchEvent(new Event("change"));
      await opened(root, "[data-action=use-keys]");
    };
  },
  browse: (kernel, root) => {
    kernel.rows = running().slice(0, 2);
    return async () => {
      root().querySelector<HTMLElement>("[data-action=add]")!.click();
      await press(root, ".menu [data-action=add-kernel]", ".side .ent")();
    };
  },
  several: (kernel, root) => {
    kernel.rows = running().map((one) => ({ ...one, state: "Ready", phase: "", progress: 0, sent_bytes: 0, video_id: null, wait: null, speed_bytes_per_s: 0, actions: ["remove"] }));
    kernel.state = "Init";
    kernel.categories = [{ cate_id: 7, path: "Events" }, { cate_id: 8, path: "Events / 2026" }];
    return async () => {
      await select(root, 0, 1, 2);
      await press(root, "[data-action=selected-edit]", ".side [data-field=tags]")();
      const tags = root().querySelector<HTMLInputElement>(".side [data-field=tags]")!;
      tags.value = "keynote, 2026, shanghai";
      tags.dispatchEvent(new Event("input"));
    };
  },
  address: (kernel, root) => {
    kernel.rows = running().slice(0, 2);
    return async () => {
      root().querySelector<HTMLElement>("[data-action=add]")!.click();
      await press(root, ".menu [data-action=add-address]", ".side [data-field=addresses]")();
      const links = root().querySelector<HTMLTextAreaElement>(".side [data-field=addresses]")!;
      links.value = "https://media.example.com/2026/keynote.mp4\nhttps://intranet.example.com/bad-cut.mp4";
      links.dispatchEvent(new Event("input"));
      await press(root, "[data-action=add-address-now]", ".side .told li")();
    };
  },
  menu: (kernel, root) => {
    kernel.rows = running();
    return press(root, "[data-action=add]", ".menu");
  },
  left: (kernel, root) => {
    kernel.unfinished = { files: 3, browser: 1 };
    kernel.state = "Init";
    return () => opened(root, "[data-action=take-back]");
  },
  many: (kernel, root) => {
    kernel.rows = Array.from({ length: 10_000 }, (_, k) => row(`clip-${String(k + 1).padStart(5, "0")}.mp4`, k < 8390 ? "Success" : k < 8396 ? "Uploading" : "Ready",
      { size_bytes: 12 * MB, progress: k < 8390 ? 1 : k < 8396 ? 0.4 : 0, video_id: k < 8396 ? `${k}aa90bb41d0${k}` : null, can_play: k < 8390, duration_s: 2 }));
    return async () => {
      root().querySelector(".grid")!.scrollTop = 8388 * 40;
      await until(() => root().querySelector("[data-name='clip-08390.mp4']"));
    };
  },
  restarted: (kernel, root) => {
    kernel.rows = running();
    return () => {
      kernel.alive = false;
      kernel.emit("comm_live_update");
      return opened(root, "[data-action=copy-resume]");
    };
  },
};

/** Shows one state in the element `#cell`; resolves when it stands still. */
async function show(name: string, locale: string, assets: Record<string, string>): Promise<void> {
  const el = document.querySelector<HTMLElement>("#cell");
  const prepare = STATES[name];
  if (!el || !prepare) throw new Error(`no state ${name}`);
  const kernel = new FakeKernel();
  kernel.profiles = PROFILES;
  kernel.assets = assets;
  kernel.policy = { name: "private", sources: ["browser", "kernel", "address"] };
  kernel.traits["locale"] = locale;
  const root = (): HTMLElement => el.querySelector<HTMLElement>(".vod-widget")!;
  const after = prepare(kernel, root);
  const made = (module as typeof widget)();
  made.initialize({ model: kernel });
  made.render({ model: kernel, el });
  await until(() => !root().querySelector(".main[aria-busy]") && (kernel.rows.length === 0 || root().querySelector("[data-file-id]")));
  if (locale !== "en") await until(() => kernel.of("asset").some((message) => message["name"] === "chinese"));
  await pause(100);
  await after?.();
  await pause(100);
}

Object.assign(window, { show, states: Object.keys(STATES) });
