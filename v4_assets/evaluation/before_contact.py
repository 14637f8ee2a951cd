"""The second reading of a day's evidence: each lead ranked by its advisor's score from before the contact. Pure.

A daily score comes after the contact, so a conversion on the day of contact is never in a cohort. The monthly job has
scored the lead's advisor before. This reading decides nothing: gates read lift_comparison alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from v4_assets.evaluation.cohorts import Cohort, Entries, converted_within, days_of, taken_days
from v4_assets.evaluation.comparison import Occasion, Served, compare
from v4_assets.evaluation.evidence import Question

Row = dict[str, Any]


def entries(leads: pa.Table, scores: Mapping[str, pa.Table], window_days: int) -> Entries:
    """All leads that may enter the second reading, one row each. `leads` is cohort_leads, `scores` each version's
    scores_before_contact.

    A lead is covered when every version's last score before its contact is of the same month. A lead whose contact in
    the CRM is another than the frozen one has none: its score may be younger than the frozen contact.
    """
    contacted, called = days_of(leads["contacted_on"]), days_of(leads["called_on"])
    rows = {version: _rows(leads["lead_id"], contacted, table) for version, table in scores.items()}
    months = [taken_days(days_of(table["month"]), rows[version]) for version, table in scores.items()]
    is_scored = np.logical_and.reduce([month == months[0] for month in months])
    before_contact: NDArray[Any] = called < contacted
    return Entries(
        contacted_on=contacted,
        called_on=called,
        converted=converted_within(contacted, called, window_days),
        covered=is_scored & ~before_contact,
        before_scored=np.zeros(len(contacted), dtype=bool),
        before_contact=before_contact,
        scored_on=np.where(is_scored, months[0], np.datetime64("NaT", "D")),
        rows={version: np.where(is_scored, row, -1) for version, row in rows.items()},
    )


def _rows(lead_ids: pa.ChunkedArray, contacted: NDArray[Any], scores: pa.Table) -> NDArray[Any]:
    """Row of `scores` for each lead, int (n,), -1 where there is none."""
    row = pc.fill_null(pc.index_in(lead_ids, value_set=scores["lead_id"].combine_chunks()), -1).to_numpy()
    found: NDArray[Any] = np.where(taken_days(days_of(scores["contacted_on"]), row) == contacted, row, -1)
    return found


def reading(
    occasion: Occasion, question: Question, found: Entries, covered: Cohort, scores: Mapping[str, pa.Table]
) -> list[Row]:
    """The rows of lift_before_contact of a question. `covered` is the cohort of `found`."""
    taken = {version: table.take(pa.array(covered.rows[version])) for version, table in scores.items()}
    same_day = found.covered & found.converted & (found.called_on == found.contacted_on)
    counts = {
        "chosen": int(next(iter(taken.values()))["is_chosen"].to_numpy().sum()),
        "same_day_conversions": int(same_day.sum()),
    }
    served = {version: _served(table) for version, table in taken.items()}
    return [asdict(one.evidence) | counts for one in compare(occasion, question, covered, served)]


def _served(scores: pa.Table) -> Served:
    columns = {name: scores[name].to_numpy() for name in ("score", "decile", "deprioritize", "retrospective")}
    return Served(**columns, artifacts=frozenset())


def of_question(rows: Sequence[Row], question: str) -> list[Row]:
    """The rows of lift_before_contact of one question, by version."""
    return sorted((row for row in rows if row["question"] == question), key=lambda row: row["version"])


def in_words(rows: Sequence[Row]) -> str:
    """The second reading of one question, from its rows of lift_before_contact; empty without any."""
    if not rows:
        return ""
    first = rows[0]
    counted = (
        f"By the score before contact, which decides nothing: {first['leads']:,} of "
        f"{first['leads'] + first['uncovered']:,} leads have one"
    )
    if not first["leads"]:
        return f"{counted}."
    figures = "; ".join(
        f"{row['version']} lift {_spanned(row, 'lift', '.2f')}, AUC {_spanned(row, 'auc', '.3f')}" for row in rows
    )
    return (
        f"{counted}, {first['chosen']:,} of them from a list that was given out. {first['conversions']:,} converted, "
        f"{first['same_day_conversions']:,} on the day of contact. {figures}."
    )


def _spanned(row: Row, name: str, form: str) -> str:
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if value is None:
        return "unknown"
    return f"{value:{form}}" if low is None or high is None else f"{value:{form}} ({low:{form}} to {high:{form}})"
