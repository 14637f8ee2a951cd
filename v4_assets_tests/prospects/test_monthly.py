"""The monthly job through Dagster: a month is scored, its list given out once, made anew after a switch."""

import csv
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from v4_assets.cli.main import cli
from v4_assets.config.environment import Settings, load
from v4_assets.definitions import build
from v4_assets.errors import PolicyError, V4Error
from v4_assets.models.contract import encode
from v4_assets.names import DAILY_JOB, PROCESS_TAG, PROSPECTS_JOB
from v4_assets.operations import local_runs, monthly, operator_actions
from v4_assets.operations.instance import dagster_instance
from v4_assets.prospects import contracts, lists
from v4_assets.prospects.months import before, following, key_of, month_of, monthly_partitions, parse
from v4_assets.prospects.scoring import EXPLAINED_FROM
from v4_assets.resources import registry, store, warehouse
from v4_assets.runs import this_process
from v4_assets.sample.world import WorldSpec, fill
from v4_assets.sample.world import build as build_world
from v4_assets.sql import Query
from v4_assets_tests.fixtures.homes import copy, prepared
from v4_assets_tests.fixtures.narrow import embedded

pytestmark = pytest.mark.extended

MONTH, TWELFTH, TWENTIETH = date(2026, 1, 1), date(2026, 1, 12), date(2026, 1, 20)
OLD, NEW = "v4.0.0", "v4.1.0"
WORLD = WorldSpec(scale=0.01, leads_per_week=40, seed=5, through=date(2026, 1, 31))


def at(home: Path, day: date, **env: str) -> Settings:
    """Settings on the morning of a day."""
    return load({"V4_HOME": str(home), "V4_NOW": f"{day}T06:30", **env})


def adopted(home: Path) -> None:
    settings = at(home, MONTH)
    fill(warehouse(settings), settings.rollout.catalogue, build_world(WORLD), known_at=settings.clock.now())
    local_runs.init(settings)


def scored(home: Path) -> None:
    shutil.copytree(prepared("prospects_adopted", adopted), home, dirs_exist_ok=True)
    outcome = monthly.run_month(at(home, MONTH), MONTH)
    assert (outcome.success, outcome.errors, blocking(outcome)) == (True, (), set())


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A V4_HOME before its first monthly job."""
    return copy(prepared("prospects_adopted", adopted), tmp_path / "home")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A V4_HOME whose January was scored on the first."""
    return copy(prepared("prospects_scored", scored), tmp_path / "home")


def blocking(outcome: local_runs.Outcome) -> set[str]:
    return {f"{one.asset}.{one.check}" for one in outcome.checks_failed if one.severity == "ERROR"}


def rows(settings: Settings, text: str) -> list[dict[str, Any]]:
    return warehouse(settings).read(Query("rows", text)).to_pylist()


def change(settings: Settings, *statements: str) -> None:
    with embedded(warehouse(settings))._connection() as connection:
        for statement in statements:
            connection.execute(statement)


def month_rows(settings: Settings, key: str) -> list[dict[str, Any]]:
    name = settings.rollout.catalogue[key].full_name
    return rows(settings, f"SELECT * FROM {name} ORDER BY prediction_date, advisor_crd")


def v4(settings: Settings, *arguments: str) -> Result:
    env = {"V4_HOME": str(settings.home), "V4_NOW": str(settings.now)}
    return CliRunner().invoke(cli, ["prospects", *arguments], env=env, prog_name="v4")


# --- what is scored ---------------------------------------------------------------------------------------------------


def test_every_producing_active_advisor_is_scored_once_by_both_versions(home: Path) -> None:
    settings = at(home, MONTH)
    source = settings.rollout.catalogue["ria_contacts_current"].full_name
    wanted = {
        row["crd"]
        for row in rows(settings, f"SELECT RIA_CONTACT_CRD_ID AS crd FROM {source} WHERE PRODUCING_ADVISOR AND ACTIVE")
    }
    assert len(wanted) > 3000
    for version, key in ((OLD, "v40"), (NEW, "v41")):
        found = month_rows(settings, contracts.scores_key(key))
        assert {row["advisor_crd"] for row in found} == wanted
        assert len(found) == len(wanted)
        assert {(row["model_version"], row["retrospective"]) for row in found} == {(version, False)}
        assert {row["prediction_date"] for row in found} == {MONTH}
        assert sum(row["deprioritize"] for row in found) == len(wanted) * 20 // 100


