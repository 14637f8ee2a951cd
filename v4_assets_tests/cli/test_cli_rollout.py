"""The commands about a rollout say where it stands and do what is asked, in sentences and in JSON.

What they refuse they refuse in one sentence, with exit code 2.
"""

import json
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result

from v4_assets.cli.main import cli, main
from v4_assets.names import ROLLOUT_PAGE
from v4_assets.operations import local_runs
from v4_assets_tests.fixtures.stories import (
    BEFORE,
    CLOSE_BEFORE_LATE,
    FALLEN,
    GOOD,
    NEW,
    OLD,
    SEVENTH,
    SINCE,
    Story,
    tell,
)

WHO = "ada (v4)"
Telling = Callable[..., Story]


@pytest.fixture
def story(tmp_path, monkeypatch) -> Telling:
    """Begins a story with a copy of a prepared home."""
    monkeypatch.setattr(local_runs, "operator", lambda: WHO)
    return lambda name, **env: tell(name, tmp_path / "home", **env)


def v4(told: Story, *arguments: str) -> Result:
    """The command, in the story's environment. What it refuses is an exception here, and a sentence in `main`."""
    return CliRunner().invoke(cli, arguments, env=told.environment, prog_name="v4")


def text(told: Story, *arguments: str) -> str:
    """What a command that succeeds prints."""
    result = v4(told, *arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def content(told: Story, *arguments: str):
    """What it prints for a script."""
    return json.loads(text(told, *arguments, "--json"))


def status_text(told: Story) -> str:
    """What `v4 status` prints, whether or not anything has to be done."""
    result = v4(told, "status")
    assert result.exit_code in (0, 1), (result.output, result.exception)
    return result.stdout


def rollout_status(told: Story):
    """The rollout's part of the status, for a script."""
    result = v4(told, "status", "--json")
    assert result.exit_code in (0, 1), (result.output, result.exception)
    return json.loads(result.stdout)["rollout"]


def refused(told: Story, monkeypatch, capsys, *arguments: str) -> str:
    """The one sentence of a refusal."""
    for name, value in told.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["v4", *arguments])
    before = told.happened
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    assert (caught.value.code, out, err.count("\n"), told.happened) == (2, "", 1, before)
    assert err.startswith("v4: ")
    return err.removeprefix("v4: ").rstrip("\n")


# --- where it stands -----------------------------------------------------------------------------------------------


def test_history_tells_every_event_with_its_reason(story):
    told = story("promoted")
    lines = text(told, "history").splitlines()
    assert lines[0].split() == ["2026-01-05", "11:30", "UTC", "adopted", OLD, "v4", "init"]
    assert lines[2].split() == ["2026-01-11", "11:30", "UTC", "promotion_started", NEW, "rollout_sensor"]
    assert lines[3].startswith("    v4.1.0 has earned its promotion. 2025-W52: ")
    events = content(told, "history")
    assert [event["event"] for event in events] == ["adopted", "promotion_started", "promotion_completed"]
    assert (events[1]["version"], events[1]["previous"], events[1]["evidence_day"]) == (NEW, OLD, "2026-01-11")
    assert {gate["name"]: gate["verdict"] for gate in json.loads(events[1]["gates"])}["promotion_lift"] == "PASS"


@pytest.mark.parametrize(
    ("on", "version"),
    [
        ("2026-01-05", None),
        ("2026-01-06", OLD),
        ("2026-01-11T06:29", OLD),
        ("2026-01-11T06:30", NEW),
        ("2026-02-02", NEW),
        (None, NEW),
    ],
)
def test_live_tells_what_was_live_when(story, on, version):
    told = story("promoted")
    options = ["--on", on] if on else []
    found = content(told, "live", *options)
    assert (found and found["version"]) == version
    said = text(told, "live", *options)
    assert (f": {version} since 2026-01-" if version else ": nothing") in said


def test_the_status_names_phase_decision_and_what_is_awaited_and_changes_nothing(story):
    told = story("seventh")
    lines = status_text(told).splitlines()
    assert "Phase      parallel since 2026-01-05" in lines
    assert any(line.startswith("Live       v4.0.0 since 2026-01-05") for line in lines)
    assert any(line.startswith("Next       hold: v4.1.0 waits: 0 of 2 consecutive weeks closed") for line in lines)
    found = rollout_status(told)
    assert (found["phase"], found["action"], found["wanted"]) == ("parallel", "hold", None)
    assert told.happened == ["adopted"]


def test_the_status_shows_the_gates_that_decide(story):
    told = story("seventh")
    for day in BEFORE:
        told.write(day, GOOD, retrospective=True)
    found = rollout_status(told)
    assert found["action"] == "promote"
    assert {gate["verdict"] for gate in found["gates"]} == {"PASS"}
    assert "PASS         promotion_lift: v4.1.0's top-decile lift is 2.10" in status_text(told)
    assert told.live == OLD


