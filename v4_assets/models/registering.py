"""Entering a model trained elsewhere into the registry, and correcting its figures there."""

import getpass
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import xgboost as xgb

from v4_assets import sql, tables
from v4_assets.config.environment import Settings
from v4_assets.errors import ModelContractError, SqlFileError, TableMissingError, V4Error, listed
from v4_assets.models import ORDER, UNUSUAL, Nulls, files, training
from v4_assets.models.booster_file import BoosterFacts, inspect
from v4_assets.models.bundle import file_sha256, read_booster, verify_agreement
from v4_assets.models.contract import Contract, Feature, contract_problems, sql_problems
from v4_assets.models.expected_features import compare
from v4_assets.models.expected_file import KnownAnswers, read_answers
from v4_assets.models.expected_scores import figure_problems, unproven_order, verify_answers
from v4_assets.models.files import read_json
from v4_assets.models.importer import chosen_rounds, contract_of, draft, figures_of
from v4_assets.models.registry import Entry
from v4_assets.models.training import plain_feature
from v4_assets.resources import registry, store
from v4_assets.sql import Column

PERIOD = ("test_from", "test_until")
"""Figures that state the first and last day of contact of the test's leads."""
PROFILE_DAYS = 60
"""Number of past days searched for features when no data is given."""


@dataclass(frozen=True)
class Brought:
    """The files of a model trained elsewhere, and what the person who brings it states about them."""

    booster: Path
    features: Path
    metrics: Path | None = None
    """Its test figures; None is an explicit choice to have none."""
    data: Path | None = None
    """Rows to profile it on."""
    expect: Path | None = None
    """Known answers."""
    rounds: str | None = None
    """all, best or a number."""
    nulls: Nulls = "error"
    confirmed: tuple[str, ...] = ()
    """Of ORDER and UNUSUAL, what needs no known answers."""
    test_period: tuple[date, date] | None = None


def register_files(settings: Settings, version: str, brought: Brought) -> Entry:
    """Check, profile and register. Raises ModelContractError, ModelError or V4Error; then nothing was registered."""
    _verify_version(settings, version)
    facts = inspect(brought.booster)
    columns = _made_by_sql(settings, version)
    given = files.read_json(brought.features)
    stated = contract_of(given, str(brought.features), facts, columns, brought.nulls)
    figures = figures_of(files.read_json(brought.metrics), str(brought.metrics)) if brought.metrics else {}
    booster = read_booster(brought.booster)
    verify_agreement(stated.features, booster, brought.features, stated.rounds)
    _verify_sql(stated, columns, brought.features)
    answers = read_answers(brought.expect) if brought.expect else None
    contract = chosen_rounds(brought.rounds, given, stated, facts)
    if answers is None:
        contract = _unproven(contract, facts, brought)
    else:
        order = [column.name for column in columns or ()]
        contract, scores = verify_answers(booster, contract, stated, facts, answers, order)
        _verify_order(booster, contract, facts, answers, brought)
        if answers.converted is not None and (wrong := figure_problems(scores, answers.converted, figures)):
            raise ModelContractError(
                f"{listed(wrong)}. Correct the file, or leave `converted` out if these are not the test's rows."
            )
        if answers.converted is not None and figures:
            labelled = len(answers.converted)
            figures = {"test_rows": labelled, "test_base_rate": float(answers.converted.mean())} | figures
    if brought.test_period and figures:
        figures |= dict(zip(PERIOD, map(str, brought.test_period), strict=True))
    rows, profiled_on = _profile_rows(settings, version, contract, brought, answers)
    content = files.brought_bundle(version, booster, contract, figures, rows)
    provenance = _provenance(settings, brought, answers, figures, profiled_on)
    if answers is not None:
        provenance["features_compared"] = compare(settings, version, contract, booster, answers.rows)
    return registry(settings).add(version, content, provenance, replace=False)


def draft_list(settings: Settings, version: str, booster: Path) -> tuple[dict[str, Any], list[str]]:
    """A feature list to start from, as features.json has it, and what a person must confirm about it."""
    columns = _made_by_sql(settings, version)
    if columns is None:
        raise V4Error(
            f"{version} has no SQL file to draft a list from. Give --features, or add its entry and SQL first."
        )
    contract, notes = draft(inspect(booster), columns, str(booster))
    return {"version": version, "features": [plain_feature(one) for one in contract.features]}, notes


def _verify_version(settings: Settings, version: str) -> None:
    if not re.fullmatch(r"v\d+\.\d+\.\d+", version):
        raise V4Error(f"{version!r} is not a version. Write it like v4.2.0.")
    if version == _live(settings):
        raise V4Error(f"{version} is live, and what is live is never replaced. Give the new model a new version.")


