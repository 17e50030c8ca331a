// What the type checker cannot forbid: ways to turn a string into markup or code, anything remote, and
// rules of the style sheet that would reach beyond the widget.
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const FORBIDDEN = [
  [/\b(inner|outer)HTML\b|insertAdjacentHTML|createContextualFragment|DOMParser|document\.write|srcdoc/, "a string must not become markup"],
  [/\beval\s*\(|new\s+Function\b|setTimeout\(\s*["'`]|setInterval\(\s*["'`]/, "a string must not become code"],
  [/\bfetch\s*\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts|import\s*\(/, "the front-end talks to the kernel only"],
  [/localStorage|sessionStorage|indexedDB|document\.cookie/, "nothing is stored in the browser"],
  [/save_changes|model\.set\(/, "nothing is written into a trait: traits end up in the saved notebook"],
  [/:\s*any\s*[;,)=|>]|\bas any\b|@ts-ignore|@ts-nocheck/, "no hole in the types"],
];
const CSS = [[/@import|url\(/, "the style sheet loads nothing"]];

async function* files(folder) {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else yield path;
  }
}

let count = 0;
for await (const path of files(join(here, "src"))) {
  const rules = path.endsWith(".css") ? CSS : FORBIDDEN;
  const source = await readFile(path, "utf8");
  source.split("\n").forEach((line, k) => {
    for (const [pattern, why] of rules) {
      if (!pattern.test(line)) continue;
      // The one door to the storage: URLs that the kernel signed.
      if (relative(here, path) === join("src", "direct.ts") && /XMLHttpRequest/.test(line)) continue;
      // The one door for code: what was built together with the bundle, by its sum.
      if (relative(here, path) === join("src", "door.ts") && /await import\(url\)/.test(line)) continue;
      console.error(`${relative(here, path)}:${k + 1}: ${why}: ${line.trim()}`);
      count++;
    }
  });
}
process.exitCode = count ? 1 : 0;
