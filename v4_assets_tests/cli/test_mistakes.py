"""A mistake of the user's is one sentence with exit code 2; every printed command exists; help fits its line."""

import errno
import re
import sys

import click
import duckdb
import pytest
from click.testing import CliRunner

from v4_assets.cli import main as entry
from v4_assets.cli.main import cli, main
from v4_assets.config.environment import Settings
from v4_assets.errors import listed
from v4_assets.project_files import PROJECT
from v4_assets.sample import Story

DOCTOR = PROJECT / "v4_assets" / "operations" / "doctor"
PRINTED = sorted({found for file in DOCTOR.glob("*.py") for found in re.findall(r"`v4 ([^`{]+)`", file.read_text())})


@pytest.mark.parametrize(
    "command",
    [
        "odds --leads-per-week -5",
        "odds --leads-per-week nan",
        "odds --leads-per-week 1e9",
        "odds --histories 0",
        "odds --base-rate 1.5",
        "odds --healthy-auc 2",
        "odds --fallen-lift inf",
        "odds --seed -1",
        "sample --scale nan",
        "sample --scale 1e9",
        "sample --scale -1",
        "sample --leads-per-week -1",
        "sample --seed -1",
        "prune --keep-days 3",
        "dev --port 0",
        "dev --port 70000",
    ],
)
def test_a_number_out_of_range_names_its_option(refused, command):
    option = re.search(r"--[a-z-]+", command)
    assert option
    assert f"Invalid value for '{option.group()}'" in refused(*command.split())


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        pytest.param("run", "Missing option '--date'. `v4 run --help` lists what it takes.", id="option-missing"),
        pytest.param("approve", "Missing argument 'EVIDENCE_SHA256'. `v4 approve --help`", id="argument-missing"),
        pytest.param("frobnicate", "No such command 'frobnicate'. `v4 --help`", id="command-unknown"),
        pytest.param("sql frobnicate", "No such command 'frobnicate'. `v4 sql --help`", id="subcommand-unknown"),
        pytest.param("run --dat 2026-01-05", "No such option '--dat'. Did you mean '--date'?", id="typing-error"),
        pytest.param("status now", "Got unexpected extra argument (now). `v4 status --help`", id="argument-too-many"),
        pytest.param("demo --story nothing", "is not one of 'rollout', 'market', 'silent-column'.", id="story"),
        pytest.param("dev --port x", "Invalid value for '--port': 'x' is not a valid integer range.", id="number"),
    ],
)
def test_a_usage_error_is_one_sentence_without_the_help(refused, command, sentence):
    message = refused(*command.split())
    assert message.startswith("v4: ")
    assert sentence in message
    assert (message.count("\n"), "Usage:" in message) == (1, False)


@pytest.mark.parametrize("story", [story.value for story in Story])
def test_every_story_is_asked_for_by_its_own_name(monkeypatch, story):
    played = list[list[Story]]()

    def play(settings: Settings, wanted: list[Story]) -> int:
        played.append(wanted)
        return 0

    monkeypatch.setattr("v4_assets.sample.demo.play", play)
    assert CliRunner().invoke(cli, ["demo", "--story", story]).exit_code == 0
    assert played == [[Story(story)]]


