"""A mistake in rollout.yaml or the environment is told by the place it stands at; what is right reaches the SQL."""

import re
from datetime import date
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from v4_assets.cli.main import cli
from v4_assets.config import variables
from v4_assets.config.environment import KNOWN, BigQueryTarget, Settings, load, with_environment
from v4_assets.config.rollout import read_rollout
from v4_assets.config.variables import verify_names
from v4_assets.errors import SettingsError
from v4_assets.project_files import PROJECT
from v4_assets.resources import registry, warehouse
from v4_assets_tests.fixtures.narrow import embedded, present

ROLLOUT = PROJECT / "rollout.yaml"


@pytest.fixture
def changed(tmp_path):
    """Writes rollout.yaml with one entry changed, added or (by None) removed; the path is dotted with slashes."""

    def change(place: str, value: object) -> Path:
        content = yaml.safe_load(ROLLOUT.read_text(encoding="utf-8"))
        *parents, last = place.split("/")
        entry = content
        for parent in parents:
            entry = entry[parent]
        if value is None:
            del entry[last]
        else:
            entry[last] = value
        path = tmp_path / "rollout.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return change


def refused(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        read_rollout(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


# --- rollout.yaml


def test_the_project_s_own_rollout_holds_the_guide_s_numbers():
    rollout = read_rollout(ROLLOUT)
    assert (rollout.baseline, rollout.candidate) == ("v4.0.0", "v4.1.0")
    assert (rollout.pre_deployment.test_lift_above, rollout.pre_deployment.auc_gap_at_most) == (1.5, 0.10)
    assert (rollout.training.train_from, rollout.training.test_from) == (date(2024, 2, 1), date(2025, 8, 1))
    assert rollout.training.until == date(2025, 10, 31)
    challenger = present(rollout.versions["v4.1.0"].train)
    assert (challenger.max_depth, challenger.min_child_weight, challenger.gamma) == (2, 30.0, 0.3)
    assert (challenger.learning_rate, challenger.n_estimators, challenger.early_stopping_rounds) == (0.01, 2000, 150)
    assert (challenger.subsample, challenger.colsample_bytree) == (0.6, 0.6)
    assert present(rollout.versions["v4.0.0"].train).early_stopping_rounds == 50


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("basline", "v4.0.0", "There is no setting basline. Did you mean baseline?"),
        ("checks/psy", 0.3, "There is no setting checks.psy. Did you mean psi?"),
        ("versions/v4.1.0/train/max_dept", 2, "no setting versions.v4.1.0.train.max_dept. Did you mean max_depth?"),
        ("baseline", None, "baseline is missing: set it."),
        ("datasets/crm", None, "datasets.crm is missing: set it."),
        ("versions/v4.0.0/train/n_estimators", None, "versions.v4.0.0.train.n_estimators is missing: set it."),
        ("checks/psi", 0, "checks.psi is 0, expected more than 0."),
        ("checks/history_days", 61, "checks.history_days is 61, expected 60 or less."),
        ("checks/row_count_change", 30, "checks.row_count_change is 30, expected 1 or less."),
        (
            "checks/source_age_days",
            {"lead": 0},
            "checks.source_age_days.lead is 0, expected 1 or more.",
        ),
        ("training/validation_share", 0.5, "training.validation_share is 0.5, expected less than 0.5."),
        ("training/train_from", "soon", "training.train_from is 'soon', expected a date like 2026-01-05."),
        ("versions/v4.1.0/train/subsample", 0, "versions.v4.1.0.train.subsample is 0, expected more than 0."),
        ("versions/v4.1.0/train/max_depth", 2.5, "versions.v4.1.0.train.max_depth is 2.5, expected a whole number."),
        ("versions/v4.1.0/key", "V41", "key is 'V41', expected lower-case letters, digits and _, like v41."),
        ("versions/v4.1.0/scores_table", "a.b", "scores_table is 'a.b', expected letters, digits and _."),
        ("reasons", "some", "reasons is 'some', expected 'production', 'all' or 'none'"),
        ("first_day", "2025-13-01", "first_day is '2025-13-01', expected a date like"),
        ("keep_features_days", 59, "keep_features_days is 59, expected 60 or more."),
        (
            "keep_features_days",
            224,
            "keep_features_days 224 is below the 225 days that a cohort reaches back (outcome_window_days, "
            "evaluation.label_lag_days and evaluation.max_days); set 225 or more, or null",
        ),
        ("outcome_window_days", 60, "keep_features_days 240 is below the 242 days"),
    ],
)
def test_a_mistake_in_rollout_yaml_is_reported_by_its_place(changed, place, value, said):
    assert said in refused(changed(place, value))


