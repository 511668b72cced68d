"""From tokens to a tree: a precedence parser that reads all of its input or none.

Left out on purpose: integrals, limits, sums over a range, calls of unknown functions. Text that
holds them is compared as text.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from flint import fmpq

from agentgym_envs.math.lexer import Token, normalise, tokenise
from agentgym_envs.math.nodes import (
    Apply,
    Cases,
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
from agentgym_envs.math.symbols import FUNCTIONS, RELATIONS

__all__ = ["MAX_CHAIN", "MAX_DEPTH", "MAX_RETRIES", "parse", "parse_tokens"]

MAX_DEPTH = 140  # expressions inside one another


MAX_CHAIN = 60  # operators of one kind in a row that nest to the left


MAX_RETRIES = 24  # braces that are read twice, as a group and as a set


_CLOSERS = {"(": (")", "]"), "[": ("]", ")"), r"\{": (r"\}",), "<": (">", "gt")}


_MATRICES = frozenset({"matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix", "array"})


_DETERMINANTS = frozenset({"vmatrix", "Vmatrix"})


# How tightly the operators between expressions bind.
_IMPLICATION, _DISJUNCTION, _CONJUNCTION, _NOT, _RELATION, _SET, _RATIO, _SUM, _PRODUCT = range(9)


_BINDING: dict[str, int] = (
    dict.fromkeys(RELATIONS, _RELATION)
    | {"implies": _IMPLICATION, "iff": _IMPLICATION, "lor": _DISJUNCTION, "xor": _DISJUNCTION}
    | {"land": _CONJUNCTION, "mod": _RELATION, "pmod": _RELATION, ":": _RATIO}
    | {"cup": _SET, "cap": _SET, "setminus": _SET}
    | {"+": _SUM, "-": _SUM, "pm": _SUM, "mp": _SUM, "*": _PRODUCT, "/": _PRODUCT}
)


_ACCENTS = frozenset({"hat", "widehat", "tilde", "widetilde", "dot", "ddot"})


_PROGRAM = frozenset({"Union", "Interval", "FiniteSet", "Matrix", "Rational", "Eq", "Piecewise"})


_SET_LETTERS = frozenset("ABCXY")
_BARS = frozenset({"overline", "bar"})


_DROPPED_COMMANDS = frozenset({"vec", "overrightarrow", "limits", "ensuremath"})


_ENDS = frozenset({")", "]", r"\}", "}", ">", ",", ";", "newrow", "&", "rfloor", "rceil"})


_CONDITIONS = frozenset({"if", "for", "when", "otherwise", "else", "where"})


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
    parser = _Parser(_without_double_brackets(tokens))
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


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = [part for token in tokens for part in _letters(token)]
        self.at = 0
        self.depth = 0
        self.bars = 0  # open absolute values
        self.no_bar = False  # inside set braces a bar means "such that"
        self.angles = 0  # open vectors <1, 2>
        self.retries = 0
        self.french = False  # inside ]a, b[ a bracket opens nothing

    # -- looking and moving ------------------------------------------------------------------

    def peek(self, ahead: int = 0) -> Token | None:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else None

    def next_is(self, *texts: str, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        return token is not None and token.kind in ("op", "cmd") and token.text in texts

    def accept(self, *texts: str) -> str | None:
        if self.next_is(*texts):
            self.at += 1
            return self.tokens[self.at - 1].text
        return None

    def expect(self, *texts: str) -> str:
        found = self.accept(*texts)
        if found is None:
            raise Unreadable(f"expected {' or '.join(texts)}, found {self.peek()!r}")
        return found

    def take(self) -> Token:
        token = self.peek()
        if token is None:
            raise Unreadable("the text ends too early")
        self.at += 1
        return token

    def nested(self) -> _Deeper:
        return _Deeper(self)

    # -- lists, logic, relations -------------------------------------------------------------

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
            binding = -1 if op is None else _BINDING[op]
            if op is None or binding < level:
                break
            chained = self._count(chained)
            left = self._combined(op, left, binding)
        self.depth -= 1
        return left

    def _prefix(self, level: int) -> Node:
        if self.accept("not"):
            return Apply("not", (self.expression(max(level, _NOT)),))
        if quantifier := self.accept("forall", "exists"):
            letter = self.primary()
            self.accept(",", ":")
            return Apply(quantifier, (letter, self.expression(_NOT)))
        if sign := self.accept("+", "-", "pm", "mp"):
            operand = self.expression(_PRODUCT)
            return operand if sign == "+" else Apply("neg" if sign == "-" else sign, (operand,))
        return self._mixed() or self.power()

    def _infix(self) -> str | None:
        """Return the operator that stands here, ``*`` too where nothing stands."""
        token = self.peek()
        if token is None or (token.text == "gt" and self.angles):
            return None
        if self.next_is("(", "[") and self.next_is("mod", ahead=1):
            return "mod"
        if token.kind == "op" and token.text in _BINDING:
            return None if token.text == ":" and self.no_bar else token.text
        return "*" if self._starts_factor() else None

    def _combined(self, op: str, left: Node, binding: int) -> Node:
        """Join what stands right of an operator to what stands left of it."""
        if binding == _SUM:
            return self._sum(left)
        if binding == _PRODUCT:
            return self._product(left)
        if binding == _RELATION:
            return self._relation(left)
        if op == ":":
            parts = [left]
            while self.accept(":"):
                parts.append(self.expression(_SUM))
            return Apply("ratio", tuple(parts))
        self.at += 1
        return Apply(op, (left, self.expression(binding if op == "implies" else binding + 1)))

    def _sum(self, left: Node) -> Node:
        terms = [left]
        while op := self.accept("+", "-", "pm", "mp"):
            term = self.expression(_PRODUCT)
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
            elif self._starts_factor():
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
            sides.append(self.expression(_RELATION + 1))
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
            node = self.expression(_SUM)
            self.expect(")", "]")
            return node
        return self.expression(_SUM) if self.accept("mod") else None

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
        start = self.at
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
        self.at = start
        return None

    def _starts_factor(self) -> bool:
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
        base = self.postfix(self.primary())
        if self.accept("^"):
            with self.nested():
                if self.accept("deg") or self._braced_degree():
                    return self.postfix(Apply("deg", (base,)))
                exponent = self._exponent()
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

    def _exponent(self) -> Node:
        if self.accept("-"):
            with self.nested():
                return Apply("neg", (self._exponent(),))
        self.accept("+")
        if self.accept("complement"):
            return Apply("complement", ())
        if self.next_is("{"):
            return self._braces()
        node = self.postfix(self.primary())
        if self.accept("^"):
            with self.nested():
                return Apply("^", (node, self._exponent()))
        return node

    def postfix(self, node: Node) -> Node:
        chained = 0
        while (op := self.peek()) is not None and op.kind == "op":
            chained = self._count(chained)
            if op.text == "!" and not self.next_is("=", ahead=1):
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

    # -- what an expression starts with ------------------------------------------------------

    def primary(self) -> Node:
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
        if token.text in _PROGRAM:
            return self._program_call(token.text)
        if token.text in FUNCTIONS:
            return self._function(token.text)
        return Symbol(token.text)

    def _function(self, name: str) -> Node:
        if name == "log" and self.accept("_"):
            base = self._exponent()
            return Apply("log", (self._operand(), base))
        exponent = self._exponent() if self.accept("^") else None
        if name == "sqrt" and self.accept("["):
            index = self.expression(_SUM)
            self.expect("]")
            return Apply("root", (self._operand(), index))
        if exponent == Apply("neg", (Number(fmpq(1)),)) and name in _INVERSES:
            return self._call(_INVERSES[name])
        node = self._call(name)
        return node if exponent is None else Apply("^", (node, exponent))

    def _call(self, name: str) -> Node:
        if self.next_is("("):
            group = self._bracket("(")
            items = group.items if isinstance(group, Group) else (group,)
            if name == "log" and len(items) == 2:
                return Apply("log", items)
            if name == "binom" and len(items) == 2:
                return Apply("binom", items)
            if name == "diag":
                zero = Number(fmpq(0))
                return Matrix(tuple(
                    tuple(item if row == column else zero for column in range(len(items)))
                    for row, item in enumerate(items)
                ))  # fmt: skip
            if isinstance(group, Group) and name not in ("gcd", "lcm", "max", "min"):
                raise Unreadable(f"{name} of several arguments")
            return Apply(name, items)
        if name in ("max", "min", "gcd", "lcm") and self.next_is(r"\{"):
            group = self.primary()
            return Apply(name, group.items if isinstance(group, Group) else (group,))
        return Apply(name, (self._operand(),))

    def _operand(self) -> Node:
        r"""The argument of a function without brackets: ``\sin 2x``, but ``\sin x \cos y``."""
        if self.next_is("("):
            return self._bracket("(")
        if self.next_is("{") or self.next_is("frac", "sqrt"):
            node = self.power()
        elif self.accept("-"):
            with self.nested():
                return Apply("neg", (self._operand(),))
        else:
            node = self.power()
        while (token := self.peek()) is not None and self._starts_factor():
            is_function = token.kind == "name" and token.text in FUNCTIONS
            if is_function or token.text in ("(", "[", "|", "lfloor", "lceil", "sqrt"):
                break
            node = Apply("*", (node, self.power()))
        return node

    def _command(self, name: str) -> Node:
        if name == "frac":
            top = self.argument()
            return Apply("/", (top, self.argument()))
        if name in ("sqrt", "cbrt"):
            index: Node | None = Number(fmpq(3)) if name == "cbrt" else None
            if self.accept("["):
                index = self.expression(_SUM)
                self.expect("]")
            argument = self.argument(whole=True)
            return Apply("sqrt", (argument,)) if index is None else Apply("root", (argument, index))
        if name in ("binom", "dbinom", "tbinom"):
            top = self.argument()
            return Apply("binom", (top, self.argument()))
        if name in ("sum", "prod", "begin"):
            return self._environment() if name == "begin" else self._range(name)
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
        high = self._exponent()
        if not isinstance(bound, Relation) or bound.ops != ("=",):
            raise Unreadable("a range without its start")
        letter, low = bound.sides
        return Apply(name, (letter, low, high, self.expression(_PRODUCT)))

    def argument(self, whole: bool = False) -> Node:
        """A braced group or one symbol; of a number, one digit, as TeX has it."""
        if self.next_is("{"):
            return self._braces()
        token = self.peek()
        if token is not None and token.kind == "num" and not whole and len(token.text) > 1:
            if not token.text.isdigit() or token.extra:
                raise Unreadable("a fraction without braces")
            self.tokens[self.at] = Token("num", token.text[1:])
            return Number(fmpq(int(token.text[0])))
        return self.postfix(self.primary()) if whole else self.primary()

    def _braces(self) -> Node:
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
            return self._ascii_set()
        if text in ("(", "[", r"\{", "<"):
            self.at -= 1
            return self._bracket(text)
        if text == "lt":
            return self._angle()
        if text == "]":  # ]a, b[
            return self._french()
        if text == "|":
            self.bars += 1
            node = self.expression(_SUM)
            self.bars -= 1
            self.expect("|")
            return Apply("abs", (node,))
        if text in ("lfloor", "lceil"):
            node = self.expression(_SUM)
            self.expect("r" + text[1:])
            return Apply("floor" if text == "lfloor" else "ceil", (node,))
        if text == "-":
            return Apply("neg", (self.power(),))
        raise Unreadable(f"an unexpected {text}")

    def _bracket(self, opened: str) -> Node:
        self.expect(opened)
        saved = (self.no_bar, self.bars)
        self.no_bar, self.bars = opened == r"\{", 0
        if closed := self.accept(*_CLOSERS[opened]):
            self.no_bar, self.bars = saved
            return Group(opened, closed, ())
        items = [self.expression()]
        if self.no_bar and self.accept("|", ":"):
            self.no_bar = False
            condition = self.sequence()
            self.expect(r"\}")
            self.no_bar, self.bars = saved
            return Apply("such_that", (items[0], condition))
        while self.accept(",", ";", "and"):
            if self.next_is(*_CLOSERS[opened]):
                break
            items.append(self.expression())
        closed = self.expect(*_CLOSERS[opened])
        self.no_bar, self.bars = saved
        if len(items) == 1 and opened in ("(", "[") and closed in (")", "]"):
            return items[0]
        return Group(opened, ">" if closed == "gt" else closed, tuple(items))

    def _ascii_set(self) -> Node:
        """Braces of LaTeX group, those of program code hold a set: commas tell them apart."""
        if self.next_is("}", ahead=1):
            self.at += 2
            return Group(r"\{", r"\}", ())
        start = self.at
        self.retries += 1
        if self.retries > MAX_RETRIES:
            raise TooLarge("too many braces that could be sets")
        try:
            return self._braces()
        except TooLarge:
            raise
        except Unreadable:
            self.at = start
        depth = 0
        for index in range(start, len(self.tokens)):
            token = self.tokens[index]
            if token.kind == "op" and token.text in ("{", "}"):
                depth += 1 if token.text == "{" else -1
                if not depth:
                    self.tokens[start] = Token("op", r"\{")
                    self.tokens[index] = Token("op", r"\}")
                    return self._bracket(r"\{")
        raise Unreadable("a brace is never closed")

    def _angle(self) -> Node:
        self.angles = self.angles + 1
        items = [self.expression(_SUM)]
        while self.accept(","):
            items.append(self.expression(_SUM))
        self.expect("gt")
        self.angles -= 1
        return Group("<", ">", tuple(items))

    def _french(self) -> Node:
        self.french = True
        low = self.expression(_SUM)
        self.expect(",", ";")
        high = self.expression(_SUM)
        self.french = False
        closed = self.expect("[", "]")
        return Group("(", ")" if closed == "[" else "]", (low, high))

    def _program_call(self, name: str) -> Node:
        """What sympy prints: ``Union(...)``, ``Interval.open(0, 1)``, ``Rational(1, 2)``."""
        group = self._bracket("(")
        items = group.items if isinstance(group, Group) and group.opened == "(" else (group,)
        if name == "Union":
            node = items[0]
            for item in items[1:]:
                node = Apply("cup", (node, item))
            return node
        if name == "Piecewise":
            return _program_cases(items if isinstance(items[0], Group) else (group,))
        if name == "FiniteSet":
            return Group(r"\{", r"\}", items)
        if name == "Matrix":
            return _program_matrix(items)
        if len(items) < 2:
            raise Unreadable(f"{name} of one argument")
        if name == "Rational":
            return Apply("/", items[:2])
        if name == "Eq":
            return Relation(("=",), items[:2])
        open_left = len(items) > 2 and items[2] == Symbol("true")
        open_right = len(items) > 3 and items[3] == Symbol("true")
        return Group("(" if open_left else "[", ")" if open_right else "]", items[:2])

    def _environment(self) -> Node:
        kind = self._environment_name()
        rows: list[list[Node]] = []
        row: list[Node] = []
        conditions: list[Node | None] = []
        while not self.next_is("end"):
            if kind in ("cases", "dcases"):
                value, condition = self._piece()
                row, conditions = [value], [*conditions, condition]
            else:
                row.append(self.expression())
            if self.accept("newrow"):
                rows.append(row)
                row = []
            elif not self.next_is("end"):
                self.expect("&")
        if row:
            rows.append(row)
        self.expect("end")
        if self._environment_name() != kind:
            raise Unreadable("an environment that ends as another")
        if kind in ("cases", "dcases"):
            return Cases(tuple(zip((row[0] for row in rows), conditions, strict=True)))
        if kind not in _MATRICES | _DETERMINANTS or len({len(row) for row in rows}) != 1:
            raise Unreadable(f"an unknown environment or a ragged matrix: {kind}")
        matrix = Matrix(tuple(tuple(row) for row in rows))
        return Apply("det", (matrix,)) if kind in _DETERMINANTS else matrix

    def _environment_name(self) -> str:
        self.expect("{")
        token = self.take()
        self.expect("}")
        return token.text

    def _piece(self) -> tuple[Node, Node | None]:
        value = self.expression()
        self.accept(",")
        self.accept("&")
        self.accept(",")
        first = True
        while (token := self.peek()) and token.kind in ("word", "run"):
            if token.text.lower() not in _CONDITIONS:
                raise Unreadable(f"a word: {token.text!r}")
            self.at += 1
            first = False
        if self.next_is("newrow", "end") or self.peek() is None:
            if first and not self.next_is("newrow", "end"):
                raise Unreadable("a piece without its condition")
            return value, None
        items = [self.expression()]
        while self.accept(",", "and", "or"):
            items.append(self.expression())
        self.accept(".")
        return value, items[0] if len(items) == 1 else Sequence(tuple(items))


_INVERSES = {
    "sin": "arcsin", "cos": "arccos", "tan": "arctan", "cot": "arccot", "sec": "arcsec",
    "csc": "arccsc", "sinh": "arcsinh", "cosh": "arccosh", "tanh": "arctanh",
}  # fmt: skip


def _letters(token: Token) -> list[Token]:
    """``xy`` is a product, ``AB`` one name."""
    if token.kind != "run":
        return [token]
    if token.text.isupper():
        return [replace(token, kind="name")]
    return [
        replace(token, kind="name", text=letter, spaced=token.spaced and not at)
        for at, letter in enumerate(token.text)
    ]


def _transposed(node: Matrix | Group) -> Node:
    if isinstance(node, Group):
        return node
    return Matrix(tuple(zip(*node.rows, strict=True)))


def _joined(op: str, parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else Apply(op, tuple(parts))


def _program_cases(items: tuple[Node, ...]) -> Node:
    pieces: list[tuple[Node, Node | None]] = []
    for item in items:
        if not isinstance(item, Group) or len(item.items) != 2:
            raise Unreadable("a piece without its condition")
        value, condition = item.items
        pieces.append((value, None if condition == Symbol("true") else condition))
    return Cases(tuple(pieces))


def _program_matrix(items: tuple[Node, ...]) -> Node:
    if len(items) == 1 and isinstance(items[0], Group):
        rows = [row.items if isinstance(row, Group) else (row,) for row in items[0].items]
        if rows and len({len(row) for row in rows}) == 1:
            return Matrix(tuple(rows))
    raise Unreadable("no matrix")


class _Deeper:
    """Counts how deep the parser is, below Python's own limit."""

    def __init__(self, parser: _Parser) -> None:
        self.parser = parser

    def __enter__(self) -> None:
        self.parser.depth += 1
        if self.parser.depth > MAX_DEPTH:
            raise TooLarge("nested too deeply")

    def __exit__(self, *_: object) -> None:
        self.parser.depth -= 1
