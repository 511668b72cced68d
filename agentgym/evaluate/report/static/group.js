// The siblings of a group, turn beside turn: what the baseline is made of.

async function groupPart(siblings, current, query) {
  const training = RUNS[siblings[0].run].kind === "train";
  const found = await Promise.all(siblings.map(opened));
  const rewards = siblings.map((e) => e.reward).filter(isNumber);
  const mean = rewards.reduce((sum, r) => sum + r, 0) / (rewards.length || 1);
  const differ = new Set(rewards).size > 1;
  const told = training
    ? [differ ? "They differ: a signal." : "All got the same: no signal."]
    : [!differ && "All got the same."];
  const turns = Math.max(...found.map((f) => f?.page.turns.length || 0));
  const head = siblings.map((e) =>
    el(
      "th",
      { scope: "col", class: e.number === current ? "current" : null },
      el("a", { href: address(`episode/${e.run}/${e.number}`, kept(query)) }, `#${e.index}`),
      " ",
      pill(e.outcome),
      el(
        "div",
        { class: "note" },
        `reward ${reward(e.reward)}`,
        training && (e.dropped ? ` \u00b7 ${line(e.dropped)}` : ` \u00b7 advantage ${signed(e.advantage)}`),
      ),
    ),
  );
  const rows = Array.from({ length: turns }, (_, i) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, `Turn ${i + 1}`),
      found.map((f) => {
        const turn = f?.page.turns[i];
        return el(
          "td",
          {},
          turn
            ? [
                block(f.text(turn.action), "small"),
                turn.results.map(([, content]) =>
                  el("div", { class: "result" }, block(f.text(content), "small")),
                ),
              ]
            : "",
        );
      }),
    ),
  );
  const ends = el(
    "tr",
    {},
    el("th", { scope: "row" }, "Verdict"),
    found.map((f) => el("td", {}, f ? line(f.text(f.page.reason)) : "no page in this report")),
  );
  return el(
    "div",
    { class: "stack" },
    el(
      "p",
      {},
      `${plural(siblings.length, "episode")} of one task and seed: mean reward ${fixed(mean)} over ${count(rewards.length)} scored. `,
      el("strong", {}, told),
    ),
    el(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Siblings side by side" },
      el(
        "table",
        { class: "siblings" },
        el("thead", {}, el("tr", {}, el("th", {}, ""), head)),
        el("tbody", {}, rows, ends),
      ),
    ),
  );
}
