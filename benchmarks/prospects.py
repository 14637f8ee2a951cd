"""Every advisor, once a month: the whole job, and its scoring against the hand-run way.

`producing` are as many producing, active advisors as the firm has, of a sample world of production size, explained from
percentile 80 on; `everyone` are all its advisors, without reasons. `job` is `v4 prospects run`: sources to list, both
versions, every check. `ours` is the step that scores one version: feature table in, ranked and explained rows out.
`by_hand` is the same the way it was done before: a data frame, categories of the batch, missing filled with 0, a
DMatrix, a file.

python -m benchmarks.prospects prepare|job|ours|by_hand|verify FOLDER producing|everyone
"""

import json
import shutil
import sys
import tempfile
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import xgboost as xgb
from numpy.typing import NDArray

from benchmarks.measure import timed
from v4_assets import tables
from v4_assets.config.environment import Settings, load
from v4_assets.models.bundle import Bundle
from v4_assets.operations import local_runs, monthly
from v4_assets.partitions import Day
from v4_assets.project_files import PROJECT
from v4_assets.prospects import contracts
from v4_assets.prospects.assets import scored_month
from v4_assets.prospects.month_rows import written
from v4_assets.prospects.scoring import EXPLAINED_FROM, REASONS
from v4_assets.resources import registry, store, warehouse
from v4_assets.sample.world import WorldSpec, build, fill
from v4_assets.sql import Query

VERSION, KEY = "v4.1.0", "v41"
MONTH = date(2026, 1, 1)
WORLD = WorldSpec(scale=1.0, leads_per_week=350, through=date(2026, 1, 18))
PRODUCING = 285_700
"""As many as the firm has; the sample world has more."""
UNEXPLAINED = "reasons: none\n"


def settings_in(home: Path) -> Settings:
    """Settings on the first morning of the month; a rollout.yaml in the home is its own."""
    own = {"V4_ROLLOUT": str(home / "rollout.yaml")} if (home / "rollout.yaml").is_file() else {}
    return load({"V4_HOME": str(home), "V4_NOW": f"{MONTH}T06:30", **own})


def home_of(folder: str, who: str, *, scored: bool = False) -> Path:
    """The V4_HOME before its monthly job, or after it."""
    return Path(folder) / (f"{who}-scored" if scored else who)


def prepare(folder: str, who: str) -> int:
    """Both homes. Returns how many advisors the job scored."""
    home, scored = home_of(folder, who), home_of(folder, who, scored=True)
    home.mkdir()
    if who == "everyone":
        text = (PROJECT / "rollout.yaml").read_text(encoding="utf-8")
        lines = [UNEXPLAINED if line.startswith("reasons:") else line for line in text.splitlines(keepends=True)]
        (home / "rollout.yaml").write_text("".join(lines), encoding="utf-8")
    settings = settings_in(home)
    contacts = settings.rollout.catalogue[tables.CONTACTS]
    fill(warehouse(settings), settings.rollout.catalogue, build(WORLD), known_at=settings.clock.now())
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        name = f'"{contacts.dataset}"."{contacts.name}"'
        if who == "everyone":
            connection.execute(f"UPDATE {name} SET PRODUCING_ADVISOR = TRUE, ACTIVE = TRUE")
        else:
            connection.execute(
                f"UPDATE {name} SET ACTIVE = FALSE WHERE RIA_CONTACT_CRD_ID NOT IN (SELECT RIA_CONTACT_CRD_ID "
                f"FROM {name} WHERE PRODUCING_ADVISOR AND ACTIVE ORDER BY hash(RIA_CONTACT_CRD_ID) LIMIT {PRODUCING})"
            )
    local_runs.init(settings)
    shutil.copytree(home, scored)
    run_job(scored)
    name = settings.rollout.catalogue[contracts.scores_key(KEY)].full_name
    [row] = warehouse(settings_in(scored)).read(Query("count", f"SELECT COUNT(*) AS n FROM {name}")).to_pylist()
    return int(row["n"])


def run_job(home: Path) -> None:
    """The monthly job; raises when it did not go through."""
    outcome = monthly.run_month(settings_in(home), MONTH)
    if not outcome.success:
        raise RuntimeError(f"the monthly job failed: {outcome.errors}")


