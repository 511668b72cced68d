"""What an expression is worth: exactly as a rational, or as a ball that encloses its value.

A ball (midpoint and radius, Johansson 2017, "Arb: efficient arbitrary-precision midpoint-radius
interval arithmetic") is a proof: balls that do not overlap are different numbers. Sizes are
estimated before anything large is built, and a deadline is looked at at every node.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from flint import acb, acb_mat, arb, ctx, fmpq, fmpz

from agentgym_envs.math.nodes import Apply, Matrix, Node, Number, Symbol, TooLarge, Unreadable

__all__ = [
    "Ball",
    "OutOfTime",
    "Undefined",
    "ball",
    "deadline",
    "precision",
    "rational",
    "substituted",
]

MAX_BITS = 60_000  # of an exact value
MAX_FACTORIAL = 3_000
MAX_TERMS = 1_000  # of a sum over a range

_ARITHMETIC = threading.RLock()  # flint's precision is one number for the whole process
_LIMIT = threading.local()


class Undefined(ArithmeticError):
    """No finite value: a division by zero, infinity, a logarithm of zero."""


class OutOfTime(Exception):
    """The deadline passed."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` from this thread's arithmetic once it took longer, waiting left out."""
    outer = getattr(_LIMIT, "at", None)
    _LIMIT.at = time.thread_time() + seconds
    try:
        yield
    finally:
        _LIMIT.at = outer


