"""A vLLM server over HTTP: token ids in and out, weights by vLLM's own endpoints.

Started here on a free port, or found at a URL where ``python -m agentgym.policy.vllm_serve`` runs.
One that was started elsewhere is not ours to start again: where it is gone, it is waited for, and
gets the last weights again when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import httpx

from agentgym.errors import ConfigError, PolicyFault, WeightSyncError
from agentgym.policy.engine import EngineLost, Generated

__all__ = ["ServerEngine"]

_START_S = 600.0
_PATIENCE_S = 120.0
_STOP_S = 10.0
_LOOK_S = 0.2
_FINAL_ONLY = 2  # vLLM's RequestOutputKind: else the server makes a new answer at every token


class ServerEngine:
    """A vLLM server; all of it happens in one event loop.

    Args:
        model: A Hugging Face model folder or name.
        url: Where it runs; None starts one on this machine.
        patience_s: How long a server that was started elsewhere may be gone.
        settings: Keyword arguments of `agentgym.policy.vllm_settings.engine_settings`, for a
            server that is started here.
    """

    def __init__(
        self,
        model: str | Path,
        url: str | None = None,
        *,
        patience_s: float = _PATIENCE_S,
        **settings: Any,
    ) -> None:
        self.name = f"vllm-server:{model}" if url is None else url.rstrip("/")
        self.context_limit: int | None = None
        self.dtype = ""
        self._model = str(model)
        self._url = None if url is None else url.rstrip("/")
        self._patience_s = patience_s
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._client: httpx.AsyncClient | None = None

    @property
    def url(self) -> str | None:
        """Return where it listens, None while there is none."""
        return None if self._client is None else str(self._client.base_url).rstrip("/")

    @property
    def pid(self) -> int | None:
        """Return the server's process id, None if it was started elsewhere."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the server, or wait for it, until it answers.

        Raises:
            ConfigError: If it ends without an answer, or cannot take token ids.
            EngineLost: If there is none in time.
        """
        url = self._url or self._launched()
        key = os.environ.get("VLLM_API_KEY")
        self._client = httpx.AsyncClient(
            base_url=url,
            timeout=httpx.Timeout(None, connect=10.0),  # a long turn is no fault
            limits=httpx.Limits(max_connections=None),
            headers={"authorization": f"Bearer {key}"} if key else None,
            trust_env=False,
        )
        await self._wait_until_healthy(_START_S if self._url is None else self._patience_s)
        if self._url is not None:  # a learner that died in mid-push left it paused
            with contextlib.suppress(PolicyFault):
                await self._call("/finish_weight_update")
            await self._call("/resume")
        await self._learn_limits()

    def _launched(self) -> str:
        """Start the server's process and return its URL."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "agentgym.policy.vllm_serve", self._model]
        command += ["--port", str(port), "--end-with-stdin"]
        for name, value in self._settings.items():
            if value is not None:
                command += [f"--{name.replace('_', '-')}", str(value)]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # never written to: that it is closed tells that we are gone
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        return f"http://127.0.0.1:{port}"

    async def _wait_until_healthy(self, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while not await self._healthy():
            if self._process is not None and self._process.poll() is not None:
                raise ConfigError(
                    f"vLLM's server does not start with '{self._model}': {self._last_words()}"
                )
            if time.monotonic() > deadline:
                raise EngineLost(f"no vLLM server answers at {self.name} after {limit_s:g} s")
            await asyncio.sleep(_LOOK_S)

    async def _healthy(self) -> bool:
        assert self._client is not None
        for _ in range(2):  # after an error the server closes a connection that we may try first
            with contextlib.suppress(httpx.HTTPError):
                return (await self._client.get("/health", timeout=10.0)).is_success
        return False

    def _last_words(self) -> str:
        """Return the last error that the server wrote."""
        if self._log is None:
            return "it said nothing"
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if "Error" in line]
        return (errors or lines or ["it said nothing"])[-1].strip()

    async def _learn_limits(self) -> None:
        card = (await self._call("/v1/models", method="GET"))["data"][0]
        self.context_limit = card["max_model_len"]
        config = str((await self._call("/server_info", method="GET"))["vllm_config"])
        dtype = re.search(r"dtype=torch\.(\w+)", config)
        self.dtype = dtype[1] if dtype else "bfloat16"

    async def _call(
        self, path: str, body: Mapping[str, Any] | None = None, method: str = "POST"
    ) -> Any:
        """Return the answer of an endpoint.

        Raises:
            EngineLost: If there is nobody, or nobody in good health.
            PolicyFault: If the request is refused.
        """
        if self._client is None:
            raise EngineLost("it is not running")
        try:
            answer = await self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise EngineLost(f"{path} broke off: {error!r}") from error
        if answer.is_success:
            return answer.json() if answer.content else None
        if answer.status_code >= 500 and not await self._healthy():
            raise EngineLost(f"{path} answered {answer.status_code}")
        hint = ""
        if answer.status_code in (403, 404):
            hint = "; start it with: python -m agentgym.policy.vllm_serve MODEL"
        raise PolicyFault(f"{path} answered {answer.status_code}: {answer.text[:200]}{hint}")

    async def generate(self, ids: Sequence[int], request: Mapping[str, Any]) -> Generated:
        """Sample one completion.

        Raises:
            EngineLost: If the server is gone, or goes meanwhile.
            PolicyFault: If it refuses the request.
        """
        params = {**request, "output_kind": _FINAL_ONLY}
        body = {"token_ids": list(ids), "sampling_params": params}
        return _generated(list(ids), await self._call("/inference/v1/generate", body))

    async def swap(self, path: str, label: str) -> None:
        """Take the weights of a file between two of the engine's steps.

        Raises:
            EngineLost: If the server is gone, or goes meanwhile.
            WeightSyncError: If it refuses them.
        """
        try:
            # "keep" with the cache cleared: what is in flight is read again under the new weights.
            await self._call("/pause?mode=keep&clear_cache=true")
            try:
                await self._call("/start_weight_update")
                await self._call("/update_weights", {"update_info": {"path": path}})
                await self._call("/finish_weight_update", {"weight_version": label})
            finally:
                await self._call("/resume")
        except PolicyFault as fault:
            raise WeightSyncError(
                f"the server at {self.name} refused the weights: {fault}"
            ) from fault

    async def forget(self) -> None:
        """Empty the prefix cache.

        Raises:
            EngineLost: If the server is gone.
        """
        await self._call("/reset_prefix_cache?reset_running_requests=true")

    async def stop(self) -> None:
        """End a server that was started here; leave one that was not."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        process, self._process = self._process, None
        if process is not None:
            await asyncio.to_thread(_end, process)
        if self._log is not None:
            self._log.close()
            self._log = None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and the session that it leads, by force in the end."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _generated(ids: list[int], answer: Mapping[str, Any]) -> Generated:
    try:
        choice = answer["choices"][0]
        prompt: tuple[float, ...] = ()
        if answer.get("prompt_logprobs"):
            rows = zip(ids[1:], answer["prompt_logprobs"][1:], strict=True)
            prompt = tuple(float(row[str(token)]["logprob"]) for token, row in rows)
        return Generated(
            tuple(choice["token_ids"]),
            tuple(float(place["logprob"]) for place in choice["logprobs"]["content"]),
            choice["finish_reason"],
            tuple(
                (span["version"], span["start"], span["end"])
                for span in choice.get("weight_versions") or ()
            ),
            prompt,
        )
    except (LookupError, TypeError, ValueError) as error:
        raise PolicyFault(
            f"no completion with token ids and log-probabilities: {error!r}"
        ) from error
