"""The commands about a rollout say where it stands and do what is asked, in sentences and in JSON.

What they refuse they refuse in one sentence, with exit code 2.
"""

import functools
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
def begin_story(tmp_path, monkeypatch) -> Telling:
    """Begins a story with a copy of a prepared home."""
    monkeypatch.setattr(local_runs, "operator", lambda: WHO)
    return lambda name, **env: tell(name, tmp_path / "home", **env)


def v4(story: Story, *arguments: str) -> Result:
    """The command, in the story's environment. What it refuses is an exception here, and a sentence in `main`."""
    return CliRunner().invoke(cli, arguments, env=story.environment, prog_name="v4")


def text(story: Story, *arguments: str, code: int = 0) -> str:
    """What a command that ends with the code prints."""
    result = v4(story, *arguments)
    assert result.exit_code == code, (result.output, result.exception)
    return result.stdout


def content(story: Story, *arguments: str):
    """What it prints for a script."""
    return json.loads(text(story, *arguments, "--json"))


def status_text(story: Story) -> str:
    """What `v4 status` prints, whether or not anything has to be done."""
    result = v4(story, "status")
    assert result.exit_code in (0, 1), (result.output, result.exception)
    return result.stdout


def rollout_status(story: Story):
    """The rollout's part of the status, for a script."""
    result = v4(story, "status", "--json")
    assert result.exit_code in (0, 1), (result.output, result.exception)
    return json.loads(result.stdout)["rollout"]


def refused(story: Story, monkeypatch, capsys, *arguments: str) -> str:
    """The one sentence of a refusal."""
    for name, value in story.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["v4", *arguments])
    before = story.happened
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    assert (caught.value.code, out, err.count("\n"), story.happened) == (2, "", 1, before)
    assert err.startswith("v4: ")
    return err.removeprefix("v4: ").rstrip("\n")


# --- where it stands -----------------------------------------------------------------------------------------------


def test_history_tells_every_event_with_its_reason(begin_story):
    story = begin_story("promoted")
    lines = text(story, "history").splitlines()
    assert lines[0].split() == ["2026-01-05", "11:30", "UTC", "adopted", OLD, "v4", "init"]
    assert lines[2].split() == ["2026-01-11", "11:30", "UTC", "promotion_started", NEW, "rollout_sensor"]
    assert lines[3].startswith("    v4.1.0 has earned its promotion. 2025-W52: ")
    events = content(story, "history")
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
        (None, NEW),
    ],
)
def test_live_tells_what_was_live_when(begin_story, on, version):
    story = begin_story("promoted")
    options = ["--on", on] if on else []
    found = content(story, "live", *options)
    assert (found and found["version"]) == version
    said = text(story, "live", *options)
    assert (f": {version} since 2026-01-" if version else ": nothing") in said


def test_the_status_names_phase_decision_and_what_is_awaited_and_changes_nothing(begin_story):
    story = begin_story("seventh")
    lines = status_text(story).splitlines()
    assert "Phase      parallel since 2026-01-05" in lines
    assert any(line.startswith("Live       v4.0.0 since 2026-01-05") for line in lines)
    assert any(line.startswith("Next       hold: v4.1.0 waits: 0 of 2 consecutive weeks closed") for line in lines)
    found = rollout_status(story)
    assert (found["phase"], found["action"], found["wanted"]) == ("parallel", "hold", None)
    assert story.happened == ["adopted"]


def test_the_status_shows_the_gates_that_decide(begin_story):
    story = begin_story("seventh")
    for day in BEFORE:
        story.write(day, GOOD, retrospective=True)
    found = rollout_status(story)
    assert found["action"] == "promote"
    assert {gate["verdict"] for gate in found["gates"]} == {"PASS"}
    assert "PASS         promotion_lift: v4.1.0's top-decile lift is 2.10" in status_text(story)
    assert story.live == OLD


