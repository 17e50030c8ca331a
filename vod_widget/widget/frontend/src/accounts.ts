/** Choosing whose authority uploads have. Functions, so that the bundle holds only what the toolbar needs and the panels the rest. */
import { asset_id } from "./format";
import type { Secrets, UploadAuth } from "./protocol";
import type { Session } from "./session";

export async function set_credentials(session: Session, secrets: Secrets | UploadAuth): Promise<boolean> {
  // The one message with a secret in it; nothing here keeps it.
  const single = "upload_auth" in secrets;
  // It waits for just this, whatever is next in the list.
  const goes_on = single && session.store.cached_rows().some((row) => row.state === "Expired" && asset_id(row) === secrets.media_id);
  const answer = await (single ? session.ask("set_upload_auth", secrets, session.t("use_keys"), ["credentials"])
    : session.ask("set_credentials", secrets, session.t("use_keys"), ["credentials"]));
  if (!answer) return false;
  uses(session, answer.current_profile);
  session.say(goes_on ? session.t("goes_on", { n: 1 }) : session.t(single ? "auth_taken" : "keys_taken", { id: answer.masked_id }));
  return true;
}

function uses(session: Session, profile: string | null): void {
  session.store.current_profile = profile;
  session.store.tested = null;
  void load_profiles(session);
}

/** What is found comes as a message of its own. */
export function test_credentials(session: Session): void {
  session.store.tested = null;
  void session.ask("test_credentials", {}, session.t("test"), ["credentials"]);
}

export async function forget_credentials(session: Session): Promise<void> {
  const answer = await session.ask("forget_credentials", {}, session.t("forget"), ["credentials"]);
  if (!answer) return;
  uses(session, answer.current_profile);
  session.say(session.t("keys_forgotten"));
}

export async function choose_profile(session: Session, name: string): Promise<void> {
  const answer = await session.ask("choose_profile", { name }, session.t("credentials"), ["credentials"]);
  if (!answer) return;
  uses(session, answer.current_profile);
  session.say(session.t("profile_chosen", { name: name === "emulator" ? session.t("emulator") : session.profile_label({ name, masked_id: "", region: "" }) }));
}

export async function load_profiles(session: Session): Promise<void> {
  const answer = await session.ask("list_profiles", {}, session.t("credentials"));
  if (!answer) return;
  session.store.profiles = answer.profiles;
  session.store.origin = answer.origin ?? [];
  session.store.current_profile = answer.current_profile;
  session.store.changed();
}
