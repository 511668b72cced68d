"""The API world: what a build, a reset, a call, a cell and a verdict cost, beside bare SQLite.

The full world, all scenarios. Resets, checks and the 1,000 episodes run in this process, without
a sandbox; calls, cells and oracle episodes run in sandbox sessions of this one host process, one
episode after the other and as in a rollout, several in flight.
The baseline of a reset is a bare transaction on the same database: begin, one update, rollback.

    python benchmarks/world.py [--episodes 1000] [--json]

Where AppWorld is installed (docs/appworld.md), its engine plays like episodes in the same run.
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from engine import comparison
from report import Figure, arguments, report

from agentgym_envs.world.build import build
from agentgym_envs.world.database import Database
from agentgym_envs.world.env import ApiWorld
from agentgym_envs.world.episode import play, start
from agentgym_envs.world.gate import admit
from agentgym_envs.world.scenario import Situation
from agentgym_envs.world.scenarios import all_scenarios
from agentgym_envs.world.variations import situation_of

SLOTS, CELLS, CALLS, IN_FLIGHT = 64, 300, 500, 4
TWO_CALLS = "```python\np = apis.supervisor.show_profile()\nq = apis.supervisor.show_profile()\n```"
MANY_CALLS = f"""```python
import time
start = time.perf_counter()
for _ in range({CALLS}):
    apis.supervisor.show_profile()
print((time.perf_counter() - start) / {CALLS} * 1e6)
```"""


def timed(function: Callable[[], object]) -> float:
    """Return milliseconds."""
    start_s = time.perf_counter()
    function()
    return (time.perf_counter() - start_s) * 1e3


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def in_the_host(db: Database, situations: list[Situation], count: int) -> dict[str, Figure]:
    """Time resets and checks of played episodes, and look at what they leave behind."""
    fresh = db.contents()
    resets, checks = [], []
    for situation in itertools.islice(itertools.cycle(situations), count):
        begun = time.perf_counter()
        run = start(db, situation)
        resets.append((time.perf_counter() - begun) * 1e3)
        play(run.service, situation.oracle())
        checks.append(timed(run.verdict))
    db.rollback()
    same = db.contents() == fresh
    bare = statistics.median(timed(lambda: bare_transaction(db)) for _ in range(500))
    return {
        "reset with set-up, p50": Figure.at_most(statistics.median(resets), 0.3, "ms", bare),
        "check, p50": Figure.at_most(statistics.median(checks), 1.0, "ms"),
        f"state as built after {count} episodes": Figure(float(same), "", ok=same),
    }


def bare_transaction(db: Database) -> None:
    db.begin()
    db.run("UPDATE people SET city = 'bare' WHERE id = 1")
    db.rollback()


def in_a_session() -> dict[str, Figure]:
    """Time calls and cells in one warm session."""
    env = ApiWorld(calls_per_cell=CALLS)
    env.reset(seed=0)
    env.max_turns = CELLS + 3
    env.step("```python\nx = 1\n```")
    call_us = float(env.step(MANY_CALLS)[0])
    steps = sorted(timed(lambda: env.step(TWO_CALLS)) for _ in range(CELLS))
    env.close()
    return {
        "API call from a session": Figure.at_most(call_us, 300, "us"),
        "step with two calls, p50": Figure.at_most(statistics.median(steps), 1.0, "ms"),
        "step with two calls, p95": Figure.at_most(steps[int(0.95 * CELLS)], 3.0, "ms"),
    }


def oracle_episodes(count: int, in_flight: int) -> float:
    """Play oracles through environments, sandbox sessions and all; return episodes a second."""
    environments = [ApiWorld() for _ in range(in_flight)]
    ids = environments[0].tasks.ids("train")

    def play_some(number: int) -> None:
        env = environments[number]
        for task_id in itertools.islice(itertools.cycle(ids), number, count, in_flight):
            env.reset(seed=0, options={"task_id": task_id})
            for action in env.oracle():
                _, reward, ended, _, _ = env.step(action)
            assert ended, task_id
            assert reward == 1.0, task_id

    with ThreadPoolExecutor(in_flight) as pool:
        list(pool.map(play_some, range(in_flight)))  # worlds and sessions are warm after this
        seconds = timed(lambda: list(pool.map(play_some, range(in_flight)))) / 1e3
    for env in environments:
        env.close()
    return count / seconds


def worlds() -> Figure:
    blob = build("full")
    before = resident_mb()
    slots = [Database(blob) for _ in range(SLOTS)]
    for slot in slots:
        slot.one("SELECT COUNT(*) AS n FROM mail_messages")
    grown = resident_mb() - before
    for slot in slots:
        slot.close()
    return Figure.at_most(grown, 1_200, "MB")


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--episodes", type=int, default=1_000)
    given = parser.parse_args()
    figures = {"build of the full world": Figure(timed(lambda: build("full")), "ms")}
    db = Database(build("full"))
    scenarios = all_scenarios()
    tasks = [[situation_of(each, n, "full", 0) for n in (1, 2, 3)] for each in scenarios]
    figures |= in_the_host(db, [task for three in tasks for task in three], given.episodes)
    figures |= in_a_session()
    figures["oracle episodes, one at a time"] = Figure(oracle_episodes(192, 1), "/s")
    rate = oracle_episodes(384, IN_FLIGHT)
    figures[f"oracle episodes, {IN_FLIGHT} in flight"] = Figure.at_least(rate, 150, "/s")
    figures |= comparison()
    figures[f"{SLOTS} full worlds"] = worlds()
    gate_ms = timed(
        lambda: [
            admit(db, task, three[(n + 1) % 3]) for three in tasks for n, task in enumerate(three)
        ]
    )
    count = 3 * len(scenarios)
    figures[f"admission gate, {count} tasks"] = Figure.at_most(gate_ms / 1e3, 90, "s")
    return report(figures, given.json)


if __name__ == "__main__":
    sys.exit(main())
