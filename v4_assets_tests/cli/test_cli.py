"""The command `v4` says what happens in a sentence, never in a traceback, and its exit code tells scripts."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from v4_assets.cli.main import cli, main
from v4_assets.config.environment import load
from v4_assets.operations import local_runs
from v4_assets.operations.local_runs import FailedCheck, Outcome
from v4_assets.warehouse import schema
from v4_assets_tests.fixtures.small_bundles import leads, trained_files, write

NOW = "2026-01-12T06:30"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """V4_HOME of an environment of its own, with small shipped models, on January 12th, 2026."""
    monkeypatch.setenv("V4_HOME", str(tmp_path / "home"))
    (tmp_path / "shipped").mkdir()
    monkeypatch.setenv("V4_MODELS", str(tmp_path / "shipped"))
    monkeypatch.setenv("V4_NOW", NOW)
    return tmp_path / "home"


@pytest.fixture
def shipped(home) -> dict[str, str]:
    """A model shipped under the baseline's name; returns its files' sha256."""
    folder = home.parent / "shipped"
    files = write(folder / "v4.0.0", trained_files("v4.0.0"))
    entry = {"path": "v4.0.0", "files": files, "provenance": {}}
    (folder / "registry.json").write_text(json.dumps({"models": {"v4.0.0": entry}}), encoding="utf-8")
    return files


@pytest.fixture
def v4(monkeypatch, capsys):
    """Runs the command as a shell would; returns exit code, output and error output."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["v4", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        printed = capsys.readouterr()
        return int(caught.value.code or 0), printed.out, printed.err

    return run


def printed(code: int, out: str, err: str) -> str:
    """The one sentence a refusal consists of."""
    assert code == 2
    assert out == ""
    assert err.startswith("v4: ")
    assert "Traceback" not in err
    assert err.count("\n") == 1
    return err.removeprefix("v4: ").rstrip("\n")


# --- help


def test_help_lists_every_command_with_what_it_does():
    result = CliRunner().invoke(cli, ["--help"], prog_name="v4")
    assert result.exit_code == 0
    assert result.output.startswith("Usage: v4 [OPTIONS] COMMAND [ARGS]...")
    for command in (one for one in cli.commands.values() if not one.hidden):
        assert f"  {command.name} " in result.output
        assert command.help


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(cli, [command, "-h"], prog_name="v4")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: v4 {command} ")


def test_an_unknown_command_is_a_mistake_in_use(v4):
    code, _, err = v4("promot")
    assert code == 2
    assert "No such command 'promot'" in err


# --- status


def test_the_status_before_init_says_that_nothing_is_live(home, shipped, v4):
    home.mkdir()
    code, out, err = v4("status")
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "Today      2026-01-12 in New York (the clock is fixed)",
        f"Warehouse  {home / 'warehouse.duckdb'}",
        "Live       nothing yet; `v4 init` adopts the baseline",
        "Scores     v4.0.0: nothing scored in 14 days",
        "Scores     v4.1.0: nothing scored in 14 days",
        f"Model      v4.0.0: {shipped['model.json'][:12]}  {home.parent / 'shipped' / 'v4.0.0'}",
        "To do      Nothing is live.",
        "           → `v4 init`",
    ]


def test_the_status_before_init_for_scripts(home, shipped, v4):
    home.mkdir()
    code, out, _ = v4("status", "--json")
    assert code == 1
    assert json.loads(out) == {
        "today": "2026-01-12",
        "clock_fixed": True,
        "warehouse": str(home / "warehouse.duckdb"),
        "live": None,
        "since": None,
        "days_shown": 14,
        "days": {"v4.0.0": [], "v4.1.0": []},
        "models": {"v4.0.0": {"path": str(home.parent / "shipped" / "v4.0.0"), "sha256": shipped["model.json"]}},
        "unfinished": None,
        "hold": None,
        "scored": {},
        "rollout": None,
        "salesforce": None,
        "runs": [],
        "to_do": [{"what": "Nothing is live.", "do": "`v4 init`"}],
    }


def test_looking_at_the_status_makes_nothing(home, v4):
    code, _, err = v4("status")
    assert (code, f"V4_HOME is {home}, which does not exist." in err) == (2, True)
    assert not home.exists()
    home.mkdir()
    assert v4("status")[0] == 1
    assert list(home.iterdir()) == []


