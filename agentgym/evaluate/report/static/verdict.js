// What an episode earned, rule by rule, beside what was expected.

function verdictPart(entry, { page, task, text }) {
  const { verdict } = page;
  const rules = verdict?.rules || [];
  return el(
    "section",
    { class: `verdict ${OUTCOMES[entry.outcome].name}` },
    el("h2", {}, "Reward"),
    el("p", { class: "value" }, entry.reward === null ? "unscored" : reward(entry.reward)),
    el("p", {}, line(text(page.reason))),
    rules.length > 0 &&
      el(
        "ul",
        { class: "rules" },
        rules.map(([name, score, weight, why]) =>
          el(
            "li",
            {},
            el(
              "div",
              { class: weight === 0 ? "rule unweighed" : "rule" },
              el("span", { class: "rulename" }, line(text(name))),
              weight !== 0 && meter(score),
              el("span", { class: "num" }, reward(score)),
              el("span", { class: "note" }, weight === 0 ? "not weighed" : `\u00d7 ${reward(weight)}`),
            ),
            text(why) && el("p", { class: "note" }, line(text(why))),
          ),
        ),
      ),
    el(
      "dl",
      { class: "versus" },
      verdict &&
        verdict.extracted !== null && [
          el("dt", {}, "Answer found"),
          el("dd", {}, block(text(verdict.extracted))),
        ],
      el("dt", {}, "Expected"),
      el("dd", {}, task ? goldPart(task.gold) : el("span", { class: "note" }, "not on record")),
    ),
  );
}

const goldPart = (gold) =>
  gold === null
    ? el("span", { class: "note" }, "nothing to compare with")
    : block(typeof gold === "string" ? gold : JSON.stringify(gold, null, 1));

function factsPart(entry, page) {
  const [model, environment] = [0, 1].map((i) => page.turns.reduce((sum, turn) => sum + turn.seconds[i], 0));
  const facts = [
    ["Seed", String(page.seed)],
    ["Started", page.attempts === 1 ? "once" : `${page.attempts} times`],
    ["Model", seconds(model)],
    ["Environment", seconds(environment)],
    entry.dropped && ["Not learned from", line(entry.dropped)],
    isNumber(entry.advantage) && ["Advantage", signed(entry.advantage)],
  ].filter(Boolean);
  return el(
    "dl",
    { class: "facts" },
    facts.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
  );
}
