"""A vLLM server that takes weights: ``python -m agentgym.policy.vllm_serve MODEL --port 8000``.

Every further flag goes to vLLM. It is ``vllm serve`` with the endpoints for token ids and for
weights switched on, the settings of the engine in the learner's process, and the worker that reads
weights from a file. Those endpoints let anyone who reaches them change the model: it listens on
this machine only, unless ``--host`` says otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from agentgym.policy.vllm_settings import WORKER, engine_settings, import_vllm

__all__ = ["flags", "main"]


def flags(settings: Mapping[str, Any]) -> list[str]:
    """Return engine arguments as vLLM's command line has them."""
    made: list[str] = []
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            made.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, Mapping):
            made += [f"--{flag}", json.dumps(value)]
        elif value is not None:
            made += [f"--{flag}", str(value)]
    return made


def _arguments(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("model", help="a model folder, or a name on the model hub")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--context", type=int, help="most tokens of a conversation")
    parser.add_argument("--concurrency", type=int, default=256, help="sequences decoded at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gpu-memory", type=float, default=0.9, help="share of a GPU's memory")
    parser.add_argument(
        "--end-with-stdin", action="store_true", help="end when standard input is closed"
    )
    return parser.parse_known_args(argv)


def _end_with_stdin() -> None:
    """End this process and its children when whoever started it is gone, even by kill -9."""

    def wait() -> None:
        while sys.stdin.buffer.read(1):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True, name="agentgym-stdin").start()


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until the process is told to end."""
    options, further = _arguments(sys.argv[1:] if argv is None else argv)
    if options.end_with_stdin:
        _end_with_stdin()
    os.environ.setdefault("VLLM_SERVER_DEV_MODE", "1")
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
    import_vllm()
    from vllm.platforms import current_platform

    on_cpu = bool(current_platform.is_cpu())
    if on_cpu:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    settings = engine_settings(
        options.model,
        on_cpu=on_cpu,
        context=options.context,
        concurrency=options.concurrency,
        seed=options.seed,
        gpu_memory=options.gpu_memory,
    )
    server = ["--host", options.host, "--port", str(options.port), "--enable-scale-out"]
    server += ["--generation-config", "vllm", "--uvicorn-log-level", "warning"]
    # Not `vllm serve`: that asks for the metadata of a package named vllm, which vllm-cpu lacks.
    from vllm.entrypoints.launchers.api_server.entry import main as serve

    sys.argv = ["vllm", *server, *flags(settings | WORKER), *further]
    serve()


if __name__ == "__main__":
    main()
