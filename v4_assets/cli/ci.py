"""The command `v4 ci`: the checks of a build, as a table, as JSON, or as a page of the build."""

import sys
from collections.abc import Iterable
from datetime import date

import click

from v4_assets.cli.output import DAY, TEXT, say
from v4_assets.config.environment import Settings, load
from v4_assets.errors import V4Error
from v4_assets.operations.ci_report import FAILED, NOT_RUN, PASSED, Report, Row

HEADER = ("asset", "check", "severity", "result", "gate", "description")
WIDTHS = {"description": 100}


@click.command("ci")
@click.option(
    "--target", type=TEXT, metavar="DATASET", help="Check your own sources, writing to this dataset instead of yours."
)
@click.option("--date", "day", type=DAY, help="With --target: the day to score.  [default: today]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def check_build(target: str | None, day: date | None, as_json: bool) -> None:
    """Run one day with every check, away from production.

    Exit code 1 when a check of data or models failed.

    Without --target on a small sample world, in a folder that is thrown away. The gates of a rollout are shown and
    never fail a build.
    """
    settings = load()
    report = _report(settings, target, day)
    content = {**vars(report), "passed": report.passed, "rows": [vars(row) for row in report.rows]}
    say(content, as_table(report), as_json)
    if settings.step_summary:
        with settings.step_summary.open("a", encoding="utf-8") as page:
            page.write(as_markdown(report))
    sys.exit(0 if report.passed else 1)


def _report(settings: Settings, target: str | None, day: date | None) -> Report:
    from v4_assets.operations import ci

    if target is not None:
        return ci.on_dataset(settings, target, day or settings.clock.today())
    if settings.warehouse == "bigquery":
        raise V4Error(
            "V4_WAREHOUSE is bigquery: name the dataset that builds may write to, such as --target ml_features_ci. "
            "Unset V4_WAREHOUSE to check on sample data."
        )
    if day:
        raise V4Error("--date is of your own data and takes --target. The sample has its own day.")
    return ci.on_sample(settings)


def as_table(report: Report) -> str:
    """A line per check, those that break the build last, where a person looks first."""
    lines = [HEADER, *(_cells(row) for row in _ordered(report.rows))]
    widths = [min(max(len(line[at]) for line in lines), WIDTHS.get(name, 60)) for at, name in enumerate(HEADER)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*table, *(f"ERROR  {error}" for error in report.errors), _verdict(report)])


def as_markdown(report: Report) -> str:
    """The page of a build: what is not as it should be in a table, everything else folded away."""
    rows = _ordered(report.rows)
    wrong = [row for row in reversed(rows) if row.result != PASSED]
    right = [row for row in rows if row.result == PASSED]
    parts = [f"## v4 ci\n\n{_verdict(report)}\n"]
    parts += [f"- {_escaped(error)}" for error in report.errors]
    parts += ["", *_markdown_table(wrong)] if wrong else []
    parts += ["", f"<details><summary>{len(right)} checks passed</summary>", ""]
    return "\n".join([*parts, *_markdown_table(right), "", "</details>", ""])


def _markdown_table(rows: Iterable[Row]) -> list[str]:
    lines = [f"| {' | '.join(HEADER)} |", f"|{' --- |' * len(HEADER)}"]
    return [*lines, *(f"| {' | '.join(map(_escaped, _cells(row)))} |" for row in rows)]


def _escaped(text: str) -> str:
    """A cell that stays one cell, and is read as text."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return plain.replace("|", "\\|").replace("`", "'")


def _cells(row: Row) -> tuple[str, ...]:
    gate = "gate" if row.is_gate else ""
    return (row.asset, row.check, row.severity, row.result, gate, " ".join(row.description.split()))


def _ordered(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.breaks, row.result != PASSED))


def _verdict(report: Report) -> str:
    failed = [f"{row.asset}.{row.check}" for row in report.rows if row.breaks and row.result == FAILED]
    warned = sum(row.result == FAILED and not row.breaks for row in report.rows)
    where = f"{report.day}, {report.where}"
    counts = f"{report.count(PASSED)} checks passed, {warned} warn or are gates"
    if report.passed:
        return f"PASSED on {where}: {counts}."
    why = ", ".join(failed) or "a step that failed"
    return f"FAILED on {where} by {why}: {counts}, {report.count(NOT_RUN)} were not run."


COMMANDS = (check_build,)
