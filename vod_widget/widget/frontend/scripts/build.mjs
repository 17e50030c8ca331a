// Bundles src into ../static/widget.js and widget.css. With --verify it builds into a temporary folder and
// fails when the committed files differ: the bundle in the wheel must be the bundle of these sources.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const committed = resolve(here, "../static");
// The wish is 80 kB; the panels for metadata, covers and order cost ten.
const MOST_BYTES = 114_000;

/** What the sources say: each path below src with its text, in one order on every machine. */
async function sources() {
  const paths = (await readdir(join(here, "src"), { recursive: true })).filter((path) => path.endsWith(".ts")).sort();
  return new Map(await Promise.all(paths.map(async (path) => [path, await readFile(join(here, "src", path), "utf8")])));
}

/**
 * Names that nobody outside can mean, for shortening: with an underscore (no name of the browser's has one), never in
 * quotes, and neither in a message nor a word.
 */
function own_names(texts) {
  const theirs = [...texts].filter(([path]) => /^(protocol|words)\.ts$/.test(path)).map(([, text]) => text);
  const quoted = [...texts.values()].flatMap((text) => text.match(/"[^"\n]*"|`[^`]*`/g) ?? []).map((text) => text.replace(/\$\{[^}]*\}/g, ""));
  const taken = new Set([...theirs, ...quoted].join(" ").match(/\w+/g));
  const names = [...texts.values()].flatMap((text) => text.match(/\b[a-z]+(?:_[a-z0-9]+)+\b/g) ?? []);
  return [...new Set(names)].filter((name) => !taken.has(name)).sort();
}

/** Keys of words that stand nowhere but in `t("key"`, and in the table: they get numbers. */
function short_words(texts) {
  const rest = [...texts].filter(([path]) => path !== "words.ts").map(([, text]) => text).join("\n");
  const count = (pattern) => (rest.match(new RegExp(pattern, "g")) ?? []).length;
  const keys = [...texts.get("words.ts").matchAll(/^  (\w+): \[/gm)].map((found) => found[1]);
  // Any other place counts: the causes name their words inside longer texts.
  const only_asked = keys.filter((key) => count(`\\b${key}\\b`) === count(`\\bt\\("${key}"`));
  return new Map(only_asked.map((key, k) => [key, `$${k.toString(36)}`]));
}

const renaming = (texts) => ({
  name: "short words",
  setup(build) {
    const short = short_words(texts);
    build.onLoad({ filter: /src[\\/].*\.ts$/ }, ({ path }) => {
      const name = relative(join(here, "src"), path).replaceAll("\\", "/");
      const pattern = name === "words.ts" ? /^(  )(\w+)(: \[)/gm : /(\bt\(")(\w+)(")/g;
      return { contents: texts.get(name).replace(pattern, (all, before, key, after) => before + (short.get(key) ?? key) + after), loader: "ts" };
    });
  },
});

async function bundle(out) {
  // No banner, no source map, no time: the same sources give the same bytes on every machine.
  const common = { absWorkingDir: here, bundle: true, minify: true, charset: "utf8", legalComments: "none", logLevel: "warning" };
  const texts = await sources();
  await build({
    ...common, entryPoints: ["src/index.ts"], format: "esm", platform: "browser", target: ["chrome111", "firefox113", "safari16.2"],
    outfile: join(out, "widget.js"), mangleProps: new RegExp(`^(${own_names(texts).join("|")})$`), plugins: [renaming(texts)],
  });
  // Nesting is newer than those browsers, so it is flattened.
  await build({ ...common, entryPoints: ["src/widget.css"], target: ["chrome111", "firefox113", "safari16.2"], outfile: join(out, "widget.css") });
}

const verify = process.argv.includes("--verify");
const out = verify ? await mkdtemp(join(tmpdir(), "vod-widget-")) : committed;
await bundle(out);
let failed = false;
for (const name of ["widget.js", "widget.css"]) {
  const made = await readFile(join(out, name));
  console.log(`${name}: ${made.length} bytes`);
  if (made.length > MOST_BYTES) {
    console.error(`${name} is larger than ${MOST_BYTES} bytes; every widget carries it`);
    failed = true;
  }
  if (verify) {
    const old = await readFile(join(committed, name)).catch(() => null);
    if (!old || !made.equals(old)) {
      console.error(`static/${name} differs from its sources: run npm run build and commit the result`);
      failed = true;
    }
  }
}
if (verify) await rm(out, { recursive: true });
process.exitCode = failed ? 1 : 0;
