"""A registered bundle never changes: it is entered whole, and its files are verified at every load."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from v4_assets.errors import ModelContractError, ModelError, ModelIntegrityError
from v4_assets.models.bundle import BUNDLE_FILES
from v4_assets.models.contract import read_contract
from v4_assets.models.registry import ModelRegistry, write_catalogue
from v4_assets.models.training import as_json, plain_feature
from v4_assets_tests.fixtures import sparing
from v4_assets_tests.fixtures.small_bundles import FEATURES

sparing.spared()

VERSION = "v9.0.0"


@pytest.fixture
def models(tmp_path) -> ModelRegistry:
    return ModelRegistry(shipped=str(tmp_path / "shipped"), registered=str(tmp_path / "registered"))


def test_a_bundle_is_written_whole_and_loads(models, files):
    entry = models.add(VERSION, files, {"kind": "test"}, replace=False)
    assert {path.name: path.read_bytes() for path in entry.path.iterdir()} == files
    assert tuple(sorted(entry.files)) == tuple(sorted(BUNDLE_FILES))
    assert models.entry(VERSION) == entry
    assert models.load(VERSION).sha256 == entry.files["model.json"]


def test_the_catalogue_goes_where_its_folder_goes(models, files, tmp_path):
    models.add(VERSION, files, {}, replace=False)
    Path(models.registered).rename(tmp_path / "moved")
    moved = ModelRegistry(shipped=models.shipped, registered=str(tmp_path / "moved"))
    assert moved.load(VERSION).path.parent == tmp_path / "moved"


def test_replacing_a_trained_version_takes_the_old_folder_away(models, files, other_files):
    old = models.add(VERSION, files, {}, replace=True)
    new = models.add(VERSION, other_files, {}, replace=True)
    assert models.load(VERSION).sha256 == new.files["model.json"] != old.files["model.json"]
    assert not old.path.exists()
    assert [path for path in Path(models.registered).iterdir() if path.is_dir()] == [new.path]


def test_a_version_added_leaves_the_others_as_they_were(models, files, other_files):
    first = models.add("v9.0.0", files, {"kind": "first"}, replace=False)
    models.add("v9.1.0", other_files, {"kind": "second"}, replace=False)
    assert models.entry("v9.0.0") == first
    assert sorted(models.entries()) == ["v9.0.0", "v9.1.0"]


def test_a_registered_version_hides_the_shipped_one_of_its_name_and_no_other(models, files, other_files):
    shipped = ModelRegistry(shipped=models.shipped, registered=models.shipped)
    for version in ("v9.0.0", "v9.1.0"):
        shipped.add(version, files, {}, replace=False)
    assert models.load("v9.0.0").path.parent == Path(models.shipped)
    catalogue = (Path(models.shipped) / "registry.json").read_bytes()
    registered = models.add("v9.0.0", other_files, {}, replace=False)
    assert models.load("v9.0.0").sha256 == registered.files["model.json"]
    assert models.load("v9.1.0").path.parent == Path(models.shipped)
    assert (Path(models.shipped) / "registry.json").read_bytes() == catalogue


def test_an_unregistered_version_is_named_beside_the_registered_ones(models, files):
    models.add(VERSION, files, {}, replace=False)
    with pytest.raises(
        ModelError, match=r"There is no model v1\.2\.3; the registry has \['v9\.0\.0'\]\. Correct the name"
    ):
        models.load("v1.2.3")


@pytest.mark.parametrize("content", ["{", "[]", '{"models": {"v9.0.0": {}}}'], ids=["cut off", "list", "no path"])
def test_a_damaged_catalogue_is_refused_by_name(models, content):
    Path(models.registered).mkdir()
    (Path(models.registered) / "registry.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelIntegrityError, match=r"registry\.json is not a model catalogue"):
        models.entries()


@pytest.mark.parametrize("name", BUNDLE_FILES)
def test_a_file_changed_after_a_load_is_seen_at_the_next(models, files, name):
    path = models.add(VERSION, files, {}, replace=False).path / name
    models.load(VERSION)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ModelIntegrityError, match=name):
        models.load(VERSION)


def mismatched(files: dict[str, bytes]) -> dict[str, bytes]:
    """A bundle whose feature list is not the booster's."""
    fewer = [plain_feature(feature) for feature in FEATURES[:-1]]
    return {**files, "features.json": as_json({"features": fewer})}


def test_a_bundle_that_does_not_load_is_not_entered(models, files):
    models.add("v9.0.0", files, {}, replace=False)
    catalogue = (Path(models.registered) / "registry.json").read_bytes()
    with pytest.raises(ModelContractError, match="the booster takes 4 features, the feature list has 3"):
        models.add("v9.1.0", mismatched(files), {}, replace=False)
    assert (Path(models.registered) / "registry.json").read_bytes() == catalogue
    assert sorted(models.entries()) == ["v9.0.0"]


