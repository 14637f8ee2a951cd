"""The other two stories: the market falls for both versions, and a column of the firm's data goes silent."""

import shutil
from collections.abc import Callable
from contextlib import nullcontext, redirect_stderr
from dataclasses import replace
from datetime import timedelta
from io import StringIO

from v4_assets.evaluation import week_closes
from v4_assets.operations import operator_actions
from v4_assets.production.decision import TOP_DECILE_CONVERSION, Action, Gate
from v4_assets.production.gates import history_of
from v4_assets.production.rules import decide
from v4_assets.resources import store
from v4_assets.sample import stories
from v4_assets.sample.stories import chapter, entry, figures, in_short, more, troubles
from v4_assets.sample.story_home import LOOK_AT, Morning, Stage, StoryError, must
from v4_assets.sample.world import World, build

Say = Callable[[str], None]

MARKET = (
    "Another team, which puts v4.1.0 live by hand. All winter this team's whole market converts at two fifths of the "
    "usual rate, and so the tenth that is called first converts below the guide's 5 %. Is that the model's fault?"
)
SILENCE = (
    "The same team on the next morning. The vendor delivers the advisor table without the dates on which advisors "
    "moved to their present firm, which v4.1.0 lives on."
)
BY_HAND = "The head of sales wants it at once."


def tell(team: Stage, *, market: bool = True, silent: Stage | None = None, say: Say | None = None) -> list[str]:
    """The story of the market, where wanted, and that of the silent column on a copy of its team, `silent`.

    Returns what was printed by `say`; without `say` nothing is printed meanwhile. Raises StoryError where a story goes
    otherwise.
    """
    lines: list[str] = []
    world = build(stories.MARKET_WORLD)
    # Progress bars would mix with the other story on the terminal.
    with redirect_stderr(StringIO()) if say is None else nullcontext():
        if market:
            tell_market(team, world, say or lines.append)
        if silent:
            shutil.copytree(team.settings.home, silent.settings.home)
            silent.settings.demo_clock_file.unlink()
            tell_silence(silent, world, say or lines.append)
    return lines


def tell_market(stage: Stage, world: World, say: Say) -> None:
    """The better version stays live although it misses a threshold. Raises StoryError otherwise."""
    rollout, first = stage.settings.rollout, stories.MARKET_PROMOTION
    say(chapter("2. The whole market falls, and the model is not blamed", MARKET))
    with stage.session():
        stage.adopt(world, first)
        stage.score(*stories.MARKET_SCORED, on=first)
        outcome = stage.run(first)
        must(outcome.success, f"the run of {first} failed: {outcome.errors}")
        stage.month(first)
        promoted = operator_actions.order(stage.at(first, LOOK_AT), "promotion", rollout.candidate, BY_HAND)
        must(promoted.success and stage.live() == rollout.candidate, f"the promotion by hand failed: {promoted.errors}")
        say(entry(first, f"{rollout.candidate} is made live by hand. {BY_HAND}"))
        for day in (*stories.MARKET_SUNDAYS, stories.MARKET_MONDAY):
            morning = stage.morning(day)
            gate = _told_of_market(stage, morning)
            judged = figures(stage.evidence(day), "rollback", rollout.versions, rollout.outcome_window_days)
            say(entry(day, judged))
            say(more(f"Nothing is changed, and an alert is sent. {gate.reason}"))
        _by_the_letter(stage, say)
    stage.stop_clock(stories.MARKET_MONDAY)


def tell_silence(stage: Stage, world: World, say: Say) -> None:
    """A check stops the day before anything is scored. Raises StoryError otherwise."""
    rollout, day = stage.settings.rollout, stories.SILENT_DAY
    say(chapter("3. A column goes silent", SILENCE))
    with stage.session():
        stage.world, stage.silent = world, {stories.SILENT_SOURCE: stories.SILENT_COLUMN}
        morning = stage.morning(day)
        found = [one for one in morning.outcome.checks_failed if one.severity == "ERROR"]
        must(
            not morning.outcome.success and any(stories.SILENT_COLUMN in one.description for one in found),
            f"no check stopped the silent column: {morning.outcome}",
        )
        must(not any(stage.scored(day, version) for version in rollout.versions), f"{day} was scored all the same")
        must(morning.decision.action is Action.HOLD and not morning.acted, f"{day} did not hold: {morning.decision}")
        must(_is_alerted(morning), f"no alert that {day} stopped: {morning.news}")
        must(stage.live() == rollout.candidate, f"{stage.live()} is live")
        say(entry(day, "The day's run stops. Nothing is scored and nothing is sent: yesterday's scores stay."))
        for trouble in troubles(morning.outcome):
            say(more(trouble))
        say(more(f"Nothing is changed, and an alert is sent. {in_short(morning.decision.reason)}"))
        seen = day + timedelta(days=rollout.outcome_window_days + 1)
        say(more(f"The outcomes of leads scored without that column would have shown it from {seen} on."))
    stage.stop_clock(day)


def _told_of_market(stage: Stage, morning: Morning) -> Gate:
    """The gate by which the day holds and alerts."""
    candidate = stage.settings.rollout.candidate
    must(morning.outcome.success, f"the run of {morning.day} failed: {morning.outcome.errors}")
    must(not morning.acted and stage.live() == candidate, f"{morning.day} did not hold: {morning.decision}")
    alerting = [gate for gate in morning.decision.gates if gate.name == TOP_DECILE_CONVERSION and gate.alert]
    must(bool(alerting) and _is_alerted(morning), f"no alert about the market on {morning.day}: {morning}")
    return alerting[0]


def _is_alerted(morning: Morning) -> bool:
    """Whether the alert sensor announced the decision."""
    return morning.decision.reason in morning.news


def _by_the_letter(stage: Stage, say: Say) -> None:
    """The decision by the same rules on the same evidence by the guide's letter. Reads only.

    A judged day keeps the policy it was judged by, so the evidence is judged again.
    """
    rollout, day = stage.settings.rollout, stories.MARKET_MONDAY
    rule = rollout.policy.rollback.model_copy(update={"on_champion_also_failing": "rollback"})
    policy = rollout.policy.model_copy(update={"rollback": rule})
    state = operator_actions.status(stage.at(day, LOOK_AT)).state
    if state is None:
        raise StoryError(f"{day} has no state to decide on")
    warehouse = store(stage.settings)
    history = history_of(
        warehouse.comparisons(stories.MARKET_PROMOTION, day),
        candidate=rollout.candidate,
        baseline=rollout.baseline,
        policy=policy,
        evaluation=rollout.evaluation,
        covered=week_closes.covered(warehouse, rollout, warehouse.events(), day),
    )
    again = {gate.name: gate for gate in history[day].gates}
    gates = tuple(again.get(gate.name, gate) for gate in state.gates)
    decision = decide(replace(state, gates=gates, history=history, policy=policy))
    must(decision.action is Action.ROLLBACK, f"by the guide's letter {day} would not roll back: {decision.reason}")
    say(
        more(f"By the guide's letter {rollout.baseline} would be live again today, whose top tenth converts even less.")
    )
