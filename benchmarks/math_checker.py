"""The math checker beside Math-Verify and plain string match, on labelled cases, in one run.

Every checker judges the same cases one by one, in a process of its own, timed from outside, so
that what it costs to ask is in the figures. Then two processes of ours and two of Math-Verify judge
all cases but the bombs as fast as they can; then a `Verifier` judges 10,000, every twentieth a
bomb, while the memory of its processes is sampled. The baseline is Math-Verify's figure.

    python benchmarks/math_checker.py [--cases FILE.jsonl] [--pool 10000] [--no-peer] [--json]

Math-Verify runs as its documentation says: `parse` of LaTeX and expressions (and of letters where
the gold is one), its own time-outs of 5 s, on the main thread. The gold is given in a box, the way
of marking LaTeX that served it best here. A judgement beyond 30 s is killed, and is a refusal.
"""

from __future__ import annotations

import json
import os
import queue
import re
import select
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from report import Figure, arguments, report

CASES = Path(__file__).parents[1] / "tests" / "fixtures" / "math_cases"
TIMEOUT_S, SLACK_S, KILL_S = 2.0, 0.2, 30.0
WORKERS = 2
WARM = (r"the answer is \boxed{\frac{1}{2}}", "0.5"), (r"\boxed{5 \text{ m}}", "500 cm")


@dataclass(frozen=True)
class Case:
    category: str
    response: str
    gold: str
    right: bool


@dataclass(frozen=True)
class Finding:
    case: Case
    score: float
    seconds: float


@dataclass(frozen=True)
class Measured:
    findings: list[Finding]
    peak_mb: float

    @property
    def accuracy(self) -> float:
        return sum((f.score == 1.0) == f.case.right for f in self.findings) / len(self.findings)

    @property
    def milliseconds(self) -> list[float]:
        return sorted(finding.seconds * 1e3 for finding in self.findings)

    def wrong(self, *, accepted: bool) -> Counter[str]:
        """Count by category what was accepted, or refused, and should not have been."""
        return Counter(
            finding.case.category
            for finding in self.findings
            if (finding.score == 1.0) == accepted != finding.case.right
        )


def cases(source: Path) -> list[Case]:
    """Read a file, or all of a folder; ``repeat`` is written out."""
    files = sorted(source.glob("*.jsonl")) if source.is_dir() else [source]
    rows = [
        json.loads(line) for file in files for line in file.read_text("utf-8").split("\n") if line
    ]
    return [_case(row) for row in rows]


def _case(row: dict[str, Any]) -> Case:
    response = row["response"]
    if "repeat" in row:
        response = response.replace("<<REPEAT>>", row["repeat"]["text"] * row["repeat"]["times"])
    return Case(row.get("category", "all"), response, str(row["gold"]), float(row["score"]) == 1.0)


def math_verify(response: str, gold: str) -> float:
    from math_verify import (
        ExprExtractionConfig,
        LatexExtractionConfig,
        StringExtractionConfig,
        parse,
        verify,
    )

    targets: list[Any] = [LatexExtractionConfig(), ExprExtractionConfig()]
    if re.fullmatch(r"\(?[A-J]\)?", gold):
        targets.append(StringExtractionConfig(tuple("ABCDEFGHIJ")))
        wanted = parse(gold.strip("()"), targets)
    else:
        wanted = parse(rf"\boxed{{{gold}}}", targets)
    return float(verify(wanted, parse(response, targets)))


def string_match(response: str, gold: str) -> float:
    """Compare the last box, or else the last word, with the gold, spaces aside."""
    boxes = re.findall(r"\\boxed\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}", response[-20_000:])
    words = response.split()[-1:]
    given = boxes[-1] if boxes else words[0].strip("$.*") if words else ""
    return float(bool(given) and given.replace(" ", "") == gold.replace(" ", ""))


PEERS: dict[str, Callable[[str, str], float]] = {
    "math_verify": math_verify,
    "string_match": string_match,
}


