/**
 * What one row shows, decided from the kernel's row alone and without a page: icon, words, bar, facts, the
 * next step and the buttons. Shape, word and pattern carry the state; colour only repeats it.
 */
import { asset_id, bytes, duration, percent, speed } from "./format";
import { cause_of, type Key, own, type Translate } from "./i18n";
import type { IconName } from "./icons";
import type { Action, Row } from "./protocol";

export type Tone = "ok" | "err" | "warn" | "brand" | "mut";
export type Bar = "none" | "plain" | "ok" | "ask" | "verify" | "wait" | "hold";
export type Step = Action | "keys" | "pick_file" | "policy" | "play";

export interface Look {
  icon: IconName;
  tone: Tone;
  /** The state in one word; bold. */
  word: string;
  /** After the word: the phase, or the cause of trouble. */
  rest: string;
  /** Trouble merges the cells of state, speed and time left. */
  trouble: boolean;
  bar: Bar;
  percent: number;
  /** At the end of the bar: "62 %", "–" or nothing. */
  percent_text: string;
  /** Second line of a row in trouble: code and facts. */
  facts: string;
  speed: string;
  left: string;
  took: string;
  next: { step: Step; label: string } | null;
  buttons: Action[];
  id: string | null;
}

const PHASES = {
  authorizing: "permission", permission: "permission", preparing: "preparing", sending: "sending",
  completing: "verifying", verifying: "verifying",
} as const;

export const ACTION_ICON: Record<Action, IconName> = {
  pause: "pause", resume: "play", retry: "retry", cancel: "slash", remove: "trash",
};
export const ACTION_ORDER: readonly Action[] = ["resume", "retry", "pause", "cancel", "remove"];

export function look(row: Row, t: Translate, waited_s = 0): Look {
  const base: Look = {
    icon: "ring", tone: "mut", word: t("ready"), rest: "", trouble: false, bar: "plain", percent: percent(row.progress, false),
    percent_text: "", facts: "", speed: "", left: "", took: "", next: null,
    buttons: ACTION_ORDER.filter((action) => row.actions.includes(action)), id: asset_id(row),
  };
  const p = `${base.percent} %`;
  const browser_lost = row.error?.next_step === "pick_file" || row.error?.code === "Source.Detached";
  switch (row.state) {
    case "Ready":
      if (browser_lost) return failure(row, t, { ...base, icon: "hold", tone: "warn" });
      return base.percent > 0 ? { ...base, percent_text: p, bar: "hold" } : base;
    case "Uploading": {
      if (row.wait || row.phase === "waiting") return waiting(row, t, base, waited_s);
      const phase = own<Key>(PHASES, row.phase);
      const active = { ...base, icon: "up" as IconName, tone: "brand" as Tone, word: t("uploading"), rest: phase ? t(phase) : "" };
      if (phase === "verifying") return { ...active, icon: "shield", bar: "verify", percent_text: t("none") };
      if (phase === "permission" || phase === "preparing") return { ...active, bar: base.percent > 0 ? "plain" : "ask", percent_text: base.percent > 0 ? p : "" };
      return {
        ...active, percent_text: p, speed: speed(row.speed_bytes_per_s),
        left: row.time_left_s === null ? "" : duration(t, row.time_left_s),
      };
    }
    case "Success":
      return { ...base, icon: "ok", tone: "ok", word: t("done"), rest: t("verified"), bar: "ok", percent: 100, percent_text: "100 %", took: took(row, t) };
    case "Failure":
      // In Voila a reload starts another kernel; the one before lets go of the file soon, and the row goes on by itself.
      return row.wait?.reason === "Locked" ? waiting(row, t, base, waited_s) : failure(row, t, base);
    case "Expired":
      return {
        ...base, icon: "key", tone: "warn", trouble: true, bar: "none", word: t("expired"),
        rest: row.error ? cause_of(t, row.error.code, row.error.message) : t("c_old_keys"),
        facts: row.kept_bytes > 0 ? t("new_keys_go_on", { size: bytes(row.kept_bytes) }) : t("waits_for_keys"),
        next: { step: "keys", label: t("next_keys") },
      };
    case "Canceled":
      return { ...base, icon: "slash", word: t("canceled"), bar: "hold", percent_text: p };
    case "Stopped":
      if (browser_lost) return failure(row, t, { ...base, icon: "hold", tone: "warn", word: t("stopped") });
      return { ...base, icon: "hold", word: row.phase === "paused" ? t("paused") : t("stopped"), bar: "hold", percent_text: p };
  }
}

