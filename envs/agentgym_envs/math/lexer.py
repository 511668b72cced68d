r"""From text to tokens: one spelling for Unicode, LaTeX, Markdown and program code.

Nothing is dropped that could carry meaning; what the table in `symbols` does not know becomes a
word, and words that are left over make an answer text. Every step is linear in its input.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace

from agentgym_envs.math.nodes import TooLarge, Unreadable
from agentgym_envs.math.symbols import (
    CHARACTERS,
    COMMANDS,
    FUNCTIONS,
    TEXT_COMMANDS,
    WORD_OPERATORS,
)

__all__ = ["MAX_LENGTH", "Token", "normalise", "tokenise"]

MAX_LENGTH = 12_000  # characters of an answer or a gold
MAX_TOKENS = 4_000
MAX_TEXT = 600  # characters of one \\text{...}

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣᵀ", "0123456789+-()nixT", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₙₓ", "0123456789+-nx", strict=True))
_RAISED = re.compile(f"[{''.join(_SUPERSCRIPTS)}]+")
_LOWERED = re.compile(f"[{''.join(_SUBSCRIPTS)}]+")
_MAPPED = str.maketrans(CHARACTERS)
_DROPPED = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|limits|nolimits|middle)(?![A-Za-z])\.?"
    r"|\\(?:leftroot|uproot)\{[^{}]*\}|\\(?:begin|end)\{(?:aligned|align\*?|split|gathered)\} ?&?"
    r"|\\(?:text)?color(?:\[[a-z]*\])?\{[^{}]*\}|\\[bB]igg?[lrm]?(?![A-Za-z])|\\!|\\(?:phantom|hspace\*?|vspace|label|tag)\{[^{}]*\}"
)
_DECIMAL_COMMA = re.compile(r"(?<=[0-9])\{,\}(?=[0-9])(?![0-9]{3}(?![0-9]))")
_THIN_COMMA = re.compile(r"(?<=[0-9])(?:\{,\}|\\,|\\ |')(?=[0-9]{3}(?![0-9]))")
_SPACES = re.compile(r"(?<!\\)\\[,;:> ]|\\q?quad(?![A-Za-z])|\\n(?![A-Za-z])|[~\s]+")
_ARRAY = re.compile(r"(\\begin\{(?:array|tabular)\})\s*(?:\[[a-z]\])?\{[^{}]*\}")
_OPEN_CASES = re.compile(r"\\\{\s*\\begin\{(?:array|aligned|matrix|gathered)\}")
_NEGATED = re.compile(r"\\not\s*(?:=|\\(?:eq|in)(?![A-Za-z]))")
_DOLLAR = "\N{FULLWIDTH DOLLAR SIGN}"  # stands for a currency sign, which delimits no math


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an answer.

    Attributes:
        kind: ``num``, ``name``, ``run`` (letters that may be a product or a unit), ``word``,
            ``op`` or ``cmd``.
        text: What it stands for.
        source: As written, for units.
        spaced: Whether white space stands before it.
        upright: Whether it was set as text, which a unit is and a variable is not.
        extra: Repeating decimals of a number; the base of one written with letters.
    """

    kind: str
    text: str
    source: str = ""
    spaced: bool = False
    upright: bool = False
    extra: str = ""


def _si_unit(match: re.Match[str]) -> str:
    r"""Write siunitx's ``\SI{250}{\milli\ampere}`` as 250 milliampere."""
    macros = match[2].replace(r"\per", "/").replace("\\", "")
    return rf"{match[1]} \text{{{macros}}}"


def _unit_vector(match: re.Match[str]) -> str:
    return rf"\hat{{{match[1]}}} "


