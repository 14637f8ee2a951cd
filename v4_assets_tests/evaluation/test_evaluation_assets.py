"""lead_outcomes and lift_comparison through Dagster: what is written, kept, refused, and said by the checks."""

import random
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from v4_assets import recorded_checks, tables
from v4_assets.checks import GATES_ASK, GATES_REMEDY, gate_results
from v4_assets.clock import Clock
from v4_assets.config.environment import load
from v4_assets.evaluation import assets
from v4_assets.evaluation.evidence import digest
from v4_assets.partitions import daily_partitions
from v4_assets.production.decision import GATE_NAMES, Gate, Verdict
from v4_assets.production.events import Event
from v4_assets.production.production_row import adopt
from v4_assets.production.recorded_orders import permit_replacement
from v4_assets.recorded_checks import ERROR, CheckResult, Judgement, record
from v4_assets.resources import registry
from v4_assets.sql import Query
from v4_assets_tests.fixtures.cohort_worlds import (
    BASELINE,
    CANDIDATE,
    VERSIONS,
    CohortWarehouse,
    CohortWorld,
    at,
    cohort_warehouse,
    evaluation,
    random_world,
)

DAY = date(2026, 1, 12)
NUMBERS = evaluation(promotion=12, rollback=8)


@pytest.fixture(scope="module")
def world() -> CohortWorld:
    return random_world(random.Random("assets"), DAY, NUMBERS, leads=250)


@pytest.fixture
def filled(tmp_path: Path, world: CohortWorld) -> Iterator[CohortWarehouse]:
    """A warehouse with a world, the baseline adopted."""
    made = cohort_warehouse(tmp_path, NUMBERS)
    bundles = registry(load({"V4_HOME": str(tmp_path)}))
    made = replace(made, store=replace(made.store, registry=bundles))
    with made.warehouse.session():
        made.fill(world)
        adopt(made.store, made.rollout, Clock(at(date(2025, 11, 20))))
        yield made


def run(
    cohorts: CohortWarehouse, *, now: date = DAY, keys: tuple[str, ...] = ("outcomes", "comparison"), **tags: Any
) -> Any:
    """Materialize the day's assets of the group."""
    days = daily_partitions(cohorts.rollout.first_day)
    made = {
        "outcomes": assets.lead_outcomes(cohorts.rollout, days),
        "comparison": assets.lift_comparison(cohorts.rollout, days),
    }
    resources = {"store": cohorts.store, "clock": Clock(at(now, 6, 30))}
    partition = None if tags.get("dagster/asset_partition_range_start") else DAY.isoformat()
    return dg.materialize(
        [made[key] for key in keys], partition_key=partition, resources=resources, tags=tags, raise_on_error=False
    )


def said(result: Any) -> dict[str, dg.AssetCheckEvaluation]:
    found = result.get_asset_check_evaluations()
    return {one.check_name: one for one in found if one.asset_key == dg.AssetKey(tables.LIFT_COMPARISON)}


def stored(cohorts: CohortWarehouse, key: str) -> list[dict[str, Any]]:
    table = cohorts.store.catalogue[key]
    order = "1, 2, 3, 4, 5" if key == tables.LIFT_BY_DECILE else "1, 2, 3"
    query = Query(key, f"SELECT * FROM {table.full_name} WHERE prediction_date = @day ORDER BY {order}", {"day": DAY})
    return cohorts.warehouse.read(query).to_pylist()


def error(result: Any) -> str:
    failure = next(event for event in result.all_events if event.is_step_failure)
    return str(failure.step_failure_data.error)


def event(number: int, kind: str, version: str, day: date, **more: Any) -> Event:
    return Event(str(number), at(day), kind, version, "why", "test", **more)


# --- what is written -----------------------------------------------------------------------------------------------


def test_a_day_is_compared_for_both_questions_and_by_every_ranking(filled):
    result = run(filled)
    assert result.success
    rows = stored(filled, tables.LIFT_COMPARISON)
    assert [(row["question"], row["version"]) for row in rows] == [
        (question, version) for question in ("promotion", "rollback") for version in VERSIONS
    ]
    assert {row["retrospective"] for row in rows} == {False}
    deciles = stored(filled, tables.LIFT_BY_DECILE)
    assert len(deciles) == 2 * 2 * 3 * 10
    for row in rows:
        mine = [one for one in deciles if all(one[key] == row[key] for key in ("question", "version"))]
        for ranking in ("cohort", "within_week", "as_served"):
            assert sum(one["leads"] for one in mine if one["ranking"] == ranking) == pytest.approx(row["leads"])
        [top] = [one for one in mine if (one["ranking"], one["decile"]) == ("cohort", 10)]
        assert top["conversion_rate"] == pytest.approx(row["top_decile_conversion"])


