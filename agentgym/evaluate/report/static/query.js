// What the address asks for: which episodes, in which order.

const PAGE = 100;
const WANTED = {
  all: () => true,
  solved: (entry) => entry.outcome === "s",
  failed: (entry) => entry.outcome === "f",
  limit: (entry) => entry.outcome === "l",
  error: (entry) => entry.outcome === "e",
  truncated: (entry) => entry.cut,
};
const SORTS = {
  number: (e) => e.run * 1e9 + e.number,
  reward: (e) => e.reward,
  task: (e) => e.task,
  step: (e) => e.step,
  turns: (e) => e.turns,
  tokens: (e) => e.tokens,
  advantage: (e) => e.advantage,
  outcome: (e) => "slfe".indexOf(e.outcome),
};

// A training shows its newest first.
const FIRST = RUNS.some((view) => view.kind === "train") ? "-step" : "number";

const encoded = (text) => encodeURIComponent(String(text).replace(/\p{Cs}/gu, "\ufffd"));
const address = (path, query) => {
  const words = Object.entries(query).filter(
    ([, value]) => value !== "" && value !== null && value !== undefined,
  );
  return `#/${path}${words.length ? `?${words.map(([k, v]) => `${k}=${encoded(v)}`).join("&")}` : ""}`;
};

// What the address asks for, of all episodes; the same for the list and for going from page to page.
async function filtered(query) {
  const all = await everyEntry();
  const wanted = WANTED[query.outcome] || WANTED.all;
  const isIn = (value, asked) => asked === undefined || String(value) === asked;
  const [least, most] = [Number(query.from || -Infinity), Number(query.to || Infinity)];
  const plain = all.filter(
    (e) =>
      (query.paged === undefined || e.chunk >= 0) &&
      isIn(e.run, query.run) &&
      isIn(e.env.replace(/\p{Cs}/gu, "\ufffd"), query.env) &&
      isIn(e.taskNumber, query.task) &&
      isIn(e.group, query.group) &&
      e.step >= least &&
      e.step <= most,
  );
  const found = await searched(plain, query.q);
  return { counted: found, rows: sorted(found.filter(wanted), query.sort || FIRST) };
}

async function searched(rows, q) {
  if (!q) return rows;
  const words = q.toLowerCase();
  const hits = await Promise.all(rows.map(async (e) => (await saidIn(e)).includes(words)));
  return rows.filter((_, i) => hits[i]);
}

function sorted(rows, sort) {
  const down = sort.startsWith("-"),
    key = SORTS[sort.replace("-", "")] || SORTS.number;
  const order = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === y) return SORTS.number(a) - SORTS.number(b);
    if (x === null || x === undefined) return 1; // what has no value comes last, either way
    if (y === null || y === undefined) return -1;
    return (x < y ? -1 : 1) * (down ? -1 : 1);
  };
  return [...rows].sort(order);
}
