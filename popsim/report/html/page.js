"use strict";
(() => {
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
  const half = (high - low) / 2;
  return [ms(value), el("span", { class: "half" }, ` ±${half < 9.95 ? half.toFixed(1) : count(Math.round(half))}`)];
}
function observed({ observed: value, low, high, unit }) {
  if (!is(value)) return NOTHING;
  const scales = { ms: [[1e4, 1e3, "s"]], B: [[1e9, 1e9, "GB"], [1e6, 1e6, "MB"], [1e3, 1e3, "kB"]] };
  const [, size, name] = (scales[unit] ?? []).find(([least]) => value >= least) ?? [0, 1, unit];
  const interval = is(low) ? ` (${short(low / size)} to ${short(high / size)})` : "";
  return `${short(value / size)}${name ? ` ${name}` : ""}${interval}`;
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

// --- charts ---------------------------------------------------------------------------------------------

const log = (low, high, from, to) => (value) =>
  from + (to - from) * Math.log(value / low) / Math.log(high / low);
const linear = (low, high, from, to) => (value) => from + (to - from) * (value - low) / (high - low || 1);

function logTicks(low, high, most) {
  for (const steps of [[1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      for (const step of steps) ticks.push(+(step * 10 ** power).toPrecision(3));
    }
    const inside = ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
    if (inside.length <= most) return inside;
  }
  return [];
}
function linearTicks(low, high, most) {
  const rough = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high * (1 + 1e-9); i++) ticks.push(+(i * step).toPrecision(8));
  return ticks;
}

/**
 * Keep a chart in `host` drawn at its width. `draw(root, width)` returns what pointer and arrow keys read:
 * {along: "x" or "y", positions, tip(index)}, and from top to bottom where a cursor goes along x.
 */
function chart(host, label, height, draw) {
  const root = svg("svg", { tabindex: 0, role: "group", "aria-label": `${label}. Arrow keys read values.` });
  const cursor = svg("line", { class: "cursor", visibility: "hidden" });
  let width = 0, reader = null, at = -1;
  host.append(root);
  const redraw = () => {
    if (!width) return;
    root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    root.replaceChildren();
    reader = draw(root, width);
    root.append(cursor);
  };
  const read = (index, clientX, clientY) => {
    at = Math.max(0, Math.min(reader.positions.length - 1, index));
    const position = reader.positions[at], box = root.getBoundingClientRect(), scale = box.width / width;
    const [x, y] = reader.along === "x" ? [position, height / 3] : [width / 3, position];
    if (reader.along === "x") fill(cursor, { x1: x, x2: x, y1: reader.top, y2: reader.bottom, visibility: "visible" }, []);
    showTip(clientX ?? box.left + x * scale, clientY ?? box.top + y * scale, ...reader.tip(at));
  };
  const leave = () => { cursor.setAttribute("visibility", "hidden"); hideTip(); };
  root.addEventListener("pointermove", (event) => {
    const box = root.getBoundingClientRect();
    const [offset, size] = reader.along === "x" ? [event.clientX - box.left, width / box.width] : [event.clientY - box.top, height / box.height];
    const apart = reader.positions.map((position) => Math.abs(position - offset * size));
    read(apart.indexOf(Math.min(...apart)), event.clientX, event.clientY);
  });
  root.addEventListener("pointerleave", leave);
  root.addEventListener("blur", leave);
  root.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    read(at + step);
  });
  new ResizeObserver(([entry]) => {
    const now = Math.round(entry.contentRect.width);
    if (now && now !== width && !print.matches) { width = now; redraw(); }
  }).observe(host);
  charts.push(redraw);
  return redraw;
}

const MARGIN = 24; // right of a plot, for half a label

