"""`v4 ci` fails a build for broken data, SQL and models by the name of the check, and never for a rollout's gates."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from v4_assets import sql
from v4_assets.cli.ci import as_markdown
from v4_assets.cli.main import cli
from v4_assets.config.environment import load
from v4_assets.errors import V4Error
from v4_assets.operations import ci
from v4_assets.operations.ci_report import FAILED, NOT_RUN, PASSED, Report, Row
from v4_assets.production.decision import GATE_NAMES
from v4_assets.project_files import PROJECT
from v4_assets.resources import warehouse
from v4_assets.sample.world import build, fill
from v4_assets_tests.fixtures.homes import copy, prepared
from v4_assets_tests.fixtures.narrow import embedded

DAY = ci.SAMPLE_DAY
GATE = Row("lift_comparison", "auc", "ERROR", FAILED, True, "AUC 0.55, below 0.59 | by more than chance <explains>")
WARNING = Row("features_v41", "feature_drift", "WARN", FAILED, False, "drifted")
HEALTHY = Row("scored_leads", "one_row_per_lead", "ERROR", PASSED, False, "ok")


@pytest.fixture
def environment(tmp_path, monkeypatch) -> Path:
    """An environment of its own; returns its V4_HOME."""
    monkeypatch.setenv("V4_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("V4_NOW", ci.SAMPLE_NOW)
    return tmp_path / "home"


def sources(home: Path) -> None:
    """A V4_HOME whose warehouse holds sources and nothing else."""
    settings = load({"V4_HOME": str(home)})
    fill(warehouse(settings), settings.rollout.catalogue, build(ci.SAMPLE))


@pytest.fixture
def own(environment) -> Path:
    """A team's own V4_HOME with sources of the day."""
    return copy(prepared("sources", sources), environment)


def v4_ci(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["ci", *arguments], catch_exceptions=False)


def outcome(result: Result) -> tuple[int, dict[str, str], list[str]]:
    """Exit code, result of each check, errors of steps."""
    content = json.loads(result.stdout)
    return (
        result.exit_code,
        {f"{row['asset']}.{row['check']}": row["result"] for row in content["rows"]},
        content["errors"],
    )


def content_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".lock", ".holder")
    }


def test_the_healthy_project_passes_on_the_sample_with_every_check_of_the_daily_job(environment, monkeypatch, tmp_path):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    result = v4_ci("--json")
    code, checks, errors = outcome(result)
    assert (code, errors) == (0, [])
    assert {name for name, found in checks.items() if found != PASSED and name not in warning(result)} == set()
    assert NOT_RUN not in checks.values()
    gates = {row["check"] for row in json.loads(result.stdout)["rows"] if row["is_gate"]}
    assert gates == set(GATE_NAMES)
    for name in ("source_observations.source_nulls_steady", "daily_scores_v41.ranked_exactly", "model_v41.test_lift"):
        assert checks[name] == PASSED
    assert checks["salesforce_sync.read_back_equals_warehouse"] == PASSED
    assert not environment.exists()
    page = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert page.startswith("## v4 ci\n\nPASSED on 2026-01-12, sample data: ")
    assert "| daily_scores_v41 | ranked_exactly | ERROR | passed |  |" in page


def warning(result: Result) -> set[str]:
    """Checks that only warn or are gates."""
    rows = json.loads(result.stdout)["rows"]
    return {f"{row['asset']}.{row['check']}" for row in rows if row["severity"] == "WARN" or row["is_gate"]}


@pytest.fixture
def other_sql(tmp_path, monkeypatch) -> Iterator[Path]:
    """A copy of sql/ that is read in the place of the project's."""
    folder = Path(shutil.copytree(PROJECT / "sql", tmp_path / "sql"))
    monkeypatch.setattr(sql, "SQL_DIR", folder)
    sql.load.cache_clear()
    yield folder
    sql.load.cache_clear()


def test_a_broken_feature_fails_the_build_by_the_name_of_its_check(own, other_sql):
    file = other_sql / "features" / "features_v41.sql"
    text = file.read_text(encoding="utf-8")
    broken = text.replace("  firm_stability_tier,\n", "  CONCAT(firm_stability_tier, '!') AS firm_stability_tier,\n")
    assert broken != text
    file.write_text(broken, encoding="utf-8")
    result = v4_ci("--target", "ml_features_ci")
    assert result.exit_code == 1
    cells = [line.split()[:4] for line in result.stdout.splitlines()]
    assert ["features_v41", "values_allowed", "ERROR", "failed"] in cells
    assert ["features_v40", "values_allowed", "ERROR", "passed"] in cells
    assert ["daily_scores_v41", "ranked_exactly", "ERROR", "not"] in cells  # run
    assert " by features_v41.values_allowed: " in result.stdout.splitlines()[-1]