def test_every_gate_and_check_answers_and_none_of_them_blocks(filled):
    result = run(filled)
    found = said(result)
    assert set(found) == {*GATE_NAMES, "closes_hold", "cohort_sound", "early_warning", "rankings_agree"}
    assert {one.blocking for one in found.values()} == {False}
    evidence = filled.store.comparisons(DAY, DAY)
    assert {found[name].metadata["evidence_sha256"].value for name in GATE_NAMES} == {digest(evidence)}
    live = next(row for row in evidence if (row.question, row.version) == ("rollback", BASELINE))
    lift = found["top_decile_lift"]
    assert lift.metadata["actual"].value == pytest.approx(live.lift)
    assert lift.metadata["threshold"].value == 1.5
    assert lift.metadata["cohort"].value == (
        f"contacted {live.cohort_from} to {live.cohort_to}: {live.leads} leads, {live.conversions} conversions"
    )
    assert Verdict[str(lift.metadata["verdict"].value)].name == lift.metadata["verdict"].value
    assert lift.passed == (lift.metadata["verdict"].value == "PASS")
    assert found["cohort_sound"].metadata["expected"].value == "12 and 8 conversions"
    assert f"rollback: {live.conversions} conversions" in str(found["cohort_sound"].metadata["actual"].value)


def test_the_page_plots_plain_floats_and_shows_the_deciles(filled):
    result = run(filled)
    [made] = result.asset_materializations_for_node(tables.LIFT_COMPARISON)
    rows = {(row["question"], row["version"]): row for row in stored(filled, tables.LIFT_COMPARISON)}
    for version in VERSIONS:
        for shown_as, name in (("lift", "lift"), ("AUC", "auc"), ("top decile converts", "top_decile_conversion")):
            shown = made.metadata[f"{shown_as} {version}"].value
            assert type(shown) is float
            assert shown == pytest.approx(rows["rollback", version][name], abs=1e-4)
    assert made.metadata["conversions"].value == rows["rollback", CANDIDATE]["conversions"]
    assert made.metadata["base rate"].value == pytest.approx(rows["rollback", CANDIDATE]["base_rate"], abs=1e-4)
    assert made.metadata["dagster/row_count"].value == 4
    assert [record.data["decile"] for record in made.metadata["deciles"].records] == [*range(10, 0, -1)] * 2


def test_the_live_versions_flag_says_who_was_called(filled):
    run(filled)
    rows = stored(filled, tables.LIFT_COMPARISON)
    assert None not in {row["called_lift"] for row in rows}


def test_the_version_live_before_the_first_event_is_the_one_adopted(filled):
    events = [
        event(1, "adopted", BASELINE, date(2025, 11, 20)),
        event(2, "promotion_started", CANDIDATE, date(2025, 11, 25), previous=BASELINE),
    ]
    live = filled.evaluator(DAY, events=events).occasion().live
    assert live[date(2025, 11, 17)] == live[date(2025, 11, 24)] == BASELINE
    assert live[date(2025, 11, 25)] == live[date(2025, 12, 1)] == CANDIDATE
    assert filled.evaluator(DAY).occasion().live == {}


def test_churn_is_the_share_of_the_top_decile_that_is_new_in_it(filled, world):
    rows = {version: world.scores[version] for version in VERSIONS}
    run(filled)
    found = {row["version"]: row["top_decile_churn"] for row in stored(filled, tables.LIFT_COMPARISON)}
    for version, scores in rows.items():
        top = [lead for (day, lead), one in scores.items() if day == DAY and one.decile == 10]
        before = {lead: one.decile for (day, lead), one in scores.items() if day == DAY - timedelta(days=1)}
        assert found[version] == pytest.approx(sum(before.get(lead, 10) < 10 for lead in top) / len(top))


def test_without_scores_of_the_day_before_there_is_no_churn(filled):
    for version in VERSIONS:
        key = tables.scores_key(filled.rollout.versions[version].key)
        with filled.warehouse._connection() as connection:
            connection.execute(
                f"DELETE FROM {filled.store.catalogue[key].full_name.replace('`', chr(34))} WHERE prediction_date = ?",
                [DAY - timedelta(days=1)],
            )
    run(filled)
    assert {row["top_decile_churn"] for row in stored(filled, tables.LIFT_COMPARISON)} == {None}


def test_a_day_evaluated_later_says_so(filled):
    run(filled, now=DAY + timedelta(days=3))
    assert {row["retrospective"] for row in stored(filled, tables.LIFT_COMPARISON)} == {True}


