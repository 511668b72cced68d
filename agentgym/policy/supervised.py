"""A policy sampled by an engine outside of this process, watched over.

Weights go there as a file in shared memory. An engine that dies, or a server that comes back
without the weights that were pushed, is started anew with the last ones, checked by the probe of
the last verified push, and asked again for the turns that were being sampled. A turn lost twice is
a fault, and the runner's retries take over: no episode is ever scored for what its engine did.
Left out: several engines behind one policy.
"""

from __future__ import annotations

import asyncio
import glob
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agentgym.chat.template import ChatTemplate
from agentgym.errors import AgentGymError, PolicyFault, WeightSyncError
from agentgym.policy.background import BackgroundLoop
from agentgym.policy.base import NamedTensors, Probe, TurnContext
from agentgym.policy.engine import Engine, EngineLost, Generated, probe_request, turn_request
from agentgym.policy.pretrained import load_tokenizer, stop_ids_of
from agentgym.types import Completion, SamplingParams

__all__ = ["SupervisedPolicy"]

_ATTEMPTS = 2  # at one turn; an engine that dies of a prompt would die of it forever
_RESTARTS = 3  # in a row, without a turn sampled between


class SupervisedPolicy:
    """A causal language model behind an engine that may die.

    Args:
        model: A Hugging Face model folder or name; its tokenizer is used here.
        engine: What samples; it is started here.
        weights_folder: Where pushed weights are written; the engine must see it under the same
            path. None is a folder in shared memory.

    Raises:
        ConfigError: If the model or the engine cannot be as asked.
    """

    needs_oracle = False

    def __init__(
        self, model: str | Path, engine: Engine, weights_folder: str | Path | None = None
    ) -> None:
        tokenizer = load_tokenizer(model)  # first: its mistakes are cheap to find
        self.template = ChatTemplate(tokenizer, stop_ids_of(model))
        self.version = 0
        self.restarts = 0
        self.name = engine.name
        self._engine = engine
        self._folder = _new_folder(weights_folder)
        self._nonce = secrets.token_hex(4)  # an earlier run's labels on the same server differ
        self._labels: dict[str, int] = {}  # of weights that this engine has had from us
        self._pushed: tuple[Path, str, int] | None = None  # file, label, version
        self._probe: Probe | None = None
        self._tries = 0  # at bringing the engine back
        self._mending: asyncio.Task[None] | None = None  # the last of them
        self._in_a_row = 0
        self._busy = _Busy()
        self._loop = BackgroundLoop("agentgym-engine")
        try:
            self._lock, self._ready = self._loop.wait(self._begin())
        except BaseException:
            self.close()
            raise
        self.context_limit = engine.context_limit
        self.dtype = engine.dtype

    async def _begin(self) -> tuple[asyncio.Lock, asyncio.Event]:
        try:
            await self._engine.start()
        except EngineLost as lost:
            raise PolicyFault(str(lost)) from lost
        ready = asyncio.Event()
        ready.set()
        return asyncio.Lock(), ready

    @property
    def busy_s(self) -> float:
        """Seconds in which at least one turn was being sampled."""
        return self._busy.seconds()

    @property
    def pid(self) -> int | None:
        """Return the engine's process id, None where it is not ours."""
        return self._engine.pid

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        """Sample one turn; if the engine dies of something else, on a new one.

        Raises:
            PolicyFault: If the engine refuses it, or cannot be brought back.
        """
        request = turn_request(params, self.template.stop_ids)
        with self._busy:
            made = await self._loop.run(self._asked(list(prompt_ids), request))
        if made.finish_reason not in ("stop", "length"):  # aborted: not the model's doing
            raise PolicyFault(f"{self.name} ended a request by '{made.finish_reason}'")
        logprobs = made.logprobs
        if params.temperature == 0.0:
            logprobs = (0.0,) * len(made.ids)  # a greedy policy is a point mass
        versions = self._versions(made)
        last = versions[-1] if versions else self.version
        mixed = versions if len(set(versions)) > 1 else ()
        return Completion(
            made.ids,
            logprobs,
            "stop" if made.finish_reason == "stop" else "length",
            last,
            versions=mixed,
        )

    def score(self, ids: Sequence[int]) -> list[float]:
        """Return log-probabilities of ``ids[1:]`` given what stands before each (temperature 1).

        Raises:
            PolicyFault: If the engine cannot be brought back.
        """
        made = self._loop.wait(self._asked(list(ids), probe_request()))
        return list(made.prompt_logprobs)

    async def load_weights(self, named_tensors: NamedTensors, version: int) -> None:
        """Push weights into the running engine; turns in flight go on with them.

        Raises:
            WeightSyncError: If they cannot be written, or the engine refuses them.
        """
        label = f"{self._nonce}-{version}-{secrets.token_hex(2)}"
        path = self._folder / f"{label}.safetensors"
        _write(path, named_tensors, self.dtype)
        await self._loop.run(self._push(path, label, version))
        self.version = version

    async def _push(self, path: Path, label: str, version: int) -> None:
        async with self._lock:
            seen = self._tries
            old, self._pushed = self._pushed, (path, label, version)
            self._probe = None  # of other weights; `trust` brings the new one
            self._labels[label] = version
            try:
                lost = None
                await self._engine.swap(str(path), label)
            except EngineLost as error:
                lost = error
            if old is not None:
                old[0].unlink(missing_ok=True)
        if lost is not None:
            await self._mend(seen, lost)

    def trust(self, probe: Probe, weights: Callable[[], NamedTensors]) -> None:
        """Keep what a verified push gave: an engine started anew must give the same."""
        self._probe = probe

    def forget(self) -> None:
        """Empty the prefix cache."""
        self._loop.wait(self._forget())

    async def _forget(self) -> None:
        seen = self._tries
        try:
            await self._engine.forget()
        except EngineLost as lost:  # a new one has nothing to forget
            await self._mend(seen, lost)

    async def _asked(self, ids: list[int], request: dict[str, Any]) -> Generated:
        """Ask the engine; if it is lost, mend it and ask once more."""
        for _ in range(_ATTEMPTS):
            await self._ready.wait()
            seen = self._tries
            try:
                made = await self._engine.generate(ids, request)
                self._check_labels(made)
            except EngineLost as lost:
                await self._mend(seen, lost)
            else:
                self._in_a_row = 0
                return made
        raise PolicyFault(f"{self.name} was lost twice while it sampled the same turn")

    def _check_labels(self, made: Generated) -> None:
        """Refuse what other weights sampled: those of a server that was started again unseen."""
        if self._pushed is None:
            return
        for label, _, _ in made.spans:
            if label not in self._labels:
                raise EngineLost(f"sampled by the weights '{label}', which were not pushed here")

    def _versions(self, made: Generated) -> tuple[int, ...]:
        versions: list[int] = []
        for label, start, end in made.spans:
            versions += [self._labels.get(label, 0)] * (end - start)
        return tuple(versions)

    async def _mend(self, seen: int, lost: EngineLost) -> None:
        """Start the engine anew, or share the outcome if another turn has already seen to it.

        Raises:
            PolicyFault: If it cannot be brought back.
        """
        if self._mending is None or self._tries == seen:
            self._tries += 1
            self._mending = asyncio.create_task(self._revive(lost))
        await asyncio.shield(self._mending)  # a cancelled turn must not leave a half of an engine

    async def _revive(self, lost: EngineLost) -> None:
        """Start the engine anew with the last weights and check them."""
        async with self._lock:
            self._ready.clear()
            self._in_a_row += 1
            try:
                await self._revived(lost)
                self.restarts += 1
            finally:
                self._ready.set()

    async def _revived(self, lost: EngineLost) -> None:
        if self._in_a_row > _RESTARTS:
            raise PolicyFault(f"{self.name} died {self._in_a_row} times in a row: {lost}")
        await self._engine.stop()
        try:
            await self._engine.start()
            await self._restore()
        except WeightSyncError:
            await self._engine.stop()  # better none than one with the wrong weights
            raise
        except (EngineLost, AgentGymError) as error:
            raise PolicyFault(
                f"{self.name} was lost ({lost}) and did not come back: {error}"
            ) from error

    async def _restore(self) -> None:
        if self._pushed is None:
            return
        path, label, version = self._pushed
        self._labels = {label: version}
        await self._engine.swap(str(path), label)
        if self._probe is not None:
            made = await self._engine.generate(list(self._probe.ids), probe_request())
            self._probe.check(made.prompt_logprobs, f"restart with the weights of push {version}")

    def close(self) -> None:
        """End the engine and remove the weights; safe to call twice."""
        if not self._loop.closed:
            self._loop.wait(self._engine.stop())
            self._loop.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class _Busy:
    """Counts the seconds in which at least one block is under way; the blocks share a thread."""

    def __init__(self) -> None:
        self._inside = 0
        self._since = 0.0
        self._sum = 0.0

    def __enter__(self) -> None:
        if self._inside == 0:
            self._since = time.perf_counter()
        self._inside += 1

    def __exit__(self, *_: object) -> None:
        self._inside -= 1
        if self._inside == 0:
            self._sum += time.perf_counter() - self._since

    def seconds(self) -> float:
        """Return the seconds so far."""
        running = time.perf_counter() - self._since if self._inside else 0.0
        return self._sum + running


def _new_folder(parent: str | Path | None) -> Path:
    """Make a folder for weights, in memory where the system has a file system there."""
    memory = Path("/dev/shm")
    if parent is None and memory.is_dir():
        parent = memory
    place = Path(tempfile.gettempdir() if parent is None else parent)
    place.mkdir(parents=True, exist_ok=True)
    mine = f"agentgym-weights-{socket.gethostname()}-"
    for left in place.glob(f"{glob.escape(mine)}*"):  # by runs that were killed
        pid = left.name.removeprefix(mine).partition("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{mine}{os.getpid()}-", dir=place))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _write(path: Path, named_tensors: NamedTensors, dtype: str) -> None:
    """Write a safetensors file, all of it or none, in the engine's precision."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    kind = getattr(torch, dtype)
    whole = {name: tensor.detach().to("cpu", kind).contiguous() for name, tensor in named_tensors}
    try:
        save_file(whole, path)
    except (OSError, RuntimeError, SafetensorError) as error:
        path.unlink(missing_ok=True)
        raise WeightSyncError(
            f"the weights cannot be written to '{path.parent}' ({error}); name another folder as "
            "weights_folder"
        ) from error
