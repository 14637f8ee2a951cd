"""Correcting the figures of a registered version: what its checklist reads, and nothing that can change a score."""

import getpass
from datetime import date
from pathlib import Path

from v4_assets.config.environment import Settings
from v4_assets.models import training
from v4_assets.models.bundle import file_sha256
from v4_assets.models.files import read_json
from v4_assets.models.importer import figures_of
from v4_assets.models.registering import PERIOD
from v4_assets.models.registry import Entry
from v4_assets.resources import registry


def correct_figures(
    settings: Settings, version: str, metrics: Path, reason: str, test_period: tuple[date, date] | None = None
) -> Entry:
    """Replace the figures of a version, live or not; registry.json keeps the reason and the earlier file's sha256.

    Raises ModelError when the version is not registered, ModelContractError for unusable figures.
    """
    models = registry(settings)
    before = models.entry(version)
    figures = figures_of(read_json(metrics), str(metrics))
    correction = {
        "at": settings.clock.now().isoformat(),
        "by": getpass.getuser(),
        "reason": reason,
        "file_sha256": file_sha256(metrics),
        "earlier_metrics_sha256": before.files["metrics.json"],
    }
    if test_period:
        figures |= dict(zip(PERIOD, map(str, test_period), strict=True))
    period = [figures.get(name) for name in PERIOD]
    corrections = [*before.provenance.get("corrections", ()), correction]
    provenance = {**before.provenance, "test_period": None if None in period else period, "corrections": corrections}
    return models.correct_figures(version, training.as_json(figures), provenance)