def job(folder: str, who: str) -> None:
    """The whole job in a copy of the home."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        home = shutil.copytree(home_of(folder, who), Path(place) / "home")
        timed(lambda: run_job(home))


def ours(folder: str, who: str) -> None:
    """The asset's own path: stream features, score, rank, explain, replace the partition."""
    settings = settings_in(home_of(folder, who, scored=True))
    here, rollout = store(settings), settings.rollout
    bundle = registry(settings).load(VERSION)
    features, table = contracts.features_key(KEY), here.catalogue[contracts.scores_key(KEY)]
    here.warehouse.replace_table(table, [])
    here.warehouse.replace_table(here.catalogue[tables.PARTITION_WRITES], [])
    day = Day(MONTH, settings.clock)
    rows = partial(scored_month, here, bundle, table, features, day, rollout, pa.array([], pa.int64()))

    def work() -> None:
        with here.session():
            written(here, table, day, rows, ("benchmark",), [])

    timed(work)


def by_hand(folder: str, who: str) -> None:
    """The hand-run way, with TreeSHAP of XGBoost for those that `ours` explains."""
    import pandas as pd  # noqa: PLC0415 # its memory is this rival's alone

    settings = settings_in(home_of(folder, who, scored=True))
    bundle = registry(settings).load(VERSION)

    def work() -> None:
        frame = warehouse(settings).read(_features(settings)).to_pandas()
        matrix = xgb.DMatrix(coded(frame, bundle), feature_names=bundle.feature_names)
        scores = bundle.booster.predict(matrix)
        percentile = pd.Series(scores).rank(pct=True) * 100
        result = frame[["advisor_crd", "prediction_date"]].assign(score=scores, percentile=percentile)
        if settings.rollout.reasons != "none":
            best = np.flatnonzero(percentile > EXPLAINED_FROM - 1)
            values = bundle.booster.predict(matrix.slice(best), pred_contribs=True)[:, :-1]
            strongest = np.argsort(-np.abs(values), axis=1)[:, :REASONS]
            for rank in range(REASONS):
                named = pd.Series(np.array(bundle.feature_names)[strongest[:, rank]], index=best)
                result[f"reason_{rank + 1}"] = named
                result[f"value_{rank + 1}"] = pd.Series(values[np.arange(len(best)), strongest[:, rank]], index=best)
        result.to_parquet(Path(folder) / "by_hand.parquet")

    timed(work)


def coded(frame: Any, bundle: Bundle, *, by_batch: bool = True) -> Any:
    """The model's inputs: categories as the batch has them, in the alphabet's order, or as the bundle has them."""
    inputs = frame[bundle.feature_names].copy()
    for feature in bundle.features:
        if feature.categories:
            known = inputs[feature.name].astype("category")
            known = known if by_batch else known.cat.set_categories(feature.categories)
            inputs[feature.name] = known.cat.codes
    return inputs.fillna(0).astype(float)


def verify(folder: str, who: str) -> dict[str, int]:
    """Advisors, those whose hand-run score is ours bit for bit with the bundle's codes, and those with the batch's."""
    settings = settings_in(home_of(folder, who, scored=True))
    bundle = registry(settings).load(VERSION)
    frame = warehouse(settings).read(_features(settings)).to_pandas().sort_values("advisor_crd")
    name = settings.rollout.catalogue[contracts.scores_key(KEY)].full_name
    found = warehouse(settings).read(Query("scores", f"SELECT score FROM {name} ORDER BY advisor_crd"))
    scores: NDArray[Any] = found["score"].to_numpy()

    def equal(*, by_batch: bool) -> int:
        inputs = coded(frame, bundle, by_batch=by_batch)
        again = bundle.booster.predict(xgb.DMatrix(inputs, feature_names=bundle.feature_names))
        return int((again.astype(float) == scores).sum())

    return {"advisors": len(scores), "equal": equal(by_batch=False), "equal_by_batch": equal(by_batch=True)}


def _features(settings: Settings) -> Query:
    return settings.rollout.catalogue.query(
        "features_of_day", {"prediction_date": MONTH}, features=contracts.features_key(KEY)
    )


def main(what: str, folder: str, who: str) -> None:
    """One measurement; `prepare` and `verify` print what they found."""
    if what == "prepare":
        print(prepare(folder, who))
    elif what == "verify":
        print(json.dumps(verify(folder, who)))
    else:
        {"job": job, "ours": ours, "by_hand": by_hand}[what](folder, who)


if __name__ == "__main__":
    main(*sys.argv[1:4])