def test_the_scores_of_a_month_are_those_the_bundle_gives_its_features(home: Path) -> None:
    settings = at(home, MONTH)
    for version, key in ((OLD, "v40"), (NEW, "v41")):
        bundle = registry(settings).load(version)
        name = settings.rollout.catalogue[contracts.features_key(key)].full_name
        features = warehouse(settings).read(Query("features", f"SELECT * FROM {name} ORDER BY advisor_crd"))
        scores = bundle.score(features)
        found = [row["score"] for row in month_rows(settings, contracts.scores_key(key))]
        assert found == [float(one) for one in scores]


def test_the_best_have_three_reasons_whose_values_are_the_models_own_and_a_sentence(home: Path) -> None:
    settings = at(home, MONTH)
    bundle = registry(settings).load(NEW)
    name = settings.rollout.catalogue[contracts.features_key("v41")].full_name
    features = warehouse(settings).read(Query("features", f"SELECT * FROM {name} ORDER BY advisor_crd"))
    values = bundle.contributions(encode(bundle.features, features))[:, :-1]
    explained = 0
    for row, own in zip(month_rows(settings, contracts.scores_key("v41")), values, strict=True):
        if row["percentile"] < EXPLAINED_FROM:
            assert {row[f"reason_{rank}"] for rank in (1, 2, 3)} | {row["narrative"]} == {None}
            continue
        explained += 1
        strongest = sorted(range(len(own)), key=lambda place: -abs(own[place]))[:3]
        assert [row[f"value_{rank}"] for rank in (1, 2, 3)] == pytest.approx([own[place] for place in strongest])
        assert row["narrative"].startswith("Ranked high ")
        words = settings.rollout.prospects.words
        assert all(words[row[f"reason_{rank}"]] in row["narrative"] for rank in (1, 2, 3))
    assert explained > 600


def test_the_view_shows_the_live_version_and_follows_a_switch(home: Path) -> None:
    settings = at(home, TWELFTH)
    view = f"`{settings.rollout.datasets.features}`.`{contracts.VIEW}`"
    text = f"SELECT model_version, COUNT(*) AS n, COUNT(DISTINCT crd) AS crds FROM {view} GROUP BY model_version"
    [before_it] = rows(settings, text)
    change(settings, f"UPDATE ml_features.v4_production SET version = '{NEW}'")
    [after_it] = rows(settings, text)
    assert (before_it["model_version"], after_it["model_version"]) == (OLD, NEW)
    assert before_it["n"] == before_it["crds"] == after_it["n"] == after_it["crds"] > 3000


@pytest.mark.parametrize(("counting", "best"), [("one_to_hundred", 100), ("zero_to_99", 99)])
def test_the_view_counts_percentiles_as_rollout_yaml_says(home: Path, counting: str, best: int) -> None:
    text = (Path(local_runs.__file__).parents[2] / "rollout.yaml").read_text(encoding="utf-8")
    written = "percentile: one_to_hundred #"
    assert text.count(written) == 1
    (home / "rollout.yaml").write_text(text.replace(written, f"percentile: {counting} #"), encoding="utf-8")
    settings = at(home, MONTH, V4_ROLLOUT=str(home / "rollout.yaml"))
    local_runs.init(settings)
    view = f"`{settings.rollout.datasets.features}`.`{contracts.VIEW}`"
    [found] = rows(settings, f"SELECT MAX(v4_percentile) AS best, MIN(v4_percentile) AS worst FROM {view}")
    assert (found["best"], found["worst"]) == (best, best - 99)
    wrong = "v4_deprioritize <> (v4_percentile <= 20) OR v4_upgrade_candidate <> (v4_percentile >= 80)"
    assert rows(settings, f"SELECT crd FROM {view} WHERE {wrong}") == []
    spoken = "v4_upgrade_candidate <> (v4_narrative IS NOT NULL)"
    assert rows(settings, f"SELECT crd FROM {view} WHERE {spoken}") == []


