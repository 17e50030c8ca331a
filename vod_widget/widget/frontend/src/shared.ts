/** What the panels, a file of their own, take from the bundle instead of carrying a second copy: scripts/build.mjs reads these lines. */
import { h, replace, set, text, uid } from "./dom";
import { asset_id, bytes, bytes_pair, duration, NOTHING, percent, unbroken } from "./format";
import { cause_of, own } from "./i18n";
import { icon } from "./icons";
import { ACTION_ICON, look } from "./rowmodel";
import { button, copy_button, copy_text, enable, fit_names, focused_in, icon_button, is_enabled, press } from "./views/parts";
import { run_step, source_word } from "./views/row";

export const SHARED = {
  h, replace, set, text, uid, asset_id, bytes, bytes_pair, duration, NOTHING, percent, unbroken, cause_of, own, icon, ACTION_ICON, look,
  button, copy_button, copy_text, enable, fit_names, focused_in, icon_button, is_enabled, press, run_step, source_word,
};
