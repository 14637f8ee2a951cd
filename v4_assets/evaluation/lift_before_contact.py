"""Reads and writes lift_before_contact: the second reading of a day's evidence, which decides nothing."""

import pyarrow as pa

from v4_assets import tables
from v4_assets.evaluation.before_contact import Row, entries, reading
from v4_assets.evaluation.cohorts import Reach, cohort, without
from v4_assets.evaluation.comparison import Occasion
from v4_assets.evaluation.evaluator import Evaluator
from v4_assets.evaluation.evidence import Evidence
from v4_assets.partitions import wanted_write, write_partition
from v4_assets.prospects import contracts
from v4_assets.prospects.months import before
from v4_assets.warehouse.protocol import arrow_schema
from v4_assets.warehouse.writes import PartitionWrite


def write_reading(evaluator: Evaluator, evidence: PartitionWrite) -> list[Row]:
    """Fill the day's partition of lift_before_contact; it is kept with its evidence and written again with it.

    Returns its rows.
    """
    store, day = evaluator.store, evaluator.day
    table = store.catalogue[tables.LIFT_BEFORE_CONTACT]
    definition = (f"{evidence.table_name}@{evidence.sequence}",)
    writes = store.latest_writes(day.date, day.date)
    present = writes.get((table.name, day.date))
    wanted = wanted_write(table, day, definition, (), writes)
    if present is None or present.definition_sha256 != wanted.definition_sha256:
        content = [pa.RecordBatch.from_pylist(_rows(evaluator), schema=arrow_schema(table))]
        write_partition(store, table, day, lambda: content, definition, is_evidence=False)
    return store.lift_before_contact(day.date)


def _rows(evaluator: Evaluator) -> list[Row]:
    day = evaluator.day.date
    of_question = {row.question: row for row in evaluator.store.comparisons(day, day)}
    return [row for one in of_question.values() for row in _of_question(evaluator, one)]


def _of_question(evaluator: Evaluator, evidence: Evidence) -> list[Row]:
    """Every version on the days of contact of the evidence."""
    day, rollout = evaluator.day, evaluator.rollout
    reach = Reach(evidence.cohort_from, evidence.cohort_to)
    leads = evaluator.store.read("cohort_leads", day.params | reach.params)
    scores = {
        version: evaluator.store.read(
            "scores_before_contact",
            day.params | reach.params | {"first_month": before(reach.first)},
            prospect_scores=contracts.scores_key(rollout.versions[version].key),
        )
        for version in evaluator.versions
    }
    found = without(entries(leads, scores, rollout.outcome_window_days), evaluator.silent_days)
    occasion = Occasion(
        prediction_date=day.date,
        retrospective=day.retrospective,
        baseline=rollout.baseline,
        level=rollout.evaluation.interval_level,
        live={},
        call_days=(),
        churn={},
    )
    return reading(occasion, evidence.question, found, cohort(found, reach), scores)
