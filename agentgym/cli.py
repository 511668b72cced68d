"""The command line: one verb a task.

Nothing is imported here but the standard library, so ``agentgym --help`` answers at once; a verb
imports what it needs when it is asked for.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentgym.errors import AgentGymError, ConfigError, MissingExtra, UsageError
from agentgym.suggest import perhaps_you_meant

__all__ = ["VERBS", "main"]

VERBS: Mapping[str, str] = {
    "envs": "list the environments that are installed",
    "play": "play one episode yourself",
    "check": "check that an environment is sound",
    "train": "train a model by reinforcement learning",
    "sft": "make the starter policy from demonstrations",
    "eval": "evaluate a policy on suites and environments",
    "compare": "compare two runs task by task, with a verdict",
    "score": "verify the episodes of a run again, and show what changed",
    "export": "write a run for Inspect AI, Harbor, OpenAI's fine-tuning or Parquet",
    "suites": "list the suites that there are to evaluate on",
    "report": "write runs as one HTML file",
    "view": "look at a run in the terminal",
    "sandbox": "make an image for the Docker sandbox, or say what isolation is in force",
    "reward-model": "train a reward model on preference pairs, or watch one",
    "dpo": "train a model on preference pairs, without a reward model",
    "math": "judge answers of mathematics, and say which rule decided",
    "world": "serve an episode of the API world to an MCP client, or count goals",
    "doctor": "say what this machine can do, and what is missing",
}

_TRAIN_PACKAGES = frozenset({"torch", "transformers", "tokenizers", "safetensors"})


def _help() -> str:
    width = max(map(len, VERBS))
    rows = "\n".join(f"  {verb:<{width}} {text}" for verb, text in VERBS.items())
    return (
        "usage: agentgym VERB ...\n\n"
        "Train and evaluate LLM agents by reinforcement learning with verifiable rewards.\n\n"
        f"verbs:\n{rows}\n\n"
        "agentgym VERB --help tells the settings of a verb; agentgym --version the version."
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments; None takes the process's own.

    Returns:
        The exit status: 0; 1 where it failed; 2 for a mistake in the command; 130 if interrupted,
        143 if terminated.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # Bars of libraries that load for a moment, and an engine's notes, would bury our own lines.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    with _terminable() as terminated:
        try:
            return _told(words)
        except KeyboardInterrupt:
            how, status = ("terminated", 143) if terminated else ("interrupted", 130)
            return _fail(f"{how}; run the same command again to go on", status, "")


@contextlib.contextmanager
def _terminable() -> Iterator[list[int]]:
    """Treat SIGTERM as an interrupt, so that it unwinds too; yield what was received."""
    received: list[int] = []

    def interrupt(number: int, frame: Any) -> None:
        received.append(number)
        handler = signal.getsignal(signal.SIGINT)  # a running event loop has one of its own
        if not callable(handler):
            raise KeyboardInterrupt
        handler(signal.SIGINT, frame)

    if threading.current_thread() is not threading.main_thread():  # may not set handlers
        yield received
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)


def _told(words: list[str]) -> int:
    """Run one command; tell in one line what a user can mend."""
    try:
        status = _run(words)
        sys.stdout.flush()
        return status
    except AgentGymError as error:
        return _fail(str(error), 2 if isinstance(error, UsageError) else 1)
    except ModuleNotFoundError as error:
        if error.name not in _TRAIN_PACKAGES:
            raise
        return _fail(str(MissingExtra(error.name, "train")), 2)
    except BrokenPipeError:  # the reader of our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = os.path.dirname(os.path.abspath(error.filename or "."))
            return _fail(f"the disk of '{where}' is full; free some space and run it again", 1)
        if error.filename is None or error.strerror is None:  # not about a file of the user's
            raise
        return _fail(f"cannot use '{error.filename}': {error.strerror.lower()}", 1)


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0 if words else 2
    verb, *rest = words
    if verb == "--version":
        from importlib.metadata import version

        print(version("agentgym-rl"))
        return 0
    if verb not in VERBS:
        raise ConfigError(f"no verb '{verb}'; {perhaps_you_meant(verb, VERBS)}")
    commands = importlib.import_module("agentgym.commands")
    try:
        return int(commands.COMMANDS[verb](rest))
    except SystemExit as leave:  # the help of a verb, or a flag that cannot be read
        return leave.code if isinstance(leave.code, int) else 0


def _fail(text: str, status: int, prefix: str = "error: ") -> int:
    print(f"agentgym: {prefix}{' '.join(text.split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
