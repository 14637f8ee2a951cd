"""What only Google's service has (streaming buffers, authorized views, expiring partitions, permissions), by a stub.

The stub proves which statements and requests are sent, not what the service makes of them.
"""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from v4_assets import tables
from v4_assets.config.environment import load
from v4_assets.errors import WarehouseError
from v4_assets.operations.doctor import Verdict
from v4_assets.operations.doctor.foreign_objects import judged
from v4_assets.sql import Query
from v4_assets.tables import Table
from v4_assets.warehouse.bigquery.access import MOVING, READING, WRITING, permission_sets
from v4_assets.warehouse.bigquery.moving import BigQueryMoving
from v4_assets.warehouse.bigquery.tables import shape
from v4_assets.warehouse.preflight import Preflight, Standing
from v4_assets.warehouse.protocol import Expiration
from v4_assets.warehouse.table_differences import Shape

PLACE = Table("v4_daily_scores", "ml_features", "v4_daily_scores", ())
AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
STREAMING = {"estimatedRows": "7", "estimatedBytes": "70", "oldestEntryTime": "1767225600000"}


def resource(**properties: Any) -> bigquery.Table:
    """A table as the API describes it."""
    name = {"projectId": "p", "datasetId": "ml_features", "tableId": "v4_daily_scores"}
    return bigquery.Table.from_api_repr({"tableReference": name, "type": "TABLE", **properties})


class Service:
    """Answers get_table with what it was given, and applies SET OPTIONS (… = NULL) as the service does, or not."""

    project = "p"

    def __init__(self, found: bigquery.Table, *, obeys: bool = True) -> None:
        self.found, self.obeys = found, obeys
        self.sent: list[str] = []

    def get_table(self, _: Any) -> bigquery.Table:
        return self.found

    def run(self, query: Query) -> None:
        self.sent.append(query.text)
        if self.obeys and "expiration_timestamp = NULL" in query.text:
            properties = self.found.to_api_repr()
            properties.pop("expirationTime", None)
            properties.get("timePartitioning", {}).pop("expirationMs", None)
            self.found = bigquery.Table.from_api_repr(properties)

    @property
    def moving(self) -> BigQueryMoving:
        return BigQueryMoving(self, self.run, lambda _: None)  # type: ignore[arg-type] # a stub


def expiring(**more: Any) -> bigquery.Table:
    by_day = {"type": "DAY", "field": "prediction_date", "expirationMs": str(60 * 86_400_000)}
    return resource(expirationTime=str(int(AT.timestamp() * 1000)), timePartitioning=by_day, **more)


def test_a_table_with_rows_in_its_streaming_buffer_is_not_moved_and_says_how_long_to_wait():
    said = Service(resource(streamingBuffer=STREAMING)).moving.hindrance(PLACE, "table")
    assert said and "streaming buffer" in said and "90 minutes" in said
    assert Service(resource()).moving.hindrance(PLACE, "table") is None


@pytest.mark.parametrize("kind", ["view", "materialized view"])
def test_a_view_whose_query_cannot_be_planned_is_left_to_a_person(kind):
    class Refusing(Service):
        def query(self, text: str, job_config: bigquery.QueryJobConfig) -> None:
            self.sent.append(f"{text}, dry run {job_config.dry_run}")
            raise NotFound("Not found: Table p:ml_features.gone was not found in location US")

    service = Refusing(resource())
    found = service.moving.hindrance(PLACE, kind)
    assert service.sent == ["SELECT * FROM `ml_features`.`v4_daily_scores`, dry run True"]
    assert "its query fails (" in str(found)
    assert "repair or drop the view" in str(found)


@pytest.mark.parametrize("kind", ["external table", "snapshot"])
def test_what_cannot_be_renamed_is_left_to_a_person(kind):
    said = Service(resource()).moving.hindrance(PLACE, kind)
    assert said and said.startswith(f"a {kind} cannot be renamed: give it another name yourself")


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("VIEW", "view"), ("MATERIALIZED_VIEW", "materialized view"), ("EXTERNAL", "external table"),
        ("SNAPSHOT", "snapshot"), ("TABLE", "table"), ("NEW_KIND", "external table"),
    ],
)  # fmt: skip
def test_a_kind_of_object_is_named_and_an_unknown_one_is_not_taken_for_a_table(kind, wanted):
    assert shape(resource(type=kind)).kind == wanted


def test_an_expiration_is_read_in_words_and_as_it_is_set_back():
    service = Service(expiring())
    assert shape(service.found).expires == "on 2026-03-01 and each partition after 60 days"
    assert service.moving.expiration(PLACE) == Expiration(AT, 60.0)
    service.moving.keep(PLACE, "table")
    assert shape(service.found).expires is None
    service.moving.set_expiration(PLACE, "table", Expiration(AT, 60.0))
    start = "ALTER TABLE `ml_features`.`v4_daily_scores` SET OPTIONS (expiration_timestamp = "
    assert service.sent == [
        start + "NULL, partition_expiration_days = NULL)",
        start + "TIMESTAMP '2026-03-01 12:30:00.000000+00:00', partition_expiration_days = 60)",
    ]


def test_an_expiration_that_stays_is_an_error_and_none_is_not_sent_where_there_is_none():
    with pytest.raises(WarehouseError, match=r"still expires on 2026-03-01 and each partition after 60 days, expected"):
        Service(expiring(), obeys=False).moving.keep(PLACE, "table")
    service = Service(resource())
    service.moving.keep(PLACE, "view")
    assert service.sent == []