@pytest.mark.parametrize(("value", "days"), [(225, 225), (None, None)], ids=["the reach of a cohort", "left out"])
def test_features_are_kept_for_as_long_as_a_cohort_reaches_back_or_for_good(changed, value, days):
    assert read_rollout(changed("keep_features_days", value)).keep_features_days == days


def test_every_mistake_is_reported_at_once(changed):
    message = refused(changed("checks", {"psi": -1, "distinct_scores": 1}))
    for place in ("checks.psi", "checks.distinct_scores", "checks.history_days", "checks.source_age_days"):
        assert place in message


@pytest.mark.parametrize("role", ["baseline", "candidate"])
def test_a_role_goes_to_a_version_there_is(changed, role):
    said = f"{role} v9.9.9 is not among versions ['v4.0.0', 'v4.1.0']"
    assert said in refused(changed(role, "v9.9.9"))


def test_a_version_does_not_challenge_itself(changed):
    assert "baseline and candidate are both v4.0.0" in refused(changed("candidate", "v4.0.0"))


@pytest.mark.parametrize(
    ("attribute", "taken"),
    [("key", "v40"), ("features_view", "v4_production_features"), ("scores_table", "v4_daily_scores")],
)
def test_two_versions_never_share_a_name(changed, attribute, taken):
    message = refused(changed(f"versions/v4.1.0/{attribute}", taken))
    assert f"two versions share a {attribute}: ['{taken}', '{taken}']" in message


def test_a_version_s_name_is_a_version(changed):
    entry = {"key": "v50", "features_view": "f", "scores_table": "s"}
    assert "versions.new is 'new', expected a version like v4.1.0." in refused(changed("versions/new", entry))


@pytest.mark.parametrize(
    ("place", "value"),
    [("training/test_from", "2024-02-01"), ("training/until", "2025-07-31")],
    ids=["nothing to train on", "nothing to test on"],
)
def test_the_periods_of_training_stand_in_order(changed, place, value):
    said = "training: train_from must lie before test_from, and test_from not after until"
    assert said in refused(changed(place, value))


@pytest.mark.parametrize("entry", ["baseline: v4.1.0", "reasons: none"])
def test_an_entry_that_stands_there_twice_is_refused(tmp_path, entry):
    path = tmp_path / "rollout.yaml"
    path.write_text(f"{entry}\n{ROLLOUT.read_text(encoding='utf-8')}", encoding="utf-8")
    assert entry.partition(":")[0] in refused(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [("a: [", "is not YAML"), ("", "holds no entries such as `baseline:`"), ("- a\n- b", "holds no entries such as")],
    ids=["cut off", "empty", "list"],
)
def test_a_file_that_is_no_rollout_is_refused(tmp_path, content, said):
    path = tmp_path / "rollout.yaml"
    path.write_text(content, encoding="utf-8")
    assert said in refused(path)


def test_a_rollout_that_is_not_there_is_refused_with_the_repair(tmp_path):
    assert "Restore it, or point V4_ROLLOUT at another." in refused(tmp_path / "absent.yaml")


# --- environment


def of(tmp_path: Path, **env: str) -> Settings:
    return load({"V4_HOME": str(tmp_path), **env})


def test_without_an_environment_everything_is_kept_in_the_default_home(own_home):
    settings = load({})
    assert settings.home == own_home
    assert settings.models == PROJECT / "models"
    assert (settings.warehouse, settings.warehouse_lock_seconds) == ("duckdb", 120.0)
    assert (settings.bigquery, settings.now, settings.schedule) == (None, None, False)
    assert settings.rollout == read_rollout(ROLLOUT)


def test_what_a_run_makes_is_kept_under_v4_home(tmp_path):
    settings = of(tmp_path)
    assert settings.duckdb_file == tmp_path / "warehouse.duckdb"
    assert settings.registered_models == tmp_path / "models"
    assert settings.dagster_home == tmp_path / "dagster"
    assert settings.demo_clock_file == tmp_path / "demo-clock"
    assert embedded(warehouse(settings)).path == str(tmp_path / "warehouse.duckdb")
    assert registry(settings).registered == str(tmp_path / "models")
    assert list(tmp_path.iterdir()) == []


def test_v4_home_may_be_relative_or_the_user_s(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert load({"V4_HOME": "here"}).home == tmp_path / "here"
    assert load({"V4_HOME": "~/rollout"}).home == tmp_path / "me" / "rollout"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("V4_WAREHOUSE", "snowflake", "V4_WAREHOUSE is 'snowflake', expected 'duckdb' or 'bigquery'"),
        ("V4_WAREHOUSE_LOCK_SECONDS", "a while", "WAREHOUSE_LOCK_SECONDS is 'a while', expected a number."),
        ("V4_SCHEDULE", "perhaps", "V4_SCHEDULE is 'perhaps', expected true or false."),
        ("V4_NOW", "yesterday", "'yesterday' is not an instant. Write it like 2026-01-05T06:30"),
        ("V4_ROLLOUT", "/absent/rollout.yaml", "There is no /absent/rollout.yaml"),
        ("V4_WAREHOUSE", "bigquery", "V4_BIGQUERY_PROJECT is not set. Set it to the project to query in."),
    ],
)
def test_a_mistake_in_the_environment_is_reported_by_its_place(tmp_path, name, value, said):
    with pytest.raises(SettingsError, match=f"(?i){said}"):
        of(tmp_path, **{name: value})


