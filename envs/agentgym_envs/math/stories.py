"""Levels 3 and 4: word problems of one or two steps, then of three or four."""

from __future__ import annotations

import random
from collections.abc import Mapping

from agentgym_envs.math.problem import Family, Problem

__all__ = ["LEVEL_3", "LEVEL_4"]

_NAMES = (  # noqa: SIM905 - reads better than a list of strings
    "Ada Ben Carla Dev Elif Femi Grace Hugo Ines Jonas Kira Liam Mina Noor Omar Petra Quinn Rosa "
    "Sami Tara Uma Viktor Wen Yara Zoe"
).split()
_THINGS = (  # noqa: SIM905 - reads better than a list of strings
    "apples pencils stamps marbles cards shells buttons beads coins stickers walnuts candles "
    "postcards tickets bricks"
).split()
_WARES = ("notebook", "mug", "lamp", "scarf", "kite", "puzzle", "basket", "clock", "towel", "brush")


def _story(
    family: str, numbers: Mapping[str, int], text: str, formula: str, answer: int
) -> Problem:
    """Make a problem whose code names its numbers, then gives the formula."""
    lines = [f"{name} = {value}" for name, value in numbers.items()]
    key = " ".join([family, *map(str, numbers.values())])
    return Problem(text, str(answer), "\n".join([*lines, formula]), key)


def _two_names(rng: random.Random) -> tuple[str, str]:
    first, second = rng.sample(_NAMES, 2)
    return first, second


def more_than(rng: random.Random) -> Problem:
    """Two people's things together."""
    (one, two), things = _two_names(rng), rng.choice(_THINGS)
    a, more = rng.randint(12, 480), rng.randint(5, 250)
    text = (
        f"{one} has {a} {things}. {two} has {more} more than {one}. "
        f"How many {things} do they have together?"
    )
    return _story("more", {"a": a, "more": more}, text, "a + (a + more)", 2 * a + more)


def give_away(rng: random.Random) -> Problem:
    """What is left after two gifts."""
    (one, two), things = _two_names(rng), rng.choice(_THINGS)
    left, first, second = rng.randint(5, 300), rng.randint(5, 150), rng.randint(5, 150)
    start = left + first + second
    text = (
        f"{one} collected {start} {things}, gave {first} to {two} and lost {second}. "
        f"How many {things} does {one} have now?"
    )
    numbers = {"start": start, "given": first, "lost": second}
    return _story("give", numbers, text, "start - given - lost", left)


def boxes_and_loose(rng: random.Random) -> Problem:
    """Full boxes and some loose ones."""
    name, things = rng.choice(_NAMES), rng.choice(_THINGS)
    boxes, each, loose = rng.randint(3, 60), rng.randint(6, 48), rng.randint(2, 90)
    text = (
        f"{name} has {boxes} boxes with {each} {things} each and {loose} loose {things}. "
        f"How many {things} are there in all?"
    )
    numbers = {"boxes": boxes, "each": each, "loose": loose}
    return _story("boxes", numbers, text, "boxes * each + loose", boxes * each + loose)


def change(rng: random.Random) -> Problem:
    """Change from a payment."""
    name, ware = rng.choice(_NAMES), rng.choice(_WARES)
    count, price, back = rng.randint(2, 25), rng.randint(3, 60), rng.randint(1, 99)
    paid = count * price + back
    text = (
        f"A {ware} costs {price} dollars. {name} buys {count} of them and pays with {paid} "
        "dollars. "
        "How many dollars of change are due?"
    )
    numbers = {"price": price, "count": count, "paid": paid}
    return _story("change", numbers, text, "paid - count * price", back)


def two_wares(rng: random.Random) -> Problem:
    """The price of two kinds of goods."""
    name, (one, two) = rng.choice(_NAMES), rng.sample(_WARES, 2)
    a, p, b, q = rng.randint(2, 20), rng.randint(3, 45), rng.randint(2, 20), rng.randint(3, 45)
    text = (
        f"At the market a {one} costs {p} dollars and a {two} costs {q} dollars. {name} orders "
        f"{a} of "
        f"the first and {b} of the second. How many dollars does the order cost?"
    )
    numbers = {"p": p, "q": q, "a": a, "b": b}
    return _story("wares", numbers, text, "a * p + b * q", a * p + b * q)


def share_equally(rng: random.Random) -> Problem:
    """A sum of two piles shared equally."""
    (one, two), things = _two_names(rng), rng.choice(_THINGS)
    friends, each = rng.randint(3, 24), rng.randint(7, 60)
    total = friends * each
    a = rng.randint(1, total - 1)
    text = (
        f"{one} brings {a} {things} and {two} brings {total - a}. They put them together and "
        "share them "
        f"equally among {friends} friends. How many {things} does each friend get?"
    )
    numbers = {"a": a, "b": total - a, "friends": friends}
    return _story("share", numbers, text, "(a + b) // friends", each)


