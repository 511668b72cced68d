"""`Verifier`, with real processes that hang, die, eat memory and lose their owner."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from agentgym.errors import Fault, UsageError
from agentgym_envs.math import Unscored, Verifier, judge, verify
from agentgym_envs.math import worker as real_worker

FIXTURES = Path(__file__).parents[1] / "fixtures"
RIGHT, WRONG = (r"so \boxed{0.5}", r"\frac12"), (r"so \boxed{0.25}", r"\frac12")
linux = pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")


@pytest.fixture(scope="module")
def shared() -> Iterator[Verifier]:
    with Verifier(workers=2) as verifier:
        yield verifier


@pytest.fixture
def bombs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every new `Verifier` start processes that obey ``do: ...``."""
    monkeypatch.setenv("PYTHONPATH", str(FIXTURES))
    monkeypatch.setattr(judge, "WORKER", "math_judge_bombs")


def children() -> dict[int, str]:
    """Give our child processes: pid to state."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid():
                found[int(folder.name)] = state
    return found


def judges(verifier: Verifier) -> set[int]:
    """Give the processes of an idle verifier once all are ready."""
    idle = verifier._bench._idle
    until = time.monotonic() + 30
    while not all(each.is_ready() for each in idle) and time.monotonic() < until:
        time.sleep(0.02)
    return {each.pid for each in idle}


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def await_end(pids: set[int], limit_s: float = 10.0) -> set[int]:
    until = time.monotonic() + limit_s
    while (left := {pid for pid in pids if alive(pid)}) and time.monotonic() < until:
        time.sleep(0.02)
    return left


def run(code: str, *argv: str) -> str:
    command = [sys.executable, "-c", code, *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_verdicts_are_those_of_verify(shared: Verifier) -> None:
    pairs = [RIGHT, WRONG, ("nothing here", "4"), (r"\boxed{5 m}", "500 cm"), (r"\boxed{7}", 7)]
    assert shared.verify_many(pairs) == [verify(*pair) for pair in pairs]
    assert shared.verify(*RIGHT) == verify(*RIGHT)


def test_order_is_kept(shared: Verifier) -> None:
    pairs = [(rf"\boxed{{{n}}}", str(n if n % 3 else n + 1)) for n in range(300)]
    verdicts = shared.verify_many(pairs)
    assert [verdict.score for verdict in verdicts] == [float(n % 3 > 0) for n in range(300)]
    assert [verdict.extracted for verdict in verdicts] == [str(n) for n in range(300)]


def test_no_pairs_give_no_verdicts(shared: Verifier) -> None:
    assert shared.verify_many([]) == []


def test_problem_is_passed_on(shared: Verifier) -> None:
    copied = shared.verify(r"\boxed{2+2}", "4", problem="What is $2+2$?")
    assert (copied.score, copied.reason) == (0.0, "wrong: the problem again, not its answer")


@pytest.mark.parametrize("text", ["x" * 200_000, "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 200_000])
def test_long_responses_pass(shared: Verifier, text: str) -> None:
    assert shared.verify(text + r" \boxed{12}", "12").score == 1.0


def test_long_answers_come_back(shared: Verifier) -> None:
    pair = (rf"\boxed{{{'7' * 90_000}}}", "7")
    assert shared.verify(*pair) == verify(*pair)


def test_any_text_passes(shared: Verifier) -> None:
    assert shared.verify("\ud800 \0 \n\r\u2028 \\boxed{12}", "12").score == 1.0


@pytest.mark.parametrize("gold", ["", "  ", None])
def test_empty_gold_is_refused_before_anything_is_judged(shared: Verifier, gold: object) -> None:
    with pytest.raises(UsageError, match="the gold answer is empty"):
        shared.verify_many([RIGHT, ("4", gold)])


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf")])
def test_odd_limits_are_refused(shared: Verifier, timeout_s: float) -> None:
    with pytest.raises(UsageError, match="timeout_s must be positive"):
        shared.verify(*RIGHT, timeout_s=timeout_s)


def test_response_that_is_no_text_is_refused(shared: Verifier) -> None:
    with pytest.raises(UsageError, match="a response is text, not int"):
        shared.verify(5, "5")  # type: ignore[arg-type]


def test_no_workers_are_refused() -> None:
    with pytest.raises(UsageError, match="workers must be at least 1, not 0"):
        Verifier(workers=0)


def test_closed_is_told_and_closing_twice_does_no_harm() -> None:
    verifier = Verifier(workers=1)
    verifier.close()
    verifier.close()
    with pytest.raises(UsageError, match="closed; make a new one"):
        verifier.verify(*RIGHT)
    with pytest.raises(UsageError, match="closed; make a new one"):
        asyncio.run(verifier.averify(*RIGHT))


@pytest.mark.usefixtures("bombs")
@pytest.mark.parametrize("deed", ["stop", "hold_the_lock", "sleep 600"])
def test_hang_is_killed_in_time_and_the_next_verdict_is_right(deed: str) -> None:
    with Verifier(workers=1) as verifier:
        assert verifier.verify(*RIGHT).score == 1.0
        start = time.monotonic()
        verdict = verifier.verify(f"do: {deed}", "4", timeout_s=0.5)
        took_s = time.monotonic() - start
        assert (verdict.score, verdict.reason) == (0.0, "wrong: not decided within 0.5 s")
        assert 0.5 <= took_s <= 0.7
        assert verifier.verify(*RIGHT).score == 1.0


@pytest.mark.usefixtures("bombs")
def test_hang_does_not_touch_the_pairs_beside_it() -> None:
    pairs = [RIGHT, ("do: stop", "4"), WRONG, RIGHT, ("do: stop", "4"), RIGHT]
    with Verifier(workers=2) as verifier:
        scores = [verdict.score for verdict in verifier.verify_many(pairs, timeout_s=0.5)]
    assert scores == [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]


@linux
def test_stopped_worker_is_killed_in_time() -> None:
    with Verifier(workers=1) as verifier:
        for pid in judges(verifier):
            os.kill(pid, signal.SIGSTOP)
        start = time.monotonic()
        verdict = verifier.verify("x" * 300_000, "4", timeout_s=0.5)  # more than a pipe takes
        assert verdict.reason == "wrong: not decided within 0.5 s"
        assert time.monotonic() - start <= 0.7
        verifier.verify(*RIGHT, timeout_s=0.2)  # goes to the spare, which was stopped too
        assert verifier.verify(*RIGHT).score == 1.0


@pytest.mark.usefixtures("bombs")
def test_worker_killed_during_a_judgement_is_replaced_and_the_pair_retried(tmp_path: Path) -> None:
    with Verifier(workers=1) as verifier:
        verdict = verifier.verify(rf"do: die_once {tmp_path / 'mark'} \boxed{{4}}", "4")
    assert (verdict.score, (tmp_path / "mark").exists()) == (1.0, True)


@pytest.mark.usefixtures("bombs")
def test_second_death_is_the_responses() -> None:
    with Verifier(workers=1) as verifier:
        verdict = verifier.verify(r"do: die \boxed{4}", "4")
        assert verifier.verify(*RIGHT).score == 1.0
    why = "wrong: not decided, judging it ended 2 processes (killed by SIGKILL)"
    assert (verdict.score, verdict.reason) == (0.0, why)


@linux
@pytest.mark.usefixtures("bombs")
def test_memory_bomb_is_ended_by_the_limit() -> None:
    with Verifier(workers=1) as verifier:
        verdict = verifier.verify(r"do: eat \boxed{4}", "4", timeout_s=20)
        assert verifier.verify(*RIGHT).score == 1.0
    why = "wrong: not decided, judging it ended 2 processes (more than 1024 MB of memory)"
    assert (verdict.score, verdict.reason) == (0.0, why)


@linux
def test_idle_worker_killed_from_outside_costs_nothing() -> None:
    with Verifier(workers=2) as verifier:
        killed = judges(verifier)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        assert await_end(killed) == set()
        assert verifier.verify_many([RIGHT, WRONG])[0].score == 1.0


@pytest.mark.usefixtures("bombs")
def test_bug_of_the_checker_is_unscored_and_the_pool_goes_on() -> None:
    with Verifier(workers=2) as verifier:
        with pytest.raises(Unscored, match="the checker failed: KeyError: 'a bug'"):
            verifier.verify_many([RIGHT, ("do: err", "4"), ("do: sleep 5", "4")])
        assert verifier.verify(*RIGHT).score == 1.0


@pytest.mark.usefixtures("bombs")
def test_broken_protocol_is_unscored_and_the_pool_goes_on() -> None:
    with Verifier(workers=1) as verifier:
        with pytest.raises(Unscored, match=r"a judging process said b'what\?'"):
            verifier.verify("do: babble", "4")
        assert verifier.verify(*RIGHT).score == 1.0


@pytest.mark.usefixtures("bombs")
def test_prints_are_not_the_protocol() -> None:
    with Verifier(workers=1) as verifier:
        assert verifier.verify(r"do: chat \boxed{4}", "4").score == 1.0


def test_workers_that_cannot_start_are_unscored_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judge, "WORKER", "no_such_module")
    with Verifier(workers=1) as verifier:
        for _ in range(2):
            with pytest.raises(Unscored, match="No module named no_such_module"):
                verifier.verify(*RIGHT)
    assert issubclass(Unscored, Fault)


def test_no_interpreter_is_unscored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(Unscored, match="cannot start a judging process"):
        Verifier(workers=1)


@linux
def test_workers_retire_and_none_is_left_a_zombie(
    bombs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOMBS_JUDGEMENTS", "20")
    with Verifier(workers=1) as verifier:
        others = children().keys() - judges(verifier)
        before = judges(verifier)
        verdicts = verifier.verify_many([RIGHT, WRONG] * 40)
        after, idle = children().keys() - others, judges(verifier)
    assert [verdict.score for verdict in verdicts] == [1.0, 0.0] * 40
    assert not before & idle  # 80 judgements, at most 20 each: all are new
    assert len(after) <= 3  # one judge, one spare, one that is just ending


@linux
@pytest.mark.usefixtures("bombs")
def test_nothing_is_left_after_close_or_an_error() -> None:
    before = children().keys(), descriptors(), threading.active_count()
    with Verifier(workers=2) as verifier:
        verifier.verify_many([RIGHT, ("do: die", "4"), ("do: stop", "4")], timeout_s=0.3)
        asyncio.run(verifier.averify_many([RIGHT, WRONG]))
    assert (children().keys(), descriptors(), threading.active_count()) == before
    with pytest.raises(UsageError), Verifier(workers=2) as verifier:
        verifier.verify_many([RIGHT, ("4", "")])
    assert (children().keys(), descriptors(), threading.active_count()) == before


@pytest.mark.usefixtures("bombs")
def test_close_ends_what_is_being_judged() -> None:
    verifier = Verifier(workers=1)
    verifier.verify(*RIGHT)
    with ThreadPoolExecutor(2) as threads:
        hung = [threads.submit(verifier.verify, "do: stop", "4", 60) for _ in range(2)]
        time.sleep(0.3)  # one is judged by now, and one waits
        start = time.monotonic()
        verifier.close()
        for each in hung:
            with pytest.raises(UsageError, match="closed"):
                each.result(5)
    assert time.monotonic() - start < 2


def test_threads_share_one(shared: Verifier) -> None:
    def scores(seed: int) -> list[float]:
        return [shared.verify(rf"\boxed{{{seed + n}}}", str(seed)).score for n in range(40)]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(scores, range(8)))
    assert found == [[1.0] + [0.0] * 39] * 8


@pytest.mark.usefixtures("bombs")
def test_batch_does_not_keep_others_waiting() -> None:
    with Verifier(workers=1) as verifier, ThreadPoolExecutor(1) as threads:
        verifier.verify(*RIGHT)
        batch = threads.submit(verifier.verify_many, [(r"do: sleep 0.05 \boxed{4}", "4")] * 100)
        time.sleep(0.2)
        assert verifier.verify(*RIGHT).score == 1.0
        assert not batch.done()
        assert {verdict.score for verdict in batch.result(60)} == {1.0}


@pytest.mark.usefixtures("bombs")
def test_event_loop_goes_on_during_a_hang() -> None:
    async def play() -> tuple[list[float], list[float], int]:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.01)
                turns += 1

        ticking = asyncio.create_task(turn())
        several = [verifier.averify(*(RIGHT if n % 2 else WRONG)) for n in range(20)]
        hung = verifier.averify("do: stop", "4", timeout_s=0.5)
        singles, batch = await asyncio.gather(
            asyncio.gather(hung, *several), verifier.averify_many([RIGHT, WRONG])
        )
        ticking.cancel()
        return [each.score for each in singles], [each.score for each in batch], turns

    with Verifier(workers=2) as verifier:
        verifier.verify(*RIGHT)
        singles, batch, turns = asyncio.run(play())
    assert singles == [0.0] + [0.0, 1.0] * 10
    assert batch == [1.0, 0.0]
    assert turns >= 20  # half a second of a hang, a turn each 10 ms


DAEMONIC = """
import multiprocessing, sys
from agentgym_envs.math import Verifier

