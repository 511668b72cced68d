// What the gradient saw: every token with its role, log-probabilities, ratio and advantage.

const SCALES = {
  advantage: {
    label: "Advantage",
    of: (t) => t.advantage,
    bounds: [0.1, 0.3, 0.7],
    words: ["pushed up (line above)", "pushed down (line below)", "no advantage"],
  },
  ratio: {
    label: "Ratio learner / sampler",
    of: (t) => (t.ratio === null ? null : t.ratio - 1),
    zero: 0.001,
    bounds: [0.01, 0.05, 0.2],
    words: ["likelier to the learner (line above)", "less likely (line below)", "as sampled"],
  },
  surprise: {
    label: "Surprise",
    of: (t) => (t.sampled ? -t.behaviour : null),
    zero: 0.1,
    bounds: [0.5, 1, 3],
    words: ["unlikely when sampled (line above)", "", "likely"],
  },
  role: { label: "Role", of: () => null },
};
const ROLES = ["system", "user", "assistant", "tool", "template"];

async function tokensPart(entry, found, query) {
  const { samples } = found.page;
  if (!samples.length) return el("p", { class: "empty" }, "No sample of this episode is kept.");
  const vocabulary = await unpack(`${entry.run}-texts`);
  const number = Math.min(Number(query.sample || 0), samples.length - 1);
  const tokens = tokensOf(found, number, vocabulary);
  const scales = Object.keys(SCALES).filter(
    (name) => name === "role" || tokens.some((t) => isNumber(SCALES[name].of(t))),
  );
  const by = scales.includes(query.by) ? query.by : scales[0];
  const to = (change) => {
    location.replace(
      address(`episode/${entry.run}/${entry.number}/tokens`, {
        ...kept(query),
        by: query.by,
        sample: query.sample,
        ...change,
      }),
    );
  };
  return el(
    "div",
    { class: "stack" },
    el(
      "form",
      { class: "filters" },
      el(
        "div",
        { class: "fields" },
        el(
          "label",
          {},
          el("span", {}, "Colour"),
          el(
            "select",
            { name: "by", change: (event) => to({ by: event.target.value }) },
            scales.map((name) => el("option", { value: name, selected: name === by }, SCALES[name].label)),
          ),
        ),
        samples.length > 1 &&
          el(
            "label",
            {},
            el("span", {}, "Sample"),
            el(
              "select",
              { name: "sample", change: (event) => to({ sample: event.target.value }) },
              samples.map((sample, i) =>
                el(
                  "option",
                  { value: i, selected: i === number },
                  `${i + 1} of ${samples.length}, ${line(sample.agent)}`,
                ),
              ),
            ),
          ),
      ),
    ),
    sampleWords(samples[number], tokens),
    legendOf(by, tokens),
    tokenView(tokens, by),
  );
}

function sampleWords(sample, tokens) {
  const sampled = tokens.filter((t) => t.sampled).length;
  const words = [
    `${plural(tokens.length, "token")}: ${count(sampled)} sampled (mask 1), ${count(tokens.length - sampled)} read (mask 0)`,
  ];
  if (isNumber(sample.advantage)) words.push(`advantage ${signed(sample.advantage)}`);
  if (sample.kept) words.push(`${count(sample.kept.filter((k) => !k).length)} masked out of the gradient`);
  return el(
    "div",
    {},
    el("p", { class: "note" }, words.join(" \u00b7 ")),
    sample.dropped &&
      el("p", { class: "banner" }, el("strong", {}, "Not learned from: "), line(sample.dropped), "."),
    sample.dropped === undefined &&
      el("p", { class: "note" }, "What the learner made of it is not on record."),
  );
}

function shade(token, by) {
  if (by === "role") return `r-${token.role}`;
  if (!token.sampled) return "read";
  const scale = SCALES[by],
    value = scale.of(token);
  const out = `${token.dropped ? " dropped" : ""}${token.kept ? "" : " masked"}`;
  if (!isNumber(value)) return `unknown${out}`;
  if (Math.abs(value) <= (scale.zero || 0)) return `zero${out}`;
  const level = 1 + scale.bounds.filter((bound) => Math.abs(value) > bound).length;
  return `${value > 0 ? "up" : "down"}${level}${out}`;
}

