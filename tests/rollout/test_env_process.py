"""Environments in processes: what threads give, and what only a process can do to its caller."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import parity_env  # noqa: F401 - registers environments
import pytest
import rough_env  # noqa: F401

import agentgym as ag
from agentgym.errors import (
    ConfigError,
    EnvironmentFault,
    MissingExtra,
    UnknownEnvironment,
    UnknownTask,
    Unscored,
)
from agentgym.policy.base import TurnContext
from agentgym.policy.scripted import OraclePolicy
from agentgym.rollout import env_process
from agentgym.rollout.link import Link
from agentgym.rollout.worker import Worker
from agentgym.types import Completion, Episode, Group, SamplingParams

ROUGH = "demo/Rough-v0"


@pytest.fixture
def envs() -> Iterator[ag.EnvPool]:
    with ag.EnvPool(processes=2) as pool:
        yield pool


def play(envs: ag.EnvPool | None, env: str = ROUGH, tasks: int = 4, **options: Any) -> list[Group]:
    ids = [f"train-{n}" for n in range(tasks)]  # by number, an environment is made here too
    groups: list[Group] = ag.rollout(OraclePolicy(), env, ids, envs=envs, **options)
    return groups


def episodes(groups: Sequence[Group]) -> list[Episode]:
    return [episode for group in groups for episode in group.episodes]


def processes(groups: Sequence[Group]) -> set[int]:
    """Where Rough was, by its observations."""
    return {int(episode.turns[0].observation) for episode in episodes(groups)}


def untimed(groups: Sequence[Group]) -> list[Episode]:
    """Episodes without what a clock says."""
    return [
        replace(each, turns=tuple(replace(turn, sample_s=0.0, env_s=0.0) for turn in each.turns))
        for each in episodes(groups)
    ]


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")  # of one that is not ours to wait for
    with contextlib.suppress(OSError):
        return status.read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def until(true: Callable[[], bool], limit_s: float = 20) -> bool:
    deadline = time.monotonic() + limit_s
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


@pytest.mark.parametrize("deterministic", [False, True])
def test_processes_give_the_episodes_that_threads_give(
    envs: ag.EnvPool, deterministic: bool
) -> None:
    options = {"tasks": 6, "group_size": 3, "concurrency": 5, "deterministic": deterministic}
    here, there = (play(pool, "demo/Parity-v0", seed=3, **options) for pool in (None, envs))
    assert untimed(here) == untimed(there)
    assert {each.reward for each in untimed(there)} == {1.0}


def test_environments_are_spread_over_processes_that_are_kept(envs: ag.EnvPool) -> None:
    first = processes(play(envs, group_size=4))
    assert len(first) == 2
    assert os.getpid() not in first
    assert processes(play(envs, group_size=4)) == first  # in another event loop
    hosted = [process.hosted for process in envs._processes]
    assert hosted == [8, 8]  # 16 at once, used again


def test_loop_that_is_left_open_is_left(envs: ag.EnvPool) -> None:
    async def played() -> list[Group]:
        return await ag.arollout(OraclePolicy(), ROUGH, ["train-0"], envs=envs)

    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    with contextlib.closing(first), contextlib.closing(second):
        for loop in (first, second, first):
            assert episodes(loop.run_until_complete(played()))[0].reward == 1.0
        (used,) = (each for each in envs._processes if each.hosted)
        assert not second.remove_reader(used._link._socket)
        assert first.remove_reader(used._link._socket)


def test_interrupt_of_the_terminal_does_not_reach_processes(envs: ag.EnvPool) -> None:
    assert {os.getsid(each.pid) for each in started(envs)} == {each.pid for each in started(envs)}


@pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="there is one core"
)
@pytest.mark.parametrize("asked", [True, False, None])
def test_processes_leave_a_core_where_they_are_to(asked: bool | None) -> None:
    cores = os.sched_getaffinity(0)
    spared = len(cores) > 2 if asked is None else asked
    with ag.EnvPool(processes=1, spare_core=asked) as envs:
        [process] = processes(play(envs))
        assert os.sched_getaffinity(process) == (cores - {min(cores)} if spared else cores)
    assert os.sched_getaffinity(0) == cores


def test_fault_is_retried_on_a_fresh_environment(envs: ag.EnvPool) -> None:
    groups = play(envs, "demo/Faulty-v0", 3, env_kwargs={"fail_on": {"train-1": 1}})
    assert [(e.attempts, e.reward) for e in episodes(groups)] == [(1, 1.0), (2, 1.0), (1, 1.0)]


def test_unknown_task_keeps_its_kind(envs: ag.EnvPool) -> None:
    with pytest.raises(UnknownTask, match="no task 'nope'"):
        ag.rollout(OraclePolicy(), ROUGH, ["nope"], envs=envs)


def test_unknown_environment_and_argument_keep_their_kind(envs: ag.EnvPool) -> None:
    with pytest.raises(UnknownEnvironment, match=ROUGH):
        ag.rollout(OraclePolicy(), "demo/Ruogh-v0", ["train-0"], envs=envs)
    with pytest.raises(ConfigError, match="takes no argument 'hue'"):
        ag.rollout(OraclePolicy(), ROUGH, ["train-0"], env_kwargs={"hue": 1}, envs=envs)


def told(envs: ag.EnvPool, how: str) -> BaseException | None:
    """What a worker raises in its first step."""

    async def first_step() -> BaseException | None:
        worker = envs.fresh(ag.EnvSpec(ROUGH, {"how": how}), with_oracle=False)
        await worker.reset(0, "train-1", 20)
        try:
            await worker.step("x", 20)
        except Exception as error:  # noqa: BLE001
            return error
        finally:
            worker.close()
        return None

    return asyncio.run(first_step())


@pytest.mark.parametrize(
    ("how", "kind", "text"),
    [
        ("unscored", Unscored, "no judge"),
        ("extra", MissingExtra, "install it with: pip install 'agentgym-rl[judges]'"),
        ("unsent", EnvironmentFault, "cannot be sent"),
        ("kill", EnvironmentFault, "the environments' process was killed by SIGKILL"),
        ("exit", EnvironmentFault, "the environments' process ended with exit status 3"),
    ],
)
def test_errors_arrive_as_what_they_are(
    envs: ag.EnvPool, how: str, kind: type[Exception], text: str
) -> None:
    error = told(envs, how)
    assert type(error) is kind
    assert text in str(error)


def test_episode_of_a_process_that_died_is_played_again(tmp_path: Path, envs: ag.EnvPool) -> None:
    kwargs = {"how": "kill", "done": str(tmp_path / "done")}
    groups = play(envs, env_kwargs=kwargs)
    assert {e.reward for e in episodes(groups)} == {1.0}
    assert groups[1].episodes[0].attempts == 2
    assert processes(play(envs, env_kwargs=kwargs)) == {each.pid for each in envs._processes}


def test_episode_that_always_ends_its_process_is_unscored() -> None:
    with ag.EnvPool(processes=1) as envs:
        options = {"env_kwargs": {"how": "kill"}, "retries": 1, "concurrency": 1}
        found = episodes(play(envs, tasks=3, **options))
    assert [(e.status, e.reward) for e in found] == [
        ("scored", 1.0),
        ("unscored", None),
        ("scored", 1.0),
    ]
    assert found[1].reason == "the environments' process was killed by SIGKILL"


def test_episodes_beside_one_that_always_ends_its_process_are_not_charged_for_it() -> None:
    class Pondering(OraclePolicy):
        async def sample(
            self,
            prompt_ids: Sequence[int],
            params: SamplingParams,
            context: TurnContext | None = None,
        ) -> Completion:
            if context is not None and context.task_id != "train-1":
                pondering.add(context.task_id)
                if len(pondering) == 3:
                    all_ponder.set()
                await asyncio.wait_for(given_up.wait(), 60)
            else:
                await asyncio.wait_for(all_ponder.wait(), 60)
            return await super().sample(prompt_ids, params, context)

    async def rolled_out() -> list[Group]:
        ids = [f"train-{n}" for n in range(4)]
        kwargs = {"how": "kill"}
        with ag.EnvPool(processes=1) as envs:
            return await ag.arollout(
                Pondering(),
                ROUGH,
                ids,
                env_kwargs=kwargs,
                envs=envs,
                on_group=lambda group: given_up.set(),
            )

    pondering: set[str] = set()
    all_ponder, given_up = asyncio.Event(), asyncio.Event()
    found = episodes(asyncio.run(rolled_out()))
    assert [(e.reward, e.attempts) for e in found] == [(1.0, 1), (None, 3), (1.0, 1), (1.0, 1)]


def test_process_that_died_between_two_rollouts_costs_no_attempt(envs: ag.EnvPool) -> None:
    for pid in processes(play(envs)):
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert {(e.attempts, e.reward) for e in episodes(play(envs))} == {(1, 1.0)}


def test_environment_that_hangs_keeps_nobody_waiting() -> None:
    with ag.EnvPool(processes=1) as envs:
        options = {"env_kwargs": {"how": "hang"}, "retries": 0}
        found = episodes(play(envs, limits=ag.EpisodeLimits(env_s=1), **options))
        assert [e.reward for e in found] == [1.0, None, 1.0, 1.0]
        assert found[1].reason == "the environment hung for 1 s"
        assert max(found[n].turns[0].env_s for n in (0, 2, 3)) < 1
        assert [each.alive for each in envs._processes] == [True]
        envs._processes[0]._kill()  # the pool would wait for what hangs


def test_process_that_hangs_as_a_whole_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env_process, "_GRACE_S", 0.1)
    with ag.EnvPool(processes=1) as envs:
        kwargs = {"how": "stop", "done": str(tmp_path / "done")}
        limits = ag.EpisodeLimits(env_s=2)
        (lost,) = (process.pid for process in started(envs))
        found = episodes(play(envs, env_kwargs=kwargs, limits=limits, concurrency=1))
        assert [(e.attempts, e.reward) for e in found] == [(1, 1.0), (2, 1.0), (1, 1.0), (1, 1.0)]
        assert is_gone(lost)


def started(envs: ag.EnvPool) -> list[env_process.EnvProcess]:
    play(envs, tasks=1)
    return envs._processes


def test_pool_ends_its_processes_and_lets_them_close_environments(tmp_path: Path) -> None:
    with ag.EnvPool(processes=2) as envs:
        pids = processes(play(envs, env_kwargs={"closed": str(tmp_path)}))
        assert not list(tmp_path.iterdir())
    assert {int(file.name) for file in tmp_path.iterdir()} == pids
    assert all(is_gone(pid) for pid in pids)


def test_process_closes_environments_and_ends_when_its_caller_is_killed(
    tmp_path: Path, subprocess_env: dict[str, str]
) -> None:
    script = (
        "import os, sys, signal, rough_env, agentgym as ag\n"
        "from agentgym.policy.scripted import OraclePolicy\n"
        "envs = ag.EnvPool(processes=1)\n"
        "kwargs = {'closed': sys.argv[1]}\n"
        "ag.rollout(OraclePolicy(), 'demo/Rough-v0', ['train-0'], env_kwargs=kwargs, envs=envs)\n"
        "print(envs._processes[0].pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    caller = subprocess.run(
        command, env=subprocess_env, stdout=subprocess.PIPE, text=True, check=False
    )
    assert caller.returncode == -signal.SIGKILL
    pid = int(caller.stdout)
    assert until(lambda: is_gone(pid))
    assert [file.name for file in tmp_path.iterdir()] == [str(pid)]


def test_environment_is_the_one_that_is_registered_here(envs: ag.EnvPool) -> None:
    ag.register("demo/Marked-v0", "rough_env:Marked", kwargs={"mark": "ours"})
    groups = play(envs, "demo/Marked-v0")
    assert {e.messages[0].content for e in episodes(groups)} == {"ours"}
    groups = play(envs, "demo/Marked-v0", env_kwargs={"mark": "asked"})
    assert {e.messages[0].content for e in episodes(groups)} == {"asked"}


@pytest.mark.parametrize(
    ("id", "entry_point", "text"),
    [
        ("demo/Main-v0", "__main__:Rough", "is defined in the script; put what it needs into a"),
        ("demo/Gone-v0", "rough_env_gone:Rough", "No module named 'rough_env_gone'.*processes=0"),
    ],
)
def test_environment_that_a_process_cannot_make_is_refused_at_once(
    envs: ag.EnvPool, id: str, entry_point: str, text: str
) -> None:
    ag.register(id, entry_point)
    played: list[Group] = []
    with pytest.raises(ConfigError, match=text):
        ag.rollout(OraclePolicy(), id, ["train-0"], on_group=played.append, envs=envs)
    assert not played


def test_argument_that_cannot_be_sent_is_refused_with_the_way_out(envs: ag.EnvPool) -> None:
    with pytest.raises(ConfigError, match=r"cannot be sent to a process.*env_processes=0"):
        play(envs, env_kwargs={"how": lambda: None})


def test_pool_refuses_a_negative_number_of_processes() -> None:
    with pytest.raises(ConfigError, match="cannot be in -1 processes"):
        ag.EnvPool(processes=-1)


def test_long_observations_and_actions_pass_whole(envs: ag.EnvPool) -> None:
    async def asked(worker: Worker, action: str) -> str:
        await worker.reset(0, "train-0", 60)
        return (await worker.step(action, 60)).observation

    async def all_at_once() -> list[str]:
        spec = ag.EnvSpec("demo/Parity-v0")
        workers = [envs.fresh(spec, with_oracle=False) for _ in range(4)]
        actions: list[Awaitable[str]] = [asked(each, "x" * 3_000_000) for each in workers]
        return await asyncio.gather(*actions)

    assert asyncio.run(all_at_once()) == ["heard 3000000"] * 4


def test_link_sends_what_one_turn_of_the_loop_has_to_say_at_once() -> None:
    async def talk() -> tuple[int, list[tuple[int, bytes]]]:
        ours, theirs = socket.socketpair()
        heard: list[tuple[int, bytes]] = []
        writer = Link(ours, lambda *_: None, lambda: None)
        gone = asyncio.Event()
        reader = Link(theirs, lambda *frame: heard.append(frame), gone.set)
        writer.attach()
        reader.attach()
        sent, flush = [], writer._flush
        writer._flush = lambda: (sent.append(1), flush())  # type: ignore[method-assign]
        for number in range(3):
            writer.send(number, b"x" * number)
        assert not sent
        while len(heard) < 3:
            await asyncio.sleep(0)
        writer.close()
        await gone.wait()
        return len(sent), heard

    assert asyncio.run(talk()) == (1, [(0, b""), (1, b"x"), (2, b"xx")])
