"""A stream of groups: in order of launch, few at once, cut without a trace."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from slow_env import Slow

from agentgym.errors import ConfigError
from agentgym.policy.scripted import ScriptedPolicy
from agentgym.rollout.attempts import Attempts
from agentgym.rollout.spec import EnvSpec, EpisodeLimits
from agentgym.rollout.stream import Stream
from agentgym.types import Group, SamplingParams

SLOW = ["train-0", "train-1"]


class Seen:
    """What a stream told."""

    def __init__(self) -> None:
        self.groups: list[tuple[int, Group]] = []
        self.errors: list[BaseException] = []
        self.changed = asyncio.Event()

    def group(self, number: int, group: Group) -> None:
        self.groups.append((number, group))
        self.changed.set()

    def error(self, error: BaseException) -> None:
        self.errors.append(error)
        self.changed.set()

    async def until(self, count: int) -> None:
        while len(self.groups) < count and not self.errors:
            self.changed.clear()
            async with asyncio.timeout(20):
                await self.changed.wait()


def played(
    story: Callable[[Stream, Seen], Awaitable[None]],
    concurrency: int = 8,
    slow: Sequence[str] = (),
    **limits: Any,
) -> Seen:
    """Run a story of a stream in an event loop of its own."""

    async def told() -> Seen:
        attempts = Attempts(
            ScriptedPolicy(["one", "two"]),
            EnvSpec("demo/Slow-v0", {"slow": list(slow)}),
            SamplingParams(),
            EpisodeLimits(**limits),
            0,
        )
        seen = Seen()
        stream = Stream(attempts, concurrency, seen.group, seen.error)
        try:
            await story(stream, seen)
        finally:
            await stream.close()
        return seen

    Slow.gate.clear()
    Slow.arrived = threading.Semaphore(0)
    try:
        return asyncio.run(told())
    finally:
        Slow.gate.set()


def test_groups_are_whole_and_numbered() -> None:
    async def story(stream: Stream, seen: Seen) -> None:
        for number in (4, 7):
            stream.launch(number, f"train-{number}", 11, 3)
        await seen.until(2)

    seen = played(story)
    assert sorted(number for number, _ in seen.groups) == [4, 7]
    for number, group in seen.groups:
        assert (group.task_id, group.seed) == (f"train-{number}", 11)
        assert [episode.index for episode in group.episodes] == [0, 1, 2]
        assert all(episode.status == "scored" for episode in group.episodes)


def test_episodes_wait_for_a_place_in_the_order_of_their_launch() -> None:
    async def story(stream: Stream, seen: Seen) -> None:
        for number in range(5):
            stream.launch(number, f"train-{number}", 0, 2)
        await seen.until(5)

    seen = played(story, concurrency=1)
    assert [number for number, _ in seen.groups] == [0, 1, 2, 3, 4]


def test_a_slow_group_does_not_stall_the_others() -> None:
    async def story(stream: Stream, seen: Seen) -> None:
        for number in range(4):
            stream.launch(number, f"train-{number}", 0, 1)
        await seen.until(2)
        assert sorted(number for number, _ in seen.groups) == [2, 3]
        Slow.gate.set()
        await seen.until(4)

    assert len(played(story, slow=SLOW).groups) == 4


def test_a_cut_group_says_how_far_it_was_and_frees_its_places() -> None:
    async def story(stream: Stream, seen: Seen) -> None:
        stream.launch(0, "train-0", 0, 2)
        for _ in range(2):  # both wait in their first turn then, and hold both places
            assert await asyncio.to_thread(Slow.arrived.acquire, timeout=20)
        stream.launch(1, "train-5", 0, 2)
        task, progress = stream.cut(0)
        assert task == "train-0"
        assert [each.finished for each in progress] == [False, False]
        assert [each.turns for each in progress] == [1, 1]
        assert all(each.tokens > 0 for each in progress)
        await seen.until(1)

    seen = played(story, concurrency=2, slow=SLOW)
    assert [number for number, _ in seen.groups] == [1]


def test_a_fault_makes_an_episode_unscored_and_its_group_whole() -> None:
    async def story(stream: Stream, seen: Seen) -> None:
        stream.launch(0, "train-0", 0, 1)
        await seen.until(1)

    (_, group), *_ = played(story, slow=SLOW, env_s=0.2).groups
    assert group.episodes[0].reward is None
    assert "hung for 0.2 s" in group.episodes[0].reason


def test_a_mistake_is_told() -> None:
    async def story(stream: Stream, seen: Seen) -> None:
        stream.launch(0, "train-2", 0, 1)
        await seen.until(1)

    seen = played(story, context=2)
    assert isinstance(seen.errors[0], ConfigError)
    assert seen.groups == []


def test_cutting_what_is_not_under_way_is_a_mistake() -> None:
    async def story(stream: Stream, seen: Seen) -> None:
        with pytest.raises(KeyError):
            stream.cut(3)

    played(story)
