"""Single measurements in a chart: dots with their intervals."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from agentgym.evaluate.curve import curve_svg

SVG = "{http://www.w3.org/2000/svg}"


def chart(**more: object) -> ET.Element:
    return ET.fromstring(
        curve_svg({"line": [(0, 0.0), (10, 1.0)]}, title="t", x_label="x", y_label="y", **more)
    )


def test_marks_are_dots_at_their_place_with_whiskers() -> None:
    root = chart(marks={"held out": [(0, 0.5, 0.25, 0.75), (10, 1.0, 1.0, 1.0)]})
    dots = [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter(f"{SVG}circle")]
    # The plot spans x 64..740 for 0..10 and y 368..44 for 0..1.
    assert dots == [(64.0, 206.0), (740.0, 44.0)]
    whiskers = [p.get("d") for p in root.iter(f"{SVG}path") if "h8" in (p.get("d") or "")]
    assert whiskers[0] == "M64.0 287.0V125.0M60.0 287.0h8M60.0 125.0h8"


def test_marks_have_a_row_in_the_legend() -> None:
    texts = [
        element.text for element in chart(marks={"held out": [(0, 1, 1, 1)]}).iter(f"{SVG}text")
    ]
    assert "held out" in texts


def test_marks_without_a_finite_interval_are_left_out() -> None:
    root = chart(marks={"one task": [(0, 0.5, float("-inf"), float("inf"))]})
    assert not list(root.iter(f"{SVG}circle"))
