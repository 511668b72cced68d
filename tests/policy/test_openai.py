from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from agentgym.chat.template import ByteTemplate
from agentgym.errors import PolicyFault, UsageError
from agentgym.policy.base import Policy, TurnContext
from agentgym.policy.openai import OpenAIPolicy
from agentgym.types import Completion, Message, SamplingParams, ToolCall

ASK = TurnContext((Message("system", "Be brief."), Message("user", "1+1?")))
Answer = tuple[int, dict[str, str], bytes]


def said(content: str | None = "2", finish: str = "stop", **message: Any) -> Answer:
    body = {
        "choices": [{"message": {"content": content, **message}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }
    return 200, {}, json.dumps(body).encode()


class Endpoint:
    """A real HTTP server that gives prepared answers; a None hangs until the server closes."""

    def __init__(self, answers: list[Answer | None]) -> None:
        self.answers = answers
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.closing = threading.Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                endpoint.bodies.append({"path": self.path, **json.loads(body)})
                endpoint.headers.append(dict(self.headers.items()))
                number = min(len(endpoint.bodies), len(endpoint.answers)) - 1
                answer = endpoint.answers[number]
                if answer is None:
                    endpoint.closing.wait(30)
                    return
                status, headers, content = answer
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@contextmanager
def serving(*answers: Answer | None) -> Iterator[Endpoint]:
    endpoint = Endpoint(list(answers))
    thread = threading.Thread(target=endpoint.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.closing.set()
        endpoint.server.shutdown()
        endpoint.server.server_close()
        thread.join()


def ask(
    endpoint: Endpoint,
    context: TurnContext = ASK,
    params: SamplingParams | None = None,
    **options: Any,
) -> tuple[Completion, OpenAIPolicy]:
    policy = OpenAIPolicy("tiny", endpoint.url, **{"backoff_s": 0.001, **options})

    async def go() -> Completion:
        try:
            return await policy.sample([], params or SamplingParams(), context)
        finally:
            policy.close()
            await asyncio.sleep(0)

    return asyncio.run(go()), policy


def test_openai_sends_the_conversation_and_the_settings() -> None:
    tool = {"type": "function", "function": {"name": "add"}}
    context = TurnContext(ASK.messages, (tool,))
    with serving(said()) as endpoint:
        ask(endpoint, context, SamplingParams(max_tokens=9, temperature=0.5, seed=4))
    assert endpoint.bodies == [
        {
            "path": "/v1/chat/completions",
            "model": "tiny",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "1+1?"},
            ],
            "max_tokens": 9,
            "temperature": 0.5,
            "seed": 4,
            "tools": [tool],
        }
    ]


def test_openai_gives_text_and_no_logprobs() -> None:
    with serving(said("zwei")) as endpoint:
        completion, policy = ask(endpoint)
    assert completion.text == "zwei"
    assert completion.logprobs is None
    assert completion.ids == (*b"zwei", ByteTemplate.END)
    assert (policy.usage.prompt_tokens, policy.usage.sampled_tokens) == (7, 3)
    assert isinstance(policy, Policy)


def test_openai_reports_the_token_limit() -> None:
    with serving(said("zw", "length")) as endpoint:
        completion, _ = ask(endpoint)
    assert (completion.finish_reason, completion.ids) == ("length", tuple(b"zw"))


def test_openai_sends_the_key_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k-1")
    with serving(said()) as endpoint:
        ask(endpoint)
    assert endpoint.headers[0]["authorization"] == "Bearer k-1"


def test_openai_sends_no_key_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving(said()) as endpoint:
        ask(endpoint)
    assert "authorization" not in {name.lower() for name in endpoint.headers[0]}


def test_openai_spells_tool_calls_out_as_text() -> None:
    calls = [{"id": "x", "function": {"name": "add", "arguments": '{"a": 1}'}}]
    with serving(said("Let me see.", tool_calls=calls)) as endpoint:
        completion, _ = ask(endpoint)
    from agentgym.chat.toolcalls import render

    assert completion.text == "Let me see.\n" + render(ToolCall("add", {"a": 1}))


def test_openai_passes_malformed_arguments_on_for_the_environment_to_refuse() -> None:
    calls = [{"id": "x", "function": {"name": "add", "arguments": '{"a": '}}]
    with serving(said(None, tool_calls=calls)) as endpoint:
        completion, _ = ask(endpoint)
    expected = '<tool_call>\n{"name": "add", "arguments": {"a": }\n</tool_call>'
    assert completion.text == expected


def test_openai_sends_earlier_calls_structured_and_their_results_tied_to_them() -> None:
    from agentgym.chat.toolcalls import render

    context = TurnContext(
        (
            Message("user", "1+1?"),
            Message("assistant", "So: " + render(ToolCall("add", {"a": 1, "b": 1}))),
            Message("tool", "2", "add"),
        )
    )
    with serving(said()) as endpoint:
        ask(endpoint, context)
    _, assistant, tool = endpoint.bodies[0]["messages"]
    call = assistant["tool_calls"][0]
    assert assistant["content"] == "So:"
    assert call["function"]["name"] == "add"
    assert json.loads(call["function"]["arguments"]) == {"a": 1, "b": 1}
    assert tool == {"role": "tool", "tool_call_id": call["id"], "content": "2"}


def test_openai_tells_results_without_a_call_as_the_user() -> None:
    history = (
        Message("assistant", "<tool_call>{broken</tool_call>"),
        Message("tool", "error: that is no JSON"),
    )
    with serving(said()) as endpoint:
        ask(endpoint, TurnContext(history))
    assert endpoint.bodies[0]["messages"] == [
        {"role": "assistant", "content": "<tool_call>{broken</tool_call>"},
        {"role": "user", "content": "error: that is no JSON"},
    ]


def test_openai_survives_lone_surrogates() -> None:
    with serving(said()) as endpoint:
        completion, _ = ask(endpoint, TurnContext((Message("user", "a\ud800b"),)))
    assert completion.text == "2"
    assert endpoint.bodies[0]["messages"][0]["content"] == "a\ud800b"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_openai_asks_again_after_what_may_pass(status: int) -> None:
    with serving((status, {}, b"later"), said()) as endpoint:
        completion, policy = ask(endpoint)
    assert completion.text == "2"
    assert (policy.usage.requests, policy.usage.retries) == (2, 1)


def test_openai_waits_as_long_as_it_is_told() -> None:
    import time

    with serving((429, {"retry-after": "0.3"}, b"later"), said()) as endpoint:
        start = time.perf_counter()
        ask(endpoint)
    assert time.perf_counter() - start >= 0.3


def test_openai_asks_again_after_a_time_out() -> None:
    with serving(None, said()) as endpoint:
        completion, _ = ask(endpoint, timeout_s=0.3)
    assert completion.text == "2"


def test_openai_gives_up_within_its_budget() -> None:
    with (
        serving((500, {}, b"broken pipe in rack 7")) as endpoint,
        pytest.raises(PolicyFault, match=r"after 3 attempts: status 500: broken pipe in rack 7"),
    ):
        ask(endpoint, max_retries=2)
    assert len(endpoint.bodies) == 3


def test_openai_does_not_repeat_what_will_not_pass() -> None:
    with (
        serving((401, {}, b"no such key")) as endpoint,
        pytest.raises(PolicyFault, match="status 401: no such key"),
    ):
        ask(endpoint)
    assert len(endpoint.bodies) == 1


@pytest.mark.parametrize("content", [b"<html>", b"{}", b'{"choices": []}', b"[]", b"null"])
def test_openai_names_an_answer_that_is_none(content: bytes) -> None:
    with (
        serving((200, {}, content)) as endpoint,
        pytest.raises(PolicyFault, match="gave no"),
    ):
        ask(endpoint)


def test_openai_names_an_endpoint_that_is_not_there() -> None:
    with serving(said()) as endpoint:
        pass  # closed again: nothing listens at its address
    with pytest.raises(PolicyFault, match="ConnectError"):
        ask(endpoint, max_retries=1)


def test_openai_works_in_one_event_loop_after_another() -> None:
    with serving(said()) as endpoint:
        policy = OpenAIPolicy("tiny", endpoint.url)
        run: Callable[[], Completion] = lambda: asyncio.run(  # noqa: E731
            policy.sample([], SamplingParams(), ASK)
        )
        assert [run().text, run().text] == ["2", "2"]
        policy.close()
        policy.close()


def test_openai_refuses_weights() -> None:
    with pytest.raises(UsageError, match="is an endpoint"):
        asyncio.run(OpenAIPolicy("tiny", "http://127.0.0.1:1").load_weights([], 1))
