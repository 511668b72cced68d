"""The HTML report: how long it takes, how large it is, and how soon a browser shows it.

Two runs are made up: one of 500 episodes of 14 messages, every token of which the gradient saw, and
one of 10,000. Each is reported in a process of its own, which is measured from outside. Then
Chromium, if there is one, opens both and tells by its Performance API when it first painted; the
first time it opens anything is left out.

    python benchmarks/report_html.py [--episodes 10000] [--no-browser] [--json]
"""

from __future__ import annotations

import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from report import Figure, arguments, report

FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures"
GROUP, TURNS, PER_STEP = 10, 6, 50  # 2 messages of the opening and 2 a turn make 14
LOADS = 5
REPORT = """
import json, resource, sys, time
start = time.perf_counter(), time.process_time()
from agentgym.evaluate.report import write_report
written = write_report([sys.argv[1]], sys.argv[2])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
print(json.dumps({"wall": wall, "cpu": cpu, "mb": peak, "bytes": written.size_bytes,
                  "pages": written.pages}))
"""


def make_run(folder: Path, episodes: int) -> Path:
    """Write a training of so many episodes, line by line."""
    from made_runs import learned_rows, made_episode, write_train_run

    write_train_run(folder, steps=3)
    rng = random.Random(0)
    with (
        (folder / "episodes.jsonl").open("w") as played,
        (folder / "learned.jsonl").open("w") as learned,
        (folder / "tasks.jsonl").open("w") as tasks,
    ):
        for number in range(episodes // GROUP):
            step, task = number * GROUP // PER_STEP, f"train-{number}"
            ends = [rng.choice(("solved", "solved", "failed", "partly")) for _ in range(GROUP)]
            ends[-1] = ("solved", "limit", "error")[number % 3]
            group = [made_episode(task, i, rng, turns=TURNS, end=e) for i, e in enumerate(ends)]
            for episode in group:
                played.write(json.dumps({"step": step, **asdict(episode)}) + "\n")
            for row in learned_rows(step, group, rng):
                learned.write(json.dumps(row) + "\n")
            known = {"env": "demo/Shop-v0", "id": task, "split": "train", "hash": str(number)}
            tasks.write(json.dumps({**known, "prompt": task, "gold": {"pear": number}}) + "\n")
    return folder


def reported(run: Path, out: Path) -> dict[str, Any]:
    """Report a run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", REPORT, str(run), str(out)],
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(done.stdout))


def first_paint_ms(files: list[Path]) -> list[float]:
    """Return the median of some loads of each, in milliseconds after the navigation began."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(flag)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    painted = "return performance.getEntriesByName('first-contentful-paint').map(e => e.startTime)"
    with webdriver.Chrome(options=options, service=service) as driver:
        times: list[list[float]] = [[] for _ in files]
        for _ in range(LOADS + 1):
            for file, row in zip(files, times, strict=True):
                driver.get("about:blank")
                driver.get(file.as_uri())
                while not (found := driver.execute_script(painted)):
                    pass
                row.append(found[0])
    return [statistics.median(row[1:]) for row in times]


def measure(folder: Path, episodes: int, browser: bool) -> dict[str, Figure]:
    rows: dict[str, Figure] = {}
    files = []
    for name, number in (("500", 500), ("many", episodes)):
        run = make_run(folder / name, number)
        out = folder / f"{name}.html"
        files.append(out)
        done = reported(run, out)
        megabytes = sum(file.stat().st_size for file in run.iterdir() if file.is_file()) / 1e6
        rows |= {
            f"{name}.episodes": Figure(number, "of 14 messages"),
            f"{name}.run_folder": Figure(megabytes, "MB"),
            f"{name}.pages": Figure(done["pages"], "episodes"),
            f"{name}.wall": Figure.at_most(done["wall"], 10, "s, with imports"),
            f"{name}.cpu": Figure(done["cpu"], "s: the wall, undisturbed"),
            f"{name}.memory": Figure.at_most(done["mb"], 1000, "MB, peak"),
            f"{name}.size": Figure.at_most(done["bytes"] / 1e6, 3, "MB"),
        }
    if browser:
        for name, milliseconds in zip(("500", "many"), first_paint_ms(files), strict=True):
            rows[f"{name}.first_paint"] = Figure.at_most(milliseconds, 1000, "ms")
    return rows


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--episodes", type=int, default=10_000, help="of the larger run")
    parser.add_argument("--no-browser", action="store_true", help="leave the browser out")
    options = parser.parse_args()
    sys.path.insert(0, str(FIXTURES))
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), options.episodes, not options.no_browser)
    return report(rows, options.json)


if __name__ == "__main__":
    sys.exit(main())
