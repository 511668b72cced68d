"""A policy sampled by a vLLM engine in this process, on CUDA or on a plain CPU.

The engine runs continuously: a request joins while others are being decoded, and whoever waits for
a turn is woken when its own is done. Weights are pushed into the running engine by `load_weights`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from agentgym.chat.template import ChatTemplate
from agentgym.errors import ConfigError, PolicyFault
from agentgym.policy.base import NamedTensors, Probe, TurnContext
from agentgym.policy.pretrained import load_tokenizer, stop_ids_of
from agentgym.policy.vllm_settings import engine_settings, import_vllm, spare_the_cpu
from agentgym.policy.yielding import cores_left, loop_left
from agentgym.types import Completion, SamplingParams

__all__ = ["VllmPolicy"]

_GATHER_S = 0.004
_RESTARTS = 3


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
        self._vllm = import_vllm()
        from vllm.platforms import current_platform

        self._on_cpu = bool(current_platform.is_cpu())
        if self._on_cpu:
            spare_the_cpu()
        settings = engine_settings(
            str(model),
            on_cpu=self._on_cpu,
            context=context,
            concurrency=concurrency,
            seed=seed,
            gpu_memory=gpu_memory,
        )
        self._settings = settings | engine
        self.engine = self._started()
        self.name = f"vllm:{model}"
        self.context_limit: int | None = self.engine.model_config.max_model_len
        self.version = 0
        self.dtype = str(self.engine.model_config.dtype).removeprefix("torch.")
        self.busy_s = 0.0  # seconds spent inside the engine: what sampling itself costs
        self._in_flight = 0  # episodes of the rollout, here or in their environments
        self._numbers = count()
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._driver: asyncio.Task[None] | None = None
        self._broken: PolicyFault | None = None  # what ended the engine
        self._trusted: tuple[Probe, Callable[[], NamedTensors]] | None = None
        self.restarts = 0
        self._in_a_row = 0  # deaths without a turn sampled between

    def _started(self) -> Any:
        """Return a running engine.

        Raises:
            ConfigError: If it does not start.
        """
        try:
            with _threads_kept():
                args = self._vllm.EngineArgs(**self._settings)
                return self._vllm.LLMEngine.from_engine_args(args)
        except (ValueError, RuntimeError, OSError) as error:
            # Of pages of advice, the sentence that says what is wrong.
            reason = str(error).rpartition("Value error, ")[2].strip().split(". ")[0]
            model = self._settings["model"]
            raise ConfigError(f"vLLM does not start with '{model}': {reason}") from error

    def _restart(self) -> None:
        """Start a new engine with the weights of the last verified push, and verify them again.

        The learner's own tensors are taken; if it has learned since, the probe says so.

        Raises:
            PolicyFault: If it does not start, or has died too often.
            WeightSyncError: If the weights are not those of the last push.
        """
        self._in_a_row += 1
        if self._in_a_row > _RESTARTS:
            raise PolicyFault(f"the vLLM engine died {self._in_a_row} times in a row")
        self.restarts += 1
        self.close()
        try:
            self.engine = self._started()
        except ConfigError as error:
            raise PolicyFault(str(error)) from error
        self._broken = None
        if self._trusted is not None:
            probe, weights = self._trusted
            self._load(weights(), self.version)
            probe.check(self.score(probe.ids), f"restart with the weights of push {self.version}")

    def trust(self, probe: Probe, weights: Callable[[], NamedTensors]) -> None:
        """Keep what a verified push gave: an engine started anew must give the same."""
        self._trusted = (probe, weights)

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        """Sample one turn; others are decoded beside it.

        Raises:
            PolicyFault: If the engine fails.
        """
        self._in_flight = context.in_flight if context else 0
        output = await self._request(prompt_ids, self._params(params))
        ids = tuple(output.token_ids)
        if params.temperature == 0.0:
            logprobs = (0.0,) * len(ids)  # a greedy policy is a point mass
        else:
            logprobs = tuple(output.logprobs.logprobs)
        if output.finish_reason not in ("stop", "length"):  # aborted: not the model's doing
            raise PolicyFault(f"vLLM ended a request by '{output.finish_reason}'")
        spans = output.weight_versions or ()
        last = _number(spans[-1].version) if spans else self.version
        mixed = _versions(spans) if len(spans) > 1 else ()
        return Completion(ids, logprobs, output.finish_reason, last, versions=mixed)

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
            skip_clone=True,  # it is this request's own
        )

    async def _request(self, ids: Sequence[int], params: Any) -> Any:
        """Queue one request, wait until it is finished, and return its only output."""
        if self._broken is not None:
            self._restart()
        name = f"turn-{next(self._numbers)}"
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        try:
            prompt = self._vllm.inputs.tokens_input(list(ids))
            internal = self.engine.add_request(name, prompt, params)
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
        with cores_left(self._model, on_cpu=self._on_cpu):
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
            self._deliver(outputs)
            await loop_left()

    def _deliver(self, outputs: Sequence[Any]) -> None:
        """Wake whoever waits for one of these."""
        for output in outputs:
            future = self._waiting.get(output.request_id)
            if output.finished and future is not None and not future.done():
                future.set_result(output)
                self._in_a_row = 0

    def _fail(self, fault: PolicyFault) -> None:
        self._broken = fault
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(fault)

    async def load_weights(self, named_tensors: NamedTensors, version: int) -> None:
        """Copy new weights into the running engine and forget what was cached under the old."""
        self._load(named_tensors, version)
        self.version = version

    def _load(self, named_tensors: NamedTensors, version: int) -> None:
        """Load between two steps; turns in flight are read again and go on with the new."""
        import torch

        with torch.no_grad():
            self._model.load_weights(iter(named_tensors))
        self.forget()
        self.engine.set_weight_version(str(version))

    @property
    def _model(self) -> Any:
        worker = self.engine.model_executor.driver_worker
        return getattr(worker, "worker", worker).model_runner.model

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
            outputs = self.engine.step()
            self._deliver(outputs)  # turns that are in flight are sampled on meanwhile
            for output in outputs:
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


def _versions(spans: Sequence[Any]) -> tuple[int, ...]:
    """Return the version that sampled each token, where they are not one."""
    each = tuple(_number(span.version) for span in spans for _ in range(span.start, span.end))
    return each if len(set(each)) > 1 else ()


def _number(label: str) -> int:
    """Return the number of a push; weights are labelled by it, and before the first not at all."""
    return int(label) if label.isdigit() else 0
