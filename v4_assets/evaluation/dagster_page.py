"""What the Dagster page of lift_comparison shows and plots: charts, figures of both versions, gates, deciles."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
from numpy.typing import NDArray

from v4_assets.config.rollout import Rollout
from v4_assets.evaluation.before_contact import Row, in_words, of_question
from v4_assets.evaluation.call_votes import Warning
from v4_assets.evaluation.evidence import Evidence, digest
from v4_assets.production.decision import Gate
from v4_assets.production.events import Event
from v4_assets.report import charts
from v4_assets.report.charts import Chart

PLOTTED = {
    "lift": "lift",
    "lift low": "lift_low",
    "lift high": "lift_high",
    "lift within week": "within_week_lift",
    "lift as served": "as_served_lift",
    "lift of called": "called_lift",
    "AUC": "auc",
    "top decile converts": "top_decile_conversion",
    "top decile is new": "top_decile_churn",
    "live share": "live_share",
}
"""Name on the page, followed by the version, to the field of Evidence; on the cohort that rollback is judged by."""
OF_THE_COHORT = {
    "base rate": "base_rate",
    "leads": "leads",
    "conversions": "conversions",
    "uncovered": "uncovered",
    "converted before scored": "converted_before_scored",
    "longest silence, days": "longest_silence_days",
}
BEFORE_CONTACT = {
    "lift before contact": "lift",
    "AUC before contact": "auc",
}
"""The same of the second reading: field of lift_before_contact."""
COUNTED_BEFORE_CONTACT = {
    "leads scored before contact": "leads",
    "conversions scored before contact": "conversions",
    "conversions on the day of contact": "same_day_conversions",
    "leads not scored before contact": "uncovered",
}
DECIMALS = 4
"""Decimals of figures on the page; the checks hold them in full precision."""
ABOUT = (
    "The checks of this asset are the gates: what they say here is what the sensor acts on, at the close of a week. "
    "They never block. A gate that fails is an error; one whose evidence is short, or whose miss chance may explain, "
    "is a warning.\n\nA cohort is a set of leads whose outcome window has passed. Lift is the conversion of "
    "a version's top decile divided by that of all leads. See `docs/rollout.md`."
)
DECILES = ("version", "decile", "leads", "conversions", "converts %", "low %", "high %", "lift")


def page(
    rollout: Rollout,
    day: date,
    *,
    evidence: Sequence[Evidence],
    before_contact: Sequence[Row],
    recorded: Sequence[Evidence],
    gates: Sequence[Gate],
    warning: Warning | None,
    deciles: Sequence[Mapping[str, Any]],
    events: Sequence[Event],
    scores: Mapping[str, NDArray[Any]],
) -> dict[str, Any]:
    """Metadata of a day, in the order in which it is read. Figures are plain floats, which Dagster plots by day; what
    is not known is left out.

    `recorded` is the evidence of the weeks before and of the day, `before_contact` and `deciles` are as the store has
    them, `scores` each version's scores of the day.
    """
    shown = [
        ("chart: lift by decile", charts.lift_by_decile(deciles, rollout.evaluation.interval_level)),
        ("chart: lift over weeks", _over_weeks(recorded, events, rollout)),
        ("chart: early warning", charts.warning_over_weeks(warning) if warning else None),
        ("chart: scores of the day", charts.scores_of_day(scores, day)),
    ]
    return {
        **{name: dg.MetadataValue.md(chart.markdown) for name, chart in shown if chart},
        **{name: round(float(value), DECIMALS) for name, value in _figures(evidence) if value is not None},
        **{name: round(float(value), DECIMALS) for name, value in _gates(gates) if value is not None},
        **_early_warning(warning),
        **{name: round(float(value), DECIMALS) for name, value in _before_contact(before_contact) if value is not None},
        "by the score before contact": in_words(of_question(before_contact, "rollback")) or "–",
        "deciles": _table(deciles),
        "report": dg.MetadataValue.asset(dg.AssetKey("rollout_report")),
        "evidence_sha256": digest(evidence),
    }


def about_gates(rollout: Rollout) -> str:
    """The part of the asset's description about its checks, in Markdown."""
    return f"{rules(rollout)}\n\n{ABOUT}"


