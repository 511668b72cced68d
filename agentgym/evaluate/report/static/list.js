// The list of episodes: filtered and sorted by what the address says, a hundred at a time.

const PAGE = 100;
const WANTED = {
  all: () => true,
  solved: (entry) => entry.outcome === "s",
  failed: (entry) => entry.outcome === "f",
  limit: (entry) => entry.outcome === "l",
  error: (entry) => entry.outcome === "e",
  truncated: (entry) => entry.cut,
};
const SORTS = {
  number: (e) => e.run * 1e9 + e.number, reward: (e) => e.reward, task: (e) => e.task, step: (e) => e.step,
  turns: (e) => e.turns, tokens: (e) => e.tokens, advantage: (e) => e.advantage, outcome: (e) => "slfe".indexOf(e.outcome),
};

// A training shows its newest first.
const FIRST = RUNS.some((view) => view.kind === "train") ? "-step" : "number";

const encoded = (text) => encodeURIComponent(String(text).replace(/\p{Cs}/gu, "\ufffd"));
const address = (path, query) => {
  const words = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return `#/${path}${words.length ? `?${words.map(([k, v]) => `${k}=${encoded(v)}`).join("&")}` : ""}`;
};

// What the address asks for, of all episodes; the same for the list and for going from page to page.
async function filtered(query) {
  const all = await everyEntry();
  const wanted = WANTED[query.outcome] || WANTED.all;
  const isIn = (value, asked) => asked === undefined || String(value) === asked;
  const [least, most] = [Number(query.from || -Infinity), Number(query.to || Infinity)];
  const plain = all.filter((e) => (query.paged === undefined || e.chunk >= 0) && isIn(e.run, query.run) && isIn(e.env.replace(/\p{Cs}/gu, "\ufffd"), query.env)
    && isIn(e.taskNumber, query.task) && isIn(e.group, query.group) && e.step >= least && e.step <= most);
  const found = await searched(plain, query.q);
  return { counted: found, rows: sorted(found.filter(wanted), query.sort || FIRST) };
}

async function searched(rows, q) {
  if (!q) return rows;
  const words = q.toLowerCase();
  const hits = await Promise.all(rows.map(async (e) => (await saidIn(e)).includes(words)));
  return rows.filter((_, i) => hits[i]);
}

function sorted(rows, sort) {
  const down = sort.startsWith("-"), key = SORTS[sort.replace("-", "")] || SORTS.number;
  const order = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === y) return SORTS.number(a) - SORTS.number(b);
    if (x === null || x === undefined) return 1;  // what has no value comes last, either way
    if (y === null || y === undefined) return -1;
    return (x < y ? -1 : 1) * (down ? -1 : 1);
  };
  return [...rows].sort(order);
}

async function listPage(query) {
  const { counted, rows } = await filtered(query);
  const page = Math.min(Math.max(Number(query.page || 1), 1), Math.max(1, Math.ceil(rows.length / PAGE)));
  const shown = rows.slice((page - 1) * PAGE, page * PAGE);
  const go = (change) => { location.hash = address("episodes", { ...query, page: "", ...change }); };
  return el("div", { class: "stack close" }, el("h1", { class: "sr" }, "Episodes"),
    await filterBar(query, counted, go),
    el("p", { class: "note", role: "status" }, `${plural(rows.length, "episode")}${rows.length > PAGE ? `, ${(page - 1) * PAGE + 1} to ${(page - 1) * PAGE + shown.length} shown` : ""}`),
    shown.length ? episodeTable(shown, query, go) : el("p", { class: "empty" }, "No episode is like that. ", el("a", { href: "#/episodes" }, "Show all")),
    rows.length > PAGE && pager(page, Math.ceil(rows.length / PAGE), go));
}