/** Draw a grid with ticks and their texts, and the horizontal axis's name. */
function axes(root, width, height, { left, xTicks, x, xName, yTicks, y, yText }) {
  const bottom = height - 36;
  for (const tick of yTicks) {
    root.append(svg("line", { class: "grid", x1: left, x2: width - MARGIN, y1: y(tick), y2: y(tick) }),
      svg("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, yText(tick)));
  }
  for (const [tick, text] of xTicks) {
    root.append(svg("line", { class: "grid", x1: x(tick), x2: x(tick), y1: 8, y2: bottom }),
      svg("text", { x: x(tick), y: bottom + 15, "text-anchor": "middle" }, text));
  }
  root.append(svg("text", { x: (left + width - MARGIN) / 2, y: height - 4, "text-anchor": "middle" }, xName));
}
const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
/** Lines break where a value is missing. */
function lines(points) {
  const runs = [[]];
  for (const point of points) {
    if (is(point)) runs.at(-1).push(point);
    else if (runs.at(-1).length) runs.push([]);
  }
  return runs.filter((run) => run.length).map((run) => path(run.length > 1 ? run : [run[0], run[0]])).join("");
}
const line = (name, d) => svg("path", { class: "line", d, colour: hue(name), "stroke-dasharray": dash(name), "data-platform": name });

// --- head, claims ---------------------------------------------------------------------------------------

const failures = (found) => Object.values(found.failed).reduce((a, b) => a + b, 0);

function head() {
  byId("finding").textContent = data.finding.replaceAll(/(\d) (%|ms)/g, "$1\u00a0$2");
  const many = `${summary.replications} replication${summary.replications === 1 ? "" : "s"}`;
  byId("meta").textContent = [`id ${summary.id}`, `${summary.engine} engine`, many, `seed ${summary.recreate.seed}`,
    `popsim ${summary.recreate.popsim}`].join(" · ");
  const names = ["p50", "p90", "p95", "p99", "mean"];
  byId("summary-table").append(table(["platform", "requests", ...names, "cold", "failed"], platforms.map((name) => {
    const found = summary.platforms[name];
    return [[swatch(hue(name)), name], count(found.requests), ...names.map((p) => estimate(found.latency_ms[p])),
      percent(found.cold_start_ratio), percent(found.failed_ratio)];
  })));
  const reasons = platforms.flatMap((name) => Object.entries(summary.platforms[name].failed).filter(([, n]) => n)
    .map(([reason, n]) => `${name}: ${count(n)} ${reason.replaceAll("_", " ")}`));
  byId("summary-note").textContent = [
    summary.replications > 1 ? "± is half of the 95 % interval over replications." : "One replication gives no interval.",
    "Cold: share of answered requests that caused a start. Latencies are of answered requests.",
    reasons.length ? `Failed – ${reasons.join("; ")}.` : "", ...data.notes.map((note) => `${note}.`),
  ].join(" ");
}

const MARKS = { holds: "✓", fails: "✗", undecided: "?" };

function source({ url, date, scope }) {
  if (!is(url)) return ["our own expectation, published nowhere"];
  const link = el("a", { href: url, rel: "noopener noreferrer", target: "_blank" }, url.replace(/^https?:\/\//, ""));
  return [link, ` · ${date} · ${scope}`];
}

function claims() {
  const found = summary.claims;
  if (!found.length) byId("claims-note").textContent = "This scenario makes no claims.";
  byId("claims-list").append(...found.map((claim) => el("article", { class: "claim", "data-claim": claim.id },
    el("span", { class: `mark ${claim.verdict}`, "aria-hidden": "true" }, MARKS[claim.verdict]),
    el("div", {},
      el("h3", {}, claim.says, " ", el("span", { class: claim.verdict }, claim.verdict),
        claim.severity === "warn" ? el("span", { class: "quiet" }, " (a warning)") : null),
      el("ul", {}, ...claim.expectations.map((each) => el("li", {},
        el("span", {}, "expected ", el("code", {}, each.expect)), el("span", {}, `observed ${observed(each)}`),
        el("span", { class: each.verdict }, `${MARKS[each.verdict]} ${each.verdict}` +
          (is(each.replications_needed) ? `, ${count(each.replications_needed)} replications may decide` : ""))))),
      el("p", { class: "quiet" }, `${claim.id} · `, ...source(claim.source), ` · ${+(claim.confidence * 100).toPrecision(4)} % interval`)))));
}

// --- distribution ---------------------------------------------------------------------------------------

function distribution() {
  const { edges_ms: edges, slower } = data.distribution;
  const height = 300;
  if (!edges.length) {
    byId("distribution-note").textContent = "No request was answered.";
    return;
  }
  const some = Object.values(slower);
  const first = Math.max(0, edges.findIndex((_, i) => some.some((s) => s.all[i] < 0.998)) - 1);
  const endOf = (least) => edges.findLastIndex((_, i) => some.some((s) => s.all[i] > least)) + 1;
  const least = Math.min(...some.flatMap((s) => s.all.filter((share) => share > 0)), 0.1);
  const floor = 10 ** Math.floor(Math.log10(least));
  const last = (end) => Math.min(edges.length - 1, Math.max(end, first + 1));

  const draw = (isTail) => (root, width) => {
    const end = last(endOf(isTail ? 0 : 0.002));
    const left = isTail ? 76 : 46;
    const x = log(edges[first], edges[end], left, width - MARGIN);
    const y = isTail ? log(floor, 1, height - 36, 8) : linear(0, 1, height - 36, 8);
    const indexes = edges.map((_, i) => i).slice(first, end + 1);
    axes(root, width, height, {
      left, x, y, xName: "latency in ms, log scale",
      xTicks: logTicks(edges[first], edges[end], width / 55).map((t) => [t, t.toLocaleString("en")]),
      yTicks: isTail ? logTicks(floor, 1, 8) : [0, 0.25, 0.5, 0.75, 0.9, 0.95, 1],
      yText: (t) => (!isTail && t === 0.95 ? "" : `${+(t * 100).toPrecision(3)} %`),
    });
    for (const name of platforms.filter((p) => shown.has(p) && slower[p])) {
      const { all, low, high } = slower[name];
      const point = (share, i) => [x(edges[i]), y(isTail ? Math.max(share, floor) : 1 - share)];
      const inside = indexes.filter((i) => !isTail || high[i] > 0); // a tail's end has no place on a log axis
      const band = [...inside.map((i) => point(high[i], i)), ...inside.map((i) => point(low[i], i)).reverse()];
      if (summary.replications > 1) root.append(svg("path", { class: "band", d: `${path(band)}Z`, colour: hue(name) }));
      root.append(line(name, path(indexes.filter((i) => !isTail || all[i] > 0).map((i) => point(all[i], i)))));
    }
    return {
      along: "x", positions: indexes.map((i) => x(edges[i])), top: 8, bottom: height - 36, tip: (k) => sharesAt(indexes[k]),
    };
  };
  const sharesAt = (i) => [
    el("b", {}, `${ms(edges[i])} ms`),
    table(["", "within", "slower", "replications"], platforms.filter((p) => shown.has(p) && slower[p]).map((name) => {
      const { all, low, high } = slower[name];
      return [[swatch(hue(name)), name], percent(1 - all[i]), percent(all[i]), `${percent(low[i])} to ${percent(high[i])}`];
    })),
  ];
  chart(byId("cdf"), "Share of answered requests within a latency", height, draw(false));
  chart(byId("ccdf"), "Share of answered requests slower than a latency", height, draw(true));
  byId("distribution-note").textContent = summary.replications > 1
    ? "Vertical: share of answered requests. The band around a line spans the lowest to the highest replication; a click in the legend hides a platform."
    : "Vertical: share of answered requests. A click in the legend hides a platform.";
}

// --- phases ---------------------------------------------------------------------------------------------

function phases() {
  const { names, ms: grid } = data.phases;
  const slider = byId("percent"), mean = byId("phase-mean"), row = 40;
  slider.max = data.percents.length - 1;
  slider.value = data.percents.indexOf(95);
  byId("phase-legend").append(...names.map((name) => el("span", {}, swatch(data.colours.phases[name]), name.replaceAll("_", " "))));
  const isMean = () => mean.getAttribute("aria-pressed") === "true";
  const values = (platform) => isMean()
    ? names.map((name) => summary.platforms[platform].phases_ms.mean[name]) : grid[platform][slider.value];
  const height = platforms.length * row + 44;
  const redraw = chart(byId("phase-bars"), "Time by phase, one bar per platform", height, (root, width) => {
    const totals = platforms.map((p) => values(p).reduce((a, b) => a + (b ?? 0), 0));
    const most = Math.max(...totals) || 1;
    const x = linear(0, most, 0, width - MARGIN);
    axes(root, width, height, {
      left: 0, x, y: () => 0, xName: "ms", yTicks: [], yText: String,
      xTicks: linearTicks(0, most, width / 80).map((tick) => [tick, tick.toLocaleString("en")]),
    });
    root.querySelectorAll("text")[0]?.setAttribute("text-anchor", "start");
    platforms.forEach((platform, i) => {
      const text = totals[i] ? `${ms(totals[i])} ms` : "no answered requests";
      let from = 0;
      root.append(svg("text", { x: 0, y: i * row + 15 }, svg("tspan", { class: "strong" }, platform), svg("tspan", { dx: 10 }, text)));
      values(platform).forEach((value, k) => {
        if (!value) return;
        root.append(svg("rect", {
          class: "part", x: x(from), y: i * row + 20, width: x(value), height: 15, colour: data.colours.phases[names[k]],
          "data-platform": platform, "data-phase": names[k],
        }));
        from += value;
      });
    });
    return {
      along: "y", positions: platforms.map((_, i) => i * row + 24),
      tip: (i) => [el("b", {}, platforms[i]), table(["phase", "ms"], names.map((name, k) => (
        [[swatch(data.colours.phases[name]), name.replaceAll("_", " ")], ms(values(platforms[i])[k])])))],
    };
  });
  const update = () => {
    const label = isMean() ? "all" : `p${data.percents[slider.value]}`;
    byId("percent-value").textContent = label;
    slider.setAttribute("aria-valuetext", label);
    byId("phases-caption").textContent = isMean() ? "Means of all answered requests."
      : `Mean phases of the requests around ${label} of each platform's latency.`;
    redraw();
  };
  slider.addEventListener("input", () => { mean.setAttribute("aria-pressed", "false"); update(); });
  mean.addEventListener("click", () => { mean.setAttribute("aria-pressed", String(!isMean())); update(); });
  byId("phases-note").textContent = "A percentile's requests are those within half a percent of it, fewer beyond p99.5; their phases add up to about its latency.";
  update();
}

// --- timeline -------------------------------------------------------------------------------------------

const MOST_LABELS = 12; // of moments on the timeline
const LATENCIES = { p50_ms: "p50", p95_ms: "p95", mean_ms: "mean" };
const RATES = {
  failed: ["failed requests in %", (d, i) => (d.requests[i] ? 100 * d.failed[i] / d.requests[i] : null)],
  cold: ["cold requests in %", (d, i) => (d.requests[i] > d.failed[i] ? 100 * d.cold[i] / (d.requests[i] - d.failed[i]) : null)],
  requests: ["requests per second", (d, i, t) => d.requests[i] / t.replications / (t.bin_ms / 1e3)],
};

function timeline() {
  const time = data.timeline;
  const bins = Math.max(...platforms.map((p) => time.platforms[p].requests.length));
  const end = bins * time.bin_ms;
  const [size, unit] = end <= 18e4 ? [1e3, "seconds"] : end <= 216e5 ? [6e4, "minutes"] : [36e5, "hours"];
  const spans = new Map(data.events.map((e) => [`${e.start_ms} ${e.end_ms}`, [e.start_ms, e.end_ms]])); // each once
  const moments = new Map(); // verbs by time
  for (const { time_ms: at, verb } of data.actions.entries) moments.set(at, (moments.get(at) ?? new Set()).add(verb));

  const marks = (root, x, bottom) => {
    const box = (name, from, to) => svg("rect", { class: name, x: x(from), y: 8, width: Math.max(1.5, x(to) - x(from)), height: bottom - 8 });
    if (time.warmup_ms) root.append(box("warmup", 0, time.warmup_ms));
    for (const [from, to] of spans.values()) root.append(box("span", from, to));
    for (const [at, verbs] of moments) {
      root.append(svg("line", { class: "moment", x1: x(at), x2: x(at), y1: 8, y2: bottom }));
      if (moments.size > MOST_LABELS || bottom < 150) continue;
      root.append(svg("text", { class: "small", transform: `translate(${x(at) - 4} 12) rotate(-90)`, "text-anchor": "end" }, [...verbs].join(", ")));
    }
  };
  const happens = (from) => [
    ...data.events.filter((e) => e.start_ms < from + time.bin_ms && Math.max(e.end_ms, e.start_ms + 1) > from).map((e) => e.text),
    ...data.actions.entries.filter((a) => a.time_ms >= from && a.time_ms < from + time.bin_ms)
      .map((a) => `${a.platform}: ${actionText(a)}`),
  ].slice(0, 8).map((text) => el("p", { class: "quiet" }, text));

  const draw = (height, isLog, value, text) => (root, width) => {
    const left = 48, bottom = height - 36;
    const chosen = platforms.filter((p) => shown.has(p));
    const series = new Map(chosen.map((p) => [p, Array.from({ length: bins }, (_, i) => (
      (i + 1) * time.bin_ms > time.warmup_ms ? value(time.platforms[p], i, time) : null))]));
    const all = [...series.values()].flat().filter((v) => is(v) && (!isLog || v > 0));
    const low = isLog ? Math.min(...all, 1e9) * 0.9 : 0;
    const high = Math.max(...all, isLog ? 0 : 1e-3) * (isLog ? (moments.size ? 1.5 : 1.1) : 1.05); // with room for labels
    const isEmpty = !all.length;
    const x = linear(0, end, left, width - MARGIN);
    const y = isLog && !isEmpty ? log(low, high, bottom, 8) : linear(0, isEmpty ? 1 : high, bottom, 8);
    axes(root, width, height, {
      left, x, y, xName: `${unit} since the start`,
      xTicks: linearTicks(0, end / size, width / 70).map((t) => [t * size, t.toLocaleString("en")]),
      yTicks: isEmpty ? [] : isLog ? logTicks(low, high, 8) : linearTicks(0, high, 4), yText: (t) => t.toLocaleString("en"),
    });
    marks(root, x, bottom);
    if (isEmpty) root.append(svg("text", { x: left + 8, y: 24 }, "nothing to show"));
    const middle = (i) => x((i + 0.5) * time.bin_ms);
    for (const [name, values] of series) {
      root.append(line(name, lines(values.map((v, i) => (is(v) && (!isLog || v > 0) ? [middle(i), y(v)] : null)))));
    }
    return {
      along: "x", positions: Array.from({ length: bins }, (_, i) => middle(i)), top: 8, bottom,
      tip: (i) => [
        el("b", {}, `${duration(i * time.bin_ms)} to ${duration((i + 1) * time.bin_ms)}`),
        table(["", text()], chosen.map((name) => [[swatch(hue(name)), name], is(series.get(name)[i]) ? short(series.get(name)[i]) : NOTHING])),
        ...happens(i * time.bin_ms),
      ],
    };
  };
  const select = (id, options, initial) => {
    byId(id).append(...options.map(([value, text]) => el("option", { value, selected: value === initial }, text)));
    return byId(id);
  };
  const latency = select("time-latency", Object.entries(LATENCIES), "p95_ms");
  const hasFailed = platforms.some((p) => failures(summary.platforms[p]));
  const rate = select("time-rate", Object.entries(RATES).map(([key, [text]]) => [key, text]), hasFailed ? "failed" : "requests");
  const latencyText = () => `${LATENCIES[latency.value]} in ms`;
  const rateText = () => RATES[rate.value][0];
  const above = chart(byId("time-latency-chart"), "Latency over time", 260,
    draw(260, true, (d, i) => d[latency.value][i], latencyText));
  const below = chart(byId("time-rate-chart"), "Rate over time", 150, draw(150, false, (d, i, t) => RATES[rate.value][1](d, i, t), rateText));
  const caption = () => {
    byId("time-latency-caption").textContent = `${latencyText()}, log scale, by ${duration(time.bin_ms)}`;
    byId("time-rate-caption").textContent = rateText();
  };
  latency.addEventListener("change", () => { caption(); above(); });
  rate.addEventListener("change", () => { caption(); below(); });
  caption();
  actions();
}

const actionText = (a) => `${a.verb}${a.count > 1 ? ` ${a.count}×` : ""} ${a.detail}`;
function actions() {
  const { entries, count: total } = data.actions;
  const rows = [
    ...data.events.map((e) => [e.start_ms, duration(e.start_ms) + (e.end_ms > e.start_ms ? ` to ${duration(e.end_ms)}` : ""), "scenario", e.text]),
    ...entries.map((a) => [a.time_ms, duration(a.time_ms), a.platform, actionText(a)]),
  ].sort((a, b) => a[0] - b[0]).map(([, ...row]) => row);
  if (!rows.length) {
    byId("actions").append(el("p", { class: "note" }, data.timeline.warmup_ms
      ? "Grey: warm-up, not counted. No events." : "No events."));
    return;
  }
  const more = total > entries.length ? `, the first ${count(entries.length)} of ${count(total)} moments` : "";
  byId("actions").append(
    el("p", { class: "note" }, "Shaded: events of the scenario", data.timeline.warmup_ms ? "; grey: warm-up, not counted" : "",
      "; dotted: what the control plane did, in the first replication."),
    el("details", {}, el("summary", {}, `${count(rows.length)} events and control actions${more}`),
      el("div", { class: "scroll" }, table(["time", "on", "what"], rows, 3))));
}

// --- map ------------------------------------------------------------------------------------------------

// Equirectangular, true to shape at 34 degrees: a degree of latitude is 1.2 times as long as one of longitude.
const WEST = -170, NORTH = 78, SOUTH = -57, STRETCH = 1.2, CLOSEST = 24;

/** Rows of a table of KV or objects by platform and name, as Map of Maps of {column: value}. */
function rowsBy(of, by) {
  const found = new Map(platforms.map((name) => [name, new Map()]));
  const { columns = [], rows = [] } = data.tables.find((t) => t.of === of && t.by === by) ?? {};
  for (const row of rows) {
    const record = Object.fromEntries(columns.map((column, i) => [column, row[i]]));
    found.get(record.platform).set(record[by], record);
  }
  return found;
}
const [kvCountries, kvSites, hosts] = [["kv", "country"], ["kv", "site"], ["objects", "host"]].map((pair) => rowsBy(...pair));
const sitesOf = (platform) => data.map.topologies[data.map.sites[platform]];
const kvOfClient = (platform, i) => kvCountries.get(platform).get(data.map.clients.country[i]);
const kvAtSite = (platform, i) => kvSites.get(platform).get(sitesOf(platform).id[i]);
const hostAt = (platform, i) => hosts.get(platform).get(sitesOf(platform).id[i]);
const hitRatio = (row) => (row ? row.memory_ratio + row.edge_ratio : null);

// What places can be coloured by: of clients, or of sites, which are then as large as `size` says
const METRICS = [
  { id: "p50", text: "p50 latency in ms", value: (p, i) => data.map.cells[p].p50_ms[i] },
  { id: "p95", text: "p95 latency in ms", value: (p, i) => data.map.cells[p].p95_ms[i] },
  { id: "kv_p50", text: "p50 of KV reads in ms, by country", value: (p, i) => kvOfClient(p, i)?.read_p50_ms },
  { id: "kv_p95", text: "p95 of KV reads in ms, by country", value: (p, i) => kvOfClient(p, i)?.read_p95_ms },
  { id: "kv_hits", text: "KV hit ratio", isRatio: true, value: (p, i) => hitRatio(kvAtSite(p, i)), size: (p, i) => kvAtSite(p, i)?.reads, of: "KV reads" },
  { id: "kv_stale", text: "stale share of KV reads", isRatio: true, value: (p, i) => kvAtSite(p, i)?.stale_ratio, size: (p, i) => kvAtSite(p, i)?.reads, of: "KV reads" },
  { id: "objects", text: "objects created", value: (p, i) => hostAt(p, i)?.created || null, size: (p, i) => hostAt(p, i)?.created, of: "objects" },
];

/** What a metric is for every client or site of a platform. */
function metricValues(metric, platform) {
  const places = metric.size ? sitesOf(platform) : data.map.clients;
  return places.id.map((_, i) => metric.value(platform, i) ?? null);
}

function worldMap() {
  const { land, clients, cells, shades } = data.map;
  const canvas = byId("map"), context = canvas.getContext("2d"), frame = byId("map-frame");
  const platformChoice = byId("map-platform"), metricChoice = byId("map-metric");
  const view = { scale: 1, x: 0, y: 0, width: 0, height: 0, base: 1 };
  const outline = new Path2D();
  for (const ring of land) {
    ring.forEach(([lon, lat], i) => outline[i ? "lineTo" : "moveTo"](lon - WEST, (NORTH - lat) * STRETCH));
    outline.closePath();
  }
  const available = METRICS.filter((m) => platforms.some((p) => metricValues(m, p).some(is)));
  platformChoice.append(...platforms.map((name) => el("option", { value: name }, name)));
  metricChoice.append(...available.map((m) => el("option", { value: m.id }, m.text)));
  const metric = () => METRICS.find((m) => m.id === metricChoice.value) ?? METRICS[0];
  const heaviest = Math.max(...clients.weight, 1e-12);
  let places = [], scale = null, focused = null, isQueued = false;

  // Scale of colours: the middle 96 % of all platforms' values, so that platforms compare.
  function scaleOf(m) {
    const all = platforms.flatMap((p) => metricValues(m, p)).filter((v) => is(v) && (m.isRatio || v > 0)).sort((a, b) => a - b);
    if (!all.length) return null;
    const [low, high] = [0.02, 0.98].map((q) => all[Math.floor(q * (all.length - 1))]);
    const top = Math.max(high, m.isRatio ? low + 0.01 : low * 1.5);
    return { low, high: top, at: (m.isRatio ? linear : log)(low, top, 0, 1) };
  }
  // More is further from the background: dark on white, bright on black.
  const ramp = () => (dark.matches && !print.matches ? shades.slice(4) : shades.slice(0, -1).reverse());
  function shade(value, colours) {
    const t = Math.max(0, Math.min(1, scale.at(value)));
    return colours[Math.min(colours.length - 1, Math.floor(t * colours.length))];
  }
  const unwrapped = (lon) => (lon < WEST ? lon + 360 : lon) - WEST;

  function choose() {
    const platform = platformChoice.value, m = metric();
    const values = metricValues(m, platform), colourSites = Boolean(m.size);
    const ofClient = clients.id.map((_, i) => ({
      kind: "client", i, x: unwrapped(clients.lon[i]), y: (NORTH - clients.lat[i]) * STRETCH,
      size: Math.max(1.3, 9 * Math.sqrt(clients.weight[i] / heaviest)), value: colourSites ? null : values[i],
    })).filter((place) => colourSites || is(place.value));
    const at = sitesOf(platform), sizes = at.id.map((_, i) => m.size?.(platform, i) ?? 0), most = Math.max(1, ...sizes);
    const ofSite = at.id.map((_, i) => ({
      kind: "site", i, x: unwrapped(at.lon[i]), y: (NORTH - at.lat[i]) * STRETCH,
      size: colourSites ? 3 + 6 * Math.sqrt(sizes[i] / most) : 2.4, value: colourSites ? values[i] : null,
    })).filter((place) => !colourSites || is(place.value));
    const bySlowness = (a, b) => a.value - b.value;
    places = [...ofClient.sort(bySlowness), ...ofSite.sort(bySlowness)];
    scale = scaleOf(m);
    focused = null;
    const nothing = places.some((place) => is(place.value)) ? "" : " – nothing to show for this platform";
    byId("map-caption").textContent = `${platform}: ${m.text}${nothing}. ` + (colourSites
      ? `Circles are sites, as large as their ${m.of} are many.` : "Circles are places of clients, as large as their users are many; diamonds are sites.");
    showScale(m);
    redraw();
  }

  function showScale(m) {
    const host = byId("map-legend");
    host.replaceChildren();
    if (!scale) return;
    const bar = el("div", { class: "ramp" });
    bar.style.background = `linear-gradient(to right, ${ramp().join(",")})`;
    const ticks = m.isRatio ? linearTicks(scale.low, scale.high, 5) : logTicks(scale.low, scale.high, 7);
    host.append(bar, el("div", { class: "ticks" }, ...ticks.map((tick) => {
      const label = el("span", {}, m.isRatio ? percent(tick) : `${tick.toLocaleString("en")}`);
      label.style.left = `${100 * scale.at(tick)}%`;
      return label;
    })), el("div", {}, m.text));
  }

  function redraw() {
    if (isQueued) return;
    isQueued = true;
    requestAnimationFrame(() => { isQueued = false; draw(); });
  }
  const zoomed = (size) => size * Math.min(3, Math.sqrt(view.scale)) * Math.min(1, 0.45 + view.width / 1800);

  function draw() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const dense = devicePixelRatio || 1, zoom = view.base * view.scale, colours = ramp();
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, view.width, view.height);
    context.setTransform(dense * zoom, 0, 0, dense * zoom, dense * view.x, dense * view.y);
    context.fillStyle = colour("--land");
    context.strokeStyle = colour("--coast");
    context.lineWidth = 0.8 / zoom;
    context.fill(outline);
    context.stroke(outline);
    context.setTransform(dense, 0, 0, dense, 0, 0);
    const ink = colour("--ink"), paper = colour("--paper"), quiet = colour("--coast");
    for (const place of places) {
      const x = place.x * zoom + view.x, y = place.y * zoom + view.y, r = zoomed(place.size);
      if (x < -r || y < -r || x > view.width + r || y > view.height + r) continue;
      context.beginPath();
      if (place.kind === "site" && !is(place.value)) {
        context.moveTo(x, y - r); context.lineTo(x + r, y); context.lineTo(x, y + r); context.lineTo(x - r, y);
        context.closePath();
        context.fillStyle = ink; context.strokeStyle = paper; context.lineWidth = 1;
        context.stroke(); context.fill();
        continue;
      }
      context.arc(x, y, r, 0, 2 * Math.PI);
      context.fillStyle = is(place.value) ? shade(place.value, colours) : quiet;
      context.globalAlpha = 0.88;
      context.fill();
      context.globalAlpha = 1;
    }
    if (focused) {
      context.beginPath();
      context.arc(focused.x * zoom + view.x, focused.y * zoom + view.y, zoomed(focused.size) + 3, 0, 2 * Math.PI);
      context.strokeStyle = ink; context.lineWidth = 2;
      context.stroke();
    }
  }

  // -- numbers of a place --

  function describe(place) {
    const platform = platformChoice.value;
    if (place.kind === "client") {
      const rows = platforms.map((name) => {
        const c = cells[name], row = [[name], count(c.requests[place.i]), ms(c.p50_ms[place.i]), ms(c.p95_ms[place.i])];
        return Object.assign(row, { class: name === platform ? "chosen" : null });
      });
      const m = metric();
      return [el("b", {}, `${clients.city[place.i]}, ${country(clients.country[place.i])}`),
        el("p", { class: "quiet" }, `${percent(clients.weight[place.i])} of users`),
        m.id.startsWith("kv") && is(place.value) ? el("p", {}, `${m.text}: ${ms(place.value)}`) : null,
        table(["platform", "answered", "p50 ms", "p95 ms"], rows)];
    }
    const at = sitesOf(platform), i = place.i, kv = kvAtSite(platform, i), host = hostAt(platform, i);
    const found = summary.platforms[platform].groups.site[at.id[i]];
    const rows = [["answered as ingress", count(found?.requests ?? 0)]];
    if (found) rows.push(["p50 ms", ms(found.p50_ms)], ["p95 ms", ms(found.p95_ms)]);
    if (kv) rows.push(["KV reads", count(kv.reads)], ["KV hit ratio", percent(hitRatio(kv))], ["stale", percent(kv.stale_ratio)]);
    if (host) rows.push(["objects created", count(host.created)], ["calls of objects", count(host.calls)]);
    return [el("b", {}, [at.id[i], at.city[i]].filter(Boolean).join(" · ") + (at.country[i] ? `, ${at.country[i]}` : "")),
      el("p", { class: "quiet" }, `site of ${platform}`), table(["", ""], rows)];
  }
  const screen = (place) => {
    const zoom = view.base * view.scale;
    return [place.x * zoom + view.x, place.y * zoom + view.y];
  };
  function nearest(x, y) {
    let best = null, least = 10;
    for (const place of places) {
      const [px, py] = screen(place);
      const distance = Math.hypot(px - x, py - y) - Math.min(zoomed(place.size), 8) * 0.5;
      if (distance <= least) { best = place; least = distance; }
    }
    return best;
  }
  function focus(place, x, y) {
    if (place !== focused) { focused = place; redraw(); }
    if (!place) { hideTip(); return; }
    const box = canvas.getBoundingClientRect(), [px, py] = screen(place);
    showTip(x ?? box.left + px, y ?? box.top + py, ...describe(place).filter(Boolean));
  }

  // -- zoom and pan --

  function clamp() {
    const zoom = view.base * view.scale, wide = 360 * zoom, high = (NORTH - SOUTH) * STRETCH * zoom;
    view.x = Math.min(0, Math.max(view.width - wide, view.x));
    view.y = high <= view.height ? (view.height - high) / 2 : Math.min(0, Math.max(view.height - high, view.y));
    canvas.classList.toggle("zoomed", view.scale > 1);
    redraw();
  }
  function zoomTo(scale, x = view.width / 2, y = view.height / 2) {
    const now = Math.max(1, Math.min(CLOSEST, scale)), ratio = now / view.scale;
    view.x = x - (x - view.x) * ratio;
    view.y = y - (y - view.y) * ratio;
    view.scale = now;
    clamp();
  }
  let scrolledAt = -1e9;
  addEventListener("scroll", () => { scrolledAt = performance.now(); }, { passive: true });
  canvas.addEventListener("wheel", (event) => {
    const isLeaving = view.scale === 1 && event.deltaY > 0;
    if (!event.ctrlKey && (isLeaving || performance.now() - scrolledAt < 250)) return; // the page is being scrolled
    event.preventDefault();
    zoomTo(view.scale * Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), event.offsetX, event.offsetY);
    hideTip();
  }, { passive: false });
  const fingers = new Map();
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId), now = [event.offsetX, event.offsetY];
    if (!before) { focus(nearest(...now), event.clientX, event.clientY); return; }
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    fingers.set(event.pointerId, now);
    if (other) {
      const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
      zoomTo(view.scale * apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    } else {
      view.x += now[0] - before[0];
      view.y += now[1] - before[1];
      clamp();
    }
    hideTip();
  });
  canvas.addEventListener("pointerup", (event) => {
    fingers.delete(event.pointerId);
    focus(nearest(event.offsetX, event.offsetY), event.clientX, event.clientY);
  });
  canvas.addEventListener("pointercancel", (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("pointerleave", () => focus(null));
  canvas.addEventListener("blur", () => focus(null));
  byId("zoom-in").addEventListener("click", () => zoomTo(view.scale * 1.6));
  byId("zoom-out").addEventListener("click", () => zoomTo(view.scale / 1.6));
  byId("zoom-reset").addEventListener("click", () => zoomTo(1));

  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (event.key === "+" || event.key === "=") zoomTo(view.scale * 1.6);
    else if (event.key === "-") zoomTo(view.scale / 1.6);
    else if (way && places.length) { event.preventDefault(); step(way); }
  });
  function step([dx, dy]) {
    const known = places.filter((place) => is(place.value) || !metric().size);
    if (!focused) { focus(known.reduce((a, b) => (b.size > a.size ? b : a))); return; }
    let best = null, least = Infinity;
    for (const place of known) {
      const along = (place.x - focused.x) * dx + (place.y - focused.y) * dy;
      const aside = Math.abs((place.x - focused.x) * dy) + Math.abs((place.y - focused.y) * dx);
      if (along > 0 && aside <= along && along + aside < least) { best = place; least = along + aside; }
    }
    if (!best) return;
    const [x, y] = screen(best);
    if (x < 20 || x > view.width - 20) view.x += view.width / 2 - x;
    if (y < 20 || y > view.height - 20) view.y += view.height / 2 - y;
    clamp();
    focus(best);
  }

  new ResizeObserver(([entry]) => {
    const width = Math.round(entry.contentRect.width);
    if (!width || width === view.width || print.matches) return;
    Object.assign(view, { width, base: width / 360, height: Math.round((NORTH - SOUTH) * STRETCH * width / 360), scale: 1, x: 0, y: 0 });
    canvas.width = width * (devicePixelRatio || 1);
    canvas.height = view.height * (devicePixelRatio || 1);
    clamp();
  }).observe(frame);
  for (const choice of [platformChoice, metricChoice]) choice.addEventListener("change", choose);
  const restyle = () => { draw(); showScale(metric()); };
  for (const media of [dark, print]) media.addEventListener("change", restyle);
  choose();
}