@pytest.mark.extended
def test_a_corrupted_model_fails_the_build_and_what_could_not_be_asked_is_named(own, tmp_path, monkeypatch):
    models = Path(shutil.copytree(PROJECT / "models", tmp_path / "models"))
    monkeypatch.setenv("V4_MODELS", str(models))
    with (models / "v4.1.0" / "model.json").open("ab") as file:
        file.write(b" ")
    before = content_of(own)
    code, checks, errors = outcome(v4_ci("--target", "ml_features_ci", "--json"))
    assert code == 1
    assert any("is not the approved v4.1.0 model" in error for error in errors)
    assert checks["features_v41.feature_set_exact"] == NOT_RUN
    assert checks["features_v40.feature_set_exact"] == PASSED
    assert content_of(own) == before


@pytest.mark.extended
def test_a_column_that_went_silent_since_the_build_before_fails_the_day_and_production_is_not_touched(own):
    settings = load()
    # A dataset for builds lives on from build to build, as it does on BigQuery.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ci, "_elsewhere", in_place(own))
        patch.setattr(ci, "_copy_warehouse", lambda settings, here: None)
        assert ci.on_dataset(settings, "ml_features_ci", date(2026, 1, 11)).passed
        with embedded(warehouse(settings))._connection() as connection:
            connection.execute('UPDATE "FinTrx_data_CA"."ria_contacts_current" SET "REP_TYPE" = NULL')
            schemas = {
                row[0]
                for row in connection.execute("SELECT DISTINCT table_schema FROM information_schema.tables").fetchall()
            }
        report = ci.on_dataset(settings, "ml_features_ci", DAY)
    assert not report.passed
    assert [f"{row.asset}.{row.check}" for row in report.rows if row.breaks and row.result == FAILED] == [
        "source_observations.source_nulls_steady"
    ]
    assert "ml_features_ci" in schemas
    assert "ml_features" not in schemas


def in_place(home: Path):
    """A build's settings in a home that stays."""
    from contextlib import contextmanager

    @contextmanager
    def elsewhere(settings, changes):
        yield settings.model_copy(update={"home": home, **changes})

    return elsewhere


def report_of(*rows: Row, errors: tuple[str, ...] = ()) -> Report:
    return Report("sample data", DAY, rows, errors)


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (report_of(HEALTHY), 0),
        (report_of(HEALTHY, GATE), 0),
        (report_of(HEALTHY, WARNING), 0),
        (report_of(HEALTHY, Row("a", "b", "ERROR", FAILED, False, "")), 1),
        (report_of(HEALTHY, Row("a", "b", "ERROR", NOT_RUN, False, "")), 1),
        (report_of(HEALTHY, errors=("features_v41: no such column",)), 1),
    ],
    ids=["healthy", "a failing gate alone", "a warning alone", "an error", "not run", "a failed step"],
)
def test_only_errors_that_are_no_gates_break_a_build(environment, monkeypatch, report, code):
    monkeypatch.setattr(ci, "on_sample", lambda settings: report)
    result = v4_ci()
    assert result.exit_code == code
    for row in report.rows:
        assert row.check in result.stdout
    assert result.stdout.splitlines()[-1].startswith("FAILED on " if code else "PASSED on ")


def test_a_gate_that_fails_is_shown_as_one(environment, monkeypatch):
    monkeypatch.setattr(ci, "on_sample", lambda settings: report_of(GATE))
    assert "lift_comparison  auc    ERROR     failed  gate  AUC 0.55" in v4_ci().stdout


def test_free_text_cannot_break_out_of_the_page_of_a_build():
    page = as_markdown(report_of(GATE, errors=("a\n# <b>",)))
    assert "below 0.59 \\| by more than chance &lt;explains&gt; |" in page
    assert "- a # &lt;b&gt;" in page


@pytest.mark.parametrize("target", ["ml_features", "another-project.ml_features"])
def test_a_build_never_writes_where_production_is(environment, target):
    with pytest.raises(V4Error, match=r"is the dataset rollout\.yaml writes to, where production is"):
        v4_ci("--target", target)


def test_a_build_on_bigquery_must_name_its_dataset(environment, monkeypatch):
    monkeypatch.setenv("V4_WAREHOUSE", "bigquery")
    monkeypatch.setenv("V4_BIGQUERY_PROJECT", "p")
    with pytest.raises(V4Error, match="--target ml_features_ci"):
        v4_ci()


def test_a_day_of_the_sample_cannot_be_chosen(environment):
    with pytest.raises(V4Error, match="takes --target"):
        v4_ci("--date", "2026-01-05")


def test_sources_that_are_not_there_are_named_with_the_way_to_get_them(environment):
    with pytest.raises(V4Error, match="Fill it with `v4 sample`"):
        v4_ci("--target", "ml_features_ci")
