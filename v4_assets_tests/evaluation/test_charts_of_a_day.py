"""Charts on the page of lift_comparison: small, and saying in words what they show."""

import re
from base64 import b64decode
from datetime import date, timedelta
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from v4_assets.config.environment import load
from v4_assets.report.chart_colours import COLOURS
from v4_assets.report.charts import Chart, conversion_by_decile, lift_by_decile, lift_over_time, scores_of_day
from v4_assets_tests.fixtures.evidences import evidence
from v4_assets_tests.fixtures.narrow import present
from v4_assets_tests.report.test_report import ROLLBACK

DAY = date(2026, 2, 1)
LARGEST = 30_000


def colours(chart: Chart | None) -> dict[str, int]:
    """Pixels by colour, as Markdown carries them."""
    assert chart is not None
    assert len(chart.markdown) < LARGEST
    found = re.fullmatch(r"!\[([^\[\]]*)\]\(data:image/png;base64,(.*)\)", chart.markdown)
    assert found
    assert found[1] == chart.alt
    image = Image.open(BytesIO(b64decode(found[2]))).convert("RGB")
    counted: Any = image.getcolors(1 << 24) or []
    return {f"#{red:02x}{green:02x}{blue:02x}": count for count, (red, green, blue) in counted}


def decile(version: str, number: int, conversions: float) -> dict[str, object]:
    rate = conversions / 100
    ends = {"conversion_rate_low": rate / 2, "conversion_rate_high": rate * 2}
    return {"version": version, "decile": number, "leads": 100.0, "conversions": conversions} | {
        "conversion_rate": rate,
        **ends,
    }


def test_lift_by_decile_is_conversion_over_the_cohorts_base_rate():
    rows = [decile("v4.1.0", number, 8.0 if number == 10 else 4.0) for number in range(1, 11)]
    chart = present(lift_by_decile(rows, 0.9))
    assert colours(chart)[COLOURS[0]] > 5_000
    assert chart.alt == "Lift by decile. Top decile: v4.1.0 1.82."
    assert "90% intervals; 1 = average" in chart.svg


def test_a_version_without_conversions_is_left_out_of_the_lift():
    rows = [decile("v4.0.0", number, 0.0) for number in range(1, 11)]
    rows += [decile("v4.1.0", number, 4.0) for number in range(1, 11)]
    assert present(lift_by_decile(rows, 0.9)).alt == "Lift by decile. Top decile: v4.1.0 1.00."


def test_without_conversions_there_is_no_chart_of_lift():
    assert lift_by_decile([decile("v4.1.0", number, 0.0) for number in range(1, 11)], 0.9) is None
    assert lift_by_decile([], 0.9) is None
    assert scores_of_day({"v4.1.0": np.array([])}, DAY) is None


def test_half_a_year_of_lift_stays_small():
    rows = [
        evidence(prediction_date=DAY + timedelta(days=week), version=version)
        for week in range(182)
        for version in ("v4.0.0", "v4.1.0")
    ]
    chart = lift_over_time(rows, [], load({}).rollout.policy)
    assert colours(chart)[COLOURS[1]] > 100
    assert "v4.1.0: 2.10 on 2026-02-01, 2.10 on 2026-08-01" in chart.alt


def test_lift_over_weeks_shows_thresholds_and_only_what_happened_within_its_days():
    rows = [evidence(prediction_date=DAY + timedelta(days=7 * week), version="v4.1.0") for week in range(3)]
    policy = load({}).rollout.policy
    chart = lift_over_time(rows, [ROLLBACK], policy)
    assert "promote at 2" in chart.svg
    assert "below 1.5" in chart.svg
    assert "rollback" not in chart.svg.partition(">")[2]
    earlier = [evidence(prediction_date=ROLLBACK.day, version="v4.1.0"), *rows]
    assert "rollback" in lift_over_time(earlier, [ROLLBACK], policy).svg.partition(">")[2]


def test_a_single_day_without_an_interval_is_drawn():
    chart = lift_over_time([evidence(prediction_date=DAY, lift_low=None, lift_high=None)], [], load({}).rollout.policy)
    assert f"on {DAY}" in chart.alt
    wanted = [int(COLOURS[0][at : at + 2], 16) for at in (1, 3, 5)]
    # A lone marker is a few pixels, whose colour the reduction may shift a little.
    near = [
        one for one in colours(chart) if all(abs(int(one[at : at + 2], 16) - wanted[at // 2]) < 24 for at in (1, 3, 5))
    ]
    assert near


def wide_charts() -> dict[str, Chart | None]:
    """Charts of four versions, with long figures at their axes and beside them."""
    versions = [f"v4.{number}.0" for number in range(4)]
    policy = load({}).rollout.policy
    promotion = policy.promotion.model_copy(update={"lift_at_least": 12.25})
    rollback = policy.rollback.model_copy(update={"lift_below": 11.75})
    policy = policy.model_copy(update={"promotion": promotion, "rollback": rollback})
    rows = [
        evidence(prediction_date=DAY + timedelta(days=7 * week), version=version, lift=12.5, lift_high=19.0)
        for week in range(26)
        for version in versions
    ]
    deciles = [decile(version, number, 40.0 + number) for version in versions for number in range(1, 11)]
    tenth = [{**row, "conversion_rate_high": 12.345} for row in deciles]
    return {
        "lift over time": lift_over_time(rows, [ROLLBACK], policy),
        "lift by decile": lift_by_decile(tenth, 0.9),
        "conversion by decile": conversion_by_decile(tenth, "Matured cohort"),
        "scores": scores_of_day({version: np.full(3, 0.31) for version in versions}, DAY),
    }


@pytest.mark.parametrize("name", wide_charts())
def test_every_text_lies_within_the_picture(name):
    chart = wide_charts()[name]
    assert chart is not None
    canvas: Any = chart.figure.canvas
    canvas.draw()
    [axes] = chart.figure.axes
    drawn, picture = axes.get_tightbbox(canvas.get_renderer()), chart.figure.bbox
    assert drawn is not None
    assert drawn.width > axes.bbox.width
    assert picture.x0 <= drawn.x0 < drawn.x1 <= picture.x1
    assert picture.y0 <= drawn.y0 < drawn.y1 <= picture.y1


def test_scores_are_compared_as_shares_whatever_the_number_of_leads():
    few, many = np.full(10, 0.31), np.append(np.full(1_000, 0.71), np.nan)
    chart = present(scores_of_day({"v4.0.0": few, "v4.1.0": many}, DAY))
    assert chart.alt == "Scores of 2026-02-01. Medians: v4.0.0 0.31, v4.1.0 0.71."
    bars = [axes for axes in chart.figure.axes[0].patches if isinstance(axes, Rectangle) and axes.get_height()]
    assert [round(bar.get_height(), 6) for bar in bars] == [100.0, 100.0]


def test_what_a_chart_is_told_is_text_and_never_markup():
    rows = [decile("<script>]", number, 4.0) for number in range(1, 11)]
    chart = present(lift_by_decile(rows, 0.9))
    assert "<script>" not in chart.svg
    assert "&lt;script&gt;" in chart.svg
    assert chart.markdown.startswith("![Lift by decile. Top decile: <script>) 1.00.](data:")