// --- tables ---------------------------------------------------------------------------------------------

const MOST_ROWS = 25;

/** Tables of groups come from the summary; those of stores and objects are in the data block as they are. */
function allTables() {
  const groups = [["continent", "Continents"], ["country", "Countries"], ["site", "Sites"], ["network", "Networks"]];
  const fields = ["requests", "p50_ms", "p90_ms", "p95_ms", "p99_ms"];
  return [...groups.map(([key, title]) => ({
    title, columns: ["platform", key, ...fields],
    rows: platforms.flatMap((platform) => Object.entries(summary.platforms[platform].groups[key])
      .map(([name, group]) => [platform, name, ...fields.map((field) => group[field])])),
  })), ...data.tables.map((found) => ({ ...found, title: `${found.of === "kv" ? "KV" : "Objects"} by ${found.by}` }))];
}
const SHARE = /(^|_)share(_|$)/;
function columnTitle(key) {
  const units = [["_ms", " ms"], ["_ratio", " %"], ["_km", " km"], ["_s", " s"]];
  const [ending, unit] = units.find(([e]) => key.endsWith(e)) ?? ["", ""];
  if (SHARE.test(key) && !ending) return `${key.replaceAll("_", " ")} %`;
  return key.slice(0, key.length - ending.length).replaceAll("_", " ") + unit;
}
function cellText(key, value) {
  if (!is(value)) return NOTHING;
  if (typeof value === "string") {
    const name = data.names[key]?.[value];
    return name ? `${name} (${value})` : value;
  }
  if (key.endsWith("_ratio") || SHARE.test(key)) return percent(value).replace(" %", "");
  if (key.endsWith("_ms")) return ms(value);
  return Number.isInteger(value) ? count(value) : short(value);
}

