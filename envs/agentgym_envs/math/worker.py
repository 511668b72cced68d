"""The process behind `Verifier`: pairs in, verdicts out, a JSON line each.

Started as ``python -P -m agentgym_envs.math.worker OWNER_PID TIED MEMORY_BYTES``. It limits itself
and warms up before it says that it is ready; it ends at the end of its input, when its owner is
gone, and after some thousands of judgements. A judgement that will not end is for the owner to
kill; should the owner be gone by then, the limit on processor time does it.

Left out: limits on what a judgement may open or start. The checker runs nothing that it reads; the
limits are for its arithmetic.
"""

from __future__ import annotations

import ctypes
import gc
import json
import math
import os
import random
import resource
import select
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from agentgym_envs.math.judge import OUT_OF_MEMORY
from agentgym_envs.math.verify import verify

__all__ = ["main"]

JUDGEMENTS = 10_000  # then a fresh process takes over
RESIDENT_BYTES = 256 * 2**20  # likewise where this much is not given back
PR_SET_PDEATHSIG = 1
CHUNK = 1 << 18
# One of each kind that builds tables, fills caches or imports something at its first use.
FIRST = (
    (r"so the answer is \boxed{0.5}", r"\frac12"),
    (r"\boxed{500 \text{ cm}}", "5 m"),
    (r"\boxed{(x+1)^2}", "x^2+2x+1"),
    (r"\boxed{\sqrt{2}+1}", r"\frac{1}{\sqrt2-1}"),
    (r"\boxed{\sin^2 x}", r"\frac{1-\cos 2x}{2}"),
    (r"\boxed{x < 3}", r"(-\infty, 3)"),
    (r"\boxed{\{1, 2\}}", r"\{2, 1\}"),
    (r"\boxed{\begin{pmatrix} 1 & 2 \end{pmatrix}}", r"\begin{bmatrix} 1 & 2 \end{bmatrix}"),
    ("The answer is twenty-one.", "21"),
)


def main() -> None:
    """Judge until there is nothing more to judge."""
    owner, tied, memory_bytes = (int(word) for word in sys.argv[1:4])
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # whatever is printed is not the protocol
    _live_no_longer_than(owner, bool(tied))
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    for response, gold in FIRST:
        verify(response, gold)
    gc.collect()
    gc.freeze()
    _send(out, {"ready": os.getpid()})
    os.dup2(nowhere, 2)  # nobody reads it from here on
    _serve(_lines(owner), out)


def _serve(orders: Iterator[bytes], out: int) -> None:
    most = random.randint(JUDGEMENTS // 2, JUDGEMENTS)  # so that not all retire at once
    for count, line in enumerate(orders, 1):
        reply = _judged(json.loads(line))
        reply["last"] = count >= most or _resident_bytes() > RESIDENT_BYTES
        _send(out, reply)
        if reply["last"]:
            return


def _judged(order: dict[str, Any]) -> dict[str, Any]:
    timeout_s = order["timeout_s"]
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + timeout_s) + 1)
    try:
        found = verify(order["response"], order["gold"], timeout_s, problem=order["problem"])
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001 - a bug of the checker is told, never scored
        return {"id": order["id"], "fault": f"{type(error).__name__}: {error}"}
    return {"id": order["id"], "verdict": asdict(found)}


def _lines(owner: int) -> Iterator[bytes]:
    """Yield the lines of the standard input until it ends or the owner does."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    watch = _watch(owner)
    if watch is not None:
        poll.register(watch, select.POLLIN)
    kept = bytearray()
    while True:
        found = poll.poll(None if watch is not None else 1_000)
        if watch in [fd for fd, _ in found] or os.getppid() != owner:
            return
        if not found:
            continue
        chunk = os.read(0, CHUNK)
        if not chunk:
            return
        kept += chunk
        while (end := kept.find(b"\n", max(0, len(kept) - len(chunk)))) >= 0:
            yield bytes(kept[:end])
            del kept[: end + 1]


def _watch(owner: int) -> int | None:
    """Return what becomes readable at the owner's end.

    The end of the input does not tell it where a fork of the owner holds the pipe as well.
    """
    try:
        return os.pidfd_open(owner)
    except (AttributeError, OSError):  # not Linux, or an old one: look once a second
        return None


def _live_no_longer_than(owner: int, tied: bool) -> None:
    """Be killed with the owner, even in the middle of a judgement.

    The kernel means the end of the thread that started this process, so only a process that the
    main thread started is tied.
    """
    if tied and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != owner:
        os._exit(0)


def _limit(which: int, value: int) -> None:
    """Set a soft limit, below the hard one."""
    hard = resource.getrlimit(which)[1]
    resource.setrlimit(which, (value if hard < 0 else min(value, hard), hard))


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _send(out: int, message: dict[str, Any]) -> None:
    rest = memoryview(json.dumps(message).encode() + b"\n")
    while rest:
        rest = rest[os.write(out, rest) :]


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:  # the owner is gone
        os._exit(0)
