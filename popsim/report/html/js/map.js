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
        const c = cells[name], row = [[name], count(c.answered[place.i]), ms(c.p50_ms[place.i]), ms(c.p95_ms[place.i])];
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
    const rows = [["answered as ingress", count(found?.answered ?? 0)]];
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
