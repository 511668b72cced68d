"""Riddles: a package of its own that agentgym finds by its entry point."""

__all__ = ["register_envs"]


def register_envs() -> None:
    """Register the environments; called by agentgym, imports nothing heavy."""
    from agentgym.registry import register

    register(
        "riddles/Riddles-v0",
        "agentgym_riddles.env:Riddles",
        description="one riddle, one answer",
    )
