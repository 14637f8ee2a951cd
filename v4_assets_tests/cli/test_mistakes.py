"""A mistake of the user's is one sentence with exit code 2; every printed command exists; help fits its line."""

import errno
import re
import sys

import click
import pytest
from click.testing import CliRunner

from v4_assets.cli import main as entry
from v4_assets.cli.main import cli, main
from v4_assets.project import PROJECT

DOCTOR = PROJECT / "v4_assets" / "operations" / "doctor"
PRINTED = sorted({found for file in DOCTOR.glob("*.py") for found in re.findall(r"`v4 ([^`{]+)`", file.read_text())})


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Runs a command that must be refused; returns what it printed."""
    monkeypatch.setenv("V4_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("V4_NOW", "2026-01-12T06:30")

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["v4", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        printed = capsys.readouterr()
        assert (caught.value.code, printed.out) == (2, "")
        assert "Traceback" not in printed.err
        return printed.err

    return run


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


@pytest.mark.parametrize("day", ["2026-13-01", "2025-02-30", "yesterday", ""])
def test_a_day_that_does_not_exist_is_not_a_date(refused, day):
    assert "is not a date. Write it like 2026-01-05, or today." in refused("run", "--date", day)


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
    command.make_context("v4", arguments)
