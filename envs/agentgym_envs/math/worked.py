r"""Whether an answer to a made problem is worked out, or repeats what was asked.

A checker that knows algebra takes ``55+57+30`` for 142, and ``3x \le 9`` for the interval that is
asked for. A problem that asks for just that must not, or a policy learns to copy. Only problems
that this package makes are held to it, for their golds say which form is wanted.

Left out: answers with letters or radicals may stay unsimplified.
"""

from __future__ import annotations

import re

from agentgym.types import Rule, Verdict

__all__ = ["unworked", "worked_out"]

_SIGNS = "-+*/^!\N{MINUS SIGN}\N{MULTIPLICATION SIGN}\N{DIVISION SIGN}\N{MIDDLE DOT}"
_OPERATION = re.compile(
    rf"[0-9A-Za-z)}}\]!]\s*(?:[{re.escape(_SIGNS)}]|\\(?:times|cdot|div|pm)(?![a-z]))"
    r"|\\[dt]?(?:frac|binom|sqrt)(?![a-z])|\u221a|gcd|lcm|mod"
)
_RELATION = re.compile(r"[<>\u2264\u2265]|\\(?:le|ge)(?!ft)|\\[lg]t(?![a-z])")
_MATRIX = re.compile(r"\\(?:begin|end)\{[a-z]+\}")
_PRODUCT = re.compile(r"\\end\{[a-z]+\}.*(?:\^|\\begin)", re.DOTALL)
_BRACKETS = re.compile(r"\\left|\\right|[\s(){}\[\],&\\]")
_WHOLE = re.compile(r"[-0-9_]+")
_FORMULA = re.compile(r"\$([^$]+)\$")
_DROPPED = re.compile(r"\\left|\\right|\\[,;:! ]|[\s{}]")
_PLAIN = re.compile(r"-?[\d.,/\\%a-z]*")


def worked_out(verdict: Verdict, gold: str, prompt: str) -> Verdict:
    """Return a verdict on a made problem, refused if its answer is not worked out."""
    if not verdict.score or verdict.extracted is None:
        return verdict
    reason = unworked(verdict.extracted, gold, prompt)
    if not reason:
        return verdict
    return Verdict(0.0, (Rule("answer", 0.0, reason=reason),), reason, verdict.extracted)


def unworked(answer: str, gold: str, prompt: str) -> str:
    """Say why an answer is not worked out; empty where it is.

    Args:
        answer: What the response gives, equal to the gold by value.
        gold: The right answer. Where it consists of whole numbers, so must the answer.
        prompt: The problem. None of its formulas may be the answer, but for plain numbers.
    """
    numbers = _MATRIX.sub(",", answer.rpartition("=")[2])
    if _WHOLE.fullmatch(_BRACKETS.sub("", _MATRIX.sub("", gold))) and _OPERATION.search(numbers):
        return "a calculation is no answer; numbers are asked for"
    if _PRODUCT.search(answer):
        return "a calculation is no answer; a matrix is asked for"
    if _RELATION.search(answer):
        return "an inequality is no answer; the set of its solutions is asked for"
    compact = _compact(answer)
    if compact == _compact(gold) or _PLAIN.fullmatch(compact):
        return ""
    if any(_compact(formula) == compact for formula in _FORMULA.findall(prompt)):
        return "the answer repeats a formula of the problem"
    return ""


def _compact(text: str) -> str:
    return _DROPPED.sub("", text.strip().strip("$"))
