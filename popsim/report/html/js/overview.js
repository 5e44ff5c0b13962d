// --- head, claims ---------------------------------------------------------------------------------------

const failures = (found) => Object.values(found.failed).reduce((a, b) => a + b, 0);

function head() {
  byId("finding").textContent = data.finding.replaceAll(/(\d) (%|ms)/g, "$1\u00a0$2");
  const many = `${summary.replications} replication${summary.replications === 1 ? "" : "s"}`;
  byId("meta").textContent = [`id ${summary.id}`, `${summary.engine} engine`, many, `seed ${summary.recreate.seed}`,
    `popsim ${summary.recreate.popsim}`].join(" · ");
  const names = ["p50", "p90", "p95", "p99", "mean"];
  byId("summary-table").append(table(["platform", "sent", ...names, "cold", "failed"], platforms.map((name) => {
    const found = summary.platforms[name];
    return [[swatch(hue(name)), name], count(found.sent), ...names.map((p) => estimate(found.latency_ms[p])),
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
          (is(each.reason) ? `, ${each.reason}` : "") +
          (is(each.replications_needed) ? `, ${count(each.replications_needed)} replications would decide` : ""))))),
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
  failed: ["failed requests in %", (d, i) => (d.sent[i] ? 100 * d.failed[i] / d.sent[i] : null)],
  cold: ["cold requests in %", (d, i) => (d.sent[i] > d.failed[i] ? 100 * d.cold[i] / (d.sent[i] - d.failed[i]) : null)],
  sent: ["requests sent per second", (d, i, t) => d.sent[i] / t.replications / (t.bin_ms / 1e3)],
};

function timeline() {
  const time = data.timeline;
  const bins = Math.max(...platforms.map((p) => time.platforms[p].sent.length));
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
  const rate = select("time-rate", Object.entries(RATES).map(([key, [text]]) => [key, text]), hasFailed ? "failed" : "sent");
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
