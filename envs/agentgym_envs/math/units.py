"""Quantities: a number and its unit, in whatever spelling; conversion is pint's.

Units are read from a closed grammar of names, powers, products and quotients. A noun that is no
unit ("apples") is a counted thing: it equals itself and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from flint import fmpq

from agentgym_envs.math.lexer import Token
from agentgym_envs.math.nodes import Apply, Node, Number, Unreadable
from agentgym_envs.math.parser import parse_tokens
from agentgym_envs.math.symbols import CONSTANTS, SCALES

__all__ = ["Quantity", "Unit", "factor", "quantity", "same_unit"]

MAX_UNIT = 16  # tokens of a unit
_DOLLAR = "\N{FULLWIDTH DOLLAR SIGN}"
_CURRENCIES = {
    _DOLLAR: "dollar",
    "\N{EURO SIGN}": "euro",
    "£": "sterling",
    "¥": "yen",
    "\N{INDIAN RUPEE SIGN}": "rupee",
}
_MONEY: dict[str, tuple[str, Fraction]] = {
    "dollar": ("dollar", Fraction(1)),
    "usd": ("dollar", Fraction(1)),
    "buck": ("dollar", Fraction(1)),
    "cent": ("dollar", Fraction(1, 100)),
    "dólar": ("dollar", Fraction(1)),
    "euro": ("euro", Fraction(1)),
    "eur": ("euro", Fraction(1)),
    "sterling": ("sterling", Fraction(1)),
    "p": ("sterling", Fraction(1, 100)),
    "gbp": ("sterling", Fraction(1)),
    "quid": ("sterling", Fraction(1)),
    "pence": ("sterling", Fraction(1, 100)),
    "penny": ("dollar", Fraction(1, 100)),
    "yen": ("yen", Fraction(1)),
    "jpy": ("yen", Fraction(1)),
    "rupee": ("rupee", Fraction(1)),
    "inr": ("rupee", Fraction(1)),
    "yuan": ("yuan", Fraction(1)),
    "cny": ("yuan", Fraction(1)),
}
# Spellings -> pint's names; a plural s is dropped first.
_NAMES: dict[str, str] = {
    name: unit
    for unit, names in {
        "meter": "m meter metre",
        "centimeter": "cm centimeter centimetre",
        "millimeter": "mm millimeter millimetre",
        "kilometer": "km kilometer kilometre",
        "micrometer": "micrometer micron um",
        "nanometer": "nm nanometer",
        "inch": "in inch inches inche",
        "foot": "ft foot feet",
        "yard": "yd yard",
        "mile": "mi mile",
        "acre": "acre",
        "hectare": "ha hectare",
        "gram": "g gram",
        "kilogram": "kg kilogram kilo",
        "milligram": "mg milligram",
        "microgram": "ug microgram mcg",
        "metric_ton": "tonne t",
        "pound": "lb lbs pound",
        "ounce": "oz ounce",
        "second": "s sec second",
        "millisecond": "ms millisecond",
        "microsecond": "us microsecond",
        "nanosecond": "ns nanosecond",
        "minute": "min minute",
        "hour": "h hr hour",
        "day": "d day",
        "week": "wk week",
        "year": "yr year",
        "liter": "l liter litre",
        "milliliter": "ml milliliter millilitre cc",
        "gallon": "gal gallon",
        "quart": "qt quart",
        "pint": "pint pt",
        "cup": "cup",
        "newton": "newton",
        "joule": "joule",
        "kilojoule": "kj kilojoule",
        "watt": "watt",
        "kilowatt": "kw kilowatt",
        "kilowatt_hour": "kwh",
        "volt": "volt",
        "ampere": "amp ampere",
        "ohm": "ohm",
        "pascal": "pa pascal",
        "kilopascal": "kpa kilopascal",
        "atmosphere": "atm atmosphere",
        "hertz": "hz hertz",
        "kilohertz": "khz",
        "megahertz": "mhz",
        "mole": "mol mole",
        "kelvin": "kelvin",
        "degree": "degree deg",
        "radian": "rad radian",
        "mile/hour": "mph",
        "kilometer/hour": "kph kmph kmh",
        "calorie": "cal calorie",
        "kilocalorie": "kcal kilocalorie",
        "electron_volt": "ev",
        "mega_electron_volt": "mev",
        "coulomb": "coulomb",
        "farad": "farad",
        "microfarad": "uf",
        "tesla": "tesla",
        "henry": "henry",
        "light_year": "lightyear ly",
        "byte": "byte",
        "bit": "bit",
        "kilobyte": "kb",
        "megabyte": "mb",
        "gigabyte": "gb",
        "degree_celsius": "celsius",
        "degree_fahrenheit": "fahrenheit",
        "month": "month",
    }.items()
    for name in names.split()
}
_CAPITALS = {
    "N": "newton", "J": "joule", "W": "watt", "V": "volt", "A": "ampere", "K": "kelvin",
    "C": "coulomb", "F": "farad", "T": "tesla", "H": "henry", "L": "liter", "Pa": "pascal",
    "Omega": "ohm",
}  # fmt: skip
_SI = {"k": "kilo", "M": "mega", "G": "giga", "c": "centi", "d": "deci", "m": "milli", "u": "micro",
       "n": "nano", "p": "pico", "h": "hecto"}  # fmt: skip
_SYMBOLS = {"m": "meter", "g": "gram", "s": "second", "mol": "mole", "eV": "electron_volt",
            "Hz": "hertz", "Wh": "watt_hour", "Ω": "ohm", "S": "siemens"}  # fmt: skip
_PREFIXED = {
    short + symbol: long + unit
    for short, long in _SI.items()
    for symbol, unit in (_SYMBOLS | _CAPITALS).items()
    if short + symbol
    not in ("min", "cd", "pt", "ft", "mL", "kg", "cm", "mm", "km", "nm", "ms", "mg")
}
_WEAK = frozenset(
    ["m", "g", "s", "h", "L", "N", "J", "W", "V", "A", "K", "C", "F", "T", "d", "t", "l", "H"]
)
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_POWERS_AFTER = {"squared": 2, "cubed": 3}
# Nouns that say how a number was meant and are no unit of their own.
_ALSO_OPERATORS = frozenset({"in", "min", "cup", "cups", "mins"})
_LONG_PREFIXED = re.compile(
    "(?:milli|micro|nano|pico|kilo|mega|giga|centi|deci|hecto)(?:meter|gram|second|amp(?:ere)?|volt"
    "|watt|joule|newton|pascal|hertz|mole|liter|ohm|farad|henry|tesla|coulomb|calorie|byte|bit)s?"
)
_NOT_COUNTED = frozenset(
    [
        "wrong",
        "false",
        "true",
        "maybe",
        "probably",
        "perhaps",
        "correct",
        "incorrect",
        "import",
        "print",
        "exit",
        "return",
        "and",
        "or",
        "to",
        "not",
        "minus",
        "plus",
        "times",
        "over",
        "mod",
        "base",
        "point",
        "negative",
        "half",
        "halves",
        "third",
        "thirds",
        "quarter",
        "quarters",
        "fourth",
        "fourths",
        "fifth",
        "fifths",
        "tenth",
        "tenths",
        "hundredth",
        "hundredths",
        "thousandth",
        "thousandths",
        "score",
        "scores",
        "pair",
        "pairs",
        "percent",
        "pct",
        "squared",
        "cubed",
        "root",
        "is",
        "are",
        "if",
        "for",
        "when",
        "where",
        "with",
        "nor",
        "but",
        "than",
        "then",
        "else",
        "otherwise",
        "except",
        "only",
        "between",
        "either",
        "maybe",
        "rounded",
        "approximately",
        "about",
        "as",
        "the",
        "a",
        "an",
        "of",
        "factorial",
        "degrees",
        "choose",
        "no",
        "none",
    ]
)


@dataclass(frozen=True, slots=True)
class Unit:
    """Powers of unit names, sorted; or one counted noun.

    Attributes:
        powers: (pint's name, or a noun, exponent).
        noun: Whether it is a counted thing.
        sure: Whether it can be nothing else; a lone letter may be a variable.
    """

    powers: tuple[tuple[str, int], ...]
    noun: bool = False
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount of a unit."""

    amount: Node
    unit: Unit


def quantity(tokens: list[Token]) -> Quantity | None:
    """Split tokens into an amount and a unit; None where there is no unit."""
    tokens = _with_temperatures(tokens)
    money = _money(tokens)
    if money is not None:
        return money
    if (compound := _compound(tokens)) is not None:
        return compound
    for at in range(max(1, len(tokens) - MAX_UNIT), len(tokens)):
        if _starts_unit(tokens, at):
            split = _split(tokens, at)
            if split is not None:
                return split
    return None


def _with_temperatures(tokens: list[Token]) -> list[Token]:
    r"""Write the tokens of ``^\circ C`` and "degrees Celsius" as one unit."""
    if len(tokens) < 3 or tokens[-1].source.lower() not in _TEMPERATURES:
        return tokens
    kept = tokens[:-1]
    while kept and (kept[-1].text in ("deg", "^", "{", "}", "*")):
        kept = kept[:-1]
    between = [token.text for token in tokens[len(kept) : -1]]
    if not kept or ("deg" not in between and len(tokens[-1].source) == 1):
        return tokens
    name = _TEMPERATURES[tokens[-1].source.lower()]
    return [*kept, Token("word", name, name, spaced=True, upright=True)]


_TEMPERATURES = {
    "c": "celsius",
    "f": "fahrenheit",
    "celsius": "celsius",
    "fahrenheit": "fahrenheit",
}


def _starts_unit(tokens: list[Token], at: int) -> bool:
    token, before = tokens[at], tokens[at - 1]
    if token.source in _ALSO_OPERATORS and before.text not in ("/", "*", "^"):
        return True
    if before.text in ("/", "*", "^", "_", "-", "+") or token.kind not in (
        "word",
        "run",
        "name",
        "op",
    ):
        return False
    if token.kind == "op":
        return token.text in ("deg", "in") and at == len(tokens) - 1 and before.text != "^"
    if token.kind == "name":
        return token.upright or (token.text in _WEAK | {"mu", "Omega"})
    return True


def _split(tokens: list[Token], at: int) -> Quantity | None:
    scale, start = 1, at
    while start < len(tokens) and (factor := SCALES.get(tokens[start].source.lower())):
        scale, start = scale * factor, start + 1
    if scale == 1 and tokens[at].source.lower() in SCALES:
        return None
    unit = _unit(tokens[start:]) if start < len(tokens) else Unit(())
    if unit is None:
        return None
    try:
        amount = parse_tokens(tokens[:at])
    except Unreadable:
        return None
    written = tokens[at]
    if tokens[at - 1].text in (",", ";", ":", "and"):
        return None
    if unit.noun and not (_numeric(tokens[:at]) and (written.spaced or written.upright)):
        return None
    if not unit.sure and (not _numeric(tokens[:at]) or not tokens[at].spaced):
        return None
    if scale != 1:
        amount = Apply("*", (amount, Number(fmpq(scale))))
    return Quantity(amount, unit)


def _numeric(tokens: list[Token]) -> bool:
    return all(
        t.kind in ("num", "op", "cmd") or (t.kind == "name" and t.text in CONSTANTS | {"sqrt"})
        for t in tokens
    )


def _money(tokens: list[Token]) -> Quantity | None:
    at = 1 if tokens and tokens[0].text == "-" else 0
    if at >= len(tokens) or tokens[at].text not in _CURRENCIES:
        if tokens and tokens[-1].text in _CURRENCIES and len(tokens) > 1:
            return _amount(tokens[:-1], _CURRENCIES[tokens[-1].text])
        return None
    name = _CURRENCIES[tokens[at].text]
    rest = tokens[:at] + tokens[at + 1 :]
    places = range(max(1, len(rest) - MAX_UNIT), len(rest))
    scaled = next((i for i in places if _starts_unit(rest, i)), None)
    if scaled is not None:
        split = _split(rest, scaled)
        if split is None:
            return None
        powers = () if split.unit.noun else split.unit.powers
        extra = [power for power in powers if not _is_money(power[0])]
        return Quantity(split.amount, Unit(tuple(sorted([(name, 1), *extra]))))
    return _amount(rest, name)


def _amount(tokens: list[Token], name: str) -> Quantity | None:
    if any(token.text in _CURRENCIES for token in tokens):
        return None
    try:
        return Quantity(parse_tokens(tokens), Unit(((name, 1),)))
    except Unreadable:
        return None


def _is_money(name: str) -> bool:
    return name in _MONEY


def _compound(tokens: list[Token]) -> Quantity | None:
    """``2 hours 30 minutes``, ``5 ft 3 in``."""
    parts: list[tuple[Node, Unit]] = []
    at = 0
    while at < len(tokens):
        if tokens[at].text in ("and", ",") and parts:
            at += 1
            continue
        if at + 1 >= len(tokens) or tokens[at].kind != "num":
            return None
        unit = _unit([tokens[at + 1]])
        if unit is None or unit.noun:
            return None
        parts.append((parse_tokens([tokens[at]]), unit))
        at += 2
    if len(parts) < 2:
        return None
    terms: list[Node] = []
    for amount, unit in parts:
        share = factor(unit, parts[0][1])
        if share is None:
            return None
        terms.append(Apply("*", (amount, Number(fmpq(share.numerator, share.denominator)))))
    return Quantity(Apply("+", tuple(terms)), parts[0][1])


def _unit(tokens: list[Token]) -> Unit | None:
    """Read a whole unit phrase; a row of unknown words is a counted thing."""
    powers: dict[str, int] = {}
    sign, at, sure = 1, 0, False
    while at < len(tokens):
        token = tokens[at]
        source = token.source.strip("\\").strip()
        lowered = source.lower()
        if token.text == "/" or lowered == "per" or (lowered in ("a", "an") and powers):
            sign, at = -1, at + 1
            continue
        if token.text in ("*", "(", ")", "-") and powers:
            at += 1
            continue
        ahead = 1
        if lowered in _POWERS and at + 1 < len(tokens):
            ahead, at = _POWERS[lowered], at + 1
            token = tokens[at]
            source = token.source.strip("\\").strip()
        name = _named(token, source)
        if name is None:
            return _counted(tokens)
        sure = sure or token.kind != "name" or token.upright
        at += 1
        exponent, at = _exponent(tokens, at)
        if not exponent:
            return None
        for part, power in _parts(name):
            powers[part] = powers.get(part, 0) + sign * ahead * exponent * power
        if sign < 0 and at < len(tokens) and tokens[at].text not in ("*", ")"):
            sign = -1
    if not powers or set(powers) <= {"degree", "radian"}:  # an angle is an expression
        return None
    return Unit(tuple(sorted((n, p) for n, p in powers.items() if p)), sure=sure)


def _parts(name: str) -> list[tuple[str, int]]:
    top, _, bottom = name.partition("/")
    return [(top, 1), (bottom, -1)] if bottom else [(top, 1)]


def _exponent(tokens: list[Token], at: int) -> tuple[int, int]:
    if at < len(tokens) and tokens[at].source.lower() in _POWERS_AFTER:
        return _POWERS_AFTER[tokens[at].source.lower()], at + 1
    if at >= len(tokens) or tokens[at].text != "^":
        return 1, at
    at += 1
    digits = ""
    while at < len(tokens) and (tokens[at].kind == "num" or tokens[at].text in ("{", "-", "}")):
        digits += tokens[at].text.strip("{}")
        at += 1
        if tokens[at - 1].text == "}" or (tokens[at - 1].kind == "num" and "{" not in
                                          (tokens[at - 2].text, tokens[at - 3].text)):  # fmt: skip
            break
    value = int(digits) if digits.lstrip("-").isdigit() and len(digits) < 4 else 1
    return value, at


def _named(token: Token, source: str) -> str | None:
    if token.text == "deg":
        return "degree"
    if token.kind == "name" and token.text in _CAPITALS:
        return _CAPITALS[token.text]
    if source in _CAPITALS:
        return _CAPITALS[source]
    if source in _PREFIXED:
        return _PREFIXED[source]
    if source == "M" and token.upright:
        return "molar"
    if _LONG_PREFIXED.fullmatch(source.lower()):
        return source.lower().removesuffix("s")
    lowered = source.lower()
    for candidate in (lowered, lowered.removesuffix("s"), lowered.removesuffix("es")):
        if candidate in _MONEY:
            return candidate
        if candidate in _NAMES:
            return _NAMES[candidate]
    return None


def _counted(tokens: list[Token]) -> Unit | None:
    words = [token.source.lower() for token in tokens]
    if any(token.kind not in ("word", "run") for token in tokens) or len(words) > 6:
        return None
    if _NOT_COUNTED & set(words) - {"of", "the", "a"} or len("".join(words)) < 3:
        return None
    words = [_singular(word) for word in words if word not in ("the", "a", "an", "of")]
    return Unit(((" ".join(words), 1),), noun=True)


def _singular(word: str) -> str:
    if word in ("people", "persons"):
        return "person"
    for ending, instead in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("xes", "x")):
        if word.endswith(ending) and len(word) > 4:
            return word.removesuffix(ending) + instead
    return word.removesuffix("s") if len(word) > 3 and not word.endswith("ss") else word


