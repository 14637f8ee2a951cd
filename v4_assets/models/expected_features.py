"""Where the features of a version differ from its author's rows of the same leads, for the report of `v4 register`.

The SQL of a version may define a feature otherwise than its author did; the scores then differ though the model is the
same.
"""

from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets import tables
from v4_assets.config.environment import Settings
from v4_assets.errors import TableMissingError
from v4_assets.models.contract import ALL_ROUNDS, Contract, Feature, encode, unusable
from v4_assets.models.expected_file import SCORE, TOLERANCE
from v4_assets.resources import store
from v4_assets.scores.scoring import deciles, percentiles

if TYPE_CHECKING:
    import xgboost as xgb
from v4_assets.models.contract import Flags, codes_of

Column = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Cells:
    """A feature's cells on both sides, in the same order: words, or numbers where the other side has codes."""

    ours: pa.Array
    theirs: pa.Array
    differs: Flags
    null_against_zero: Flags
    """Of these, NULL on the one side and 0 on the other."""

    @property
    def are_words(self) -> bool:
        """Whether both sides are compared as words."""
        return _is_text(self.theirs.type)

    @property
    def numbers(self) -> tuple[Column, Column]:
        """Both sides as float64, NULL as NaN; only where they are no words."""
        return _numbers(self.ours), _numbers(self.theirs)

    def example(self, place: int) -> str:
        """One cell of both sides."""
        ours, theirs = (column[place] if column[place].is_valid else "NULL" for column in (self.ours, self.theirs))
        return f"{ours} instead of {theirs}"


def cells(feature: Feature, ours: pa.Table, theirs: pa.Table) -> Cells | None:
    """The feature compared as words or codes, as the other side has it; None where that does not have it.

    `ours` has the feature under its own name, `theirs` under that or the booster's.
    """
    name = feature.name if feature.name in theirs.column_names else feature.trained_as
    if name not in theirs.column_names:
        return None
    mine, other = ours[feature.name].combine_chunks(), theirs[name].combine_chunks()
    nulls = pc.is_null(mine).to_numpy(zero_copy_only=False), pc.is_null(other).to_numpy(zero_copy_only=False)
    if _is_text(other.type):
        one, two = _words(mine), _words(other)
        return Cells(mine, other, ~((one == two) | (nulls[0] & nulls[1])), np.zeros(len(one), dtype=np.bool_))
    if feature.categories:
        mine = codes_of(feature, mine)
    one, two = _numbers(mine), _numbers(other)
    alike = np.isclose(one, two, rtol=1e-6, atol=1e-9, equal_nan=True)
    return Cells(mine, other, ~alike, (np.isnan(one) & (two == 0)) | (np.isnan(two) & (one == 0)))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _words(column: pa.Array) -> Column:
    return np.asarray(column.cast(pa.string()).to_pylist(), dtype=object)


def _numbers(column: pa.Array) -> Column:
    return np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False))


LEAD, DAY = "lead_id", "prediction_date"
DAYS_READ = 60
"""Past days searched for features, and most days of the author's that are compared."""
EXAMPLES = 3


@dataclass(frozen=True)
class Difference:
    """One feature of the leads that both sides have."""

    feature: str
    compared: int
    differing: int
    null_against_zero: int
    """Of those, NULL on the one side and 0 on the other."""
    examples: tuple[str, ...]