# Spellings that only a whole pattern tells apart from products of letters.
_REWRITTEN: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\\dot ?\{?([0-9])\}?([0-9]*)\\dot ?\{?([0-9])\}?"), r"\\overline{\1\2\3}"),
    (re.compile(r"(?<=[0-9])\\(?:text|mathrm) ?\{ ?[eE] ?\} ?\{?([-+]?[0-9]+)\}?"), r"e\1"),
    (re.compile(r"\\num ?\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\\(?:SI|qty) ?\{([^{}]*)\} ?\{([^{}]*)\}"), _si_unit),
    (re.compile(r"\\mu ?\\(?:mathrm|text) ?\{ ?([A-Za-z]+) ?\}"), r"\\mathrm{u\1}"),
    (re.compile(r"(?<![0-9.])([0-9.]+) ?\N{PER MILLE SIGN}"), r"\\frac{\1}{1000}"),
    (re.compile(r"\\(?:text|mathrm) ?\{ ?Rs\.? ?\}|\bRs\.? ?(?=[0-9])"), "\N{INDIAN RUPEE SIGN}"),
    (re.compile(r"\\(?:text|mathrm) ?\{ ?USD ?\} ?(?=[0-9])"), _DOLLAR),
    (re.compile(r"\\text ?\{ ?\(?base[ -]([0-9]+)\)? ?\}"), r"_{\1}"),
    (re.compile(r" ?\(([a-zA-Z] ?\\in ?\\mathbb ?\{ ?[ZN] ?\})\)$"), r", \1"),
    (
        re.compile(r"\\(?:mathbf|vec|hat|boldsymbol|widehat) ?\{ ?\\?(i|j|k)(?:math)? ?\}"),
        _unit_vector,
    ),
    (re.compile(r"(?<![\^_])\{ ?([-+=]|\\(?:times|cdot|pm|le|ge|cup|cap)) ?\}"), r" \1 "),
    (re.compile(r"\{:\}"), ":"),
    (re.compile(r"\\mathbb ([A-Z])"), r"\\mathbb{\1}"),
    (re.compile(r"\b([0-9]+)(?:st|nd|rd|th)\b"), r"\1"),
    (re.compile(r"\\text\{ ?\} ?"), " "),
    (re.compile(r"(?<=[0-9]) ?[xX] ?(?=10 ?(?:\^|\*\*))"), r"\\times "),
    (re.compile(r"(?<=[0-9]) [xX] (?=[0-9])"), r"\\times "),
    (re.compile(r"(?<=[)\]}]) ?U ?(?=[(\[{\\])"), r" \\cup "),
    (re.compile(r"\\(?:text|mathrm|texttt)\{ ?([0-9A-F]+) ?\}(?= ?_)"), r"\1"),
    (re.compile(r"\(([0-9A-F]+)\)(?= ?_)"), r"\1"),
    (re.compile(r"\b([0-9]+) (?:to|\\text ?\{ ?to ?\}) ([0-9]+)\b"), r"\1:\2"),
    (re.compile(r"\bis at least\b|\b(?:is )?(?:greater|more) than or equal to\b"), r"\\ge "),
    (re.compile(r"\bis at most\b|\b(?:is )?(?:less|smaller) than or equal to\b"), r"\\le "),
    (re.compile(r"\bis (?:greater|more|larger) than\b"), r"\\gt "),
    (re.compile(r"\bis (?:less|smaller) than\b"), r"\\lt "),
    (re.compile(r"\bis not equal to\b|\bdoes not equal\b"), r"\\ne "),
    (re.compile(r"(?<![A-Za-z])(?:np|numpy|sympy|sp|math|torch)\.(?=[A-Za-z])"), ""),
    (re.compile(r"\barray(?=\(\[)"), "Matrix"),
    (re.compile(r"float\(['\"]([+-]?)inf(?:inity)?['\"]\)"), r"\1oo"),
    (re.compile(r"_ ?\{? ?\(([0-9]+)\) ?\}?"), r"_{\1}"),
    (re.compile(r"(?<![0-9A-F.])([0-9A-F.]+),? (?:\(|in )?base[ -]([0-9]+|[a-z]+)\)?"), r"\1_{\2}"),
    (re.compile(r"\b([0-9a-f]+)(?= ?_ ?\{? ?16)"), lambda m: m[1].upper()),
    (re.compile(r"\bbase[ -]([0-9]+):? ([0-9A-F]+)\b"), r"\2_{\1}"),
    (re.compile(r"\\\\ ?\[[0-9.]+ ?(?:pt|ex|em|mm|cm)\]"), r"\\\\"),
    (re.compile(r"\bcis(?=[({ \\])"), r"cis"),
    (
        re.compile(r"\bUSD ?(?=[0-9])|\bUS(?=\N{FULLWIDTH DOLLAR SIGN})"),
        "\N{FULLWIDTH DOLLAR SIGN}",
    ),
    (re.compile(r"\bInterval\.open\(([^()]*)\)"), r"(\1)"),
    (re.compile(r"\bS\.(?=Reals|EmptySet)"), ""),
)


