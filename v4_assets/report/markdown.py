"""The written report, in Markdown: who is live and why, what comes next, every figure, the history. Pure.

The report of a day is the source of the page that people open (page.py); an action has a report of its own beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from v4_assets.evaluation.before_contact import Row
from v4_assets.evaluation.call_votes import Warning
from v4_assets.evaluation.evidence import Evidence
from v4_assets.production.decision import Gate, RolloutStatus
from v4_assets.production.events import Event
from v4_assets.production.recorded_syncs import Sync
from v4_assets.report.figure_tables import headline, in_brief, of_cohorts, of_deciles, of_gates, ranked_by, switched
from v4_assets.report.next_decision import Outlook
from v4_assets.report.wording import as_section, free, in_a_line, moment, table


@dataclass(frozen=True)
class Picture:
    """A chart beside the report."""

    file: str
    alt: str
    """What it shows, with its numbers."""


@dataclass(frozen=True)
class Report:
    """Everything a report shows."""

    status: RolloutStatus
    statuses: Mapping[str, str]
    events: Sequence[Event]
    evidence: Sequence[Evidence]
    """Of the latest day that was evaluated."""
    evidence_sha256: str | None
    gates: Sequence[Gate]
    at: datetime
    """When it was written, New York."""
    outlook: Outlook
    problems: Sequence[str] = ()
    """Open ones, in words."""
    sync: Sync | None = None
    action: Event | None = None
    """The action the report is of; None for a day's report."""
    checks: Mapping[str, str] = field(default_factory=dict)
    """Check of salesforce_sync to its description in this run."""
    deciles: Sequence[Mapping[str, Any]] = ()
    """Rows of v4_lift_by_decile of the evidence's day, ranked within the cohort that rollback is judged by."""
    before_contact: Sequence[Row] = ()
    """Rows of v4_lift_before_contact of the evidence's day."""
    charts: Mapping[str, Picture] = field(default_factory=dict)
    """Heading to the picture."""
    recorded: Sequence[Evidence] = ()
    """Of the weeks before, the latest day included."""
    warning: Warning | None = None
    """The early warning on booked calls, while the candidate is live."""
    undrawn: str = ""
    """Why charts or page are missing, if they could not be made."""
    readers: str = ""
    """Who still reads the version that the action turned away from."""
    prospects: str = ""
    """What the action means for the present list of advisors to contact."""


TREATMENT = (
    "Who is live changes outcomes: the top decile is called first and the lowest fifth not at all, which flatters the "
    "live version; where leads come from its own list, lift and AUC understate every version. `v4 odds --top-effort` "
    "and `--listed-share` compute what that costs. Only a split of the advisors before the list is made measures it."
)
DECILES, WEEKS, WARNING = "Conversion by decile", "Lift over the weeks", "Early warning on booked calls"


def as_markdown(report: Report) -> str:
    """The report as a page."""
    details = [
        _gates(report),
        of_cohorts(report.evidence, report.before_contact),
        ranked_by(report.evidence, report.events),
    ]
    parts = [
        *([_action(report), *details] if report.action else [_head(report)]),
        _outlook(report),
        _problems(report.problems),
        _charts(report),
        as_section(report.sync, report.checks),
        f"## Readers by name\n\n{free(report.readers)}" if report.readers else "",
        f"## The month's list\n\n{free(report.prospects)}" if report.prospects else "",
        _limits(report.evidence),
        _history(report.events),
        *([] if report.action else details),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(report: Report) -> str:
    """The first thing people see: live, since, why, and a line each for what comes next, Salesforce and problems."""
    switch, status = switched(report.events), report.status
    why = in_brief(switch) if switch else "`v4 init` adopts the baseline."
    problems = f"{len(report.problems)} open" if report.problems else "None open"
    return "\n".join(
        [
            f"# {headline(status)}",
            "",
            why,
            "",
            f"- **Next decision** {report.outlook.said}",
            f"- **Salesforce** {in_a_line(report.sync)}",
            f"- **Problems** {problems}.",
            f"- **As of** {moment(report.at)}. Every run and every action rewrites this page.",
            "",
            _registry(report),
        ]
    )


def _action(report: Report) -> str:
    action = report.action
    assert action is not None
    kind = action.event.replace("_started", "").capitalize()
    back = f" (was {action.previous})" if action.previous else ""
    status, when = report.status, f"{action.happened_at:%Y-%m-%d %H:%M} UTC"
    lines = [
        f"# {kind}: {action.version}{back}, {action.day}",
        f"**Why.** {free(action.reason)}",
        f"**Decided by** {free(action.decided_by)}, {when}, order `{action.event_id}`.",
        f"**Live:** {status.live or 'nothing'} since {status.live_since}. **Phase:** {status.phase.value}.",
        _registry(report),
    ]
    return "\n\n".join(lines)


def _registry(report: Report) -> str:
    versions = ", ".join(f"{version} {status}" for version, status in sorted(report.statuses.items()))
    sha = f" **Evidence:** sha256 `{report.evidence_sha256}`." if report.evidence_sha256 else ""
    return f"**Registry:** {versions}.{sha}"


def _outlook(report: Report) -> str:
    """The head of a day's report names the next decision already; only its criteria are added."""
    outlook = report.outlook
    rows = [[one.asked, one.found, one.stands] for one in outlook.criteria]
    parts = [*([outlook.said] if report.action else []), *([table(["asked", "found", "stands"], rows)] if rows else [])]
    return "\n\n".join(["## The next decision", *parts]) if parts else ""


def _problems(problems: Sequence[str]) -> str:
    listed = "\n".join(f"- {free(one)}" for one in problems) or "None."
    return f"## Open problems\n\n{listed}"


def _gates(report: Report) -> str:
    if report.gates:
        return f"## Gates\n\n{of_gates(report.gates)}"
    return "## Gates\n\nNone was asked: a person decided." if report.action else ""


def _charts(report: Report) -> str:
    parts = []
    for caption, picture in report.charts.items():
        numbers = f"\n\n{of_deciles(report.deciles)}" if caption == DECILES else ""
        parts.append(f"## {caption}\n\n![{free(picture.alt)}]({picture.file}){numbers}")
    if report.undrawn:
        parts.append(f"## Charts and page\n\nNot all could be made: {free(report.undrawn)}")
    return "\n\n".join(parts)


def _limits(evidence: Sequence[Evidence]) -> str:
    shares = {row.live_share for row in evidence if row.live_share is not None}
    retrospective = (
        f" Up to {1 - min(shares):.0%} of the first scores were computed after their day, from advisor tables that "
        "hold only the present and may know the future."
        if shares and min(shares) < 1
        else ""
    )
    return f"## What the numbers cannot say\n\n{TREATMENT}{retrospective}"


def _history(events: Sequence[Event]) -> str:
    rows = [
        [f"{one.happened_at:%Y-%m-%d %H:%M} UTC", one.event, _of(one), free(one.decided_by), free(one.reason)]
        for one in events
    ]
    return "## History\n\n" + table(["when", "what", "version", "by", "why"], rows)


def _of(event: Event) -> str:
    """The version an event is about; of a switch, from which to which."""
    return f"{event.previous} → {event.version}" if event.previous else event.version