async function filterBar(query, counted, go) {
  const all = await everyEntry();
  const envs = [...new Set(all.map((e) => e.env))];
  const steps = all.some((e) => e.step !== all[0].step);
  const choice = (name, label, options) => el("label", {}, el("span", {}, label), el("select", { name, change: (event) => go({ [name]: event.target.value }) },
    el("option", { value: "" }, "all"), options.map(([value, text]) => el("option", { value, selected: query[name] === String(value) }, text))));
  const number = (name, label) => el("label", {}, el("span", {}, label), el("input", { type: "number", name, min: 0, value: query[name] ?? "", change: (event) => go({ [name]: event.target.value }) }));
  const chips = Object.entries(WANTED).map(([name, has]) => {
    const chosen = (query.outcome || "all") === name;
    return el("button", { type: "button", class: `chip ${name}`, "aria-pressed": String(chosen), "data-outcome": name,
      click: () => go({ outcome: name === "all" ? "" : name }) }, name, el("span", { class: "count" }, count(counted.filter(has).length)));
  });
  const narrowed = query.task !== undefined || query.group !== undefined;
  return el("form", { class: "filters", role: "search", submit: (event) => { event.preventDefault(); go({ q: event.target.elements.q.value }); } },
    el("div", { class: "chips", role: "group", "aria-label": "Outcome" }, chips),
    el("div", { class: "fields" },
      el("label", { class: "search" }, el("span", {}, "Text ", el("kbd", {}, "/")), el("input", { type: "search", name: "q", value: query.q || "", autocomplete: "off", placeholder: "said, asked or expected",
        change: (event) => go({ q: event.target.value }) })),
      RUNS.length > 1 && choice("run", "Run", RUNS.map((view, run) => [run, line(view.name)])),
      envs.length > 1 && choice("env", "Environment", envs.map((env) => [env.replace(/\p{Cs}/gu, "\ufffd"), line(env)])),
      steps && number("from", "From step"), steps && number("to", "To step"),
      all.some((e) => e.chunk < 0) && el("button", { type: "button", name: "paged", "aria-pressed": String(query.paged !== undefined), click: () => go({ paged: query.paged === undefined ? 1 : "" }) }, "with a page"),
      narrowed && el("button", { type: "button", click: () => go({ task: "", group: "" }) }, "of one task \u00d7")));
}

function episodeTable(shown, query, go) {
  const training = shown.some((e) => RUNS[e.run].kind === "train");
  const heads = [["outcome", "Outcome"], ["reward", "Reward"], ["task", "Task"], training && ["step", "Step"], ["turns", "Turns"], ["tokens", "Tokens"], training && ["advantage", "Advantage"]].filter(Boolean);
  const sort = query.sort || FIRST;
  const head = heads.map(([key, label]) => {
    const on = sort.replace("-", "") === key, down = on && sort.startsWith("-");
    return el("th", { "aria-sort": on ? (down ? "descending" : "ascending") : "none", class: { task: "", outcome: "", reward: "num" }[key] ?? "num extra", scope: "col" },
      el("button", { type: "button", "data-sort": key, click: () => go({ sort: on && !down ? `-${key}` : on ? "" : key }) }, label, el("span", { class: "dir", "aria-hidden": "true" }, on ? (down ? " \u25bc" : " \u25b2") : "")));
  });
  const envs = new Set(shown.map((e) => e.env)).size > 1;
  const rows = shown.map((e) => el("tr", { class: e.chunk < 0 ? "closed" : "open" },
    el("td", {}, pill(e.outcome), e.cut && e.outcome !== "l" && el("span", { class: "cut", title: "a limit cut it, or a turn of it" }, " cut")),
    right(reward(e.reward)),
    el("td", { class: "what" }, RUNS.length > 1 && runKey(e.run), pageLink(e, query),
      el("div", { class: "note" }, envs && el("span", { class: "env" }, line(e.env), " "), line(e.prompt)),
      el("div", { class: "note" }, line(e.reason).slice(0, 160))),
    training && right(count(e.step), "extra"), right(count(e.turns), "extra"), right(count(e.tokens), "extra"),
    training && right(e.dropped ? el("span", { class: "note" }, line(e.dropped)) : signed(e.advantage), "extra")));
  return el("div", { class: "scroll" }, el("table", { class: "episodes" }, el("caption", { class: "sr" }, "Episodes; j and k go from one to the next"),
    el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)));
}

