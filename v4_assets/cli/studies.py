"""The commands that only look: the odds of a policy, another policy on what was recorded, a sync's preview."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from v4_assets.cli.output import DAY, Number, json_option, say
from v4_assets.config.environment import load, load_existing
from v4_assets.config.rollout import Rollout, read_rollout
from v4_assets.errors import PolicyError
from v4_assets.studies.assumptions import Assumptions, Strength

if TYPE_CHECKING:
    from v4_assets.studies.replay import Replayed

DEFAULT = Assumptions
MOVES = ("enters_top_decile", "leaves_top_decile", "enters_deprioritized", "leaves_deprioritized")


@click.command("odds")
@click.option(
    "--leads-per-week",
    type=Number(1, 1e6),
    default=DEFAULT.leads_per_week,
    show_default=True,
    help="Newly contacted leads per week.",
)
@click.option(
    "--base-rate",
    type=Number(0.0001, 0.5),
    default=DEFAULT.base_rate,
    show_default=True,
    help="Share of contacted leads that converts.",
)
@click.option(
    "--healthy-lift",
    type=Number(0.1, 10),
    default=DEFAULT.healthy.lift,
    show_default=True,
    help="True lift of a healthy candidate.",
)
@click.option(
    "--healthy-auc",
    type=Number(0.01, 0.99),
    default=DEFAULT.healthy.auc,
    show_default=True,
    help="True AUC of a healthy candidate.",
)
@click.option(
    "--fallen-lift",
    type=Number(0.1, 10),
    default=DEFAULT.fallen.lift,
    show_default=True,
    help="Lift after the signal is gone.",
)
@click.option(
    "--fallen-auc",
    type=Number(0.01, 0.99),
    default=DEFAULT.fallen.auc,
    show_default=True,
    help="AUC after the signal is gone.",
)
@click.option(
    "--histories",
    type=click.IntRange(1, 100_000),
    default=DEFAULT.histories,
    show_default=True,
    help="Number of simulated histories (more = more precise).",
)
@click.option("--seed", type=click.IntRange(0), default=DEFAULT.seed, show_default=True)
@json_option
def show_odds(
    leads_per_week: float,
    base_rate: float,
    healthy_lift: float,
    healthy_auc: float,
    fallen_lift: float,
    fallen_auc: float,
    histories: int,
    seed: int,
    as_json: bool,
) -> None:
    """Simulate how often the policy errs at your volume.

    Counts false rollbacks and promotions, and the weeks until a fall is detected.
    """
    from v4_assets.studies import odds

    rollout = load().rollout
    assumptions = DEFAULT(
        outcome_window_days=rollout.outcome_window_days,
        leads_per_week=leads_per_week,
        base_rate=base_rate,
        healthy=Strength(lift=healthy_lift, auc=healthy_auc),
        fallen=Strength(lift=fallen_lift, auc=fallen_auc),
        histories=histories,
        seed=seed,
    )
    found = odds.simulate(assumptions, rollout.policy, rollout.evaluation)
    say(odds.as_dict(found), odds.as_text(found), as_json)


@click.command("replay")
@click.option("--policy", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Another rollout.yaml.")
@click.option(
    "--from", "first", type=DAY, default=None, help="The first day looked at.  [default: all that is recorded]"
)
@click.option("--to", "last", type=DAY, default="today", show_default=True)
@json_option
def show_replay(policy: Path | None, first: date | None, last: date, as_json: bool) -> None:
    """Apply another policy to the recorded evidence.

    Lists the days on which it would have acted, next to what was done.
    """
    from v4_assets.studies import replay as replaying

    settings = load_existing()
    other = read_rollout(policy) if policy else settings.rollout
    _verify_same_outcome(settings.rollout, other)
    days = _replayed(settings.rollout, other, first or settings.rollout.first_day, last)
    content = [
        {
            "day": one.day,
            "phase": one.phase.value,
            "action": one.decision.action.value,
            "reason": one.decision.reason,
            "retrospective": one.retrospective,
            "happened": one.happened,
        }
        for one in days
    ]
    say(content, replaying.as_text(days), as_json)


@click.group("sync")
def sync() -> None:
    """Show what Salesforce would be sent."""


@sync.command("preview")
@click.option("--version", default=None, help="As if this version were live.  [default: the candidate]")
@click.option("--date", "day", type=DAY, default="today", show_default=True)
@json_option
def show_preview(version: str | None, day: date, as_json: bool) -> None:
    """Count the records that a switch would change.

    Also lists the leads that enter and leave the top decile and the deprioritised set.
    """
    from v4_assets.resources import store
    from v4_assets.salesforce import preview as sync_preview

    settings = load_existing()
    found = sync_preview.preview(
        store(settings), settings.rollout, settings.clock, version or settings.rollout.candidate, day
    )
    moves = {name: list(getattr(found, name)) for name in MOVES}
    lines = [f"{found.version} on {found.day}, compared with {found.compared_with}:"]
    lines += [f"  {count:>8,}  {what.replace('_', ' ')}" for what, count in found.counts.items()]
    content = {"day": found.day, "version": found.version, "compared_with": found.compared_with, **found.counts}
    say({**content, "lead_ids": moves}, "\n".join(lines), as_json)


def _verify_same_outcome(recorded: Rollout, other: Rollout) -> None:
    """Recorded evidence counts conversions within one outcome window; no policy can change that afterwards."""
    window, wanted = recorded.outcome_window_days, other.outcome_window_days
    if window != wanted:
        raise PolicyError(
            f"The evidence is recorded with outcome_window_days {window}; the other policy sets {wanted}, which "
            f"a replay cannot recompute. Set it to {window} there."
        )


def _replayed(rollout: Rollout, other: Rollout, first: date, last: date) -> "Sequence[Replayed]":
    from v4_assets.resources import store
    from v4_assets.studies import replay as replaying

    record = store(load_existing())
    with record.session():
        events = record.events()
        recorded = record.comparisons(first, last)
    if not events or not recorded:
        raise PolicyError(
            f"No evidence is recorded from {first} to {last}. `v4 run` records it every day, `v4 backfill --evaluate` "
            "makes it for past days."
        )
    happened: dict[date, list[str]] = {}
    for event in events:
        happened.setdefault(event.day, []).append(event.event)
    return replaying.replay(
        recorded,
        other.policy,
        other.evaluation,
        candidate=rollout.candidate,
        baseline=rollout.baseline,
        adopted=next(event.day for event in events if event.event == "adopted"),
        until=last,
        happened=happened,
    )


COMMANDS = (show_odds, show_replay, sync)
