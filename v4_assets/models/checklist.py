"""The guide's pre-deployment checklist for every version of rollout.yaml: the findings of Dagster's checks, as text."""

from collections.abc import Iterator, Mapping, Sequence

from v4_assets import sql, tables
from v4_assets.checks import Check, Finding
from v4_assets.config.environment import Settings
from v4_assets.config.rollout import Rollout
from v4_assets.models import checks
from v4_assets.models.registry import ModelRegistry
from v4_assets.resources import registry


def checklist_of(settings: Settings) -> dict[str, list[Finding]]:
    """Version to its findings. Raises ModelError when a version or the baseline is not registered."""
    models, rollout = registry(settings), settings.rollout
    return {version: findings_of(models, rollout, version) for version in rollout.versions}


def findings_of(models: ModelRegistry, rollout: Rollout, version: str) -> list[Finding]:
    """The findings of one version; a lift above the line is asked of every version but the baseline."""
    features = sql.load(tables.features_key(rollout.versions[version].key)).features
    return checks.judge(
        models.load(version),
        models.load(rollout.baseline),
        len(features),
        rollout.pre_deployment,
        asked_of(rollout, version),
        rollout.evaluation.interval_level,
    )


def asked_of(rollout: Rollout, version: str) -> Sequence[Check]:
    """The checks of one version."""
    return checks.EVERY_MODEL if version == rollout.baseline else checks.CHALLENGER


def as_lines(findings: Mapping[str, Sequence[Finding]]) -> Iterator[str]:
    """The checklist for a terminal."""
    for version, found in findings.items():
        yield version
        for one in found:
            mark = "ok" if one.passed else "??" if one.inconclusive else "FAIL"
            yield f"  {mark:<4}  {one.check.name}: {one.actual}, expected {one.expected}"
            yield from (f"        {detail}" for detail in one.details)