def serve(name: str) -> None:
    """Judge the lines of the standard input by one peer, on the main thread."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            score = PEERS[name](*json.loads(line))
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is a refusal
            print(f"{name}: {error!r}"[:200], file=sys.stderr)
            score = 0.0
        print(score, file=out, flush=True)


class Peer:
    """A process that judges by another checker, started anew where it had to be killed."""

    def __init__(self, name: str) -> None:
        self.name, self.peak_mb = name, 0.0
        self._start()

    def _start(self) -> None:
        command = [sys.executable, __file__, "--serve", self.name]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for pair in WARM:
            self._ask(*pair)

    def _ask(self, response: str, gold: str) -> float | None:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        with suppress(BrokenPipeError):
            stdin.write(json.dumps([response, gold]) + "\n")
            stdin.flush()
            if select.select([stdout], [], [], KILL_S)[0] and (line := stdout.readline()):
                return float(line)
        return None

    def verify(self, response: str, gold: str) -> float:
        score = self._ask(response, gold)
        self.peak_mb = max(self.peak_mb, peak_mb(self.process.pid))
        if score is None:
            self.close()
            self._start()
        return score or 0.0

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def peak_mb(pid: int) -> float:
    with suppress(OSError, IndexError):
        text = Path(f"/proc/{pid}/status").read_text()
        return int(text.split("VmHWM:")[1].split()[0]) / 1024
    return 0.0


def resident_mb(pid: int) -> float:
    with suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return 0.0


def judges() -> list[int]:
    """Find the processes of our `Verifier`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid() and b"math.worker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def one_by_one(judge: Callable[[str, str], float], these: Sequence[Case]) -> list[Finding]:
    findings = []
    for case in these:
        start = time.perf_counter()
        score = judge(case.response, case.gold)
        findings.append(Finding(case, score, time.perf_counter() - start))
    return findings


def measure_peer(name: str, these: Sequence[Case]) -> Measured:
    peer = Peer(name)
    try:
        return Measured(one_by_one(peer.verify, these), peer.peak_mb)
    finally:
        peer.close()


@contextmanager
def verifier(workers: int) -> Iterator[Any]:
    """Open a warm one: every process has judged before anything is timed."""
    from agentgym_envs.math import Verifier

    with Verifier(workers) as made:
        made.verify_many([WARM[0]] * 50 * workers)
        time.sleep(3)  # the spare warms up too
        yield made


def measure_ours(these: Sequence[Case]) -> Measured:
    with verifier(1) as made:
        findings = one_by_one(lambda r, g: float(made.verify(r, g, TIMEOUT_S).score), these)
        return Measured(findings, max(map(peak_mb, judges())))


def throughput_of_ours(these: Sequence[Case]) -> float:
    pairs = [(case.response, case.gold) for case in these]
    with verifier(WORKERS) as made:
        start = time.perf_counter()
        made.verify_many(pairs, TIMEOUT_S)
        return len(pairs) / (time.perf_counter() - start)


def throughput_of_math_verify(these: Sequence[Case]) -> float:
    left: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in these:
        left.put(case)

    def work(peer: Peer) -> None:
        with suppress(queue.Empty):
            while True:
                case = left.get_nowait()
                peer.verify(case.response, case.gold)

    peers = [Peer("math_verify") for _ in range(WORKERS)]
    try:
        start = time.perf_counter()
        with ThreadPoolExecutor(WORKERS) as threads:
            list(threads.map(work, peers))
        return len(these) / (time.perf_counter() - start)
    finally:
        for peer in peers:
            peer.close()


