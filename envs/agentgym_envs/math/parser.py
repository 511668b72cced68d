"""From tokens to a tree: a precedence parser that reads all of its input or none.

Left out on purpose: integrals, limits, sums over a range, calls of unknown functions. Text that
holds them is compared as text.
"""

from __future__ import annotations

from functools import lru_cache

from flint import fmpq

from agentgym_envs.math.binding import BINDING, NOT, PRODUCT, RELATION, SUM
from agentgym_envs.math.brackets import angle, bracket, french, program_set
from agentgym_envs.math.cursor import Cursor
from agentgym_envs.math.environments import environment
from agentgym_envs.math.functions import function
from agentgym_envs.math.lexer import Token, normalise, tokenise
from agentgym_envs.math.nodes import (
    Apply,
    Group,
    Matrix,
    Node,
    Number,
    Relation,
    Sequence,
    Symbol,
    TooLarge,
    Unreadable,
)
from agentgym_envs.math.numerals import in_base, number
from agentgym_envs.math.program import PROGRAM, program_call
from agentgym_envs.math.symbols import FUNCTIONS, RELATIONS

__all__ = ["Parser", "parse", "parse_tokens"]

MAX_DEPTH = 140  # expressions inside one another
MAX_CHAIN = 60  # operators of one kind in a row that nest to the left
_ACCENTS = frozenset({"hat", "widehat", "tilde", "widetilde", "dot", "ddot"})
_BARS = frozenset({"overline", "bar"})
_SET_LETTERS = frozenset("ABCXY")
_DROPPED_COMMANDS = frozenset({"vec", "overrightarrow", "limits", "ensuremath"})
_BASE_WORDS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
               "nine": 9, "ten": 10, "twelve": 12, "sixteen": 16, "hex": 16}  # fmt: skip


@lru_cache(maxsize=4_096)
def parse(text: str) -> Node:
    """Read a whole answer.

    Raises:
        Unreadable: If any part of the text is not understood.
        TooLarge: If it is beyond a limit.
    """
    return parse_tokens(tokenise(normalise(text)))


def parse_tokens(tokens: list[Token]) -> Node:
    """Read tokens; see `parse`."""
    parser = Parser(_without_double_brackets(tokens))
    node = parser.sequence()
    if parser.accept("over"):
        node = Apply("/", (node, parser.sequence()))
    if parser.peek() is not None:
        raise Unreadable(f"cannot read on from {parser.peek()!r}")
    return node


def _without_double_brackets(tokens: list[Token]) -> list[Token]:
    """Drop the inner of two round brackets that enclose the same: no depth is spent on them."""
    stack: list[int] = []
    closes: dict[int, int] = {}
    for at, token in enumerate(tokens):
        if token.kind == "op" and token.text == "(":
            stack.append(at)
        elif token.kind == "op" and token.text == ")" and stack:
            closes[stack.pop()] = at
    dropped = set()
    for opened, closed in closes.items():
        if closes.get(opened + 1) == closed - 1:
            dropped |= {opened + 1, closed - 1}
    return [token for at, token in enumerate(tokens) if at not in dropped]


