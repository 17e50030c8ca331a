/** The icons: paths on a 16 px grid, built element by element. */

const NS = "http://www.w3.org/2000/svg";
const CIRCLE = "M8 2a6 6 0 1 0 0 12A6 6 0 1 0 8 2";

const PATHS = {
  play: "M5 3.2v9.6L12.5 8z",
  stop: "M4 4h8v8H4z",
  plus: "M8 3.5v9M3.5 8h9",
  down: "M4.5 6.5L8 10l3.5-3.5",
  right: "M6.5 4.5L10 8l-3.5 3.5",
  up_dir: "M8 13V4M4.5 7.5L8 4l3.5 3.5",
  down_dir: "M8 3v9M4.5 8.5L8 12l3.5-3.5",
  trash: "M3 4.5h10M6 4.5V3h4v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5",
  pause: "M5.7 4v8M10.3 4v8",
  x: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  retry: "M12.6 8.2A4.6 4.6 0 1 1 11.2 4.7M12.6 2.6v2.9H9.7",
  copy: "M6 5.5h6.5a.5.5 0 0 1 .5.5v7H6.5a.5.5 0 0 1-.5-.5zM3.5 10.5h-.5v-8h7.5v.5",
  ok: `${CIRCLE}M5.2 8.3l2 2 3.7-4.3`,
  fail: "M5.5 2h5L14 5.5v5L10.5 14h-5L2 10.5v-5zM8 5v3.6M8 11v.1",
  up: `${CIRCLE}M8 11.2V5M5.5 7.4L8 4.9l2.5 2.5`,
  clock: `${CIRCLE}M8 4.8V8l2.2 1.5`,
  ring: CIRCLE,
  slash: `${CIRCLE}M4 12L12 4`,
  hold: `${CIRCLE}M6.5 6v4M9.5 6v4`,
  key: "M5.3 8a2.8 2.8 0 1 0 0 5.6A2.8 2.8 0 1 0 5.3 8M7.3 8.8L13 3M10.6 5.4l2 2",
  edit: "M3 13l.6-2.8L10.5 3.3l2.2 2.2-6.9 6.9zM8.9 4.9l2.2 2.2",
  find: "M7 3a4 4 0 1 0 0 8A4 4 0 1 0 7 3M10 10l3.2 3.2",
  shield: "M8 2l5 1.8V8c0 3-2.1 5-5 6-2.9-1-5-3-5-6V3.8zM5.8 7.9l1.6 1.6 2.9-3.2",
  video: "M2.5 3.5h11v9h-11zM6.7 6v4L10 8z",
  audio: "M6 11.5V4l6-1.3v7.3M6 11.5a1.8 1.8 0 1 1-3.6 0 1.8 1.8 0 1 1 3.6 0M12 10a1.8 1.8 0 1 1-3.6 0 1.8 1.8 0 1 1 3.6 0",
  image: "M2.5 3.5h11v9h-11zM3 11l3-3 2.5 2.5 2-2 2.5 2.5M10.5 6v.1",
  file: "M4 2h5l3 3v9H4zM9 2v3h3",
  folder: "M2 4h4.5L8 5.5h6v7H2z",
  warn: "M8 2.5l6 11H2zM8 6.6v3M8 11.5v.1",
  pc: "M3 3.5h10v7H3zM1.5 13h13",
  kernel: "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5v.1M5 11v.1",
  address: "M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2-2a2.6 2.6 0 0 0-3.7-3.7l-.8.8M9.2 6.8a2.6 2.6 0 0 0-3.7 0l-2 2a2.6 2.6 0 0 0 3.7 3.7l.8-.8",
  cloud: "M4.8 12.5a3.1 3.1 0 0 1-.4-6.2 3.8 3.8 0 0 1 7.3.9 2.7 2.7 0 0 1-.3 5.3M8 13.5V8.6M6 10.4l2-2 2 2",
  plug: "M6 2v3M10 2v3M4.5 5h7v2.5a3.5 3.5 0 0 1-7 0zM8 11v3",
} as const;
export type IconName = keyof typeof PATHS;

const FILLED: ReadonlySet<IconName> = new Set<IconName>(["play", "stop"]);

export function icon(name: IconName, extra = ""): SVGSVGElement {
  const svg = document.createElementNS(NS, "svg");
  const path = document.createElementNS(NS, "path");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const classes = [extra, FILLED.has(name) ? "f" : ""].filter(Boolean).join(" ");
  if (classes) svg.setAttribute("class", classes);
  if (name === "ring") path.setAttribute("stroke-dasharray", "2.4 2.3");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