# --- partitions, jobs, schedule ---------------------------------------------------------------------------------------


def test_a_month_is_named_without_a_day_and_the_present_one_is_there_on_its_first_morning() -> None:
    months = monthly_partitions(date(2025, 10, 15), date(2026, 2, 1))
    assert months.get_partition_keys() == ["2025-10", "2025-11", "2025-12", "2026-01", "2026-02"]
    assert [key_of(one) for one in (before(date(2026, 1, 9)), following(date(2026, 12, 9)))] == ["2025-12", "2027-01"]
    assert (month_of(TWELFTH), parse("2026-01")) == (MONTH, MONTH)
    for text in ("2026-1", "2026-13", "2026-01-01", "january"):
        with pytest.raises(V4Error, match=r"is not a month\. Write it like 2026-02\."):
            parse(text)


def test_no_selection_of_the_daily_job_holds_an_asset_of_the_month(bare: Path) -> None:
    definitions = build(at(bare, MONTH))
    daily, month = (
        {node.name for node in definitions.resolve_job_def(name).nodes} for name in (DAILY_JOB, PROSPECTS_JOB)
    )
    assert not daily & month
    assert len(month) == 10


def test_the_schedule_asks_for_the_month_that_begins(bare: Path) -> None:
    definitions = build(at(bare, date(2026, 2, 1), V4_SCHEDULE="on"))
    resolved = definitions.resolve_schedule_def(f"{PROSPECTS_JOB}_schedule")
    assert resolved.cron_schedule == "0 6 1 * *"
    assert resolved.default_status is dg.DefaultScheduleStatus.RUNNING
    at_six = at(bare, date(2026, 2, 1)).clock.now()
    context = dg.build_schedule_context(
        scheduled_execution_time=at_six, repository_def=definitions.get_repository_def()
    )
    [request] = resolved.evaluate_tick(context).run_requests or []
    assert request.partition_key == "2026-02"


def test_the_runs_of_a_month_are_recorded_under_its_own_key(home: Path) -> None:
    with dagster_instance(at(home, MONTH)) as instance:
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(contracts.PROSPECTS))
        found = instance.fetch_materializations(wanted, limit=10).records
    assert [one.partition_key for one in found] == ["2026-01"]


# --- late, again, broken ----------------------------------------------------------------------------------------------


def test_a_late_month_is_marked_and_made_again_until_its_list_is_given_out(bare: Path) -> None:
    settings = at(bare, TWELFTH)
    for sequence in (1, 2):
        assert monthly.run_month(settings, MONTH).success
        write = store(settings).latest_writes(MONTH, MONTH)["v4_prospect_scores_v41", MONTH]
        assert (write.sequence, write.retrospective) == (sequence, True)
    monthly.give_out(settings, MONTH)
    assert monthly.run_month(settings, MONTH).success
    assert store(settings).latest_writes(MONTH, MONTH)["v4_prospect_scores_v41", MONTH].sequence == 2
    assert monthly.run_month(settings, MONTH, replace_live="FinTrx was corrected").success
    write = store(settings).latest_writes(MONTH, MONTH)["v4_prospect_scores_v41", MONTH]
    assert write.sequence == 3
    given = lists.given_out(store(settings), MONTH)
    assert [one.edition for one in given] == [1]


