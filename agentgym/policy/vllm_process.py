"""A vLLM engine in a process of its own: ``AsyncLLM``.

The learner's process keeps its cores and its memory to itself, weights are swapped while turns are
being sampled, and an engine that dies takes nothing with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from agentgym.errors import ConfigError, PolicyFault, WeightSyncError
from agentgym.policy.engine import EngineLost, Generated
from agentgym.policy.vllm_settings import OWNER, WORKER, engine_settings, import_vllm

__all__ = ["ProcessEngine"]

_STOP_S = 10.0
_LOOK_S = 0.5

# The engine's process starts from nothing: a fork would inherit the learner's threads, halfway.
_CHILD = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "1",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
}


class ProcessEngine:
    """vLLM's ``AsyncLLM``; all of it happens in one event loop.

    Args:
        model: A Hugging Face model folder or name.
        settings: Keyword arguments of `agentgym.policy.vllm_settings.engine_settings`.
    """

    def __init__(self, model: str | Path, **settings: Any) -> None:
        self.name = f"vllm-process:{model}"
        self.context_limit: int | None = None
        self.dtype = ""
        self._model = str(model)
        self._settings = settings
        self._engine: Any = None
        self._numbers = count()

    @property
    def pid(self) -> int | None:
        """Return the process id of the engine's core, None while there is none."""
        return next((process.pid for process in self._processes()), None)

    def _processes(self) -> list[Any]:
        if self._engine is None:
            return []
        manager = self._engine.engine_core.resources.engine_manager
        return list(manager.processes) if manager is not None else []

    async def start(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            MissingExtra: If vLLM is not installed.
            ConfigError: If it does not start with this model.
        """
        vllm = import_vllm()
        from vllm.platforms import current_platform
        from vllm.v1.engine.async_llm import AsyncLLM

        on_cpu = bool(current_platform.is_cpu())
        settings = engine_settings(self._model, on_cpu=on_cpu, **self._settings)
        try:
            with _environment({**_CHILD, OWNER: str(os.getpid())}):
                args = vllm.AsyncEngineArgs(**settings, **WORKER)
                self._engine = AsyncLLM.from_engine_args(args)
        except (ValueError, RuntimeError, OSError) as error:
            # Of pages of advice, the sentence that says what is wrong.
            reason = str(error).rpartition("Value error, ")[2].strip().split(". ")[0]
            raise ConfigError(f"vLLM does not start with '{self._model}': {reason}") from error
        self.context_limit = self._engine.model_config.max_model_len
        self.dtype = str(self._engine.model_config.dtype).removeprefix("torch.")

    async def generate(self, ids: Sequence[int], request: Mapping[str, Any]) -> Generated:
        """Sample one completion.

        Raises:
            EngineLost: If the engine dies of it or before it.
            PolicyFault: If it refuses the request.
        """
        import vllm
        from vllm.v1.engine.exceptions import EngineDeadError

        params = vllm.SamplingParams(
            **request,
            output_kind=vllm.sampling_params.RequestOutputKind.FINAL_ONLY,
        )
        answer: Any = None
        engine = self._running()
        try:
            async for answer in engine.generate(  # noqa: B007 - the last one counts
                {"prompt_token_ids": list(ids)}, params, f"turn-{next(self._numbers)}"
            ):
                pass
        except EngineDeadError as error:
            raise EngineLost("its process ended") from error
        except asyncio.CancelledError:
            if engine.errored and not _cancelled():
                raise EngineLost("it was stopped") from None
            raise
        except Exception as error:
            if engine.errored:
                raise EngineLost(f"it failed: {error!r}") from error
            raise PolicyFault(f"vLLM refused a request: {error}") from error
        if answer is None:
            raise EngineLost("it gave no answer")
        return _generated(list(ids), answer)

    def _running(self) -> Any:
        if self._engine is None:
            raise EngineLost("it is not running")
        return self._engine

    async def swap(self, path: str, label: str) -> None:
        """Take the weights of a file between two of the engine's steps.

        Raises:
            EngineLost: If the engine dies of it or before it.
            WeightSyncError: If it refuses them.
        """
        from vllm.distributed.weight_transfer.base import WeightTransferUpdateRequest

        engine = self._running()
        update = WeightTransferUpdateRequest({"path": path})
        try:
            # "keep" with the cache cleared: what is in flight is read again under the new weights.
            await _answered(engine, engine.pause_generation(mode="keep", clear_cache=True))
            try:
                await _answered(engine, engine.start_weight_update())
                await _answered(engine, engine.update_weights(update))
                await _answered(engine, engine.finish_weight_update(label))
            finally:
                await _answered(engine, engine.resume_generation())
        except EngineLost:
            raise
        except Exception as error:
            raise WeightSyncError(f"vLLM refused the weights: {error}") from error

    async def forget(self) -> None:
        """Empty the prefix cache.

        Raises:
            EngineLost: If the engine is dead.
        """
        engine = self._running()
        await _answered(engine, engine.reset_prefix_cache(reset_running_requests=True))

    async def stop(self) -> None:
        """End the process, by force if it does not go."""
        processes = self._processes()
        engine, self._engine = self._engine, None
        if engine is None:
            return
        handler = engine.output_handler
        if handler is not None:  # else it takes the end for a death, and logs a page
            handler.cancel()
            await asyncio.gather(handler, return_exceptions=True)
        await asyncio.to_thread(engine.shutdown, _STOP_S)
        for process in processes:
            if process.is_alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)


def _generated(ids: list[int], answer: Any) -> Generated:
    output = answer.outputs[0]
    prompt: tuple[float, ...] = ()
    if answer.prompt_logprobs is not None:
        rows = zip(ids[1:], answer.prompt_logprobs[1:], strict=True)
        prompt = tuple(row[token].logprob for token, row in rows)
    return Generated(
        tuple(output.token_ids),
        tuple(output.logprobs.logprobs),
        output.finish_reason,
        tuple((span.version, span.start, span.end) for span in output.weight_versions or ()),
        prompt,
    )


async def _answered(engine: Any, call: Coroutine[Any, Any, Any]) -> Any:
    """Wait for a call's answer, but not for that of a dead engine: it would never come."""
    task = asyncio.ensure_future(call)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_LOOK_S)
            if engine.errored:
                raise EngineLost("its process ended")
        return task.result()
    finally:
        task.cancel()


def _cancelled() -> bool:
    """Return whether somebody wants the current task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the processes that are started inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
