"""A policy sampled by plain transformers: any causal language model, on any device.

Slower than an engine, and the reference that engines are compared with. Requests that wait are
decoded together in one padded batch; the next batch starts when that one is done.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentgym.chat.template import ChatTemplate
from agentgym.errors import PolicyFault
from agentgym.policy.base import NamedTensors, Probe, TurnContext
from agentgym.policy.draw import draw, uniforms
from agentgym.policy.pretrained import load_model, load_tokenizer, stop_ids_of
from agentgym.types import Completion, SamplingParams

__all__ = ["TransformersPolicy"]


@dataclass(slots=True)
class _Request:
    ids: list[int]
    params: SamplingParams
    future: asyncio.Future[Completion]
    sampled: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    done: bool = False


class TransformersPolicy:
    """A Hugging Face causal language model.

    Args:
        model: A model folder or name, or a loaded model (then ``tokenizer`` too).
        tokenizer: A loaded tokenizer; None reads it from ``model``.
        context: Most tokens of a conversation; None takes the model's own limit.
        batch: Most sequences decoded together.
        device: Where to run; None is CUDA where there is one, else the CPU.

    Raises:
        ConfigError: If there is no usable model.
        ChatTemplateError: If its tokenizer has no chat template.
    """

    needs_oracle = False

    def __init__(
        self,
        model: Any,
        tokenizer: Any = None,
        *,
        context: int | None = None,
        batch: int = 64,
        device: str | None = None,
    ) -> None:
        import torch

        named = isinstance(model, str | Path)
        tokenizer = tokenizer or load_tokenizer(model)
        self.template = ChatTemplate(tokenizer, stop_ids_of(model) if named else ())
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        loaded = load_model(model, dtype) if named else model
        self.model = loaded.to(self.device).eval()
        limit = getattr(self.model.config, "max_position_embeddings", None)
        self.name = f"transformers:{model if named else type(model).__name__}"
        self.context_limit: int | None = min(filter(None, (context, limit)), default=None)
        self.dtype = str(dtype).removeprefix("torch.")
        self.version = 0
        self.busy_s = 0.0
        self._batch = batch
        self._waiting: deque[_Request] = deque()
        self._between: deque[tuple[Callable[[], None], asyncio.Future[None]]] = deque()
        self._driver: asyncio.Task[None] | None = None

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        """Sample one turn, together with whatever else waits.

        Raises:
            PolicyFault: If the model's forward fails.
        """
        loop = asyncio.get_running_loop()
        request = _Request(list(prompt_ids), params, loop.create_future())
        self._waiting.append(request)
        if self._driver is None or self._driver.done():
            self._driver = loop.create_task(self._drive())
        return await request.future

    async def _drive(self) -> None:
        while self._waiting or self._between:
            await asyncio.sleep(0)  # let those who are about to ask join this batch
            self._load_between_batches()
            batch = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
            batch = [request for request in batch if not request.future.done()]
            if not batch:
                continue
            try:
                self.busy_s += await asyncio.to_thread(self._generate, batch)
            except Exception as error:  # noqa: BLE001 - whatever kills a forward is the engine's
                fault = PolicyFault(f"sampling with transformers failed: {error!r}")
                for request in batch:
                    if not request.future.done():
                        request.future.set_exception(fault)
                continue
            for request in batch:
                if not request.future.done():
                    request.future.set_result(self._completion(request))

    def _load_between_batches(self) -> None:
        while self._between:
            load, done = self._between.popleft()
            if not done.done():
                load()
                done.set_result(None)

    def _completion(self, request: _Request) -> Completion:
        stopped = bool(request.sampled) and request.sampled[-1] in self.template.stop_ids
        return Completion(
            tuple(request.sampled),
            tuple(request.logprobs),
            "stop" if stopped else "length",
            self.version,
        )

    def _generate(self, batch: list[_Request]) -> float:
        """Decode a left-padded batch until every row is done; return the seconds it took."""
        import time

        import torch

        start = time.perf_counter()
        width = max(len(request.ids) for request in batch)
        ids = torch.zeros((len(batch), width), dtype=torch.int64)
        seen = torch.zeros((len(batch), width), dtype=torch.int64)
        for row, request in enumerate(batch):
            ids[row, width - len(request.ids) :] = torch.tensor(request.ids)
            seen[row, width - len(request.ids) :] = 1
        ids, seen = ids.to(self.device), seen.to(self.device)
        numbers = uniforms([request.params for request in batch])
        temperatures = torch.tensor([request.params.temperature for request in batch])
        last = _last_logits_alone(self.model)
        cache, step = None, 0
        with torch.inference_mode():
            while True:
                positions = (seen.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
                output = self.model(
                    input_ids=ids,
                    attention_mask=seen,
                    position_ids=positions,
                    past_key_values=cache,
                    use_cache=True,
                    **last,
                )
                cache = output.past_key_values
                logits = output.logits[:, -1].float().cpu()
                ids, logprobs = draw(logits, temperatures, numbers[step])
                step += 1
                self._record(batch, ids.tolist(), logprobs.tolist())
                if all(request.done or request.future.done() for request in batch):
                    return time.perf_counter() - start
                ids = ids[:, None].to(self.device)
                # Rows that are done stay where they are: their next position may not exist.
                going = torch.tensor([[int(not request.done)] for request in batch])
                seen = torch.cat([seen, going.to(self.device)], dim=1)

    def _record(self, batch: list[_Request], ids: list[int], logprobs: list[float]) -> None:
        for request, token, logprob in zip(batch, ids, logprobs, strict=True):
            if request.done:
                continue
            request.sampled.append(token)
            request.logprobs.append(logprob)
            full = len(request.sampled) >= request.params.max_tokens
            request.done = full or token in self.template.stop_ids

    async def load_weights(self, named_tensors: NamedTensors, version: int) -> None:
        """Copy new weights into the model; while it decodes, after the batch."""
        if self._driver is None or self._driver.done():
            self._load(named_tensors, version)
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._between.append((lambda: self._load(named_tensors, version), done))
        await done

    def _load(self, named_tensors: NamedTensors, version: int) -> None:
        import torch

        parameters = dict(self.model.state_dict())
        with torch.no_grad():
            for name, tensor in named_tensors:
                parameters[name].copy_(tensor)
        self.version = version

    def trust(self, probe: Probe, weights: Callable[[], NamedTensors]) -> None:
        """Nothing here can be started anew."""

    def forget(self) -> None:
        """Nothing is cached between turns."""

    def score(self, ids: Sequence[int]) -> list[float]:
        """Return log-probabilities of ``ids[1:]`` given what stands before each (temperature 1)."""
        import torch

        with torch.inference_mode():
            tensor = torch.tensor([list(ids)], device=self.device)
            logs = torch.log_softmax(self.model(input_ids=tensor).logits[0].float(), dim=-1)
        picked = logs[:-1].gather(-1, tensor[0, 1:, None]).squeeze(-1)
        return [float(value) for value in picked]

    def close(self) -> None:
        """Drop the model."""
        self.model = None


def _last_logits_alone(model: Any) -> dict[str, int]:
    """Return what tells a model to make no logits of the prompt, where it can be told."""
    known = inspect.signature(model.forward).parameters
    return {"logits_to_keep": 1} if "logits_to_keep" in known else {}