_PROGRAM_LOGIC = re.compile(r"(?=[^&~]*[&~])[\sA-Za-z()~&|>]+")
_LOGIC_SIGNS = (("&", r" \land "), ("~", r" \lnot "), ("|", r" \lor "), (">>", r" \to "))


def normalise(text: str) -> str:
    """Return text in plain ASCII LaTeX as far as it has an equivalent.

    Raises:
        TooLarge: Above `MAX_LENGTH`.
    """
    if len(text) > MAX_LENGTH:
        raise TooLarge(f"{len(text)} characters, at most {MAX_LENGTH} are read")
    text = text.translate(_MAPPED)
    if not text.isascii():
        text = _plain(text)
    if _PROGRAM_LOGIC.fullmatch(text):
        for spelled, meant in _LOGIC_SIGNS:
            text = text.replace(spelled, meant)
    text = (
        text.replace(r"\textdollar", _DOLLAR)
        .replace(r"\$", _DOLLAR)
        .replace(r"\%", "%")
        .replace(r"\_", "_")
        .replace(r"\#", "#")
    )
    text = _OPEN_CASES.sub(r"\\begin{cases}", _ARRAY.sub(r"\1", _DROPPED.sub("", text)))
    text = _NEGATED.sub(lambda m: r"\notin " if "in" in m[0] else r"\ne ", text)
    text = _SPACES.sub(" ", _THIN_COMMA.sub(",", _DECIMAL_COMMA.sub(".", text))).strip()
    for pattern, instead in _REWRITTEN:
        text = pattern.sub(instead, text)
    if re.search(r"\*\*|[0-9)]\*[A-Za-z(]|(?<![A-Za-z])(?:sqrt|exp|log)\(", text):  # program code
        text = re.sub(r"(?<![A-Za-z\\])I(?![A-Za-z])", "i", text)
        text = re.sub(r"(?<![A-Za-z\\])E(?= ?\*\*)", "e", text)
    if len(text) > 2 * MAX_LENGTH:
        raise TooLarge("too long once its characters are written out")
    return text


def _plain(text: str) -> str:
    text = _RAISED.sub(lambda m: "^{" + "".join(_SUPERSCRIPTS[c] for c in m[0]) + "}", text)
    text = _LOWERED.sub(lambda m: "_{" + "".join(_SUBSCRIPTS[c] for c in m[0]) + "}", text)
    return "".join(c if c.isascii() else _character(c) for c in text)