@pytest.mark.extended
def test_a_later_evaluation_of_the_same_day_finds_the_same(filled):
    run(filled)
    before = filled.store.comparisons(DAY, DAY)
    name = filled.store.catalogue[tables.LIFT_COMPARISON].name
    permission = permit_replacement(filled.store, DAY, "to see", {name}, at(DAY), "ada")
    tags: dict[str, Any] = {"v4/replace_live": permission}
    run(filled, now=DAY + timedelta(days=3), **tags)
    after = filled.store.comparisons(DAY, DAY)

    def key(row):
        return row.question, row.version

    assert [replace(row, retrospective=False) for row in sorted(after, key=key)] == sorted(before, key=key)


# --- what is kept and refused --------------------------------------------------------------------------------------


def test_a_rerun_keeps_the_evidence_and_says_the_same(filled):
    first = said(run(filled))
    before = {key: stored(filled, key) for key in (tables.LIFT_COMPARISON, tables.LIFT_BY_DECILE)}
    again = run(filled)
    assert {key: stored(filled, key) for key in before} == before
    [made] = again.asset_materializations_for_node(tables.LIFT_COMPARISON)
    assert made.metadata["kept"].value is True
    assert {name: (one.passed, one.description) for name, one in said(again).items()} == {
        name: (one.passed, one.description) for name, one in first.items()
    }


@pytest.mark.parametrize("table", ["v4_scored_leads", "v4_daily_scores_v41", "v4_lead_outcomes"])
def test_evidence_whose_inputs_were_replaced_is_not_quietly_renewed(filled, table):
    run(filled)
    with filled.warehouse._connection() as connection:
        connection.execute(
            f"""UPDATE ml_features.v4_partition_writes SET sequence = 2 WHERE table_name = '{table}'
            AND prediction_date = (SELECT MIN(prediction_date) FROM ml_features.v4_partition_writes
            WHERE table_name = '{table}' AND prediction_date >= DATE '2025-11-17')"""
        )
    result = run(filled, keys=("comparison",))
    assert not result.success
    assert "v4_lift_by_decile of 2026-01-12 was written on its own day" in error(result)
    assert "--replace-live" in error(result)


def test_other_numbers_for_the_cohort_are_refused_and_other_thresholds_are_not(filled):
    run(filled)
    milder = filled.rollout.evaluation.model_copy(update={"max_uncovered_share": 0.5, "silent_calls": 30.0})
    changed = replace(filled, rollout=filled.rollout.model_copy(update={"evaluation": milder}))
    assert run(changed).success
    longer = filled.rollout.evaluation.model_copy(update={"min_days": 5})
    changed = replace(filled, rollout=filled.rollout.model_copy(update={"evaluation": longer}))
    assert "was written on its own day" in error(run(changed, keys=("comparison",)))


@pytest.mark.extended
def test_scores_outside_the_cohorts_days_do_not_touch_the_evidence(filled):
    run(filled)
    with filled.warehouse._connection() as connection:
        connection.execute(
            """UPDATE ml_features.v4_partition_writes SET sequence = 2
            WHERE table_name = 'v4_scored_leads' AND prediction_date > DATE '2025-12-03'"""
        )
    assert run(filled, keys=("comparison",)).success


def test_both_tables_are_written_by_one_definition(filled):
    run(filled)
    writes = filled.store.latest_writes(DAY, DAY)
    one, other = (
        writes[filled.store.catalogue[key].name, DAY] for key in (tables.LIFT_COMPARISON, tables.LIFT_BY_DECILE)
    )
    assert one.definition_sha256 == other.definition_sha256


def test_without_the_days_outcomes_nobody_is_judged(filled):
    result = run(filled, keys=("comparison",))
    assert not result.success
    assert "lead_outcomes of 2026-01-12 was never written" in error(result)


def test_several_days_in_one_run_are_refused(filled):
    tags: dict[str, Any] = {
        "dagster/asset_partition_range_start": (DAY - timedelta(days=1)).isoformat(),
        "dagster/asset_partition_range_end": DAY.isoformat(),
    }
    result = run(filled, keys=("comparison",), **tags)
    assert not result.success
    assert "2026-01-11 to 2026-01-12 are 2 days in one run" in error(result)


def test_a_backfill_of_the_comparison_is_one_run_a_day(filled):
    made = assets.lift_comparison(filled.rollout, daily_partitions(filled.rollout.first_day))
    assert made.backfill_policy == dg.BackfillPolicy.multi_run(max_partitions_per_run=1)


