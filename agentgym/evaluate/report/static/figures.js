// The figures of a run, as cards of one or in columns of several.

// One run: its figures as cards.
function hero(view, run) {
  return el(
    "section",
    { class: "cards", "aria-label": "Figures" },
    figuresOf(view).map(({ label, value, note, kind }) =>
      el(
        "div",
        { class: `card ${kind || ""}` },
        el("h2", {}, label),
        el("p", { class: "value" }, value),
        note && el("p", { class: "note" }, note),
      ),
    ),
    el("div", { class: "card wide" }, el("h2", {}, "Episodes"), outcomeBar(view, run)),
  );
}

function figuresOf(view) {
  return view.kind === "train" ? trainingFigures(view) : evaluationFigures(view);
}

function trainingFigures({ training, wall_s: wall, hygiene }) {
  const figures = [];
  const { before, after, gain } = training;
  if (after) {
    figures.push({
      label: "Held-out score",
      value: before
        ? [fixed(before[0]), el("span", { class: "arrow" }, " \u2192 "), fixed(after[0])]
        : fixed(after[0]),
      note: `95% interval ${range(after[1], after[2])}`,
      kind: hygiene?.overlap ? "alarm" : "",
    });
  } else if (before) {
    figures.push({
      label: "Held-out score before",
      value: fixed(before[0]),
      note: `95% interval ${range(before[1], before[2])}`,
    });
  }
  if (gain) {
    figures.push({
      label: "Gain",
      value: signed(gain[0]),
      note: `${range(gain[1], gain[2])}, ${pValue(gain[3])}, paired by task`,
    });
  }
  figures.push({
    label: "Steps",
    value: `${count(training.steps)}${training.wanted && training.wanted !== training.steps ? ` of ${count(training.wanted)}` : ""}`,
    note: wall ? seconds(wall) : "",
  });
  if (training.reward) {
    figures.push({
      label: "Training reward",
      value: fixed(training.reward[1]),
      note: `${fixed(training.reward[0])} in the first step`,
    });
  }
  return figures;
}

function evaluationFigures({ blocks, counts, wall_s: wall, cost_usd: cost }) {
  const figures = blocks.length === 1 ? [scoreFigure(blocks[0])] : [];
  if (blocks.length > 1) figures.push({ label: "Environments", value: count(blocks.length) });
  const passes = blocks.length === 1 && blocks[0].passes?.at(-1);
  if (passes && passes[0] !== "1")
    figures.push({
      label: `pass@${passes[0]}`,
      value: fixed(passes[1]),
      note: isNumber(passes[2]) ? `pass^${passes[0]} ${fixed(passes[2])}` : "",
    });
  figures.push({ label: "Tasks", value: count(counts.tasks), note: wall ? seconds(wall) : "" });
  figures.push({
    label: "Sampled tokens",
    value: count(counts.tokens),
    note: isNumber(cost) ? `$${cost.toFixed(2)}` : "",
  });
  return figures;
}

const scoreFigure = ({ score, scored }) =>
  score
    ? { label: "Score", value: fixed(score[0]), note: `95% interval ${range(score[1], score[2])}` }
    : { label: "Score", value: "none", note: scored ? "" : "nothing was scored", kind: "alarm" };

const pValue = (p) => (!isNumber(p) ? "" : p < 0.001 ? "p < 0.001" : `p = ${p.toPrecision(2)}`);

// Scored outcomes share a bar; faults stand apart from them.
function outcomeBar({ counts }, run) {
  const link = (code, extra = "") => {
    const { name, mark } = OUTCOMES[code];
    const number = counts[name] || 0;
    return el(
      "a",
      { href: `#/episodes?run=${run}&outcome=${name}`, class: `${name} ${extra}` },
      el("span", { class: "swatch", "aria-hidden": "true" }, mark),
      ` ${count(number)} ${name}`,
    );
  };
  const codes = ["s", "f", "l"].filter((code) => counts[OUTCOMES[code].name]);
  const total = codes.reduce((sum, code) => sum + counts[OUTCOMES[code].name], 0);
  let from = 0;
  const bar = svg("svg", { class: "outcomes", height: 14, width: "100%", "aria-hidden": "true" });
  for (const code of codes) {
    const { name } = OUTCOMES[code],
      share = (100 * counts[name]) / total;
    bar.append(svg("rect", { class: name, x: `${from}%`, width: `${share}%`, height: 14 }));
    from += share;
  }
  return el(
    "div",
    { class: "outcomebar" },
    total ? bar : null,
    el(
      "p",
      { class: "legend" },
      ["s", "f", "l"].map((code) => link(code)),
      el("span", { class: "apart" }, link("e"), el("span", { class: "note" }, " unscored, in no figure")),
    ),
  );
}

function sideBySide() {
  const names = [...new Set(RUNS.flatMap((view) => figuresOf(view).map((figure) => figure.label)))];
  const rows = names.map((name) => [
    el("th", { scope: "row" }, name),
    ...RUNS.map((view) => {
      const figure = figuresOf(view).find(({ label }) => label === name);
      return figure
        ? el(
            "td",
            {},
            el("strong", {}, figure.value),
            figure.note && el("div", { class: "note" }, figure.note),
          )
        : el("td", {}, "\u2013");
    }),
  ]);
  rows.push([el("th", { scope: "row" }, "Episodes"), ...RUNS.map(outcomeBar)]);
  return el(
    "section",
    {},
    el("h2", {}, "Side by side"),
    table(["", ...RUNS.map((_, run) => runName(run))], rows, { class: "side", label: "Runs side by side" }),
  );
}
