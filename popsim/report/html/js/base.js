// The page's numbers are those of the JSON block. Text from the scenario only ever becomes text nodes, never markup.
const data = JSON.parse(document.getElementById("data").textContent);
const summary = data.summary;
const platforms = Object.keys(summary.platforms);
const byId = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");
const print = matchMedia("print");

// --- elements -------------------------------------------------------------------------------------------

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "colour") node.style.setProperty("--c", value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}
const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

/** A table of {text, header, class} or plain text cells; the first column names the row. */
function table(head, rows, textColumns = 1) {
  const cell = (tag, content, column, extra) =>
    el(tag, { class: column < textColumns ? "text" : null, ...extra }, ...[content].flat());
  return el("table", {},
    el("thead", {}, el("tr", {}, ...head.map((name, i) => cell("th", name, i, { scope: "col" })))),
    el("tbody", {}, ...rows.map((row) => el("tr", { class: row.class ?? null }, ...row.map(
      (content, i) => cell(i === 0 ? "th" : "td", content, i, i === 0 ? { scope: "row" } : {}))))));
}

// --- numbers --------------------------------------------------------------------------------------------

const NOTHING = "–";
const is = (value) => value !== null && value !== undefined;
const count = (value) => (is(value) ? value.toLocaleString("en") : NOTHING);
function ms(value) {
  if (!is(value)) return NOTHING;
  return value < 1000 ? value.toFixed(1) : Math.round(value).toLocaleString("en");
}
function percent(ratio) {
  if (!is(ratio)) return NOTHING;
  if (ratio === 0) return "0 %";
  if (ratio < 1e-5) return "<0.001 %";
  return `${+(ratio * 100).toPrecision(ratio > 0.1 ? 3 : 2)} %`;
}
const short = (value) => (Math.abs(value) >= 1e4 ? Math.round(value).toLocaleString("en") : `${+value.toPrecision(4)}`);
function duration(value) {
  if (value < 1e3) return `${+value.toPrecision(3)} ms`;
  const [size, unit] = value < 6e4 ? [1e3, "s"] : value < 36e5 ? [6e4, "min"] : [36e5, "h"];
  return `${+(value / size).toPrecision(3)} ${unit}`;
}
function estimate({ value, low, high }) {
  if (!is(value)) return [NOTHING];
  if (!is(low)) return [ms(value)];
  const below = value - low, above = is(high) ? high - value : Infinity;
  if (Math.max(below, above) > 2 * Math.min(below, above) && above + below >= 0.1)
    return [ms(value), el("span", { class: "half" }, is(high) ? ` (${short(low)} to ${short(high)})` : ` (${short(low)} or more)`)];
  const half = (high - low) / 2;
  return [ms(value), el("span", { class: "half" }, ` ±${half < 9.95 ? half.toFixed(1) : count(Math.round(half))}`)];
}
function observed({ observed: value, low, high, unit, against, failed_ratio: failed }) {
  const failures = Object.entries(failed).filter(([, share]) => share > 0).map(([name, share]) => `${+(100 * share).toPrecision(3)} % of ${name}`);
  const beside = failures.length ? `; ${failures.join(" and ")} failed` : "";
  if (!is(value)) return `no data${beside}`;
  const scales = { ms: [[1e4, 1e3, "s"]], B: [[1e9, 1e9, "GB"], [1e6, 1e6, "MB"], [1e3, 1e3, "kB"]] };
  const [, size, name] = (scales[unit] ?? []).find(([least]) => value >= least) ?? [0, 1, unit];
  const ends = [low, high].map((end) => (is(end) ? short(end / size) : null));
  const interval = is(low) && is(high) ? ` (${ends[0]} to ${ends[1]})`
    : is(low) ? ` (${ends[0]} or more)` : is(high) ? ` (${ends[1]} or less)` : "";
  const written = (number) => `${short(number / size)}${name ? ` ${name}` : ""}`;
  const bounds = against.length ? `, against ${against.map(written).join(" and ")}` : "";
  return `${written(value)}${interval}${bounds}${beside}`;
}
const country = (code) => data.names.country[code] ?? code;

// --- series: a colour and a dash for each platform, shown or not ----------------------------------------

const DASHES = [null, "7 3", "2 3", "7 3 2 3"];
const hues = data.colours.platforms;
const hue = (name) => hues[platforms.indexOf(name) % hues.length].replace("#000000", "var(--ink)");
const dash = (name) => DASHES[Math.floor(platforms.indexOf(name) / hues.length) % DASHES.length];
const swatch = (colour) => el("span", { class: "swatch", colour });
const shown = new Set(platforms);
const charts = []; // functions that draw again

function legend() {
  byId("series-legend").append(...platforms.map((name) => el("button", {
    type: "button", "aria-pressed": "true", "data-platform": name,
    onclick: (event) => {
      if (!shown.delete(name)) shown.add(name);
      event.currentTarget.setAttribute("aria-pressed", shown.has(name));
      for (const draw of charts) draw();
    },
  }, swatch(hue(name)), name)));
}

// --- tooltip --------------------------------------------------------------------------------------------

const tip = byId("tip");
function showTip(x, y, ...content) {
  tip.replaceChildren(...content);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = x + 16 + width > innerWidth ? x - 16 - width : x + 16;
  const top = y + 14 + height > innerHeight ? y - 14 - height : y + 14;
  tip.style.left = `${Math.max(4, Math.min(left, innerWidth - width - 4))}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}
const hideTip = () => { tip.hidden = true; };
addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
