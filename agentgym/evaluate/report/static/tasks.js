// Tasks: how each run did on them, those on which runs differ first.

async function tasksPage(query) {
  const all = await everyEntry();
  const byTask = new Map();
  for (const e of all) {
    const key = `${e.env}\n${e.task}`;
    if (!byTask.has(key))
      byTask.set(key, {
        env: e.env,
        task: e.task,
        runs: RUNS.map(() => ({ sum: 0, scored: 0, errors: 0, taskNumber: null })),
      });
    const cell = byTask.get(key).runs[e.run];
    cell.taskNumber = e.taskNumber;
    if (e.reward === null) cell.errors += 1;
    else {
      cell.sum += e.reward;
      cell.scored += 1;
    }
  }
  const mean = (cell) => (cell.scored ? cell.sum / cell.scored : null);
  const spread = (row) => {
    const means = row.runs.map(mean).filter(isNumber);
    return means.length > 1 ? Math.max(...means) - Math.min(...means) : 0;
  };
  const words = (query.q || "").toLowerCase();
  const rows = [...byTask.values()].filter((row) => row.task.toLowerCase().includes(words));
  rows.sort((a, b) => spread(b) - spread(a) || (mean(a.runs[0]) ?? 2) - (mean(b.runs[0]) ?? 2));
  const pages = Math.max(1, Math.ceil(rows.length / PAGE)),
    page = Math.min(Math.max(Number(query.page || 1), 1), pages);
  const go = (change) => {
    location.hash = address("tasks", { ...query, page: "", ...change });
  };
  const cellOf = (cell, run) =>
    cell.taskNumber === null
      ? el("td", {}, "\u2013")
      : el(
          "td",
          {},
          el(
            "a",
            { href: address("episodes", { run, task: cell.taskNumber }) },
            meter(mean(cell), run),
            ` ${fixed(mean(cell), 2)}`,
          ),
          el(
            "span",
            { class: "note" },
            ` of ${cell.scored}${cell.errors ? `, ${plural(cell.errors, "error")}` : ""}`,
          ),
        );
  return el(
    "div",
    { class: "stack close" },
    el("h1", { class: "sr" }, "Tasks"),
    el(
      "form",
      {
        class: "filters",
        role: "search",
        submit: (event) => {
          event.preventDefault();
          go({ q: event.target.elements.q.value });
        },
      },
      el(
        "div",
        { class: "fields" },
        el(
          "label",
          { class: "search" },
          el("span", {}, "Task ", el("kbd", {}, "/")),
          el("input", {
            type: "search",
            name: "q",
            value: query.q || "",
            change: (event) => go({ q: event.target.value }),
          }),
        ),
      ),
    ),
    el(
      "p",
      { class: "note", role: "status" },
      `${plural(rows.length, "task")}; ${RUNS.length > 1 ? "those on which the runs differ most" : "the hardest"} first`,
    ),
    table(
      ["Task", ...RUNS.map((_, run) => (RUNS.length > 1 ? runName(run) : "Mean reward"))],
      rows
        .slice((page - 1) * PAGE, page * PAGE)
        .map((row) => [
          el("td", { class: "what" }, line(row.task), el("div", { class: "note" }, line(row.env))),
          ...row.runs.map(cellOf),
        ]),
      { label: "Tasks", class: "tasks" },
    ),
    pages > 1 && pager(page, pages, go),
  );
}