def pages(rng: random.Random) -> Problem:
    """Pages left to read."""
    name = rng.choice(_NAMES)
    days, each, left = rng.randint(3, 21), rng.randint(8, 45), rng.randint(5, 250)
    total = days * each + left
    text = (
        f"{name} reads {each} pages a day of a book with {total} pages. "
        f"How many pages are left after {days} days?"
    )
    numbers = {"total": total, "each": each, "days": days}
    return _story("pages", numbers, text, "total - each * days", left)


def rows_removed(rng: random.Random) -> Problem:
    """Seats of a hall when some rows are closed."""
    rows, seats, closed = rng.randint(12, 60), rng.randint(8, 40), rng.randint(2, 9)
    text = (
        f"A hall has {rows} rows of {seats} seats. For tonight {closed} rows are closed. "
        "How many seats can be sold?"
    )
    numbers = {"rows": rows, "seats": seats, "closed": closed}
    return _story("rows", numbers, text, "(rows - closed) * seats", (rows - closed) * seats)


def times_as_many(rng: random.Random) -> Problem:
    """A multiple of another's count, with some bought later."""
    (one, two), things = _two_names(rng), rng.choice(_THINGS)
    a, factor, bought = rng.randint(7, 120), rng.randint(2, 12), rng.randint(3, 99)
    text = (
        f"{one} has {a} {things}. {two} has {factor} times as many and then buys {bought} more. "
        f"How many {things} does {two} have now?"
    )
    numbers = {"a": a, "factor": factor, "bought": bought}
    return _story("times", numbers, text, "a * factor + bought", a * factor + bought)


def constant_speed(rng: random.Random) -> Problem:
    """A distance in two legs."""
    vehicle = rng.choice(("train", "bus", "lorry", "ferry", "van"))
    u, s, v, t = rng.randint(20, 140), rng.randint(2, 9), rng.randint(20, 140), rng.randint(2, 9)
    text = (
        f"A {vehicle} moves at {u} km per hour for {s} hours, then at {v} km per hour for {t} "
        "hours. "
        "How many km does it cover?"
    )
    return _story("speed", {"u": u, "s": s, "v": v, "t": t}, text, "u * s + v * t", u * s + v * t)


def wages(rng: random.Random) -> Problem:
    """A week's pay with overtime and a deduction."""
    name = rng.choice(_NAMES)
    hours, rate, over = rng.randint(20, 40), rng.randint(12, 48), rng.randint(2, 12)
    extra, fee = rng.randint(3, 20), rng.randint(15, 120)
    text = (
        f"{name} works {hours} hours at {rate} dollars an hour and {over} hours of overtime, each "
        "paid "
        f"{extra} dollars more than a normal hour. A fee of {fee} dollars is taken off. "
        f"How many dollars does {name} receive?"
    )
    numbers = {"hours": hours, "rate": rate, "over": over, "extra": extra, "fee": fee}
    formula = "hours * rate + over * (rate + extra) - fee"
    return _story("wages", numbers, text, formula, (hours + over) * rate + over * extra - fee)