def compare(
    settings: Settings, version: str, contract: Contract, booster: "xgb.Booster", theirs: pa.Table
) -> dict[str, Any]:
    """Days, leads, differing features and scores, as registry.json keeps them; `skipped` says why nothing was compared.

    `theirs` are the author's rows with lead_id, score and, for several days, prediction_date.
    """
    if LEAD not in theirs.column_names:
        return {"skipped": "the known answers have no column lead_id"}
    entry = settings.rollout.versions.get(version)
    if entry is None:
        return {"skipped": f"{version} has no entry in rollout.yaml, so it has no features here"}
    record, key, today = store(settings), tables.features_key(entry.key), settings.clock.today()
    try:
        writes = record.latest_writes(today - timedelta(days=DAYS_READ), today)
    except TableMissingError:
        writes = {}
    name = record.catalogue[key].name
    made = {day for (table, day), write in writes.items() if table == name and write.has_rows}
    days = sorted((_days(theirs) if DAY in theirs.column_names else {max(made)} if made else set()) & made)
    if not days:
        return {
            "skipped": f"no features of these days were made in the last {DAYS_READ} days; `v4 run --date` makes them"
        }
    pairs = [_joined(record.read("features_of_day", {DAY: day}, features=key), theirs, day) for day in days]
    ours, known = (pa.concat_tables(side) for side in zip(*pairs, strict=True))
    found = [one for feature in contract.features if (one := difference(feature, ours, known)) and one.differing]
    return {
        "days": [str(day) for day in days],
        "leads": len(ours),
        "differing": [asdict(one) for one in sorted(found, key=lambda one: -one.differing)],
        "scores": _scores(contract, booster, ours, known),
    }


def as_text(compared: dict[str, Any]) -> str:
    """The report for the person who registers."""
    if "skipped" in compared:
        return f"Features were not compared with the author's: {compared['skipped']}."
    leads, days = compared["leads"], ", ".join(compared["days"])
    scores = compared["scores"]
    told = (
        f"Scores on these features: {scores['differing']} of {scores['leads']} differ from the author's, by up to "
        f"{scores['largest_difference']:.4f}; {scores['other_decile']} leads are in another decile."
    )
    if not compared["differing"]:
        return f"Features of {leads:,} leads ({days}) are the author's.\n{told}"
    lines = [f"Features of {leads:,} leads ({days}) differ from the author's:"]
    for one in compared["differing"]:
        zero = f", {one['null_against_zero']} of them NULL against 0" if one["null_against_zero"] else ""
        lines.append(
            f"  {one['feature']}: {one['differing']} of {one['compared']}{zero} ({'; '.join(one['examples'])})"
        )
    return "\n".join([*lines, told])


def _scores(contract: Contract, booster: "xgb.Booster", ours: pa.Table, theirs: pa.Table) -> dict[str, Any]:
    """The model's scores on the version's own features, against the author's of the same leads."""
    scorable = pa.array(~unusable(contract.features, ours))
    ours, theirs = ours.filter(scorable), theirs.filter(scorable)
    rounds = 0 if contract.rounds == ALL_ROUNDS else int(contract.rounds)
    mine = booster.inplace_predict(encode(contract.features, ours), iteration_range=(0, rounds)).astype(np.float64)
    other = pc.cast(theirs[SCORE], pa.float64()).to_numpy()
    off, order = np.abs(mine - other), ours["tie_break"].to_numpy()
    moved = deciles(percentiles(mine, order)) != deciles(percentiles(other, order))
    return {
        "leads": len(mine),
        "differing": int((off > TOLERANCE).sum()),
        "largest_difference": float(off.max(initial=0.0)),
        "other_decile": int(moved.sum()),
    }


def _days(theirs: pa.Table) -> set[date]:
    return set(pc.unique(pc.cast(theirs[DAY], pa.date32())).to_pylist())


def _joined(ours: pa.Table, theirs: pa.Table, day: date) -> tuple[pa.Table, pa.Table]:
    """The rows of the leads that both have on the day, in the same order."""
    if DAY in theirs.column_names:
        theirs = theirs.filter(pc.equal(pc.cast(theirs[DAY], pa.date32()), pa.scalar(day, pa.date32())))
    places = pc.index_in(theirs[LEAD].cast(pa.string()), value_set=ours[LEAD].cast(pa.string()).combine_chunks())
    return ours.take(pc.drop_null(places)), theirs.filter(pc.is_valid(places))


def difference(feature: Feature, ours: pa.Table, theirs: pa.Table) -> Difference | None:
    """The feature compared as words or codes, as the author's rows have it; None where they do not have it."""
    found = cells(feature, ours, theirs)
    if found is None:
        return None
    places = np.flatnonzero(found.differs)
    examples = tuple(found.example(int(place)) for place in places[:EXAMPLES])
    return Difference(feature.name, len(found.differs), len(places), int(found.null_against_zero.sum()), examples)
