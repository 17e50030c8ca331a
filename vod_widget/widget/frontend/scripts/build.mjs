// Bundles src into ../static: widget.js and widget.css, which every widget carries, and what a page asks the kernel for
// only when it needs it: panels.js and chinese.json. With --verify it builds into a temporary folder and
// fails when the committed files differ: the bundle in the wheel must be the bundle of these sources.
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, watch, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const committed = resolve(here, "../static");
const MOST_BYTES = { "widget.js": 80_000, "widget.css": 32_000, "panels.js": 50_000, "chinese.json": 14_000 };

/** What the sources say: each path below src with its text, in one order on every machine. */
async function sources() {
  const paths = (await readdir(join(here, "src"), { recursive: true })).filter((path) => path.endsWith(".ts")).sort();
  return new Map(await Promise.all(paths.map(async (path) => [path, await readFile(join(here, "src", path), "utf8")])));
}

/** Members of our classes without an underscore that are asked for most; neither a message nor the page's DOM is asked for them. */
const OURS = ["element", "store", "session", "controllable", "connection", "telling", "feeder", "thumbs", "update", "extras", "adding", "trouble", "opener", "explain", "unfinished", "percent", "buttons", "hello"];

/**
 * Names that nobody outside can mean, for shortening: with an underscore (no name of the browser's has one), never in
 * quotes, and neither in a message nor a word, nor what one file has of the other by its name.
 */
