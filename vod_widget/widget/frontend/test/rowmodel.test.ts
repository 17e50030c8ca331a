import { describe, expect, it } from "vitest";
import { translator } from "../src/i18n";
import type { RowError } from "../src/protocol";
import { look } from "../src/rowmodel";
import { row } from "./kernel";

const t = translator("en");
const fault = (code: string, next_step: RowError["next_step"] = "retry"): RowError => ({ code, message: "the kernel's text", hint: "", next_step: next_step ?? null });

describe("what a row shows in each state", () => {
  it.each([
    [row("a", "Ready"), "ring", "Ready", "", "plain", ""],
    [row("a", "Uploading", { phase: "authorizing" }), "up", "Uploading", "getting permission", "ask", ""],
    [row("a", "Uploading", { progress: 0.62 }), "up", "Uploading", "sending", "plain", "62 %"],
    [row("a", "Uploading", { progress: 1 }), "up", "Uploading", "sending", "plain", "99 %"],
    [row("a", "Uploading", { phase: "verifying", progress: 1 }), "shield", "Uploading", "verifying", "verify", "–"],
    [row("a", "Uploading", { phase: "completing", progress: 1 }), "shield", "Uploading", "verifying", "verify", "–"],
    [row("a", "Success"), "ok", "Done", "verified", "ok", "100 %"],
    [row("a", "Canceled", { progress: 0.09 }), "slash", "Canceled", "", "hold", "9 %"],
    [row("a", "Stopped", { progress: 0.33, phase: "paused" }), "hold", "Paused", "", "hold", "33 %"],
    [row("a", "Stopped", { progress: 0.33 }), "hold", "Stopped", "", "hold", "33 %"],
  ])("%#", (file, icon, word, rest, bar, percent_text) => {
    expect(look(file, t)).toMatchObject({ icon, word, rest, bar, percent_text, trouble: false });
  });

  it("waits with a cause and a countdown", () => {
    const file = row("a", "Uploading", { phase: "waiting", progress: 0.41, wait: { seconds: 12, reason: "Network.Lost" }, actions: ["retry", "pause", "cancel"] });
    expect(look(file, t)).toMatchObject({ word: "Retrying in 12 s: connection lost", bar: "wait", percent_text: "41 %", trouble: true, buttons: ["pause", "cancel"] });
    expect(look(file, t, 4.2).word).toBe("Retrying in 8 s: connection lost");
    expect(look(file, t, 60).word).toBe("Retrying: connection lost");
    expect(look(file, t).next).toEqual({ step: "retry", label: "Retry" });
  });
  it("asks for the file when its page is gone", () => {
    const file = row("a", "Uploading", { source: "browser", phase: "waiting", wait: { seconds: 0, reason: "Source.Detached" }, error: fault("Source.Detached", "pick_file") });
    expect(look(file, t)).toMatchObject({ word: "Waiting: the page was reloaded", next: { step: "pick_file" } });
    const unbegun = row("a", "Ready", { source: "browser", error: fault("Source.Detached", "pick_file") });
    expect(look(unbegun, t)).toMatchObject({ word: "Ready", rest: "the page was reloaded", facts: "Source.Detached · nothing was sent", next: { step: "pick_file" }, buttons: ["remove"] });
  });
  it("waits for the kernel of the page before, which holds the file", () => {
    const file = row("a", "Failure", { wait: { seconds: 0, reason: "Locked" }, error: fault("Locked"), actions: ["retry", "remove"] });
    expect(look(file, t)).toMatchObject({ icon: "clock", word: "Waiting until the page before lets go of this file", next: { step: "retry" }, buttons: ["remove"] });
  });
  it("fails with cause, code, what is kept, and one next step", () => {
    expect(look(row("a", "Failure", { error: fault("Source.Changed") }), t)).toMatchObject({
      icon: "fail", word: "Failed", rest: "the file changed while it was sent", facts: "Source.Changed · Retry starts from 0", next: { step: "retry" }, buttons: ["remove"], bar: "none",
    });
    expect(look(row("a", "Failure", { error: fault("Forbidden.RAM", "keys") }), t)).toMatchObject({ next: { step: "policy", label: "Show policy…" }, buttons: ["retry", "remove"] });
    expect(look(row("a", "Failure", { error: fault("Forbidden.RAM", "retry") }), t), "other keys came").toMatchObject({ next: { step: "retry" } });
    expect(look(row("a", "Failure", { error: fault("Forbidden.InitFailed", "remove") }), t), "no policy mends it").toMatchObject({ next: { step: "remove" }, buttons: ["retry"] });
    expect(look(row("a", "Failure", { error: fault("NoPermission", "keys") }), t)).toMatchObject({ next: { step: "policy" } });
    expect(look(row("a", "Failure", { error: fault("SignatureDoesNotMatch", "keys") }), t)).toMatchObject({ next: { step: "keys" }, rest: "the keys are not accepted" });
    expect(look(row("a", "Failure", { progress: 0.5, error: fault("Source.Detached", "pick_file") }), t)).toMatchObject({ next: { step: "pick_file" }, facts: "Source.Detached · 50.0 MB is kept" });
    expect(look(row("a", "Failure", { error: fault("InvalidFileName.Extension", "remove"), actions: ["remove"] }), t)).toMatchObject({ word: "Refused", next: { step: "remove" }, buttons: [] });
    expect(look(row("a", "Failure", { error: fault("What.Is.This") }), t)).toMatchObject({ rest: "the kernel's text", next: { step: "retry" } });
  });
  it("says of bytes that went down with their request that they were sent, as the strip does", () => {
    const fail = { progress: 0.5, error: fault("Network.Lost") };
    expect(look(row("a", "Failure", { ...fail, kept_bytes: 0 }), t).facts).toBe("Network.Lost · 50.0 MB sent, 0 B kept");
    expect(look(row("a", "Failure", { ...fail, kept_bytes: 2e7 }), t).facts).toBe("Network.Lost · 50.0 MB sent, 20.0 MB kept");
    expect(look(row("a", "Expired", { progress: 0.5, kept_bytes: 2e7 }), t).facts).toBe("20.0 MB is kept; goes on with new keys");
  });
  it("expires with what is kept", () => {
    expect(look(row("a", "Expired", { size_bytes: 2.41e9, progress: 0.62 }), t)).toMatchObject({
      word: "Expired", rest: "the keys ran out", facts: "1.49 GB is kept; goes on with new keys", next: { step: "keys", label: "New keys…" }, buttons: ["cancel"],
    });
  });
  it("offers only what the kernel allows", () => {
    expect(look(row("a", "Failure", { error: fault("X"), actions: [] }), t)).toMatchObject({ next: null, buttons: [] });
    expect(look(row("a", "Uploading", { actions: ["cancel"] }), t).buttons).toEqual(["cancel"]);
  });
  it("says how long it took", () => {
    expect(look(row("a", "Success", { size_bytes: 86.3e6, duration_s: 4 }), t).took).toBe("4 s at 21.6 MB/s");
    expect(look(row("a", "Success", { duration_s: 1 }), t).took).toBe("in 1 s");
    expect(look(row("a.png", "Success", { size_bytes: 842, duration_s: 5 }), t).took, "no 168 B/s").toBe("in 5 s");
    expect(look(row("a", "Success", { duration_s: null }), t).took).toBe("–");
  });
});