def test_a_month_that_was_not_scored_is_overdue_from_half_past_seven_until_it_is_or_its_run_executes(
    home: Path,
) -> None:
    first = date(2026, 2, 1)
    early, late = (at(home, first, V4_NOW=f"{first}T{hour}") for hour in ("07:29", "07:31"))
    assert local_runs.run_day(early, first).success

    def missing(settings: Settings) -> str:
        found = operator_actions.status(settings).overdue
        return found.text if found else ""

    with dagster_instance(late) as instance:
        said = "v4_prospect_scores still shows 2026-01: v4.0.0 has not scored the prospects of 2026-02."
        assert (missing(early), missing(late)) == ("", said)
        tags = {"dagster/partition": "2026-02", PROCESS_TAG: this_process()}
        run = instance.create_run_for_job(
            build(late).resolve_job_def(PROSPECTS_JOB), status=dg.DagsterRunStatus.STARTED, tags=tags
        )
        assert missing(late) == ""
        instance.delete_run(run.run_id)
    assert missing(late) == said
    assert monthly.run_month(late, first).success
    assert missing(late) == ""


def test_a_rerun_on_its_own_day_keeps_every_row(home: Path) -> None:
    settings = at(home, MONTH)
    first = {key: month_rows(settings, key) for key in (contracts.scores_key("v41"), contracts.PROSPECT_LIST)}
    assert monthly.run_month(at(home, MONTH), MONTH).success
    assert {key: month_rows(settings, key) for key in first} == first


@pytest.mark.parametrize(
    ("statement", "failed"),
    [
        pytest.param(
            "UPDATE FinTrx_data_CA.ria_contacts_current SET ACTIVE = FALSE",
            "prospects.advisor_count_steady",
            id="nobody-is-active",
        ),
        pytest.param(
            "UPDATE FinTrx_data_CA.ria_contacts_current SET EMAIL = NULL",
            "prospect_features_v41.missing_rates_steady",
            id="no-email",
        ),
    ],
)
def test_a_broken_source_stops_the_month_before_its_scores(home: Path, statement: str, failed: str) -> None:
    settings = at(home, date(2026, 2, 1))
    change(settings, statement)
    outcome = monthly.run_month(settings, date(2026, 2, 1))
    assert not outcome.success
    assert failed in blocking(outcome)
    writes = store(settings).latest_writes(date(2026, 2, 1), date(2026, 2, 1))
    assert ("v4_prospect_scores_v41", date(2026, 2, 1)) not in writes
    with pytest.raises(V4Error, match=r"has no scores of the month 2026-02 .* `v4 prospects run --month 2026-02`"):
        monthly.give_out(settings, date(2026, 2, 1))


@pytest.mark.parametrize(
    ("spoil", "failed"),
    [
        pytest.param("DELETE FROM {table} WHERE advisor_crd = {crd}", "one_score_per_featured_prospect", id="lost"),
        pytest.param(
            "INSERT INTO {table} SELECT * FROM {table} WHERE advisor_crd = {crd}", "ranked_exactly", id="twice"
        ),
        pytest.param("UPDATE {table} SET score = 1.5 WHERE advisor_crd = {crd}", "scores_in_range", id="range"),
        pytest.param("UPDATE {table} SET score = 0.5", "distinct_scores", id="one score"),
    ],
)
def test_rows_that_were_edited_fail_the_next_look_and_no_list_is_given(home: Path, spoil: str, failed: str) -> None:
    settings = at(home, MONTH)
    crd = month_rows(settings, contracts.scores_key("v40"))[0]["advisor_crd"]
    change(settings, spoil.format(table="ml_features.v4_prospect_scores_v40", crd=crd))
    outcome = monthly.run_month(settings, MONTH)
    assert f"prospect_scores_v40.{failed}" in blocking(outcome)
    with pytest.raises(V4Error, match=r"v4_prospect_scores_v40: .* failed on the latest write"):
        monthly.give_out(settings, MONTH)


# --- the list ---------------------------------------------------------------------------------------------------------


def test_the_list_is_written_once_and_given_out_once(home: Path) -> None:
    settings = at(home, MONTH)
    first = monthly.give_out(settings, MONTH)
    content = first.path.read_bytes()
    assert (first.path.parent.stat().st_mode | first.path.stat().st_mode) & 0o077 == 0
    later = monthly.give_out(at(home, TWELFTH), MONTH, home / "again.csv")
    assert (first.is_new, later.is_new) == (True, False)
    assert (home / "again.csv").read_bytes() == content
    assert (home / "again.csv").stat().st_mode & 0o077 == 0
    assert later.given == first.given
    found = list(csv.DictReader(content.decode().splitlines()))
    rules = settings.rollout.prospects.list
    assert len(found) == rules.callers * rules.advisors_each
    assert [int(row["place"]) for row in found] == list(range(1, len(found) + 1))
    assert {row["caller"] for row in found} == {str(one) for one in range(1, rules.callers + 1)}
    scores = [float(row["v4_score"]) for row in found]
    assert scores == sorted(scores, reverse=True)
    assert all(row["why"].startswith(f"Percentile {row['v4_percentile']}") for row in found)


