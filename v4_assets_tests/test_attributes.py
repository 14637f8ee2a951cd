"""What the Dagster page says of every asset: its stage, whose it is, what it is made of, where table and code are."""

from pathlib import Path

import dagster as dg
import pytest

from v4_assets.config.environment import load
from v4_assets.definitions import build
from v4_assets.errors import SettingsError
from v4_assets.project_files import PROJECT
from v4_assets_tests.fixtures.narrow import present

BIGQUERY = {"V4_WAREHOUSE": "bigquery", "V4_BIGQUERY_PROJECT": "acme"}
STAGES = ["sources", "leads", "features", "scores", "evaluation", "production", "salesforce", "training", "prospects"]


def specs(home: Path, **env: str) -> dict[str, dg.AssetSpec]:
    definitions = build(load({"V4_HOME": str(home), **env}))
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def with_line(home: Path, written: str, instead: str) -> str:
    """A rollout.yaml with one line changed; its path."""
    text = (PROJECT / "rollout.yaml").read_text(encoding="utf-8")
    assert text.count(written) == 1
    path = home / "rollout.yaml"
    path.write_text(text.replace(written, instead), encoding="utf-8")
    return str(path)


def test_groups_sort_as_the_rollout_goes_and_every_asset_is_tagged_with_its_stage(tmp_path):
    found = specs(tmp_path)
    groups = sorted({str(spec.group_name) for spec in found.values()})
    assert groups == [f"{number}_{stage}" for number, stage in enumerate(STAGES, start=1)]
    assert all(present(spec.group_name).endswith(f"_{spec.tags['stage']}") for spec in found.values())


def test_what_there_is_one_of_for_each_version_says_which_and_in_what_role(tmp_path):
    found = specs(tmp_path)
    for key, version, role in (("v40", "v4.0.0", "baseline"), ("v41", "v4.1.0", "candidate")):
        for name in (f"features_{key}", f"daily_scores_{key}", f"model_{key}"):
            assert (found[name].tags["version"], found[name].tags["role"]) == (version, role)
    assert "version" not in found["scored_leads"].tags


@pytest.mark.parametrize(("env", "kind"), [({}, "duckdb"), (BIGQUERY, "bigquery")], ids=["duckdb", "bigquery"])
def test_a_table_is_of_the_kind_of_the_configured_warehouse(tmp_path, env, kind):
    found = specs(tmp_path, **env)
    assert found["lead"].kinds == {"table", kind}
    assert found["daily_scores_v41"].kinds == {"xgboost", kind}
    assert found["policy_odds"].kinds == {"numpy"}


def test_a_table_is_found_in_the_file_or_in_the_console_of_its_own_project(tmp_path):
    assert specs(tmp_path)["scored_leads"].metadata["dagster/uri"] == (tmp_path / "warehouse.duckdb").as_uri()
    elsewhere = with_line(tmp_path, "crm: SavvyGTMData", "crm: other.SavvyGTMData")
    found = specs(tmp_path, **BIGQUERY, V4_ROLLOUT=elsewhere)
    console = "https://console.cloud.google.com/bigquery"
    assert found["scored_leads"].metadata["dagster/uri"] == (
        f"{console}?p=acme&d=ml_features&t=v4_scored_leads&page=table"
    )
    assert found["lead"].metadata["dagster/uri"] == f"{console}?p=other&d=SavvyGTMData&t=Lead&page=table"


def test_the_page_links_to_the_sql_and_the_module_of_every_asset(tmp_path):
    def code(name: str) -> list[str]:
        return [str(one.label) for one in found[name].metadata["dagster/code_references"].code_references]

    found = specs(tmp_path)
    assert code("features_v41") == ["sql/features/features_v41.sql", "v4_assets/features/assets.py"]
    assert code("daily_scores_v40") == ["sql/scores/daily_scores.sql", "v4_assets/scores/assets.py"]
    assert code("champion_archive") == ["v4_assets/production/archive.py"]
    assert all(code(name) for name in found)


def test_with_an_address_of_the_code_the_links_lead_there(tmp_path):
    rules = with_line(tmp_path, "code_url: null", "code_url: https://example.org/v4/blob/main")
    references = specs(tmp_path, V4_ROLLOUT=rules)["policy_odds"].metadata["dagster/code_references"]
    assert [one.url for one in references.code_references] == [
        "https://example.org/v4/blob/main/v4_assets/studies/assets.py"
    ]


def test_owners_are_those_of_rollout_yaml(tmp_path):
    rules = with_line(tmp_path, 'owners: ["team:revops"]', 'owners: ["team:data", "ann@example.org"]')
    assert all(spec.owners == ["team:data", "ann@example.org"] for spec in specs(tmp_path, V4_ROLLOUT=rules).values())


def test_an_owner_that_is_neither_team_nor_address_is_refused_by_name(tmp_path):
    rules = with_line(tmp_path, 'owners: ["team:revops"]', 'owners: ["revops"]')
    with pytest.raises(SettingsError, match=r"owners\.0"):
        load({"V4_HOME": str(tmp_path), "V4_ROLLOUT": rules})


def test_a_command_builds_its_graph_once_and_other_settings_have_a_graph_of_their_own(tmp_path):
    settings = load({"V4_HOME": str(tmp_path)})
    graph = build(settings)
    assert build(settings) is graph
    same = load({"V4_HOME": str(tmp_path)})
    assert same == settings
    assert build(same) is not graph
    assert build(settings) is not graph
