"""What runs inside a vLLM worker of another process: weights that come as a file.

vLLM loads this module by the name of its class, before it builds the model:

    --worker-extension-cls agentgym.policy.vllm_worker.FileWeights
    --weight-transfer-config '{"backend": "agentgym-file"}'

After that vLLM's own calls and endpoints (``start_weight_update``, ``update_weights``,
``finish_weight_update``) take ``{"path": FILE}``, a safetensors file that both sides can read.
Left out: tensor parallel workers that read only their own part of the file.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from typing import Any

import psutil  # type: ignore[import-untyped]
import torch
from safetensors import safe_open
from vllm.distributed.weight_transfer.base import (
    WeightTransferEngine,
    WeightTransferInitInfo,
    WeightTransferUpdateInfo,
)
from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory
from vllm.platforms import current_platform

from agentgym.policy.vllm_settings import OWNER, spare_the_cpu

__all__ = ["BACKEND", "FileTransfer", "FileWeights"]

BACKEND = "agentgym-file"
_LOOK_S = 2.0


@dataclass
class _Init(WeightTransferInitInfo):  # type: ignore[misc]
    """Nothing needs to be agreed on before the first push."""


@dataclass
class _Update(WeightTransferUpdateInfo):  # type: ignore[misc]
    path: str


class FileTransfer(WeightTransferEngine[_Init, _Update]):  # type: ignore[misc]
    """Loads pushed weights from a file into the model that is running."""

    init_info_cls = _Init
    update_info_cls = _Update

    def init_transfer_engine(self, init_info: _Init) -> None:
        """Nothing to set up."""

    def start_weight_update(self) -> None:
        """Nothing to prepare: weights are copied in place."""

    def update_weights(self, update_info: dict[str, Any]) -> None:
        """Load a file; the base class would wait for an accelerator, which a CPU is not."""
        self.receive_weights(self.parse_update_info(update_info))
        if self.device.type != "cpu":
            torch.accelerator.synchronize()

    @torch.no_grad()
    def receive_weights(self, update_info: _Update) -> None:
        """Copy each tensor of the file over the model's own."""
        with safe_open(update_info.path, framework="pt", device="cpu") as file:
            self.model.load_weights((name, file.get_tensor(name)) for name in file.keys())  # noqa: SIM118

    def finish_weight_update(self) -> None:
        """Nothing to finish."""

    def shutdown(self) -> None:
        """Nothing is held."""


class FileWeights:
    """The worker extension; it has no methods of its own, its module's work is done at import."""


def _end_with(owner: int) -> None:
    """End the engine once the process that owns it is gone, however that ended."""

    def watch() -> None:
        while not _orphaned(owner):
            time.sleep(_LOOK_S)
        core = os.getppid()
        if core != 1:
            os.kill(core, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="agentgym-owner").start()


def _orphaned(owner: int) -> bool:
    """Return whether neither this process nor the engine's core above it is the owner's child."""
    core = os.getppid()
    try:
        return owner not in (core, psutil.Process(core).ppid())
    except psutil.NoSuchProcess:
        return True


if BACKEND not in WeightTransferEngineFactory._registry:
    WeightTransferEngineFactory.register_engine(BACKEND, FileTransfer)
if current_platform.is_cpu():
    spare_the_cpu()
if OWNER in os.environ:
    _end_with(int(os.environ[OWNER]))
