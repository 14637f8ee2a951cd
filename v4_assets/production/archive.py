"""The end of the champion: its bundle is put away with its hashes, and brought back by `v4 restore`."""

import shutil
from pathlib import Path

import dagster as dg

from v4_assets.clock import Clock
from v4_assets.config.environment import Places
from v4_assets.config.rollout import Rollout
from v4_assets.daily import MaterializeResult
from v4_assets.errors import ModelError, ModelIntegrityError
from v4_assets.models.bundle import BUNDLE_FILES, file_sha256
from v4_assets.models.registry import Entry, ModelRegistry
from v4_assets.names import CHAMPION_ARCHIVE, PRODUCTION_GROUP
from v4_assets.production import events, recorded_orders
from v4_assets.production.assets import only_today, start, take_turn
from v4_assets.production.orders import OrderConfig
from v4_assets.store import Store
from v4_assets.warehouse.writes import fingerprint

SUMS = "SHA256SUMS"


def champion_archive(rollout: Rollout, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """The archived bundles. The sunset job gives this asset the order it carries out."""

    @dg.asset(
        name=CHAMPION_ARCHIVE,
        deps=[f"model_{rollout.versions[rollout.baseline].key}"],
        partitions_def=partitions,
        group_name=PRODUCTION_GROUP,
        kinds={"file"},
        description=(
            "Bundles of versions that were sunset, with their hashes, under `archive/`. A version that is archived is "
            "not scored any more; `v4 restore` brings it back."
        ),
    )
    def asset(
        context: dg.AssetExecutionContext,
        config: OrderConfig,
        store: dg.ResourceParam[Store],
        clock: dg.ResourceParam[Clock],
        places: dg.ResourceParam[Places],
    ) -> MaterializeResult:
        only_today(context, clock)
        order = recorded_orders.order_of(store, config.order, "sunset")
        if order:
            take_turn(context, order, rollout)
        with store.session():
            if order:
                start(store, rollout, order, clock, context.run_id)
            state = events.state_after(store.events())
        if state.unfinished and state.unfinished.event == "sunset_started":
            archive(places.archive, store.registry.entry(state.unfinished.version))
        kept = sorted(folder.name for folder in places.archive.glob("*")) if places.archive.is_dir() else []
        return dg.MaterializeResult(metadata={"archived": ", ".join(kept) or "nothing"})

    return asset


def archive(root: Path, entry: Entry) -> Path:
    """Copy a bundle into ROOT/VERSION-SHA with its SHA256SUMS, verified; harmless when it is there. Its folder."""
    # Two bundles may share a booster, so the folder is named by all of the bundle's hashes.
    sha = fingerprint([entry.files[name] for name in BUNDLE_FILES])
    folder = root / f"{entry.version}-{sha[:12]}"
    if folder.is_dir():
        verify(folder)
        return folder
    root.mkdir(parents=True, exist_ok=True)
    beside = root / f".{folder.name}.new"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    for name in BUNDLE_FILES:
        shutil.copyfile(entry.path / name, beside / name)
    lines = [f"{entry.files[name]}  {name}" for name in BUNDLE_FILES]
    (beside / SUMS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    verify(beside)
    beside.rename(folder)
    return folder


def is_archived(root: Path, version: str) -> bool:
    """Whether a bundle of the version is put away whole. Raises ModelIntegrityError when it was altered since."""
    folders = list(root.glob(f"{version}-*")) if root.is_dir() else []
    return all(verify(folder) for folder in folders) and bool(folders)


def bring_back(root: Path, version: str, models: ModelRegistry) -> None:
    """Give the registry the archived bundle of a version again, verified. Raises ModelIntegrityError."""
    folders = list(root.glob(f"{version}-*"))
    if not folders:
        raise ModelIntegrityError(f"There is no {root}/{version}-…: bring back the folder that was there.")
    folder = max(folders, key=lambda one: one.stat().st_mtime)
    sums = verify(folder)
    if not _is_whole(models, version, sums):
        files = {name: (folder / name).read_bytes() for name in sums}
        models.add(version, files, {"restored_from": str(folder)}, replace=True)


def _is_whole(models: ModelRegistry, version: str, sums: dict[str, str]) -> bool:
    """Whether the registry still holds exactly the bundle that was archived, undamaged."""
    try:
        models.load(version)
        return dict(models.entry(version).files) == sums
    except ModelError:
        return False


def verify(folder: Path) -> dict[str, str]:
    """The files of an archived bundle and their sha256. Raises ModelIntegrityError when one was altered since."""
    lines = [line.split("  ") for line in (folder / SUMS).read_text(encoding="utf-8").splitlines()]
    sums = {name: expected for expected, name in lines}
    for name, expected in sums.items():
        found = file_sha256(folder / name) if (folder / name).is_file() else "no file"
        if found != expected:
            raise ModelIntegrityError(
                f"{folder / name} is not what was archived: sha256 is {found[:12]}, put away was {expected[:12]}. "
                "Restore the file from a backup."
            )
    return sums
