"""Studies that change nothing: odds and replay."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from v4_assets.cli.output import DAY, GivenPath, Number, Whole, json_option, say
from v4_assets.config.environment import load, load_existing
from v4_assets.config.rollout import Rollout, read_rollout
from v4_assets.days import verify_begun
from v4_assets.errors import PolicyError
from v4_assets.studies.assumptions import Assumptions, Strength

if TYPE_CHECKING:
    from v4_assets.studies.replay import Replayed

DEFAULT = Assumptions
Command = Callable[..., Any]


def _option(name: str, kind: "click.ParamType[Any]", default: object, text: str) -> Callable[[Command], Any]:
    """An option that shows its default."""
    return click.option(name, type=kind, default=default, show_default=True, help=text)


def _options(command: Command) -> Command:
    """The assumptions of `v4 odds`, in the order of its help."""
    given = DEFAULT
    for add in reversed(
        [
            _option("--leads-per-week", Number(1, 1e6), given.leads_per_week, "Newly contacted leads per week."),
            _option("--base-rate", Number(0.0001, 0.5), given.base_rate, "Share of contacted leads that converts."),
            _option(
                "--covered-share",
                Number(0.01, 1),
                given.covered_share,
                "Of the conversions, the share called after the lead's first score; only these judge a ranking.",
            ),
            click.option("--uneven", is_flag=True, help="Weeks and months vary as they did at the firm."),
            _option("--healthy-lift", Number(0.1, 10), given.healthy.lift, "True lift of a healthy candidate."),
            _option("--healthy-auc", Number(0.01, 0.99), given.healthy.auc, "True AUC of a healthy candidate."),
            _option("--fallen-lift", Number(0.1, 10), given.fallen.lift, "Lift after the signal is gone."),
            _option("--fallen-auc", Number(0.01, 0.99), given.fallen.auc, "AUC after the signal is gone."),
            _option(
                "--top-effort",
                Number(0.1, 10),
                given.top_effort,
                "Assumed: how many times as often the live version's top decile converts because it is called first.",
            ),
            _option(
                "--bottom-effort",
                Number(0, 10),
                given.bottom_effort,
                "Assumed: the same of the live version's bottom fifth; 0: never called.",
            ),
            _option(
                "--listed-share",
                Number(0.01, 1),
                given.listed_share,
                "Assumed: leads are this best share of the live version's own list; 1: they come from elsewhere.",
            ),
            _option(
                "--list-correlation",
                Number(0, 0.99),
                given.list_correlation,
                "Correlation of the live version's scores on the list and at contact.",
            ),
            click.option(
                "--from-data",
                is_flag=True,
                help="Measure volume, base rate, covered share and timing on the warehouse's matured leads.",
            ),
            click.option("--no-model-error", is_flag=True, help="Leave out the range over other models, for speed."),
            _option("--histories", Whole(1, 100_000), given.histories, "Simulated histories (more = more precise)."),
            click.option("--seed", type=Whole(0), default=given.seed, show_default=True),
        ]
    ):
        command = add(command)
    return command


MEASURED = ("leads_per_week", "base_rate", "covered_share", "uneven")
"""Options that --from-data replaces."""


@click.command("odds")
@_options
@json_option
@click.pass_context
def show_odds(
    context: click.Context,
    /,
    healthy_lift: float,
    healthy_auc: float,
    fallen_lift: float,
    fallen_auc: float,
    from_data: bool,
    no_model_error: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Simulate how often the policy errs at your volume.

    Counts false rollbacks and promotions, the weeks until a fall is detected, and the early warnings.
    """
    from v4_assets.resources import store
    from v4_assets.studies import assets as measuring
    from v4_assets.studies import odds
    from v4_assets.studies.odds_report import as_text

    rollout = load().rollout
    assumptions = DEFAULT(
        outcome_window_days=rollout.outcome_window_days,
        healthy=Strength(lift=healthy_lift, auc=healthy_auc),
        fallen=Strength(lift=fallen_lift, auc=fallen_auc),
        **given,
    )
    if from_data:
        stated = [one for one in MEASURED if context.get_parameter_source(one) is ParameterSource.COMMANDLINE]
        if stated:
            names = ", ".join(f"--{one.replace('_', '-')}" for one in stated)
            raise click.UsageError(f"--from-data measures {names}; leave one of them out.")
        settings = load_existing()
        assumptions = measuring.measured(store(settings, reading=True), rollout, settings.clock, assumptions)
    try:
        found = odds.simulate(assumptions, rollout.policy, rollout.evaluation, model_error=not no_model_error)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    say(odds.as_dict(found), as_text(found), as_json)


@click.command("replay")
@click.option("--policy", type=GivenPath(path_type=Path, exists=True, dir_okay=False), help="Another rollout.yaml.")
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
    verify_begun(settings.rollout.first_day, settings.clock.today())
    if first and first > last:
        raise PolicyError(f"The range from {first} to {last} is empty. Give the earlier day first.")
    other = read_rollout(policy) if policy else settings.rollout
    _verify_same_outcome(settings.rollout, other)
    days = _replayed(settings.rollout, other, first or settings.rollout.first_day, last)
    say(replaying.as_dicts(days), replaying.as_text(days), as_json)


def _verify_same_outcome(recorded: Rollout, other: Rollout) -> None:
    """Recorded evidence counts conversions within one outcome window; no policy can change that afterwards."""
    window, wanted = recorded.outcome_window_days, other.outcome_window_days
    if window != wanted:
        raise PolicyError(
            f"The evidence is recorded with outcome_window_days {window}; the other policy sets {wanted}, which "
            f"a replay cannot recompute. Set it to {window} there."
        )


def _replayed(rollout: Rollout, other: Rollout, first: date, last: date) -> "Sequence[Replayed]":
    from v4_assets.evaluation import booked_calls
    from v4_assets.resources import store
    from v4_assets.studies import replay as replaying

    record = store(load_existing(), reading=True)
    with record.session():
        events = record.events()
        recorded = record.comparisons(first, last)
        alarms = booked_calls.alarms(record, rollout, events, last)
    if not events or not recorded:
        raise PolicyError(
            f"No evidence is recorded from {first} to {last}. `v4 run` records it every day, `v4 backfill --evaluate` "
            "makes it for past days."
        )
    happened: dict[date, list[str]] = {}
    for event in events:
        happened.setdefault(event.day, []).append(event.event)
    for raised_on, warning in alarms:
        happened.setdefault(raised_on, []).append(f"early warning: {warning.sentence(rollout.candidate)}")
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


COMMANDS = (show_odds, show_replay)
