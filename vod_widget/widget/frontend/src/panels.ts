/**
 * The side panels, what adding files needs (their sums, the probe of the host), small pictures, the way straight to the storage,
 * and what is copied: a file of their own, which a page asks the kernel for when somebody first comes near or it is needed.
 */
import type * as panels from "./panels";

export { Adding } from "./adding";
export { Direct } from "./direct";
export { files_of } from "./dropped";
export { picture_of } from "./pictures";
export { copy_ids, copy_table } from "./results";
export { AddressPanel } from "./views/address";
export { BrowsePanel } from "./views/browse";
export { CredentialsPanel, KeysPanel } from "./views/credentials";
export { drag } from "./views/drag";
export { DetailPanel } from "./views/detail";
export { show_refused } from "./views/panel";
export { SeveralPanel } from "./views/several";

/** The words that stand in here alone, by the build: they are not in the bundle. */
declare const PANEL_WORDS: Record<string, string>;
export const ENGLISH = PANEL_WORDS;

export type Panels = typeof panels;
