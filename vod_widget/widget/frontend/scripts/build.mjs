// Bundles src into ../static/widget.js and widget.css. With --verify it builds into a temporary folder and
// fails when the committed files differ: the bundle in the wheel must be the bundle of these sources.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const committed = resolve(here, "../static");
const MOST_BYTES = 100_000;

/**
 * Names of our classes' methods that nobody outside can mean, for shortening: with an underscore (no name of the
 * browser's has one), never in quotes, and neither in a message nor a word.
 */
async function own_methods() {
  const paths = (await readdir(join(here, "src"), { recursive: true })).filter((path) => path.endsWith(".ts")).sort();
  const texts = await Promise.all(paths.map((path) => readFile(join(here, "src", path), "utf8")));
  const theirs = texts.filter((_, k) => /^(protocol|words)\.ts$/.test(paths[k]));
  const quoted = texts.flatMap((text) => text.match(/"[^"\n]*"|`[^`]*`/g) ?? []).map((text) => text.replace(/\$\{[^}]*\}/g, ""));
  const taken = new Set([...theirs, ...quoted].join(" ").match(/\w+/g));
  const methods = texts.flatMap((text) => [...text.matchAll(/^ {2}(?:async |get |set )*([a-z]+(?:_[a-z]+)+)[(<]/gm)]);
  return [...new Set(methods.map((found) => found[1]))].filter((name) => !taken.has(name));
}

async function bundle(out) {
  // No banner, no source map, no time: the same sources give the same bytes on every machine.
  const common = { absWorkingDir: here, bundle: true, minify: true, charset: "utf8", legalComments: "none", logLevel: "warning" };
  await build({
    ...common, entryPoints: ["src/index.ts"], format: "esm", platform: "browser", target: ["chrome111", "firefox113", "safari16.2"],
    outfile: join(out, "widget.js"), mangleProps: new RegExp(`^(${(await own_methods()).join("|")})$`),
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