def test_help_and_version_end_with_exit_code_0(monkeypatch, capsys):
    for arguments in (["--version"], ["run", "--help"]):
        monkeypatch.setattr(sys, "argv", ["v4", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        assert not caught.value.code
    assert "Usage: v4 run" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["bad name", "", "a.b.c", "x;y", "1st", "firm crm.sales", "ml-features"])
def test_a_build_is_not_written_to_what_is_no_dataset(refused, target):
    assert f"--target is {target!r}, not the name of a dataset." in refused("ci", "--target", target)


@pytest.mark.parametrize(
    ("day", "sentence"),
    [("2026-01-13", "has not begun in New York"), ("2020-01-01", "lies before first_day 2025-10-01")],
)
def test_a_build_of_a_day_that_cannot_be_scored_is_refused(refused, day, sentence):
    assert sentence in refused("ci", "--target", "builds", "--date", day)


def test_a_dataset_of_rollout_yaml_that_is_no_name_is_refused_by_its_entry(refused, tmp_path, monkeypatch):
    text = (PROJECT / "rollout.yaml").read_text(encoding="utf-8")
    (tmp_path / "rollout.yaml").write_text(text.replace("features: ml_features", "features: ml features"), "utf-8")
    monkeypatch.setenv("V4_ROLLOUT", str(tmp_path / "rollout.yaml"))
    assert "datasets.features: String should match pattern" in refused("status")


@pytest.mark.parametrize("day", ["2026-13-01", "2025-02-30", "tomorrow", ""])
def test_a_day_that_does_not_exist_is_not_a_date(refused, day):
    assert "is not a date. Write it like 2026-01-05, or today or yesterday." in refused("run", "--date", day)


@pytest.mark.parametrize("command", ["promote", "rollback", "sunset", "allow v4.1.0", "restore v4.0.0"])
@pytest.mark.parametrize("reason", ["", "  ", "\t"])
def test_a_blank_reason_is_refused(refused, command, reason):
    assert "The reason is empty." in refused(*command.split(), "--reason", reason)


def test_a_home_that_is_a_file_is_named(refused, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("V4_HOME", str(tmp_path / "file"))
    message = refused("init")
    assert message.startswith("v4: ")
    assert str(tmp_path / "file") in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/data/x"),
            "v4: /data/x: Permission denied. Correct the path or its permissions, then run the command again.\n",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "/data/x"),
            "v4: /data/x: Read-only file system. Correct the path or its permissions, then run the command again.\n",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "v4: The disk of V4_HOME: No space left on device. Free some space, then run the command again.\n",
        ),
    ],
)
def test_a_file_system_that_refuses_is_one_sentence(refused, monkeypatch, error, sentence):
    def refuse() -> None:
        raise error

    monkeypatch.setattr(entry, "load", refuse)
    assert refused("init") == sentence


@pytest.mark.parametrize("error", [OSError("no path"), KeyError("typo"), ValueError("wrong")])
def test_a_programming_error_keeps_its_traceback(monkeypatch, error):
    def refuse() -> None:
        raise error

    monkeypatch.setattr(entry, "load", refuse)
    monkeypatch.setattr(sys, "argv", ["v4", "init"])
    with pytest.raises(type(error)):
        main()


def test_an_error_text_of_several_lines_is_printed_on_one(refused, tmp_path, monkeypatch):
    (tmp_path / "broken.yaml").write_text("a: [1,\nb: {", encoding="utf-8")
    monkeypatch.setenv("V4_ROLLOUT", str(tmp_path / "broken.yaml"))
    message = refused("init")
    assert str(tmp_path / "broken.yaml") in message
    assert message.count("\n") == 1


def groups(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The command lines of all groups."""
    inner = [(name, one) for name, one in group.commands.items() if isinstance(one, click.Group)]
    return [path, *(found for name, one in inner for found in groups(one, (*path, name)))]


@pytest.mark.parametrize("path", groups(cli), ids=" ".join)
def test_every_summary_fits_its_line_of_80_columns(path):
    printed = CliRunner().invoke(cli, [*path, "--help"], prog_name="v4", terminal_width=80).output
    assert "..." not in printed.split("Commands:")[1]
    assert max(map(len, printed.splitlines())) <= 80


def test_the_version_is_the_package_s():
    assert CliRunner().invoke(cli, ["--version"]).output == "v4, version 0.1.0\n"


def test_the_doctor_prints_commands():
    assert {"init", "resume", "dev"} <= set(PRINTED)


@pytest.mark.parametrize("line", PRINTED)
def test_every_command_that_the_doctor_prints_is_one(line):
    command: click.Command | None = cli
    arguments = line.split()
    while isinstance(command, click.Group):
        _, command, arguments = command.resolve_command(click.Context(command), arguments)
    assert command is not None
    # Click keeps the help option it makes first, so it is made as under `v4`.
    command.make_context("v4", arguments, parent=click.Context(cli, **cli.context_settings))


def test_an_error_of_the_engine_that_nothing_explains_is_one_sentence(refused, monkeypatch):
    def refuse() -> None:
        raise duckdb.InternalException("INTERNAL Error: odd\nStack Trace:\n0 duckdb::x")

    monkeypatch.setattr(entry, "load", refuse)
    message = refused("init")
    assert message == (
        "v4: The warehouse failed: INTERNAL Error: odd. Restore the file from a backup, or move it away and make a new "
        "one with `v4 init`.\n"
    )


def test_a_long_list_of_findings_is_cut_and_counted():
    assert listed(["a", "b", "c"]) == "a; b; c"
    assert listed([str(number) for number in range(25)]) == "0; 1; 2; and 22 more"
