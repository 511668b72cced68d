// The first page: how good, how sure, what went wrong, how it went.

function overviewPage() {
  return el(
    "div",
    { class: "stack" },
    el(
      "header",
      { class: "headline" },
      el("h1", {}, RUNS.length > 1 ? plural(RUNS.length, "run") : line(RUNS[0].name)),
      el(
        "p",
        { class: "note" },
        RUNS.length > 1 ? RUNS.map((view) => line(view.name)).join(", ") : line(RUNS[0].what),
      ),
    ),
    RUNS.length > 1 ? sideBySide() : hero(RUNS[0], 0),
    comparisonPart(),
    RUNS.map(findingsPart),
    chartsPart(),
    RUNS.map(blocksPart),
    RUNS.map(settingsPart),
  );
}

const runKey = (run) =>
  svg(
    "svg",
    { class: `key c${run % 6}`, width: 26, height: 10, "aria-hidden": "true" },
    svg("path", { class: "line", d: "M1 5H25", "stroke-dasharray": DASHES[run % 6] || null }),
  );
const runName = (run) => el("span", { class: "runname" }, runKey(run), " ", line(RUNS[run].name));

function comparisonPart() {
  const found = OVERVIEW.comparisons;
  if (!found.length) return null;
  const gains = found.flatMap(({ environments }) => environments.flatMap(({ gain }) => gain || []));
  const reach = Math.max(...gains.filter(isNumber).map(Math.abs), 0.1);
  return el(
    "section",
    { class: "stack close" },
    el("h2", {}, "Differences, paired by task"),
    el(
      "p",
      { class: "note" },
      "A is ",
      runName(0),
      ", B the run that is named: B less A over the tasks of both, with 95% intervals over tasks, and p with Holm's correction over environments.",
    ),
    found.map(({ run, verdict, warnings, environments }) =>
      el(
        "div",
        {},
        el("p", { class: "verdictline" }, runName(run), ": ", line(verdict)),
        table(
          ["Environment", ...heads("Difference"), "", ...heads("95% interval", "p", "Tasks"), "Verdict"],
          environments.map((row) => differenceRow(row, run, reach)),
          { label: "Differences" },
        ),
        warnings.map((text) => el("p", { class: "note" }, "Mind: ", line(text))),
      ),
    ),
  );
}

const differenceRow = ({ env, gain, p, tasks, only, verdict }, run, reach) => [
  line(env),
  right(signed(gain?.[0])),
  gain ? intervalBar(gain, [-reach, reach], run) : "",
  right(gain ? range(gain[1], gain[2]) : ""),
  right(pValue(p).replace(/^p (= )?/, "")),
  right([
    count(tasks),
    only.some(Boolean) && el("div", { class: "note" }, `${only[0]} and ${only[1]} of one run`),
  ]),
  el("td", { class: "note verdictcell" }, line(verdict)),
];

function findingsPart({ findings, reasons, name }, run) {
  if (!findings.length) return null;
  return el(
    "section",
    { class: "findings", "aria-label": "Findings" },
    RUNS.length > 1 && el("h2", {}, runName(run)),
    el(
      "ul",
      {},
      findings.map(([kind, text]) =>
        el(
          "li",
          { class: kind },
          el("span", { class: "sign", "aria-hidden": "true" }, kind === "alarm" ? "!" : "i"),
          el("span", {}, kind === "alarm" && el("strong", {}, "Warning: "), sentence(text)),
        ),
      ),
    ),
    reasons.length > 0 &&
      el(
        "details",
        {},
        el("summary", {}, "Why episodes are unscored"),
        table(
          [...heads("Episodes"), "Reason"],
          reasons.map(([reason, number]) => [right(count(number)), line(reason)]),
          { label: "Reasons" },
        ),
      ),
  );
}

const sentence = (text) => `${text[0].toUpperCase()}${line(text.slice(1))}.`;

function chartsPart() {
  const [main, ...rest] = OVERVIEW.charts;
  if (!main) return null;
  const trainings = RUNS.map((view, run) => run).filter((run) => RUNS[run].kind === "train");
  return el(
    "section",
    {},
    el("h2", {}, "Curves"),
    trainings.length > 1 && el("p", { class: "legend" }, trainings.map(runName)),
    el(
      "div",
      { class: "charts" },
      el("div", { class: "mainchart" }, chartFigure(main, 260)),
      rest.map((chart) => chartFigure(chart, 150)),
    ),
  );
}

function blocksPart({ blocks }, run) {
  if (!blocks.length) return null;
  const ends = blocks.flatMap(({ score }) => score || []).filter(isNumber);
  const span = [Math.min(0, ...ends), Math.max(1, ...ends)];
  const tries = [...new Set(blocks.flatMap(({ passes }) => (passes || []).map(([k]) => k)))].filter(
    (k) => k !== "1",
  );
  return el(
    "section",
    {},
    el("h2", {}, RUNS.length > 1 ? ["Environments of ", runName(run)] : "Environments"),
    table(
      [
        "Environment",
        ...heads("Score"),
        "",
        ...heads(
          "95% interval",
          ...tries.map((k) => `pass@${k}`),
          "Tasks",
          "Scored",
          "Limits",
          "Errors",
          "Turns",
          "Tokens",
        ),
      ],
      blocks.map((b) => [
        el(
          "td",
          {},
          el("a", { href: `#/episodes?run=${run}&env=${encoded(b.env)}` }, line(b.env)),
          b.split && el("span", { class: "note" }, ` ${line(b.split)}`),
        ),
        right(b.score ? fixed(b.score[0]) : "none"),
        b.score ? intervalBar(b.score, span, run) : "",
        right(b.score ? range(b.score[1], b.score[2]) : ""),
        ...tries.map((k) => right(fixed((b.passes || []).find(([at]) => at === k)?.[1]))),
        right(count(b.tasks)),
        right(count(b.scored)),
        right(count(b.limits)),
        el("td", { class: `num ${b.errors ? "bad" : ""}` }, count(b.errors)),
        right(fixed(b.turns, 2)),
        right(count(b.sampled)),
      ]),
      { label: "Environments" },
    ),
  );
}

const settingsPart = ({ settings }, run) =>
  el(
    "section",
    {},
    el(
      "details",
      { id: `settings-${run}` },
      el("summary", {}, RUNS.length > 1 ? ["Settings of ", runName(run)] : "Settings"),
      table(
        null,
        settings.map(([name, value]) => [
          el("th", { scope: "row" }, line(name)),
          el("code", {}, line(value)),
        ]),
        { class: "settings", label: "Settings" },
      ),
    ),
  );