def test_lift_shows_both_versions_by_decile_and_the_closes_of_weeks(story):
    told = story("seventh")
    rows = content(told, "lift")
    top = {row["version"]: row["conversions"] for row in rows if row["decile"] == 10 and row["question"] == "rollback"}
    assert top == {OLD: 30.0, NEW: 42.0}
    assert {row["prediction_date"] for row in rows} == {"2026-01-11"}
    said = text(told, "lift")
    assert all(version in said for version in (OLD, NEW))
    assert {row["prediction_date"] for row in content(told, "lift", "--weeks")} == {"2026-01-11"}
    assert (
        text(told, "lift", "--date", "2026-01-07") == "2026-01-07 was not evaluated; `v4 run --date 2026-01-07` does.\n"
    )


def test_a_home_without_history_says_what_to_do(story):
    told = story("adopted")
    told.change("DELETE FROM ml_features.v4_deployments")
    told.change("DELETE FROM ml_features.v4_production")
    assert text(told, "history") == "Nothing yet; `v4 init` adopts the baseline.\n"
    assert content(told, "history") == []
    assert text(told, "live").endswith(" UTC: nothing\n")
    assert "`v4 init` adopts the baseline" in status_text(told)


# --- what is done --------------------------------------------------------------------------------------------------


def test_tick_carries_out_what_the_sensor_decides_and_says_so(story):
    told = story("watched")
    assert text(told, "tick").startswith("hold: ")
    for day in SINCE[1:]:
        told.write(day, FALLEN)
    said = text(told, "tick", "--alerts").splitlines()
    assert said[0] == f"rollback_production for 2026-02-02, {told.events[-1].action_id}:1"
    assert said[1].startswith("run: done, ")
    assert "rollback started: v4.1.0 → v4.0.0 (rollout_sensor)" in said[2]
    assert said[3] == "v4.0.0 is live."
    assert told.live == OLD


def test_tick_fails_where_its_run_does(story):
    told = story("watched", V4_SALESFORCE="local")
    for day in SINCE[1:]:
        told.write(day, FALLEN)
    result = v4(told, "tick")
    assert result.exit_code == 1
    assert "run: FAILED, " in result.output
    assert "salesforce_sync: " in result.output
    assert result.output.endswith("v4.0.0 is live. rollback_started is not completed.\n")


def test_a_person_promotes_rolls_back_and_allows_with_reasons_that_stay(story):
    told = story("seventh")
    promoted = text(told, "promote", "--reason", "the board wants it", "--yes")
    assert promoted.startswith("promotion to v4.1.0: done, ")
    assert promoted.endswith("Nothing that was checked reads v4.0.0 by name.\n")
    assert text(told, "rollback", "--reason", "the phones are silent").startswith("rollback to v4.0.0: done, ")
    page = told.settings.places.reports / ROLLOUT_PAGE
    assert text(told, "allow", NEW, "--reason", "they were not") == (
        f"v4.1.0 may be promoted again.\nThe rollout page: {page}\n"
    )
    assert "v4.1.0 is tried beside it</h1>" in page.read_text(encoding="utf-8")
    page.unlink()
    assert text(told, "report") == f"{page}\n"
    assert "they were not" in page.read_text(encoding="utf-8")
    kinds = ("promotion_started", "promotion_completed", "rollback_started", "rollback_completed", "allowed")
    events = told.events[1:]
    assert tuple(event.event for event in events) == kinds
    assert {event.decided_by for event in events} == {WHO}
    reasons = [events[number].reason for number in (0, 2, 4)]
    assert reasons[0].startswith("the board wants it (overrides: v4.1.0 waits: 0 of 2 consecutive weeks closed")
    assert reasons[1:] == ["the phones are silent", "they were not"]
    assert told.live == OLD


def test_an_order_that_fails_says_who_goes_on_and_resume_does(story):
    told = story("watched", V4_SALESFORCE="local")
    result = v4(told, "rollback", "--reason", "the phones are silent")
    assert result.exit_code == 1
    assert result.output.startswith("rollback to v4.0.0: FAILED, ")
    assert result.output.endswith("What has begun is carried through by the sensor, or by `v4 resume`.\n")
    assert v4(told, "resume").exit_code == 1
    told.env["V4_SALESFORCE"] = "dry-run"
    assert text(told, "resume").startswith("resumed: done, ")
    assert told.happened[-2:] == ["rollback_started", "rollback_completed"]


def test_approve_agrees_to_what_was_asked(story):
    told = story("late")
    assert f"`v4 approve {told.evidence_sha256[:12]}`" in status_text(told)
    said = text(told, "approve", told.evidence_sha256[:8])
    assert said == (
        f"The sunset of v4.0.0 is approved on evidence {told.evidence_sha256[:12]}, for 24 hours.\n"
        "The sensor carries it out at its next tick; without a daemon, `v4 tick` does.\n"
        f"The rollout page: {told.settings.places.reports / ROLLOUT_PAGE}\n"
    )  # fmt: skip
    assert rollout_status(told)["action"] == "sunset"


