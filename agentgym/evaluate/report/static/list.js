// The list of episodes: filtered and sorted by what the address says, a hundred at a time.

async function listPage(query) {
  const { counted, rows } = await filtered(query);
  const page = Math.min(Math.max(Number(query.page || 1), 1), Math.max(1, Math.ceil(rows.length / PAGE)));
  const shown = rows.slice((page - 1) * PAGE, page * PAGE);
  const go = (change) => {
    location.hash = address("episodes", { ...query, page: "", ...change });
  };
  return el(
    "div",
    { class: "stack close" },
    el("h1", { class: "sr" }, "Episodes"),
    await filterBar(query, counted, go),
    el(
      "p",
      { class: "note", role: "status" },
      `${plural(rows.length, "episode")}${rows.length > PAGE ? `, ${(page - 1) * PAGE + 1} to ${(page - 1) * PAGE + shown.length} shown` : ""}`,
    ),
    shown.length
      ? episodeTable(shown, query, go)
      : el("p", { class: "empty" }, "No episode is like that. ", el("a", { href: "#/episodes" }, "Show all")),
    rows.length > PAGE && pager(page, Math.ceil(rows.length / PAGE), go),
  );
}

async function filterBar(query, counted, go) {
  const all = await everyEntry();
  const envs = [...new Set(all.map((e) => e.env))];
  const steps = all.some((e) => e.step !== all[0].step);
  const choice = (name, label, options) =>
    el(
      "label",
      {},
      el("span", {}, label),
      el(
        "select",
        { name, change: (event) => go({ [name]: event.target.value }) },
        el("option", { value: "" }, "all"),
        options.map(([value, text]) =>
          el("option", { value, selected: query[name] === String(value) }, text),
        ),
      ),
    );
  const number = (name, label) =>
    el(
      "label",
      {},
      el("span", {}, label),
      el("input", {
        type: "number",
        name,
        min: 0,
        value: query[name] ?? "",
        change: (event) => go({ [name]: event.target.value }),
      }),
    );
  const chips = Object.entries(WANTED).map(([name, has]) => {
    const chosen = (query.outcome || "all") === name;
    return el(
      "button",
      {
        type: "button",
        class: `chip ${name}`,
        "aria-pressed": String(chosen),
        "data-outcome": name,
        click: () => go({ outcome: name === "all" ? "" : name }),
      },
      name,
      el("span", { class: "count" }, count(counted.filter(has).length)),
    );
  });
  const narrowed = query.task !== undefined || query.group !== undefined;
  return el(
    "form",
    {
      class: "filters",
      role: "search",
      submit: (event) => {
        event.preventDefault();
        go({ q: event.target.elements.q.value });
      },
    },
    el("div", { class: "chips", role: "group", "aria-label": "Outcome" }, chips),
    el(
      "div",
      { class: "fields" },
      el(
        "label",
        { class: "search" },
        el("span", {}, "Text ", el("kbd", {}, "/")),
        el("input", {
          type: "search",
          name: "q",
          value: query.q || "",
          autocomplete: "off",
          placeholder: "said, asked or expected",
          change: (event) => go({ q: event.target.value }),
        }),
      ),
      RUNS.length > 1 &&
        choice(
          "run",
          "Run",
          RUNS.map((view, run) => [run, line(view.name)]),
        ),
      envs.length > 1 &&
        choice(
          "env",
          "Environment",
          envs.map((env) => [env.replace(/\p{Cs}/gu, "\ufffd"), line(env)]),
        ),
      steps && number("from", "From step"),
      steps && number("to", "To step"),
      all.some((e) => e.chunk < 0) &&
        el(
          "button",
          {
            type: "button",
            name: "paged",
            "aria-pressed": String(query.paged !== undefined),
            click: () => go({ paged: query.paged === undefined ? 1 : "" }),
          },
          "with a page",
        ),
      narrowed &&
        el("button", { type: "button", click: () => go({ task: "", group: "" }) }, "of one task \u00d7"),
    ),
  );
}

function episodeTable(shown, query, go) {
  const training = shown.some((e) => RUNS[e.run].kind === "train");
  const heads = [
    ["outcome", "Outcome"],
    ["reward", "Reward"],
    ["task", "Task"],
    training && ["step", "Step"],
    ["turns", "Turns"],
    ["tokens", "Tokens"],
    training && ["advantage", "Advantage"],
  ].filter(Boolean);
  const sort = query.sort || FIRST;
  const head = heads.map(([key, label]) => {
    const on = sort.replace("-", "") === key,
      down = on && sort.startsWith("-");
    return el(
      "th",
      {
        "aria-sort": on ? (down ? "descending" : "ascending") : "none",
        class: { task: "", outcome: "", reward: "num" }[key] ?? "num extra",
        scope: "col",
      },
      el(
        "button",
        {
          type: "button",
          "data-sort": key,
          click: () => go({ sort: on && !down ? `-${key}` : on ? "" : key }),
        },
        label,
        el("span", { class: "dir", "aria-hidden": "true" }, on ? (down ? " \u25bc" : " \u25b2") : ""),
      ),
    );
  });
  const envs = new Set(shown.map((e) => e.env)).size > 1;
  const rows = shown.map((e) =>
    el(
      "tr",
      { class: e.chunk < 0 ? "closed" : "open" },
      el(
        "td",
        {},
        pill(e.outcome),
        e.cut &&
          e.outcome !== "l" &&
          el("span", { class: "cut", title: "a limit cut it, or a turn of it" }, " cut"),
      ),
      right(reward(e.reward)),
      el(
        "td",
        { class: "what" },
        RUNS.length > 1 && runKey(e.run),
        pageLink(e, query),
        el("div", { class: "note" }, envs && el("span", { class: "env" }, line(e.env), " "), line(e.prompt)),
        el("div", { class: "note" }, line(e.reason).slice(0, 160)),
      ),
      training && right(count(e.step), "extra"),
      right(count(e.turns), "extra"),
      right(count(e.tokens), "extra"),
      training &&
        right(e.dropped ? el("span", { class: "note" }, line(e.dropped)) : signed(e.advantage), "extra"),
    ),
  );
  return el(
    "div",
    { class: "scroll" },
    el(
      "table",
      { class: "episodes" },
      el("caption", { class: "sr" }, "Episodes; j and k go from one to the next"),
      el("thead", {}, el("tr", {}, head)),
      el("tbody", {}, rows),
    ),
  );
}

function pageLink(e, query = {}) {
  const name = [line(e.task), el("span", { class: "sibling" }, ` #${e.index}`)];
  if (e.chunk < 0) return el("span", { title: "this episode has no page; --episodes asks for more" }, name);
  return el(
    "a",
    { class: "row", href: address(`episode/${e.run}/${e.number}`, { ...query, page: "" }) },
    name,
  );
}

const pager = (page, pages, go) =>
  el(
    "nav",
    { class: "pager", "aria-label": "Pages" },
    el(
      "button",
      { type: "button", disabled: page <= 1, click: () => go({ page: page - 1 }) },
      "\u2190 previous",
    ),
    el("span", {}, `page ${page} of ${pages}`),
    el(
      "button",
      { type: "button", disabled: page >= pages, click: () => go({ page: page + 1 }) },
      "next \u2192",
    ),
  );