def pool(these: Sequence[Case], count: int) -> dict[str, Figure]:
    """Judge many with 5% bombs; sample the memory of the processes meanwhile."""
    plain = [case for case in these if case.category != "bombs"]
    bombs = [case for case in these if case.category == "bombs"] or plain
    mixed = [
        bombs[n // 20 % len(bombs)] if n % 20 == 7 else plain[n % len(plain)] for n in range(count)
    ]
    samples: list[tuple[float, float]] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(0.1):
            samples.append((time.perf_counter(), max(map(resident_mb, judges()), default=0.0)))

    with verifier(WORKERS) as made, ThreadPoolExecutor(WORKERS) as threads:
        sampler = threading.Thread(target=sample)
        sampler.start()
        start = time.perf_counter()

        def judge(case: Case) -> Finding:
            before = time.perf_counter()
            score = made.verify(case.response, case.gold, TIMEOUT_S).score
            return Finding(case, score, time.perf_counter() - before)

        found = Measured(list(threads.map(judge, mixed)), 0.0)
        seconds = time.perf_counter() - start
        over.set()
        sampler.join()
    middle = [mb for at, mb in samples if 0.2 < (at - start) / seconds < 0.5]
    last = [mb for at, mb in samples if (at - start) / seconds > 0.8]
    grown = max(last, default=0.0) - max(middle, default=0.0)
    return {
        "pool_verifications": Figure(count, "of which 5% bombs"),
        "pool_accuracy": Figure(found.accuracy, "share"),
        "pool_rate": Figure(count / seconds, "1/s"),
        "pool_max": Figure.at_most(found.milliseconds[-1], (TIMEOUT_S + SLACK_S) * 1e3, "ms"),
        "pool_worker_memory": Figure(max(last, default=0.0), "MB, largest at the end"),
        "pool_worker_growth": Figure.at_most(grown, 16, "MB, 20-50% to the end"),
    }


def percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def figures(ours: Measured, peer: Measured | None, plain: Measured) -> dict[str, Figure]:
    def base(of: Callable[[Measured], float]) -> float | None:
        return None if peer is None else of(peer)

    def p99(m: Measured) -> float:
        return percentile(m.milliseconds, 0.99)

    ms, theirs = ours.milliseconds, base(lambda m: statistics.median(m.milliseconds))
    rows = {
        "cases": Figure(len(ours.findings), ""),
        "accuracy": Figure.at_least(ours.accuracy, 0.99, "share", base(lambda m: m.accuracy)),
        "median": Figure.at_most(statistics.median(ms), 2, "ms", theirs),
        "p99": Figure.at_most(percentile(ms, 0.99), 300, "ms", base(p99)),
        "max": Figure.at_most(
            ms[-1], (TIMEOUT_S + SLACK_S) * 1e3, "ms", base(lambda m: m.milliseconds[-1])
        ),
        "peak_memory": Figure(ours.peak_mb, "MB, one process", None, base(lambda m: m.peak_mb)),
        "string_match_accuracy": Figure(plain.accuracy, "share"),
        "string_match_median": Figure(statistics.median(plain.milliseconds), "ms"),
        "string_match_p99": Figure(p99(plain), "ms"),
        "string_match_max": Figure(plain.milliseconds[-1], "ms"),
        "string_match_peak_memory": Figure(plain.peak_mb, "MB, one process"),
    }
    for kind, accepted in (("false_positives", True), ("false_negatives", False)):
        mine, others = ours.wrong(accepted=accepted), Counter[str]()
        if peer is not None:
            others = peer.wrong(accepted=accepted)
        total = base(lambda m, accepted=accepted: m.wrong(accepted=accepted).total())
        rows[kind] = Figure(mine.total(), "", None, total)
        rows[f"string_match_{kind}"] = Figure(plain.wrong(accepted=accepted).total(), "")
        for category in sorted(mine | others):
            beside = None if peer is None else others[category]
            rows[f"{kind}.{category}"] = Figure(mine[category], "", None, beside)
    return rows


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--cases", type=Path, default=CASES, help="a labelled file, or a folder")
    parser.add_argument("--pool", type=int, default=10_000, help="verifications of the pool's run")
    parser.add_argument("--no-peer", action="store_true", help="leave Math-Verify out")
    parser.add_argument("--serve", help="for its own use: judge as a peer")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return 0
    these = cases(options.cases)
    calm = [case for case in these if case.category != "bombs"]
    ours, plain = measure_ours(these), measure_peer("string_match", these)
    peer = None if options.no_peer else measure_peer("math_verify", these)
    rows = figures(ours, peer, plain)
    rate = throughput_of_ours(calm)
    if options.no_peer:
        rows["throughput"] = Figure(rate, "1/s, without bombs")
    else:
        theirs = throughput_of_math_verify(calm)
        rows["throughput"] = Figure(rate, "1/s, without bombs", None, theirs)
        rows["throughput_ratio"] = Figure.at_least(rate / theirs, 3, "times")
    rows |= pool(these, options.pool)
    return report(rows, options.json)


if __name__ == "__main__":
    sys.exit(main())