function own_names(texts) {
  const theirs = [...texts].filter(([path]) => /^(protocol|words|panels)\.ts$/.test(path)).map(([, text]) => text);
  const quoted = [...texts.values()].flatMap((text) => text.match(/"[^"\n]*"|`[^`]*`/g) ?? []).map((text) => text.replace(/\$\{[^}]*\}/g, ""));
  const taken = new Set([...theirs, ...quoted].join(" ").match(/\w+/g));
  const names = [...texts.values()].flatMap((text) => text.match(/\b[a-z]+(?:_[a-z0-9]+)+\b/g) ?? []);
  return [...new Set(names)].filter((name) => !taken.has(name)).concat(OURS).sort();
}

/** Keys of words that stand nowhere but in `t("key"`, and in the table: they get numbers. */
function short_words(texts) {
  const rest = [...texts].filter(([path]) => path !== "words.ts").map(([, text]) => text).join("\n");
  const count = (pattern) => (rest.match(new RegExp(pattern, "g")) ?? []).length;
  const keys = [...texts.get("words.ts").matchAll(LINE)].map((found) => found[1]);
  // Any other place counts: the causes name their words inside longer texts.
  const only_asked = keys.filter((key) => count(`\\b${key}\\b`) === count(`\\bt\\("${key}"`));
  return new Map(only_asked.map((key, k) => [key, `$${k.toString(36)}`]));
}

const LINE = /^  (\w+): \[("(?:[^"\\]|\\.)*"), ("(?:[^"\\]|\\.)*")\],$/gm;
const short = (keys, key) => keys.get(key) ?? key;

/**
 * words.ts as the bundle has it, and what is left out of it.
 *
 * Below the second comment a word stands in English alone; words of the panels do not stand there at all.
 */
function words(text, keys, of_panels) {
  const border = text.indexOf("  // The rest:");
  if (border < 0) throw new Error("words.ts has no border between the early words and the rest");
  const left_out = { chinese: {}, panels: {} };
  const early = text.slice(0, border).replace(LINE, (all, key) => all.replace(key, short(keys, key)));
  const rest = text.slice(border).replace(LINE, (all, key, english, chinese) => {
    const name = short(keys, key);
    left_out.chinese[name] = JSON.parse(chinese);
    if (!of_panels.has(key)) return `  ${name}: ${english},`;
    left_out.panels[name] = JSON.parse(english);
    return "";
  });
  return { contents: early + rest, ...left_out };
}

/** Words that no file of the bundle speaks of. */
function words_of_panels(texts, bundled) {
  const spoken = new Set(bundled.flatMap((path) => path === "words.ts" ? [] : (texts.get(path) ?? "").match(/\w+/g) ?? []));
  return new Set([...texts.get("words.ts").matchAll(LINE)].map((found) => found[1]).filter((key) => !spoken.has(key)));
}

/** The panels import these modules as everybody does; as built they get them from the bundle that runs them (src/door.ts). */
function taken(texts) {
  const lines = [...texts.get("shared.ts").matchAll(/^import \{ (.*) \} from "\.\/(.*)";$/gm)];
  return new Map(lines.map(([, names, module]) => [`${module}.ts`, `export const { ${names} } = SHARED;`]));
}

const renaming = (texts, keys, of_panels, instead = new Map()) => ({
  name: "short words",
  setup(build) {
    build.onLoad({ filter: /src[\\/].*\.ts$/ }, ({ path }) => {
      const name = relative(join(here, "src"), path).replaceAll("\\", "/");
      const text = texts.get(name);
      const contents = name === "words.ts" ? words(text, keys, of_panels).contents
        : (instead.get(name) ?? text).replace(/(\bt\(")(\w+)(")/g, (all, before, key, after) => before + short(keys, key) + after);
      return { contents, loader: "ts" };
    });
  },
});

const sum = (data) => createHash("sha256").update(data).digest("hex");

async function bundle(out) {
  // No banner, no source map, no time: the same sources give the same bytes on every machine.
  const common = {
    absWorkingDir: here, bundle: true, minify: true, charset: "utf8", legalComments: "none", logLevel: "warning",
    // Nesting of style rules is newer than these, so it is flattened.
    target: ["chrome111", "firefox113", "safari16.4"],
  };
  const texts = await sources();
  const keys = short_words(texts);
  const script = { ...common, format: "esm", platform: "browser", mangleProps: new RegExp(`^(${own_names(texts).join("|")})$`) };
  const main = (of_panels, assets, more) => build({
    ...script, entryPoints: ["src/index.ts"], outfile: join(out, "widget.js"), plugins: [renaming(texts, keys, of_panels)],
    define: { ASSETS: JSON.stringify(assets) }, ...more,
  });
  // Both files must shorten a name alike, and the bundle must know the sum of the panels, so it is built twice.
  const { mangleCache, metafile } = await main(new Set(), {}, { write: false, metafile: true, mangleCache: {} });
  const of_panels = words_of_panels(texts, Object.keys(metafile.inputs).map((path) => path.replace(/^src\//, "")));
  const left_out = words(texts.get("words.ts"), keys, of_panels);
  const causes = JSON.parse(await readFile(join(here, "src/causes.zh.json"), "utf8"));
  const chinese = JSON.stringify({ ...left_out.chinese, ...causes });
  const panels = await build({
    ...script, entryPoints: ["src/panels.ts"], outfile: join(out, "panels.js"), plugins: [renaming(texts, keys, of_panels, taken(texts))],
    format: "iife", globalName: "panels", banner: { js: "export default SHARED=>{" }, footer: { js: "return panels}" },
    define: { PANEL_WORDS: JSON.stringify(left_out.panels) }, mangleCache,
  });
  await main(of_panels, { panels: sum(await readFile(join(out, "panels.js"))), chinese: sum(chinese) }, { mangleCache: panels.mangleCache });
  await writeFile(join(out, "chinese.json"), chinese);
  await build({ ...common, entryPoints: ["src/widget.css"], outfile: join(out, "widget.css") });
}

/** Builds again whenever a source changes, until it is stopped; a mistake in one is said, and the next save mends it. */
async function keep_building() {
  let coming = null;
  // Folder by folder: Node's own recursion on Linux loses files that an editor replaces (seen with 20.20).
  const folders = ["src", "src/views", "src/state"].map((folder) => join(here, folder));
  await Promise.all(folders.map(async (folder) => {
    for await (const _ of watch(folder)) {
      // An editor saves in several steps.
      coming ??= setTimeout(() => {
        coming = null;
        bundle(committed).then(() => console.log("built"), (error) => console.error(error.message));
      }, 100);
    }
  }));
}

const verify = process.argv.includes("--verify");
const out = verify ? await mkdtemp(join(tmpdir(), "vod-widget-")) : committed;
await bundle(out);
let failed = false;
for (const [name, most] of Object.entries(MOST_BYTES)) {
  const made = await readFile(join(out, name));
  console.log(`${name}: ${made.length} bytes`);
  if (made.length > most) {
    console.error(`${name} is larger than ${most} bytes`);
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
if (process.argv.includes("--watch")) await keep_building();
