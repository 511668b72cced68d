from __future__ import annotations

import math
import re
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym.evaluate.curve import curve_svg

NAMES = "{http://www.w3.org/2000/svg}"


def drawn(series: dict[str, list[tuple[float, float]]], **options: object) -> ElementTree.Element:
    texts = {"title": "t", "x_label": "x", "y_label": "y"} | options
    return ElementTree.fromstring(curve_svg(series, **texts))  # type: ignore[arg-type]


def texts(svg: ElementTree.Element) -> list[str]:
    return [node.text or "" for node in svg.iter(f"{NAMES}text")]


def line_paths(svg: ElementTree.Element) -> list[str]:
    paths = [node for node in svg.iter(f"{NAMES}path") if node.get("stroke-width") == "2"]
    return [path.get("d", "") for path in paths]


def test_curve_spells_its_texts_even_hostile_ones() -> None:
    svg = drawn({"a<b": [(0, 0), (1, 1)], "c&d": [(0, 1), (1, 0)]}, title="<script>&'\"")
    assert {"a<b", "c&d", "<script>&'\"", "x", "y"} <= set(texts(svg))


def test_curve_places_points_on_the_scale_of_the_ticks() -> None:
    (path,) = line_paths(drawn({"a": [(0, 0), (5, 0.5), (10, 1)]}))
    (x0, y0), (x1, y1), (x2, y2) = (
        tuple(map(float, place.split())) for place in re.split("[ML]", path)[1:]
    )
    assert x1 - x0 == x2 - x1 > 0  # evenly to the right
    assert y0 - y1 == y1 - y2 > 0  # evenly upwards


def test_curve_has_round_ticks_around_the_points() -> None:
    found = texts(drawn({"a": [(0, 0.07), (120, 0.93)]}))
    assert {"0", "20", "120", "0.2", "1"} <= set(found)


def test_curve_shades_bands() -> None:
    svg = drawn({"a": [(0, 1), (1, 2)]}, bands={"a": [(0, 0.5, 1.5), (1, 1.0, 3.0)]})
    shades = [node for node in svg.iter(f"{NAMES}path") if node.get("fill-opacity")]
    assert len(shades) == 1
    assert (shades[0].get("d") or "").endswith("Z")


def test_curve_leaves_out_what_is_not_finite() -> None:
    (path,) = line_paths(drawn({"a": [(0, 0), (1, math.nan), (2, math.inf), (3, 1)]}))
    assert path.count("L") == 1


def test_curve_of_nothing_and_of_one_point_is_still_a_chart() -> None:
    assert line_paths(drawn({})) == []
    assert len(list(drawn({"a": [(3, 0.5)]}).iter(f"{NAMES}circle"))) == 1


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)),
        min_size=2,
        max_size=8,
    )
)
def test_curve_stays_within_its_frame(points: list[tuple[float, float]]) -> None:
    svg = drawn({"a": points})
    for path in line_paths(svg):
        for place in re.split("[ML]", path)[1:]:
            x, y = map(float, place.split())
            assert 64 <= x <= 740
            assert 44 <= y <= 368