function pageLink(e, query = {}) {
  const name = [line(e.task), el("span", { class: "sibling" }, ` #${e.index}`)];
  if (e.chunk < 0) return el("span", { title: "this episode has no page; --episodes asks for more" }, name);
  return el("a", { class: "row", href: address(`episode/${e.run}/${e.number}`, { ...query, page: "" }) }, name);
}

const pager = (page, pages, go) => el("nav", { class: "pager", "aria-label": "Pages" },
  el("button", { type: "button", disabled: page <= 1, click: () => go({ page: page - 1 }) }, "\u2190 previous"),
  el("span", {}, `page ${page} of ${pages}`),
  el("button", { type: "button", disabled: page >= pages, click: () => go({ page: page + 1 }) }, "next \u2192"));

// Tasks: how each run did on them.
async function tasksPage(query) {
  const all = await everyEntry();
  const byTask = new Map();
  for (const e of all) {
    const key = `${e.env}\n${e.task}`;
    if (!byTask.has(key)) byTask.set(key, { env: e.env, task: e.task, runs: RUNS.map(() => ({ sum: 0, scored: 0, errors: 0, taskNumber: null })) });
    const cell = byTask.get(key).runs[e.run];
    cell.taskNumber = e.taskNumber;
    if (e.reward === null) cell.errors += 1;
    else { cell.sum += e.reward; cell.scored += 1; }
  }
  const mean = (cell) => (cell.scored ? cell.sum / cell.scored : null);
  const spread = (row) => { const means = row.runs.map(mean).filter(isNumber); return means.length > 1 ? Math.max(...means) - Math.min(...means) : 0; };
  const words = (query.q || "").toLowerCase();
  const rows = [...byTask.values()].filter((row) => row.task.toLowerCase().includes(words));
  rows.sort((a, b) => spread(b) - spread(a) || (mean(a.runs[0]) ?? 2) - (mean(b.runs[0]) ?? 2));
  const pages = Math.max(1, Math.ceil(rows.length / PAGE)), page = Math.min(Math.max(Number(query.page || 1), 1), pages);
  const go = (change) => { location.hash = address("tasks", { ...query, page: "", ...change }); };
  const cellOf = (cell, run) => cell.taskNumber === null ? el("td", {}, "\u2013") : el("td", {},
    el("a", { href: address("episodes", { run, task: cell.taskNumber }) }, meter(mean(cell), run), ` ${fixed(mean(cell), 2)}`),
    el("span", { class: "note" }, ` of ${cell.scored}${cell.errors ? `, ${plural(cell.errors, "error")}` : ""}`));
  return el("div", { class: "stack close" }, el("h1", { class: "sr" }, "Tasks"),
    el("form", { class: "filters", role: "search", submit: (event) => { event.preventDefault(); go({ q: event.target.elements.q.value }); } },
      el("div", { class: "fields" }, el("label", { class: "search" }, el("span", {}, "Task ", el("kbd", {}, "/")), el("input", { type: "search", name: "q", value: query.q || "", change: (event) => go({ q: event.target.value }) })))),
    el("p", { class: "note", role: "status" }, `${plural(rows.length, "task")}; ${RUNS.length > 1 ? "those on which the runs differ most" : "the hardest"} first`),
    table(["Task", ...RUNS.map((_, run) => (RUNS.length > 1 ? runName(run) : "Mean reward"))], rows.slice((page - 1) * PAGE, page * PAGE).map((row) => [
      el("td", { class: "what" }, line(row.task), el("div", { class: "note" }, line(row.env))), ...row.runs.map(cellOf)]), { label: "Tasks", class: "tasks" }),
    pages > 1 && pager(page, pages, go));
}

const meter = (share, run = 0) => svg("svg", { class: `meter c${run % 6}`, width: 60, height: 8, "aria-hidden": "true" },
  svg("rect", { class: "rail", width: 60, height: 8, rx: 2 }), svg("rect", { class: "fill", width: 60 * Math.min(Math.max(share || 0, 0), 1), height: 8, rx: 2 }));
