"""Riddles: a package of its own that agentgym finds by its entry point."""

__all__ = ["register_envs"]


def register_envs() -> None:
    """Register environments and suites; called by agentgym, imports nothing heavy."""
    from agentgym.evaluate.suites import register_suite
    from agentgym.registry import register

    register(
        "riddles/Riddles-v0",
        "agentgym_riddles.env:Riddles",
        description="one riddle, one answer",
    )
    register_suite(
        "riddles",
        [{"env": "riddles/Riddles-v0", "tasks": 10, "rollouts": 4}],
        "every held-out riddle, four times",
    )
