"""The token-exact record of one conversation.

The ids that were sampled are the record. A transcript only ever appends: sampled ids with their
behaviour log-probabilities (mask 1), and the ids of what the environment said (mask 0), rendered
as the text that the chat template adds. Where the template would show the policy a different past
(stripped thinking), the transcript forks into a new sample instead of lying about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import TemplateError

from agentgym.chat.template import Template
from agentgym.errors import ChatTemplateError
from agentgym.types import Completion, Message, Sample

__all__ = ["Transcript"]

_SENTINEL = "sentinel-58201"


@dataclass(slots=True)
class _Growing:
    ids: list[int] = field(default_factory=list)
    mask: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    version: int = 0

    def told(self, ids: Sequence[int]) -> None:
        self.ids.extend(ids)
        self.mask.extend([0] * len(ids))
        self.logprobs.extend([0.0] * len(ids))
        self.versions.extend([-1] * len(ids))

    def sampled(self, completion: Completion) -> None:
        count = len(completion.ids)
        self.ids.extend(completion.ids)
        self.mask.extend([1] * count)
        self.logprobs.extend(completion.logprobs or [0.0] * count)
        self.versions.extend(completion.versions or [completion.version] * count)
        self.version = completion.version

    def freeze(self) -> Sample:
        return Sample(
            tuple(self.ids),
            tuple(self.mask),
            tuple(self.logprobs),
            self.version,
            versions=tuple(self.versions),
        )


class Transcript:
    """The growing record of one episode.

    Args:
        template: Of the policy that samples.
        tools: JSON schemas that the template may show.
    """

    def __init__(self, template: Template, tools: Sequence[Mapping[str, Any]] = ()) -> None:
        self.template = template
        self.tools = tuple(tools)
        self.messages: list[Message] = []
        self._text = ""  # what the policy has seen and said, as text
        self._current = _Growing()
        self._closed: list[Sample] = []

    @property
    def prompt_ids(self) -> list[int]:
        """All ids that the next turn is conditioned on; not a copy."""
        return self._current.ids

    def observe(self, messages: Iterable[Message]) -> None:
        """Append what the environment said and open the next turn (mask 0)."""
        added = [
            Message(message.role, self.template.defang(message.content), message.name)
            for message in messages
        ]
        before, self.messages = self.messages, [*self.messages, *added]
        rendered = self._render(self.messages)
        if not before:
            self._append_text(rendered)
        elif rendered.startswith(self._text):
            self._append_text(rendered[len(self._text) :])
        elif _squash(rendered).startswith(_squash(self._text)):
            self._append_text(self._delta(before, added))
        else:
            self._fork(rendered)

    def act(self, completion: Completion) -> str:
        """Append what the policy sampled (mask 1); return it as the action's text."""
        self._current.sampled(completion)
        ids = list(completion.ids)
        text = self.template.decode(ids)
        self._text += text
        if completion.text is not None:
            text = completion.text
        elif ids and ids[-1] in self.template.stop_ids:
            text = self.template.decode(ids[:-1])
        self.messages.append(Message("assistant", text))
        return text

    def samples(self) -> tuple[Sample, ...]:
        """Return the record so far: one sample, or more where the history forked."""
        last = self._current.freeze()
        return (*self._closed, *([last] if any(last.mask) else []))

    def _render(self, messages: Sequence[Message]) -> str:
        try:
            return self.template.render(messages, self.tools, generate=True)
        except TemplateError as error:  # some refuse a role, or two turns of the same one
            roles = ", ".join(message.role for message in messages)
            raise ChatTemplateError(
                f"the model's chat template refuses a conversation of {roles} ({error}); use a "
                "model whose template takes it, or an environment with other roles"
            ) from error

    def _append_text(self, text: str) -> None:
        self._text += text
        self._current.told(self.template.encode(text))

    def _delta(self, before: Sequence[Message], added: Sequence[Message]) -> str:
        """Return what follows the last assistant's content, less a stop token already sampled.

        Used where the template trims or pads what the assistant said: the sampled ids stay, only
        what comes after them is taken from the template.
        """
        probe = [*before[:-1], Message("assistant", _SENTINEL), *added]
        suffix = self._render(probe).rpartition(_SENTINEL)[2]
        for stop in (self.template.decode([token]) for token in self.template.stop_ids):
            if suffix.startswith(stop) and self._text.endswith(stop):
                return suffix[len(stop) :]
        return suffix

    def _fork(self, rendered: str) -> None:
        if any(self._current.mask):
            self._closed.append(self._current.freeze())
        self._current = _Growing()
        self._text = ""
        self._append_text(rendered)


def _squash(text: str) -> str:
    """Return the text without white space, which templates add and trim freely."""
    return "".join(text.split())