def same_unit(left: Unit, right: Unit) -> bool:
    """Say whether two units are spelled alike or count the same things."""
    names = {left.powers, right.powers}
    if names == {(("sterling", 1),), (("pound", 1),)}:  # pounds may be money
        return True
    if left.noun and right.noun:
        a, b = left.powers[0][0].split(), right.powers[0][0].split()
        return a == b or (a[-1] == b[-1] and (len(a) == 1 or len(b) == 1))
    return left.powers == right.powers


def factor(unit: Unit, other: Unit) -> Fraction | None:
    """Return how many of the other unit one unit is; None if they measure different things."""
    if unit.powers == other.powers:
        return Fraction(1)
    if unit.noun or other.noun:
        return None
    first, second = _base(unit), _base(other)
    if first is None or second is None or first[1] != second[1]:
        return None
    return first[0] / second[0]


@lru_cache(maxsize=512)
def _base(unit: Unit) -> tuple[Fraction, tuple[tuple[str, int], ...]] | None:
    """Return a unit's size in base units, and their powers."""
    size = Fraction(1)
    bases: dict[str, int] = {}
    for name, power in unit.powers:
        if name in _MONEY:
            base, one = _MONEY[name]
            parts: Mapping[str, Any] = {base: 1}
        else:
            registry = _registry()
            if name in ("degree_celsius", "degree_fahrenheit"):
                one, parts = Fraction(1), {name: 1}
            else:
                base_quantity = registry.Quantity(Fraction(1), name).to_base_units()
                one = Fraction(base_quantity.magnitude).limit_denominator(10**18)
                parts = dict(base_quantity.unit_items())
        size *= one**power
        for base, exponent in parts.items():
            bases[base] = bases.get(base, 0) + int(exponent) * power
    return size, tuple(sorted((b, e) for b, e in bases.items() if e))


@lru_cache(maxsize=1)
def _registry() -> Any:
    import pint

    return pint.UnitRegistry(non_int_type=Fraction)
