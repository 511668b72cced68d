r"""Whether an answer says the same as the gold: total, exact, and never by running anything.

Both texts are read into trees (`parser`), the gold's form decides what kind of answer is wanted,
and the first rule of that kind decides: equal form, exact rationals, ball arithmetic, sets of
reals, truth tables, units, words. What cannot be read is compared as words. What is not shown to
be equal is not equal.

Left out: integrals, limits and sums as answers, recurrences, and sets of integers other than by
their spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flint import fmpq

from agentgym_envs.math.answers import nodes_equal
from agentgym_envs.math.cleaning import clean
from agentgym_envs.math.nodes import Apply, Number, TooLarge, Unreadable
from agentgym_envs.math.reading import Reading, read
from agentgym_envs.math.stack import with_a_fresh_stack
from agentgym_envs.math.units import Quantity, factor, same_unit
from agentgym_envs.math.values import OutOfTime, deadline
from agentgym_envs.math.words import clock, letters, option, same_words

__all__ = ["Decision", "decide", "equivalent"]

_NAN = re.compile(r"(?<![A-Za-z])nan(?![A-Za-z])", re.IGNORECASE)


_COMMA_DECIMAL = re.compile(r"-?(?![0-9]{1,3},[0-9]{3}$)[0-9]+,[0-9]+")


_LABELLED = re.compile(r"(?:\\text(?:bf|rm)?\{)? ?\([A-E]\)[.:]? ?\}? ?([^A-Za-z].*)", re.DOTALL)


_GROUPED = re.compile(r"[0-9],[0-9]{3}(?![0-9])")


@dataclass(frozen=True, slots=True)
class Decision:
    """What `decide` found.

    Attributes:
        equal: Whether the answer is right.
        rule: What decided, in words.
    """

    equal: bool
    rule: str


def equivalent(answer: str, gold: str, timeout_s: float = 2.0) -> bool:
    """Say whether an answer, without its box, equals the gold; see `decide`."""
    return decide(answer, gold, timeout_s).equal


def decide(answer: str, gold: str, timeout_s: float = 2.0) -> Decision:
    """Compare an answer with the gold.

    Args:
        answer: What the response gives, without its box.
        gold: What is right; it decides what kind of answer is wanted.
        timeout_s: Most seconds of arithmetic. The limits on sizes keep far below it.

    Returns:
        Whether they are equal, and the rule that decided. It never raises.
    """
    return with_a_fresh_stack(
        lambda: _bounded(answer, gold, timeout_s), Decision(False, "too large: nested too deeply")
    )


def _bounded(answer: str, gold: str, timeout_s: float) -> Decision:
    try:
        with deadline(timeout_s):
            return _decide(answer, gold)
    except TooLarge as error:
        return Decision(False, f"too large: {error}")
    except OutOfTime:
        return Decision(False, f"not decided within {timeout_s:g} s")
    except (Unreadable, ArithmeticError, OverflowError) as error:
        return Decision(False, f"not comparable: {error}")


def _decide(answer: str, gold: str) -> Decision:
    answer, gold = clean(answer), clean(gold)
    if not answer or not gold:
        return Decision(False, "an empty answer")
    if _NAN.search(answer) or _NAN.search(gold):
        return Decision(False, "NaN equals nothing")
    if answer == gold:
        return Decision(True, "the same text")
    for rule in (_options, _clocks):
        if (decision := rule(answer, gold)) is not None:
            return decision
    return _readings(answer, gold)


def _readings(answer: str, gold: str) -> Decision:
    wanted, given = read(gold), read(answer)
    if (rule := _equal(given, wanted)) is not None:
        return Decision(True, rule)
    for text in _other_spellings(answer, wanted):
        if (rule := _equal(read(text), wanted)) is not None:
            return Decision(True, rule)
    if _GROUPED.search(gold) and (rule := _equal(given, read(_listed(gold)))) is not None:
        return Decision(True, rule)
    if (wanted.node is None or given.node is None) and same_words(answer, gold):
        return Decision(True, "the same words")
    if given.node is None and given.quantity is None:
        return Decision(False, "not the same words, and the answer cannot be read as mathematics")
    return Decision(False, "not shown to be equal")


def _other_spellings(answer: str, wanted: Reading) -> Iterator[str]:
    """Yield what else the answer's commas, or a letter before it, could mean."""
    decimal = isinstance(wanted.node, Number) and wanted.node.place is not None
    if decimal and _COMMA_DECIMAL.fullmatch(answer):
        yield answer.replace(",", ".")
    if _GROUPED.search(answer):
        yield _listed(answer)
    if (labelled := _LABELLED.fullmatch(answer)) is not None:
        yield labelled[1]


def _listed(text: str) -> str:
    return re.sub(r",(?=[0-9]{3})", ", ", text)


def _equal(given: Reading, wanted: Reading) -> str | None:
    if given.label and wanted.label and given.label != wanted.label:
        return None
    if given.quantity is not None and wanted.quantity is not None:
        return _same_quantity(given.quantity, wanted.quantity, wanted.about)
    if given.node is not None and wanted.node is not None:
        rule = nodes_equal(wanted.node, given.node, wanted.about)
        if rule is not None:
            return rule
    other_unit = [isinstance(r.node, Apply) and r.node.op in ("%", "deg", "rad")
                  for r in (given, wanted)]  # fmt: skip
    if wanted.quantity is not None and given.node is not None and not other_unit[0]:
        rule = nodes_equal(wanted.quantity.amount, given.node, wanted.about)
        return rule and f"{rule}, the unit left out"
    if given.quantity is not None and wanted.node is not None and not other_unit[1]:
        rule = nodes_equal(wanted.node, given.quantity.amount, wanted.about)
        return rule and f"{rule}, with its unit"
    return None


def _same_quantity(given: Quantity, wanted: Quantity, about: bool) -> str | None:
    if same_unit(given.unit, wanted.unit):
        return nodes_equal(wanted.amount, given.amount, about)
    if not given.unit.powers or not wanted.unit.powers:  # "2 million" beside "2 million dollars"
        return nodes_equal(wanted.amount, given.amount, about)
    share = factor(given.unit, wanted.unit)
    if share is None:
        return None
    scaled = Apply("*", (given.amount, Number(fmpq(share.numerator, share.denominator))))
    rule = nodes_equal(wanted.amount, scaled, about)
    return rule and f"{rule}, units converted"


def _options(answer: str, gold: str) -> Decision | None:
    if (wanted := option(gold, gold=True)) is not None:
        given = option(answer)
        if given is not None:
            return Decision(given == wanted, f"option {given}, wanted {wanted}")
        return None
    if (several := letters(gold)) is not None:
        chosen = letters(answer)
        if chosen is not None:
            return Decision(chosen == several, "the set of options")
    return None


def _clocks(answer: str, gold: str) -> Decision | None:
    wanted, given = clock(gold), clock(answer)
    if wanted is not None and given is None and wanted[1] and ":" in gold:
        return Decision(False, "no time of day")
    if wanted is None or given is None:
        return None
    if not (
        "m" in (answer + gold).lower() or "o'clock" in (answer + gold) or wanted[1] or given[1]
    ):
        return None  # 2:30 beside 2:30 may be a ratio
    same = wanted[0] == given[0]
    if wanted[1] != given[1]:  # one does not say which half of the day
        same = wanted[0] % 43_200 == given[0] % 43_200
    return Decision(same, "the time of day")
