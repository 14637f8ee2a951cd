"""A mistake of the user's is one sentence with exit code 2; every printed command exists; help fits its line."""

import errno
import re
import sys
from collections.abc import Iterator

import click
import duckdb
import pytest
from click.testing import CliRunner

from v4_assets.cli import main as entry
from v4_assets.cli.main import cli, main
from v4_assets.cli.output import GivenText
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
        pytest.param("dev --port x", "Invalid value for '--port': 'x' is not a valid whole number.", id="number"),
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


@pytest.mark.parametrize("target", ["bad name", "a.b.c", "x;y", "1st", "firm crm.sales", "ml-features"])
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
    assert "datasets.features is 'ml features', expected a dataset's name of letters, digits and _," in refused(
        "status"
    )


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


# --- what a variable that is not set makes of an option, and files that say nothing


@pytest.mark.parametrize(
    "command",
    [
        "prospects list --output",
        "migration --output",
        "sql render --output",
        "references --path",
        "references --scheduled-queries",
        "score --model v4.1.0 --output x.csv --input",
        "score --model v4.1.0 --input x.csv --output",
        "register v4.2.0 --model",
        "replay --policy",
    ],
)
@pytest.mark.parametrize("path", ["", " "])
def test_an_empty_path_is_refused_and_means_no_folder(refused, tmp_path, monkeypatch, command, path):
    monkeypatch.chdir(tmp_path)
    assert "The path is empty. Is a variable that it is made of not set?" in refused(*command.split(), path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["prospects list --output", "migration --output"])
@pytest.mark.parametrize(("path", "said"), [("no/x.csv", "There is no folder no."), (".", "is a directory")])
def test_a_new_file_needs_a_folder_and_a_name(refused, tmp_path, monkeypatch, command, path, said):
    monkeypatch.chdir(tmp_path)
    assert said in refused(*command.split(), path)
    assert not list(tmp_path.iterdir())


def texts(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Parameter]]:
    """The parameters of all commands that take any text, with their commands; reasons have a check of their own."""
    for name, one in group.commands.items():
        if isinstance(one, click.Group):
            yield from texts(one, (*path, name))
        elif not one.hidden:
            found = [each for each in one.params if each.type is click.STRING or isinstance(each.type, GivenText)]
            yield from (((*path, name), each) for each in found if each.callback is None)


TEXTS = [(path, found) for path, found in texts(cli)]


def test_no_option_takes_a_text_that_is_not_looked_at():
    assert len(TEXTS) > 15
    assert [(path, found.name) for path, found in TEXTS if not isinstance(found.type, GivenText)] == []


@pytest.mark.parametrize(
    ("path", "parameter"), TEXTS, ids=[f"{' '.join(path)} {parameter.opts[-1]}" for path, parameter in TEXTS]
)
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_text_is_refused_and_means_no_default(refused, path, parameter, value):
    given = (value,) if isinstance(parameter, click.Argument) else (parameter.opts[0], value)
    message = refused(*path, *given)
    assert "The value is empty. Is a variable that it is made of not set?" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("command", ["prospects run --replace-live", "prospects list --again", "run --replace-live"])
@pytest.mark.parametrize("reason", ["", " "])
def test_a_blank_reason_to_replace_is_refused(refused, command, reason):
    day = ["--date", "2026-01-12"] if command.startswith("run") else []
    assert "The reason is empty." in refused(*command.split(), reason, *day)


@pytest.mark.parametrize("day", ["0001-01-01", "1999-12-31", "2100-01-01", "9999-12-31"])
@pytest.mark.parametrize("command", ["run --date", "live --on", "hold --reason why --until", "lift --date"])
def test_a_day_outside_two_centuries_is_a_typing_error(refused, tmp_path, command, day):
    (tmp_path / "home").mkdir()
    assert "is not in the years 2000 to 2099" in refused(*command.split(), day)


def test_the_lift_of_a_day_before_the_rollout_is_refused(refused, tmp_path):
    (tmp_path / "home").mkdir()
    said = "2025-09-30 lies before first_day 2025-10-01 of rollout.yaml. Choose a later day."
    assert said in refused("lift", "--date", "2025-09-30")


@pytest.mark.parametrize(
    "command",
    [
        "run --date",
        "backfill --from 2026-01-05 --to",
        "backfill --to 2026-01-05 --from",
        "lift --date",
        "replay --to",
        "replay --from",
        "sync preview --date",
        "migration --date",
        "ci --target builds --date",
        "register v4.2.0 --test-period 2025-08-01",
    ],
)
@pytest.mark.parametrize("day", ["2026-01-13", "2027-03-01"])
def test_a_day_to_come_is_refused_wherever_a_past_one_is_meant(refused, command, day):
    said = f"{day} has not begun in New York, where it is 2026-01-12. Give today or a day before."
    assert said in refused(*command.split(), day)


@pytest.mark.parametrize("instant", ["2026-01-13", "2026-01-12T06:31", "2026-01-12T11:31Z"])
def test_what_is_live_at_an_instant_to_come_is_not_known(refused, tmp_path, instant):
    (tmp_path / "home").mkdir()
    assert "is still to come. Give --on an instant up to now." in refused("live", "--on", instant)


