"""How tightly the operators between expressions bind, from the loosest."""

from __future__ import annotations

from agentgym_envs.math.symbols import RELATIONS

__all__ = ["BINDING", "NOT", "PRODUCT", "RELATION", "SUM"]

# How tightly the operators between expressions bind.
IMPLICATION, DISJUNCTION, CONJUNCTION, NOT, RELATION, SET, RATIO, SUM, PRODUCT = range(9)
BINDING: dict[str, int] = (
    dict.fromkeys(RELATIONS, RELATION)
    | {"implies": IMPLICATION, "iff": IMPLICATION, "lor": DISJUNCTION, "xor": DISJUNCTION}
    | {"land": CONJUNCTION, "mod": RELATION, "pmod": RELATION, ":": RATIO}
    | {"cup": SET, "cap": SET, "setminus": SET}
    | {"+": SUM, "-": SUM, "pm": SUM, "mp": SUM, "*": PRODUCT, "/": PRODUCT}
)
