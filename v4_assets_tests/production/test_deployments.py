"""What follows from the history of production: who is live, what is unfinished, which phase, which status."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from v4_assets.production import events as deployments
from v4_assets.production.decision import Phase
from v4_assets.production.events import Event, state_after

OLD, NEW = "v4.0.0", "v4.1.0"
START = datetime(2026, 1, 5, 11, tzinfo=UTC)


def event(number: int, kind: str, version: str, previous: str | None = None, action: str | None = None) -> Event:
    """The event of day `number` (from 0); its id is its number."""
    return Event(
        event_id=str(number),
        happened_at=START + timedelta(days=number),
        event=kind,
        version=version,
        reason=f"reason {number}",
        decided_by="test",
        previous=previous,
        action_id=action or (str(number) if kind.endswith("_started") else None),
    )


ADOPTED = event(0, "adopted", OLD)
PROMOTION = [event(7, "promotion_started", NEW, OLD), event(8, "promotion_completed", NEW, OLD, action="7")]
ROLLBACK = [event(40, "rollback_started", OLD, NEW), event(41, "rollback_completed", OLD, NEW, action="40")]
SUNSET = [event(50, "sunset_started", OLD), event(51, "sunset_completed", OLD, action="50")]
ALLOWED = event(60, "allowed", NEW)
RESTORED = event(70, "restored", OLD)


def status_of(events: list[Event], production: tuple[str, str] | str | None = "as the events say"):
    live = state_after(events).live
    row = (live.version, live.event_id) if live else None
    return deployments.rollout_status(
        events,
        baseline=OLD,
        candidate=NEW,
        today=date(2026, 4, 1),
        production=row if isinstance(production, str) else production,
    )


@pytest.mark.parametrize(
    ("events", "phase", "live", "phase_since"),
    [
        ([], Phase.NOT_ADOPTED, None, None),
        ([ADOPTED], Phase.PARALLEL, OLD, date(2026, 1, 5)),
        ([ADOPTED, *PROMOTION], Phase.WATCH, NEW, date(2026, 1, 12)),
        ([ADOPTED, *PROMOTION, *ROLLBACK], Phase.ROLLED_BACK, OLD, date(2026, 2, 14)),
        ([ADOPTED, *PROMOTION, *ROLLBACK, ALLOWED], Phase.PARALLEL, OLD, date(2026, 3, 6)),
        ([ADOPTED, *PROMOTION, *SUNSET], Phase.SUNSET, NEW, date(2026, 2, 25)),
        ([ADOPTED, *PROMOTION, *SUNSET, RESTORED], Phase.WATCH, NEW, date(2026, 3, 16)),
    ],
    ids=["nothing", "adopted", "promoted", "rolled back", "allowed again", "sunset", "restored"],
)
def test_the_phase_follows_from_the_events(events, phase, live, phase_since):
    found = status_of(events)
    assert (found.phase, found.live, found.phase_since, found.disagreement) == (phase, live, phase_since, None)


def test_the_live_version_changes_when_the_switch_begins_not_when_it_is_through():
    found = status_of([ADOPTED, PROMOTION[0]])
    assert (found.phase, found.live, found.live_since) == (Phase.WATCH, NEW, date(2026, 1, 12))


@pytest.mark.parametrize("through", [PROMOTION, ROLLBACK, SUNSET], ids=["promotion", "rollback", "sunset"])
def test_an_action_is_unfinished_until_its_own_completion(through):
    started, completed = through
    assert state_after([ADOPTED, started]).unfinished == started
    assert state_after([ADOPTED, started, completed]).unfinished is None
    assert state_after([ADOPTED, started, replace(completed, action_id="another")]).unfinished == started


def test_events_stand_in_the_order_in_which_they_were_recorded():
    started, completed = (replace(one, sequence=number) for number, one in enumerate(ROLLBACK, start=1))
    together = [replace(completed, happened_at=started.happened_at - timedelta(hours=1), event_id="0"), started]
    assert deployments.in_order(together) == [started, together[0]]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], {OLD: "registered", NEW: "challenger"}),
        ([ADOPTED], {OLD: "production", NEW: "challenger"}),
        ([ADOPTED, *PROMOTION], {OLD: "retired", NEW: "production"}),
        ([ADOPTED, *PROMOTION, *ROLLBACK], {OLD: "production", NEW: "deprecated"}),
        ([ADOPTED, *PROMOTION, *ROLLBACK, ALLOWED], {OLD: "production", NEW: "challenger"}),
        ([ADOPTED, *PROMOTION, *SUNSET], {OLD: "archived", NEW: "production"}),
        ([ADOPTED, *PROMOTION, *SUNSET, RESTORED], {OLD: "retired", NEW: "production"}),
    ],
)
def test_the_registry_status_follows_from_the_events(events, expected):
    assert deployments.statuses(events, [OLD, NEW], NEW) == expected


def test_a_third_version_is_merely_registered():
    assert deployments.statuses([ADOPTED], [OLD, NEW, "v4.2.0"], NEW)["v4.2.0"] == "registered"


@pytest.mark.parametrize(
    ("production", "said"),
    [
        (None, "made v4.0.0 live, the production row says nothing"),
        ((NEW, "0"), "made v4.0.0 live, the production row says v4.1.0"),
        ((OLD, "another event"), "one of them was edited by hand"),
    ],
    ids=["no row", "another version", "another event"],
)
def test_a_row_that_contradicts_the_events_is_a_disagreement(production, said):
    assert said in str(status_of([ADOPTED], production).disagreement)


def test_a_live_version_the_rollout_is_not_about_is_a_disagreement():
    found = status_of([event(0, "adopted", "v3.9.0")])
    assert found.disagreement == "v3.9.0 is live, rollout.yaml is about v4.0.0 and v4.1.0"


def test_an_evening_in_new_york_belongs_to_its_own_day():
    late = replace(ADOPTED, happened_at=datetime(2026, 1, 6, 3, tzinfo=UTC))
    assert status_of([late]).live_since == date(2026, 1, 5)


def test_what_was_live_at_an_instant():
    events = [ADOPTED, *PROMOTION, *ROLLBACK]
    switched = PROMOTION[0].happened_at
    assert deployments.live_at(events, START - timedelta(seconds=1)) is None
    assert deployments.live_at(events, switched - timedelta(seconds=1)) == ADOPTED
    assert deployments.live_at(events, switched) == PROMOTION[0]
    assert deployments.live_at(events, switched + timedelta(days=200)) == ROLLBACK[0]


@pytest.mark.parametrize(
    ("events", "since"),
    [
        ([ADOPTED], date(2026, 1, 5)),
        ([ADOPTED, *PROMOTION], date(2026, 1, 5)),
        ([ADOPTED, *PROMOTION, *ROLLBACK], date(2026, 2, 14)),
        ([ADOPTED, *PROMOTION, *ROLLBACK, ALLOWED], date(2026, 3, 6)),
    ],
)
def test_parallel_days_count_from_the_last_beginning(events, since):
    assert deployments.parallel_since(events, NEW) == since
