"""Exact values, balls that enclose them, and the limits on both."""

from __future__ import annotations

import threading
import time

import pytest
from flint import acb, arb, ctx, fmpq

from agentgym_envs.math import verify
from agentgym_envs.math.nodes import TooLarge, Unreadable
from agentgym_envs.math.parser import parse
from agentgym_envs.math.values import OutOfTime, Undefined, ball, deadline, precision, rational

EXACT = [
    ("1/2+1/3", fmpq(5, 6)),
    ("-2^2", fmpq(-4)),
    ("(-2)^2", fmpq(4)),
    ("2^{-3}", fmpq(1, 8)),
    ("8^{2/3}", fmpq(4)),
    (r"\sqrt{9/4}", fmpq(3, 2)),
    (r"\sqrt[3]{-8}", fmpq(-2)),
    ("50%", fmpq(1, 2)),
    ("5!", fmpq(120)),
    (r"\binom{5}{2}", fmpq(10)),
    (r"\lfloor -1.5 \rfloor", fmpq(-2)),
    (r"\lceil -1.5 \rceil", fmpq(-1)),
    ("|-3|", fmpq(3)),
    (r"\gcd(12, 18)", fmpq(6)),
    (r"\max(1, 3, 2)", fmpq(3)),
    (r"\sum_{k=1}^{4} k^2", fmpq(30)),
    (r"\prod_{k=1}^{4} k", fmpq(24)),
    ("2:4", fmpq(1, 2)),
    ("0^0", fmpq(1)),
    ("1^{9^{9^9}}", fmpq(1)),
    ("(-1)^{9^{9^9}}", fmpq(-1)),
    (r"1.5 \times 10^3", fmpq(1500)),
]


@pytest.mark.parametrize(("text", "value"), EXACT)
def test_rational_is_exact(text: str, value: fmpq) -> None:
    assert rational(parse(text)) == value


@pytest.mark.parametrize("text", [r"\sqrt2", r"\pi", "x", "2^{1/2}", r"\sin 1", "(1/2)!", "oo"])
def test_rational_leaves_what_is_not_rational(text: str) -> None:
    assert rational(parse(text)) is None


@pytest.mark.parametrize("text", ["1/0", "0^{-1}", "1/(2-2)", "0/0"])
def test_rational_has_no_value_at_a_pole(text: str) -> None:
    with pytest.raises(Undefined):
        rational(parse(text))


def test_rational_limits_bits() -> None:
    """10^18000 has 59,795 bits, 10^28000 has 93,014: the limit is 60,000."""
    assert rational(parse(r"10^{9000} \cdot 10^{9000}")) == fmpq(10) ** 18_000
    with pytest.raises(TooLarge, match="digits"):
        rational(parse(r"10^{14000} \cdot 10^{14000}"))


def test_rational_leaves_large_powers_and_factorials_to_balls() -> None:
    assert rational(parse("2^{29000}")) == fmpq(2) ** 29_000
    assert rational(parse("2^{70000}")) is None
    assert rational(parse("3000!")) is not None
    assert rational(parse("3001!")) is None


def test_rational_limits_ranges() -> None:
    assert rational(parse(r"\sum_{k=1}^{1000} k")) == 500_500
    with pytest.raises(TooLarge, match="1000 terms"):
        rational(parse(r"\sum_{k=1}^{1001} k"))
    with pytest.raises(TooLarge):
        rational(parse(r"\sum_{k=1}^{10^9} k"))


BALLS = [
    (r"\pi", "3.14159265358979323846"),
    ("e", "2.71828182845904523536"),
    (r"\sqrt2", "1.41421356237309504880"),
    (r"\ln 2", "0.69314718055994530942"),
    (r"\log 2", "0.30102999566398119521"),
    (r"\log_2 10", "3.32192809488736234787"),
    (r"\sin 1", "0.84147098480789650665"),
    (r"\sin 30^\circ", "0.5"),
    (r"\arctan 1", "0.78539816339744830962"),
    (r"\cosh 0", "1"),
    (r"\sqrt[3]{-2}", "-1.25992104989487316477"),
    ("2^{0.5}", "1.41421356237309504880"),
    (r"(1/2)!", "0.88622692545275801365"),
    (r"|3+4i|", "5"),
    (r"\begin{vmatrix} \sqrt2 & 1 \\ 1 & \sqrt2 \end{vmatrix}", "1"),
]


@pytest.mark.parametrize(("text", "digits"), BALLS)
def test_ball_encloses_the_value(text: str, digits: str) -> None:
    with precision(128):
        distance = ball(parse(text)) - acb(arb(digits))
        assert distance.abs_upper() < arb("1e-19")


def test_ball_of_a_symbol_is_what_it_stands_for() -> None:
    with precision(64):
        assert ball(parse("x^2 + 1"), {"x": acb(3)}) == acb(10)
        with pytest.raises(Unreadable, match="y has no value"):
            ball(parse("x + y"), {"x": acb(3)})


@pytest.mark.parametrize(
    "text", ["1/0", r"\ln 0", "0^{-1}", "oo", "oo - oo", r"\tan 90^\circ + 1/(1-1)", "(-1)!"]
)
def test_ball_has_no_value_at_a_singular_point(text: str) -> None:
    with precision(64), pytest.raises(Undefined):
        ball(parse(text))


def test_precision_is_put_back() -> None:
    before = ctx.prec
    with precision(999):
        assert ctx.prec == 999
        with pytest.raises(Undefined), precision(77):
            ball(parse("1/0"))
        assert ctx.prec == 999
    assert ctx.prec == before


def test_deadline_stops_arithmetic() -> None:
    node = parse(r"\sum_{j=1}^{1000} \sum_{k=1}^{1000} \sin(jk)")
    start = time.process_time()
    with pytest.raises(OutOfTime), precision(64), deadline(0.1):
        ball(node)
    assert time.process_time() - start < 1.0


def test_deadline_is_the_callers_again_afterwards() -> None:
    with deadline(60):
        with pytest.raises(OutOfTime), deadline(-1):
            rational(parse("1/2"))
        assert rational(parse("1/2")) == fmpq(1, 2)


def test_deadline_is_of_one_thread() -> None:
    found: list[fmpq | None] = []
    with deadline(-1):
        thread = threading.Thread(target=lambda: found.append(rational(parse("1/2"))))
        thread.start()
        thread.join(10)
    assert found == [fmpq(1, 2)]


def test_verify_is_the_same_in_eight_threads() -> None:
    """flint has one precision for the whole process: threads must not change it for each other."""
    pairs = [
        (r"\boxed{\sqrt{2}+\sqrt{3}}", r"\sqrt{5+2\sqrt{6}}"),
        (r"\boxed{262537412640768744}", r"e^{\pi\sqrt{163}}"),
        (r"\boxed{2\sin x\cos x}", r"\sin 2x"),
        (r"\boxed{2\sin x}", r"\sin 2x"),
        (r"\boxed{x^2 < 4}", "(-2, 2)"),
        (r"\boxed{x^2 \le 4}", "(-2, 2)"),
        (r"\boxed{10^{5000}+1}", "10^{5000}"),
        (r"\boxed{e^{i\pi}}", "-1"),
    ]
    wanted = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0]
    found: dict[int, list[float]] = {}

    def judge(number: int) -> None:
        order = pairs[number:] + pairs[:number]
        for _ in range(5):
            scores = [verify(*pair, timeout_s=20).score for pair in order]
        found[number] = scores[len(pairs) - number :] + scores[: len(pairs) - number]

    threads = [threading.Thread(target=judge, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == dict.fromkeys(range(8), wanted)