def test_sunset_and_restore_by_a_person(story):
    told = story("promoted")
    assert text(told, "sunset", "--reason", "its feed ends", "--yes").startswith("sunset of v4.0.0: done, ")
    assert told.exported[OLD] == "archived"
    assert text(told, "restore", OLD, "--reason", "it does not") == (
        f"v4.0.0 is back: it is scored from the next run on.\n"
        f"The rollout page: {told.settings.places.reports / ROLLOUT_PAGE}\n"
    )
    assert told.exported[OLD] == "retired"


# --- what is refused -----------------------------------------------------------------------------------------------


def test_what_makes_no_sense_while_the_baseline_is_live_is_refused(story, monkeypatch, capsys):
    told = story("seventh")

    def no(*arguments: str) -> str:
        return refused(told, monkeypatch, capsys, *arguments)

    assert no("resume") == "Nothing is unfinished; `v4 history` shows what was done."
    assert no("rollback", "--reason", "x") == "v4.0.0 is live already."
    assert no("promote", "--version", "v9", "--reason", "x") == (
        "There is no version v9 in rollout.yaml; it has v4.0.0, v4.1.0."
    )
    assert no("sunset", "--reason", "x") == "v4.0.0 is live; what is live is not archived."
    assert no("allow", OLD, "--reason", "x").startswith("v4.0.0 has nothing to be allowed: ")
    assert no("restore", OLD, "--reason", "x") == "v4.0.0 is not archived; archived are: none."
    assert no("approve", "0" * 12).startswith("Nothing waits for an approval: v4.1.0 waits: ")
    assert no("live", "--on", "yesterday").startswith("'yesterday' is not an instant.")


def test_a_version_whose_scores_of_today_are_missing_or_bad_is_not_promoted(story, monkeypatch, capsys):
    told = story("sixth")
    told.goes_on(SEVENTH)
    said = refused(told, monkeypatch, capsys, "promote", "--reason", "x")
    assert said.startswith("v4.1.0 has no scores of 2026-01-11 that passed every check: ")
    assert said.endswith("`v4 run --date 2026-01-11` makes them.")


def test_a_version_that_was_rolled_back_waits_for_an_allowance_by_name(story, monkeypatch, capsys):
    told = story("watched")
    text(told, "rollback", "--reason", "the phones are silent")
    said = refused(told, monkeypatch, capsys, "promote", "--reason", "x")
    assert said == "v4.1.0 was rolled back. Allow it first: `v4 allow v4.1.0 --reason …`."


def test_nothing_is_ordered_while_something_is_unfinished(story, monkeypatch, capsys):
    told = story("watched", V4_SALESFORCE="local")
    assert v4(told, "rollback", "--reason", "the phones are silent").exit_code == 1
    said = refused(told, monkeypatch, capsys, "promote", "--reason", "x")
    assert said == "rollback_started of 2026-02-02 is not completed. Complete it with `v4 resume`."


@pytest.mark.parametrize("command", ["promote", "rollback", "sunset", "allow", "restore"])
def test_nothing_is_done_without_a_reason(story, command):
    told = story("adopted")
    result = v4(told, command, *([NEW] if command in ("allow", "restore") else []))
    assert result.exit_code == 2
    assert "Missing option '--reason'" in result.output
    assert told.happened == ["adopted"]


def test_the_archived_champion_can_neither_come_back_unrestored_nor_be_restored_damaged(story, monkeypatch, capsys):
    told = story("sunset")
    for day in CLOSE_BEFORE_LATE:
        told.write(day, FALLEN)
    assert refused(told, monkeypatch, capsys, "rollback", "--reason", "x") == (
        "v4.0.0 is archived. Bring it back first: `v4 restore v4.0.0 --reason …`."
    )
    [folder] = told.settings.places.archive.iterdir()
    (folder / "features.json").unlink()
    said = refused(told, monkeypatch, capsys, "restore", OLD, "--reason", "x")
    assert said.startswith(f"{folder / 'features.json'} is not what was archived: sha256 is no file, put away was ")


def test_control_characters_of_a_reason_are_written_out_before_they_are_kept(story):
    told = story("promoted")
    text(told, "hold", "--reason", "\x1b[2Jall is well\u202e", "--until", "2026-01-19")
    assert told.events[-1].reason == "\\x1b[2Jall is well\\u202e"
    assert "\x1b" not in text(told, "history")


def test_a_day_that_has_not_run_is_looked_at_without_harm(story):
    told = story("watched")
    told.goes_on(told.day + timedelta(days=1))
    found = rollout_status(told)
    assert found["action"] == "hold"
    assert found["reason"].startswith("lift_comparison of 2026-02-03 was not evaluated")


def test_look_names_its_successor(story):
    result = v4(story("adopted"), "look", "--json")
    assert result.exit_code == 2
    assert "`v4 status`" in result.output