def judge(out):
    with Verifier(workers=1) as verifier:
        out.send(verifier.verify("so \\\\boxed{0.5}", "1/2").score)

if __name__ == "__main__":
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        ours, theirs = context.Pipe()
        process = context.Process(target=judge, args=(theirs,), daemon=True)
        process.start()
        print(method, ours.recv() if ours.poll(60) else "nothing")
        process.join()
"""


def test_daemonic_processes_can_use_it(tmp_path: Path) -> None:
    script = tmp_path / "daemonic.py"
    script.write_text(DAEMONIC)
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "fork 1.0\nspawn 1.0\n", done.stderr


def test_script_without_a_guard_can_use_it(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    code = (
        "from agentgym_envs.math import Verifier\n"
        "with Verifier(workers=1) as v: print(v.verify(r'\\boxed{4}', 4).score)"
    )
    script = tmp_path / "unguarded.py"
    script.write_text(code)
    command = [sys.executable, "-P", str(script)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path
    )
    assert done.stdout == "1.0\n", done.stderr


FORKED = """
import os
from agentgym.errors import UsageError
from agentgym_envs.math import Verifier

verifier = Verifier(workers=1)
verifier.verify(r"\\boxed{4}", "4")
reader, writer = os.pipe()
if not os.fork():
    try:
        verifier.verify(r"\\boxed{4}", "4")
    except UsageError as error:
        os.write(writer, str(error).encode())
    verifier.close()
    os._exit(0)