def test_lift_shows_both_versions_by_decile_and_the_closes_of_weeks(begin_story):
    story = begin_story("seventh")
    rows = content(story, "lift")
    top = {row["version"]: row["conversions"] for row in rows if row["decile"] == 10 and row["question"] == "rollback"}
    assert top == {OLD: 30.0, NEW: 42.0}
    assert {row["prediction_date"] for row in rows} == {"2026-01-11"}
    said = text(story, "lift")
    assert all(version in said for version in (OLD, NEW))
    assert {row["prediction_date"] for row in content(story, "lift", "--weeks")} == {"2026-01-11"}


def test_the_lift_of_a_day_that_was_not_evaluated_names_the_command_and_exits_with_1(begin_story):
    story = begin_story("seventh")
    said = "2026-01-07 was not evaluated; `v4 run --date 2026-01-07` does.\n"
    assert text(story, "lift", "--date", "2026-01-07", code=1) == said
    assert json.loads(text(story, "lift", "--date", "2026-01-07", "--json", code=1)) == []


def test_a_preview_of_a_day_without_scores_names_the_command_that_makes_them(begin_story, monkeypatch, capsys):
    no = functools.partial(refused, begin_story("seventh"), monkeypatch, capsys, "sync", "preview", "--date")
    assert no("2026-01-02").endswith("so nothing can be sent. `v4 run --date 2026-01-02` makes them.")
    assert no("2025-09-30").endswith("It lies before first_day 2025-10-01 of rollout.yaml. Choose a later day.")


def test_before_the_first_day_of_a_rollout_that_is_planned_ahead_nothing_is_missing(begin_story):
    story = begin_story("adopted")
    story.rule("first_day: 2025-10-01", "first_day: 2026-03-15")
    story.goes_on(story.day + timedelta(days=1), "09:00")
    assert rollout_status(story)["reason"] == "the rollout begins on 2026-03-15, first_day of rollout.yaml"
    assert text(story, "status")
    assert "missing" not in story.alerts()


def test_the_lift_of_weeks_none_of_which_has_closed_leaves_nothing_to_do(begin_story):
    assert text(begin_story("adopted"), "lift", "--weeks") == "No week has closed yet.\n"


def test_a_home_without_history_says_what_to_do(begin_story):
    story = begin_story("adopted")
    story.change("DELETE FROM ml_features.v4_deployments")
    story.change("DELETE FROM ml_features.v4_production")
    assert text(story, "history") == "Nothing yet; `v4 init` adopts the baseline.\n"
    assert content(story, "history") == []
    assert text(story, "live").endswith(" UTC: nothing\n")
    assert "`v4 init` adopts the baseline" in status_text(story)


# --- what is done --------------------------------------------------------------------------------------------------


def test_tick_carries_out_what_the_sensor_decides_and_says_so(begin_story):
    story = begin_story("watched")
    assert text(story, "tick").startswith("hold: ")
    for day in SINCE[1:]:
        story.write(day, FALLEN)
    said = text(story, "tick", "--alerts").splitlines()
    assert said[0] == f"rollback_production for 2026-02-02, {story.events[-1].action_id}:1"
    assert said[1].startswith("run: done, ")
    assert "rollback started: v4.1.0 → v4.0.0 (rollout_sensor)" in said[2]
    assert said[3] == "v4.0.0 is live."
    assert story.live == OLD


def test_tick_fails_where_its_run_does(begin_story):
    story = begin_story("watched", V4_SALESFORCE="local")
    for day in SINCE[1:]:
        story.write(day, FALLEN)
    result = v4(story, "tick")
    assert result.exit_code == 1
    assert "run: FAILED, " in result.output
    assert "salesforce_sync: " in result.output
    assert result.output.endswith("v4.0.0 is live. rollback_started is not completed.\n")