def test_no_open_lead_and_none_of_the_own_people_are_listed(bare: Path) -> None:
    settings = at(bare, MONTH)
    change(
        settings,
        "UPDATE FinTrx_data_CA.ria_contacts_current SET PRIMARY_FIRM_NAME = 'The Savvy Group' "
        "WHERE RIA_CONTACT_CRD_ID % 3 = 0",
    )
    assert monthly.run_month(settings, MONTH).success
    handed = monthly.give_out(settings, MONTH)
    listed = {row["advisor_crd"] for row in month_rows(settings, contracts.PROSPECT_LIST)}
    open_leads = {
        int(row["crd"])
        for row in rows(
            settings,
            "SELECT FA_CRD__c AS crd FROM `SavvyGTMData`.`Lead` WHERE Stage_Entered_Call_Scheduled__c IS NULL",
        )
        if row["crd"] and row["crd"].isdigit()
    }
    assert len(open_leads) > 1000
    assert not listed & open_leads
    assert not {one for one in listed if one % 3 == 0}
    assert set(handed.left_out) == {"own people", "open lead", "contacted lately", "percentile too low"}


def test_who_was_listed_in_january_is_not_listed_in_february(home: Path) -> None:
    monthly.give_out(at(home, MONTH), MONTH)
    february = date(2026, 2, 1)
    settings = at(home, february)
    assert monthly.run_month(settings, february).success
    found = month_rows(settings, contracts.PROSPECT_LIST)
    january, new = ({row["advisor_crd"] for row in found if row["prediction_date"] == one} for one in (MONTH, february))
    assert january
    assert new
    assert not january & new
    assert lists.choices(store(settings), settings.rollout, february, OLD, february).left_out["listed lately"] == 1000


# --- a switch in the middle of a month --------------------------------------------------------------------------------


def test_a_promotion_on_the_12th_and_a_rollback_on_the_20th_offer_the_list_anew(home: Path) -> None:
    monthly.give_out(at(home, MONTH), MONTH)
    said: list[str] = []
    for day, kind, version in ((TWELFTH, "promotion", NEW), (TWENTIETH, "rollback", OLD)):
        settings = at(home, day)
        assert local_runs.run_day(settings, day).success
        other = OLD if version == NEW else NEW
        preview = monthly.preview(settings, MONTH)
        assert (preview.version, preview.listed_by) == (version, OLD if kind == "promotion" else NEW)
        assert preview.stay + len(preview.leave) == preview.listed == 1000
        outcome = operator_actions.order(settings, kind, version, "a person's reason")  # type: ignore[arg-type] # a Kind
        assert outcome.success, outcome.errors
        [report] = settings.places.reports.glob(f"{day}-{kind}-*.md")
        assert "## The month's list" in report.read_text(encoding="utf-8")
        said.append(lists.after_switch(store(settings), settings.rollout, version, day))
        assert f"{other}'s list of 2026-01" in said[-1]
        assert "was given out on" in said[-1]
        again = monthly.give_out(settings, MONTH, again=f"{kind} of {day}")
        assert (again.given.model_version, again.given.reason) == (version, f"{kind} of {day}")
        assert "already" in lists.after_switch(store(settings), settings.rollout, version, day)
    editions = {row["edition"]: row["model_version"] for row in month_rows(settings, contracts.PROSPECT_LIST)}
    assert editions == {1: OLD, 2: NEW, 3: OLD}
    assert [one.edition for one in lists.given_out(store(settings), MONTH)] == [1, 2, 3]


