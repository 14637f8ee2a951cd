"""What a target runs: read from what make would do, without doing it."""

import re
import shutil
import subprocess

import pytest

from v4_assets.project_files import PROJECT


def would_run(*words: str) -> list[str]:
    """The lines that make would give to the shell, those of setting up the environments aside."""
    make = shutil.which("make") or "make"
    # Old files are taken for new, so that no environment is set up; -n alone still runs a recipe that names $(MAKE).
    old = [f"--old-file={one}" for one in (".venv/.ready", ".venv/.ready-dev", ".venv-emulator/bin/installed")]
    done = subprocess.run(
        [make, "-n", *old, *words],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    return done.stdout.splitlines()


def runs_of_pytest(*words: str) -> list[str]:
    """The marker expression of every run of pytest, in their order."""
    return [found[1] for line in would_run(*words) if (found := re.search(r"-m pytest .* -m (.+)$", line))]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["test"], ['"not extended"']),
        (["test-all"], ['"not extended"', "extended"]),
        (["test", "test-all"], ['"not extended"', "extended"]),
        (["check"], ['"not extended"']),
        (["lint"], []),
        (["demo"], []),
    ],
    ids=" ".join,
)
def test_every_test_runs_once(words, wanted):
    assert runs_of_pytest(*words) == wanted


def test_the_stories_of_the_demo_are_chosen_by_a_variable():
    assert would_run("demo") == [".venv/bin/v4 demo "]
    assert would_run("demo", "STORIES=--all") == [".venv/bin/v4 demo --all"]


def test_the_kills_of_chaos_their_seed_and_a_single_difference_are_chosen_by_variables():
    program = ".venv/bin/python -m v4_assets_tests.chaos --kills"
    assert [" ".join(line.split()) for line in would_run("chaos")] == [f"{program} 100"]
    given = would_run("chaos", "KILLS=5", "SEED=7", "ONLY=run: after 12 *")
    assert [" ".join(line.split()) for line in given] == [f'{program} 5 --seed 7 --only "run: after 12 *"']


def test_ci_runs_the_demo_in_the_clone_s_own_home_before_every_test():
    lines = (PROJECT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    made = [line.partition(" #")[0] for line in lines if line.startswith("make ")]
    assert made == ["make -j2 --output-sync=target demo verify-models lint STORIES=--all", "make test test-all"]
    assert not [line for line in lines if "V4_HOME" in line]
    assert "export CI=true" in "\n".join(lines)
