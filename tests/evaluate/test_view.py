"""The terminal view: what its pages say, driven by keys without a terminal."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import HOSTILE, write_eval_run, write_train_run
from textual.pilot import Pilot
from textual.widgets import Input, Static

from agentgym.cli import main
from agentgym.errors import MissingExtra
from agentgym.evaluate.report.catalogue import Entry, Outcome
from agentgym.evaluate.saved import open_run
from agentgym.evaluate.view import view
from agentgym.evaluate.view.app import ViewApp
from agentgym.evaluate.view.choice import Choice
from agentgym.evaluate.view.episode_screen import EpisodeScreen
from agentgym.evaluate.view.lines import EpisodeList, Lines
from agentgym.evaluate.view.list_screen import ListScreen
from agentgym.evaluate.view.pages import siblings_page, turns_page, verdict_page
from agentgym.evaluate.view.plain import cut, one_line, shown
from agentgym.evaluate.view.source import Source
from agentgym.evaluate.view.tokens import tokens_page
from agentgym.types import Episode, Sample

Steps = Callable[[Pilot[None]], Coroutine[Any, Any, None]]


def read(folder: Path) -> Source:
    source = Source(open_run(folder))
    while source.read_on():
        pass
    return source


def text_of(lines: list[Any]) -> str:
    return "\n".join(line.plain for line in lines)


def drive(folder: Path, steps: Steps, every_s: float = 3600.0) -> None:
    """Open a run without a terminal, and do these things to it."""

    async def driven() -> None:
        app = ViewApp(open_run(folder), every_s)
        async with app.run_test(size=(110, 30)) as pilot:
            await settled(pilot)
            await steps(pilot)

    asyncio.run(driven())


async def settled(pilot: Pilot[None]) -> None:
    """Wait until all threads have said what they had to say."""
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await settled(pilot)


def listed(pilot: Pilot[None]) -> list[Entry]:
    return list(pilot.app.screen.query_one(EpisodeList).rows)


def status(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen.query_one("#status", Static).render())


def page(pilot: Pilot[None]) -> str:
    return pilot.app.screen.query_one(Lines).text


def screen_text(pilot: Pilot[None]) -> str:
    """Return what is on the screen, cell by cell."""
    widths = pilot.app.screen.size
    return "\n".join(
        "".join(segment.text for segment in strip)
        for strip in pilot.app.screen._compositor.render_strips(widths)
    )


@given(st.text(st.characters(), max_size=200))
def test_shown_text_has_nothing_that_a_terminal_obeys(text: str) -> None:
    made = shown(text)
    assert all(char == "\n" or char.isprintable() for char in made)
    assert made.count("\n") == text.count("\n")


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_shown_text_is_itself_where_it_is_plain(text: str) -> None:
    assert shown(text) == text


def test_shown_text_spells_out_what_cannot_be_seen() -> None:
    assert shown("a\x1b[31m\x00\x7f\r") == "a\u241b[31m\u2400\u2421\u240d"
    assert shown("x\u202egnp\ud800\u2028") == "x<U+202E>gnp<U+D800><U+2028>"
    assert shown("\ta\xa0b \u4e16\u754c [/bold]") == "    a b \u4e16\u754c [/bold]"


def test_long_texts_are_cut_and_say_so() -> None:
    assert cut("x" * 12, 10) == "x" * 10 + "\n[2 more characters; the run folder has them]"
    assert one_line("first\nsecond line", 12) == "first\u23cesecon\u2026"


def test_turns_page_pairs_actions_with_what_they_cost(tmp_path: Path) -> None:
    source = read(write_train_run(tmp_path / "run"))
    episode = source.episode(source.entries[0]).episode
    text = text_of(turns_page(episode))
    assert text.index("\u2500\u2500 system") < text.index("\u2500\u2500 user")
    assert text.index("turn 1  assistant") < text.index("\u2500\u2500 tool add")
    assert text.index("\u2500\u2500 tool add") < text.index("turn 2  assistant")
    assert f"{episode.turns[0].sampled_tokens} written" in text
    assert "ran add" in text
    assert text.endswith("ended: reward 1.000 \nall rules hold")


def test_turns_page_of_an_episode_without_any_says_why() -> None:
    lost = Episode("t", 0, 0, "unscored", None, "the sandbox died", attempts=3)
    assert "after 3 attempts: unscored \nthe sandbox died" in text_of(turns_page(lost))


def test_verdict_page_has_the_rules_beside_the_gold(tmp_path: Path) -> None:
    source = read(write_eval_run(tmp_path / "run"))
    entry = next(e for e in source.entries if e.reward == 0.5)
    text = text_of(verdict_page(source.episode(entry).episode, source.task(entry)))
    assert " 0.500  x2  cart" in text
    assert "0.5 of the items are right" in text
    assert '"pear": 0' in text
    assert "fill the cart" in text
    unknown = text_of(verdict_page(source.episode(entry).episode, None))
    assert "the task is not on record" in unknown


def test_siblings_page_marks_the_open_one_and_a_group_without_signal(tmp_path: Path) -> None:
    source = read(write_train_run(tmp_path / "run"))
    first = source.entries[1]
    text = text_of(siblings_page(source.siblings(first), first))
    assert "4 siblings mean reward 1.000 of 4" in text
    assert "\u25b6   1  solved  1.000" in text
    assert "learns nothing from them" in text


def one_sample() -> Episode:
    sample = Sample((104, 105, 33, 256), (0, 1, 1, 1), (0.0, -1.0, -2.0, -0.5), version=3)
    return Episode("t", 0, 0, "scored", 1.0, "", samples=(sample,))


def test_tokens_page_shows_what_the_gradient_saw_of_each_token() -> None:
    row = {"dropped": "", "advantage": 0.5, "logprobs": [-1.0, -1.306853, -0.5], "kept": [1, 1, 0]}
    lines = tokens_page(one_sample(), {0: row}, {104: "h", 105: "i", 33: "\x1b[2J"})
    table = [line.plain.split() for line in lines[3:7]]
    assert table[0] == ["0", "0", "h"]
    assert table[1] == ["1", "1", "-1.000", "-1.000", "1", "0.500", "i"]
    assert table[2] == ["2", "1", "-2.000", "-1.307", "2", "0.500", "\u241b[2J"]  # e^0.693
    assert table[3] == ["3", "x", "-0.500", "-0.500", "1", "0.500", "<256>"]
    assert "learned from, but for 1 tokens" in lines[1].plain


def test_tokens_page_takes_advantages_by_token_and_says_why_one_was_dropped() -> None:
    row = {"dropped": "", "advantage": [0.5, -1.0, 2.0], "logprobs": [-1, -2, None], "kept": None}
    lines = [line.plain.split() for line in tokens_page(one_sample(), {0: row}, {})]
    assert [line[5] for line in lines[4:7]] == ["0.500", "-1.000", "2.000"]
    assert lines[6][3:5] == ["-", "-"]
    dropped = {"dropped": "no signal", "advantage": 0.0, "logprobs": None, "kept": None}
    assert "NOT LEARNED FROM: no signal" in text_of(tokens_page(one_sample(), {0: dropped}, {}))
    assert "Nothing is known" in text_of(tokens_page(one_sample(), {}, {}))


def test_tokens_page_folds_what_was_not_sampled() -> None:
    sample = replace(one_sample().samples[0], mask=(0, 0, 1, 0), logprobs=(0.0, 0.0, -2.0, 0.0))
    episode = replace(one_sample(), samples=(sample,))
    lines = [line.plain.split() for line in tokens_page(episode, {}, {33: "!"}, whole=False)]
    assert lines[3] == ["0", "2", "tokens", "that", "were", "not", "sampled"]
    assert (lines[4][0], lines[4][-1]) == ("2", "!")
    assert lines[5][:2] == ["0", "1"]


def test_source_finds_the_rows_of_a_task_that_comes_twice(tmp_path: Path) -> None:
    folder = write_train_run(tmp_path / "run", steps=1, tasks_per_step=2)
    for name in ("episodes", "learned"):
        file = folder / f"{name}.jsonl"
        file.write_text(file.read_text().replace('"train-1"', '"train-0"'))
    source = read(folder)
    first, again = (e for e in source.entries if e.index == 0)
    rows = [json.loads(line) for line in (folder / "learned.jsonl").open()]
    mine = [row for row in rows if row["index"] == 0]
    assert source.learned(first) == {0: mine[0]}
    assert source.learned(again) == {0: mine[1], 1: mine[2]}  # it is forked: two samples


def test_source_reads_on_and_begins_anew_where_a_run_was_taken_up(tmp_path: Path) -> None:
    folder = write_eval_run(tmp_path / "run", tasks=4, rollouts=3)
    file = folder / "episodes.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:5]) + lines[5][:40])
    source = Source(open_run(folder))
    assert [source.read_on(3), source.read_on(3), source.read_on(3)] == [3, 2, 0]
    with file.open("ab") as more:
        more.write(lines[5][40:] + lines[6])
    assert source.read_on() == 2
    assert [e.number for e in source.entries] == list(range(7))
    aside = tmp_path / "aside"
    aside.write_bytes(b"".join(lines[:2]))
    aside.replace(file)
    assert source.read_on() == 2
    assert len(source.entries) == 2


def entry(number: int, reward: float | None, outcome: Outcome, turns: int) -> Entry:
    task = f"t{9 - number}"
    return Entry(number, 0, "e", 0, task, "", 0, 0, outcome, False, reward, "", turns, tokens=turns)


def test_choice_filters_sorts_and_turns_round() -> None:
    rows = [
        entry(0, 1.0, "solved", 3),
        entry(1, 0.0, "failed", 5),
        entry(2, None, "error", 0),
        entry(3, 0.5, "failed", 4),
    ]

    def numbers(choice: Choice) -> list[int]:
        return [row.number for row in choice.of(rows)]

    assert numbers(Choice()) == [0, 1, 2, 3]
    assert numbers(Choice(outcome="failed")) == [1, 3]
    assert numbers(Choice(order="reward")) == [2, 1, 3, 0]  # unscored first: look at them
    assert numbers(Choice(order="turns")) == [1, 3, 0, 2]
    assert numbers(Choice(order="task")) == [3, 2, 1, 0]
    assert numbers(Choice(backwards=True)) == [3, 2, 1, 0]
    assert numbers(Choice(text="x", holding={1, 2}, outcome="error")) == [2]


def test_keys_filter_sort_search_and_clear(tmp_path: Path) -> None:
    folder = write_eval_run(tmp_path / "run", tasks=4, rollouts=3)

    async def steps(pilot: Pilot[None]) -> None:
        everything = listed(pilot)
        assert len(everything) == 12
        await press(pilot, "f")
        assert {row.outcome for row in listed(pilot)} == {"failed"}
        await press(pilot, "f")
        assert [row.outcome for row in listed(pilot)] == ["error"]
        assert "1 of 12 episodes: error" in status(pilot)
        await press(pilot, "escape", "s")
        assert "sorted: reward" in status(pilot)
        assert listed(pilot)[0].reward is None
        await press(pilot, "r")
        assert listed(pilot)[0].reward == 1.0
        await press(pilot, "slash")
        pilot.app.screen.query_one(Input).value = "TASK-2"
        await press(pilot, "enter")
        assert {row.task_id for row in listed(pilot)} == {"task-2"}
        assert "with 'TASK-2'" in status(pilot)
        await press(pilot, "escape")
        assert len(listed(pilot)) == 12

    drive(folder, steps)


def test_keys_open_an_episode_and_turn_its_pages(tmp_path: Path) -> None:
    folder = write_train_run(tmp_path / "run")

    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "down", "down", "down", "down", "enter")  # the first of the 2nd group
        assert isinstance(pilot.app.screen, EpisodeScreen)
        assert "turn 1  assistant" in page(pilot)
        await press(pilot, "v")
        assert "gold what the verifier compares with" in page(pilot)
        await press(pilot, "b")
        assert "4 siblings" in page(pilot)
        await press(pilot, "g")
        assert "sample 2 of 2" in page(pilot)
        assert "learned from" in page(pilot)
        folded = page(pilot).count("\n")
        await press(pilot, "m")
        assert page(pilot).count("\n") > 2 * folded
        head = pilot.app.screen.query_one("#head", Static)
        assert "train-1  sibling 0" in str(head.render())
        await press(pilot, "right_square_bracket")
        assert "train-1  sibling 1" in str(head.render())
        assert "sample 1 of 1" in page(pilot)  # still the page of its tokens
        await press(pilot, "left_square_bracket", "left")
        assert "train-0  sibling 3" in str(head.render())
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, ListScreen)

    drive(folder, steps)


def test_hostile_text_is_on_the_screen_as_text(tmp_path: Path) -> None:
    folder = write_train_run(tmp_path / "run", hostile=True)

    async def steps(pilot: Pilot[None]) -> None:
        seen = [screen_text(pilot)]
        await press(pilot, "enter")
        for key in "tvbg":
            await press(pilot, key)
            seen.append(screen_text(pilot))
            assert HOSTILE[:30] in page(pilot) or key == "g"
        for text in seen:
            assert not {"\x1b", "\x00", "\x07", "\u202e", "\ud800"} & set(text)
        assert "[/bold]" in seen[1]

    drive(folder, steps)


def test_a_line_of_100_kilobytes_is_wrapped_and_cut(tmp_path: Path) -> None:
    folder = write_eval_run(tmp_path / "run", tasks=1, rollouts=2)
    file = folder / "episodes.jsonl"
    row = json.loads(file.read_text().splitlines()[0])
    row["messages"][1]["content"] = "word[/b]" * 12_500
    file.write_text(json.dumps(row) + "\n")

    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "enter")
        assert "[50,000 more characters" in page(pilot)
        assert pilot.app.screen.query_one(Lines).virtual_size.height > 400

    drive(folder, steps)


def test_a_running_run_is_followed(tmp_path: Path) -> None:
    folder = write_train_run(tmp_path / "run", finished=False)
    file = folder / "episodes.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:8]))

    async def steps(pilot: Pilot[None]) -> None:
        head = pilot.app.screen.query_one("#head", Static)
        assert "8 episodes" in str(head.render())
        assert "not finished" in str(head.render())
        await press(pilot, "end")
        with file.open("ab") as more:
            more.write(b"".join(lines[8:]))
        for _ in range(200):
            await pilot.pause(0.05)
            if len(listed(pilot)) == len(lines):
                break
        assert len(listed(pilot)) == len(lines) == 24
        assert pilot.app.screen.query_one(EpisodeList).cursor == 7  # stays where it was

    drive(folder, steps, every_s=0.05)


def test_a_broken_line_is_told_and_what_was_read_stays(tmp_path: Path) -> None:
    folder = write_eval_run(tmp_path / "run", tasks=1, rollouts=3)
    with (folder / "episodes.jsonl").open("a") as file:
        file.write("{broken\n")

    async def steps(pilot: Pilot[None]) -> None:
        assert "cannot be read" in status(pilot)

    drive(folder, steps)


def test_verb_refuses_what_is_no_terminal_and_what_is_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_eval_run(tmp_path / "run", tasks=1, rollouts=2)
    assert main(["view", str(folder)]) == 2
    assert "agentgym report" in capsys.readouterr().err
    assert main(["view", str(tmp_path)]) == 1
    assert "is no run folder" in capsys.readouterr().err


def test_view_without_textual_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "agentgym.evaluate.view.app")
    monkeypatch.setitem(sys.modules, "textual.app", None)
    run = open_run(write_eval_run(tmp_path / "run", tasks=1, rollouts=2))
    with pytest.raises(MissingExtra, match=r"agentgym-rl\[view\]"):
        view(run)
