// One episode: what was said turn by turn, what it earned and why, beside what was expected.

const TABS = { "": "Conversation", tokens: "Gradient", group: "Siblings" };

async function episodePage(run, number, tab, query) {
  const all = await entries(run);
  const entry = all[number];
  if (!entry)
    return el(
      "p",
      { class: "empty" },
      "There is no such episode. ",
      el("a", { href: "#/episodes" }, "Show all"),
    );
  const found = await opened(entry);
  if (!found)
    return el(
      "p",
      { class: "empty" },
      "This episode has no page in this report: --episodes asks for more. ",
      el("a", { href: "#/episodes" }, "Show all"),
    );
  const siblings = all.filter((other) => other.group === entry.group).sort((a, b) => a.index - b.index);
  const views = {
    "": () => conversation(entry, found),
    tokens: () => tokensPart(entry, found, query),
    group: () => groupPart(siblings, number, query),
  };
  return el(
    "div",
    { class: "stack episode" },
    await episodeHead(entry, query),
    el(
      "nav",
      { class: "tabs", "aria-label": "Views of the episode" },
      Object.entries(TABS).map(([name, label]) =>
        el(
          "a",
          {
            href: address(`episode/${run}/${number}${name && `/${name}`}`, kept(query)),
            "aria-current": tab === name ? "page" : null,
          },
          name === "tokens" && RUNS[run].kind === "eval" ? "Tokens" : label,
          name === "group" && el("span", { class: "count" }, String(siblings.length)),
        ),
      ),
    ),
    await (views[tab] || views[""])(),
  );
}

// What of the address belongs to the list that the reader came from.
const kept = ({ run, env, task, group, outcome, q, sort, from, to, paged }) => ({
  run,
  env,
  task,
  group,
  outcome,
  q,
  sort,
  from,
  to,
  paged,
});

async function episodeHead(entry, query) {
  const { rows } = await filtered(query);
  const paged = rows.filter((e) => e.chunk >= 0);
  const at = paged.findIndex((e) => e.run === entry.run && e.number === entry.number);
  const step = (to, label, rel) =>
    to &&
    el("a", { class: "button", rel, href: address(`episode/${to.run}/${to.number}`, kept(query)) }, label);
  return el(
    "div",
    { class: "episodehead" },
    el(
      "nav",
      { class: "crumbs", "aria-label": "Way back" },
      el("a", { class: "back", href: address("episodes", kept(query)) }, "\u2190 Episodes"),
      at >= 0 && el("span", { class: "note" }, ` ${count(at + 1)} of ${count(paged.length)}`),
    ),
    el(
      "div",
      { class: "title" },
      el("h1", {}, line(entry.task), el("span", { class: "sibling" }, ` #${entry.index}`)),
      pill(entry.outcome),
      el(
        "span",
        { class: "steps" },
        step(paged[at - 1], "\u2190", "prev"),
        step(at >= 0 && paged[at + 1], "\u2192", "next"),
      ),
    ),
    el(
      "p",
      { class: "note" },
      RUNS.length > 1 && [runName(entry.run), " \u00b7 "],
      line(entry.env),
      RUNS[entry.run].kind === "train" && ` \u00b7 step ${entry.step}`,
      ` \u00b7 ${plural(entry.turns, "turn")} \u00b7 ${plural(entry.tokens, "sampled token")}`,
    ),
  );
}

// Of an episode that was lost to a fault nothing is kept but its task.
function conversation(entry, found) {
  const { page, task, text } = found;
  const opening = page.opening.length || !task ? page.opening : [["user", task.prompt, null]];
  return el(
    "div",
    { class: "two" },
    el(
      "div",
      { class: "talk" },
      opening.map((message) => messageBox(message, text)),
      page.turns.map((turn, i) => turnBox(turn, i, page, text)),
      endBox(entry, page),
    ),
    el("aside", { "aria-label": "Verdict" }, verdictPart(entry, found), factsPart(entry, page)),
  );
}

function messageBox([role, content, name], text) {
  const body = block(text(content));
  const head = [
    el("span", { class: "role" }, role),
    name !== null && el("code", { class: "toolname" }, line(text(name))),
  ];
  return role === "system"
    ? el(
        "details",
        { class: "message system" },
        el("summary", {}, head, el("span", { class: "note" }, ` ${line(text(content)).slice(0, 200)}`)),
        body,
      )
    : el("section", { class: `message ${role}` }, el("header", {}, head), body);
}

function turnBox(turn, i, page, text) {
  return el(
    "section",
    { class: "turn", "aria-label": `Turn ${i + 1}` },
    el(
      "header",
      {},
      el("h2", {}, `Turn ${i + 1}`),
      el(
        "span",
        { class: "note" },
        `${count(turn.sampled)} sampled after ${count(turn.read)} read \u00b7 ${seconds(turn.seconds[0])} model, ${seconds(turn.seconds[1])} environment`,
      ),
      turn.cut && el("span", { class: "cut" }, "cut at the token limit"),
    ),
    actionBox(turn, text),
    pairs(turn, text),
  );
}

function actionBox(turn, text) {
  if (!turn.calls) {
    return el(
      "section",
      { class: "message assistant" },
      el("header", {}, el("span", { class: "role" }, "assistant")),
      block(text(turn.action)),
    );
  }
  const prose = text(turn.said);
  return el(
    "section",
    { class: "message assistant" },
    el("header", {}, el("span", { class: "role" }, "assistant")),
    prose && block(prose),
    el("details", { class: "raw" }, el("summary", {}, "as it was written"), block(text(turn.action))),
  );
}

// Each call beside its own result; results without a call stand alone.
function pairs(turn, text) {
  const calls = turn.calls || [];
  const rows = calls.map(([name, args], i) =>
    el(
      "div",
      { class: "pair" },
      el(
        "div",
        { class: "call" },
        el(
          "header",
          {},
          el("span", { class: "role" }, "call"),
          el("code", { class: "toolname" }, line(text(name))),
        ),
        argumentsPart(args),
      ),
      turn.results[i] ? resultBox(turn.results[i], text) : el("p", { class: "note" }, "no result on record"),
    ),
  );
  const rest = turn.results
    .slice(calls.length)
    .map((result) => el("div", { class: "pair lone" }, resultBox(result, text)));
  return [...rows, ...rest];
}

const resultBox = ([role, content, name], text) =>
  el(
    "div",
    { class: `result ${role}` },
    el(
      "header",
      {},
      el("span", { class: "role" }, role === "tool" ? "result" : role),
      name !== null && el("code", { class: "toolname" }, line(text(name))),
    ),
    block(text(content)),
  );

function argumentsPart(args) {
  const names = Object.keys(args);
  if (!names.length) return el("p", { class: "note" }, "no arguments");
  return el(
    "dl",
    { class: "args" },
    names.map((name) => [
      el("dt", {}, line(name)),
      el("dd", {}, block(typeof args[name] === "string" ? args[name] : JSON.stringify(args[name], null, 1))),
    ]),
  );
}

function endBox(entry, page) {
  const how =
    entry.outcome === "e"
      ? "The episode was lost to a fault that is not the model's; it is in no score."
      : page.limit
        ? `The ${page.limit} limit ended the episode.`
        : page.truncated
          ? "The episode was truncated."
          : "The environment ended the episode.";
  return el("p", { class: "end note" }, line(how));
}
