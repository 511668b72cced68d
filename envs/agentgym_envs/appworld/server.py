"""The process of one episode: AppWorld's environment server, with one task in its reach.

Each episode has a fresh process, so that nothing that an agent's code has changed in one is there
in the next. What AppWorld says of a cell is what the agent reads; what the server itself does
wrong is a fault.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import socket
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from agentgym.errors import EnvironmentFault
from agentgym_envs.appworld import serve
from agentgym_envs.appworld.installation import Installation
from agentgym_envs.appworld.template import Forked, Template, last_line

__all__ = ["Lost", "Server", "Settings"]

INITIALIZE_S, EVALUATE_S, STATUS_S, GRACE_S, END_S = 120.0, 120.0, 30.0, 5.0, 5.0
# By the kernel for want of memory, or by an operator; any other end is a cell's doing.
FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_COMPLETE = "/supervisor/message"
_PATH = re.compile(r"/[a-z_]{1,40}(/[\w.{}-]{1,200}){0,9}/?", re.ASCII)
_MOST_LOG = 1 << 26  # bytes


class Lost(Exception):
    """The agent's code has ended its server, or did not end itself; the text says which."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an episode may use.

    Attributes:
        cell_timeout_s: Seconds of one cell; AppWorld counts whole ones.
        calls_per_cell: API calls of one cell.
        memory_mb: Address space of the process.
    """

    cell_timeout_s: float = 30.0
    calls_per_cell: int = 1_000
    memory_mb: int = 2_048


class Server:
    """A world that is being served.

    Args:
        template: Forks it.
        installation: Has the task.
        task_id: Which world.
        settings: What it may use.

    Attributes:
        pid: Of the process.
        folder: The only one that it may write.
        hidden: Whether the ground truth is out of reach of the agent's code.
        offline: Whether the network is.

    Raises:
        EnvironmentFault: If it does not come up.
    """

    def __init__(
        self, template: Template, installation: Installation, task_id: str, settings: Settings
    ) -> None:
        self.task_id = task_id
        self._template = template
        self._settings = settings
        self.folder = Path(tempfile.mkdtemp(prefix="world-", dir=template.folder))
        self._forked: Forked | None = None
        self._http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self.folder / "http")), base_url="http://world"
        )
        try:
            self._lay_out(installation)
            self._fork()
            self._initialize()
        except BaseException:
            self.close()
            raise

    def _lay_out(self, installation: Installation) -> None:
        """Make a task root with this one task and no ground truth."""
        source, data = Path(installation.root, "data"), self.folder / "data"
        task = data / "tasks" / self.task_id
        shutil.copytree(source / "tasks" / self.task_id / "dbs", task / "dbs")
        shutil.copy(source / "tasks" / self.task_id / "specs.json", task)
        for name in serve.SHARED:
            os.symlink((source / name).resolve(), data / name)

    def _fork(self) -> None:
        request = {
            "do": "serve",
            "folder": str(self.folder),
            "memory_mb": self._settings.memory_mb,
        }
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(self.folder / "http"))
            listening.listen()
            self._forked = self._template.fork(request, listening.fileno())
        said = self._said(self._forked, INITIALIZE_S)
        self.pid = int(said["pid"])
        self.hidden, self.offline = bool(said["hidden"]), bool(said["offline"])

    def _initialize(self) -> None:
        try:
            self._post(
                "initialize",
                INITIALIZE_S,
                experiment_name=serve.EXPERIMENT,
                load_ground_truth=False,
                max_interactions=1_000_000,  # turns are counted by the environment
                max_api_calls_per_interaction=self._settings.calls_per_cell,
                timeout_seconds=max(1, math.ceil(self._settings.cell_timeout_s)),
            )
        except httpx.HTTPError as error:
            raise self._fault("initialize", error) from error

    def execute(self, code: str) -> str:
        """Run a cell and return what AppWorld says of it.

        Raises:
            Lost: If the cell has ended the process, or never comes to an end.
            EnvironmentFault: If anything else went wrong.
        """
        return str(self._ask("execute", self._settings.cell_timeout_s, code=code))

    def status(self) -> str | None:
        """Return with what status the task was marked as complete; None if it was not.

        Raises:
            Lost: If something that a cell has left running has ended the process, or blocks it.
            EnvironmentFault: If anything else went wrong.
        """
        if not self._ask("task_completed", STATUS_S):
            return None
        marks = [row["data"] for row in self._api_calls() if row["url"] == _COMPLETE]
        return "fail" if marks and marks[-1].get("status") == "fail" else "success"

    def _ask(self, what: str, limit_s: float, **body: Any) -> Any:
        """Ask for what runs, or runs beside, the agent's code."""
        try:
            return self._post(what, math.ceil(limit_s) + GRACE_S, **body)
        except httpx.TimeoutException as error:
            self.kill()
            raise Lost(f"timed out after {limit_s:g} s") from error
        except httpx.HTTPError as error:
            code = self._forked.ended(END_S) if self._forked else None
            if code is None or -code in FROM_OUTSIDE:
                raise self._fault(what, error) from error
            raise Lost("the interpreter exited") from error

    def evaluate(self) -> dict[str, Any]:
        """Return the official judgement of the state, without the traces of failed tests.

        Raises:
            EnvironmentFault: If there is none.
        """
        request = {
            "do": "evaluate",
            "task_id": self.task_id,
            "folder": str(self.folder),
            "memory_mb": self._settings.memory_mb,
        }
        judge = self._template.fork(request)
        try:
            self._said(judge, INITIALIZE_S)
            result: dict[str, Any] = self._said(judge, EVALUATE_S)["result"]
            return result
        finally:
            judge.kill()

    def calls(self) -> Counter[str]:
        """Return how often each path of an API was called, as ``app.path``."""
        return Counter(row["url"].strip("/").replace("/", ".", 1) for row in self._api_calls())

    def _api_calls(self) -> list[dict[str, Any]]:
        """Return AppWorld's log of calls; it lies where the agent's code could write."""
        path = self.folder.joinpath(
            "experiments", "outputs", serve.EXPERIMENT, "tasks", self.task_id, "logs"
        )
        try:
            with (path / "api_calls.jsonl").open("rb") as log:
                rows = [json.loads(line) for line in log.read(_MOST_LOG).splitlines()]
        except (OSError, ValueError, RecursionError):
            return []
        return [
            row
            for row in rows
            if isinstance(row, dict)
            and isinstance(row.get("url"), str)
            and _PATH.fullmatch(row["url"])
            and isinstance(row.get("data"), dict)
        ]

    def _post(self, what: str, timeout_s: float, **body: Any) -> Any:
        reply = self._http.post(
            f"/{what}", json={"task_id": self.task_id, **body}, timeout=timeout_s
        )
        if reply.status_code != httpx.codes.OK:
            raise EnvironmentFault(
                f"AppWorld answered {reply.status_code} to {what}: {last_line(self._log())}"
            )
        return reply.json()["output"]

    def _said(self, forked: Forked, timeout_s: float) -> dict[str, Any]:
        try:
            said = forked.read(timeout_s)
        except TimeoutError as error:
            raise EnvironmentFault(f"AppWorld said nothing for {timeout_s:g} s") from error
        if said is None or "error" in said or "code" in said:
            why = last_line((said or {}).get("error", self._log()))
            raise EnvironmentFault(f"AppWorld failed on task '{self.task_id}': {why}")
        return said

    def _fault(self, what: str, error: Exception) -> EnvironmentFault:
        how = f"{type(error).__name__}: {error}; its log ends: {last_line(self._log())}"
        return EnvironmentFault(f"AppWorld's server failed in {what}: {how}")

    def _log(self) -> str:
        with suppress(OSError):
            return (self.folder / "log.txt").read_text(encoding="utf-8", errors="replace")
        return ""

    def kill(self) -> None:
        """End the process; may be called twice."""
        if self._forked is not None:
            self._forked.kill()

    def close(self) -> None:
        """End the process and remove what it has written; may be called twice."""
        self.kill()
        self._http.close()
        shutil.rmtree(self.folder, ignore_errors=True)
