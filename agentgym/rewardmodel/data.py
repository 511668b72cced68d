"""What a run on preference pairs begins with: its pairs, encoded, and where its weights are."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agentgym.chat.template import ChatTemplate
from agentgym.errors import ConfigError, RunError
from agentgym.policy.pretrained import load_tokenizer, stop_ids_of
from agentgym.rewardmodel.config import PairsConfig
from agentgym.rewardmodel.encoding import EncodedPair, encode_pairs
from agentgym.rewardmodel.pairs import Preference, digest, read_pairs, split
from agentgym.train import checkpoint
from agentgym.train.folder import RunFolder, write_json

__all__ = ["Data", "Sides", "Source", "encoded", "read_sides", "source_of"]

Sides = tuple[list[Preference], list[Preference]]
"""Pairs to learn from, and pairs held out."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the weights of a run are.

    Attributes:
        base: The model that it began from.
        found: Its newest checkpoint, None at the beginning.
    """

    base: str
    found: checkpoint.Checkpoint | None

    @property
    def weights(self) -> str:
        """Return the folder or name to load from."""
        return self.base if self.found is None else str(self.found.model)


@dataclass(frozen=True, slots=True)
class Data:
    """The pairs of a run.

    Attributes:
        train: To learn from.
        held_out: To test on; no prompt is in both.
        left_out: Pairs that are longer than the context.
        tokenizer: That encoded them.
    """

    train: list[EncodedPair]
    held_out: list[EncodedPair]
    left_out: int
    tokenizer: Any

    def counts(self) -> dict[str, int]:
        """Return how many pairs there are of each kind."""
        return {
            "train": len(self.train),
            "held_out": len(self.held_out),
            "left_out": self.left_out,
        }


def source_of(config: PairsConfig, folder: RunFolder, say: Callable[[str], None]) -> Source:
    """Return where to load the weights from; the starter is made where it is asked for."""
    found = checkpoint.newest(folder.checkpoints)
    if config.model != "starter":
        return Source(config.model, found)
    from agentgym.train.starter import ensure_starter

    return Source(str(ensure_starter(progress=say)), found)


def read_sides(config: PairsConfig, folder: RunFolder) -> Sides:
    """Read the pairs, and split them into those to learn from and those held out.

    Args:
        config: Which pairs, and how they are split.
        folder: Of the run; the hash of its pairs is kept there.

    Raises:
        ConfigError: If the file or a line is not as it should be.
        RunError: If the pairs are not those that the run was begun with.
    """
    pairs = read_pairs(config.pairs)
    _settle(folder, digest(pairs))
    return split(pairs, config.held_out)


def encoded(config: PairsConfig, source: Source, sides: Sides, limit: int | None) -> Data:
    """Encode the pairs for a model.

    Args:
        config: With the longest context that is asked for.
        source: Of the tokenizer.
        sides: From `read_sides`.
        limit: Most tokens that the model reads; None is unlimited.

    Raises:
        ConfigError: If no pair of one side fits the context.
    """
    tokenizer = load_tokenizer(source.weights)
    template = ChatTemplate(tokenizer, stop_ids_of(source.weights))
    context = min(filter(None, (config.context, limit)), default=None)
    train, left = encode_pairs(template, sides[0], context)
    test, also_left = encode_pairs(template, sides[1], context)
    if not train or not test:
        raise ConfigError(
            f"within a context of {context} tokens {len(train)} pairs are left to train on and "
            f"{len(test)} to test; choose a model with a longer context, or shorter pairs"
        )
    return Data(train, test, left + also_left, tokenizer)


def _settle(folder: RunFolder, found: str) -> None:
    """Record the pairs' hash, or hold it against that of the pairs the run was begun with."""
    path = folder.file("data.json")
    begun = any(folder.checkpoints.glob("step-*"))
    if begun and path.exists() and json.loads(path.read_text())["sha256"] != found:
        raise RunError(
            f"the pairs are not those that the run in '{folder.path}' was begun with; choose "
            "another --out or give the same ones"
        )
    write_json(path, {"sha256": found})