os.wait()
print(os.read(reader, 500).decode())
print(verifier.verify(r"\\boxed{4}", "4").score)
verifier.close()
"""


def test_fork_is_told_that_it_needs_its_own() -> None:
    told, score = run(FORKED).splitlines()
    assert "belongs to process" in told
    assert "make one in every process" in told
    assert score == "1.0"


OWNER = """
import os, sys, threading, time
from pathlib import Path
from agentgym_envs.math import Verifier, judge

judge.WORKER = "math_judge_bombs"

def work():
    verifier = Verifier(workers=1)
    verifier.verify(r"\\boxed{4}", "4")
    held.append(verifier)
    judges = [each.pid for each in verifier._bench._idle]
    if "fork" in sys.argv and not os.fork():
        time.sleep(600)  # holds copies of the pipes
    if "hung" in sys.argv:
        threading.Thread(target=verifier.verify, args=("do: " + sys.argv[1], "4", 5)).start()
        time.sleep(0.5)
    print(*judges, flush=True)
    if "thread" not in sys.argv:
        time.sleep(600)

held = []
if "thread" in sys.argv:
    starter = threading.Thread(target=work)
    starter.start()
    starter.join()
    time.sleep(600)
work()
"""


@linux
@pytest.mark.parametrize(
    "how",
    [
        ("idle", "main"),
        ("idle", "thread"),
        ("idle", "thread", "fork"),
        ("stop", "hung", "main"),
        ("hold_the_lock", "hung", "main"),
        ("sleep 2", "hung", "thread"),
    ],
)
def test_owner_killed_leaves_no_process(how: tuple[str, ...]) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, *how],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(FIXTURES)},
        start_new_session=True,
    )
    assert owner.stdout is not None
    try:
        judges = {int(pid) for pid in owner.stdout.readline().split()}
        assert len(judges) == 2
        assert all(alive(pid) for pid in judges)
        owner.kill()
        owner.wait()
        assert await_end(judges) == set()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(owner.pid, signal.SIGKILL)  # the fork of its own
        owner.stdout.close()


def test_thread_that_started_the_workers_may_end() -> None:
    made: list[Verifier] = []
    starter = threading.Thread(target=lambda: made.append(Verifier(workers=1)))
    starter.start()
    starter.join()
    with made[0] as verifier:
        assert verifier.verify(*RIGHT).score == 1.0


def test_no_signal_handler_is_set_and_none_is_needed() -> None:
    code = (
        "import signal, threading\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "before = [signal.getsignal(n) for n in signal.valid_signals()]\n"
        "from agentgym_envs.math import Verifier\n"
        "with Verifier(workers=1) as v: print(v.verify(r'\\boxed{4}', 4).score)\n"
        "print(before == [signal.getsignal(n) for n in signal.valid_signals()])"
    )
    assert run(code) == "1.0\nTrue\n"


# The checker ends these by itself; every twentieth verification is one.
BOMBS = [
    (r"\boxed{9^{9^{9^9}}}", "9"),
    (r"\boxed{10^{10^{10}}!}", "1"),
    (rf"\boxed{{{'(' * 5_000}1}}", "1"),
    (rf"\boxed{{{'1+' * 5_000}1}}", "300"),
    (r"\boxed{" * 2_000 + "5", "6"),
]


@linux
def test_memory_is_constant_over_600_verifications_with_bombs() -> None:
    pairs = [
        BOMBS[n // 20 % len(BOMBS)] if n % 20 == 7 else (rf"\boxed{{\frac{{{n}}}{{7}}}}", f"{n}/7")
        for n in range(600)
    ]
    with Verifier(workers=2) as verifier:
        verifier.verify_many(pairs[:100])
        before = {pid: resident_mb(pid) for pid in judges(verifier)}
        verdicts = verifier.verify_many(pairs)
        grown = {pid: resident_mb(pid) - before[pid] for pid in judges(verifier) & before.keys()}
    assert [verdict.score for verdict in verdicts] == [float(n % 20 != 7) for n in range(600)]
    assert len(grown) >= 2
    assert max(grown.values()) < 16  # megabytes: filled caches of parsed texts


def test_limits_fit_the_worker() -> None:
    code = (
        "import resource, sys\n"
        "from agentgym_envs.math import judge, verify, worker\n"
        "resource.setrlimit(resource.RLIMIT_AS, (judge.MEMORY_BYTES // 2,) * 2)\n"
        "print([verify(*pair).score for pair in worker.FIRST], 'pint' in sys.modules)"
    )
    assert run(code) == f"{[1.0] * len(real_worker.FIRST)} True\n"
