"""The model registry: shipped bundles in models/, registered and trained ones under V4_HOME/models.

Each folder has a catalogue, registry.json, that names every version's files and their sha256. A bundle registered here
replaces a shipped one of the same version. Folders and catalogue are written under other names and then renamed.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import filelock

from v4_assets.atomic_files import atomic_write
from v4_assets.errors import ModelContractError, ModelError, ModelIntegrityError

if TYPE_CHECKING:
    from v4_assets.models.bundle import Bundle

CATALOGUE = "registry.json"


@dataclass(frozen=True)
class Entry:
    """One version in the catalogue."""

    version: str
    path: Path
    files: Mapping[str, str]
    """File name to sha256."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from: kind, data, training window, documented reference figures."""
    bundle_sha256: str | None = None
    """Of everything that can change a score; None in a catalogue of release 0.1."""


@dataclass(frozen=True)
class ModelRegistry:
    """Bundles by version, verified on every load."""

    shipped: str
    registered: str

    def entries(self) -> dict[str, Entry]:
        """All versions; a registered one hides the shipped one of the same name."""
        return {**_read(Path(self.shipped)), **_read(Path(self.registered))}

    def has(self, version: str) -> bool:
        """Whether the version is registered or shipped."""
        return version in self.entries()

    def entry(self, version: str) -> Entry:
        """One version. Raises ModelError when it is not registered."""
        entries = self.entries()
        if version not in entries:
            raise ModelError(
                f"There is no model {version}; the registry has {sorted(entries)}. Correct the name, or register the "
                "model: `v4 register --help` shows how."
            )
        return entries[version]

    def load(self, version: str) -> "Bundle":
        """The verified bundle. Raises ModelError, ModelIntegrityError, ModelContractError."""
        entry = self.entry(version)
        return _load(entry.path, version, tuple(sorted(entry.files.items())), entry.bundle_sha256, _stamp(entry.path))

    def add(self, version: str, files: Mapping[str, bytes], provenance: Mapping[str, Any], *, replace: bool) -> Entry:
        """Write a bundle and enter it into the catalogue; nothing half-written is ever visible.

        Raises ModelError when the version is already registered here and `replace` is false.
        """
        root = Path(self.registered)
        root.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(root / ".lock", timeout=60):
            known = _read(root)
            if version in known and not replace:
                raise ModelError(
                    f"{version} is registered already ({known[version].path}). A registered model never changes: "
                    "give the new one a new version."
                )
            # Every write gets a new folder: the old one stays complete until the catalogue points to the new one.
            entry = _written(root, version, files, provenance)
            try:
                write_catalogue(root, {**known, version: entry})
            except BaseException:
                shutil.rmtree(entry.path)
                raise
            if version in known:
                shutil.rmtree(known[version].path)
        return entry

    def correct_figures(self, version: str, metrics: bytes, provenance: Mapping[str, Any]) -> Entry:
        """Replace metrics.json alone; booster, contract and profile stay byte for byte, and so does the bundle's hash.

        The earlier folder stays: the production row may name it. Raises as `load` does.
        """
        from v4_assets.models.bundle import BUNDLE_FILES

        bundle, root = self.load(version), Path(self.registered)
        files = {name: (bundle.path / name).read_bytes() for name in BUNDLE_FILES} | {"metrics.json": metrics}
        root.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(root / ".lock", timeout=60):
            entry = _written(root, version, files, provenance)
            write_catalogue(root, {**_read(root), version: entry})
        return entry


def _written(root: Path, version: str, files: Mapping[str, bytes], provenance: Mapping[str, Any]) -> Entry:
    """A verified bundle in a new folder; the catalogue does not name it yet."""
    from v4_assets.models.bundle import BUNDLE_FILES, file_sha256, load_bundle

    folder = root / f"{version}-{uuid4().hex[:8]}"
    folder.mkdir()
    try:
        for name in BUNDLE_FILES:
            (folder / name).write_bytes(files[name])
        hashes = {name: file_sha256(folder / name) for name in BUNDLE_FILES}
        bundle = load_bundle(folder, version, hashes)
    except BaseException:
        shutil.rmtree(folder)
        raise
    return Entry(version, folder, hashes, provenance, bundle.bundle_sha256)


def write_catalogue(root: Path, entries: Mapping[str, Entry]) -> None:
    """Write registry.json in one move. Paths are kept relative to `root`."""
    content = {
        "models": {
            version: {
                "path": str(entry.path.relative_to(root)),
                "files": dict(sorted(entry.files.items())),
                **_summary(entry),
                **({"bundle_sha256": entry.bundle_sha256} if entry.bundle_sha256 else {}),
                "provenance": dict(entry.provenance),
            }
            for version, entry in sorted(entries.items())
        }
    }
    atomic_write(root / CATALOGUE, f"{json.dumps(content, indent=2)}\n".encode())


def _summary(entry: Entry) -> dict[str, Any]:
    """Summary of the bundle for readers of the catalogue."""
    from v4_assets.models.contract import read_contract

    try:
        contract = read_contract(entry.path / "features.json")
        return {
            "bundle_sha256": contract.sha256(entry.files["model.json"]),
            "features": [feature.name for feature in contract.features],
            "metrics": json.loads((entry.path / "metrics.json").read_text(encoding="utf-8")),
        }
    except (OSError, ValueError, KeyError, ModelContractError):
        # A damaged bundle is refused when it is loaded; it does not keep another from being registered.
        return {}


def _read(root: Path) -> dict[str, Entry]:
    path = root / CATALOGUE
    if not path.is_file():
        return {}
    try:
        models = json.loads(path.read_text(encoding="utf-8"))["models"]
        return {
            version: Entry(
                version, root / entry["path"], entry["files"], entry["provenance"], entry.get("bundle_sha256")
            )
            for version, entry in models.items()
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ModelIntegrityError(
            f"{path} is not a model catalogue ({error}). Restore it from version control."
        ) from error


def _stamp(path: Path) -> tuple[int, ...]:
    """Changes whenever a file of the bundle does, so that a load verified once need not hash again."""
    from v4_assets.models.bundle import BUNDLE_FILES

    return tuple((path / name).stat().st_mtime_ns if (path / name).is_file() else 0 for name in BUNDLE_FILES)


@lru_cache(maxsize=16)
def _load(
    path: Path, version: str, files: tuple[tuple[str, str], ...], bundle_sha256: str | None, stamp: tuple[int, ...]
) -> "Bundle":
    del stamp
    from v4_assets.models.bundle import load_bundle

    return load_bundle(path, version, dict(files), bundle_sha256)
