"""A policy sampled by plain transformers: any causal language model, on any device.

Slower than an engine, and the reference that engines are compared with. A request joins while
others are being decoded, and a conversation's next turn reads only what is new.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentgym.chat.template import ChatTemplate
from agentgym.errors import PolicyFault
from agentgym.policy.base import NamedTensors, Probe, TurnContext
from agentgym.policy.decoders import Decoder, Row, decoder_of
from agentgym.policy.draw import draw, uniforms
from agentgym.policy.pretrained import load_model, load_tokenizer, stop_ids_of
from agentgym.policy.yielding import cores_left, loop_left
from agentgym.types import Completion, SamplingParams

__all__ = ["TransformersPolicy"]


@dataclass(slots=True, eq=False)
class _Request(Row):
    params: SamplingParams
    numbers: Sequence[float]  # one a token, by which it is drawn
    future: asyncio.Future[Completion]
    logprobs: list[float] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)


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
        self._running: list[_Request] = []
        self._decoder: Decoder | None = None
        self._driver: asyncio.Task[None] | None = None

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        """Sample one turn; others are decoded beside it.

        Raises:
            PolicyFault: If the model's forward fails.
        """
        loop = asyncio.get_running_loop()
        request = _Request(list(prompt_ids), params, uniforms(params), loop.create_future())
        self._waiting.append(request)
        if self._driver is None or self._driver.done():
            self._driver = loop.create_task(self._drive())
        return await request.future

    async def _drive(self) -> None:
        """Step while anyone waits; the loop turns between two steps."""
        with cores_left(self.model, on_cpu=self.device.type == "cpu"):
            while True:
                await loop_left()
                self._join()
                if not self._running:
                    return
                start = time.perf_counter()
                try:
                    self._step(self._running)
                except Exception as error:  # noqa: BLE001 - whatever kills a forward is a fault
                    self._fail(PolicyFault(f"sampling with transformers failed: {error!r}"))
                finally:
                    self.busy_s += time.perf_counter() - start

    def _join(self) -> None:
        """Let go of who is not waited for any more, and let others take the room."""
        self._running = [request for request in self._running if not request.future.done()]
        if self._decoder is None:
            self._decoder = decoder_of(self.model, self._batch)
        room = self._decoder.room(len(self._running))
        while self._waiting and room > 0:
            request = self._waiting.popleft()
            if not request.future.done():
                self._running.append(request)
                room -= 1

    def _fail(self, fault: PolicyFault) -> None:
        for request in self._running:
            if not request.future.done():
                request.future.set_exception(fault)
        self._decoder = None  # nobody knows what it has half written

    def _step(self, running: Sequence[_Request]) -> None:
        """Sample the next token of each."""
        import torch

        assert self._decoder is not None
        with torch.inference_mode():
            logits = self._decoder.logits(running).float().cpu()
            temperatures = torch.tensor([request.params.temperature for request in running])
            numbers = [request.numbers[len(request.logprobs)] for request in running]
            drawn, logprobs = draw(logits, temperatures, torch.tensor(numbers, dtype=torch.float64))
        for request, token, logprob in zip(running, drawn.tolist(), logprobs.tolist(), strict=True):
            request.tokens.append(token)
            request.logprobs.append(logprob)
            request.versions.append(self.version)
            stopped = token in self.template.stop_ids
            if stopped or len(request.logprobs) >= request.params.max_tokens:
                request.future.set_result(_completion(request, stopped=stopped))

    async def load_weights(self, named_tensors: NamedTensors, version: int) -> None:
        """Copy new weights into the model; what is being decoded is read again and goes on."""
        import torch

        parameters = dict(self.model.state_dict())
        with torch.no_grad():
            for name, tensor in named_tensors:
                parameters[name].copy_(tensor)
        self.version = version
        self.forget()

    def trust(self, probe: Probe, weights: Callable[[], NamedTensors]) -> None:
        """Nothing here can be started anew."""

    def forget(self) -> None:
        """Forget what was read; what is being decoded is read again."""
        if self._decoder is not None:
            self._decoder.forget()

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
        self.model = self._decoder = None


def _completion(request: _Request, *, stopped: bool) -> Completion:
    versions = tuple(request.versions)
    return Completion(
        tuple(request.tokens[-len(versions) :]),
        tuple(request.logprobs),
        "stop" if stopped else "length",
        versions[-1],
        versions=versions if len(set(versions)) > 1 else (),
    )
