"""The end of the champion: asked for, archived with its hashes, taken out of the daily job, and brought back."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from v4_assets import tables
from v4_assets.errors import ModelIntegrityError, PolicyError
from v4_assets.models.bundle import BUNDLE_FILES, file_sha256
from v4_assets.operations import operator_actions
from v4_assets.production.archive import archive, verify
from v4_assets.project_files import PROJECT
from v4_assets.resources import registry, store
from v4_assets.warehouse.writes import fingerprint
from v4_assets_tests.fixtures.stories import CLOSE_BEFORE_LATE, FALLEN, LATE, NEW, OLD, Story, tell
from v4_assets_tests.production.test_references import with_references

pytestmark = pytest.mark.extended

SUNSET = [
    "adopted", "promotion_started", "promotion_completed", "approved", "sunset_started", "sunset_completed",
]  # fmt: skip
Telling = Callable[..., Story]


@pytest.fixture
def begin_story(tmp_path) -> Telling:
    """Begins a story with a copy of a prepared home."""
    return lambda name, **env: tell(name, tmp_path / "home", **env)


@pytest.fixture
def gone(begin_story, tmp_path) -> Story:
    """The champion is archived. The shipped models are a copy, so that they may be damaged."""
    return begin_story("sunset", V4_MODELS=str(shutil.copytree(PROJECT / "models", tmp_path / "models")))


def archived(story: Story) -> Path:
    """The folder of the archived bundle."""
    [folder] = story.settings.places.archive.iterdir()
    return folder


# --- the sunset ----------------------------------------------------------------------------------------------------


def test_a_healthy_successor_asks_for_the_sunset_and_does_nothing_before_a_person_agrees(begin_story):
    story = begin_story("late")
    tick = story.tick()
    assert tick.outcomes == ()
    assert tick.said.startswith("ask: v4.1.0 has been healthy for 57 days and nothing reads v4.0.0.")
    assert "Approval is needed: v4.1.0 has been healthy" in story.alerts()
    assert (story.happened[-1], story.settings.places.archive.exists()) == ("promotion_completed", False)


def test_a_view_that_still_reads_the_old_scores_keeps_the_sunset_back(begin_story):
    story = begin_story("late")
    story.change("CREATE VIEW ml_features.sales_sheet AS SELECT lead_id, score FROM ml_features.v4_daily_scores")
    assert "waits for these readers of v4.0.0's names to be moved: ml_features.sales_sheet." in story.tick().said
    with pytest.raises(PolicyError, match="Nothing waits for an approval"):
        operator_actions.approve(story.settings, story.evidence_sha256)
    story.change("DROP VIEW ml_features.sales_sheet")
    assert story.tick().said.startswith("ask: ")


def test_a_file_named_in_rollout_yaml_keeps_the_sunset_back_and_so_does_one_that_is_gone(begin_story, tmp_path):
    job = tmp_path / "job.py"
    story = begin_story("late", V4_ROLLOUT=str(with_references(tmp_path, paths=["job.py"])))
    job.write_text("x = 1\nMODEL = 'v4/models/v4.0.0'\n", encoding="utf-8")
    assert f"waits for these readers of v4.0.0's names to be moved: {job}:2." in story.tick().said
    job.unlink()
    assert f"waits for a check of what reads v4.0.0's names: There is no {job}: correct" in story.tick().said
    job.write_text("MODEL = 'v4/models/v4.1.0'\n", encoding="utf-8")
    assert story.tick().said.startswith("ask: ")


def test_the_archive_holds_the_very_bundle_with_its_hashes(gone):
    entry = registry(gone.settings).entry(OLD)
    folder = archived(gone)
    assert folder.name == f"v4.0.0-{fingerprint([entry.files[name] for name in BUNDLE_FILES])[:12]}"
    assert {name: file_sha256(folder / name) for name in BUNDLE_FILES} == dict(entry.files)
    sums = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert sums == [f"{entry.files[name]}  {name}" for name in BUNDLE_FILES]


def test_two_bundles_of_one_booster_are_archived_beside_each_other(gone, tmp_path):
    entry = registry(gone.settings).entry(OLD)
    folder = tmp_path / "relisted"
    shutil.copytree(entry.path, folder)
    (folder / "features.json").write_text("{}", encoding="utf-8")
    relisted = replace(entry, path=folder, files={name: file_sha256(folder / name) for name in BUNDLE_FILES})
    assert relisted.files["model.json"] == entry.files["model.json"]
    root = gone.settings.places.archive
    assert archive(root, entry) == archived(gone)
    other = archive(root, relisted)
    assert verify(other) == relisted.files
    assert {folder.name for folder in root.iterdir()} == {other.name, archive(root, entry).name}


def test_after_the_sunset_the_record_and_the_registry_agree(gone):
    assert gone.happened == SUNSET
    assert gone.exported == {OLD: "archived", NEW: "production"}
    assert gone.reports[-1].startswith("2026-03-09-sunset-v4.0.0-")


@pytest.mark.parametrize("content", ["", '{"models": {"v4.0', "[]", "{}"], ids=["empty", "cut off", "list", "object"])
def test_a_damaged_export_of_the_registry_changes_no_run_and_is_written_again(gone, content):
    gone.settings.places.registry.write_text(content, encoding="utf-8")
    assert_the_next_day_runs_without_the_champion(gone)
    assert gone.exported == {OLD: "archived", NEW: "production"}


def test_a_sunset_by_hand_of_what_is_live_is_refused(begin_story):
    with pytest.raises(PolicyError, match=r"v4.0.0 is live; what is live is not archived"):
        operator_actions.order(begin_story("adopted").settings, "sunset", OLD, "tidy up")


def test_a_person_may_archive_the_champion_without_being_asked(begin_story):
    story = begin_story("promoted")
    outcome = operator_actions.order(story.settings, "sunset", OLD, "its data feed ends today")
    assert outcome.success, outcome.errors
    assert (story.happened[-1], story.exported[OLD]) == ("sunset_completed", "archived")
    assert story.events[-2].reason.startswith("its data feed ends today (overrides: The sunset of v4.0.0 waits for ")
    with pytest.raises(PolicyError, match=r"v4.0.0 is archived. Bring it back first: `v4 restore v4.0.0"):
        operator_actions.order(story.settings, "rollback", OLD, "the phones are silent")


def test_a_champion_whose_bundle_is_damaged_is_not_archived_and_the_sunset_stays_open(begin_story, tmp_path):
    models = shutil.copytree(PROJECT / "models", tmp_path / "models")
    story = begin_story("promoted", V4_MODELS=str(models))
    whole = (models / OLD / "metrics.json").read_bytes()
    (models / OLD / "metrics.json").write_text("{}", encoding="utf-8")
    outcome = operator_actions.order(story.settings, "sunset", OLD, "its data feed ends today")
    assert "metrics.json is not what was archived" in outcome.errors[0]
    assert (story.happened[-1], story.exported[OLD]) == ("sunset_started", "retired")
    (models / OLD / "metrics.json").write_bytes(whole)
    assert operator_actions.resume(story.settings).success
    assert (story.happened[-1], story.exported[OLD]) == ("sunset_completed", "archived")


# --- afterwards ----------------------------------------------------------------------------------------------------


def test_without_the_champion_days_run_a_breach_alerts_and_a_restore_lets_it_take_over(gone):
    assert_the_next_day_runs_without_the_champion(gone)
    for day in CLOSE_BEFORE_LATE:
        gone.write(day, FALLEN)
    tick = gone.tick()
    assert (tick.outcomes, gone.live) == ((), NEW)
    assert tick.said.startswith("hold: top_decile_lift failed at 2 consecutive week-closes.")
    assert tick.said.endswith("v4.0.0 is archived: `v4 restore v4.0.0` brings it back.")
    assert "`v4 restore v4.0.0` brings it back" in gone.alerts()
    operator_actions.restore(gone.settings, OLD, "v4.1.0 fell")
    assert gone.exported == {OLD: "retired", NEW: "production"}
    gone.goes_on(LATE + timedelta(days=2))
    assert gone.run().success
    [outcome] = gone.tick().outcomes
    assert outcome.success, outcome.errors
    assert (gone.live, gone.happened) == (OLD, [*SUNSET, "restored", "rollback_started", "rollback_completed"])


def assert_the_next_day_runs_without_the_champion(gone: Story) -> None:
    gone.goes_on(LATE + timedelta(days=1))
    outcome = gone.run()
    assert outcome.success, outcome.errors
    catalogue = gone.settings.rollout.catalogue
    written = {name for name, _ in store(gone.settings).latest_writes(gone.day, gone.day)}
    assert catalogue[tables.scores_key("v41")].name in written
    assert not {catalogue[key("v40")].name for key in (tables.features_key, tables.scores_key)} & written
    assert not [one for one in outcome.checks_failed if "v40" in one.asset]
    assert gone.tick().said.startswith("hold: v4.1.0 is the only version.")


def test_a_restore_brings_back_what_the_registry_has_lost(gone):
    damaged = gone.settings.models / OLD / "model.json"
    damaged.write_text(damaged.read_text(encoding="utf-8").replace("0", "1", 1), encoding="utf-8")
    with pytest.raises(ModelIntegrityError):
        registry(gone.settings).load(OLD)
    operator_actions.restore(gone.settings, OLD, "we need it")
    assert registry(gone.settings).load(OLD).sha256 == file_sha256(archived(gone) / "model.json")
    assert registry(gone.settings).entry(OLD).provenance == {"restored_from": str(archived(gone))}
    assert gone.happened == [*SUNSET, "restored"]


def test_a_restore_leaves_a_bundle_that_is_whole_alone(gone):
    before = registry(gone.settings).entry(OLD)
    operator_actions.restore(gone.settings, OLD, "we need it")
    assert registry(gone.settings).entry(OLD) == before
    assert gone.happened == [*SUNSET, "restored"]


def test_an_archive_that_was_tampered_with_is_refused(gone):
    with (archived(gone) / "model.json").open("a", encoding="utf-8") as file:
        file.write(" ")
    with pytest.raises(ModelIntegrityError, match=r"model\.json is not what was archived"):
        operator_actions.restore(gone.settings, OLD, "we need it")
    assert (gone.happened, gone.exported[OLD]) == (SUNSET, "archived")


def test_an_archive_that_is_gone_is_asked_for(gone):
    shutil.rmtree(gone.settings.places.archive)
    with pytest.raises(ModelIntegrityError, match="bring back the folder that was there"):
        operator_actions.restore(gone.settings, OLD, "we need it")
    assert gone.happened == SUNSET


def test_only_what_is_archived_is_restored(gone):
    with pytest.raises(PolicyError, match=r"v4.1.0 is not archived; archived are: v4.0.0"):
        operator_actions.restore(gone.settings, NEW, "we need it")
