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
