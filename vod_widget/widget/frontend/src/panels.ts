/**
 * The side panels, the way straight to the storage, and what is copied: a file of their own, which a page asks the kernel for when a
 * person first comes near, or when a part is to go that way.
 */
import { Direct } from "./direct";
import { copy_ids, copy_table } from "./results";
import { AddressPanel } from "./views/address";
import { BrowsePanel } from "./views/browse";
import { CredentialsPanel, KeysPanel } from "./views/credentials";
import { DetailPanel } from "./views/detail";
import { SeveralPanel } from "./views/several";

/** The words that stand in here alone, by the build: they are not in the bundle. */
declare const PANEL_WORDS: Record<string, string>;
const ENGLISH = PANEL_WORDS;

export { AddressPanel, BrowsePanel, copy_ids, copy_table, CredentialsPanel, DetailPanel, Direct, ENGLISH, KeysPanel, SeveralPanel };
export type Panels = {
  AddressPanel: typeof AddressPanel; BrowsePanel: typeof BrowsePanel; copy_ids: typeof copy_ids; copy_table: typeof copy_table;
  CredentialsPanel: typeof CredentialsPanel; DetailPanel: typeof DetailPanel; Direct: typeof Direct; ENGLISH: typeof ENGLISH;
  KeysPanel: typeof KeysPanel; SeveralPanel: typeof SeveralPanel;
};
