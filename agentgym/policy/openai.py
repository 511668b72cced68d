"""A policy behind an OpenAI-compatible endpoint: text in, text out, over HTTP.

It evaluates; it cannot train, for an endpoint of this kind tells no token ids. Tool calls that
come back structured become the text that environments read, so a model writes its actions the same
way wherever it is served.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import os
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

import httpx

from agentgym.chat.template import ByteTemplate, Template
from agentgym.chat.toolcalls import render
from agentgym.errors import PolicyFault, UsageError
from agentgym.policy.base import NamedTensors, TurnContext
from agentgym.policy.usage import Usage, count
from agentgym.types import Completion, Message, SamplingParams, ToolCall

__all__ = ["OpenAIPolicy", "Usage"]

_RETRIED = frozenset({408, 409, 425, 429})
_LONGEST_WAIT_S = 60.0
_TOOL_CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)


class OpenAIPolicy:
    """Samples turns from a ``/chat/completions`` endpoint.

    Args:
        model: The model's name there.
        base_url: Up to and without ``/chat/completions``; default ``$OPENAI_BASE_URL`` or
            OpenAI's own.
        api_key: Default ``$OPENAI_API_KEY``; servers of one's own mostly need none.
        timeout_s: For one answer.
        max_retries: Further attempts after 429, a 5xx, a time-out or a broken connection.
        backoff_s: The wait before the first of them; it doubles, up to a minute.
        extra: Merged into each request's body, over what stands there.

    Attributes:
        usage: What the endpoint says that all requests together used.
    """

    needs_oracle = False

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = 120.0,
        max_retries: int = 5,
        backoff_s: float = 0.5,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        url = base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        self.name = f"openai:{model}"
        self.template: Template = ByteTemplate()
        self.context_limit: int | None = None
        self.version = 0
        self.usage = Usage()
        self._model = model
        self._url = url.rstrip("/") + "/chat/completions"
        self._key = api_key or os.environ.get("OPENAI_API_KEY")
        self._timeout_s = timeout_s
        self._max_retries = max_retries
        self._backoff_s = backoff_s
        self._extra = dict(extra or {})
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        """Ask for the next turn of the conversation in ``context``.

        Raises:
            PolicyFault: If the endpoint does not answer, or not with a chat completion.
        """
        answer = await self._post(self._body(params, context or TurnContext()))
        try:
            choice = answer["choices"][0]
            text = _text(choice["message"])
            finish = choice.get("finish_reason")
            usage = answer.get("usage") or {}
            read = int(usage.get("prompt_tokens") or 0)
            wrote = int(usage.get("completion_tokens") or 0)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise PolicyFault(f"{self._url} gave no chat completion: {_short(answer)}") from error
        count(self.usage, Usage(prompt_tokens=read, sampled_tokens=wrote))
        ids = self.template.encode(self.template.defang(text))
        if finish == "length":
            return Completion(tuple(ids), None, "length", self.version, text)
        return Completion((*ids, ByteTemplate.END), None, "stop", self.version, text)

    def _body(self, params: SamplingParams, context: TurnContext) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": _messages(context.messages),
            "max_tokens": params.max_tokens,
            "temperature": params.temperature,
        }
        if context.tools:
            body["tools"] = [dict(tool) for tool in context.tools]
        if params.seed is not None:
            body["seed"] = params.seed
        return body | self._extra

    async def _post(self, body: Mapping[str, Any]) -> Any:
        """Send one request, again after what may pass; return the decoded answer."""
        # Lone surrogates are legal in messages and not in UTF-8: json.dumps escapes them.
        content = json.dumps(body).encode("ascii")
        for attempt in range(self._max_retries + 1):
            count(self.usage, Usage(requests=1))
            wait_s = min(_LONGEST_WAIT_S, self._backoff_s * 2**attempt) * random.uniform(0.5, 1.0)
            try:
                response = await self._open().post(self._url, content=content)
            except (httpx.TransportError, httpx.InvalidURL) as error:
                failure = f"{type(error).__name__} {error}".strip()
                if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
                    break
            else:
                if response.status_code == 200:
                    return _decoded(response, self._url)
                failure = f"status {response.status_code}: {_short(response.text)}"
                if response.status_code < 500 and response.status_code not in _RETRIED:
                    break
                wait_s = max(wait_s, _retry_after_s(response.headers.get("retry-after")))
            if attempt < self._max_retries:
                count(self.usage, Usage(retries=1))
                await asyncio.sleep(wait_s)
        raise PolicyFault(f"{self._url} failed after {attempt + 1} attempts: {failure}")

    def _open(self) -> httpx.AsyncClient:
        """Return this event loop's client: connections cannot outlive their loop."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            headers = {"content-type": "application/json"}
            if self._key:
                headers["authorization"] = f"Bearer {self._key}"
            timeout = httpx.Timeout(self._timeout_s, pool=None)
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
            self._client = httpx.AsyncClient(headers=headers, timeout=timeout, limits=limits)
            self._loop = loop
        return self._client

    async def load_weights(self, named_tensors: NamedTensors, version: int) -> None:
        """Refuse: the weights are elsewhere.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"policy '{self.name}' is an endpoint: its weights cannot be changed")

    def close(self) -> None:
        """Drop the connections."""
        client, loop = self._client, self._loop
        self._client = self._loop = None
        if client is None or loop is None or loop.is_closed():
            return
        if loop.is_running():
            asyncio.run_coroutine_threadsafe(client.aclose(), loop)
        else:
            loop.run_until_complete(client.aclose())


def _messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the conversation as endpoints want it: calls structured, results tied to them.

    Where calls and results do not match one to one (a malformed call, a code fence), the turn
    stays text and its results are told by the user: endpoints refuse a dangling result.
    """
    rows: list[dict[str, Any]] = []
    ids: Iterator[str] = iter(())
    for position, message in enumerate(messages):
        if message.role == "assistant":
            row, ids = _assistant(message.content, position, _results(messages[position + 1 :]))
        elif message.role == "tool" and (call := next(ids, None)) is not None:
            row = {"role": "tool", "tool_call_id": call, "content": message.content}
        else:
            role = "user" if message.role == "tool" else message.role
            row = {"role": role, "content": message.content}
        rows.append(row)
    return rows


