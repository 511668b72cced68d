"""What is shown of an evaluation under way: its figures, and that nothing can do harm."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
from made_runs import HOSTILE
from rich.console import Console

from agentgym.evaluate import display
from agentgym.evaluate.display import duration, printable, progress_line, progress_table, shown
from agentgym.evaluate.outcomes import Outcome
from agentgym.evaluate.progress import Progress
from agentgym.rollout.episode import Job


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def outcome(task: str, reward: float | None, **fields: Any) -> Outcome:
    given = {"limit": None, "turns": 2, "sampled_tokens": 50, "prompt_tokens": 9} | fields
    return Outcome(task, 0, reward, "gone" if reward is None else "", **given)


def under_way() -> tuple[Progress, Clock]:
    """Four of ten episodes: one of before, then two that took 8 s, and one error; one in flight."""
    clock = Clock()
    progress = Progress(clock)
    progress.add("demo/A-v0", 10, [outcome("t0", 1.0)], spent_s=30.0)
    for task in ("t1", "t2", "t3", "t4"):
        progress.began("demo/A-v0", Job(0, 0, task, 0))
    clock.now = 108.0
    progress.ended("demo/A-v0", outcome("t1", 0.0, limit="turns", turns=5), tokens=50)
    progress.ended("demo/A-v0", outcome("t2", 0.0), tokens=70)
    clock.now = 112.0
    progress.ended("demo/A-v0", outcome("t3", None), tokens=0)
    return progress, clock


def text_of(what: Any, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False)
    console.print(what)
    found: str = console.file.getvalue()  # type: ignore[attr-defined]
    return found


def test_progress_counts_errors_apart_and_leaves_them_out_of_the_score() -> None:
    (row,) = under_way()[0].standings()
    assert (row.done, row.total, row.errors, row.limits, row.turns) == (4, 10, 1, 1, 3.0)
    assert row.score is not None
    assert row.score.mean == pytest.approx(1 / 3)


def test_progress_measures_this_part_of_the_run_alone() -> None:
    progress, clock = under_way()
    clock.now = 112.0
    assert progress.tokens_per_s() == pytest.approx(120 / 12)
    assert progress.left_s() == pytest.approx(12 / 3 * 6)  # 3 in 12 s; 6 are left
    assert progress.slowest(3) == [("demo/A-v0", "t4", 12.0)]


def test_progress_adds_up_seconds_to_the_last_end() -> None:
    progress, clock = under_way()
    clock.now = 200.0
    assert progress.spent_s("demo/A-v0") == 30.0 + 12.0


def test_progress_of_a_run_that_has_not_begun_knows_no_speed() -> None:
    progress = Progress(Clock())
    progress.add("demo/A-v0", 3, [], 0.0)
    assert (progress.left_s(), progress.running_s, progress.spent_s("demo/A-v0")) == (None, 0, 0)


def test_line_tells_all_that_matters() -> None:
    progress, _ = under_way()
    # Wilson's interval of one success in three
    assert progress_line(progress, cost=1.5) == (
        "4 of 10 episodes, score 0.333 (0.061 to 0.792), 1 UNSCORED, 3.0 turns an episode, "
        "10 tokens/s, $1.50, about 24s left"
    )


def test_line_names_environments_where_there_are_several() -> None:
    progress, _ = under_way()
    progress.add("demo/B-v0", 5, [outcome("t0", 1.0)], 0.0)
    assert "demo/A-v0 0.333" in progress_line(progress)
    assert "demo/B-v0 1.000, " in progress_line(progress)


def test_table_shows_each_environment_and_what_is_slow() -> None:
    text = text_of(progress_table(under_way()[0]))
    assert "4/10" in text
    assert "0.333 (0.061 to 0.792)" in text
    assert "slow: t4 of demo/A-v0, 12s" in text
    assert "about 24s left" in text


def test_hostile_names_are_shown_and_do_nothing() -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.add(HOSTILE, 2, [], 0.0)
    progress.began(HOSTILE, Job(0, 0, HOSTILE, 0))
    clock.now += 60
    text = text_of(progress_table(progress), width=300) + progress_line(progress)
    text.encode("utf-8")  # no lone surrogate
    assert not {"\x00", "\x1b", "\x07", "\u202e", "\u2028"} & set(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain [bold]x[/bold]", "plain [bold]x[/bold]"),
        ("a\x1b[31mb\nc", "a\\x1b[31mb\\nc"),
        ("\ud800\u202e", "\\ud800\\u202e"),
        ("x" * 200, "x" * 97 + "..."),
        ("naïve 日本", "naïve 日本"),
    ],
)
def test_printable_spells_out_what_cannot_be_seen(text: str, expected: str) -> None:
    assert printable(text) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.4, "0s"), (59.9, "59s"), (185, "3m 05s"), (7620, "2h 07m")]
)
def test_duration_is_said_as_people_say_it(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


def watch(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    """Show a progress for as long as it takes to show it three times."""
    shows: list[int] = []
    whole = display.Progress.standings

    def standings(progress: Progress) -> Any:
        shows.append(1)
        return whole(progress)

    monkeypatch.setattr(display.Progress, "standings", standings)
    monkeypatch.setattr(display, "_REFRESH_S", 0.0)
    monkeypatch.setattr(display, "_LINE_S", 0.0)
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=120, color_system=None)
    progress, _ = under_way()

    async def show() -> None:
        async with shown(progress, console, lambda: None):
            while len(shows) < 3:
                await asyncio.sleep(0)

    asyncio.run(show())
    return file.getvalue()


def test_shown_moves_on_a_terminal_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = watch(True, monkeypatch)
    assert "4/10" in text
    assert "\x1b[" in text  # the cursor goes back over it
    assert text.endswith("\x1b[2K")


def test_shown_prints_plain_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = watch(False, monkeypatch).splitlines()
    assert len(lines) >= 2
    assert {line.partition(",")[0] for line in lines} == {"4 of 10 episodes"}
    assert not any("\x1b" in line for line in lines)
