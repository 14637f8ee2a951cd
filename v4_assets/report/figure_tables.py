"""The head of a report in two sentences, and its tables of figures: gates, cohorts, deciles. Pure."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from v4_assets.evaluation.before_contact import Row, in_words, of_question
from v4_assets.evaluation.evidence import QUESTIONS, Evidence
from v4_assets.names import ROLLOUT_SENSOR
from v4_assets.production.decision import PROMOTION_LIFT, Gate, Phase, RolloutStatus, Verdict
from v4_assets.production.events import SWITCHES, Event
from v4_assets.report.wording import LABELS, count, day, figure, free, line, table


def of_gates(gates: Sequence[Gate]) -> str:
    """Every gate with its verdict, figures and reason."""
    rows = [
        [one.name, one.verdict.name, _number(one.actual), _number(one.threshold), _number(one.bound), free(one.reason)]
        for one in gates
    ]
    return table(["gate", "verdict", "found", "line", "bound", "reason"], rows)


FIGURES = (
    ("leads", "leads", "{:,}"),
    ("conversions", "conversions", "{:,}"),
    ("base rate", "base_rate", "{:.2%}"),
    ("top-decile lift", "lift", "{:.2f}"),
    ("… within the week of contact", "within_week_lift", "{:.2f}"),
    ("… as served", "as_served_lift", "{:.2f}"),
    ("… among leads that were called", "called_lift", "{:.2f}"),
    ("top decile converts", "top_decile_conversion", "{:.2%}"),
    ("AUC", "auc", "{:.3f}"),
    ("lift minus the baseline's", "lift_difference", "{:+.2f}"),
    ("AUC minus the baseline's", "auc_difference", "{:+.3f}"),
    ("churn of the top decile", "top_decile_churn", "{:.1%}"),
    ("scored on the day itself", "live_share", "{:.0%}"),
    ("leads without a score in time", "uncovered", "{:,}"),
    ("called before they could be scored", "converted_before_scored", "{:,}"),
)
"""Label, field of Evidence, format. A field with `_low` and `_high` beside it is shown with its interval."""


def of_cohorts(evidence: Sequence[Evidence], before_contact: Sequence[Row] = ()) -> str:
    """A section per question: who was judged, and both versions' figures; then the second reading, rows of
    lift_before_contact, in words."""
    parts = []
    for question in QUESTIONS:
        rows = sorted((row for row in evidence if row.question == question), key=lambda row: row.version)
        if not rows:
            continue
        cohort = f"Leads contacted {rows[0].cohort_from} to {rows[0].cohort_to}, matured on {rows[0].prediction_date}."
        figures = table(
            ["figure", *(row.version for row in rows)],
            [[label, *(_figure(row, name, form) for row in rows)] for label, name, form in FIGURES],
        )
        second = in_words(of_question(before_contact, question))
        parts.append(f"## The cohort asked for {question}\n\n{cohort}\n\n{figures}" + f"\n\n{second}" * bool(second))
    return "\n\n".join(parts)


def _figure(row: Evidence, name: str, form: str) -> str:
    value, low, high = getattr(row, name), getattr(row, f"{name}_low", None), getattr(row, f"{name}_high", None)
    if value is None:
        return "–"
    return _spanned(value, low, high, form)


def _spanned(value: float, low: float | None, high: float | None, form: str) -> str:
    shown = form.format(value)
    return shown if low is None or high is None else f"{shown} ({form.format(low)} to {form.format(high)})"


def of_deciles(rows: Sequence[Mapping[str, Any]]) -> str:
    """Conversion by decile with its interval, a column per version, the top decile first."""
    versions = sorted({row["version"] for row in rows})
    found = {(row["decile"], row["version"]): row for row in rows if row["conversion_rate"] is not None}

    def cell(decile: int, version: str) -> str:
        row = found.get((decile, version))
        if row is None:
            return "–"
        return _spanned(row["conversion_rate"], row["conversion_rate_low"], row["conversion_rate_high"], "{:.1%}")

    lines = [[f"{decile}", *(cell(decile, one) for one in versions)] for decile in range(10, 0, -1)]
    return table(["decile, 10 = top", *(f"{one} converts" for one in versions)], lines)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def ranked_by(evidence: Sequence[Evidence], events: Sequence[Event]) -> str:
    """Which version ranked the leads that the rollback verdict rests on, and when they were contacted."""
    row = next((one for one in evidence if one.question == "rollback"), None)
    if row is None:
        return ""
    switches = [event for event in events if event.event in SWITCHES]
    before = [event.version for event in switches if event.day <= row.cohort_from]
    during = [event for event in switches if row.cohort_from < event.day <= row.cohort_to]
    parts = [
        *([f"{before[-1]} was live at first"] if before else ["no version was adopted here at first"]),
        *(f"{event.version} from {event.day} on" for event in during),
    ]
    return (
        f"The leads of the rollback verdict were contacted {row.cohort_from} to {row.cohort_to}: {', '.join(parts)}. "
        "The live version decided who was called first; both versions are judged on the same leads."
    )


def gates_of(event: Event) -> list[Gate]:
    """The gates kept beside an event."""
    return [Gate(**{**one, "verdict": Verdict[one["verdict"]]}) for one in json.loads(event.gates or "[]")]


def headline(status: RolloutStatus) -> str:
    """What is live, since when, and how the other version stands to it."""
    if status.live is None or status.live_since is None:
        return "Nothing is live yet"
    since = day(status.live_since)
    return {
        Phase.PARALLEL: f"{status.live} has been live since {since}, {status.candidate} is tried beside it",
        Phase.WATCH: f"{status.live} has been live since {since} in place of {status.baseline}, under watch",
        Phase.ROLLED_BACK: f"{status.live} has been live since {since}, {status.candidate} was rolled back",
        Phase.SUNSET: f"{status.live} has been live since {since}, {status.baseline} is archived",
        Phase.NOT_ADOPTED: f"{status.live} has been live since {since}",
    }[status.phase]


def switched(events: Sequence[Event]) -> Event | None:
    """The switch that made the live version live; None before the first."""
    return next((one for one in reversed(events) if one.event in SWITCHES), None)


def in_brief(event: Event) -> str:
    """Why a switch happened, in one sentence: by its figures where the sensor decided, else in the person's words."""
    gates = gates_of(event)
    if event.event == "adopted" or event.decided_by != ROLLOUT_SENSOR or not gates:
        return free(event.reason)
    if event.event == "rollback_started":
        return f"{event.previous} was rolled back: {'; '.join(_missed(gates))}."
    asked = [one for one in gates if one.name == PROMOTION_LIFT]
    lift = "".join(f"its top-decile lift was {figure(one)}, where at least {line(one)} is asked for, " for one in asked)
    return f"{event.version} earned its promotion: {lift}and every other criterion was met."


def _missed(gates: Sequence[Gate]) -> list[str]:
    """Each criterion that convicted, with its figure at every week-close."""
    parts = []
    for name, group in groupby(gates, lambda one: one.name):
        closes = list(group)
        figures = " and ".join(figure(one) for one in closes)
        weeks = f" at {count(len(closes), 'week-close')} running" if len(closes) > 1 else ""
        parts.append(f"its {LABELS[name][0]} was {figures}{weeks}, where at least {line(closes[0])} is asked for")
    return parts
