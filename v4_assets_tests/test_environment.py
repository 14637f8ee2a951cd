"""Tests see nothing of the shell's variables, of a demo's home, or of each other."""

import os
import subprocess
import sys

import pytest

from v4_assets.config import environment
from v4_assets.config.environment import load
from v4_assets.project_files import PROJECT
from v4_assets_tests.fixtures.environment import ALSO_READ, fresh_environment, variables

ASKED = "from v4_assets.config.environment import load; s = load(); print(s.home, s.now, s.salesforce, s.step_summary)"
OF_A_SHELL = {
    "V4_HOME": "/somebody's",
    "V4_NOW": "2031-05-05T06:30",
    "V4_ROLLOUT": "/absent.yaml",
    "V4_SALESFORCE": "salesforce",
    "V4_TOMORROW_S_SETTING": "on",
    **dict.fromkeys(ALSO_READ, "/somewhere"),
}


def child() -> str:
    """What a child process of a test reads from its environment."""
    return subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True).stdout.strip()


def test_the_default_home_is_the_test_s_own_and_empty(own_home):
    assert variables() == {"V4_HOME": str(own_home)}
    assert load({}).home == load().home == own_home
    assert list(own_home.iterdir()) == []
    assert not own_home.is_relative_to(PROJECT)


def test_a_child_process_has_the_test_s_home_and_the_real_clock(own_home):
    assert child() == f"{own_home} None dry-run None"


def test_what_a_demo_or_a_shell_left_is_not_seen(own_home, monkeypatch):
    for name, value in OF_A_SHELL.items():
        monkeypatch.setenv(name, value)
    (own_home / environment.DEMO_CLOCK).write_text("2026-01-12T06:30")
    (own_home / environment.STAND_IN_ORG).mkdir()
    assert (load({}).now, load({}).salesforce) == ("2026-01-12T06:30", "local")
    with fresh_environment() as home:
        assert (load({}).home, load({}).now, load({}).salesforce) == (home, None, "dry-run")
        assert load().now is None
        assert child() == f"{home} None dry-run None"
    assert {name: os.environ[name] for name in OF_A_SHELL} == OF_A_SHELL
    assert load({}).home == own_home


@pytest.mark.parametrize("name", [*OF_A_SHELL, "V4_SOMETHING"])
def test_a_variable_left_behind_is_noticed_and_removed(name):
    before = variables()
    with pytest.raises(AssertionError, match=rf"{name}.*Use monkeypatch\.setenv"), fresh_environment():
        os.environ[name] = "left"
    assert variables() == before


def test_another_default_home_left_behind_is_noticed(own_home, tmp_path):
    with pytest.raises(AssertionError, match=r"Use monkeypatch\.setattr"), fresh_environment():
        environment.DEFAULT_HOME = tmp_path
    assert own_home == environment.DEFAULT_HOME


def test_the_clone_s_default_home_is_dot_v4():
    asked = "from v4_assets.config.environment import load; print(load({}).home)"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(PROJECT / ".v4")
