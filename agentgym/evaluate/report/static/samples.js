// A sample as tokens: what was read, what was sampled, and what the learner made of it.

// Tokens as objects. What the environment said is split by role where its messages are found in it.
function tokensOf({ chunk, page, text }, number, vocabulary) {
  const sample = page.samples[number];
  const tokens = [];
  let sampled = 0,
    turn = page.samples
      .slice(0, number)
      .reduce((sum, s) => sum + s.runs.filter((run) => typeof run !== "number").length, 0);
  sample.runs.forEach((run, i) => {
    if (typeof run === "number") {
      const said = i === 0 ? messagesBefore(page, turn) : page.turns[turn - 1]?.results || [];
      tokens.push(...readTokens(chunk.runs[run], said, vocabulary, text));
      return;
    }
    const [ids, logprobs] = run;
    ids.forEach((id, j) => {
      const gap = sample.gaps?.[sampled] ?? null,
        behaviour = -logprobs[j] / 1000;
      tokens.push({
        id,
        text: vocabulary[id] ?? `<${id}>`,
        role: "assistant",
        sampled: true,
        behaviour,
        learner: gap === null ? null : behaviour + gap / 1e4,
        ratio: gap === null ? null : Math.exp(gap / 1e4),
        advantage: Array.isArray(sample.advantage) ? sample.advantage[sampled] : (sample.advantage ?? null),
        kept: sample.kept ? sample.kept[sampled] === 1 : true,
        dropped: sample.dropped || "",
        learned: sample.dropped !== undefined,
        version: sample.versions ? sample.versions[sampled] : sample.version,
      });
      sampled += 1;
    });
    turn += 1;
  });
  return tokens;
}

// The conversation up to a turn: what a sample that begins there was given to read.
function messagesBefore(page, turn) {
  const past = page.turns.slice(0, turn).flatMap((t) => [["assistant", t.action, null], ...t.results]);
  return [...page.opening, ...past];
}

function readTokens(ids, messages, vocabulary, text) {
  const texts = ids.map((id) => vocabulary[id] ?? `<${id}>`);
  const whole = texts.join("");
  const spans = [];
  let from = 0;
  for (const [role, content] of messages) {
    const said = text(content),
      at = said ? whole.indexOf(said, from) : -1;
    if (at < 0) continue;
    spans.push([at, at + said.length, role]);
    from = at + said.length;
  }
  let place = 0;
  return ids.map((id, i) => {
    const role = spans.find(([begin, end]) => place >= begin && place < end)?.[2] || "template";
    place += texts[i].length;
    return {
      id,
      text: texts[i],
      role,
      sampled: false,
      behaviour: null,
      learner: null,
      ratio: null,
      advantage: null,
      kept: true,
      dropped: "",
      version: null,
    };
  });
}
