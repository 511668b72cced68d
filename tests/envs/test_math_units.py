"""Quantities: units read, converted, left out, and told apart."""

from __future__ import annotations

from fractions import Fraction

import pytest

from agentgym_envs.math import equivalent
from agentgym_envs.math.lexer import normalise, tokenise
from agentgym_envs.math.units import Unit, factor, quantity, same_unit

SAME = [
    ("5 cm", "5 cm"),
    ("5 m", "500 cm"),
    (r"5\text{ m}", r"500\,\mathrm{cm}"),
    ("3 kg", "3000 grams"),
    ("72 km/h", "20 m/s"),
    ("5 km/h", "5 kilometers per hour"),
    ("20 mph", "20 miles per hour"),
    ("1 L", "1000 cm^3"),
    ("1000 mL", "1 liter"),
    (r"12\text{ cm}^2", "12 square centimeters"),
    ("1 m^2", "10000 cm^2"),
    ("2 hours 30 minutes", "2.5 hours"),
    ("150 minutes", "2.5 hours"),
    ("1 N", "1 kg m/s^2"),
    ("1 kWh", "3600 kJ"),
    ("1 mile", "5280 feet"),
    ("$5", "5 dollars"),
    ("$5", "500 cents"),
    (r"\$5.00", "5 USD"),
    ("\N{EURO SIGN}5", "5 euros"),
    ("2 million", "2000000"),
    ("$2 million", "2000000 dollars"),
    ("12 apples", "12 apples"),
    ("1 apple", "1 apples"),
    ("12 red apples", "12 apples"),
    (r"\frac12 kg", "500 g"),
    (r"90^\circ", r"\frac{\pi}{2}"),
    ("90 degrees", r"90^\circ"),
]
OTHER = [
    ("5 m", "5 cm"),
    ("5 kg", "5 m"),
    ("5 m", "5 m^2"),
    ("72 km/h", "72 m/s"),
    ("1 m^2", "100 cm^2"),
    ("2 hours 30 minutes", "2.3 hours"),
    ("150 minutes", "150 hours"),
    ("1 L", "1000 L"),
    ("$5", "5 euros"),
    ("$5", "5 cents"),
    ("2 million", "2 billion"),
    ("$2 million", "2 dollars"),
    ("12 apples", "12 pears"),
    ("12 apples", "12 kg"),
    ("12 apples", "13 apples"),
    (r"90^\circ", r"\frac{\pi}{4}"),
    (r"\sin 1", r"\sin 1^\circ"),
    (r"25^\circ \text{C}", r"25^\circ \text{F}"),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_same_quantity_is_accepted(left: str, right: str) -> None:
    assert equivalent(left, right)
    assert equivalent(right, left)


@pytest.mark.parametrize(("left", "right"), OTHER)
def test_other_quantity_is_refused(left: str, right: str) -> None:
    assert not equivalent(left, right)
    assert not equivalent(right, left)


@pytest.mark.parametrize(
    "measured", ["5 cm", r"5\text{ cm}", "5 kg m/s^2", "$5", "5 apples", "5 km/h", r"5^\circ", "5%"]
)
def test_unit_of_one_side_may_be_left_out(measured: str) -> None:
    assert equivalent(measured, "5")
    assert equivalent("5", measured)
    assert not equivalent(measured, "6")
    assert not equivalent("6", measured)


def test_letter_beside_a_number_is_a_variable() -> None:
    assert not equivalent("5m", "5")
    assert not equivalent("5x", "5")
    assert not equivalent("5", "5x")


def test_quantity_is_an_amount_and_a_unit() -> None:
    read = quantity(tokenise(normalise("9.8 m/s^2")))
    assert read is not None
    assert read.unit == Unit((("meter", 1), ("second", -2)), sure=read.unit.sure)
    assert quantity(tokenise("9.8")) is None


def test_factor_is_exact() -> None:
    meter, inch, second = (Unit(((name, 1),)) for name in ("meter", "inch", "second"))
    assert factor(inch, meter) == Fraction(254, 10_000)
    assert factor(meter, inch) == Fraction(10_000, 254)
    assert factor(meter, second) is None
    speed = Unit((("kilometer", 1), ("hour", -1)))
    assert factor(speed, Unit((("meter", 1), ("second", -1)))) == Fraction(5, 18)


def test_counted_things_are_told_apart() -> None:
    apple, red, pear = (Unit(((n, 1),), noun=True) for n in ("apple", "red apple", "pear"))
    assert same_unit(apple, red)
    assert not same_unit(apple, pear)
    assert factor(apple, pear) is None
