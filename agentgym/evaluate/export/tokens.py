"""Which tokens of an episode's samples each of its turns is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from agentgym.chat.template import ByteTemplate
from agentgym.types import Episode, Sample

__all__ = ["Tokens", "is_text_only", "tokens"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one turn.

    Attributes:
        sample: The number of its sample; another one begins where the history forked.
        before: Ids that the policy read since the end of the turn before, or, at the first turn
            of a sample, all that it read.
        ids: Ids that it wrote.
        logprobs: Their log-probabilities; None where one of them is no number.
        version: The weights that wrote the last of them.
    """

    sample: int
    before: tuple[int, ...]
    ids: tuple[int, ...]
    logprobs: tuple[float, ...] | None
    version: int


def is_text_only(sample: Sample) -> bool:
    """Tell samples of a policy that works on text: bytes that had no alternative.

    They stand for no model's tokens, so whoever learns from tokens must not see them.
    """
    certain = not any(sample.logprobs)
    return certain and max(sample.ids, default=0) <= ByteTemplate.END


def tokens(episode: Episode) -> tuple[Tokens | None, ...]:
    """Return the tokens of each turn; None for turns without any that a model sampled."""
    found: list[Tokens | None] = []
    silent = [is_text_only(sample) for sample in episode.samples]
    number, end = 0, 0  # where the turn before ended, and in which sample
    for turn in episode.turns:
        start = turn.prompt_tokens
        stop = start + turn.sampled_tokens
        while number < len(episode.samples) and (
            start < end or stop > len(episode.samples[number].ids)
        ):
            number, end = number + 1, 0
        if number == len(episode.samples):
            break
        sample = episode.samples[number]
        if start == stop or silent[number] or not all(sample.mask[start:stop]):
            found.append(None)
        else:
            found.append(_cut(sample, number, end, start, stop))
        end = stop
    return (*found, *[None] * (len(episode.turns) - len(found)))


def _cut(sample: Sample, number: int, end: int, start: int, stop: int) -> Tokens:
    logprobs = sample.logprobs[start:stop]
    return Tokens(
        number,
        sample.ids[end:start],
        sample.ids[start:stop],
        logprobs if all(map(math.isfinite, logprobs)) else None,
        sample.versions[stop - 1] if sample.versions else sample.version,
    )