def _results(messages: Sequence[Message]) -> int:
    """Return how many tool results stand directly at the front."""
    return sum(1 for _ in takewhile(lambda message: message.role == "tool", messages))


def _assistant(content: str, position: int, results: int) -> tuple[dict[str, Any], Iterator[str]]:
    """Return one assistant row and the ids of its calls, of which there are ``results``."""
    calls = [_call(match.group(1)) for match in _TOOL_CALL.finditer(content)]
    if not results or len(calls) != results or None in calls:
        return {"role": "assistant", "content": content}, iter(())
    ids = [f"call_{position}_{number}" for number in range(results)]
    rows = [
        {"id": call_id, "type": "function", "function": call}
        for call_id, call in zip(ids, calls, strict=True)
    ]
    text = _TOOL_CALL.sub("", content).strip()
    return {"role": "assistant", "content": text or None, "tool_calls": rows}, iter(ids)


def _call(text: str) -> dict[str, str] | None:
    try:
        call = json.loads(text)
        return {"name": str(call["name"]), "arguments": json.dumps(call.get("arguments", {}))}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _text(message: Mapping[str, Any]) -> str:
    """Return a turn as text, structured tool calls spelled out behind what was said."""
    parts = [str(message["content"])] if message.get("content") else []
    for call in message.get("tool_calls") or ():
        parts.append(_spelled(call["function"]["name"], call["function"].get("arguments")))
    return "\n".join(parts)


def _spelled(name: str, arguments: Any) -> str:
    """Return one call as text; arguments that are no JSON stay as they are.

    That is the model's mistake, so the environment must see it and say so.
    """
    try:
        decoded = json.loads(arguments or "{}") if not isinstance(arguments, Mapping) else arguments
    except (ValueError, TypeError, RecursionError):
        decoded = None
    if isinstance(decoded, Mapping):
        return render(ToolCall(str(name), decoded))
    quoted = json.dumps(str(name))
    return f'<tool_call>\n{{"name": {quoted}, "arguments": {arguments}}}\n</tool_call>'


def _decoded(response: httpx.Response, url: str) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise PolicyFault(f"{url} gave no JSON: {_short(response.text)}") from error


def _retry_after_s(value: str | None) -> float:
    """Return the seconds that a Retry-After header asks for, in seconds or as a date."""
    if not value:
        return 0.0
    try:
        wait_s = float(value)
    except ValueError:
        try:
            wait_s = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return 0.0
    return min(max(wait_s, 0.0), _LONGEST_WAIT_S)


def _short(what: object) -> str:
    text = " ".join(str(what).split())
    return text if len(text) <= 200 else f"{text[:200]}..."