def test_a_promotion_without_the_months_scores_is_refused_with_the_line_to_run_and_a_rollback_never(bare: Path) -> None:
    settings = at(bare, TWELFTH)
    assert local_runs.run_day(settings, TWELFTH).success
    with pytest.raises(PolicyError, match=r"prospects of 2026-01 .* `v4 prospects run --month 2026-01` makes them"):
        operator_actions.order(settings, "promotion", NEW, "a person's reason")
    assert store(settings).live() == OLD
    assert monthly.run_month(settings, MONTH).success
    name_bundle = "UPDATE ml_features.v4_prospect_scores_v41 SET bundle_sha256 = '{}'"
    change(settings, name_bundle.format("c" * 64))
    with pytest.raises(PolicyError, match="they are not of its registered bundle"):
        operator_actions.order(settings, "promotion", NEW, "a person's reason")
    change(settings, name_bundle.format(registry(settings).load(NEW).bundle_sha256))
    assert operator_actions.order(settings, "promotion", NEW, "a person's reason").success
    change(settings, "DELETE FROM ml_features.v4_prospect_scores_v40")
    assert operator_actions.order(settings, "rollback", OLD, "a person's reason").success


def test_where_no_list_is_used_a_promotion_needs_none(bare: Path) -> None:
    text = (Path(local_runs.__file__).parents[2] / "rollout.yaml").read_text(encoding="utf-8")
    assert text.count("  enabled: yes #") == 1
    (bare / "rollout.yaml").write_text(text.replace("  enabled: yes #", "  enabled: no #"), encoding="utf-8")
    settings = at(bare, TWELFTH, V4_ROLLOUT=str(bare / "rollout.yaml"))
    assert local_runs.run_day(settings, TWELFTH).success
    assert operator_actions.order(settings, "promotion", NEW, "a person's reason").success


# --- the command ------------------------------------------------------------------------------------------------------


def test_a_test_scores_a_sample_by_both_versions_and_writes_nothing(bare: Path) -> None:
    settings = at(bare, MONTH)
    result = v4(settings, "run", "--test")
    assert result.exit_code == 0, result.output
    assert [line.split(" scored")[0] for line in result.output.splitlines()] == [
        "v4.0.0: 14 features, 1,000 advisors",
        "v4.1.0: 22 features, 1,000 advisors",
    ]
    assert {key: len(month_rows(settings, key)) for key in (contracts.PROSPECTS, contracts.scores_key("v41"))} == {
        contracts.PROSPECTS: 0,
        contracts.scores_key("v41"): 0,
    }
    assert store(settings).latest_writes(MONTH, MONTH) == {}


def test_the_commands_print_what_was_done(home: Path) -> None:
    settings = at(home, TWELFTH)
    assert "1,000 advisors; v4.1.0 would list 1,000" in v4(settings, "preview").output
    given = v4(settings, "list")
    assert "1,000 advisors by v4.0.0, edition 1 of 2026-01, given out now" in given.output
    assert "given out on 2026-01-12 before" in v4(settings, "list").output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("run", "--month", "2026-02"), "2026-02 has not begun in New York", id="future"),
        pytest.param(("run", "--month", "2025-09"), "lies before first_day 2025-10-01", id="too early"),
        pytest.param(("run", "--month", "2026-1-1"), "is not a month. Write it like 2026-02.", id="no month"),
        pytest.param(("run", "--test", "--replace-live", "why"), "--test writes nothing", id="both"),
        pytest.param(("list", "--again", "why"), "was not given out yet, so --again is not needed", id="not given"),
        pytest.param(("preview", "--version", "v9.9.9"), "There is no version v9.9.9", id="unknown version"),
        pytest.param(("list", "--month", "2025-12"), "`v4 prospects run --month 2025-12` makes them", id="not scored"),
    ],
)
def test_a_mistake_is_named_in_a_sentence(home: Path, arguments: tuple[str, ...], said: str) -> None:
    result = v4(at(home, TWELFTH), *arguments)
    assert result.exit_code != 0
    assert said in f"{result.output} {result.exception}"