def _verify_sql(contract: Contract, columns: Sequence[Column] | None, where: Path) -> None:
    """The list's columns are those of the SQL file, in whatever order."""
    if columns is None:
        return
    if problems := sql_problems(contract.features, {column.name: column.type for column in columns}):
        raise ModelContractError(
            f"{where} lists {len(contract.features)} features, the version's SQL file makes {len(columns)}: "
            f"{listed(problems)}. Correct the list, or the `features:` of the SQL file."
        )


def _verify_order(
    booster: xgb.Booster, contract: Contract, facts: BoosterFacts, answers: KnownAnswers, brought: Brought
) -> None:
    """Without names in the booster, the known answers prove the order, as far as their rows tell the inputs apart."""
    if facts.names is not None or ORDER in brought.confirmed:
        return
    if alike := unproven_order(booster, contract, answers):
        raise ModelContractError(
            f"The booster has no feature names, and the known answers stay the same if {' and '.join(alike)} change "
            f"places. Give --expect rows that tell them apart, or --confirm {ORDER} if the list is in training's order."
        )


def _unproven(contract: Contract | None, facts: BoosterFacts, brought: Brought) -> Contract:
    """The contract, if nothing about the booster needs known answers or a choice that was not made."""
    if contract is None:
        raise ModelContractError(
            f"The booster has {facts.rounds} rounds, the best is number {facts.best_rounds}. XGBClassifier scores with "
            "the best, Booster.predict with all. Choose --rounds all or best, or give --expect scores.parquet."
        )
    if facts.names is None and ORDER not in brought.confirmed:
        raise ModelContractError(
            "The booster has no feature names, so nothing proves the order of the list. Give --expect scores.parquet, "
            f"or --confirm {ORDER} if the list is in the order of training."
        )
    if facts.unusual and UNUSUAL not in brought.confirmed:
        raise ModelContractError(
            f"The booster has {' and '.join(facts.unusual)}. Give --expect scores.parquet, or --confirm {UNUSUAL}."
        )
    return contract


def _profile_rows(
    settings: Settings, version: str, contract: Contract, brought: Brought, answers: KnownAnswers | None
) -> tuple[Iterator[pa.RecordBatch], str]:
    """Rows to profile on, and their source: the given ones, the known answers if they fit, or the newest features."""
    if brought.data:
        return files.read_rows(brought.data, contract.features), str(brought.data)
    if answers is not None and not contract_problems(contract.features, answers.rows.schema):
        return iter(answers.rows.combine_chunks().to_batches()), "its known answers"
    return _latest_features(settings, version, contract.features), "its features in the warehouse"


def _provenance(
    settings: Settings, brought: Brought, answers: KnownAnswers | None, figures: Mapping[str, Any], profiled_on: str
) -> dict[str, Any]:
    """Where the bundle comes from: what came in, by whom and when, and what it was tested on."""
    period = tuple(figures.get(name) for name in PERIOD)
    return {
        "trained_on": "brought from elsewhere",
        "registered_at": settings.clock.now().isoformat(),
        "registered_by": getpass.getuser(),
        "booster_file": {"name": brought.booster.name, "sha256": file_sha256(brought.booster)},
        "test_period": None if None in period else [str(one) for one in period],
        "known_answers": None
        if answers is None
        else {"rows": len(answers.rows), "sha256": file_sha256(brought.expect or Path())},
        "profiled_on": profiled_on,
    }


def _live(settings: Settings) -> str | None:
    try:
        return store(settings).live()
    except TableMissingError:
        return None


def _made_by_sql(settings: Settings, version: str) -> tuple[Column, ...] | None:
    """The features the version's SQL file makes; None for a version that has no entry or no file yet."""
    entry = settings.rollout.versions.get(version)
    if entry is None:
        return None
    try:
        return sql.load(tables.features_key(entry.key)).features
    except SqlFileError:
        return None


def _latest_features(settings: Settings, version: str, contract: tuple[Feature, ...]) -> Iterator[pa.RecordBatch]:
    """The newest day of a feature table that has every feature of the contract, the version's own first."""
    record, today = store(settings), settings.clock.today()
    try:
        writes = record.latest_writes(today - timedelta(days=PROFILE_DAYS), today)
    except TableMissingError:
        writes = {}
    wanted = {feature.name for feature in contract}
    entries = sorted(settings.rollout.versions.items(), key=lambda item: item[0] != version)
    for _, entry in entries:
        table = record.catalogue[tables.features_key(entry.key)]
        days = [day for (name, day), write in writes.items() if name == table.name and write.has_rows]
        if days and wanted <= {column.name for column in table.columns}:
            rows = record.read("features_of_day", {"prediction_date": max(days)}, features=table.key)
            return iter(rows.to_batches())
    raise V4Error(
        f"No day of the last {PROFILE_DAYS} has all of the model's features, so there is nothing to profile it on. "
        "Give rows with --data FILE (Parquet or CSV, one column per feature)."
    )


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