def test_a_champion_that_was_sunset_is_compared_no_more(filled):
    done = [
        event(2, "promotion_started", CANDIDATE, DAY - timedelta(days=30), previous=BASELINE, action_id="2"),
        event(3, "promotion_completed", CANDIDATE, DAY - timedelta(days=29), action_id="2"),
        event(4, "sunset_started", BASELINE, DAY - timedelta(days=5), action_id="4"),
        event(5, "sunset_completed", BASELINE, DAY - timedelta(days=4), action_id="4"),
    ]
    assert assets.compared(filled.rollout, done[:3], DAY) == VERSIONS
    assert assets.compared(filled.rollout, done, DAY - timedelta(days=4)) == VERSIONS
    assert assets.compared(filled.rollout, done, DAY - timedelta(days=3)) == (CANDIDATE,)
    assert assets.bundle_findings(filled.store, filled.rollout, (CANDIDATE,)) == []
    judged = filled.evaluator(DAY, (CANDIDATE,), events=done).compare()
    gates = assets.judge(filled.store, filled.rollout, filled.day(DAY), done, [one.evidence for one in judged])
    found = {gate.name: gate for gate in gates}
    assert tuple(found) == GATE_NAMES
    assert found["not_behind_baseline"].verdict is Verdict.INCONCLUSIVE
    assert found["top_decile_lift"].actual == pytest.approx(judged[1].evidence.lift)


def test_the_shipped_bundles_pass_their_own_figures(filled):
    findings = assets.bundle_findings(filled.store, filled.rollout, VERSIONS)
    assert [one.check.name for one in findings] == ["test_auc_above_baseline", "test_lift", "auc_gap"]
    assert {one.passed for one in findings} == {True}


# --- gates as checks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "passed", "severity"),
    [
        (Verdict.PASS, True, dg.AssetCheckSeverity.WARN),
        (Verdict.INCONCLUSIVE, False, dg.AssetCheckSeverity.WARN),
        (Verdict.FAIL, False, dg.AssetCheckSeverity.ERROR),
    ],
)
def test_a_gate_fails_as_an_error_and_is_inconclusive_as_a_warning(verdict, passed, severity):
    gate = Gate("auc", verdict, "AUC is 0.58.", actual=0.58, threshold=0.59, bound=None, alert=True)
    [found] = gate_results([gate], [], "f" * 64, "lift_comparison")
    assert (found.passed, found.severity, found.description) == (passed, severity, "AUC is 0.58.")
    values = {name: one.value for name, one in found.metadata.items()}
    assert values.pop("distance") == pytest.approx(-0.01)
    assert values == {
        **{"actual": 0.58, "threshold": 0.59, "verdict": verdict.name, "alert": True},
        **{"cohort": "none", "evidence_sha256": "f" * 64},
    }


def test_every_gate_says_what_it_asks():
    assert set(GATES_ASK) == set(GATES_REMEDY) == set(GATE_NAMES)


# --- days in parallel ----------------------------------------------------------------------------------------------


def lineage_scored(
    cohorts: CohortWarehouse, days: list[date], *, retrospective: Collection[date] = (), failed: Any = None
):
    """Both versions' whole lineage written on these days and judged."""
    rows, catalogue = [], cohorts.store.catalogue
    keys = sorted({key for version in VERSIONS for key in catalogue.lineage(version)})
    for day in days:
        for key in keys:
            rows.append(
                {
                    **{
                        "table_name": catalogue[key].name,
                        "prediction_date": day,
                        "sequence": 1,
                        "run_id": f"run {day}",
                    },
                    **{"written_at": at(day), "row_count": 1, "retrospective": day in retrospective},
                    "definition_sha256": "0" * 64,
                }
            )
    cohorts.put(tables.PARTITION_WRITES, rows)
    writes = cohorts.store.latest_writes(days[0], days[-1])

    def judged(name: str, day: date) -> Judgement:
        verdict = Verdict.FAIL if (name, day) == failed else Verdict.PASS
        found = CheckResult("values_allowed", verdict, ERROR, "stated", blocking=True)
        return Judgement(name, day, 1, {}, f"run {day}", at(day), (found,))

    looked = catalogue[tables.SOURCE_OBSERVATIONS].name
    record(cohorts.store, [judged(name, day) for name, day in [*writes, *((looked, day) for day in days)]])


def parallel(cohorts: CohortWarehouse, since: date | None, versions: tuple[str, ...] = VERSIONS) -> int:
    return recorded_checks.live_parallel_days(cohorts.store, versions, since=since, until=DAY)


def test_days_in_parallel_are_those_on_which_everything_was_live_and_passed(filled):
    days = [DAY - timedelta(days=age) for age in (5, 4, 3, 2, 1, 0)]
    lineage_scored(filled, days, retrospective={days[1]}, failed=("v4_features_v41", days[2]))
    assert parallel(filled, days[0]) == 4
    assert parallel(filled, days[3]) == 3
    assert parallel(filled, DAY + timedelta(days=1)) == 0
    assert parallel(filled, None) == 0
    assert parallel(filled, days[0], versions=(CANDIDATE,)) == 0


def test_a_day_nobody_judged_is_no_day_in_parallel(filled):
    assert parallel(filled, DAY - timedelta(days=5)) == 0