def test_init_adopts_the_baseline_once_and_the_status_shows_it(home, shipped, v4):
    assert v4("init") == (0, "v4.0.0 is live.\n", "")
    first = json.loads(v4("status", "--json")[1])
    again = json.loads(v4("init", "--json")[1])
    adopted = {"live": "v4.0.0", "event_id": first["live"]["event_id"]}
    assert again == adopted | {"schema": schema.NEEDED, "upgraded_from": None}
    assert first["live"]["model_sha256"] == shipped["model.json"]
    assert first["since"]["event"] == "adopted"
    assert datetime.fromisoformat(first["since"]["happened_at"]) == datetime(2026, 1, 12, 11, 30, tzinfo=UTC)
    line = v4("status")[1].splitlines()[2]
    assert line.startswith("Live       v4.0.0 since 2026-01-12 11:30 UTC: v4.0.0 is the baseline of rollout.yaml")


def test_init_without_the_baseline_s_model_is_refused(home, v4):
    message = printed(*v4("init"))
    assert message.startswith("There is no model v4.0.0; the registry has []. Correct the name, or register the model:")


# --- refusals


def test_a_day_that_has_not_begun_is_not_run(home, v4):
    message = printed(*v4("run", "--date", "2026-01-13"))
    assert "2026-01-13 has not begun in New York, where it is 2026-01-12. Give today or a day before." in message
    assert not home.exists()


def test_a_day_before_the_first_is_not_run(home, v4):
    first_day = load().rollout.first_day
    assert str(first_day) == "2025-10-01"
    message = printed(*v4("run", "--date", "2025-09-30"))
    assert message == "2025-09-30 lies before first_day 2025-10-01 of rollout.yaml. Move first_day, or start later."
    assert not home.exists()


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-01-11", "2026-01-10", "The range from 2026-01-11 to 2026-01-10 is empty. Give the earlier day first."),
        (
            "2026-01-11",
            "2026-01-13",
            "2026-01-13 has not begun in New York, where it is 2026-01-12. Give today or a day before.",
        ),
        ("2025-09-30", "2025-10-02", "2025-09-30 lies before first_day 2025-10-01 of rollout.yaml."),
    ],
    ids=["backwards", "into the future", "before the first day"],
)
def test_an_impossible_range_is_not_filled(home, v4, first, last, said):
    assert said in printed(*v4("backfill", "--from", first, "--to", last))


def test_a_backfill_before_init_gets_as_far_as_the_tables_and_says_what_creates_them(home, v4):
    # From the first day to today: both borders are allowed.
    message = printed(*v4("backfill", "--from", "2025-10-01", "--to", "2026-01-12"))
    assert message.startswith("deployments ")
    assert "a table that does not exist" in message
    assert "`v4 init` creates" in message


@pytest.mark.parametrize("day", ["2026-13-01", "monday", "12.01.2026"])
def test_what_is_no_date_is_a_mistake_in_use(home, v4, day):
    code, _, err = v4("run", "--date", day)
    assert code == 2
    assert f"{day!r} is not a date. Write it like 2026-01-05, or today or yesterday." in err


def test_an_unknown_model_is_refused_beside_those_there_are(home, shipped, v4):
    message = printed(*v4("score", "--model", "v9.9.9", "--input", "rows.csv", "--output", "scores.csv"))
    assert message.startswith("There is no model v9.9.9; the registry has ['v4.0.0'].")


def test_a_changed_model_is_refused(home, shipped, v4):
    path = home.parent / "shipped" / "v4.0.0" / "model.json"
    path.write_bytes(path.read_bytes() + b" ")
    message = printed(*v4("score", "--model", "v4.0.0", "--input", "rows.csv", "--output", "scores.csv"))
    assert f"{path} is not the approved v4.0.0 model" in message
    assert f"the registry says {shipped['model.json'][:12]}" in message


def test_a_mistake_in_rollout_yaml_is_reported_without_a_traceback(home, v4, monkeypatch, tmp_path):
    rollout = tmp_path / "rollout.yaml"
    rollout.write_text("baseline: v4.0.0\n", encoding="utf-8")
    monkeypatch.setenv("V4_ROLLOUT", str(rollout))
    message = printed(*v4("status"))
    assert message.startswith(f"{rollout} cannot be used. first_day is missing: set it. candidate is missing: set it.")


