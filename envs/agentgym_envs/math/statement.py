"""The answer of a plain statement, such as "The probability is 5/36" as a whole response.

Only a response that is one sentence, or a last sentence that draws a conclusion ("So ..."), says
its answer so. Left out: all other prose, whose numbers may be steps.
"""

from __future__ import annotations

import re

from agentgym_envs.math.phrases import is_short, sentence, tidy

__all__ = ["stated"]

MAX_STATEMENT = 200  # characters

_CONCLUSION = re.compile(
    r"(?:^|[.!?]\s+)(?:\W{0,3})((?:so|thus|hence|therefore|in total|altogether|consequently"
    r"|somit|daher|also|donc|ainsi|por lo tanto|así que|portanto|logo|quindi|dunque|итак|значит)\b"
    r"[^.!?]*(?:[.][0-9][^.!?]*)*[.!]?)$",
    re.IGNORECASE,
)
_COPULA = re.compile(
    r"\b(?:is|are|was|equals|takes|earns|costs|weighs|measures|has|will be|ist|sind"
    r"|beträgt|est|sont|vaut|es|son|é|è|são|sono|равен|равно|равна)(?: equal to)?\s|=|≈",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"\b(?:not|never|cannot|unable|maybe|perhaps|possibly|probably|either|neither|nor|unknown|unclear"
    r"|might|may|could|would|should|if|let|suppose|assume|guess|whether|between|than|wrong|problem"
    r"|think|believe|expected|previous|earlier|initial|other|another|target|reference|grader|user"
    r"|student|example"
    r"|question|step|first|given|nicht|vielleicht|pas|quizás?|talvez|forse|не)\b|n['\u2019]t\b|\?",
    re.IGNORECASE,
)
_STOCK = re.compile(r"\b(?:the )?(?:limit |integral |it )?(does not exist)\W*$", re.IGNORECASE)


def stated(text: str) -> str | None:
    """Return what a one-sentence response, or its closing conclusion, states; else None."""
    line = text.strip().rpartition("\n")[2].strip()
    if len(line) > MAX_STATEMENT * 3:
        return None
    if line != text.strip() or len(sentence(line) or "") < len(line) - 2:
        concluding = _CONCLUSION.search(line)
        if concluding is None:
            return None
        line = concluding[1]
    if len(line) > MAX_STATEMENT:
        return None
    if stock := _STOCK.search(line):
        return stock[1]
    found = list(_COPULA.finditer(line))
    if not found or _DOUBT.search(line):
        return None
    value = tidy(line[found[-1].end() :].replace("**", ""))
    return value if value and is_short(value) else None