function tables() {
  const found = allTables();
  const choice = byId("table-choice"), filter = byId("table-filter"), more = byId("table-more"), body = byId("table-body");
  choice.append(...found.map(({ title }, i) => el("option", { value: i }, title)));
  choice.value = "1";
  let sort, isWhole;

  function matching({ columns, rows }) {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = (row) => row.map((value, i) => (typeof value === "string" ? cellText(columns[i], value) : "")).join(" ").toLowerCase();
    const kept = words.length ? rows.filter((row) => { const line = text(row); return words.every((word) => line.includes(word)); }) : [...rows];
    if (!sort) return kept;
    const { column, sign } = sort;
    const value = (row) => (typeof row[column] === "string" ? cellText(columns[column], row[column]) : row[column]);
    return kept.sort((a, b) => {
      const [one, other] = [value(a), value(b)];
      if (!is(one) || !is(other)) return is(other) - is(one); // what is not there comes last
      return sign * (typeof one === "string" ? one.localeCompare(other) : one - other);
    });
  }
  function update() {
    const chosen = found[choice.value], rows = matching(chosen);
    const { columns } = chosen;
    const isText = columns.map((_, i) => typeof (chosen.rows.find((row) => is(row[i])) ?? [])[i] === "string");
    const textColumns = isText.indexOf(false) < 0 ? columns.length : isText.indexOf(false);
    const heads = columns.map((key, i) => el("button", {
      type: "button",
      onclick: () => {
        const sign = sort?.column === i ? -sort.sign : isText[i] ? 1 : -1;
        sort = { column: i, sign };
        update();
        body.querySelectorAll("thead button")[i].focus();
      },
    }, columnTitle(key) + (sort?.column === i ? (sort.sign > 0 ? " ▲" : " ▼") : "")));
    const few = isWhole ? rows : rows.slice(0, MOST_ROWS);
    const drawn = table(heads, few.map((row) => row.map((value, i) => (
      i === 0 && platforms.includes(value) ? [swatch(hue(value)), value] : cellText(columns[i], value)))), textColumns);
    drawn.querySelectorAll("thead th").forEach((th, i) => {
      if (sort?.column === i) th.setAttribute("aria-sort", sort.sign > 0 ? "ascending" : "descending");
    });
    body.replaceChildren(drawn);
    body.setAttribute("aria-label", chosen.title);
    byId("table-count").textContent = `${count(rows.length)} of ${count(chosen.rows.length)} rows`;
    const left = rows.length - few.length;
    byId("table-caption").textContent = chosen.title + (left ? `: the first ${few.length} of ${count(rows.length)} rows` : "");
    more.hidden = !left;
    more.textContent = `Show ${count(left)} more rows`;
  }
  function start() {
    const column = found[choice.value].columns.indexOf("requests"); // platforms side by side
    sort = column < 0 ? null : { column, sign: -1 };
    isWhole = false;
    update();
  }
  choice.addEventListener("change", start);
  filter.addEventListener("input", update);
  more.addEventListener("click", () => { isWhole = true; update(); });
  start();
}

