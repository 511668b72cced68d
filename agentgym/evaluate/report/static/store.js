// The data: the overview at once, the rest unpacked when it is asked for.

const OVERVIEW = JSON.parse(document.getElementById("overview").textContent);
const RUNS = OVERVIEW.runs;
const unpacked = new Map();

// The packs stand behind this script, so that the overview is painted before they are read.
const whole = new Promise((done) => {
  if (document.readyState !== "loading") done();
  else document.addEventListener("DOMContentLoaded", done);
});

function unpack(name) {
  if (!unpacked.has(name)) unpacked.set(name, inflate(name));
  return unpacked.get(name);
}

async function inflate(name) {
  if (!window.DecompressionStream) {
    throw new Error("this browser cannot unpack the report; one of 2023 or later can");
  }
  await whole;
  const text = atob(document.getElementById(`pack-${name}`).textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const lists = new Map();

// Every episode of a run as an object; the file has them as columns.
function entries(run) {
  if (!lists.has(run))
    lists.set(
      run,
      unpack(`${run}-list`).then((data) => rowsOf(run, data)),
    );
  return lists.get(run);
}

const rowsOf = (run, data) =>
  data.env.map((env, number) => ({
    run,
    number,
    env: data.texts[env],
    task: data.texts[data.task[number]],
    taskNumber: data.task[number],
    prompt: data.texts[data.prompt[number]],
    reason: data.texts[data.reason[number]],
    dropped: data.texts[data.dropped[number]],
    step: data.step[number],
    index: data.index[number],
    group: data.group[number],
    outcome: data.outcome[number],
    cut: data.cut[number] === 1,
    reward: data.reward[number],
    turns: data.turns[number],
    tokens: data.tokens[number],
    chunk: data.chunk[number],
    advantage: data.advantage[number],
  }));

const everyEntry = async () => (await Promise.all(RUNS.map((_, run) => entries(run)))).flat();

// An episode's page with the chunk whose texts it names by number; null where it has none.
async function opened(entry) {
  if (entry.chunk < 0) return null;
  const chunk = await unpack(`${entry.run}-${entry.chunk}`);
  return {
    chunk,
    page: chunk.pages[entry.number],
    task: chunk.tasks[entry.group],
    text: (number) => (number === null || number === undefined ? "" : chunk.texts[number]),
  };
}

// All that is said in an episode, for the search.
const said = new Map();
async function saidIn(entry) {
  const key = `${entry.run}/${entry.number}`;
  if (!said.has(key)) {
    const found = await opened(entry);
    const texts = [entry.task, entry.reason];
    if (found) {
      const { page, text, task } = found;
      for (const [, content, name] of page.opening) texts.push(text(content), text(name));
      for (const turn of page.turns) {
        texts.push(text(turn.action));
        for (const [, content, name] of turn.results) texts.push(text(content), text(name));
      }
      for (const [name, , , why] of page.verdict?.rules || []) texts.push(text(name), text(why));
      if (task) texts.push(JSON.stringify(task.gold));
    }
    said.set(key, texts.join("\n").toLowerCase());
  }
  return said.get(key);
}
