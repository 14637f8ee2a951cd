"""A booster's file is first used in a process of its own: what ends or hangs that process is refused in a sentence."""

import shutil
from pathlib import Path

import pytest

from v4_assets.errors import ModelContractError
from v4_assets.models import booster_file
from v4_assets.models.booster_file import inspect
from v4_assets.project_files import PROJECT
from v4_assets_tests.fixtures import sparing

SHIPPED = PROJECT / "models" / "v4.1.0" / "model.json"
KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize(
    ("trial", "said"),
    [
        (KILLED, "XGBoost crashed with signal 9. Write it again with Booster.save_model('model.json')."),
        ("import time; time.sleep(600)", "XGBoost did not score 64 rows within 0.2 s. Export the model again."),
        ("raise SystemExit('XGBoost cannot load it: no')", "XGBoost cannot load it: no. Write it again"),
    ],
    ids=["killed by a signal", "hangs", "refuses it"],
)
def test_a_sound_json_booster_that_ends_the_process_that_tries_it_is_refused(monkeypatch, trial, said):
    monkeypatch.setattr(booster_file, "_tried", sparing.TRY)  # other tests of this process try each file once
    monkeypatch.setattr(booster_file, "TRIAL", trial)
    monkeypatch.setattr(booster_file, "SECONDS", 0.2 if "sleep" in trial else 60)
    with pytest.raises(ModelContractError) as refused:
        inspect(SHIPPED)
    assert str(refused.value).startswith(f"{SHIPPED}: {said}")


def test_every_json_booster_is_scored_with_before_it_is_trusted(monkeypatch, tmp_path: Path):
    copy, tried = tmp_path / "model.json", []
    shutil.copy(SHIPPED, copy)
    monkeypatch.setattr(booster_file, "_tried", lambda *what: tried.append(what))
    assert inspect(copy).rounds > 100
    [(path, _, how)] = tried
    assert (path, how) == (copy, "use")
