// Line charts and intervals as SVG, drawn to the width there is; lines differ by dash, not only hue.

const DASHES = ["", "7 3", "2 3", "9 3 2 3", "4 2", "1 2"];

function ticksOf(low, high, about, least = 0) {
  if (high - low < 1e-12 * Math.max(Math.abs(low), Math.abs(high), 1e-300)) {
    const pad = Math.abs(low) / 2 || 0.5;
    [low, high] = [low - pad, high + pad];
  }
  const power = 10 ** Math.floor(Math.log10((high - low) / about));
  const step =
    [1, 2, 2.5, 5, 10].map((n) => n * power).find((s) => (high - low) / s <= about && s >= least) || least;
  const ticks = [];
  for (let n = Math.floor(low / step + 1e-9); n <= Math.ceil(high / step - 1e-9); n++) ticks.push(n * step);
  return ticks;
}

const tickText = (value) => {
  const size = Math.abs(value);
  if (size && (size < 1e-3 || size >= 1e6))
    return value.toExponential(0).replace("e-", "e\u2212").replace("e+", "e");
  return String(Number(value.toPrecision(4)));
};

// A chart in a figure, drawn again whenever its width changes.
function chartFigure(chart, height) {
  const host = el("div", { class: "plot" });
  const readout = el("p", { class: "readout", "aria-hidden": "true" }, chart.unit || "\u00a0");
  const draw = () =>
    host.clientWidth && host.replaceChildren(lineChart(chart, host.clientWidth, height, readout));
  new ResizeObserver(draw).observe(host);
  return el("figure", {}, el("figcaption", {}, chart.title), readout, host);
}

function lineChart(chart, width, height, readout) {
  const [left, edge, top, bottom] = [46, 12, 8, 24];
  const marks = (chart.marks || []).flatMap((mark) => mark.points);
  const points = [
    ...chart.lines.flatMap((l) => l.points),
    ...marks.map((m) => [m[0], m[1]]),
    ...marks.flatMap((m) =>
      m
        .slice(2)
        .filter(isNumber)
        .map((end) => [m[0], end]),
    ),
  ];
  const xs = points.map((p) => p[0]),
    ys = points.map((p) => p[1]);
  const xTicks = ticksOf(Math.min(...xs), Math.max(...xs), Math.max(2, Math.floor(width / 90)), 1);
  const yTicks = ticksOf(Math.min(...ys), Math.max(...ys), Math.max(2, Math.floor(height / 45)));
  const scale = (ticks, from, to) => (v) => from + ((v - ticks[0]) / (ticks.at(-1) - ticks[0])) * (to - from);
  const x = scale(xTicks, left, width - edge),
    y = scale(yTicks, height - bottom, top);
  const root = svg("svg", {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": chartWords(chart),
  });
  for (const tick of yTicks) {
    root.append(
      svg("path", { class: "grid", d: `M${left} ${y(tick)}H${width - edge}` }),
      svg("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, tickText(tick)),
    );
  }
  for (const tick of xTicks) {
    root.append(svg("text", { x: x(tick), y: height - 7, "text-anchor": "middle" }, tickText(tick)));
  }
  for (const { run, points: path } of chart.lines) {
    const places = path.map(([px, py]) => `${x(px).toFixed(1)} ${y(py).toFixed(1)}`);
    root.append(
      path.length === 1
        ? svg("circle", { class: `dot c${run % 6}`, cx: x(path[0][0]), cy: y(path[0][1]), r: 3 })
        : svg("path", {
            class: `line c${run % 6}`,
            d: `M${places.join("L")}`,
            "stroke-dasharray": DASHES[run % 6] || null,
          }),
    );
  }
  for (const { run, points: rows } of chart.marks || []) {
    for (const [step, mean, low, high] of rows) root.append(whisker(run, x(step), y, mean, low, high));
  }
  root.append(pointer(chart, root, x, [top, height - bottom], readout));
  return root;
}

function whisker(run, at, y, mean, low, high) {
  const bar =
    isNumber(low) &&
    isNumber(high) &&
    svg("path", { d: `M${at} ${y(low)}V${y(high)}M${at - 4} ${y(low)}h8M${at - 4} ${y(high)}h8` });
  return svg(
    "g",
    { class: `mark c${run % 6}` },
    bar,
    svg("path", { class: "diamond", d: `M${at} ${y(mean) - 5}l5 5l-5 5l-5 -5z` }),
  );
}

// Under the pointer: a hair line, and the values there above the chart.
function pointer(chart, root, x, [top, bottom], readout) {
  const hair = svg("path", { class: "hair" });
  const steps = [...new Set(chart.lines.flatMap((l) => l.points.map((p) => p[0])))];
  root.addEventListener("pointermove", (event) => {
    if (!steps.length) return;
    const at = event.clientX - root.getBoundingClientRect().left;
    const step = steps.reduce((a, b) => (Math.abs(x(b) - at) < Math.abs(x(a) - at) ? b : a));
    hair.setAttribute("d", `M${x(step)} ${top}V${bottom}`);
    const values = chart.lines.map(({ run, points }) => {
      const found = points.find((p) => p[0] === step);
      return found && `${RUNS.length > 1 ? `${line(RUNS[run].name)} ` : ""}${tickText(found[1])}`;
    });
    readout.textContent = `step ${step}: ${values.filter(Boolean).join(", ")}`;
  });
  root.addEventListener("pointerleave", () => {
    hair.removeAttribute("d");
    readout.textContent = chart.unit || "\u00a0";
  });
  return hair;
}

function chartWords(chart) {
  const words = chart.lines.map(
    ({ run, points }) =>
      `${line(RUNS[run].name)}: from ${tickText(points[0][1])} to ${tickText(points.at(-1)[1])} in step ${points.at(-1)[0]}`,
  );
  return `${chart.title}. ${words.join("; ")}`;
}

// A mean and its interval on a common scale, for a row of a table.
function intervalBar([mean, low, high], [from, to], run = 0) {
  const at = (value) => 4 + (152 * (value - from)) / (to - from || 1);
  return svg(
    "svg",
    { class: `interval c${run % 6}`, width: 160, height: 18, viewBox: "0 0 160 18", "aria-hidden": "true" },
    svg("path", { class: "grid", d: "M4 9H156" }),
    isNumber(low) &&
      isNumber(high) &&
      svg("path", { class: "reach", d: `M${at(low)} 9H${at(high)}M${at(low)} 5v8M${at(high)} 5v8` }),
    svg("circle", { class: "dot", cx: at(mean), cy: 9, r: 4 }),
  );
}

// A score as a bar.
const meter = (share, run = 0) =>
  svg(
    "svg",
    { class: `meter c${run % 6}`, width: 60, height: 8, "aria-hidden": "true" },
    svg("rect", { class: "rail", width: 60, height: 8, rx: 2 }),
    svg("rect", { class: "fill", width: 60 * Math.min(Math.max(share || 0, 0), 1), height: 8, rx: 2 }),
  );