function waiting(row: Row, t: Translate, base: Look, waited_s: number): Look {
  const reason = row.wait?.reason ?? row.error?.code ?? "";
  const cause = cause_of(t, reason, row.error?.message && row.error.code === reason ? row.error.message : reason);
  const left = Math.ceil((row.wait?.seconds ?? 0) - waited_s);
  const retry = row.actions.includes("retry");
  // A page owes the bytes of its file: waiting is no retry, and only the person can end it.
  const detached = reason === "Source.Detached" || row.error?.next_step === "pick_file";
  const owed = detached || reason === "Source.Waiting";
  return {
    ...base, icon: "clock", tone: "warn", trouble: true, bar: "wait", percent_text: `${base.percent} %`,
    word: reason === "Locked" ? t("wait_before") : owed ? t("wait_page", { cause }) : left > 0 ? t("wait", { time: duration(t, left), cause }) : t("wait_now", { cause }),
    next: detached ? { step: "pick_file", label: t("next_pick") } : retry ? { step: "retry", label: t("retry") } : null,
    buttons: base.buttons.filter((action) => action !== "retry"),
  };
}

function failure(row: Row, t: Translate, base: Look): Look {
  const code = row.error?.code ?? "";
  const refused = row.error?.next_step === "remove";
  const failed = row.state === "Failure";
  let next: Look["next"] = null;
  // Good keys that lack a right. The kernel judges: a refusal like Forbidden.InitFailed no policy mends.
  if (row.error?.next_step === "keys") next = /Permission$|^Forbidden|^Unauth/.test(code) ? { step: "policy", label: t("next_policy") } : { step: "keys", label: t("next_keys") };
  else if (row.error?.next_step === "pick_file" || code === "Source.Detached") next = { step: "pick_file", label: t("next_pick") };
  else if (refused && row.actions.includes("remove")) next = { step: "remove", label: t("remove") };
  else if (row.actions.includes("retry")) next = { step: "retry", label: t("retry") };
  const [sent, size] = [bytes(row.sent_bytes), bytes(row.kept_bytes)];
  // What was sent and then lost with its request is counted above the list, too.
  const kept = code === "Source.Changed" ? t("from_zero")
    : row.sent_bytes > row.kept_bytes && sent !== size ? t("kept_of", { sent, size })
      : row.kept_bytes > 0 ? t("kept", { size }) : t("nothing_sent");
  return {
    ...base, trouble: true, bar: "none", next,
    icon: failed ? "fail" : base.icon, tone: failed ? "err" : base.tone,
    word: failed ? t(refused ? "refused" : "failed") : base.word,
    rest: row.error ? cause_of(t, code, row.error.message) : "",
    facts: [code, kept].filter(Boolean).join(" · "),
    buttons: base.buttons.filter((action) => action !== next?.step),
  };
}

function took(row: Row, t: Translate): string {
  if (row.duration_s === null) return t("none");
  const time = duration(t, Math.max(1, row.duration_s));
  // Below two seconds a speed is noise, and of a small file it tells how long the calls took.
  if (row.duration_s < 2 || !row.size_bytes || row.size_bytes < 1e6) return t("took_all", { time });
  return t("took", { time, speed: speed(row.size_bytes / row.duration_s) });
}
