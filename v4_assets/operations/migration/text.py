"""The migration report in Markdown. Pure."""

from v4_assets.operations.migration.features import FeatureComparison, FeatureDifference
from v4_assets.operations.migration.org import OrgComparison
from v4_assets.operations.migration.report import Report, Section
from v4_assets.operations.migration.scores import MOVES, ScoreDifference
from v4_assets.report.wording import count, free, table


def as_markdown(report: Report) -> str:
    """The report as a page."""
    parts = [
        f"# Migration report, {report.written_on}",
        "Hand-run rows against this project's rows of the same day. Nothing was changed by this report.",
        *(free(one) for one in report.skipped),
        *(_section(one) for one in report.sections),
        _org(report.org),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def in_brief(report: Report) -> str:
    """A line for each comparison, for the terminal."""
    lines = list(report.skipped)
    for one in report.sections:
        found = one.features
        lines.append(
            f"{one.version} on {one.day}: {len(found.differing)} of {_features(found)} features differ on "
            f"{count(found.leads, 'lead')}; {_brief(one.scores) if one.scores else one.no_scores}."
        )
    lines += [f"{one.version} in the org: {_brief(one.scores)}." for one in report.org.sections]
    lines += [f"The org is not compared: {report.org.skipped}."] if report.org.skipped else []
    return "\n".join(lines)


def _brief(found: ScoreDifference) -> str:
    return (
        f"{count(sum(found.moved[1:]), 'lead')} of {found.leads:,} in another decile, "
        f"{count(found.calls_stop + found.calls_begin, 'call flag')} flipped"
    )


def _section(one: Section) -> str:
    found, made = one.features, " Ours were made on a later day." if one.retrospective else ""
    left_out = f" {count(one.repeated, 'lead')} with several rows there left out." if one.repeated else ""
    parts = [
        f"## {one.version}, {one.day}",
        f"Features of {free(one.features_from)}: {count(found.leads, 'lead')} on both sides, {found.only_theirs:,} "
        f"only there, {found.only_ours:,} only here.{left_out}{made}",
        _cells(found),
        f"### Scores of {one.version}",
        f"Scores of {free(one.scores_from)}.\n\n{_scores(one.scores)}"
        if one.scores and one.scores_from
        else f"Not compared: {free(one.no_scores)}.",
    ]
    return "\n\n".join(parts)


def _cells(found: FeatureComparison) -> str:
    parts = []
    if found.differing:
        head = ("feature", "cells that differ", "why (cells)", "ours instead of theirs")
        parts.append(table(head, [_row(one) for one in found.differing]))
    if found.alike:
        parts.append(f"Equal in every cell: {', '.join(f'`{name}`' for name in found.alike)}.")
    if found.not_theirs:
        parts.append(f"No such column there: {', '.join(f'`{name}`' for name in found.not_theirs)}.")
    return "\n\n".join(parts)


def _row(one: FeatureDifference) -> tuple[str, ...]:
    return (
        f"`{one.feature}`",
        f"{one.share:.1%} ({one.differing:,} of {one.compared:,})",
        "; ".join(f"{free(reason)} ({cells:,})" for reason, cells in one.reasons.items()),
        "; ".join(free(example) for example in one.examples),
    )


def _scores(found: ScoreDifference) -> str:
    if not found.leads:
        return f"No lead has a score on both sides: {found.only_theirs:,} only there, {found.only_ours:,} only here."
    correlation = "not defined" if found.rank_correlation is None else f"{found.rank_correlation:.3f}"
    where = "as served" if found.as_served else "ranked over the leads that both have"
    rows = [
        ("leads with a score on both sides", f"{found.leads:,}"),
        ("only there, only here", f"{found.only_theirs:,}, {found.only_ours:,}"),
        ("rank correlation (Spearman)", correlation),
        (f"equal within {found.tolerance:g}", f"{found.equal / found.leads:.1%} ({found.equal:,})"),
        ("largest difference", f"{found.largest_difference:.4f}"),
        *(
            (f"moved by {moves} decile(s) ({where})", f"{leads / found.leads:.1%} ({leads:,})")
            for moves, leads in zip(MOVES, found.moved, strict=True)
        ),
        ("enter, leave the top decile", f"{found.enters_top:,}, {found.leaves_top:,}"),
        ("call flags that flip: no longer called, called again", f"{found.calls_stop:,}, {found.calls_begin:,}"),
    ]
    return table(("", "leads"), rows)


def _org(org: OrgComparison) -> str:
    parts = ["## What the org holds"]
    if org.versions:
        named = [f"{leads:,} of {free(version) if version else 'no version'}" for version, leads in org.versions]
        parts.append(f"Leads that carry a score: {', '.join(named)}.")
    for one in org.sections:
        parts += [f"### The org against {one.version} of {one.day}", _scores(one.scores)]
    if org.skipped:
        parts.append(f"Not compared: {free(org.skipped)}.")
    return "\n\n".join(parts)


def _features(found: FeatureComparison) -> int:
    return len(found.differing) + len(found.alike)
