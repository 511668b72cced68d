// Building the page. Text is only ever set as text, so nothing that a model wrote becomes markup.

const el = (tag, props = {}, ...children) => fill(document.createElement(tag), props, children);
const svg = (tag, props = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child || child === 0 || child === ""));
  return node;
}

// Characters that are not seen, or that turn the order of others round, are shown by their codes.
const visible = (text) =>
  String(text).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (char) => {
    if (char === "\n" || char === "\t" || char === "\u200d") return char;
    return `\u2039U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}\u203a`;
  });

const line = (text) => visible(text).replace(/\s+/g, " ");
const block = (text, kind = "") => {
  const tall = text.length > 2000 || text.split("\n").length > 30;
  return el(
    "pre",
    {
      class: `text ${kind} ${tall ? "tall" : ""}`,
      tabindex: tall ? 0 : null,
      role: tall ? "region" : null,
      "aria-label": tall ? "long text" : null,
    },
    visible(text),
  );
};

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const fixed = (value, digits = 3) =>
  isNumber(value) ? value.toFixed(digits).replace("-", "\u2212") : "\u2013";
const signed = (value, digits = 3) =>
  !isNumber(value)
    ? "\u2013"
    : value === 0
      ? "0"
      : `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(digits)}`;
const count = (value) => (isNumber(value) ? value.toLocaleString("en") : "\u2013");
const reward = (value) => (isNumber(value) ? String(Number(value.toPrecision(4))) : "\u2013");
const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
const seconds = (value) => {
  if (!isNumber(value)) return "\u2013";
  if (value < 120) return `${value.toFixed(value < 10 ? 2 : 0)} s`;
  return value < 7200 ? `${(value / 60).toFixed(0)} min` : `${(value / 3600).toFixed(1)} h`;
};
const range = (low, high) =>
  isNumber(low) && isNumber(high) ? `${fixed(low)} to ${fixed(high)}` : "no interval";

const OUTCOMES = {
  s: { name: "solved", mark: "\u2713" },
  f: { name: "failed", mark: "\u2715" },
  l: { name: "limit", mark: "\u25f7" },
  e: { name: "error", mark: "!" },
};
const pill = (code) =>
  el(
    "span",
    { class: `pill ${OUTCOMES[code].name}` },
    el("span", { "aria-hidden": "true" }, OUTCOMES[code].mark),
    ` ${OUTCOMES[code].name}`,
  );

function table(head, rows, props = {}) {
  const cell = (tag) => (value) => (value instanceof HTMLTableCellElement ? value : el(tag, {}, value));
  return el(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": props.label || "table" },
    el(
      "table",
      { class: props.class },
      head && el("thead", {}, el("tr", {}, head.map(cell("th")))),
      el(
        "tbody",
        {},
        rows.map((row) => el("tr", {}, row.map(cell("td")))),
      ),
    ),
  );
}
const right = (value, kind = "") => el("td", { class: `num ${kind}` }, value);
const heads = (...names) => names.map((name) => el("th", { class: "num", scope: "col" }, name));
