"""What counts as a mention of a version, and what does not."""

import json

import pytest

from v4_assets.errors import V4Error
from v4_assets.production.reference_search import Bound, Mention, mentions, scheduled_queries, without_comments

NAMES = ("v4_production_features", "v4_daily_scores", "v4_features_v40")
OLD = Bound("v4.0.0", "ml_features", NAMES, ("model_version", "V4_Model_Version__c"))
SCORES, VIEW, MODEL, IDENTIFIER = "v4_daily_scores", "v4_production_features", "models/v4.0.0", "model_version v4.0.0"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param("FROM ml_features.v4_daily_scores", [SCORES], id="plain"),
        pytest.param("FROM `savvy-gtm-analytics.ml_features.v4_daily_scores`", [SCORES], id="quoted whole"),
        pytest.param("FROM `ml_features`.`v4_daily_scores` AS s", [SCORES], id="quoted by part"),
        pytest.param('FROM "ml_features"."v4_daily_scores"', [SCORES], id="double quotes"),
        pytest.param("FROM [savvy:ml_features.v4_daily_scores]", [SCORES], id="legacy SQL"),
        pytest.param("from ML_FEATURES.V4_Daily_Scores", [SCORES], id="case"),
        pytest.param("bq show ml_features.v4_daily_scores$20260105", [SCORES], id="partition decorator"),
        pytest.param('f"{DATASET}.v4_daily_scores"', [SCORES], id="dataset from a variable"),
        pytest.param("{{ ref('v4_production_features') }}", [VIEW], id="dbt"),
        pytest.param("sql_table_name: ml_features.v4_daily_scores ;;", [SCORES], id="LookML"),
        pytest.param("FROM `ml_features.v4_daily_*`", [SCORES], id="wildcard"),
        pytest.param("FROM `p.ml_features.v4_features*`", ["v4_features_v40"], id="wildcard, another"),
        pytest.param("v4_daily_scores v4_production_features", [SCORES, VIEW], id="two"),
        pytest.param("MODEL_DIR = 'v4/models/v4.0.0'", [MODEL], id="model path"),
        pytest.param('ROOT / "models" / "v4.0.0"', [MODEL], id="pathlib"),
        pytest.param("os.path.join(ROOT, 'models', 'v4.0.0', 'model.pkl')", [MODEL], id="join"),
        pytest.param(r"models\v4.0.0\model.pkl", [MODEL], id="backslash"),
        pytest.param("gs://bucket/models/v4.0.0.", [MODEL], id="end of a sentence"),
        pytest.param("WHERE model_version = 'v4.0.0'", [IDENTIFIER], id="identifier"),
        pytest.param(r"\"model_version\": \"v4.0.0\"", [IDENTIFIER], id="identifier in a notebook"),
        pytest.param("'v4/models/v4.0.0_r3/model.json'", [MODEL], id="a training run's own folder"),
        pytest.param('Path("v4") / "data" / "v4.0.0_r3"', [MODEL], id="its data"),
        pytest.param("SELECT 'v4.0.0' AS model_version", [IDENTIFIER], id="a version as a column"),
        pytest.param('SELECT "v4.0.0"\n  as `model_version`', [IDENTIFIER], id="the same, quoted"),
        pytest.param("WHERE model_version IN ('v4.1.0', 'v4.0.0')", [IDENTIFIER], id="a list"),
        pytest.param("model_version NOT IN ('v4.0.0')", [IDENTIFIER], id="a list it is not in"),
        pytest.param("model_version IN UNNEST(['v4.1.0',\n'v4.0.0'])", [IDENTIFIER], id="an array"),
        pytest.param('df[df["model_version"].isin(["v4.1.0", "v4.0.0"])]', [IDENTIFIER], id="pandas"),
        pytest.param("WHERE V4_Model_Version__c = 'v4.0.0'", [IDENTIFIER], id="the CRM's field"),
        pytest.param("V4_Model_Version__c IN ('v4.0.0')", [IDENTIFIER], id="the CRM's field in a list"),
        pytest.param("model_version NOT LIKE 'v4.0.0%'", [IDENTIFIER], id="a pattern"),
        pytest.param("CASE model_version WHEN 'v4.0.0' THEN 1 END", [IDENTIFIER], id="a case"),
        pytest.param("model_version LIKE 'v4.1.0%'", [], id="the successor's pattern"),
        pytest.param("model_version IN ('v4.1.0') -- v4.0.0", [], id="another list"),
        pytest.param("'v4.1.0' AS model_version", [], id="the successor as a column"),
        pytest.param("'v4.0.0' AS version", [], id="another column"),
        pytest.param("metadata/v4.0.0_r3", [], id="another folder"),
        pytest.param("FROM ml_features.v4_daily_scores_v41", [], id="the successor"),
        pytest.param("FROM ml_features.v4_production_features_v41", [], id="the successor's view"),
        pytest.param("FROM ml_features.my_v4_daily_scores", [], id="longer at the front"),
        pytest.param("FROM ml_features.v4_production_scores", [], id="what follows the live version"),
        pytest.param("FROM `ml_features.w4_*`", [], id="another wildcard"),
        pytest.param("SELECT v4_daily_*", [], id="no wildcard without backticks"),
        pytest.param("models/v4.0.01 models/v4.0.0.1 models/v4.0.0-rc1", [], id="other models"),
        pytest.param("model_version = 'v4.1.0'", [], id="the successor's identifier"),
        pytest.param('"version": "v4.0.0"', [], id="somebody else's version"),
    ],
)
def test_a_mention_is_the_whole_name_however_it_is_written(text, names):
    assert [name for one in mentions(text, OLD) for name in one.names] == names