def discount(rng: random.Random) -> Problem:
    """Several goods at a percentage off, and delivery."""
    name, ware = rng.choice(_NAMES), rng.choice(_WARES)
    price, percent = 20 * rng.randint(2, 15), 5 * rng.randint(1, 14)
    count, delivery = rng.randint(2, 15), rng.randint(4, 40)
    text = (
        f"A {ware} costs {price} dollars, but today it is {percent}% cheaper. {name} buys {count} "
        "of them "
        f"and pays {delivery} dollars for delivery. How many dollars does {name} pay in all?"
    )
    numbers = {"price": price, "percent": percent, "count": count, "delivery": delivery}
    formula = "count * price * (100 - percent) // 100 + delivery"
    answer = count * (price // 20) * ((100 - percent) // 5) + delivery
    return _story("discount", numbers, text, formula, answer)


def leftover(rng: random.Random) -> Problem:
    """What does not fill another box."""
    (one, two), things = _two_names(rng), rng.choice(_THINGS)
    a, b, given, box = (
        rng.randint(90, 400),
        rng.randint(90, 400),
        rng.randint(10, 80),
        rng.randint(7, 31),
    )
    text = (
        f"{one} has {a} {things} and {two} has {b}. They give {given} away and pack the rest into "
        "boxes "
        f"of {box}, as many full boxes as they can. How many {things} are left over?"
    )
    numbers = {"a": a, "b": b, "given": given, "box": box}
    full_boxes = (a + b - given) // box
    answer = a + b - given - full_boxes * box
    return _story("leftover", numbers, text, "(a + b - given) % box", answer)


def vehicles_needed(rng: random.Random) -> Problem:
    """How many vehicles carry a group, rounded up."""
    classes, pupils, adults = rng.randint(3, 14), rng.randint(17, 32), rng.randint(4, 30)
    seats = rng.randint(9, 56)
    text = (
        f"{classes} classes of {pupils} pupils each and {adults} adults go on a trip. A bus takes "
        f"{seats} "
        "people. How many buses are needed?"
    )
    numbers = {"classes": classes, "pupils": pupils, "adults": adults, "seats": seats}
    people = classes * pupils + adults
    answer = people // seats + (people % seats > 0)
    return _story("buses", numbers, text, "-(-(classes * pupils + adults) // seats)", answer)


def tank(rng: random.Random) -> Problem:
    """A tank that fills and leaks."""
    start, inflow, leak = rng.randint(20, 400), rng.randint(15, 60), rng.randint(2, 12)
    first, second = rng.randint(5, 40), rng.randint(3, 30)
    text = (
        f"A tank holds {start} litres. For {first} minutes {inflow} litres flow in each minute "
        "while "
        f"{leak} litres leak out each minute; then it only leaks for {second} minutes. "
        "How many litres are in it at the end?"
    )
    answer = start + inflow * first - leak * (first + second)
    if answer < 0:
        return tank(rng)
    numbers = {"start": start, "inflow": inflow, "leak": leak, "first": first, "second": second}
    return _story("tank", numbers, text, "start + (inflow - leak) * first - leak * second", answer)


def crowd(rng: random.Random) -> Problem:
    """A share of visitors in percent, of those a share again."""
    percent, part = 5 * rng.randint(2, 19), rng.choice((2, 4, 5))
    visitors, late = 100 * rng.randint(3, 60), rng.randint(5, 90)
    text = (
        f"A museum has {visitors} visitors. {percent}% of them come before noon, and one in "
        f"{part} of those "
        f"buys a guide. After noon {late} more guides are sold. How many guides are sold that day?"
    )
    early = visitors // 100 * percent
    if early % part:
        return crowd(rng)
    numbers = {"visitors": visitors, "percent": percent, "part": part, "late": late}
    formula = "visitors * percent // 100 // part + late"
    return _story("crowd", numbers, text, formula, early // part + late)


def savings(rng: random.Random) -> Problem:
    """Whole weeks until a price is reached."""
    name, ware = rng.choice(_NAMES), rng.choice(_WARES)
    have, weekly, spent = rng.randint(5, 90), rng.randint(15, 60), rng.randint(2, 14)
    price = have + rng.randint(60, 900)
    text = (
        f"{name} has {have} dollars, earns {weekly} dollars each week and spends {spent} of them. "
        f"After how many whole weeks can {name} first buy a golden {ware} for {price} dollars?"
    )
    numbers = {"have": have, "weekly": weekly, "spent": spent, "price": price}
    kept, missing = weekly - spent, price - have
    answer = (missing + kept - 1) // kept
    return _story("savings", numbers, text, "-(-(price - have) // (weekly - spent))", answer)


def average_next(rng: random.Random) -> Problem:
    """The score that lifts an average to a goal."""
    name = rng.choice(_NAMES)
    scores = [rng.randint(30, 95) for _ in range(3)]
    goal = -(-sum(scores) // 4) + rng.randint(1, 20)
    text = (
        f"{name} scored {scores[0]}, {scores[1]} and {scores[2]} points in three rounds. How many "
        "points "
        f"does {name} need in the fourth round for an average of exactly {goal} points?"
    )
    numbers = {"a": scores[0], "b": scores[1], "c": scores[2], "goal": goal}
    return _story("average", numbers, text, "4 * goal - (a + b + c)", 4 * goal - sum(scores))


def two_workers(rng: random.Random) -> Problem:
    """Two makers at different rates, some rejected."""
    (one, two), things = _two_names(rng), rng.choice(_THINGS)
    u, v, hours = rng.randint(5, 60), rng.randint(5, 60), rng.randint(2, 12)
    head, broken = rng.randint(1, 6), rng.randint(2, 40)
    text = (
        f"{one} sorts {u} {things} an hour and {two} sorts {v}. {one} starts {head} hours before "
        f"{two}, and "
        f"then both work for {hours} hours. {broken} of the sorted {things} are thrown away. How "
        "many remain?"
    )
    answer = (u + v) * hours + u * head - broken
    if answer < 0:
        return two_workers(rng)
    numbers = {"u": u, "v": v, "head": head, "hours": hours, "broken": broken}
    return _story("workers", numbers, text, "u * (head + hours) + v * hours - broken", answer)


LEVEL_3: tuple[Family, ...] = (
    more_than,
    give_away,
    boxes_and_loose,
    change,
    two_wares,
    share_equally,
    pages,
    rows_removed,
    times_as_many,
    constant_speed,
)
LEVEL_4: tuple[Family, ...] = (
    wages,
    discount,
    leftover,
    vehicles_needed,
    tank,
    crowd,
    savings,
    average_next,
    two_workers,
)
