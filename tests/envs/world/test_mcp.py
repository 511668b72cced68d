from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from agentgym.errors import MissingExtra
from agentgym_envs.world.apps import APPS
from agentgym_envs.world.build import build
from agentgym_envs.world.database import Database
from agentgym_envs.world.episode import Run, start
from agentgym_envs.world.mcp import tool_name, world_server
from agentgym_envs.world.modifiers import Modifiers
from agentgym_envs.world.registry import Api
from agentgym_envs.world.service import Limits
from agentgym_envs.world.surface import host_apis
from agentgym_envs.world.tasks import WorldTasks

pytest.importorskip("mcp", reason="the extra 'mcp' is not installed")

import anyio
import anyio.from_thread
import anyio.to_thread
import jsonschema
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters, stdio_client

TASK = "mail_list_from_mail_1"
COMMAND = ["-m", "agentgym", "world", "mcp", "--size", "small", "--task", TASK, "--json"]
APIS = [api for app in APPS.values() for api in app.apis.values()]
T = TypeVar("T")


@pytest.fixture
def begin() -> Iterator[Callable[..., Run]]:
    """``begin(task_id=TASK, **settings)`` starts an episode in the small world."""
    db = Database(build("small"))

    def run(task_id: str = TASK, **settings: Any) -> Run:
        situation = WorldTasks("small").situation(task_id)
        assert situation is not None
        return start(db, situation, **settings)

    yield run
    db.close()


def with_client(server: Any, use: Callable[[Client], Awaitable[T]], *, mode: str = "legacy") -> T:
    """Return what ``use`` returns; the mode ``legacy`` goes over streams in memory."""

    async def connected() -> T:
        async with Client(server, mode=mode) as client:
            return await use(client)

    return anyio.run(connected)


async def play(client: Client, task_id: str = TASK) -> None:
    """Play an oracle whose every call is a call of a tool."""

    def ask(text: str) -> str:
        asked = json.loads(text)
        name = tool_name(asked["app"], asked["api"])
        reply = anyio.from_thread.run(client.call_tool, name, asked["arguments"])
        return json.dumps(reply.structured_content)

    def cells() -> None:
        situation = WorldTasks("small").situation(task_id)
        space = {"apis": host_apis(ask)}
        for cell in situation.oracle() if situation else []:
            exec(cell, space)

    await anyio.to_thread.run_sync(cells)


def called(run: Run, *calls: tuple[str, dict[str, Any]]) -> list[tuple[bool, str, Any]]:
    """Call tools; return whether each is an error, its text and its structured content."""

    async def use(client: Client) -> list[tuple[bool, str, Any]]:
        replies = [await client.call_tool(name, arguments) for name, arguments in calls]
        return [(r.is_error, r.content[0].text, r.structured_content) for r in replies]

    return with_client(world_server(run), use)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_every_api_is_a_tool_and_nothing_else_is(begin: Callable[..., Run], mode: str) -> None:
    found = with_client(world_server(begin()), lambda client: client.list_tools(), mode=mode)
    assert [tool.name for tool in found.tools] == [tool_name(a.app, a.name) for a in APIS]
    assert all(re.fullmatch("[a-z0-9_]{1,64}", tool.name) for tool in found.tools)
    assert len({tool.name for tool in found.tools}) == len(APIS) > 130


def test_tools_have_the_schemas_of_their_apis(begin: Callable[..., Run]) -> None:
    found = with_client(world_server(begin()), lambda client: client.list_tools())
    for api, tool in zip(APIS, found.tools, strict=True):
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)
        assert list(tool.input_schema["properties"]) == [row["name"] for row in api.parameters]
        assert tool.input_schema["additionalProperties"] is False
        assert ("access_token" in tool.input_schema.get("required", [])) == api.login
        assert tool.description.startswith(api.description)


