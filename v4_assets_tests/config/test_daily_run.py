"""The hour of the daily run is an entry of rollout.yaml, and everything that depends on it reads it there."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from v4_assets.clock import NEW_YORK
from v4_assets.config.environment import load
from v4_assets.config.rollout import Rollout, read_rollout
from v4_assets.config.rollout_policy import DailyRun
from v4_assets.definitions import build, every_morning
from v4_assets.errors import SettingsError
from v4_assets.names import DAILY_JOB
from v4_assets.production.overdue import due
from v4_assets.project_files import PROJECT

CONTENT = yaml.safe_load((PROJECT / "rollout.yaml").read_text(encoding="utf-8"))
DAY = date(2026, 1, 12)


def rollout(at: object = None, grace: int = 90) -> Rollout:
    """The shipped rollout with another hour; without the entry when `at` is None."""
    content = {**CONTENT, "policy": {**CONTENT["policy"], "grace_minutes": grace}, "daily_run": {"at": at}}
    if at is None:
        del content["daily_run"]
    return Rollout.model_validate(content)


def refused(tmp_path: Path, text: str) -> str:
    path = tmp_path / "rollout.yaml"
    path.write_text((PROJECT / "rollout.yaml").read_text(encoding="utf-8").replace('at: "06:00"', text), "utf-8")
    with pytest.raises(SettingsError) as error:
        read_rollout(path)
    return str(error.value)


def test_a_file_without_the_entry_runs_at_six():
    assert rollout().daily_run == DailyRun() == rollout("06:00").daily_run


@pytest.mark.parametrize(
    ("at", "grace", "deadline"),
    [("06:00", 90, time(7, 30)), ("05:15", 30, time(5, 45)), ("22:30", 89, time(23, 59)), ("00:00", 0, time(0))],
)
def test_the_deadline_is_the_grace_after_the_hour(at, grace, deadline):
    changed = rollout(at, grace)
    assert due(changed, DAY) == datetime.combine(DAY, deadline, NEW_YORK)
    assert every_morning(changed) == dg.FreshnessPolicy.cron(
        f"{deadline.minute} {deadline.hour} * * *",
        max(timedelta(hours=deadline.hour, minutes=deadline.minute), timedelta(minutes=1)),
        "America/New_York",
    )


def test_no_day_is_overdue_before_the_first():
    planned = rollout("06:00").model_copy(update={"first_day": date(2026, 3, 15)})
    assert due(planned, DAY) == due(planned, date(2026, 3, 15)) == datetime(2026, 3, 15, 7, 30, tzinfo=NEW_YORK)


@pytest.mark.parametrize("at", ["00:00", "04:45", "06:00", "23:30"])
def test_the_schedule_starts_the_day_that_began_at_midnight(tmp_path, at):
    path = tmp_path / "rollout.yaml"
    path.write_text(
        yaml.safe_dump({**CONTENT, "daily_run": {"at": at}, "policy": CONTENT["policy"] | {"grace_minutes": 9}})
    )
    definitions = build(load({"V4_HOME": str(tmp_path), "V4_ROLLOUT": str(path)}))
    schedule = definitions.resolve_schedule_def(f"{DAILY_JOB}_schedule")
    hour, minute = (int(part) for part in at.split(":"))
    assert schedule.cron_schedule == f"{minute} {hour} * * *"
    assert str(schedule.description).startswith(f"{at} in New York")
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime.combine(DAY, time(hour, minute), NEW_YORK),
            repository_def=definitions.get_repository_def(),
        ) as context,
    ):
        [request] = schedule.evaluate_tick(context).run_requests or []
    assert request.partition_key == DAY.isoformat()


@pytest.mark.parametrize("at", ["01:00", "01:30", "02:00", "02:59"])
def test_an_hour_that_a_clock_change_repeats_or_skips_is_refused(tmp_path, at):
    said = refused(tmp_path, f'at: "{at}"')
    assert f"daily_run.at: {at} is skipped or repeated when the clock changes" in said


@pytest.mark.parametrize("text", ["10:30", "6", '"6:00"', '"24:00"', '"06:00:30"', '"six"', "null", '" 06:00"'])
def test_what_is_not_an_hour_is_refused_with_an_example(tmp_path, text):
    assert 'is not a time; write hours and minutes in quotes, as in "06:00"' in refused(tmp_path, f"at: {text}")


@pytest.mark.parametrize(("at", "grace", "most"), [("06:00", 1080, 1079), ("23:00", 90, 59)])
def test_a_deadline_after_midnight_is_refused(at, grace, most):
    rollout(at, most)
    with pytest.raises(
        ValueError, match=f"grace_minutes {grace} after daily_run.at {at} passes midnight.* to {most} or"
    ):
        rollout(at, grace)


@given(st.times().filter(lambda at: at.hour not in (1, 2)), st.dates(date(2020, 1, 1), date(2035, 12, 31)))
def test_every_hour_that_is_accepted_comes_exactly_once_on_every_day(at, day):
    run = DailyRun.model_validate({"at": f"{at:%H:%M}"}).on(day, NEW_YORK)
    assert run.astimezone(UTC).astimezone(NEW_YORK).time() == time(at.hour, at.minute)
    assert run.utcoffset() == run.replace(fold=1).utcoffset()
