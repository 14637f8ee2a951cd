"""The first story: v4.1.0 earns its promotion, loses what it lived on, and is taken back, in Salesforce, too."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING

from v4_assets.evaluation.checks import EARLY_WARNING
from v4_assets.evaluation.evidence import Question
from v4_assets.names import CHECKLIST_JOB
from v4_assets.operations import local_runs, monthly
from v4_assets.production.decision import ROLLBACK_GATES, TOP_DECILE_LIFT, Action
from v4_assets.prospects.months import month_of
from v4_assets.sample import stories
from v4_assets.sample.stories import chapter, decided, entry, figures, gates, in_short, more, troubles
from v4_assets.sample.story_home import Morning, Stage, carried, fails, must
from v4_assets.sample.world import World, lead_ids

if TYPE_CHECKING:
    from salesforce_stand_in import StandInOrg

Say = Callable[[str], None]


def play(stage: Stage, world: World, say: Say) -> None:
    """From adoption to rollback. Raises StoryError on any other outcome."""
    from salesforce_stand_in import StandInOrg  # noqa: PLC0415 # the stand-in org is started by the demo, dev, ci and tests alone

    with stage.session(), StandInOrg(stage.settings.stand_in_org, lead_ids(world)) as org:
        _adopt(stage, world, say)
        _side_by_side(stage, say)
        _promote(stage, org, say)
        _watch(stage, say)
        _roll_back(stage, org, say)


def _adopt(stage: Stage, world: World, say: Say) -> None:
    first, scored = stories.SIDE_BY_SIDE[0], stories.ROLLOUT_SCORED
    say(
        chapter(
            "1. Promoted for its lift, rolled back when it lost it", "Monday, v4.1.0 starts in parallel with v4.0.0."
        )
    )
    counts = stage.adopt(world, first)
    rows = ", ".join(f"{count:,} rows of {table}" for table, count in counts.items())
    say(entry(first, f"{stage.live()} is adopted as the live version. {rows}."))
    checklist = local_runs.run_job(stage.at(first), CHECKLIST_JOB)
    must(checklist.success and not checklist.checks_failed, f"the pre-deployment checklist failed: {checklist}")
    say(more(f"The pre-deployment checklist passes: {checklist.checks_passed} checks of both models."))
    _one_day(stage, scored[0], first, say)
    say(more(f"Both score every morning up to {scored[1]} afterwards; every row is marked as such …"))
    stage.score(*scored, on=first)
    stage.judge(stories.ROLLOUT_JUDGED, on=first)
    say(more(f"As of Sunday {stories.ROLLOUT_JUDGED}: {_figures(stage, stories.ROLLOUT_JUDGED, 'promotion')}"))


def _one_day(stage: Stage, day: date, on: date, say: Say) -> None:
    """A day scored by both versions, for a reader who has waited for seconds only."""
    stage.score(day, day, on=on)
    one, other = (stage.called_first(day, version) for version in stage.settings.rollout.versions)
    versions = " and ".join(stage.settings.rollout.versions)
    leads = len(stage.scored(day, stage.settings.rollout.candidate))
    must(len(one) == len(other) > 0, f"{versions} rank {len(one)} and {len(other)} leads of {day} first")
    say(
        more(
            f"{versions} have both scored the {leads:,} open leads of {day}. Each ranks {len(one):,} first; "
            f"{len(one & other):,} of these are the same leads."
        )
    )


def _side_by_side(stage: Stage, say: Say) -> None:
    say("\nA week side by side: v4.0.0's scores are called by, v4.1.0's are only compared.\n")
    first, *between, last = stories.SIDE_BY_SIDE
    baseline = stage.settings.rollout.baseline
    _held(stage, stage.morning(first), baseline, say)
    handed = stage.month(first)
    listed = f"the best {handed.given.advisors:,} that are no leads yet are {baseline}'s list of {handed.month}"
    say(more(f"Every producing, active advisor is scored by both, too; {listed}."))
    for day in between:
        morning = stage.morning(day)
        _held(stage, morning, baseline, say, " ".join(gate.reason for gate in morning.decision.gates))
    _held(stage, stage.morning(last), baseline, say)
    say(more(_figures(stage, stories.SIDE_BY_SIDE[-1], "promotion")))


def _promote(stage: Stage, org: "StandInOrg", say: Say) -> None:
    say("\nSeven days have been seen, and two weeks have closed.\n")
    _acted(stage, org, stage.morning(stories.PROMOTION), Action.PROMOTE, say)
    day, candidate = stories.PROMOTION, stage.settings.rollout.candidate
    say(more(monthly.preview(stage.at(day), month_of(day), candidate).sentence))
    handed = monthly.give_out(stage.at(day), month_of(day), again=f"{candidate} is live")
    must(handed.given.model_version == candidate, f"the new list is {handed.given.model_version}'s")
    say(more(f"Given out again by {candidate}: edition {handed.given.edition} of {handed.month}, {handed.path}"))


def _watch(stage: Stage, say: Say) -> None:
    candidate = stage.settings.rollout.candidate
    say(
        "\nv4.1.0 is watched. From here on the demo steps from Sunday to Sunday, with a Wednesday's scores between; a"
        "\nweek is judged when it has closed.\n"
    )
    for day in stories.HEALTHY_SUNDAYS:
        morning = _sunday(stage, day)
        must(not any(fails(morning.outcome, gate) for gate in ROLLBACK_GATES), f"{day} does not appear healthy")
        _held(stage, morning, candidate, say)
        say(more(_figures(stage, day, "rollback")))
    say(
        "\nNot yet visible in any outcome: recent movers, whom only v4.1.0 ranks first, convert less than others"
        f"\nif they were contacted on {stories.FALL} or later.\n"
    )
    for day in stories.FALLEN_SUNDAYS:
        morning = _sunday(stage, day)
        must(fails(morning.outcome, TOP_DECILE_LIFT), f"the lift of {day} does not fail")
        warned = [one.description for one in morning.outcome.checks_failed if one.check == EARLY_WARNING.name]
        must(bool(warned), f"the early warning is not raised on {day}, a week-close before the rollback")
        _held(stage, morning, candidate, say)
        say(more(f"Early warning: {in_short(warned[0].removeprefix('not ok: found '))}"))
        say(more(_figures(stage, day, "rollback")))


def _sunday(stage: Stage, day: date) -> Morning:
    """The Sunday, after the Wednesday of its week where that is scored."""
    for wednesday in stories.WEDNESDAYS:
        if wednesday < day <= wednesday + timedelta(days=6):
            stage.score_live(wednesday)
    return stage.morning(day)


def _roll_back(stage: Stage, org: "StandInOrg", say: Say) -> None:
    say("\nTwo weeks running have closed below the line, by more than chance explains.\n")
    _acted(stage, org, stage.morning(stories.ROLLBACK), Action.ROLLBACK, say)
    say(more(f"The report: {stage.report(stories.ROLLBACK, 'rollback')}"))


def _held(stage: Stage, morning: Morning, live: str, say: Say, text: str | None = None) -> None:
    """The morning changed nothing, and this version is live. `text` replaces the decision's text."""
    must(morning.outcome.success, f"the run of {morning.day} failed: {morning.outcome.errors}")
    must(not morning.acted and stage.live() == live, f"{stage.live()} is live on {morning.day} instead of {live}")
    say(entry(morning.day, text or decided(morning)))
    for trouble in troubles(morning.outcome):
        say(more(trouble))


def _acted(stage: Stage, org: "StandInOrg", morning: Morning, action: Action, say: Say) -> None:
    """The sensor did it by itself, in the warehouse and in the org."""
    rollout = stage.settings.rollout
    to = rollout.candidate if action is Action.PROMOTE else rollout.baseline
    must(morning.decision.action is action, f"on {morning.day} the decision is {morning.decision}")
    must(bool(morning.acted) and all(one.success for one in morning.acted), f"{action.value} failed: {morning.acted}")
    must(stage.live() == to, f"{stage.live()} is live on {morning.day} instead of {to}")
    say(entry(morning.day, decided(morning)))
    say(more(f"Decided by: {gates(morning.decision)}."))
    for trouble in troubles(morning.outcome):
        say(more(trouble))
    versions = carried(org, stage.scored(morning.day, to))
    must(set(versions) == {to}, f"leads in the org carry {dict(versions)} after the {action.value} to {to}")
    say(more(f"In Salesforce all {versions[to]:,} open leads carry {to}'s scores now."))


def _figures(stage: Stage, day: date, question: Question) -> str:
    rollout = stage.settings.rollout
    return figures(stage.evidence(day), question, rollout.versions, rollout.outcome_window_days)
