"""Say what a misspelt name was perhaps meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["perhaps_you_meant"]


def perhaps_you_meant(name: str, known: Iterable[str]) -> str:
    """Return the way out of an unknown name, for the end of an error's text.

    Args:
        name: What was asked for.
        known: All names that would have worked.

    Returns:
        ``perhaps you meant 'x'?``, or all known names where none is near.
    """
    names = sorted(known)
    lower = {each.lower(): each for each in names}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    if near:
        return f"perhaps you meant '{lower[near[0]]}'?"
    return f"known: {', '.join(names)}" if names else "none is known"