// --- how to run it again --------------------------------------------------------------------------------

function recreate() {
  const { recreate: found, id } = summary;
  const versions = [`popsim ${found.popsim}`, `Python ${found.python}`, ...Object.entries(found.libraries).map((pair) => pair.join(" ")), found.machine];
  const commands = [
    "# save the scenario below as scenario.yaml",
    `popsim validate scenario.yaml   # says: id ${id}`,
    `popsim run scenario.yaml --engine ${summary.engine} --replications ${summary.replications} --seed ${found.seed} --html report.html`,
  ];
  byId("recreate").append(
    el("p", {}, `Scenario ${id}, seed ${found.seed}, ${summary.engine} engine, bundled data ${found.data}.`),
    el("p", { class: "quiet" }, `Computed by ${versions.join(", ")}${is(summary.elapsed_s) ? ` in ${duration(summary.elapsed_s * 1e3)}` : ""}.`),
    data.own_files.length ? el("p", {}, `It needs these files of its author, too: ${data.own_files.join(", ")}.`) : "",
    el("pre", { tabindex: 0 }, commands.join("\n")));
  byId("yaml").textContent = data.scenario_yaml;
  byId("copy").addEventListener("click", copy);
}
async function copy() {
  try {
    await navigator.clipboard.writeText(data.scenario_yaml);
  } catch { // no permission, or a browser that does not trust files: select it and copy the selection
    getSelection().selectAllChildren(byId("yaml"));
    if (!document.execCommand("copy")) {
      byId("copied").textContent = "Selected; press Ctrl+C.";
      return;
    }
  }
  byId("copied").textContent = "Copied.";
}

/** A printed page has everything open. */
function openForPrint() {
  const closed = [];
  print.addEventListener("change", () => {
    if (print.matches) closed.push(...document.querySelectorAll("details:not([open])"));
    for (const details of closed) details.open = print.matches;
    if (!print.matches) closed.length = 0;
  });
}

head();
claims();
legend();
distribution();
phases();
timeline();
worldMap();
tables();
recreate();
openForPrint();
})();
