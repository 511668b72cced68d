"""Preference pairs: read from JSON Lines, each line checked, and split by a hash of the prompt.

A line is ``{"prompt": ..., "chosen": ..., "rejected": ...}``, each a text or a list of messages.
The split depends on the prompt alone: all pairs of a prompt are on the same side, and a pair stays
on its side when others are added. Pairs with a graded preference may carry a ``margin``; ties and
rankings of more than two answers are left out.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from agentgym.errors import ConfigError
from agentgym.types import Message, Role

__all__ = ["Preference", "digest", "json_lines", "messages_of", "read_pairs", "split"]

_SHAPE = '{"prompt": ..., "chosen": ..., "rejected": ...}, each a text or a list of messages'
_KEYS = frozenset({"prompt", "chosen", "rejected", "margin"})


@dataclass(frozen=True, slots=True)
class Preference:
    """Two answers to one prompt, of which the first is preferred.

    Attributes:
        prompt: What was said before the answers.
        chosen: The preferred answer; it ends with an assistant's message.
        rejected: The other one.
        margin: By how much the rewards should differ at least; 0 where only the order is known.
        line: Of the file that it stood in.
    """

    prompt: tuple[Message, ...]
    chosen: tuple[Message, ...]
    rejected: tuple[Message, ...]
    margin: float = 0.0
    line: int = 0

    @property
    def group(self) -> str:
        """Return what names the prompt: pairs with the same one are not independent."""
        rows = [(message.role, message.content, message.name) for message in self.prompt]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def read_pairs(path: Path) -> list[Preference]:
    """Return the pairs of a file, in order.

    Raises:
        ConfigError: If it cannot be read, has no pair, or a line is not one; with its number.
    """
    pairs = [_preference(f"'{path}' line {line}", line, row) for line, row in json_lines(path)]
    if not pairs:
        raise ConfigError(f"'{path}' has no pairs; write one a line as {_SHAPE}")
    return pairs


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number and object of every line that is not blank.

    Raises:
        ConfigError: If the file cannot be read, or a line is no JSON object.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read '{path}': {error}") from error
    # Not splitlines: a text may hold other line ends than JSON Lines does.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ConfigError(f"'{path}' line {number} is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise ConfigError(f"'{path}' line {number} is no object but {type(row).__name__}")
        yield number, row


def _preference(where: str, line: int, row: dict[str, Any]) -> Preference:
    if unknown := sorted(row.keys() - _KEYS):
        raise ConfigError(f"{where} has unknown keys {unknown}; a pair is {_SHAPE}")
    if missing := sorted({"prompt", "chosen", "rejected"} - row.keys()):
        raise ConfigError(f"{where} lacks {missing}; a pair is {_SHAPE}")
    prompt = messages_of(row["prompt"], "user", f"{where}: prompt")
    chosen = messages_of(row["chosen"], "assistant", f"{where}: chosen")
    rejected = messages_of(row["rejected"], "assistant", f"{where}: rejected")
    for name, answer in (("chosen", chosen), ("rejected", rejected)):
        if answer[-1].role != "assistant":
            raise ConfigError(f"{where}: {name} ends with '{answer[-1].role}', not an assistant")
    if chosen == rejected:
        raise ConfigError(f"{where}: chosen and rejected are the same; drop the line")
    return Preference(prompt, chosen, rejected, _margin(where, row.get("margin", 0.0)), line)


def _margin(where: str, value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:
        raise ConfigError(f"{where}: margin must be a number of at least 0, not {value!r}")
    return float(value)


def messages_of(value: Any, role: Role, where: str) -> tuple[Message, ...]:
    """Return a text as one message of ``role``, or a list of messages as it is.

    Raises:
        ConfigError: If it is neither; ``where`` begins the text.
    """
    if isinstance(value, str):
        return (Message(role, value),)
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{where} must be a text or a list of messages, not {value!r:.60}")
    return tuple(_message(row, where) for row in value)


def _message(row: Any, where: str) -> Message:
    name = row.get("name") if isinstance(row, dict) else None
    if (
        not isinstance(row, dict)
        or row.get("role") not in get_args(Role)
        or not isinstance(row.get("content"), str)
        or not isinstance(name, str | None)
    ):
        raise ConfigError(
            f'{where}: a message is {{"role": one of {", ".join(get_args(Role))}, "content": '
            f"text}}, not {row!r:.60}"
        )
    return Message(row["role"], row["content"], name)


def split(pairs: Sequence[Preference], share: float) -> tuple[list[Preference], list[Preference]]:
    """Return the pairs that are trained on, and those held out.

    Args:
        pairs: All of them.
        share: Of the prompts, in [0, 1]; a prompt is held out if its hash is below it.

    Raises:
        ConfigError: If one side would be empty.
    """
    held_out = [pair for pair in pairs if int(pair.group[:8], 16) < share * 2**32]
    kept = [pair for pair in pairs if int(pair.group[:8], 16) >= share * 2**32]
    if not kept or not held_out:
        prompts = len({pair.group for pair in pairs})
        raise ConfigError(
            f"held_out={share:g} of {prompts} prompts leaves {len(kept)} pairs to train on and "
            f"{len(held_out)} to test; change held_out or give more prompts"
        )
    return kept, held_out


def digest(pairs: Sequence[Preference]) -> str:
    """Return a hash of what the pairs say, by which a run that goes on knows its data."""
    rows = [repr((pair.prompt, pair.chosen, pair.rejected, pair.margin)) for pair in pairs]
    return hashlib.sha256("\n".join(rows).encode("utf-8", "surrogatepass")).hexdigest()[:16]