def test_a_mistake_in_the_environment_is_reported_without_a_traceback_from_a_fresh_start(home, monkeypatch):
    monkeypatch.setenv("V4_WAREHOUSE", "snowflake")
    command = [sys.executable, "-c", "from v4_assets.cli.main import main; main()", "status"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in done.stderr
    assert (done.returncode, done.stdout) == (2, "")
    assert "'duckdb' or 'bigquery'" in done.stderr


def test_a_version_registered_without_a_booster_file_is_a_mistake_in_use(home, v4):
    code, _, err = v4("register", "v9.0.0", "--model", "absent.json", "--features", "absent.json")
    assert code == 2
    assert "'absent.json' does not exist" in err


# --- scores of a file


def test_a_file_is_scored_and_the_model_named(home, shipped, v4, tmp_path):
    source, target = tmp_path / "rows.csv", tmp_path / "scores.csv"
    header = "lead_id,tenure_bucket,net_change,experience_years,has_email"
    source.write_text(f"{header}\n00Q1,0-12,3,2.5,1\n00Q2,Unknown,-20,30,0\n", encoding="utf-8")
    code, out, _ = v4("score", "--model", "v4.0.0", "--input", str(source), "--output", str(target))
    assert code == 0
    assert out == f"2 rows scored by v4.0.0 ({shipped['model.json'][:12]}) into {target}\n"
    assert len(target.read_text(encoding="utf-8").splitlines()) == 3
    assert leads(10).column_names[3:] == header.split(",")[1:]


# --- how a run is told

WARNED = Outcome("run-1", True, 61, (FailedCheck("features_v41", "feature_drift", "WARN", "not ok: found 0.3"),), ())
FAILED = Outcome("run-2", False, 3, (), ("scored_leads: the table is not there",))


def run_day(outcome: Outcome):
    return lambda settings, day, replace_live=None: outcome


def test_a_run_that_warns_succeeds_and_says_what_it_warns_of(home, monkeypatch):
    monkeypatch.setattr(local_runs, "run_day", run_day(WARNED))
    result = CliRunner().invoke(cli, ["run", "--date", "today"])
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "2026-01-12: done, 61 checks passed (run run-1)",
        "  WARN  features_v41.feature_drift: not ok: found 0.3",
    ]


def test_a_run_that_fails_has_exit_code_1_and_says_why(home, monkeypatch):
    monkeypatch.setattr(local_runs, "run_day", run_day(FAILED))
    result = CliRunner().invoke(cli, ["run", "--date", "2026-01-12"])
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "2026-01-12: FAILED, 3 checks passed (run run-2)",
        "  scored_leads: the table is not there",
    ]


def test_a_run_for_scripts_is_json(home, monkeypatch):
    monkeypatch.setattr(local_runs, "run_day", run_day(FAILED))
    result = CliRunner().invoke(cli, ["run", "--date", "2026-01-12", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.output) == {
        "run_id": "run-2",
        "success": False,
        "checks_passed": 3,
        "checks_failed": [],
        "errors": ["scored_leads: the table is not there"],
        "waits": None,
    }


def test_a_failed_check_for_scripts_is_json_too(home, monkeypatch):
    monkeypatch.setattr(local_runs, "run_day", run_day(WARNED))
    result = CliRunner().invoke(cli, ["run", "--date", "2026-01-12", "--json"])
    assert json.loads(result.output)["checks_failed"] == [
        {
            "asset": "features_v41",
            "check": "feature_drift",
            "severity": "WARN",
            "description": "not ok: found 0.3",
        }
    ]


def test_the_reason_for_giving_up_evidence_is_passed_on(home, monkeypatch):
    heard: dict[str, Any] = {}

    def listen(settings, day, replace_live=None):
        heard.update(day=str(day), reason=replace_live)
        return WARNED

    monkeypatch.setattr(local_runs, "run_day", listen)
    assert CliRunner().invoke(cli, ["run", "--date", "2026-01-12", "--replace-live", "late CRM copy"]).exit_code == 0
    assert heard == {"day": "2026-01-12", "reason": "late CRM copy"}
