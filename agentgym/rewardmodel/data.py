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
from agentgym.rewardmodel.pairs import digest, read_pairs, split
from agentgym.train import checkpoint
from agentgym.train.folder import RunFolder, write_json

__all__ = ["Data", "Source", "read_data", "source_of"]


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
        template: Its chat template.
    """

    train: list[EncodedPair]
    held_out: list[EncodedPair]
    left_out: int
    tokenizer: Any
    template: ChatTemplate

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


def read_data(config: PairsConfig, folder: RunFolder, source: Source, limit: int | None) -> Data:
    """Read, split and encode the pairs.

    Args:
        config: Which pairs, and how they are split.
        folder: Of the run; the hash of its pairs is kept there.
        source: Of the tokenizer.
        limit: Most tokens that the model reads; None is unlimited.

    Raises:
        ConfigError: If the file or a line is not as it should be, or no pair fits the context.
        RunError: If the pairs are not those that the run was begun with.
    """
    pairs = read_pairs(config.pairs)
    _settle(folder, digest(pairs))
    kept, held_out = split(pairs, config.held_out)
    tokenizer = load_tokenizer(source.weights)
    template = ChatTemplate(tokenizer, stop_ids_of(source.weights))
    context = min(filter(None, (config.context, limit)), default=None)
    train, left = encode_pairs(template, kept, context)
    test, also_left = encode_pairs(template, held_out, context)
    if not train or not test:
        raise ConfigError(
            f"within a context of {context} tokens {len(train)} pairs are left to train on and "
            f"{len(test)} to test; choose a model with a longer context, or shorter pairs"
        )
    return Data(train, test, left + also_left, tokenizer, template)


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