def test_a_person_promotes_rolls_back_and_allows_with_reasons_that_stay(begin_story):
    story = begin_story("seventh")
    promoted = text(story, "promote", "--reason", "the board wants it", "--yes")
    assert promoted.startswith("promotion to v4.1.0: done, ")
    assert promoted.endswith("Nothing that was checked reads v4.0.0 by name.\n")
    assert text(story, "rollback", "--reason", "the phones are silent").startswith("rollback to v4.0.0: done, ")
    page = story.settings.places.reports / ROLLOUT_PAGE
    assert text(story, "allow", NEW, "--reason", "they were not") == (
        f"v4.1.0 may be promoted again.\nThe rollout page: {page}\n"
    )
    assert "v4.1.0 is tried beside it</h1>" in page.read_text(encoding="utf-8")
    page.unlink()
    assert text(story, "report") == f"{page}\n"
    assert "they were not" in page.read_text(encoding="utf-8")
    kinds = ("promotion_started", "promotion_completed", "rollback_started", "rollback_completed", "allowed")
    events = story.events[1:]
    assert tuple(event.event for event in events) == kinds
    assert {event.decided_by for event in events} == {WHO}
    reasons = [events[number].reason for number in (0, 2, 4)]
    assert reasons[0].startswith("the board wants it (overrides: v4.1.0 waits: 0 of 2 consecutive weeks closed")
    assert reasons[1:] == ["the phones are silent", "they were not"]
    assert story.live == OLD


def test_an_order_that_fails_says_who_goes_on_and_resume_does(begin_story):
    story = begin_story("watched", V4_SALESFORCE="local")
    result = v4(story, "rollback", "--reason", "the phones are silent")
    assert result.exit_code == 1
    assert result.output.startswith("rollback to v4.0.0: FAILED, ")
    assert result.output.endswith("What has begun is carried through by the sensor, or by `v4 resume`.\n")
    assert v4(story, "resume").exit_code == 1
    story.env["V4_SALESFORCE"] = "dry-run"
    assert text(story, "resume").startswith("resumed: done, ")
    assert story.happened[-2:] == ["rollback_started", "rollback_completed"]


@pytest.mark.extended
def test_approve_agrees_to_what_was_asked(begin_story):
    story = begin_story("late")
    assert f"`v4 approve {story.evidence_sha256[:12]}`" in status_text(story)
    said = text(story, "approve", story.evidence_sha256[:8])
    assert said == (
        f"The sunset of v4.0.0 is approved on evidence {story.evidence_sha256[:12]}, for 24 hours.\n"
        "The sensor carries it out at its next tick; without a daemon, `v4 tick` does.\n"
        f"The rollout page: {story.settings.places.reports / ROLLOUT_PAGE}\n"
    )  # fmt: skip
    assert rollout_status(story)["action"] == "sunset"


def test_sunset_and_restore_by_a_person(begin_story, monkeypatch, capsys):
    story = begin_story("promoted")
    assert text(story, "sunset", "--reason", "its feed ends", "--yes").startswith("sunset of v4.0.0: done, ")
    assert story.exported[OLD] == "archived"
    story.goes_on(story.day + timedelta(days=1))
    no = functools.partial(refused, story, monkeypatch, capsys)
    said = "`v4 restore v4.0.0 --reason …` brings it back."
    assert no("sync", "preview", "--version", OLD).endswith(f"nothing can be sent. v4.0.0 is archived: {said}")
    assert text(story, "restore", OLD, "--reason", "it does not") == (
        f"v4.0.0 is back: it is scored from the next run on.\n"
        f"The rollout page: {story.settings.places.reports / ROLLOUT_PAGE}\n"
    )
    assert story.exported[OLD] == "retired"


# --- what is refused -----------------------------------------------------------------------------------------------