def test_a_view_is_made_again_with_its_text_description_and_labels():
    view = {"query": "SELECT 'a\\nb' -- c", "useLegacySql": False}
    service = Service(resource(type="VIEW", view=view, description='the "old"', labels={"team": "sales"}))
    text = service.moving.view_text(PLACE)
    service.moving.put_view(PLACE, text, "view", like=PLACE)
    assert service.sent == [
        'CREATE OR REPLACE VIEW `ml_features`.`v4_daily_scores` OPTIONS (description = "the \\"old\\"", '
        'labels = [("team", "sales")]) AS\nSELECT \'a\\nb\' -- c'
    ]


def test_tables_are_renamed_copied_and_dropped_by_one_statement_each():
    service = Service(resource())
    service.moving.rename(PLACE, "kept")
    service.moving.copy(PLACE, "kept")
    service.moving.drop(PLACE, "materialized view")
    name = "`ml_features`.`v4_daily_scores`"
    assert service.sent == [
        f"ALTER TABLE {name} RENAME TO `kept`",
        f"CREATE TABLE `ml_features`.`kept` COPY {name}",
        f"DROP MATERIALIZED VIEW IF EXISTS {name}",
    ]


def test_a_view_that_another_dataset_authorizes_is_found_by_its_full_name():
    def entry(project: str, name: str) -> bigquery.AccessEntry:
        view = {"projectId": project, "datasetId": "ml_features", "tableId": name}
        return bigquery.AccessEntry(None, "view", view)

    reader = bigquery.AccessEntry("READER", "userByEmail", "a@example.com")
    lists = {
        "SavvyGTMData": [reader, entry("p", "v4_daily_scores"), entry("other", "v4_daily_scores")],
        "FinTrx_data_CA": [entry("p", "v4_daily_scores_v41")],
    }
    service = Service(resource())
    service.get_dataset = lambda place: SimpleNamespace(access_entries=lists[place.dataset_id])  # type: ignore[attr-defined] # a stub
    assert service.moving.authorizations(lists, [PLACE]) == [("SavvyGTMData", "ml_features.v4_daily_scores")]


# --- permissions ------------------------------------------------------------------------------------------------------


class Account:
    """A warehouse whose account has some permissions on every table."""

    project = "p"
    _storage = None

    def __init__(self, *granted: str) -> None:
        self.granted = set(granted)
        self.planned: list[str] = []
        self._client = self

    def test_iam_permissions(self, _: Any, wanted: list[str]) -> dict[str, list[str]]:
        return {"permissions": [one for one in wanted if one in self.granted]} if self.granted else {}

    def query(self, text: str, job_config: bigquery.QueryJobConfig) -> None:
        assert job_config.dry_run
        self.planned.append(text)

    def columns(self, _: Table) -> dict[str, str]:
        return {"table_name": "STRING"}


CATALOGUE = load({}).rollout.catalogue
OURS = Standing(CATALOGUE[tables.PARTITION_WRITES], "table", Shape({}), is_ours=True)
THEIRS = Standing(PLACE, "table", Shape({}), is_ours=False)


@pytest.mark.parametrize(
    ("granted", "lacking"),
    [
        pytest.param({*MOVING, *WRITING}, {}, id="everything"),
        pytest.param(
            READING,
            {
                "daily work": "lacks bigquery.tables.delete, bigquery.tables.update, bigquery.tables.updateData",
                "moving in": "bigquery.tables.delete, bigquery.tables.update on ml_features.v4_daily_scores",
            },
            id="a reader",
        ),
        pytest.param(
            (),
            {
                "reading": "bigquery.tables.get, bigquery.tables.getData on ml_features.v4_partition_writes",
                "daily work": "bigquery.tables.getData",
                "moving in": "on ml_features.v4_daily_scores",
            },
            id="nothing",
        ),
    ],
)
def test_the_account_is_asked_for_each_set_on_what_stands_there(granted, lacking):
    account = Account(*granted)
    found = permission_sets(account, CATALOGUE, Preflight((OURS, THEIRS)))  # type: ignore[arg-type] # a stub
    assert list(found) == ["reading", "daily work", "moving in"]
    assert {name for name, what in found.items() if what} == set(lacking)
    for name, text in lacking.items():
        assert text in found[name][0]
    assert len([text for text in account.planned if text.startswith("SELECT")]) == len(CATALOGUE.sources)
    assert sum("CREATE TABLE `ml_features`.`v4_doctor`" in text for text in account.planned) == 2


@pytest.mark.parametrize(
    ("lacking", "due", "verdict"),
    [
        ({"reading": (), "daily work": (), "moving in": ()}, True, Verdict.OK),
        ({"reading": (), "daily work": (), "moving in": ("x",)}, False, Verdict.OK),
        ({"reading": (), "daily work": (), "moving in": ("x",)}, True, Verdict.FAIL),
        ({"reading": (), "daily work": ("x",), "moving in": ()}, False, Verdict.FAIL),
        ({"reading": ("x",), "daily work": (), "moving in": ()}, False, Verdict.FAIL),
    ],
)
def test_doctor_fails_only_for_what_is_needed_now(lacking, due, verdict):
    warning = judged(lacking, is_due=due)
    assert warning.verdict is verdict
    assert warning.found.count("lacks x") == sum(bool(what) for what in lacking.values())
