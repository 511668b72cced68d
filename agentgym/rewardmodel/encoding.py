"""Preference pairs as token ids, and the padded batches of them that a step reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentgym.chat.template import Template
from agentgym.rewardmodel.pairs import Preference
from agentgym.rollout.transcript import Transcript
from agentgym.types import Completion, Message, Sample

__all__ = ["EncodedPair", "chunks", "encode", "encode_pairs"]


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """A pair as samples, whose mask is 1 on what the answers say.

    Attributes:
        chosen: The preferred answer behind its prompt.
        rejected: The other one.
        pair: What they were made of.
    """

    chosen: Sample
    rejected: Sample
    pair: Preference

    @property
    def longest(self) -> int:
        """Return the tokens of the longer sequence."""
        return max(len(self.chosen.ids), len(self.rejected.ids))


def encode(template: Template, prompt: Sequence[Message], answer: Sequence[Message]) -> Sample:
    """Return a conversation whose mask is 1 on the assistant's part of the answer.

    Control tokens within a text are broken up: no answer can end its turn and praise itself in
    another one's name.

    Args:
        template: Of the model that reads it.
        prompt: Came before; what an assistant says there is context.
        answer: Ends with an assistant's message, whose stop token is the last id.
    """
    transcript = Transcript(template)
    transcript.observe(prompt)
    heard: list[Message] = []
    for message in answer:
        if message.role != "assistant":
            heard.append(message)
            continue
        if heard:
            transcript.observe(heard)
            heard = []
        ids = (*template.encode(template.defang(message.content)), template.stop_ids[0])
        transcript.act(Completion(ids, (0.0,) * len(ids), "stop"))
    return transcript.samples()[-1]


def encode_pairs(
    template: Template, pairs: Sequence[Preference], context: int | None
) -> tuple[list[EncodedPair], int]:
    """Return the pairs that fit into the context, and how many do not."""
    encoded = [
        EncodedPair(
            encode(template, pair.prompt, pair.chosen),
            encode(template, pair.prompt, pair.rejected),
            pair,
        )
        for pair in pairs
    ]
    fitting = [item for item in encoded if context is None or item.longest <= context]
    return fitting, len(encoded) - len(fitting)


def chunks(items: Sequence[EncodedPair], tokens: int) -> Iterator[list[EncodedPair]]:
    """Yield neighbours in length, of at most ``tokens`` padded places, both answers counted.

    A pair that is longer alone gets a chunk of its own.
    """
    chosen: list[EncodedPair] = []
    for item in sorted(items, key=lambda item: item.longest):
        if chosen and 2 * (len(chosen) + 1) * item.longest > tokens:
            yield chosen
            chosen = []
        chosen.append(item)
    if chosen:
        yield chosen