@pytest.mark.parametrize("name", ["V4_WAREHOUSE", "V4_WAREHOUSE_LOCK_SECONDS", "V4_SCHEDULE", "V4_NOW"])
def test_a_mistake_in_the_environment_names_the_variable(tmp_path, name):
    with pytest.raises(SettingsError, match=name):
        of(tmp_path, **{name: "nonsense"})


def test_a_mistake_about_bigquery_is_reported_by_its_place(tmp_path):
    with pytest.raises(
        SettingsError, match=r"(?i)V4_BIGQUERY_MAXIMUM_BYTES_BILLED is 'plenty', expected a whole number."
    ):
        of(tmp_path, V4_BIGQUERY_PROJECT="firm", V4_BIGQUERY_MAXIMUM_BYTES_BILLED="plenty")


def test_bigquery_is_used_when_it_is_asked_for(tmp_path):
    settings = of(tmp_path, V4_WAREHOUSE="bigquery", V4_BIGQUERY_PROJECT="firm", V4_BIGQUERY_LOCATION="EU")
    assert (present(settings.bigquery).project, present(settings.bigquery).location) == ("firm", "EU")
    assert present(settings.bigquery).maximum_bytes_billed == 50 * 2**30
    assert present(settings.bigquery).endpoint is None


@pytest.mark.parametrize("name", ["V4_HOME", "V4_MODELS", "V4_ROLLOUT", "V4_NOW", "V4_BIGQUERY_PROJECT"])
def test_an_empty_variable_is_one_that_is_not_set(name):
    assert load({name: ""}) == load({})


@pytest.mark.parametrize("name", ["V4_WAREHOUSE", "V4_WAREHOUSE_LOCK_SECONDS", "V4_SCHEDULE"])
def test_every_empty_variable_is_one_that_is_not_set(name):
    assert load({name: ""}) == load({})


@pytest.mark.parametrize(
    ("now", "today"),
    [
        ("2026-01-05T06:30", date(2026, 1, 5)),
        ("2026-01-05T00:00", date(2026, 1, 5)),
        ("2026-01-05T04:59:59+00:00", date(2026, 1, 4)),
        ("2026-07-05T04:00:00Z", date(2026, 7, 5)),
    ],
)
def test_today_is_new_york_s_by_the_configured_clock(tmp_path, now, today):
    assert of(tmp_path, V4_NOW=now).clock.today() == today


def test_settings_never_change(tmp_path):
    with pytest.raises(ValueError, match="frozen"):
        of(tmp_path).now = "2026-01-05"


def test_a_child_process_gets_this_environment_and_the_changes(monkeypatch):
    monkeypatch.setenv("V4_HOME", "here")
    monkeypatch.setenv("V4_NOW", "2026-01-05")
    made = with_environment(V4_NOW="2026-01-06")
    assert (made["V4_HOME"], made["V4_NOW"]) == ("here", "2026-01-06")


# --- what is configured reaches the SQL


def test_configured_datasets_are_what_the_sql_reads_and_writes(changed, tmp_path):
    names = {"crm": "my_crm", "advisors": "my-project.my_advisors", "features": "my_features"}
    catalogue = of(tmp_path, V4_ROLLOUT=str(changed("datasets", names))).rollout.catalogue
    params = {"prediction_date": date(2026, 1, 5), "cutoff": None, "retrospective": False}
    assert "FROM `my_crm`.`Lead`" in catalogue.query("scored_leads", params).text
    observed = catalogue.query("source_observations", params).text
    assert "FROM `my-project`.`my_advisors`.`ria_contacts_current`" in observed
    assert "FROM `my_crm`.`broker_protocol_members`" in observed
    assert "`my_features`.`v4_common_features`" in catalogue.query("features_v41", params).text
    assert {table.dataset for table in catalogue.made} == {"my_features"}
    for table in catalogue.values():
        assert not {"SavvyGTMData", "FinTrx_data_CA", "ml_features"} & {table.dataset}


