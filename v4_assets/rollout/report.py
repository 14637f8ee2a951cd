"""The written report, in Markdown: who is live and why, every gate's numbers, charts, the timeline. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from v4_assets.deployments import Event
from v4_assets.evaluation.evidence import QUESTIONS, Evidence
from v4_assets.policy.decision import Gate, Standing, Verdict


@dataclass(frozen=True)
class Report:
    """What a report tells of."""

    standing: Standing
    statuses: Mapping[str, str]
    events: Sequence[Event]
    evidence: Sequence[Evidence]
    """Of the day reported on."""
    evidence_sha256: str | None
    gates: Sequence[Gate]
    action: Event | None = None
    """The action the report is of; None for a day's report."""
    sync: Mapping[str, str] = field(default_factory=dict)
    """Check of salesforce_sync to what it said."""
    readers: str = ""
    """Who still reads the version that the action turned away from."""
    charts: Mapping[str, str] = field(default_factory=dict)
    """Caption to the file beside the report."""


TREATMENT = (
    "Who is live changes outcomes: the top decile is called first and the lowest fifth not at all, which flatters the "
    "live version. A small random slice that is always called would show by how much."
)


def as_markdown(report: Report) -> str:
    """The report as a page."""
    parts = [
        _head(report),
        _gates(report),
        _figures(report.evidence),
        _charts(report.charts),
        _sync(report.sync),
        f"## Readers by name\n\n{report.readers}" if report.readers else "",
        _limits(report.evidence),
        _timeline(report.events),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def name_of(action: Event | None, day: date) -> str:
    """File name without ending: actions have a page of their own, a day's is overwritten by its reruns."""
    if action is None:
        return f"{day}-daily"
    return f"{action.day}-{action.event.replace('_started', '')}-{action.version}-{action.event_id[:8]}"


def gates_of(event: Event) -> list[Gate]:
    """The gates kept beside an event."""
    return [Gate(**{**one, "verdict": Verdict[one["verdict"]]}) for one in json.loads(event.gates or "[]")]


def _head(report: Report) -> str:
    standing, action = report.standing, report.action
    lines = []
    if action:
        kind = action.event.replace("_started", "").capitalize()
        back = f" (was {action.previous})" if action.previous else ""
        lines += [
            f"# {kind}: {action.version}{back}, {action.day}",
            "",
            f"**Why.** {action.reason}",
            "",
            f"**Decided by** {action.decided_by}, {action.happened_at:%Y-%m-%d %H:%M} UTC, order `{action.event_id}`.",
        ]
    else:
        lines.append(f"# Rollout on {standing.today}")
    lines += [
        "",
        f"**Live:** {standing.live or 'nothing'} since {standing.live_since}. **Phase:** {standing.phase.value}.",
        "",
        "**Registry:** "
        + ", ".join(f"{version} {status}" for version, status in sorted(report.statuses.items()))
        + ".",
    ]
    if report.evidence_sha256:
        lines += ["", f"**Evidence:** sha256 `{report.evidence_sha256}`."]
    return "\n".join(lines)


def _gates(report: Report) -> str:
    if not report.gates:
        return "## Gates\n\nNone was asked: a person decided." if report.action else ""
    rows = [
        [gate.name, gate.verdict.name, _number(gate.actual), _number(gate.threshold), _number(gate.bound), gate.reason]
        for gate in report.gates
    ]
    return "## Gates\n\n" + _table(["gate", "verdict", "found", "line", "bound", "reason"], rows)


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


def _figures(evidence: Sequence[Evidence]) -> str:
    parts = []
    for question in QUESTIONS:
        rows = sorted((row for row in evidence if row.question == question), key=lambda row: row.version)
        if not rows:
            continue
        cohort = f"Leads contacted {rows[0].cohort_from} to {rows[0].cohort_to}, matured on {rows[0].prediction_date}."
        table = _table(
            ["", *(row.version for row in rows)],
            [[label, *(_figure(row, name, form) for row in rows)] for label, name, form in FIGURES],
        )
        parts.append(f"## The cohort asked for {question}\n\n{cohort}\n\n{table}")
    return "\n\n".join(parts)


def _figure(row: Evidence, name: str, form: str) -> str:
    value, low, high = getattr(row, name), getattr(row, f"{name}_low", None), getattr(row, f"{name}_high", None)
    if value is None:
        return "–"
    shown = form.format(value)
    return shown if low is None or high is None else f"{shown} ({form.format(low)} to {form.format(high)})"


def _charts(charts: Mapping[str, str]) -> str:
    return "\n\n".join(f"## {caption}\n\n![{caption}]({file})" for caption, file in charts.items())


def _sync(sync: Mapping[str, str]) -> str:
    rows = [[name, said] for name, said in sync.items()]
    return "## Salesforce\n\n" + _table(["check", "said"], rows) if rows else ""


def _limits(evidence: Sequence[Evidence]) -> str:
    shares = {row.live_share for row in evidence if row.live_share is not None}
    retrospective = (
        f" Up to {1 - min(shares):.0%} of the first scores were computed after their day, from advisor tables that "
        "hold only the present and may know the future."
        if shares and min(shares) < 1
        else ""
    )
    return f"## What the numbers cannot say\n\n{TREATMENT}{retrospective}"


def _timeline(events: Sequence[Event]) -> str:
    rows = [
        [f"{one.happened_at:%Y-%m-%d %H:%M} UTC", one.event, one.version, one.decided_by, one.reason] for one in events
    ]
    return "## Timeline\n\n" + _table(["when", "what", "version", "by", "why"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(head), line(["---"] * len(head)), *(line(row) for row in rows)])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
