"""Days without scores are named by status, page and alert, with the command and dates, until they are backfilled."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from unittest.mock import patch

import pytest

from v4_assets.clock import Clock
from v4_assets.config.environment import Settings, load
from v4_assets.names import ROLLOUT_PAGE
from v4_assets.operations import local_runs, operator_actions
from v4_assets.operations.status import status
from v4_assets.production.events import Event
from v4_assets.production.overdue import LostDays, lost_days
from v4_assets.resources import store
from v4_assets.store import Store
from v4_assets_tests.fixtures.stories import NEW, OLD, Story, tell

LAST = date(2026, 1, 11)
SENTENCE = (
    "3 days have no scores: 2026-01-12 to 2026-01-14. `v4 backfill --from 2026-01-12 --to 2026-01-14 --evaluate` makes "
    "up for them; their leads are judged from 2026-02-22 until 2026-08-26, and are uncovered where that is not done."
)
TABLES = {OLD: "v4_daily_scores", NEW: "v4_daily_scores_v41"}


@contextmanager
def at(story: Story, instant: datetime) -> Iterator[Settings]:
    """The story's home under a clock that runs, at an instant."""
    environment = {name: value for name, value in story.environment.items() if name != "V4_NOW"}
    with patch.object(Clock, "now", lambda clock: clock.fixed or instant):
        yield load(environment)


@pytest.mark.extended
def test_three_days_without_a_daemon_are_named_everywhere_until_they_are_backfilled(tmp_path):
    story = tell("promoted", tmp_path / "home")
    story.goes_on(date(2026, 1, 15))  # the sources go on
    with at(story, datetime(2026, 1, 15, 11, tzinfo=UTC)) as settings:
        assert SENTENCE in [one["what"] for one in status(settings)["to_do"]]
        assert SENTENCE in operator_actions.alert(settings).said
        page = (settings.places.reports / ROLLOUT_PAGE).read_text(encoding="utf-8")
        assert "3 days have no scores: 2026-01-12 to 2026-01-14." in page
        runs = local_runs.backfill(settings, date(2026, 1, 12), date(2026, 1, 14))
        assert [outcome.success for _, _, outcome in runs] == [True]
        assert not [one for one in status(settings)["to_do"] if "no scores: " in one["what"]]


def test_days_between_two_positions_of_a_fixed_clock_are_not_lost(tmp_path):
    story = tell("promoted", tmp_path / "home")
    story.goes_on(date(2026, 1, 15))
    assert not [one for one in status(story.settings)["to_do"] if "no scores: " in one["what"]]


# --- which days ----------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path) -> Settings:
    made = load({"V4_HOME": str(tmp_path / "home"), "V4_NOW": "2026-01-05T06:30"})
    local_runs.init(made)
    return made


def found(settings: Settings, today: date, scored: dict[str, list[date]], *events: str) -> LostDays | None:
    """The lost days where each version was scored on these days; `events` follow the adoption of 5 January."""
    record = store(settings)
    adopted = record.events()[0]
    later = [replace(adopted, event_id=kind, event=kind, version=OLD) for kind in events]
    history: list[Event] = [adopted, *later]
    writes = {(TABLES[version], day) for version, days in scored.items() for day in days}
    instant = datetime(today.year, today.month, today.day, 15, tzinfo=UTC)
    with (
        patch.object(Store, "latest_writes", lambda _, first, last: {one for one in writes if first <= one[1] <= last}),
        patch.object(Clock, "now", lambda clock: clock.fixed or instant),
    ):
        return lost_days(record, settings.rollout, Clock(), history)


def days(first: int, last: int) -> list[date]:
    return [date(2026, 1, day) for day in range(first, last + 1)]


def test_a_day_that_one_of_the_compared_versions_was_not_scored_on_is_lost(settings):
    lost = found(settings, date(2026, 1, 12), {OLD: days(5, 11), NEW: [*days(5, 7), *days(9, 11)]})
    assert lost is not None
    assert lost.days == (date(2026, 1, 8),)
    assert lost.sentence.startswith("1 day has no scores: 2026-01-08. `v4 backfill --from 2026-01-08 --to 2026-01-08 ")


def test_several_stretches_are_one_command(settings):
    lost = found(settings, date(2026, 1, 14), {OLD: [*days(5, 6), *days(9, 9)], NEW: []})
    assert lost is not None
    assert "6 days have no scores: 2026-01-07 to 2026-01-08, 2026-01-10 to 2026-01-13." in lost.sentence
    assert lost.command == "v4 backfill --from 2026-01-07 --to 2026-01-13 --evaluate"


def test_today_is_not_lost_and_neither_is_the_time_before_a_candidates_first_scores(settings):
    assert found(settings, date(2026, 1, 12), {OLD: days(5, 11), NEW: days(10, 11)}) is None
    assert found(settings, date(2026, 1, 12), {OLD: days(5, 11), NEW: []}) is None


def test_a_live_version_that_was_never_scored_is_lost_from_the_day_after_its_adoption(settings):
    assert found(settings, date(2026, 1, 6), {}) is None
    lost = found(settings, date(2026, 1, 8), {})
    assert lost is not None
    assert lost.days == (date(2026, 1, 6), date(2026, 1, 7))


def test_an_archived_version_loses_no_day(settings):
    scored = {OLD: days(5, 8), NEW: days(5, 11)}
    assert found(settings, date(2026, 1, 12), scored) is not None
    assert found(settings, date(2026, 1, 12), scored, "sunset_completed") is None


def test_a_lost_day_is_named_until_the_last_cohort_with_its_leads_and_not_longer(settings):
    evaluation = settings.rollout.evaluation
    until = date(2026, 1, 8) + timedelta(days=settings.rollout.outcome_window_days + evaluation.max_days - 1)
    through = [day for day in (LAST + timedelta(days=n) for n in range(400)) if day <= until]
    scored = {OLD: [*days(5, 7), *days(9, 10), *through]}
    lost = found(settings, until, scored)
    assert lost is not None
    assert (lost.days, lost.matter_until) == ((date(2026, 1, 8),), until)
    assert found(settings, until + timedelta(days=1), scored) is None