@pytest.mark.parametrize("text", ["", " ", "soon", "2026-01-12T25:00", "tomorrow"])
@pytest.mark.parametrize("command", ["live --on", "hold --reason why --until"])
def test_what_is_no_instant_names_its_option_and_how_to_write_one(refused, command, text):
    said = f"Invalid value for '{command.split()[-1]}': {text!r} is not an instant. Write it like 2026-01-05T06:30"
    assert said in refused(*command.split(), text)


@pytest.mark.parametrize(
    "command",
    [
        "run --date 2026-01-12",
        "backfill --from 2026-01-10 --to 2026-01-12",
        "lift",
        "lift --weeks",
        "replay",
        "replay --from 2026-01-05",
        "prospects run",
        "prospects list",
        "prospects preview",
        "ci --target builds",
    ],
)
def test_a_rollout_that_is_planned_ahead_says_when_it_begins(refused, tmp_path, monkeypatch, command):
    text = (PROJECT / "rollout.yaml").read_text(encoding="utf-8")
    (tmp_path / "rollout.yaml").write_text(text.replace("first_day: 2025-10-01", "first_day: 2026-03-15"), "utf-8")
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("V4_ROLLOUT", str(tmp_path / "rollout.yaml"))
    assert refused(*command.split()) == (
        "v4: The rollout begins on 2026-03-15 (first_day of rollout.yaml), and in New York it is 2026-01-12, so no day "
        "is scored yet. Wait until then, or set an earlier first_day.\n"
    )


@pytest.mark.parametrize("command", ["run --date", "sync preview --version", "sql render --script"])
def test_an_option_without_its_value_names_the_help_of_its_command(refused, command):
    where = command.rpartition(" ")[0]
    assert f"requires an argument. `v4 {where} --help` lists what it takes." in refused(*command.split())


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        (b"first_day: 2025-10-01", b"first_day: 2026-02-30", "'2026-02-30' is no such value: day is out of range"),
        (b"first_day: 2025-10-01", b"2026-02-30: a", "'2026-02-30' is no such value"),
        (b"first_day: 2025-10-01", b"first_day: !!timestamp soon", "'soon' is no such value"),
        (b"first_day: 2025-10-01", b"first_day: !!int many", "'many' is no such value"),
        (b"first_day: 2025-10-01", "first_day: 2025-10-01 # grün".encode("latin-1"), "is not UTF-8 text"),
    ],
)
def test_a_rollout_file_that_cannot_be_read_is_one_sentence(refused, tmp_path, monkeypatch, written, instead, said):
    content = (PROJECT / "rollout.yaml").read_bytes()
    assert written in content
    (tmp_path / "rollout.yaml").write_bytes(content.replace(written, instead))
    monkeypatch.setenv("V4_ROLLOUT", str(tmp_path / "rollout.yaml"))
    message = refused("status")
    assert f"{tmp_path / 'rollout.yaml'} is not" in message
    assert said in message


def test_a_rollout_file_saved_as_utf_16_is_one_sentence(refused, tmp_path, monkeypatch):
    (tmp_path / "rollout.yaml").write_text((PROJECT / "rollout.yaml").read_text(encoding="utf-8"), encoding="utf-16")
    monkeypatch.setenv("V4_ROLLOUT", str(tmp_path / "rollout.yaml"))
    assert "is not UTF-8 text. Save it as UTF-8, or name another file." in refused("status")


@pytest.mark.parametrize("name", ["V4_HOME", "V4_MODELS", "V4_DAGSTER_YAML"])
def test_a_user_s_home_that_does_not_exist_is_named(refused, monkeypatch, name):
    monkeypatch.setenv(name, "~nobody-at-all/x")
    assert f"{name}: ~nobody-at-all/x names no user known here, write the path in full." in refused("status")


@pytest.mark.parametrize("command", ["status", "run --date 2026-01-12", "checklist"])
def test_models_that_are_nowhere_are_named_by_their_variable(refused, tmp_path, monkeypatch, command):
    monkeypatch.setenv("V4_MODELS", str(tmp_path / "nowhere"))
    assert f"V4_MODELS is {tmp_path / 'nowhere'}, which is no folder. Correct it, or unset it." in refused(
        *command.split()
    )


def test_a_home_that_is_a_file_is_not_said_to_be_missing(refused, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("V4_HOME", str(tmp_path / "file"))
    assert "which is a file. Set it to a folder." in refused("status")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty: it says at which instant the demo ended. Remove it for the real time."),
        (b"soon", "'soon' is not an instant."),
        (b"\xff\xfe", "is not an instant."),
        (b"2099-01-01T06:30", "is in the future"),
    ],
)
def test_a_damaged_clock_of_a_demo_is_named_by_its_file(refused, tmp_path, monkeypatch, content, said):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "demo-clock").write_bytes(content)
    monkeypatch.delenv("V4_NOW")
    message = refused("status")
    assert f"v4: {tmp_path / 'home' / 'demo-clock'}" in message
    assert said in message
    assert "V4_NOW" not in message


@pytest.mark.parametrize("memory", ["0MB", "99999999999999999999GB"])
def test_a_memory_limit_that_cannot_be_is_named_and_does_not_blame_the_file(refused, tmp_path, monkeypatch, memory):
    assert CliRunner().invoke(cli, ["init", "--tables-only"]).exit_code == 0
    monkeypatch.setenv("V4_WAREHOUSE_MEMORY", memory)
    message = refused("history")
    assert f"With V4_WAREHOUSE_MEMORY={memory} DuckDB cannot open {tmp_path / 'home' / 'warehouse.duckdb'}" in message
    assert "backup" not in message