def test_schema_of_an_api_accepts_what_the_api_does() -> None:
    schema = APPS["notes"].apis["create_note"].schema
    right = {"title": "a", "tags": ["b"], "access_token": "c"}
    jsonschema.validate(right, schema)
    for wrong in ({**right, "title": ""}, {**right, "colour": 1}, {"title": "a"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_hints_tell_reads_from_writes(begin: Callable[..., Run]) -> None:
    found = with_client(world_server(begin()), lambda client: client.list_tools())
    reads = {tool.name: tool.annotations.read_only_hint for tool in found.tools}
    assert reads["supervisor__show_profile"] is True
    assert reads["notes__create_note"] is False
    assert reads["supervisor__complete_task"] is False


@pytest.mark.parametrize("task_id", [TASK, "mail_list_from_mail_2", "pay_approve_request_1"])
def test_oracle_solves_a_task_by_calls_of_tools(begin: Callable[..., Run], task_id: str) -> None:
    run = begin(task_id)
    with_client(world_server(run), lambda client: play(client, task_id))
    assert run.verdict().score == 1.0


def test_result_is_structured_and_text(begin: Callable[..., Run]) -> None:
    ((error, text, structured),) = called(begin(), ("supervisor__show_current_date_and_time", {}))
    assert not error
    assert structured["result"] == json.loads(text)
    assert list(structured["result"]) == ["datetime"]


@pytest.mark.parametrize(
    ("name", "arguments", "status", "words"),
    [
        ("notes__create_note", {"title": "a"}, 401, "your access token is missing, invalid or"),
        ("pay__show_balance", {"access_token": "x"}, 401, "not authorized to access this pay API"),
        ("mail__login", {"username": "a", "password": "b"}, 401, "Invalid credentials"),
        ("mail__login", {"username": "a"}, 422, "Validation error. Reason: \npassword:"),
        ("mail__login", {"username": "a\0", "password": "b"}, 422, "forbidden characters"),
        ("mail__read_minds", {}, 422, "No API of the mail app named 'read_minds' found."),
        ("bank__show", {}, 422, "No app named 'bank' found."),
        ("", {}, 422, "No app named '' found."),
    ],
)
def test_refusal_is_an_error_in_appworlds_words(
    begin: Callable[..., Run], name: str, arguments: dict[str, Any], status: int, words: str
) -> None:
    ((error, text, structured),) = called(begin(), (name, arguments))
    assert error
    assert words in structured["message"]
    message = json.dumps({"message": structured["message"]})
    assert text == f"Response status code is {status}:\n{message}"
    assert structured["status"] == status


def test_nothing_can_be_called_once_the_task_is_complete(begin: Callable[..., Run]) -> None:
    run = begin()
    done, late = called(run, ("supervisor__complete_task", {}), ("supervisor__show_profile", {}))
    assert done[2] == {"result": {"message": "Marked the active task complete."}}
    assert late[2] == {"status": 409, "message": "The task has been completed already."}


def test_calls_of_an_episode_are_limited_and_those_of_a_cell_are_not(
    begin: Callable[..., Run],
) -> None:
    run = begin(limits=Limits(calls_per_cell=1, calls=3))
    replies = called(run, *[("supervisor__show_profile", {})] * 4)
    assert [error for error, _, _ in replies] == [False, False, False, True]
    assert replies[3][2]["status"] == 429


def test_tools_are_the_same_whatever_the_task(begin: Callable[..., Run]) -> None:
    def listed(task_id: str) -> str:
        server = world_server(begin(task_id))
        return with_client(server, lambda client: client.list_tools()).model_dump_json()

    assert listed(TASK) == listed("pay_approve_request_2")


def test_server_says_whose_task_it_is_and_has_no_resource_or_prompt(
    begin: Callable[..., Run],
) -> None:
    run = begin()

    async def use(client: Client) -> tuple[str, Any]:
        for ask in (client.list_resources, client.list_resource_templates, client.list_prompts):
            with pytest.raises(MCPError, match="Method not found"):
                await ask()
        for uri in ("file:///etc/hostname", "world://expected"):
            with pytest.raises(MCPError, match="Method not found"):
                await client.read_resource(uri)
        return client.instructions, client.server_capabilities

    instructions, capabilities = with_client(world_server(run), use)
    assert run.service.instruction in instructions
    assert run.service.person["email"] in instructions
    offered = capabilities.model_dump(exclude_none=True)
    assert list(offered) == ["tools"]


def test_missing_api_is_no_tool(begin: Callable[..., Run]) -> None:
    run = begin(modifiers=Modifiers(missing_api="pay.show_balance"))
    found = with_client(world_server(run), lambda client: client.list_tools())
    assert "pay__show_balance" not in {tool.name for tool in found.tools}
    ((error, _, structured),) = called(run, ("pay__show_balance", {}))
    assert error
    assert structured["status"] == 404


def test_bug_of_an_api_is_kept_in_the_host(
    begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(ctx: Any) -> None:
        """Break."""
        raise KeyError("expected rows")

    monkeypatch.setitem(
        APPS["supervisor"].apis, "show_profile", Api("supervisor", broken, False, False)
    )
    run = begin()
    ((error, text, structured),) = called(run, ("supervisor__show_profile", {}))
    assert error
    assert structured == {"status": 500, "message": "Internal server error."}
    assert "expected rows" not in text
    assert repr(run.service.fault) == "KeyError('expected rows')"


def test_missing_package_names_its_extra(
    begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server.lowlevel", None)
    with pytest.raises(MissingExtra, match=r"pip install 'agentgym-rl\[mcp\]'"):
        world_server(begin())


def test_process_serves_a_task_and_judges_it_when_the_client_has_gone(tmp_path: Path) -> None:
    async def use(client: Client) -> int:
        found = await client.list_tools()
        await play(client)
        return len(found.tools)

    said = tmp_path / "stderr"
    with said.open("w") as errors:
        parameters = StdioServerParameters(command=sys.executable, args=COMMAND)
        assert with_client(stdio_client(parameters, errlog=errors), use) == len(APIS)
    verdict = json.loads(said.read_text())
    assert (verdict["task_id"], verdict["score"]) == (TASK, 1.0)


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    """A server that has been sent its first message."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, *COMMAND], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as served:
        assert served.stdin is not None
        served.stdin.write(f"{json.dumps(INITIALIZE)}\n")
        served.stdin.flush()
        yield served
        served.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_judges_when_it_is_ended_by_a_signal(
    process: subprocess.Popen[str], number: signal.Signals
) -> None:
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["result"]["serverInfo"]["name"] == "agentgym-world"
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert json.loads(errors)["score"] == 0.0
    assert process.returncode == 0


def test_process_judges_when_nobody_reads_its_answers(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(timeout=30)
    assert json.loads(errors)["score"] == 0.0


def test_process_survives_what_is_no_message(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    call = {"name": "supervisor__show_profile", "arguments": {}}
    for line in (
        "garbage",
        "[1]",
        json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}),
    ):
        process.stdin.write(f"{line}\n")
    process.stdin.flush()
    replies = map(json.loads, process.stdout)
    reply = next(reply for reply in replies if reply.get("id") == 2)
    assert reply["result"]["structuredContent"]["result"]["email"]
    said, errors = process.communicate(timeout=30)
    assert (said, json.loads(errors)["score"]) == ("", 0.0)