def check_time() -> None:
    """Raise `OutOfTime` if this thread's deadline has passed."""
    limit = getattr(_LIMIT, "at", None)
    if limit is not None and time.thread_time() > limit:
        raise OutOfTime


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Compute with this many bits; one thread at a time."""
    with _ARITHMETIC:
        before = ctx.prec
        ctx.prec = bits
        try:
            yield
        finally:
            ctx.prec = before


def rational(node: Node) -> fmpq | None:
    """Return the exact value of a node that is rational by its form, else None.

    Raises:
        Undefined: On a division by zero.
        TooLarge: If the value would exceed `MAX_BITS`.
    """
    check_time()
    if isinstance(node, Number):
        return node.value
    if not isinstance(node, Apply):
        return None
    if node.op in ("sum", "prod"):
        return rational(_written_out(node))
    if node.op == "^" and (unit := _power_of_one(node)) is not None:
        return unit
    if (known := _cancelled(node)) is not None:
        return known
    if node.op not in _RATIONAL:
        return None
    values = []
    for part in node.args:
        value = rational(part)
        if value is None:
            return None
        values.append(value)
    result = _RATIONAL[node.op](*values)
    if result is not None and result.height_bits() > MAX_BITS:
        raise TooLarge("a value of too many digits")
    return result


def _power_of_one(node: Apply) -> fmpq | None:
    """``1^n`` and ``(-1)^n`` need no more of n than whether it is odd."""
    base = rational(node.args[0])
    if base is None or abs(base) > 1 or base.q != 1:
        return None
    if not base:
        return fmpq(0) if _unsigned(node.args[1]) else None
    odd = _odd(node.args[1])
    return None if odd is None else base if odd else fmpq(1)


def _cancelled(node: Apply) -> fmpq | None:
    """``0 * n``, ``n / n`` and ``log_b(b^n)`` for an n that is too large to write out."""
    if node.op == "*" and any(part == _ZERO for part in node.args):
        return fmpq(0) if all(part == _ZERO or _unsigned(part) for part in node.args) else None
    if node.op == "/" and node.args[0] == node.args[1]:
        return fmpq(1) if _unsigned(node.args[0]) else None
    if node.op in ("log", "lg", "ln") and isinstance(node.args[0], Apply):
        power = node.args[0]
        base = node.args[1] if len(node.args) > 1 else Symbol("e") if node.op == "ln" else _TEN
        if power.op == "^" and power.args[0] == base and (base == Symbol("e") or _unsigned(base)):
            return rational(power.args[1])
    return None


_ZERO, _TEN = Number(fmpq(0)), Number(fmpq(10))


def _odd(node: Node) -> bool | None:
    """Say whether an integer is odd, however large; None if it may be no integer."""
    if isinstance(node, Number):
        return bool(node.value.p % 2) if node.value.q == 1 else None
    if not isinstance(node, Apply) or node.op not in ("*", "+", "neg", "^"):
        return None
    parts = [_odd(part) for part in node.args]
    if None in parts:
        return None
    if node.op == "^":
        top = rational(node.args[1])
        positive = top is None or top > 0  # a tower of positive integers
        return parts[0] if positive and _unsigned(node.args[1]) else None
    return all(parts) if node.op == "*" else bool(sum(map(bool, parts)) % 2)


def _unsigned(node: Node) -> bool:
    if isinstance(node, Apply):
        return node.op in ("*", "+", "^") and all(map(_unsigned, node.args))
    return isinstance(node, Number) and node.value > 0


def _written_out(node: Apply) -> Node:
    """Return a sum or product over a range of integers, term by term."""
    letter, low_node, high_node, body = node.args
    low, high = rational(low_node), rational(high_node)
    if not isinstance(letter, Symbol) or low is None or high is None or low.q != 1 or high.q != 1:
        raise Unreadable("a range without whole ends")
    if not 0 <= high - low < MAX_TERMS:
        raise TooLarge(f"a range of more than {MAX_TERMS} terms")
    terms = tuple(
        substituted(body, letter, Number(fmpq(k))) for k in range(int(low.p), int(high.p) + 1)
    )
    return Apply("+" if node.op == "sum" else "*", terms) if len(terms) > 1 else terms[0]


def substituted(node: Node, letter: Symbol, value: Node) -> Node:
    """Return an expression with a symbol replaced."""
    if node == letter:
        return value
    if isinstance(node, Apply):
        return Apply(node.op, tuple(substituted(part, letter, value) for part in node.args))
    return node


def _sum(*terms: fmpq) -> fmpq:
    total = fmpq(0)
    for term in terms:
        total += term
    return total


def _product(*factors: fmpq) -> fmpq:
    result = fmpq(1)
    for factor in factors:
        result *= factor
        if result.height_bits() > MAX_BITS:
            raise TooLarge("a value of too many digits")
    return result


def _quotient(top: fmpq, bottom: fmpq) -> fmpq:
    if not bottom:
        raise Undefined("division by zero")
    return top / bottom


def _power(base: fmpq, exponent: fmpq) -> fmpq | None:
    if exponent.q != 1:
        return _exact_root(base, exponent)
    if not base and exponent < 0:
        raise Undefined("division by zero")
    if base in (0, 1, -1):
        return fmpq(1) if not exponent else base if base != -1 or exponent.p % 2 else fmpq(1)
    if abs(exponent.p) * max(1, base.height_bits()) > MAX_BITS:
        return None  # a ball may still hold it
    return base ** int(exponent.p)


def _exact_root(base: fmpq, exponent: fmpq) -> fmpq | None:
    """Return ``base ** exponent`` where it is rational: 8^(2/3) is 4."""
    if base < 0 or exponent.q > 64 or abs(exponent.p) > 64 or base.height_bits() > 2_000:
        return None
    roots = [_integer_root(part, int(exponent.q)) for part in (base.p, base.q)]
    if None in roots:
        return None
    return _power(fmpq(*roots), fmpq(exponent.p))


def _integer_root(value: fmpz, degree: int) -> fmpz | None:
    root = fmpz(value).root(degree) if value else fmpz(0)
    return root if root**degree == value else None


def _root(value: fmpq, degree: fmpq) -> fmpq | None:
    if degree.q != 1 or degree < 1:
        return None
    if value < 0:
        positive = _root(-value, degree) if degree.p % 2 else None
        return None if positive is None else -positive
    return _exact_root(value, 1 / degree)


def _factorial(value: fmpq) -> fmpq | None:
    if value.q != 1 or value < 0 or value > MAX_FACTORIAL:
        return None
    return fmpq(fmpz.fac_ui(value.p))


def _double_factorial(value: fmpq) -> fmpq | None:
    if value.q != 1 or value < 0 or value > MAX_FACTORIAL:
        return None
    return _product(*(fmpq(n) for n in range(int(value.p), 0, -2)))


def _binomial(n: fmpq, k: fmpq) -> fmpq | None:
    if n.q != 1 or k.q != 1 or not 0 <= k <= n or n > 10_000:
        return None
    return fmpq(fmpz.bin_uiui(int(n.p), int(k.p)))


def _integers(combine: Callable[[fmpz, fmpz], fmpz]) -> Callable[..., fmpq | None]:
    def apply(*values: fmpq) -> fmpq | None:
        if any(value.q != 1 for value in values):
            return None
        result = values[0].p
        for value in values[1:]:
            result = combine(result, value.p)
        return fmpq(abs(result))

    return apply


def _residue(value: fmpq, modulus: fmpq) -> fmpq | None:
    if value.q != 1 or modulus.q != 1 or modulus < 1:
        return None
    return fmpq(value.p % modulus.p)


_RATIONAL: dict[str, Callable[..., fmpq | None]] = {
    "+": _sum,
    "*": _product,
    "/": _quotient,
    "^": _power,
    "neg": lambda value: -value,
    "%": lambda value: value / 100,
    "factorial": _factorial,
    "double_factorial": _double_factorial,
    "binom": _binomial,
    "abs": abs,
    "sgn": lambda value: fmpq((value > 0) - (value < 0)),
    "floor": lambda value: fmpq(value.floor()),
    "ceil": lambda value: fmpq(value.ceil()),
    "sqrt": lambda value: _root(value, fmpq(2)),
    "root": _root,
    "cbrt": lambda value: _root(value, fmpq(3)),
    "gcd": _integers(lambda a, b: a.gcd(b)),
    "lcm": _integers(lambda a, b: a.lcm(b)),
    "max": max,
    "min": min,
    "ratio": lambda *values: _quotient(*values) if len(values) == 2 else None,
    "residue": _residue,
}


_EXACT_FIRST = frozenset({"^", "root", "log", "abs", "floor", "ceil", "max", "min", "bar", "real"})


@dataclass(slots=True)
class Ball:
    """The value of a node in the current precision.

    Attributes:
        values: What the symbols stand for.
        span: The largest power of two, up or down, that a power or exponential reached; agreement
            to fewer bits than that says nothing.
        real: Whether a part that is not real leaves the whole undefined.
    """

    values: Mapping[str, acb] = field(default_factory=dict)
    span: float = 0.0
    real: bool = False

    def of(self, node: Node) -> acb:
        """Return a ball that encloses the value.

        Raises:
            Undefined: If there is no finite value.
            Unreadable: If the node is no expression.
            OutOfTime: After the deadline.
        """
        check_time()
        if isinstance(node, Number):
            return acb(arb(node.value))
        if isinstance(node, Symbol):
            return self._symbol(node.name)
        if not isinstance(node, Apply):
            raise Unreadable("no expression")
        if node.op in ("sum", "prod"):
            return self.of(_written_out(node))
        if node.op == "det":
            return self._determinant(node.args[0])
        if node.op in _EXACT_FIRST and (exact := rational(node)) is not None:
            value = acb(arb(exact))
            self._note(value)
            return value
        return self._applied(node)

    def _applied(self, node: Apply) -> acb:
        function = _BALLS.get(node.op)
        if function is None:
            raise Unreadable(f"{node.op} has no value")
        value = function(*(self.of(part) for part in node.args))
        if not value.is_finite():
            raise Undefined(f"{node.op} has no finite value")
        if self.real and not value.imag.contains(arb(0)):
            raise Undefined(f"{node.op} leaves the reals")
        if node.op in ("^", "exp", "factorial") or len(node.args) > 8:
            self._note(value)
        return value

    def _symbol(self, name: str) -> acb:
        if name in self.values:
            return self.values[name]
        if name == "pi":
            return acb(arb.pi())
        if name == "e":
            return acb(arb.const_e())
        if name == "i":
            return acb(0, 1)
        if name == "oo":
            raise Undefined("infinity")
        raise Unreadable(f"{name} has no value")

    def _note(self, value: acb) -> None:
        size = value.abs_upper()
        if size.is_zero():
            return
        self.span = max(self.span, abs(float(size.log().mid())) / 0.6931)

    def _determinant(self, node: Node) -> acb:
        if not isinstance(node, Matrix) or not len(node.rows) == len(node.rows[0]) <= 12:
            raise Unreadable("no determinant")
        return acb_mat([[self.of(cell) for cell in row] for row in node.rows]).det()


def ball(node: Node, values: Mapping[str, acb] | None = None) -> acb:
    """Return `Ball.of` of one node."""
    return Ball(values or {}).of(node)


def _divide(top: acb, bottom: acb) -> acb:
    if bottom.is_zero():
        raise Undefined("division by zero")
    return top / bottom


def _raise(base: acb, exponent: acb) -> acb:
    if base.is_zero():
        if exponent.is_zero():
            return acb(1)
        if not exponent.real > 0:
            raise Undefined("a power of zero")
        return acb(0)
    if exponent.imag.is_zero() and exponent.real.is_exact():
        whole = exponent.real.unique_fmpz()
        if whole is not None and abs(whole) < 2**62:
            return base ** int(whole)
    if base.real == 1 and base.imag.is_zero():
        return acb(1)
    return base**exponent


def _odd_root(value: acb, degree: acb) -> acb:
    whole = degree.real.unique_fmpz() if degree.imag.is_zero() else None
    if whole is None or whole < 1:
        return _raise(value, 1 / degree)
    if whole % 2 and value.imag.is_zero() and value.real < 0:
        return -_raise(-value, 1 / degree)
    return _raise(value, 1 / degree)


def _real(value: acb) -> arb:
    if not value.imag.is_zero():
        raise Undefined("an order of complex numbers")
    return value.real


def _logarithm(value: acb, base: acb | None = None) -> acb:
    if value.is_zero():
        raise Undefined("a logarithm of zero")
    if base is None:
        return value.log() / acb(10).log()
    return _divide(value.log(), base.log())


def _ball_sum(*terms: acb) -> acb:
    total = terms[0]
    for term in terms[1:]:
        total += term
    return total


def _ball_product(*factors: acb) -> acb:
    result = factors[0]
    for factor in factors[1:]:
        result *= factor
    return result


def _fold(pick: str) -> Callable[..., acb]:
    def apply(*values: acb) -> acb:
        best = _real(values[0])
        for value in values[1:]:
            best = getattr(best, pick)(_real(value))
        return acb(best)

    return apply


def _choose(n: acb, k: acb) -> acb:
    return (n + 1).gamma() * (k + 1).rgamma() * (n - k + 1).rgamma()


def _ln(value: acb) -> acb:
    if value.is_zero():
        raise Undefined("a logarithm of zero")
    return value.log()


_BALLS: dict[str, Callable[..., acb]] = {
    "+": _ball_sum,
    "*": _ball_product,
    "/": _divide,
    "^": _raise,
    "neg": lambda value: -value,
    "%": lambda value: value / 100,
    "rad": lambda value: value,
    "deg": lambda value: value * acb(arb.pi()) / 180,
    "sqrt": lambda value: value.sqrt(),
    "root": _odd_root,
    "cbrt": lambda value: _odd_root(value, acb(3)),
    "abs": lambda value: acb(abs(value)),
    "exp": lambda value: value.exp(),
    "cis": lambda value: (value * acb(0, 1)).exp(),
    "ln": _ln,
    "log": _logarithm,
    "lg": _logarithm,
    "sin": lambda value: value.sin(),
    "cos": lambda value: value.cos(),
    "tan": lambda value: value.tan(),
    "cot": lambda value: value.cot(),
    "sec": lambda value: value.sec(),
    "csc": lambda value: value.csc(),
    "arcsin": lambda value: value.asin(),
    "arccos": lambda value: value.acos(),
    "arctan": lambda value: value.atan(),
    "arccot": lambda value: acb(arb.pi()) / 2 - value.atan(),
    "arcsec": lambda value: _divide(acb(1), value).acos(),
    "arccsc": lambda value: _divide(acb(1), value).asin(),
    "sinh": lambda value: value.sinh(),
    "cosh": lambda value: value.cosh(),
    "tanh": lambda value: value.tanh(),
    "coth": lambda value: value.coth(),
    "sech": lambda value: value.sech(),
    "csch": lambda value: value.csch(),
    "arcsinh": lambda value: value.asinh(),
    "arccosh": lambda value: value.acosh(),
    "arctanh": lambda value: value.atanh(),
    "factorial": lambda value: (value + 1).gamma(),
    "binom": _choose,
    "floor": lambda value: acb(_real(value).floor()),
    "ceil": lambda value: acb(_real(value).ceil()),
    "sgn": lambda value: acb(_real(value).sgn()),
    "max": _fold("max"),
    "min": _fold("min"),
    "real": lambda value: acb(value.real),
    "imag": lambda value: acb(value.imag),
    "bar": lambda value: value.conjugate(),
    "conj": lambda value: value.conjugate(),
    "arg": lambda value: acb(value.arg()),
    "ratio": lambda *values: _divide(*values) if len(values) == 2 else acb("nan"),
}
