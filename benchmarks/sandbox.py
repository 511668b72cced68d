"""Cost of sandbox sessions, beside a bare Python and `docker exec` in the same run.

    python benchmarks/sandbox.py [--json] [--quick] [--no-docker]

Medians; `--json` prints one object, name -> {value, unit, limit, baseline, ok}.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from agentgym_sandbox import DockerSandbox, Limits, LocalSandbox, SandboxError, Session
from agentgym_sandbox.base import Sandbox
from agentgym_sandbox.images import build_image

IMAGE = "agentgym-sandbox:latest"
MEGABYTES = "import sys\nfor _ in range(100): sys.stdout.write('x' * 2**20)"

Row = dict[str, Any]


def timed(action: Callable[[], object]) -> float:
    """Give the milliseconds that an action takes."""
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1e3


def median(action: Callable[[], object], times: int) -> float:
    return statistics.median(timed(action) for _ in range(times))


def row(value: float, unit: str, limit: float | None, baseline: str = "", *, least=False) -> Row:
    ok = limit is None or (value >= limit if least else value <= limit)
    return {"value": round(value, 3), "unit": unit, "limit": limit, "baseline": baseline, "ok": ok}


def bare_python() -> float:
    return median(lambda: subprocess.run([sys.executable, "-c", "6*7"], check=True), 5)


def warm_lease(make: Callable[[], Sandbox], times: int, pause_s: float) -> float:
    """Time `session()` when a warm one waits."""
    taken = []
    with make() as sandbox:
        sandbox.session().close()
        for _ in range(times):
            time.sleep(pause_s)
            start = time.perf_counter()
            session = sandbox.session()
            taken.append((time.perf_counter() - start) * 1e3)
            session.close()
    return statistics.median(taken)


def cold(sandbox: Sandbox, times: int) -> float:
    def one() -> None:
        taken.append(timed(lambda: opened.append(sandbox.session())))
        opened.pop().close()

    taken: list[float] = []
    opened: list[Session] = []
    for _ in range(times):
        one()
    return statistics.median(taken)


def use_once(sandbox: Sandbox) -> None:
    with sandbox.session() as session:
        session.execute("6 * 7")


def per_second(sandbox: Sandbox, times: int) -> float:
    return times / (timed(lambda: [use_once(sandbox) for _ in range(times)]) / 1e3)


def round_trip(sandbox: Sandbox, times: int) -> float:
    with sandbox.session() as session:
        session.execute("1")
        return median(lambda: session.execute("6 * 7"), times)


def flood(sandbox: Sandbox) -> tuple[float, float]:
    """Give seconds and growth in MB for 100 MB printed."""
    with sandbox.session() as session:
        session.execute("1")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds = timed(lambda: session.execute(MEGABYTES, timeout_s=60)) / 1e3
        return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def idle_memory(sandbox: Sandbox, count: int) -> float:
    """Give the MB of proportional memory of each idle session."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(sandbox.session())
        marker = f'"host_pid": {os.getpid()},'.encode()
        total = 0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if marker in (folder / "cmdline").read_bytes():
                    text = (folder / "smaps_rollup").read_text()
                    total += int(text.split("\nPss:")[1].split()[0])
            except OSError:
                continue
        return total / 1024 / count


def processor_time(sandbox: Sandbox, times: int) -> float:
    """Give the milliseconds of all processors together, of the whole machine, for one use."""

    def busy() -> int:
        numbers = [int(n) for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
        return sum(numbers[:3]) + sum(numbers[5:7])

    before = busy()
    for _ in range(times):
        use_once(sandbox)
    return (busy() - before) * 1000 / os.sysconf("SC_CLK_TCK") / times


def local_rows(quick: bool, bare: str) -> dict[str, Row]:
    times = 30 if quick else 150
    rows = {
        "local_warm_session": row(
            warm_lease(lambda: LocalSandbox(warm=2), times // 3, 0.03), "ms", 1.0, bare
        )
    }
    heavy = tuple(n for n in ("numpy", "sympy") if importlib.util.find_spec(n))
    if heavy:
        with LocalSandbox(warm=0, preload=heavy, limits=Limits(memory_mb=512)) as sandbox:
            rows[f"local_cold_session_{'_'.join(heavy)}"] = row(cold(sandbox, 10), "ms", 35.0, bare)
    with LocalSandbox(warm=0) as sandbox:
        use_once(sandbox)
        rows["local_cold_session"] = row(cold(sandbox, times), "ms", 15.0, bare)
        rows["local_execute"] = row(round_trip(sandbox, 10 * times), "ms", 0.3)
        rows["local_sessions"] = row(per_second(sandbox, times), "1/s", 40.0, least=True)
        rows["local_processor_time"] = row(
            processor_time(sandbox, times), "ms", None, "of the whole machine: let it be quiet"
        )
        seconds, grown = flood(sandbox)
        rows["local_100_mb_printed"] = row(seconds, "s", 1.0)
        rows["local_100_mb_host_growth"] = row(grown, "MB", 10.0)
        rows["local_idle_session"] = row(idle_memory(sandbox, 50 if quick else 200), "MB PSS", 4.0)
    return rows


def docker_exec() -> float:
    """Time `docker exec` of a Python in a container that runs already."""
    run = ["docker", "run", "-d", "--network", "none", IMAGE, "sleep", "600"]
    started = subprocess.run(run, capture_output=True, text=True, check=True)
    name = started.stdout.strip()
    try:
        command = ["docker", "exec", name, "python3", "-c", "6*7"]
        return median(lambda: subprocess.run(command, check=True), 5)
    finally:
        subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)


def docker_rows(quick: bool) -> dict[str, Row]:
    build_image(IMAGE)
    times = 4 if quick else 12
    exec_ms = docker_exec()
    beside = f"docker exec {exec_ms:.0f} ms"
    lease = warm_lease(lambda: DockerSandbox(IMAGE, warm=2), times, 2.5)
    rows = {"docker_warm_session": row(lease, "ms", 5.0, beside)}
    with DockerSandbox(IMAGE, warm=0) as sandbox:
        rows["docker_cold_session"] = row(cold(sandbox, times), "ms", 1500.0, beside)
        trip = round_trip(sandbox, 200)
        rows["docker_execute"] = row(trip, "ms", 1.0, beside)
        rows["docker_execute_against_exec"] = row(exec_ms / trip, "times", 100.0, least=True)
        rows["docker_100_mb_printed"] = row(flood(sandbox)[0], "s", 2.0)
    with DockerSandbox(IMAGE, warm=4) as sandbox:
        sandbox.session().close()
        rate = per_second(sandbox, 3 * times)
        rows["docker_sessions"] = row(rate, "1/s", 2.0, least=True)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for flag in ("--json", "--quick", "--no-docker"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args()
    rows = local_rows(options.quick, f"python -c {bare_python():.0f} ms")
    if not options.no_docker:
        try:
            rows |= docker_rows(options.quick)
        except (SandboxError, OSError, subprocess.CalledProcessError) as error:
            print(f"no figures of Docker: {error}", file=sys.stderr)
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        for name, found in rows.items():
            limit = "" if found["limit"] is None else f"limit {found['limit']:g}"
            mark = "ok" if found["ok"] else "OVER"
            value = f"{found['value']:>10} {found['unit']:<7}"
            print(f"{name:34} {value} {limit:12} {mark:5} {found['baseline']}")
    return 0 if all(found["ok"] for found in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
