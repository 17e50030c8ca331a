/** Folders that were dropped: every file below them. */

/** What one place of a drop is: a folder's entry, or the file itself. */
export type Dropped = FileSystemDirectoryEntry | File | null;

/** As people count, in the order of the browser's language. */
export const BY_NAME = new Intl.Collator(undefined, { numeric: true });

/** In the order of the browser, below a folder sorted by name; what begins with a dot stays out. */
export async function files_of(dropped: readonly Dropped[]): Promise<File[]> {
  const out: File[] = [];
  for (const one of dropped) {
    if (one instanceof File) out.push(one);
    else if (one) await walk(one, out);
  }
  return out;
}

async function walk(directory: FileSystemDirectoryEntry, out: File[]): Promise<void> {
  const reader = directory.createReader();
  const entries: FileSystemEntry[] = [];
  for (;;) {
    // readEntries gives at most 100 at a time and an empty list at the end.
    const batch = await new Promise<FileSystemEntry[]>((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (batch.length === 0) break;
    entries.push(...batch);
  }
  // The disk has an order of its own; people count: clip 2 comes before clip 10.
  for (const entry of entries.sort((a, b) => BY_NAME.compare(a.name, b.name))) {
    if (entry.name.startsWith(".")) continue; // .DS_Store and the like
    if (entry.isDirectory) await walk(entry as FileSystemDirectoryEntry, out);
    else {
      const file = await new Promise<File | null>((resolve) =>
        (entry as FileSystemFileEntry).file(resolve, () => resolve(null)));
      if (file) out.push(file);
    }
  }
}
