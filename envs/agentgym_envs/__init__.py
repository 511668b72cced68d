"""The built-in environments: plug-ins of agentgym like anybody else's."""

from __future__ import annotations

__all__ = ["register_envs"]


def register_envs() -> None:
    """Register the environments and suites of ``agentgym``; only strings, nothing is imported."""
    from agentgym.registry import register
    from agentgym_envs.suites import register_suites

    register(
        "agentgym/PythonMath-v0",
        "agentgym_envs.python.env:PythonMath",
        description="Arithmetic and word problems, with a Python interpreter to think with.",
    )
    register(
        "agentgym/Math-v0",
        "agentgym_envs.math.env:Math",
        description="Mathematics in one response: made problems by level or topic, or any dataset.",
    )
    register(
        "agentgym/PythonCode-v0",
        "agentgym_envs.python.code_env:PythonCode",
        description="Functions to write, judged by hidden tests in a fresh session.",
    )
    register(
        "agentgym/ApiWorld-v0",
        "agentgym_envs.world.env:ApiWorld",
        description="Everyday tasks in a world of apps, done by Python that calls their APIs.",
    )
    register(
        "agentgym/AppWorld-v0",
        "agentgym_envs.appworld.env:AppWorld",
        description="The real AppWorld benchmark, which you install beside; docs/appworld.md.",
    )
    register_suites()