class Parser(Cursor):
    """Reads expressions; the modules beside it read brackets, functions and environments."""

    def nested(self) -> _Deeper:
        """Count one level of depth."""
        return _Deeper(self)

    def sequence(self) -> Node:
        """``a, b and c`` or ``a or b``."""
        items, joint = [self.expression()], ","
        while True:
            if self.next_is(",", ";", "and", "newrow", "or"):
                while word := self.accept(",", ";", "and", "newrow", "or"):
                    joint = word if word in ("and", "or") and joint != "or" else joint
                if self.peek() is None and joint == ",":
                    break  # a closing comma
                items.append(self.expression())
            else:
                break
        return items[0] if len(items) == 1 else Sequence(tuple(items), joint)

    def expression(self, level: int = 0) -> Node:
        """Read operators that bind at least as tightly as the level: precedence climbing."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooLarge("nested too deeply")
        left, chained = self._prefix(level), 0
        while True:
            op = self._infix()
            binding = -1 if op is None else BINDING[op]
            if op is None or binding < level:
                break
            chained = self._count(chained)
            left = self._combined(op, left, binding)
        self.depth -= 1
        return left

    def _prefix(self, level: int) -> Node:
        if self.accept("not"):
            return Apply("not", (self.expression(max(level, NOT)),))
        if quantifier := self.accept("forall", "exists"):
            letter = self.primary()
            self.accept(",", ":")
            return Apply(quantifier, (letter, self.expression(NOT)))
        if sign := self.accept("+", "-", "pm", "mp"):
            operand = self.expression(PRODUCT)
            return operand if sign == "+" else Apply("neg" if sign == "-" else sign, (operand,))
        return self._mixed() or self.power()

    def _infix(self) -> str | None:
        """Return the operator that stands here, ``*`` too where nothing stands."""
        token = self.peek()
        if token is None or (token.text == "gt" and self.angles):
            return None
        if self.next_is("(", "[") and self.next_is("mod", ahead=1):
            return "mod"
        if token.kind == "op" and token.text in BINDING:
            return None if token.text == ":" and self.no_bar else token.text
        return "*" if self.starts_factor() else None

    def _combined(self, op: str, left: Node, binding: int) -> Node:
        """Join what stands right of an operator to what stands left of it."""
        if binding == SUM:
            return self._sum(left)
        if binding == PRODUCT:
            return self._product(left)
        if binding == RELATION:
            return self._relation(left)
        if op == ":":
            parts = [left]
            while self.accept(":"):
                parts.append(self.expression(SUM))
            return Apply("ratio", tuple(parts))
        self.at += 1
        return Apply(op, (left, self.expression(binding if op == "implies" else binding + 1)))

    def _sum(self, left: Node) -> Node:
        terms = [left]
        while op := self.accept("+", "-", "pm", "mp"):
            term = self.expression(PRODUCT)
            if op in ("pm", "mp"):
                terms = [Apply(op, (_joined("+", terms), term))]
            else:
                terms.append(term if op == "+" else Apply("neg", (term,)))
        return _joined("+", terms)

    def _product(self, left: Node) -> Node:
        factors, divisions = [left], 0
        while True:
            if self.accept("*"):
                factors.append(self._signed_power())
                if self._is_product_of_sets(factors):
                    factors = [Apply("times", tuple(factors))]
            elif self.accept("/"):
                divisions = self._count(divisions)
                factors = [Apply("/", (_joined("*", factors), self._signed_power()))]
            elif self.starts_factor():
                factors.append(self.power())
            else:
                return _joined("*", factors)

    def _is_product_of_sets(self, factors: list[Node]) -> bool:
        r"""Tell ``A \times B`` from a product of numbers: it does not commute."""
        written = self.tokens[self.at - 2].source.strip() == r"\times"
        return written and all(isinstance(f, Symbol) and f.name in _SET_LETTERS for f in factors)

    def _relation(self, left: Node) -> Node:
        sides, ops = [left], []
        while (token := self.peek()) and token.kind == "op" and token.text in RELATIONS:
            if token.text == "gt" and self.angles:
                break
            self.at += 1
            ops.append(token.text)
            sides.append(self.expression(RELATION + 1))
        modulus = self._modulus()
        if modulus is not None and not ops:
            return Apply("residue", (left, modulus))
        return Relation(tuple(ops), tuple(sides), modulus)

    def _modulus(self) -> Node | None:
        r"""``\pmod{7}``, ``(mod 7)``, ``mod 7``."""
        if self.accept("pmod"):
            return self.argument()
        if self.next_is("(", "[") and self.next_is("mod", ahead=1):
            self.at += 2
            node = self.expression(SUM)
            self.expect(")", "]")
            return node
        return self.expression(SUM) if self.accept("mod") else None

    @staticmethod
    def _count(chained: int) -> int:
        if chained >= MAX_CHAIN:
            raise TooLarge(f"more than {MAX_CHAIN} operators in a row")
        return chained + 1

    def _signed_power(self) -> Node:
        if self.accept("-"):
            with self.nested():
                return Apply("neg", (self._signed_power(),))
        self.accept("+")
        return self.power()

    def _mixed(self) -> Node | None:
        r"""``1\frac{1}{2}`` and ``1 1/2``: a whole number beside a proper fraction."""
        first = self.peek()
        if first is None or first.kind != "num" or not first.text.isdigit() or first.extra:
            return None
        start, tokens = self.at, self.tokens[self.at : self.at + 4]
        self.at += 1
        bottom: Node | None = None
        top: Node | None = None
        if self.accept("frac"):
            top, bottom = self.argument(), self.argument()
        elif (second := self.peek()) and second.kind == "num" and second.spaced:
            after = self.peek(2)
            if self.next_is("/", ahead=1) and after is not None and after.kind == "num":
                top, bottom = number(second), number(after)
                self.at += 3
        if (
            isinstance(top, Number)
            and isinstance(bottom, Number)
            and 0 < top.value < bottom.value
            and top.value.q == bottom.value.q == 1
        ):
            return self.postfix(Apply("+", (number(first), Apply("/", (top, bottom)))))
        self.at, self.tokens[start : start + 4] = (
            start,
            tokens,
        )  # a fraction may have split a number
        return None

    def starts_factor(self) -> bool:
        """Say whether a factor begins here, so that nothing means times."""
        token = self.peek()
        if token is None:
            return False
        if token.kind in ("name", "run"):
            return True
        if token.kind == "num":
            before = self.tokens[self.at - 1]
            if before.kind == "num":
                return False
            return before.text in (")", "}", "!") or (
                before.kind in ("name", "run") and token.spaced
            )
        if token.kind == "cmd":
            return token.text not in ("end", "over", "choose")
        if token.text == "|":
            return not self.bars and not self.no_bar
        if token.text == "(" and self.next_is("mod", ahead=1):
            return False
        if token.text == "[" and self.french:
            return False
        return token.text in ("(", "[", "{", "lfloor", "lceil", "<")

    def power(self) -> Node:
        """Read a base with its exponent and what follows it."""
        base = self.postfix(self.primary())
        if self.accept("^"):
            with self.nested():
                if self.accept("deg") or self._braced_degree():
                    return self.postfix(Apply("deg", (base,)))
                exponent = self.exponent()
            if isinstance(base, Matrix | Group) and exponent in (Symbol("T"), Symbol("true")):
                return _transposed(base)
            if exponent in (Symbol("c"), Symbol("C"), Apply("complement", ())):
                return Apply("complement", (base,))
            return self.postfix(Apply("^", (base, exponent)))
        return base

    def _braced_degree(self) -> bool:
        if self.next_is("{") and self.next_is("deg", ahead=1) and self.next_is("}", ahead=2):
            self.at += 3
            return True
        return False

    def exponent(self) -> Node:
        """Read what stands behind ``^``."""
        if self.accept("-"):
            with self.nested():
                return Apply("neg", (self.exponent(),))
        self.accept("+")
        if self.accept("complement"):
            return Apply("complement", ())
        if self.next_is("{"):
            return self.braces()
        node = self.postfix(self.primary())
        if self.accept("^"):
            with self.nested():
                return Apply("^", (node, self.exponent()))
        return node

    def postfix(self, node: Node) -> Node:
        """Read factorials, percents, degrees, primes and bases behind a node."""
        chained = 0
        while (op := self.peek()) is not None and op.kind == "op":
            chained = self._count(chained)
            if op.text == "!" and self.next_is("!", ahead=1):
                node = Apply("double_factorial", (node,))
                self.at += 1
            elif op.text == "!" and not self.next_is("=", ahead=1):
                node = Apply("factorial", (node,))
            elif op.text in ("%", "deg", "rad"):
                node = Apply(op.text, (node,))
            elif op.text == "_" and isinstance(node, Number):
                self.at += 1
                node = self._based(node)
                continue
            elif op.text == "'" and isinstance(node, Group | Apply):
                node = Apply("complement", (node,))
            else:
                return node
            self.at += 1
        return node

    def _based(self, node: Number) -> Number:
        """A subscript is the base of the digits before it."""
        digits = self.tokens[self.at - 2].text
        self.accept("{")
        token = self.take()
        base = _BASE_WORDS.get(token.text) if token.kind in ("word", "run") else None
        if base is None:
            if token.kind != "num" or not token.text.isdigit() or len(token.text) > 2:
                raise Unreadable(f"no base: {token.text!r}")
            base = int(token.text)
        self.accept("}")
        return Number(in_base(digits, base), base=base)

    def primary(self) -> Node:
        """Read what an expression starts with."""
        token = self.take()
        if token.kind == "num":
            return self._number(token)
        if token.kind == "name":
            return self._name(token)
        if token.kind == "cmd":
            return self._command(token.text)
        if token.kind == "op":
            return self._opened(token)
        raise Unreadable(f"a word: {token.text!r}")

    def _number(self, token: Token) -> Number:
        if token.extra == "digits":
            if not self.next_is("_"):
                raise Unreadable("digits without their base")
            return Number(fmpq(0))  # replaced by the subscript, which must follow
        return number(token)

    def _name(self, token: Token) -> Node:
        if token.text in PROGRAM:
            return program_call(self, token.text)
        if token.text in FUNCTIONS:
            return function(self, token.text)
        return Symbol(token.text)

    def _command(self, name: str) -> Node:
        if name == "frac":
            top = self.argument()
            return Apply("/", (top, self.argument()))
        if name in ("sqrt", "cbrt"):
            index: Node | None = Number(fmpq(3)) if name == "cbrt" else None
            if self.accept("["):
                index = self.expression(SUM)
                self.expect("]")
            argument = self.argument(whole=True)
            return Apply("sqrt", (argument,)) if index is None else Apply("root", (argument, index))
        if name in ("binom", "dbinom", "tbinom"):
            top = self.argument()
            return Apply("binom", (top, self.argument()))
        if name in ("sum", "prod", "begin"):
            return environment(self) if name == "begin" else self._range(name)
        if name in ("boxed", "fbox", *_DROPPED_COMMANDS):
            return self.argument()
        if name in _BARS | _ACCENTS:
            return self._accented(name)
        raise Unreadable(f"an unknown command \\{name}")

    def _accented(self, name: str) -> Node:
        if name in _BARS:
            return Apply("bar", (self.argument(),))
        if name in _ACCENTS:
            inner = self.argument()
            if isinstance(inner, Symbol):
                return Symbol(f"{name.removeprefix('wide')} {inner.name}")
        raise Unreadable(f"an unknown command \\{name}")

    def _range(self, name: str) -> Node:
        r"""``\sum_{k=1}^{4} k^2``."""
        self.expect("_")
        bound = self.argument()
        self.expect("^")
        high = self.exponent()
        if not isinstance(bound, Relation) or bound.ops != ("=",):
            raise Unreadable("a range without its start")
        letter, low = bound.sides
        return Apply(name, (letter, low, high, self.expression(PRODUCT)))

    def argument(self, whole: bool = False) -> Node:
        """A braced group or one symbol; of a number, one digit, as TeX has it."""
        if self.next_is("{"):
            return self.braces()
        token = self.peek()
        if token is not None and token.kind == "num" and not whole and len(token.text) > 1:
            if not token.text.isdigit() or token.extra:
                raise Unreadable("a fraction without braces")
            self.tokens[self.at] = Token("num", token.text[1:])
            return Number(fmpq(int(token.text[0])))
        return self.postfix(self.primary()) if whole else self.primary()

    def braces(self) -> Node:
        """Read a braced group; commas inside make it a set."""
        self.expect("{")
        self.no_bar, outer = False, self.no_bar
        bars, self.bars = self.bars, 0
        node = self.sequence()
        if infix := self.accept("over", "choose"):
            op = "/" if infix == "over" else "binom"
            node = Apply(op, (node, self.sequence()))
        self.expect("}")
        self.no_bar, self.bars = outer, bars
        if isinstance(node, Sequence):
            return Group(r"\{", r"\}", node.items)
        return node

    def _opened(self, token: Token) -> Node:
        text = token.text
        if text == "{":
            self.at -= 1
            return program_set(self)
        if text in ("(", "[", r"\{", "<"):
            self.at -= 1
            return bracket(self, text)
        if text == "lt":
            return angle(self)
        if text == "]":  # ]a, b[
            return french(self)
        if text == "|":
            self.bars += 1
            node = self.expression(SUM)
            self.bars -= 1
            self.expect("|")
            return Apply("abs", (node,))
        if text in ("lfloor", "lceil"):
            node = self.expression(SUM)
            self.expect("r" + text[1:])
            return Apply("floor" if text == "lfloor" else "ceil", (node,))
        if text == "-":
            return Apply("neg", (self.power(),))
        raise Unreadable(f"an unexpected {text}")


def _transposed(node: Matrix | Group) -> Node:
    if isinstance(node, Group):
        return node
    return Matrix(tuple(zip(*node.rows, strict=True)))


def _joined(op: str, parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else Apply(op, tuple(parts))


class _Deeper:
    """Counts how deep the parser is, below Python's own limit."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser

    def __enter__(self) -> None:
        self.parser.depth += 1
        if self.parser.depth > MAX_DEPTH:
            raise TooLarge("nested too deeply")

    def __exit__(self, *_: object) -> None:
        self.parser.depth -= 1
