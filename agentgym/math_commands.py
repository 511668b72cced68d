"""The verb `math`: judge answers by hand, and say which rule decided.

The checker is imported by name, for the framework does not depend on it. One response is judged
in this process, a file of them by several.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional, arg

from agentgym.errors import AgentGymError, ConfigError
from agentgym.flags import parse, take
from agentgym.suggest import perhaps_you_meant
from agentgym.terminal import print_json, text_console
from agentgym.types import Verdict

__all__ = ["VerifyConfig", "math"]

_USAGE = """usage: agentgym math TASK ...

tasks:
  verify  judge a response by its final answer, or a file of responses

agentgym math TASK --help tells the settings of a task."""

_AT_ONCE = 64  # pairs between two steps of the progress bar


class VerifyConfig(BaseModel):
    """What to judge."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    response: Annotated[str | None, Positional, arg(metavar="RESPONSE")] = Field(
        None, description="What the model wrote; - reads the standard input."
    )
    gold: str | None = Field(None, description="The right answer.")
    file: Path | None = Field(
        None, description='JSON Lines instead, each {"response": ..., "gold": ...}.'
    )
    timeout_s: float = Field(2.0, gt=0, allow_inf_nan=False, description="Most seconds of each.")
    workers: int = Field(2, ge=1, description="Processes that judge a file.")


def math(argv: list[str]) -> int:
    """Do one task of mathematics."""
    if not argv or argv[0] in ("-h", "--help"):
        sys.stdout.write(_USAGE + "\n")
        return 0 if argv else 2
    task, *rest = argv
    if task not in _TASKS:
        raise ConfigError(f"math has no task '{task}'; {perhaps_you_meant(task, _TASKS)}")
    return _TASKS[task](rest)


def _verify(argv: list[str]) -> int:
    as_json = take(argv, "--json")
    about = "Judge a response by its final answer: exit status 0 if right, 1 if wrong."
    config = parse(VerifyConfig, "math verify", argv, about)
    if config.file is not None:
        if config.response is not None or config.gold is not None:
            raise ConfigError("--file holds responses and golds; leave RESPONSE and --gold out")
        return _verify_file(config.file, config, as_json)
    if config.response is None or config.gold is None:
        raise ConfigError("it takes --gold GOLD and a RESPONSE, or --file FILE")
    response = _standard_input() if config.response == "-" else config.response
    verdict = _package().verify(response, config.gold, config.timeout_s)
    if as_json:
        print_json(asdict(verdict))
    else:
        _show(verdict, config.gold)
    return 0 if verdict.score == 1.0 else 1


def _verify_file(file: Path, config: VerifyConfig, as_json: bool) -> int:
    pairs = [_pair(file, at, line) for at, line in _lines(file)]
    if not pairs:
        raise ConfigError(f"'{file}' has no lines")
    started = time.monotonic()
    verdicts: list[Verdict] = []
    with _package().Verifier(config.workers) as verifier, _progress(len(pairs)) as advance:
        for at in range(0, len(pairs), _AT_ONCE):
            verdicts += verifier.verify_many(pairs[at : at + _AT_ONCE], config.timeout_s)
            advance(len(verdicts))
    right = sum(verdict.score == 1.0 for verdict in verdicts)
    seconds = time.monotonic() - started
    if as_json:
        counts = {"pairs": len(pairs), "right": right, "wrong": len(pairs) - right}
        rows = [asdict(verdict) for verdict in verdicts]
        print_json({**counts, "seconds": round(seconds, 3), "verdicts": rows})
    else:
        _show_summary(verdicts, right, seconds)
    return 0 if right == len(pairs) else 1


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read '{file}': {error}") from error
    # Not splitlines: a text may hold other line ends than JSON Lines does.
    return ((at, line) for at, line in enumerate(text.split("\n"), 1) if line.strip())


def _pair(file: Path, at: int, line: str) -> tuple[str, Any]:
    where = f"'{file}' line {at}"
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{where} is no JSON: {error}") from error
    if not isinstance(row, dict) or not isinstance(row.get("response"), str):
        raise ConfigError(f'{where} must be {{"response": text, "gold": text}}')
    if not isinstance(gold := row.get("gold"), (str, int, float)) or not str(gold).strip():
        raise ConfigError(f"{where} has no gold; drop the line or give the right answer")
    return row["response"], gold


def _standard_input() -> str:
    return sys.stdin.buffer.read().decode("utf-8", errors="replace")


def _package() -> Any:
    try:
        return importlib.import_module("agentgym_envs.math")
    except ImportError as error:
        raise AgentGymError(f"no checker here: {error}; install agentgym-rl again") from error


def _show(verdict: Verdict, gold: str) -> None:
    right = verdict.score == 1.0
    table = Table(box=None, show_header=False)
    style = "green" if right else "bold red"
    table.add_row("verdict", Text("right" if right else "wrong", style=style))
    table.add_row(
        "answer", Text("none was found" if verdict.extracted is None else verdict.extracted)
    )
    table.add_row("gold", Text(gold))
    table.add_row("rule", Text(_rule(verdict)))
    text_console().print(table)


def _show_summary(verdicts: list[Verdict], right: int, seconds: float) -> None:
    counts: dict[str, int] = {}
    for verdict in verdicts:
        counts[verdict.reason] = counts.get(verdict.reason, 0) + 1
    table = Table(box=None, show_header=False)
    table.add_row("right", f"{right} of {len(verdicts)}, {right / len(verdicts):.3f}")
    for reason, count in sorted(counts.items(), key=lambda item: -item[1]):
        table.add_row("", Text(f"{count} x {reason}"))
    table.add_row("seconds", f"{seconds:.1f}")
    text_console().print(table)


def _rule(verdict: Verdict) -> str:
    return verdict.reason.partition(": ")[2] or verdict.reason


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar in a terminal, nothing elsewhere; yield what sets how many are done."""
    from rich.progress import MofNCompleteColumn, Progress

    console = text_console(stderr=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("responses", total=total)
        yield lambda done: bar.update(task, completed=done)


_TASKS: Mapping[str, Callable[[list[str]], int]] = {"verify": _verify}
