"""The real AppWorld engine beside ours: like episodes a second of one process each.

An episode is a reset, three cells (a look at the documentation, a login, the completion) with eight
calls of APIs, and the evaluation. The engine is AppWorld's own environment server in one warm
process, without a sandbox, asked over HTTP; ours runs its cells in sandbox sessions. The engine
holds one world at a time; ours plays one episode after the other and, as in a rollout, several at
once.
"""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from report import Figure

from agentgym.errors import ConfigError
from agentgym_envs.appworld.env import AppWorld
from agentgym_envs.appworld.installation import Installation, find
from agentgym_envs.world.cells import CellEnv
from agentgym_envs.world.env import ApiWorld

ROUNDS, OURS, THEIRS = 4, 80, 5  # episodes of a round
IN_FLIGHT, SHARE = 4, 20  # of ours at once, and how many each plays without waiting for the others
START_S = 120.0
CELLS = (
    """
apps = apis.api_docs.show_app_descriptions()
listed = apis.api_docs.show_api_descriptions(app_name="{app}")
doc = apis.api_docs.show_api_doc(app_name="{app}", api_name="login")
print(len(apps), len(listed), len(doc))
""",
    """
passwords = {{p["account_name"]: p["password"] for p in apis.supervisor.show_account_passwords()}}
email = apis.supervisor.show_profile()["email"]
token = apis.{app}.login(username=email, password=passwords["{app}"])["access_token"]
print(apis.{app}.show_account(access_token=token))
""",
    "apis.supervisor.complete_task()",
)


def comparison() -> dict[str, Figure]:
    """Return the rates and their ratio; nothing where AppWorld is not installed."""
    try:
        installation = find()
    except ConfigError:
        return {}
    client, *several = AppWorld(), *(ApiWorld() for _ in range(1 + IN_FLIGHT))
    env, *others = several
    with served(installation) as http, ThreadPoolExecutor(IN_FLIGHT) as pool:
        ours, at_once, theirs, through = rates(
            (episodes_of(env, "notes"), OURS),
            (together(pool, [episodes_of(other, "notes") for other in others]), 1),
            (episodes_of_engine(http, installation), THEIRS),
            (episodes_of(client, "simple_note"), THEIRS),
        )
    for each in (client, *several):
        each.close()
    return {
        "like episodes, AppWorld's engine": Figure(theirs, "/s"),
        "like episodes, AppWorld-v0": Figure(through, "/s", None, theirs),
        "like episodes, ours": Figure(ours, "/s", None, theirs),
        "like episodes, ours to the engine's": Figure(ours / theirs, "times"),
        f"the same, {IN_FLIGHT} of ours in flight": Figure.at_least(
            IN_FLIGHT * SHARE * at_once / theirs, 50, "times"
        ),
    }


def rates(*players: tuple[Iterator[Callable[[], None]], int]) -> list[float]:
    """Return the episodes a second of each, warm and in turns, so that all see the same load."""
    for episodes, _ in players:
        next(episodes)()
    seconds = [0.0] * len(players)
    for _ in range(ROUNDS):
        for place, (episodes, count) in enumerate(players):
            start_s = time.perf_counter()
            for episode in itertools.islice(episodes, count):
                episode()
            seconds[place] += time.perf_counter() - start_s
    return [ROUNDS * count / taken for (_, count), taken in zip(players, seconds, strict=True)]


def together(
    pool: ThreadPoolExecutor, players: list[Iterator[Callable[[], None]]]
) -> Iterator[Callable[[], None]]:
    """Play `SHARE` episodes of each, all players at the same time."""

    def play(episodes: Iterator[Callable[[], None]]) -> None:
        for episode in itertools.islice(episodes, SHARE):
            episode()

    while True:
        yield lambda: list(pool.map(play, players))


def episodes_of(env: CellEnv, app: str) -> Iterator[Callable[[], None]]:
    cells = [f"```python\n{cell.format(app=app).strip()}\n```" for cell in CELLS]

    def episode(task_id: str) -> None:
        env.reset(seed=0, options={"task_id": task_id})
        for cell in cells:
            observation, _, ended, _, _ = env.step(cell)
            assert "Execution failed" not in observation, observation
        assert ended

    for task_id in itertools.cycle(env.tasks.ids("train")):
        yield lambda task_id=task_id: episode(task_id)


def episodes_of_engine(
    http: httpx.Client, installation: Installation
) -> Iterator[Callable[[], None]]:
    cells = [cell.format(app="simple_note") for cell in CELLS]

    def ask(what: str, **body: object) -> object:
        reply = http.post(f"/{what}", json=body)
        reply.raise_for_status()
        return reply.json()["output"]

    def episode(task_id: str) -> None:
        ask("initialize", task_id=task_id)
        for cell in cells:
            said = str(ask("execute", task_id=task_id, code=cell))
            assert "Execution failed" not in said, said
        assert ask("task_completed", task_id=task_id)
        ask("evaluate", task_id=task_id, suppress_errors=True)
        ask("close", task_id=task_id)

    for task_id in itertools.cycle(installation.task_ids("train")):
        yield lambda task_id=task_id: episode(task_id)


@contextmanager
def served(installation: Installation) -> Iterator[httpx.Client]:
    """Serve AppWorld's environment; on the loopback, where its own command takes all addresses."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="agentgym-engine-") as folder:
        Path(folder, "data").symlink_to(Path(installation.root, "data"))
        process = subprocess.Popen(
            [
                *(installation.python, "-m", "uvicorn", "appworld.serve.environment:app"),
                *("--host", "127.0.0.1", "--port", str(port), "--log-level", "error"),
            ],
            cwd=folder,
            env={**os.environ, "APPWORLD_ROOT": folder, "APPWORLD_CACHE": f"{folder}/cache"},
            stdin=subprocess.DEVNULL,
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=START_S) as http:
                deadline = time.monotonic() + START_S
                while time.monotonic() < deadline and process.poll() is None:
                    with suppress(httpx.TransportError):
                        http.get("/")
                        break
                    time.sleep(0.1)
                yield http
        finally:
            process.kill()  # its own end may hang
            process.wait()