def _character(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cf", "Cc", "Cs", "Mn"):
        return " " if character in "\n\t\r" else ""
    if (digit := unicodedata.decimal(character, None)) is not None:
        return str(digit)
    name = unicodedata.name(character, "")
    if name.startswith("GREEK ") and "LETTER" in name and "WITH" not in name:
        return _greek(name)
    plain = unicodedata.normalize("NFKC", character)
    if name.startswith("VULGAR FRACTION"):
        top, _, bottom = plain.partition("\N{FRACTION SLASH}")
        return rf"\frac{{{top}}}{{{bottom}}}"
    if category == "Zs":
        return " "
    return plain.translate(_MAPPED) if plain != character else character


def _greek(name: str) -> str:
    letter = name.split()[-2] if name.endswith("SYMBOL") else name.rsplit(maxsplit=1)[-1]
    letter = {"LAMDA": "LAMBDA", "FINAL": "SIGMA"}.get(letter, letter).lower()
    return f"\\{letter.capitalize() if 'CAPITAL' in name else letter} "


_NUMBER = re.compile(
    r"(?P<based>0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+)(?![0-9A-Za-z_])"
    r"|(?P<underscored>[0-9]{1,3}(?:_[0-9]{3})+)(?![0-9_])"
    r"|(?P<digits>[0-9A-F]++(?:\.[0-9A-F]++)?)(?= ?_ ?\{? ?(?:\\text\{)?[0-9a-z])"
    r"|(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}(?![0-9])"
    r"|[0-9]{1,3}(?: [0-9]{3})+(?![0-9]| ?/)|[0-9]+)?"
    r"(?P<point>\.[0-9]*(?![0-9]))?"
    r"(?P<repeat>\\(?:overline|bar|dot)\s?(?:\{[0-9]+\}|[0-9])|\([0-9]+\)|\.\.+|\\[lc]?dots)?"
    r"(?:[eE](?P<power>[+-]?[0-9]+)(?![0-9A-Za-z.]))?"
)
_LETTER_RUN = re.compile(r"[^\W\d_]+")
_COMMAND = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)
_BRACED = re.compile(r"\s*\{([^{}]*)\}")
_SUBSCRIPT = re.compile(
    r" ?_ ?(?:\{((?:[^{}]|\\(?:text|mathrm)\{[^{}]*\}){1,24})\}|([A-Za-z0-9])|\\([a-z]+))"
)
_SUFFIX_DIGITS = re.compile(r"([0-9]{1,3})(?![0-9.A-Za-z^])")
_PRIMES = re.compile(r"'{1,3}|\^\{?(?:\\prime ?|\*){1,3}\}?")
_DERIVATIVE = re.compile(
    r"\\[dt]?frac\s?\{\s?d\s?([A-Za-z])\s?\}\s?\{\s?d\s?([A-Za-z])\s?\}|d([a-z])/d([a-z])(?![a-z])"
)
_OPERATORS = ("<=>", "<->", "...", "**", "->", "=>", "<=", ">=", "!=", "==", "~=", "&&")
_SINGLE = "+-*/^_=,;:!|%{}<>'&~£¥\N{EURO SIGN}\N{INDIAN RUPEE SIGN}" + _DOLLAR
_SPELLED = {
    "**": "^", "->": "implies", "=>": "implies", "<=": "le", ">=": "ge", "!=": "ne", "==": "=",
    "~=": "approx", "<": "lt", ">": "gt", "&&": "land", "<=>": "iff", "<->": "iff",
}  # fmt: skip
_SHORT_GREEK = frozenset({"mu", "nu", "xi"})
_PLAIN_WORDS = {
    word: token for word, token in WORD_OPERATORS.items() if word not in _SHORT_GREEK
} | {"Pi": ("name", "pi"), "PI": ("name", "pi")}
_STUCK = re.compile(r"(arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|sec|csc|cot|ln|log)([xy])")
_ALIASES = dict.fromkeys(("dfrac", "tfrac", "cfrac", "sfrac", "nicefrac"), "frac") | {
    "varepsilon": "epsilon", "varphi": "phi", "vartheta": "theta"
}  # fmt: skip
_DOUBLE = {
    "R": "reals", "Z": "integers", "N": "naturals", "Q": "rationals", "C": "complexes"
}  # fmt: skip


