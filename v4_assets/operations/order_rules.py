"""When an operator's order is refused, and what it overrides: gates, checks and conditions the sensor waits for."""

from collections.abc import Callable
from dataclasses import dataclass

from v4_assets import recorded_checks
from v4_assets.config.environment import Settings
from v4_assets.errors import PolicyError, listed
from v4_assets.production import orders
from v4_assets.production.decision import TO_PROMOTE, Action, Decision, Gate
from v4_assets.production.events import DeploymentState
from v4_assets.production.orders import KIND, Kind
from v4_assets.production.status import Status
from v4_assets.prospects import months
from v4_assets.resources import store

Confirm = Callable[[str], None]
"""Is given the text of what an order overrides; raises PolicyError where a person does not confirm."""


@dataclass(frozen=True)
class Override:
    """Why the sensor would not give this order now."""

    text: str
    gates: tuple[Gate, ...] = ()
    """Today's gates that it was given against."""


def accepted(text: str) -> None:
    """Confirm: whoever calls has asked already, or is a script."""


def override(settings: Settings, kind: Kind, version: str, found: Status) -> Override | None:
    """What an order overrides; None where the sensor wants the same. A rollback, the way out, overrides nothing."""
    if kind == "rollback":
        return None
    hold = f"{orders.hold_sentence(found.hold)} " if found.hold else ""
    if kind == "promotion" and version != settings.rollout.candidate:
        return Override(f"{hold}{version} is not the candidate of rollout.yaml, so no gate judges it.")
    if kind in _wanted(found.decision):
        return Override(hold.strip()) if hold else None
    gates = found.state.not_passing(*TO_PROMOTE) if found.state and kind == "promotion" else ()
    reason = found.decision.reason.removeprefix(hold)
    return Override(f"{hold}{_condition(kind, found.decision)}{reason}", gates)


def refusal(settings: Settings, kind: Kind, version: str, live: str, state: DeploymentState) -> str | None:
    """Why an order is refused; None when it is valid."""
    rollout = settings.rollout
    if version not in rollout.versions:
        return f"There is no version {version} in rollout.yaml; it has {', '.join(sorted(rollout.versions))}."
    if kind == "sunset":
        return f"{version} is live; what is live is not archived." if version == live else None
    if version == live:
        return f"{version} is live already."
    if version in state.archived:
        return f"{version} is archived. Bring it back first: `v4 restore {version} --reason …`."
    if version in state.rolled_back and (kind == "promotion" or version != rollout.baseline):
        return f"{version} was rolled back. Allow it first: `v4 allow {version} --reason …`."
    return None


def verify_scored(settings: Settings, version: str) -> None:
    """Refuse to promote a version whose scores for today are missing, unchecked or of another bundle than goes live."""
    record, today = store(settings), settings.clock.today()
    problems = recorded_checks.unpassed(record, today, version)
    bundle = record.registry.load(version).bundle_sha256
    if any(one.bundle_sha256 != bundle for one in record.artifacts(version, today, today).get(today, ())):
        problems = [f"they are not of its registered bundle {bundle[:12]}", *problems]
    if problems:
        raise PolicyError(
            f"{version} has no scores of {today} that passed every check: {listed(problems)}. "
            f"`v4 run --date {today}` makes them."
        )
    if problem := months.missing_scores(record, settings.rollout, version, today):
        raise PolicyError(problem)


def _wanted(decision: Decision) -> tuple[Kind, ...]:
    """The order the sensor gives now, or asks to be allowed to."""
    action = decision.wanted if decision.action is Action.ASK else decision.action
    return (KIND[action],) if action in KIND else ()


def _condition(kind: Kind, decision: Decision) -> str:
    if decision.action in (Action.HOLD, Action.ASK):
        return ""
    return f"The sensor decides on another action than a {kind} now, {decision.action.value}: "
