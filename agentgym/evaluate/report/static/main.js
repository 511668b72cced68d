// The address says what is shown, so that going back, a bookmark and a new version keep the place.

const PAGES = { "": "Overview", episodes: "Episodes", tasks: "Tasks" };
const main = document.getElementById("main");

function place() {
  const [path, words = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const query = {};
  for (const [name, value] of new URLSearchParams(words)) query[name] = value;
  return { path: path.split("/"), query };
}

async function pageAt({ path, query }) {
  const [name, run, number, tab = ""] = path;
  if (name === "episodes") return listPage(query);
  if (name === "tasks") return tasksPage(query);
  if (name === "episode" && RUNS[run]) return episodePage(Number(run), Number(number), tab, query);
  return overviewPage();
}

let drawn = 0;
async function show() {
  const at = place(),
    turn = ++drawn,
    focus = focused();
  bar(at.path[0]);
  let page;
  try {
    page = await pageAt(at);
  } catch (error) {
    console.error(error);
    page = el("p", { class: "empty" }, `This cannot be shown: ${error.message}`);
  }
  if (turn !== drawn) return; // the reader has gone on
  main.replaceChildren(page);
  document.title = [main.querySelector("h1")?.textContent, RUNS.map((run) => line(run.name)).join(" | ")]
    .filter(Boolean)
    .join(" \u00b7 ");
  const same = focus && main.querySelector(focus);
  (same || main).focus({ preventScroll: true });
  main.dataset.shown = location.hash;
}

// How to find what had the focus, in the page drawn anew.
function focused() {
  const { name, dataset } = document.activeElement || {};
  if (dataset?.outcome) return `[data-outcome="${dataset.outcome}"]`;
  if (dataset?.sort) return `[data-sort="${dataset.sort}"]`;
  return name && main.contains(document.activeElement) ? `[name="${name}"]` : null;
}

function bar(current) {
  const inside = current === "episode" ? "episodes" : current;
  document.getElementById("bar").replaceChildren(
    el(
      "div",
      { class: "inner" },
      el(
        "a",
        { class: "brand", href: "#/" },
        RUNS.length > 1 ? plural(RUNS.length, "run") : line(RUNS[0].name),
      ),
      el(
        "nav",
        { "aria-label": "Report" },
        Object.entries(PAGES).map(([name, label]) =>
          el(
            "a",
            {
              href: `#/${name}`,
              "aria-current": inside === name || (!PAGES[inside] && !name) ? "page" : null,
            },
            label,
          ),
        ),
      ),
      el(
        "span",
        { class: "note written" },
        OVERVIEW.refresh_s ? liveButton() : "",
        ` written ${OVERVIEW.written}`,
      ),
    ),
  );
}

// While the run goes on, the page loads itself anew where the reader is; a button holds it still.
const LIVE = { held: false };
function liveButton() {
  return el(
    "button",
    {
      type: "button",
      class: "live",
      "aria-pressed": String(!LIVE.held),
      click: (event) => {
        LIVE.held = !LIVE.held;
        event.currentTarget.replaceWith(liveButton());
      },
    },
    LIVE.held ? "held" : "live",
  );
}

function keepPlace() {
  try {
    const saved = JSON.parse(sessionStorage.getItem("place") || "null");
    if (saved && saved.hash === location.hash) window.scrollTo(0, saved.y);
    sessionStorage.removeItem("place");
  } catch {
    /* the browser keeps nothing for files */
  }
}

function reloadLater() {
  setTimeout(() => {
    const writing =
      ["INPUT", "SELECT"].includes(document.activeElement?.tagName) || !getSelection().isCollapsed;
    if (LIVE.held || writing) return reloadLater();
    try {
      sessionStorage.setItem("place", JSON.stringify({ hash: location.hash, y: window.scrollY }));
    } catch {
      /* then it begins at the top */
    }
    location.reload();
  }, 1000 * OVERVIEW.refresh_s);
}

// Keys: / to the search, j and k to the next and the one before, u back to the list.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT|TEXTAREA/.test(event.target.tagName))
    return;
  const step = { j: 1, k: -1 }[event.key];
  if (event.key === "/") {
    event.preventDefault();
    main.querySelector("input[type=search]")?.focus();
  } else if (event.key === "u") main.querySelector("a.back")?.click();
  else if (step) {
    const rows = [...main.querySelectorAll("a.row")];
    if (rows.length)
      rows[Math.min(Math.max(rows.indexOf(document.activeElement) + step, 0), rows.length - 1)].focus();
    else main.querySelector(`a[rel=${step > 0 ? "next" : "prev"}]`)?.click();
  }
});

main.addEventListener("click", (event) => {
  // a whole row opens, but text in it can be selected
  const row = event.target.closest("tr.open");
  if (row && !event.target.closest("a, button") && getSelection().isCollapsed)
    row.querySelector("a.row").click();
});

const scrolls = new Map(); // where the reader was in each list, for the way back
window.addEventListener("hashchange", async (event) => {
  scrolls.set(new URL(event.oldURL).hash, window.scrollY);
  const {
    path: [name],
  } = place();
  await show();
  window.scrollTo(0, name === "episodes" || name === "tasks" ? scrolls.get(location.hash) || 0 : 0);
});
history.scrollRestoration = "manual";
show().then(keepPlace);
if (OVERVIEW.refresh_s) reloadLater();
