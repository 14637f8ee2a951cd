"""Charts on the page of lift_comparison: small, well-formed, escaped, and saying in words what they show."""

import re
from base64 import b64decode
from datetime import date, timedelta
from xml.etree import ElementTree

import numpy as np
import pytest

from v4_assets.evaluation.plots import lift_by_decile, lift_over_weeks, scores_of_day
from v4_assets.evaluation.svg import Chart, as_image, ticks
from v4_assets_tests.evidences import evidence

DAY = date(2026, 2, 1)
LINES = {"promote at": 2.0, "roll back below": 1.5}
LARGEST = 60_000


def drawn(markdown: str | None) -> tuple[str, ElementTree.Element]:
    """The words beside a picture and the picture itself, parsed."""
    assert markdown is not None
    assert len(markdown) < LARGEST
    found = re.fullmatch(r"!\[(.*)\]\(data:image/svg\+xml;base64,(.*)\)", markdown)
    assert found
    return found[1], ElementTree.fromstring(b64decode(found[2]))


def words(picture: ElementTree.Element) -> list[str]:
    return [one.text or "" for one in picture.iter("{http://www.w3.org/2000/svg}text")]


def decile(version: str, number: int, conversions: float) -> dict[str, object]:
    rate = conversions / 100
    ends = {"conversion_rate_low": rate / 2, "conversion_rate_high": rate * 2}
    return {"version": version, "decile": number, "leads": 100.0, "conversions": conversions} | {
        "conversion_rate": rate,
        **ends,
    }


def test_lift_by_decile_is_conversion_over_the_cohorts_base_rate():
    rows = [decile("v4.1.0", number, 8.0 if number == 10 else 4.0) for number in range(1, 11)]
    said, picture = drawn(lift_by_decile(rows, 0.9))
    assert said == "Lift by decile. Top decile: v4.1.0 1.82"
    assert "decile, 10 = called first; 90% intervals; 1 = average" in words(picture)
    assert len(list(picture.iter("{http://www.w3.org/2000/svg}rect"))) == 11


def test_a_decile_in_which_nobody_converted_is_drawn_as_none():
    rows = [decile("v4.1.0", number, 0.0 if number == 1 else 4.0) for number in range(1, 11)]
    _, picture = drawn(lift_by_decile(rows, 0.9))
    heights = [float(one.get("height", "")) for one in picture.iter("{http://www.w3.org/2000/svg}rect")]
    assert heights.count(0.0) == 1


def test_without_conversions_there_is_no_chart_of_lift():
    assert lift_by_decile([decile("v4.1.0", number, 0.0) for number in range(1, 11)], 0.9) is None
    assert lift_by_decile([], 0.9) is None
    assert lift_over_weeks([], LINES, []) is None
    assert scores_of_day({"v4.1.0": np.array([])}, DAY) is None


def test_lift_over_weeks_shows_thresholds_and_what_happened_within_its_days():
    rows = [evidence(prediction_date=DAY + timedelta(days=7 * week), version="v4.1.0") for week in range(26)]
    happened = [(DAY + timedelta(days=7), "promotion"), (DAY - timedelta(days=90), "adopted")]
    said, picture = drawn(lift_over_weeks(rows, LINES, happened))
    assert said == "Lift from 2026-02-01 to 2026-07-26. On 2026-07-26: v4.1.0 2.10"
    assert {"promote at 2", "roll back below 1.5", "promotion"} <= set(words(picture))
    assert "adopted" not in words(picture)


def test_a_single_day_without_an_interval_is_drawn():
    said, _ = drawn(lift_over_weeks([evidence(prediction_date=DAY, lift_low=None, lift_high=None)], LINES, []))
    assert "On 2026-02-01" in said


def test_scores_are_compared_as_shares_whatever_the_number_of_leads():
    scores = {"v4.0.0": np.full(10, 0.31), "v4.1.0": np.append(np.full(1_000, 0.71), np.nan)}
    said, picture = drawn(scores_of_day(scores, DAY))
    assert said == "Scores of 2026-02-01. Medians: v4.0.0 0.31, v4.1.0 0.71"
    bars = [one for one in picture.iter("{http://www.w3.org/2000/svg}rect") if one.get("x")]
    assert [float(bar.get("height", "")) for bar in bars] == pytest.approx([209.5, 209.5], abs=0.1)


def test_what_a_chart_is_told_is_text_and_never_markup():
    chart = Chart("<script>", (0.0, 1.0), (0.0, 1.0))
    chart.mark(0.5, "a & b <c>")
    said, picture = drawn(as_image(chart.svg([], "", "", ["]<x>"]), "not ] the [ end"))
    assert said == "not ) the ( end"
    assert {"<script>", "a & b <c>", "■ ]<x>"} <= set(words(picture))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 3.0, [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]),
        (0.0, 0.05, [0.0, 0.01, 0.02, 0.03, 0.04, 0.05]),
        (-1.0, 1.0, [-1.0, -0.5, 0.0, 0.5, 1.0]),
    ],
    ids=["lifts", "shares", "differences"],
)
def test_ticks_are_round_numbers_within_the_range(low, high, expected):
    assert ticks(low, high) == expected


def test_a_range_that_does_not_go_upwards_is_refused():
    with pytest.raises(ValueError, match=r"goes upwards; got 1.0 to 1.0"):
        ticks(1.0, 1.0)
