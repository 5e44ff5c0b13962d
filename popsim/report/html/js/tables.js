// --- tables ---------------------------------------------------------------------------------------------

const MOST_ROWS = 25;
const TABLES = { kv: "KV", objects: "Objects", costs: "Cost of a million requests sent" };

/** Tables of groups come from the summary; those of stores and objects are in the data block as they are. */
function allTables() {
  const groups = [["continent", "Continents"], ["country", "Countries"], ["site", "Sites"], ["network", "Networks"]];
  const fields = ["sent", "answered", "failed", "p50_ms", "p90_ms", "p95_ms", "p99_ms"];
  return [...groups.map(([key, title]) => ({
    title, columns: ["platform", key, ...fields],
    rows: platforms.flatMap((platform) => Object.entries(summary.platforms[platform].groups[key])
      .map(([name, group]) => [platform, name, ...fields.map((field) => group[field])])),
  })), ...data.tables.map((found) => ({ ...found, title: `${TABLES[found.of]} by ${found.by}` }))];
}
const SHARE = /(^|_)share(_|$)/;
function columnTitle(key) {
  const units = [["_ms", " ms"], ["_ratio", " %"], ["_km", " km"], ["_s", " s"], ["_usd", " USD"]];
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
    const column = found[choice.value].columns.indexOf("answered"); // platforms side by side
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