def test_what_makes_no_sense_while_the_baseline_is_live_is_refused(begin_story, monkeypatch, capsys):
    story = begin_story("seventh")

    def no(*arguments: str) -> str:
        return refused(story, monkeypatch, capsys, *arguments)

    assert no("resume") == "Nothing is unfinished; `v4 history` shows what was done."
    assert no("rollback", "--reason", "x") == "v4.0.0 is live already."
    assert no("promote", "--version", "v9", "--reason", "x") == (
        "There is no version v9 in rollout.yaml; it has v4.0.0, v4.1.0."
    )
    assert no("sunset", "--reason", "x") == "v4.0.0 is live; what is live is not archived."
    assert no("allow", OLD, "--reason", "x").startswith("v4.0.0 has nothing to be allowed: ")
    assert no("restore", OLD, "--reason", "x") == "v4.0.0 is not archived; archived are: none."
    assert no("approve", "0" * 12).startswith("Nothing waits for an approval: v4.1.0 waits: ")


def test_a_version_whose_scores_of_today_are_missing_or_bad_is_not_promoted(begin_story, monkeypatch, capsys):
    story = begin_story("sixth")
    story.goes_on(SEVENTH)
    said = refused(story, monkeypatch, capsys, "promote", "--reason", "x")
    assert said.startswith("v4.1.0 has no scores of 2026-01-11 that passed every check: ")
    assert said.endswith("`v4 run --date 2026-01-11` makes them.")


def test_a_version_that_was_rolled_back_waits_for_an_allowance_by_name(begin_story, monkeypatch, capsys):
    story = begin_story("watched")
    text(story, "rollback", "--reason", "the phones are silent")
    for order in (["promote"], ["rollback", "--version", NEW]):
        said = refused(story, monkeypatch, capsys, *order, "--reason", "x")
        assert said == "v4.1.0 was rolled back. Allow it first: `v4 allow v4.1.0 --reason …`."


def test_nothing_is_ordered_while_something_is_unfinished(begin_story, monkeypatch, capsys):
    story = begin_story("watched", V4_SALESFORCE="local")
    assert v4(story, "rollback", "--reason", "the phones are silent").exit_code == 1
    said = refused(story, monkeypatch, capsys, "promote", "--reason", "x")
    assert said == "rollback_started of 2026-02-02 is not completed. Complete it with `v4 resume`."


@pytest.mark.parametrize("command", ["promote", "rollback", "sunset", "allow", "restore"])
def test_nothing_is_done_without_a_reason(begin_story, command):
    story = begin_story("adopted")
    result = v4(story, command, *([NEW] if command in ("allow", "restore") else []))
    assert result.exit_code == 2
    assert "Missing option '--reason'" in result.output
    assert story.happened == ["adopted"]


@pytest.mark.extended
def test_the_archived_champion_can_neither_come_back_unrestored_nor_be_restored_damaged(
    begin_story, monkeypatch, capsys
):
    story = begin_story("sunset")
    for day in CLOSE_BEFORE_LATE:
        story.write(day, FALLEN)
    assert refused(story, monkeypatch, capsys, "rollback", "--reason", "x") == (
        "v4.0.0 is archived. Bring it back first: `v4 restore v4.0.0 --reason …`."
    )
    [folder] = story.settings.places.archive.iterdir()
    (folder / "features.json").unlink()
    said = refused(story, monkeypatch, capsys, "restore", OLD, "--reason", "x")
    assert said.startswith(f"{folder / 'features.json'} is not what was archived: sha256 is no file, put away was ")


def test_control_characters_of_a_reason_are_written_out_before_they_are_kept(begin_story):
    story = begin_story("promoted")
    text(story, "hold", "--reason", "\x1b[2Jall is well\u202e", "--until", "2026-01-19")
    assert story.events[-1].reason == "\\x1b[2Jall is well\\u202e"
    assert "\x1b" not in text(story, "history")


def test_a_day_that_has_not_run_is_looked_at_without_harm(begin_story):
    story = begin_story("watched")
    story.goes_on(story.day + timedelta(days=1))
    found = rollout_status(story)
    assert found["action"] == "hold"
    assert found["reason"].startswith("lift_comparison of 2026-02-03 was not evaluated")


def test_look_names_its_successor(begin_story):
    result = v4(begin_story("adopted"), "look", "--json")
    assert result.exit_code == 2
    assert "`v4 status`" in result.output
