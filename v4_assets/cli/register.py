"""The command that brings a model trained elsewhere."""

import json
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path

import click

from v4_assets.cli.output import DAY, TEXT, GivenPath, json_option, optional_reason, say
from v4_assets.config.environment import load
from v4_assets.errors import V4Error
from v4_assets.models import NULL_RULES, ORDER, UNUSUAL, Nulls

FILE = GivenPath(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("version", type=TEXT)
@click.option("--model", "booster", type=FILE, help="The booster, XGBoost's JSON or UBJ.")
@click.option("--features", type=FILE, help="Its feature list. Without one, a draft is printed and nothing registered.")
@click.option("--metrics", type=FILE, help="Its test figures, JSON.")
@click.option("--without-figures", is_flag=True, help="Register without figures; the checklist will not pass.")
@click.option("--expect", type=FILE, help="Known answers: Parquet or CSV of inputs and the author's `score`.")
@click.option("--rounds", type=TEXT, help="Which trees score: all, best (up to best_iteration), or a number of rounds.")
@click.option(
    "--nulls", type=click.Choice(NULL_RULES), default="error", help="What a NULL becomes where the list is silent."
)
@click.option(
    "--confirm", "confirmed", type=click.Choice([ORDER, UNUSUAL]), multiple=True, help="Needs no known answers."
)
@click.option(
    "--test-period", type=DAY, nargs=2, default=None, help="First and last day of contact of the test's leads."
)
@click.option("--data", type=GivenPath(path_type=Path), help="Rows to profile it on.  [default: its latest features]")
@click.option("--figures-only", is_flag=True, help="Correct the figures of a registered version, live or not.")
@click.option("--reason", callback=optional_reason, help="Why the figures are corrected; it is recorded.")
def register(
    version: str,
    booster: Path | None,
    features: Path | None,
    metrics: Path | None,
    without_figures: bool,
    expect: Path | None,
    rounds: str | None,
    nulls: Nulls,
    confirmed: tuple[str, ...],
    test_period: tuple[date, date] | None,
    data: Path | None,
    figures_only: bool,
    reason: str | None,
) -> None:
    """Check and profile your own model, and register it."""
    from v4_assets.models.expected_features import as_text
    from v4_assets.models.registering import Brought, draft_list, register_files

    if test_period and test_period[1] < test_period[0]:
        raise V4Error(f"The test period ends on {test_period[1]}, before it begins. Give its first day first.")
    if figures_only:
        scoring = (
            booster,
            features,
            expect,
            rounds,
            data,
            *confirmed,
            nulls != "error" or None,
            without_figures or None,
        )
        _correct(version, metrics, reason, test_period, others=any(one is not None for one in scoring))
        return
    if reason is not None:
        raise V4Error("--reason belongs to --figures-only. Leave it out, or add --figures-only.")
    if booster is None:
        raise V4Error("No booster: give --model model.json, or --figures-only to correct the figures alone.")
    settings = load()
    if features is None:
        content, notes = draft_list(settings, version, booster)
        click.echo(json.dumps(content, indent=1))
        click.echo("Nothing was registered. Confirm in this draft, then give it with --features:", err=True)
        click.echo("\n".join(f"- {note}" for note in notes), err=True)
        sys.exit(1)
    if metrics is None and not without_figures:
        raise V4Error("No test figures: the pre-deployment checklist needs them. Give --metrics, or --without-figures.")
    brought = Brought(booster, features, metrics, data, expect, rounds, nulls, confirmed, test_period)
    entry = register_files(settings, version, brought)
    hashes = f"model {entry.files['model.json'][:12]}, bundle {str(entry.bundle_sha256)[:12]}"
    click.echo(f"{version} is registered: {entry.path} ({hashes})")
    if compared := entry.provenance.get("features_compared"):
        click.echo(as_text(compared))


def _correct(
    version: str, metrics: Path | None, reason: str | None, test_period: tuple[date, date] | None, *, others: bool
) -> None:
    """Correct the figures alone; anything that could change a score is refused."""
    from v4_assets.models.registering import correct_figures

    if others:
        raise V4Error(
            "--figures-only changes no score: give only --metrics, --test-period and --reason with it. "
            "A model that scores otherwise is a new version."
        )
    if metrics is None or not (reason or "").strip():
        raise V4Error("--figures-only needs --metrics and --reason, such as --reason 'measured on the wrong months'.")
    entry = correct_figures(load(), version, metrics, str(reason).strip(), test_period)
    click.echo(f"{version}: the figures are corrected, its scores are as before ({entry.files['model.json'][:12]})")


@click.command()
@json_option
def checklist(as_json: bool) -> None:
    """Check the registered models against the guide's checklist.

    Exit code 1 when a check does not pass.
    """
    from v4_assets.models.checklist import as_lines, checklist_of

    findings = checklist_of(load())
    content = {
        version: [{**asdict(one), "check": one.check.name} for one in found] for version, found in findings.items()
    }
    say(content, "\n".join(as_lines(findings)), as_json)
    sys.exit(0 if all(one.passed for found in findings.values() for one in found) else 1)


COMMANDS = (register, checklist)