def test_lines_are_counted_from_one_and_a_line_is_told_once():
    text = "a\nv4_daily_scores v4_daily_scores\n\nmodels/v4.0.0"
    assert mentions(text, OLD) == [Mention(2, (SCORES,)), Mention(4, (MODEL,))]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        pytest.param("SELECT 1 -- gone\nFROM t", "SELECT 1        \nFROM t", id="dashes"),
        pytest.param("SELECT 1 # gone\n", "SELECT 1       \n", id="hash"),
        pytest.param("a /* gone\n gone */ b", "a        \n         b", id="block keeps its lines"),
        pytest.param("SELECT '-- kept', \"# kept\"", "SELECT '-- kept', \"# kept\"", id="strings"),
        pytest.param(r"SELECT 'it\'s -- kept'", r"SELECT 'it\'s -- kept'", id="escaped quote"),
        pytest.param('x = """a " -- kept\n"""', 'x = """a " -- kept\n"""', id="triple quotes"),
        pytest.param("FROM `a--b.c`", "FROM `a--b.c`", id="a name"),
        pytest.param("-- don't\nFROM t", "        \nFROM t", id="an apostrophe in a comment"),
    ],
)
def test_comments_of_sql_are_blanked_and_strings_are_not(text, left):
    assert without_comments(text) == left


ENTRY = {
    "name": "projects/1/locations/us/transferConfigs/7",
    "displayName": "Morning list",
    "dataSourceId": "scheduled_query",
    "params": {"query": "SELECT 1", "destination_table_name_template": "out"},
}
NAME = "Morning list (projects/1/locations/us/transferConfigs/7)"


def test_scheduled_queries_are_read_as_bq_lists_and_as_it_shows_them():
    wanted = {NAME: "SELECT 1\n;\nout"}
    assert scheduled_queries(json.dumps([ENTRY]), "f") == wanted
    assert scheduled_queries(json.dumps(ENTRY), "f") == wanted
    assert scheduled_queries("[]", "f") == {}
    [name] = scheduled_queries(json.dumps(ENTRY | {"disabled": True}), "f")
    assert name == "Morning list (projects/1/locations/us/transferConfigs/7, disabled)"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "f is not JSON", id="empty"),
        pytest.param('{"error": {"code": 403}}', "not a transfer config with a name", id="a refusal"),
        pytest.param('["a"]', "not a transfer config with a name", id="a text"),
        pytest.param(json.dumps({**ENTRY, "params": {}}), "has no params with its query", id="without its query"),
    ],
)
def test_a_file_that_is_not_what_bq_prints_is_refused_with_the_command_that_makes_it(text, said):
    with pytest.raises(V4Error, match=f"{said}.*bq ls --transfer_config"):
        scheduled_queries(text, "f")