def test_a_bundle_that_does_not_load_leaves_the_one_it_would_replace(models, files):
    old = models.add(VERSION, files, {}, replace=True)
    with pytest.raises(ModelContractError):
        models.add(VERSION, mismatched(files), {}, replace=True)
    assert models.entry(VERSION) == old
    assert models.load(VERSION).sha256 == old.files["model.json"]


def test_a_bundle_that_does_not_load_leaves_no_folder(models, files):
    with pytest.raises(ModelContractError):
        models.add(VERSION, mismatched(files), {}, replace=False)
    assert [path for path in Path(models.registered).iterdir() if path.is_dir()] == []


def test_a_crash_before_the_bundle_was_verified_leaves_the_catalogue_as_it_was(models, files, monkeypatch):
    models.add("v9.0.0", files, {}, replace=False)
    catalogue = (Path(models.registered) / "registry.json").read_bytes()

    def crash(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("v4_assets.models.bundle.load_bundle", crash)
        with pytest.raises(MemoryError):
            models.add("v9.1.0", files, {}, replace=False)
    assert (Path(models.registered) / "registry.json").read_bytes() == catalogue
    assert models.load("v9.0.0").version == "v9.0.0"
    assert models.add("v9.1.0", files, {}, replace=False).version == "v9.1.0"


def test_a_crash_while_the_catalogue_is_written_leaves_the_old_one(models, files, other_files, monkeypatch):
    old = models.add(VERSION, files, {}, replace=True)

    def crash(*_: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", crash)
        with pytest.raises(OSError, match="No space left"):
            models.add(VERSION, other_files, {}, replace=True)
    assert models.load(VERSION).sha256 == old.files["model.json"]


def relist(models, version: str, *, state_bundle: bool) -> None:
    """Change the missing value of a feature list, and the catalogue with it: `state_bundle` its bundle hash, too."""
    path = models.entry(version).path / "features.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["features"][1] |= {"nulls": "missing", "missing": 7}
    path.write_text(json.dumps(content), encoding="utf-8")
    catalogue = Path(models.registered) / "registry.json"
    listed = json.loads(catalogue.read_text(encoding="utf-8"))
    entry = listed["models"][version]
    entry["files"]["features.json"] = sha256(path.read_bytes()).hexdigest()
    if state_bundle:
        entry["bundle_sha256"] = read_contract(path).sha256(entry["files"]["model.json"])
    catalogue.write_text(json.dumps(listed), encoding="utf-8")


def test_a_changed_list_with_its_hash_in_the_catalogue_is_another_bundle(models, files, other_files):
    before = models.add(VERSION, files, {}, replace=False)
    relist(models, VERSION, state_bundle=False)
    with pytest.raises(ModelIntegrityError, match=rf"the registry says {str(before.bundle_sha256)[:12]}\. Restore"):
        models.load(VERSION)
    models.add("v9.1.0", other_files, {}, replace=False)
    assert models.entry(VERSION).bundle_sha256 == before.bundle_sha256
    relist(models, VERSION, state_bundle=True)
    assert models.load(VERSION).bundle_sha256 == models.entry(VERSION).bundle_sha256 != before.bundle_sha256


def test_a_catalogue_of_release_0_1_states_no_bundle_and_gets_it_with_the_next_model(models, files, other_files):
    stated = models.add(VERSION, files, {}, replace=False).bundle_sha256
    catalogue = Path(models.registered) / "registry.json"
    listed = json.loads(catalogue.read_text(encoding="utf-8"))
    del listed["models"][VERSION]["bundle_sha256"]
    catalogue.write_text(json.dumps(listed), encoding="utf-8")
    assert (models.entry(VERSION).bundle_sha256, models.load(VERSION).bundle_sha256) == (None, stated)
    models.add("v9.1.0", other_files, {}, replace=False)
    assert models.entry(VERSION).bundle_sha256 == stated


def test_a_damaged_bundle_does_not_keep_another_from_being_registered(models, files, other_files):
    damaged = models.add("v9.0.0", files, {}, replace=False)
    (damaged.path / "features.json").unlink()
    models.add("v9.1.0", other_files, {}, replace=False)
    assert models.load("v9.1.0").version == "v9.1.0"


def test_the_catalogue_lists_versions_in_order_with_their_hashes(models, files, other_files):
    for version, content in (("v9.1.0", other_files), ("v9.0.0", files)):
        models.add(version, content, {"kind": version}, replace=False)
    write_catalogue(Path(models.registered), models.entries())
    written = json.loads((Path(models.registered) / "registry.json").read_text(encoding="utf-8"))["models"]
    assert list(written) == ["v9.0.0", "v9.1.0"]
    for version, entry in models.entries().items():
        assert written[version]["files"] == dict(sorted(entry.files.items()))
        assert written[version]["path"] == entry.path.name
        assert written[version]["provenance"] == {"kind": version}
