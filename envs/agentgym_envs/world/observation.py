"""What the agent reads of a cell that was run."""

from __future__ import annotations

from dataclasses import replace

from agentgym_envs.python import interpreter
from agentgym_sandbox import ExecResult

__all__ = ["ENDED", "describe"]

_FAILED = "Execution failed. Traceback:"
_LOST = "the session was restarted; its variables are lost"
ENDED = f"{_FAILED}\n{interpreter.ENDED}; {_LOST}"


def describe(result: ExecResult, timeout_s: float) -> str:
    """Return what was printed, and what went wrong, if anything.

    Args:
        result: What the cell came to.
        timeout_s: The limit that it ran under.
    """
    printed = f"{result.stdout}{result.stderr}".rstrip("\n")
    if result.status == "ok" and result.session_alive:
        return printed if printed.strip() else "Execution successful."
    if result.status == "error":
        failure = _shortened(result.exception or "the code failed")
    else:
        failure = interpreter.describe(replace(result, stdout="", stderr=""), timeout_s)
    return f"{printed}\n{_FAILED}\n{failure}".lstrip("\n")


def _shortened(traceback: str) -> str:
    """Return the place in the agent's own code and the exception; frames of ours are no help."""
    lines = traceback.rstrip().splitlines()
    own = interpreter.last_lines(traceback)
    place = max((n for n, line in enumerate(lines) if line.startswith('  File "<cell')), default=-1)
    if place < 0:
        return own
    shown = [lines[place]]
    for line in lines[place + 1 :]:
        if not line.startswith("    "):
            break
        shown.append(line)
    return "\n".join([*shown, own])