def tokenise(text: str) -> list[Token]:
    """Split normalised text.

    Raises:
        TooLarge: Above `MAX_TOKENS`.
        Unreadable: At a character that starts nothing.
    """
    return _Scanner(text).run()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.spaced = False
        self.depth = 0  # of brackets inside which a comma separates
        self.tokens: list[Token] = []

    def run(self) -> list[Token]:
        while self.at < len(self.text):
            if len(self.tokens) > MAX_TOKENS:
                raise TooLarge(f"more than {MAX_TOKENS} symbols")
            self._step()
        return self.tokens

    def _step(self) -> None:
        character = self.text[self.at]
        if character == " ":
            self.spaced = True
            self.at += 1
        elif character.isdigit() or (character == "." and self._digit_after()):
            self._number()
        elif character == "\\":
            self._command()
        elif character.isalpha():
            self._letters()
        else:
            self._operator()

    def _digit_after(self) -> bool:
        following = self.text[self.at + 1 : self.at + 2]
        return following.isdigit() or self.text.startswith((r".\overline", r".\bar"), self.at)

    def _add(self, kind: str, text: str, length: int, **fields: object) -> None:
        source = self.text[self.at : self.at + length]
        token = Token(kind, text, source, self.spaced)
        self.tokens.append(replace(token, **fields) if fields else token)  # type: ignore[arg-type]
        self.at += length
        self.spaced = False

    def _number(self) -> None:
        match = _NUMBER.match(self.text, self.at)
        if match is None or not match[0]:
            raise Unreadable(f"no number at {self.text[self.at : self.at + 20]!r}")
        if based := match["based"]:
            base = {"x": "16", "b": "2", "o": "8"}[based[1].lower()]
            return self._add("num", based[2:].upper(), len(based), extra=f"base {base}")
        if grouped := match["underscored"]:
            return self._add("num", grouped.replace("_", ""), len(grouped))
        if (digits := match["digits"]) and _is_numeral(digits, self.text, match.end()):
            return self._add("num", digits, len(digits), extra="digits")
        if digits:
            return self._plain_digits(digits)
        whole = match["whole"] or ""
        if self.depth and "," in whole:
            whole = whole.partition(",")[0]
            return self._add("num", whole, len(whole))
        return self._decimal(match)

    def _decimal(self, match: re.Match[str]) -> None:
        whole = match["whole"] or ""
        repeat = match["repeat"] or ""
        if repeat and match["point"] is None:
            return self._add("num", re.sub(r"[ ,_]", "", whole), len(whole))
        plain = re.sub(r"[ ,_]", "", whole) + (match["point"] or "")
        if not any(map(str.isdigit, plain + repeat)):
            raise Unreadable("a number without digits")
        if power := match["power"]:
            plain += "e" + power
        if repeat:
            repeat = re.sub(r"[^0-9]", "", repeat) or "..."
        return self._add("num", plain, len(match[0]), extra=repeat)

    def _plain_digits(self, digits: str) -> None:
        match = re.match(r"[0-9]*\.?[0-9]+|[0-9]+", digits)
        if match is None:
            return self._letters()
        return self._add("num", match[0], len(match[0]))

    def _letters(self) -> None:
        if match := _DERIVATIVE.match(self.text, self.at):
            return self._add("name", f"d{match[3]}/d{match[4]}", len(match[0]))
        match = _LETTER_RUN.match(self.text, self.at)
        assert match is not None
        run = match[0]
        if not run.isascii():
            return self._add(*(_operator_word(run) or ("word", run)), len(run))
        number = _NUMBER.match(self.text, self.at)
        digits = number["digits"] if number else None
        if (
            number
            and digits
            and len(digits) >= len(run)
            and _is_numeral(digits, self.text, number.end())
        ):
            return self._add("num", digits, len(digits), extra="digits")
        if token := _operator_word(run):
            return self._add(token[0], token[1], len(run))
        if stuck := _STUCK.fullmatch(run):
            self._add("name", stuck[1], len(stuck[1]))
            return self._add("name", stuck[2], 1)
        if len(run) == 1:
            return self._name(run, 1)
        follows = self.text[self.at + len(run) : self.at + len(run) + 1]
        if len(run) > 3 and not (follows == "_" and len(run) < 5):
            return self._add("word", run, len(run))
        if follows in ("_", "'") and not run.isupper():
            for letter in run[:-1]:
                self._add("name", letter, 1)
            return self._name(run[-1], 1)
        return self._add("run", run, len(run))

    def _name(self, name: str, length: int, upright: bool = False) -> None:
        """Add a symbol with its subscript and primes, which belong to its name."""
        if name in FUNCTIONS:
            return self._add("name", name, length)
        end = self.at + length
        if name not in ("e", "i") and (match := _SUBSCRIPT.match(self.text, end)):
            inner = match[1] or match[2] or match[3]
            inner = re.sub(r"\\[a-z]+\s?|[{} ]", "", inner) or inner
            name, end = f"{name}_{inner}", match.end()
        elif (
            len(name) == 1 and name not in "ei" and (match := _SUFFIX_DIGITS.match(self.text, end))
        ):
            name, end = f"{name}_{match[1]}", match.end()
        if (match := _PRIMES.match(self.text, end)) and "*" not in match[0]:
            name += "'" * (match[0].count("'") + match[0].count("prime"))
            end = match.end()
        self._add("name", name, end - self.at, upright=upright)

    def _command(self) -> None:
        if match := _DERIVATIVE.match(self.text, self.at):
            return self._add("name", f"d{match[1]}/d{match[2]}", len(match[0]))
        match = _COMMAND.match(self.text, self.at)
        if match is None:
            raise Unreadable("a lone backslash")
        name, length = match[1], len(match[0])
        if name in TEXT_COMMANDS:
            return self._upright(name, length)
        if name in ("mathbb", "Bbb"):
            return self._number_set(length)
        name = _ALIASES.get(name, name)
        if name in ("{", "}"):
            return self._bracket("\\" + name, length)
        if name in ("|", "\\"):
            return self._add("op", "|" if name == "|" else "newrow", length)
        if token := COMMANDS.get(name):
            return self._known(token, name, length)
        if len(name) > 1 and name.isalpha():
            return self._add("cmd", name, length)
        raise Unreadable(f"an unknown command \\{name}")

    def _number_set(self, length: int) -> None:
        inner = _BRACED.match(self.text, self.at + length)
        kind = _DOUBLE.get(inner[1].strip()) if inner else None
        if inner is None or kind is None:
            raise Unreadable("an unknown set")
        return self._add("name", kind, inner.end() - self.at)

    def _known(self, token: tuple[str, str], name: str, length: int) -> None:
        if token == ("name", name) and name != "pi":
            return self._name(name, length)
        if token[1] in "[<":
            return self._bracket(token[1], length)
        return self._add(token[0], token[1], length)

    def _upright(self, command: str, length: int) -> None:
        r"""Add the words inside ``\text{...}``."""
        start = self.at + length
        end = _closing(self.text, start)
        if end is None:
            self.at = start  # its content is read as if the command were not there
            return
        inner = self.text[self.text.index("{", start) + 1 : end - 1]
        if len(inner.strip()) == 1 and inner.strip().isalpha():
            upright = command in ("text", "textrm", "mathrm", "mbox", "rm")
            self.text = self.text[: self.at] + inner.strip() + self.text[end:]
            return self._name(inner.strip(), 1, upright)
        spaced = self.spaced or inner[:1] == " "
        first = len(self.tokens)
        for piece in _Scanner(inner.replace("$", "")).run():
            kind = "word" if piece.kind in ("run", "word") else piece.kind
            self.tokens.append(replace(piece, kind=kind, upright=True))
        if first < len(self.tokens) and spaced:
            self.tokens[first] = replace(self.tokens[first], spaced=True)
        self.at, self.spaced = end, inner[-1:] == " "

    def _operator(self) -> None:
        for spelled in _OPERATORS:
            if self.text.startswith(spelled, self.at):
                return self._add("op", _SPELLED.get(spelled, spelled), len(spelled))
        character = self.text[self.at]
        if character in "()[]":
            return self._bracket(character, 1)
        if (
            character in "+-*/^_=,;:!|%{}<>'&~" + _DOLLAR
            or character in "\N{EURO SIGN}£¥\N{INDIAN RUPEE SIGN}"
        ):
            return self._add("op", _SPELLED.get(character, character), 1)
        if character in '?"':
            raise Unreadable(f"an unexpected {character}")
        if character == "." and not self.text[self.at + 1 :].strip():
            self.at += 1
            return None
        raise Unreadable(f"an unexpected {character!r}")

    def _bracket(self, bracket: str, length: int) -> None:
        self.depth = max(0, self.depth + (1 if bracket in ("(", "[", r"\{", "<") else -1))
        self._add("op", bracket, length)


def _closing(text: str, start: int) -> int | None:
    """Return the end of the braced group that starts here."""
    match = re.compile(r" ?\{").match(text, start)
    depth = 0
    for at in range(match.end() - 1 if match else len(text), min(len(text), start + MAX_TEXT)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if not depth:
            return at + 1
    return None


_BASE_16 = re.compile(r" ?_ ?\{? ?16")
_BASE = re.compile(r" ?_ ?(?:\{ ?(?:\\text\{)?)?(?:16|1[1-6]|[2-9]|hex|[a-z]{3,})")


def _is_numeral(digits: str, text: str, end: int) -> bool:
    """Tell 1011_2 and FF_16, which name a base, from the symbol A_1."""
    if digits.replace(".", "").isdigit():
        return True
    if not any(map(str.isdigit, digits)) and len(digits) == 1:
        return _BASE_16.match(text, end) is not None
    return _BASE.match(text, end) is not None


def _operator_word(run: str) -> tuple[str, str] | None:
    if len(run) < 2:
        return None
    return _PLAIN_WORDS.get(run) or (
        _PLAIN_WORDS.get(run.lower()) if run.isupper() or run.istitle() else None
    )
