"""Messages to token ids, by the tokenizer's own chat template.

A `Template` renders a conversation as text and turns text into ids and back. The transcript asks
it only for what was added since the last turn, so a recorded id is never made again.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from agentgym.errors import ChatTemplateError
from agentgym.types import Message

__all__ = ["ByteTemplate", "ChatTemplate", "Template", "conversation"]


class Template(Protocol):
    """Renders messages as text, text as ids."""

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """The ids that end a turn; the first is the one that the template writes."""
        ...

    def render(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], generate: bool
    ) -> str:
        """Return the conversation as text, with the opening of the next turn if ``generate``."""
        ...

    def encode(self, text: str) -> list[int]:
        """Return the ids of rendered text, special tokens recognised, none added."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, special tokens spelled out."""
        ...

    def defang(self, text: str) -> str:
        """Return the text with every spelling of a control token broken up."""
        ...


def conversation(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return messages as the dictionaries that chat templates and endpoints expect."""
    return [
        {"role": message.role, "content": message.content}
        | ({"name": message.name} if message.name else {})
        for message in messages
    ]


class ChatTemplate:
    """The chat template of a Hugging Face tokenizer.

    Args:
        tokenizer: A ``PreTrainedTokenizerBase`` with a chat template.
        stop_ids: Further ids that end a turn (from a generation config).

    Raises:
        ChatTemplateError: If there is no template, or it does not carry a conversation.
    """

    def __init__(self, tokenizer: Any, stop_ids: Sequence[int] = ()) -> None:
        name = getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__
        if not getattr(tokenizer, "chat_template", None):
            raise ChatTemplateError(
                f"the tokenizer of '{name}' has no chat template; use an instruction-tuned model, "
                "or set tokenizer.chat_template and save it with the model"
            )
        # A copy of our own: tokenizers are not safe to share between threads.
        self.tokenizer = copy.deepcopy(tokenizer)
        self._backend = _backend(self.tokenizer)
        eos = tokenizer.eos_token_id
        self.stop_ids = tuple(dict.fromkeys([*([] if eos is None else [eos]), *stop_ids]))
        if not self.stop_ids:
            raise ChatTemplateError(
                f"the tokenizer of '{name}' names no end-of-turn token; set tokenizer.eos_token"
            )
        self._control = [token for token in tokenizer.all_special_tokens if len(token) > 1]
        self._check(name)

    def _check(self, name: str) -> None:
        probe = Message("user", "marker-7319")
        try:
            text = self.render([probe], [], generate=True)
        except Exception as error:
            raise ChatTemplateError(f"the chat template of '{name}' fails: {error}") from error
        if probe.content not in text:
            raise ChatTemplateError(
                f"the chat template of '{name}' leaves out what the user says; use another model"
            )

    def render(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], generate: bool
    ) -> str:
        """Return the conversation as the tokenizer's chat template writes it."""
        text = self.tokenizer.apply_chat_template(
            conversation(messages),
            tools=list(tools) or None,
            tokenize=False,
            add_generation_prompt=generate,
        )
        return str(text)

    def encode(self, text: str) -> list[int]:
        """Return the ids of rendered text, special tokens recognised, none added."""
        if self._backend is not None:
            return list(self._backend.encode(text, add_special_tokens=False).ids)
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, special tokens spelled out."""
        if self._backend is not None:
            return str(self._backend.decode(list(ids), skip_special_tokens=False))
        return str(
            self.tokenizer.decode(
                list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
        )

    def defang(self, text: str) -> str:
        """Break up control tokens, so that no tool output can end a turn or open another."""
        for token in self._control:
            if token in text:
                text = text.replace(token, f"{token[0]} {token[1:]}")
        return text


def _backend(tokenizer: Any) -> Any:
    """Return what does a fast tokenizer's work, None where the tokenizer adds something of its own.

    It is asked itself: the tokenizer's own methods cost twice as much, and give every text to a
    pool of threads.
    """
    from transformers import PreTrainedTokenizerFast

    methods = ("encode", "_encode_plus", "decode", "_decode")
    kind = type(tokenizer)
    if not isinstance(tokenizer, PreTrainedTokenizerFast) or any(
        getattr(kind, name) is not getattr(PreTrainedTokenizerFast, name) for name in methods
    ):
        return None
    backend: Any = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = tokenizer.split_special_tokens
    return backend


class ByteTemplate:
    """A template without a tokenizer: UTF-8 bytes, for policies that work on text.

    Ids 0-255 are bytes, 256 opens a message, 257 ends one.
    """

    START, END = 256, 257
    MARKS = ("\ue000", "\ue001")  # private use: how the two control ids stand in text

    def __init__(self) -> None:
        self.stop_ids = (self.END,)

    def render(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], generate: bool
    ) -> str:
        """Return start, role, a line break, content, end for each message; tools are not shown."""
        start, end = self.MARKS
        opening = f"{start}assistant\n" if generate else ""
        return "".join(f"{start}{m.role}\n{m.content}{end}" for m in messages) + opening

    def encode(self, text: str) -> list[int]:
        """Return bytes, with the two marks as their own ids."""
        ids: list[int] = []
        for part in _MARK.split(text):
            if part in self.MARKS:
                ids.append(self.START + self.MARKS.index(part))
            else:
                ids.extend(part.encode("utf-8", "surrogatepass"))
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; bytes that are no UTF-8 become U+FFFD."""
        parts: list[str] = []
        begin = 0
        for at in [n for n, token in enumerate(ids) if token >= self.START]:
            parts += (_text(ids[begin:at]), self.MARKS[ids[at] - self.START])
            begin = at + 1
        return "".join([*parts, _text(ids[begin:])])

    def defang(self, text: str) -> str:
        """Replace the two marks."""
        for mark in self.MARKS:
            text = text.replace(mark, "\ufffd")
        return text


_MARK = re.compile(f"([{''.join(ByteTemplate.MARKS)}])")


def _text(codes: Sequence[int]) -> str:
    return bytes(codes).decode("utf-8", "replace")