def test_configured_table_and_view_names_are_what_is_made(changed, tmp_path):
    rollout = of(tmp_path, V4_ROLLOUT=str(changed("versions/v4.1.0/scores_table", "my_scores"))).rollout
    assert rollout.catalogue["daily_scores_v41"].full_name == "`ml_features`.`my_scores`"
    assert [view.name for view in rollout.catalogue.views] == [
        "v4_production_features",
        "v4_production_features_v41",
        "v4_production_scores",
        "v4_production_periods",
        "v4_weekly_lift_by_decile",
        "v4_prospect_scores",
    ]
    scores = next(view for view in rollout.catalogue.views if view.name == "v4_production_scores")
    assert "`ml_features`.`my_scores`" in scores.query.text


# --- a variable that is not known


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("V4_HOEM", "V4_HOME"),
        ("V4_HOMES", "V4_HOME"),
        ("v4_home", "V4_HOME"),
        ("V4_WAREHUOSE", "V4_WAREHOUSE"),
        ("V4_SENSOR", "V4_SENSORS"),
        ("V4_BIG_QUERY_PROJECT", "V4_BIGQUERY_PROJECT"),
        ("V4_SALESFORCE_CONSUMER_KEY_FILE", "V4_SALESFORCE_CONSUMER_KEY"),
    ],
)
def test_a_typing_mistake_is_refused_with_the_name_that_was_meant(tmp_path, name, meant):
    with pytest.raises(SettingsError, match=rf"There is no variable {name}\. Did you mean {meant}\?"):
        of(tmp_path, **{name: "x"})


def test_a_known_variable_is_never_taken_for_another(tmp_path, capsys):
    for name in KNOWN:
        verify_names({name: "x"}, KNOWN)
    assert len(KNOWN) > 25
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["V4_UNRELATED_TOOL", "V4_DEBUG"])
def test_another_unknown_variable_is_a_line_on_stderr_once_in_a_process(tmp_path, capsys, monkeypatch, name):
    monkeypatch.setattr(variables, "_warned", set())
    assert of(tmp_path, **{name: "x"}) == of(tmp_path, **{name: "x"}) == of(tmp_path)
    shown = capsys.readouterr()
    assert (shown.err.count(name), shown.err.count("\n"), shown.out) == (1, 1, "")


@pytest.mark.parametrize("name", ["OTHER_HOME", "V5_HOME", "HOME"])
def test_variables_of_other_programs_are_none_of_ours(tmp_path, capsys, name):
    of(tmp_path, **{name: "x"})
    assert capsys.readouterr().err == ""


# --- V4_HOME


@pytest.mark.parametrize("sign", "%?#")
@pytest.mark.parametrize("place", ["a{}b", "{}", "above{}/home"])
def test_a_home_that_dagster_s_files_cannot_have_is_refused_by_its_sign(tmp_path, sign, place):
    home = tmp_path / place.format(sign)
    with pytest.raises(
        SettingsError, match=rf"V4_HOME: {re.escape(str(home))} must not contain {re.escape(sign)}, which"
    ):
        load({"V4_HOME": str(home)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a b", "ä", "a'b", 'a"b', "a&b", "a;b", "a=b", "a+b", "{a}", "$a"])
def test_other_signs_in_a_home_are_fine(tmp_path, name):
    assert load({"V4_HOME": str(tmp_path / name)}).home == tmp_path / name


@pytest.mark.parametrize("command", [["status"], ["history"], ["live"], ["lift"], ["report"], ["prune"]])
def test_a_command_that_reads_names_a_home_that_does_not_exist_and_makes_none(tmp_path, monkeypatch, command):
    monkeypatch.setenv("V4_HOME", str(tmp_path / "hoem"))
    result = CliRunner().invoke(cli, command)
    assert isinstance(result.exception, SettingsError)
    assert f"V4_HOME is {tmp_path / 'hoem'}, which does not exist." in str(result.exception)
    assert list(tmp_path.iterdir()) == []


# --- what an error shows


def test_an_error_names_what_was_found_and_shows_no_secret(tmp_path):
    with pytest.raises(SettingsError, match="V4_WAREHOUSE is 'snowflake', expected 'duckdb' or 'bigquery'"):
        of(tmp_path, V4_WAREHOUSE="snowflake")
    with pytest.raises(SettingsError) as caught:
        BigQueryTarget.of({"V4_BIGQUERY_PROJECT": "firm", "V4_BIGQUERY_KEY_FILE": "/absent.json"})
    assert "V4_BIGQUERY_KEY_FILE is '/absent.json', expected a file that exists." in str(caught.value)


def test_a_constructor_reads_no_variable(monkeypatch):
    monkeypatch.setenv("V4_BIGQUERY_LOCATION", "EU")
    assert BigQueryTarget(project="firm").location == "US"
    assert present(load({"V4_BIGQUERY_PROJECT": "firm"}).bigquery).location == "US"