def rules(rollout: Rollout) -> str:
    """The thresholds of the gates, from which the sensor decides, as a table in Markdown."""
    back, forth = rollout.policy.rollback, rollout.policy.promotion
    by = f"{back.confidence:.0%} bound" if back.judge_by == "upper_bound" else "estimate"
    lines = [
        ("top_decile_lift", f"lift < {back.lift_below:g}", by, back.weeks_running.top_decile_lift),
        ("auc", f"AUC < {back.auc_below:g}", by, back.weeks_running.auc),
        (
            "top_decile_conversion",
            f"conversion < {back.top_decile_conversion_below:.0%}",
            by,
            back.weeks_running.top_decile_conversion,
        ),
    ]
    rows = [f"| rollback | `{name}` | {line} | {judged} | {weeks} |" for name, line, judged, weeks in lines]
    return "\n".join(
        [
            "| for | gate | when | judged by | closes running |",
            "|---|---|---|---|---|",
            *rows,
            f"| promotion | `promotion_lift` | lift ≥ {forth.lift_at_least:g} | estimate | {forth.weeks_running} |",
            f"| promotion | `not_behind_baseline` | lift ≥ {rollout.baseline}'s | estimate | {forth.weeks_running} |",
            f"| promotion | `promotion_auc` | AUC ≥ {back.auc_below:g} | {by} | – |",
            f"| promotion | `promotion_conversion` | conversion ≥ {back.top_decile_conversion_below:.0%} | {by} | – |",
            "| promotion | `model_test_metrics` | own test figures | – | – |",
            f"| promotion | `live_parallel_days` | ≥ {forth.min_parallel_days} days in parallel | – | – |",
        ]
    )


def _over_weeks(recorded: Sequence[Evidence], events: Sequence[Event], rollout: Rollout) -> Chart | None:
    if all(row.lift is None for row in recorded):
        return None
    return charts.lift_over_time(recorded, events, rollout.policy)


def _figures(evidence: Sequence[Evidence]) -> Iterator[tuple[str, float | None]]:
    watched = sorted((row for row in evidence if row.question == "rollback"), key=lambda row: row.version)
    for name, attribute in PLOTTED.items():
        yield from ((f"{name} {row.version}", getattr(row, attribute)) for row in watched)
    for row in watched:
        yield from ((name, getattr(row, attribute)) for name, attribute in OF_THE_COHORT.items())
    for row in evidence:
        if row.question == "promotion":
            yield f"promotion lift {row.version}", row.lift
            yield "promotion conversions", row.conversions


def _before_contact(rows: Sequence[Row]) -> Iterator[tuple[str, float | None]]:
    watched = of_question(rows, "rollback")
    for name, column in BEFORE_CONTACT.items():
        yield from ((f"{name} {row['version']}", row[column]) for row in watched)
    for row in watched:
        yield from ((name, row[column]) for name, column in COUNTED_BEFORE_CONTACT.items())


def _gates(gates: Sequence[Gate]) -> Iterator[tuple[str, float | None]]:
    """The bound that was compared, and the distance of the figure to its threshold: positive is the good side."""
    for gate in gates:
        yield f"to line {gate.name}", gate.distance
        yield f"bound {gate.name}", gate.bound


def _early_warning(warning: Warning | None) -> dict[str, float]:
    """The sum of the latest close and its threshold, for Dagster to plot."""
    if warning is None or warning.latest is None:
        return {}
    figures = {"early warning": warning.latest.total, "early warning threshold": warning.threshold}
    return {name: round(float(value), DECIMALS) for name, value in figures.items()}


def _table(deciles: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Conversion and lift by decile; top first."""
    records = [
        dg.TableRecord(
            {
                "version": row["version"],
                "decile": row["decile"],
                "leads": round(row["leads"], 1),
                "conversions": round(row["conversions"], 1),
                "converts %": _percent(row["conversion_rate"]),
                "low %": _percent(row["conversion_rate_low"]),
                "high %": _percent(row["conversion_rate_high"]),
                "lift": "" if row["lift"] is None else f"{row['lift']:.2f}",
            }
        )
        for row in sorted(deciles, key=lambda row: (row["version"], -row["decile"]))
    ]
    return dg.MetadataValue.table(records, schema=dg.TableSchema([dg.TableColumn(name) for name in DECILES]))


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{100 * rate:.2f}"