function legendOf(by, tokens) {
  const item = (kind, words) =>
    el("li", {}, el("span", { class: `tok ${kind}`, "aria-hidden": "true" }, "token"), ` ${words}`);
  if (by === "role")
    return el(
      "ul",
      { class: "legend tokens" },
      ROLES.map((role) => item(`r-${role}`, role)),
    );
  const { bounds, words } = SCALES[by];
  const items = [
    item("read", "read: mask 0"),
    item("up1", `${words[0]}, up to ${bounds[0]}`),
    item("up2", `to ${bounds[1]}`),
    item("up3", `to ${bounds[2]}`),
    item("up4", "more"),
  ];
  if (words[1])
    items.push(
      item("down1", `${words[1]}, up to ${bounds[0]}`),
      item("down2", `to ${bounds[1]}`),
      item("down3", `to ${bounds[2]}`),
      item("down4", "more"),
    );
  items.push(item("zero", words[2]));
  if (tokens.some((t) => !t.kept)) items.push(item("up2 masked", "masked out (struck)"));
  if (tokens.some((t) => t.dropped)) items.push(item("zero dropped", "not learned from (hatched)"));
  return el("ul", { class: "legend tokens" }, items);
}

// Arrow keys, the pointer and a click choose a token; the panel tells about it.
function tokenView(tokens, by) {
  const panel = el("div", { class: "panel", role: "status", "aria-live": "polite" });
  const spans = tokens.map((token, i) =>
    el("span", { class: `tok ${shade(token, by)}`, "data-i": i }, tokenText(token.text)),
  );
  const view = el(
    "div",
    {
      class: "tokenview",
      tabindex: 0,
      role: "group",
      "aria-label": "Tokens: arrow keys go from one to the next",
    },
    spans,
  );
  let chosen = -1,
    pinned = false;
  const choose = (i) => {
    if (i < 0 || i >= tokens.length) return;
    if (spans[chosen]) spans[chosen].classList.remove("chosen");
    spans[i].classList.add("chosen");
    chosen = i;
    panel.replaceChildren(tokenFacts(tokens[i], i, tokens.length));
  };
  const at = (event) => Number(event.target.closest?.("[data-i]")?.dataset.i ?? -1);
  view.addEventListener("pointerover", (event) => {
    if (!pinned) choose(at(event));
  });
  view.addEventListener("click", (event) => {
    if (at(event) >= 0) {
      pinned = !(pinned && at(event) === chosen);
      choose(at(event));
    }
  });
  view.addEventListener("keydown", (event) => {
    const by_ = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10 }[event.key];
    const to =
      event.key === "Home"
        ? 0
        : event.key === "End"
          ? tokens.length - 1
          : by_ && Math.min(Math.max(chosen + by_, 0), tokens.length - 1);
    if (to === undefined) return;
    event.preventDefault();
    pinned = true;
    choose(to);
    spans[to].scrollIntoView({ block: "nearest" });
  });
  choose(
    Math.max(
      0,
      tokens.findIndex((t) => t.sampled),
    ),
  );
  return el(
    "div",
    { class: "two" },
    view,
    el(
      "aside",
      { class: "sticky", "aria-label": "The chosen token" },
      panel,
      el("p", { class: "note" }, "Point at a token, click to keep it, or go by arrow keys."),
    ),
  );
}

// A break in a token is shown, and made.
const tokenText = (text) => visible(text).replace(/\n/g, "\u21b5\n").replace(/\t/g, "\u21e5\t");

function tokenFacts(t, i, total) {
  const facts = [
    ["Place", `${count(i + 1)} / ${count(total)}`],
    ["Id", String(t.id)],
    ["Role", t.role],
    ["Loss mask", t.sampled ? "1" : "0"],
  ];
  if (t.sampled) {
    facts.push(
      ["Behaviour log-prob.", fixed(t.behaviour)],
      ["Learner log-prob.", fixed(t.learner, 4)],
      ["Ratio", fixed(t.ratio, 4)],
      ["Advantage", signed(t.advantage)],
      [
        "In the gradient",
        !t.learned
          ? "not on record"
          : t.dropped
            ? `no: ${line(t.dropped)}`
            : t.kept
              ? "yes"
              : "no: masked by its ratio",
      ],
      ["Weights", String(t.version)],
    );
  }
  return el(
    "div",
    {},
    el("p", { class: "tokentext" }, el("code", {}, tokenText(t.text))),
    el(
      "dl",
      { class: "facts" },
      facts.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
    ),
  );
}
