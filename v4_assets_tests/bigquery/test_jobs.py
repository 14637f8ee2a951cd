"""Every job can be traced to the step and attempt that asked for it, none is taken for another, and each is counted."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v4_assets import tables
from v4_assets.clock import Clock, parse_instant
from v4_assets.config.environment import load
from v4_assets.errors import SchemaDriftError, WarehouseError
from v4_assets.partitions import Day, write_query
from v4_assets.resources import registry
from v4_assets.sql import Column, Query
from v4_assets.store import Store
from v4_assets.tables import Catalogue, Datasets, VersionNames
from v4_assets.warehouse.bigquery.jobs import Asker, job_ids, label, labels, turn_ids
from v4_assets_tests.bigquery.emulator import Emulator
from v4_assets_tests.bigquery.proxy import Answer, Proxy, proxied
from v4_assets_tests.fixtures.narrow import present
from v4_assets_tests.fixtures.warehouses import DAY, SmallWarehouse, emulated, small_on

ASKER = Asker("1f0c", "features_v41", 1, "features_v41")


@pytest.fixture
def proxy(emulator: Emulator) -> Iterator[Proxy]:
    with proxied(urlsplit(emulator.endpoint).netloc) as proxy:
        yield proxy


# --- ids and labels ------------------------------------------------------------------------------------------------


@given(st.text(min_size=1), st.text(min_size=1), st.text(max_size=2000))
def test_an_id_and_a_label_are_what_the_service_takes_whatever_things_are_called(run_id, step, name):
    asker = Asker(run_id[:36], step, 0, step)
    for job_id in (*islice(job_ids(name, asker), 2), *islice(job_ids(name, None), 2), *islice(turn_ids(name, step), 2)):
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,1024}", job_id)
    for value in labels(name, asker).values():
        assert re.fullmatch(r"[a-z0-9_-]{0,63}", value)


def test_an_id_says_run_step_attempt_and_query_and_never_comes_twice():
    first, second = islice(job_ids("features_v41", ASKER), 2)
    assert re.fullmatch(r"v4-1f0c-features_v41-1-features_v41-\d+", first)
    assert len({first, second, *islice(job_ids("features_v41", ASKER), 2)}) == 4
    assert len({job_id.rsplit("-", 1)[0] for job_id in (next(job_ids("look", None)), next(job_ids("look", None)))}) == 2


def test_writers_of_one_thing_ask_for_the_same_ids_in_the_same_order():
    assert list(islice(turn_ids("firm.ml", "scores", DAY, 2), 2)) == [
        "v4-firm_ml-scores-2026-01-05-2-1",
        "v4-firm_ml-scores-2026-01-05-2-2",
    ]


def test_labels_name_query_asset_run_and_attempt():
    assert labels("Features", ASKER) == {
        **{"v4": "features", "v4_asset": "features_v41", "v4_run": "1f0c", "v4_attempt": "1"},
    }
    assert labels("look", None) == {"v4": "look"}
    assert label("Ärger in Z/" + "x" * 80) == ("_rger_in_z_" + "x" * 80)[:63]


def test_a_retry_asks_under_its_own_attempt_and_a_check_for_its_asset(unchanged):
    asked = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def scores() -> None:
        asked.append(Asker.current())
        unchanged.warehouse.read(unchanged.every_row)
        if len(asked) == 1:
            raise dg.RetryRequested(max_retries=1)

    @dg.asset_check(asset=scores)
    def filled() -> dg.AssetCheckResult:
        asked.append(Asker.current())
        return dg.AssetCheckResult(passed=True)

    assert Asker.current() is None
    result = dg.materialize([scores, filled])
    first, second, check = asked
    assert first == Asker(result.run_id, "scores", 0, "scores")
    assert second == replace(first, attempt=1)
    assert (present(check).step, present(check).asset) == ("scores_filled", "scores")
    ids = {job.job_id for job in unchanged.warehouse._client.list_jobs() if job.labels.get("v4_run") == result.run_id}
    assert {job_id.rpartition("-")[0] for job_id in ids} == {f"v4-{result.run_id}-scores-{n}-all" for n in (0, 1)}


# --- ids that are taken --------------------------------------------------------------------------------------------


def test_another_client_s_job_under_our_id_is_never_taken_for_ours(unchanged, monkeypatch):
    """A process that takes a step up again begins with its dead predecessor's numbers."""
    taken = f"v4-taken-{unchanged.dataset}"
    unchanged.warehouse._client.query("SELECT 'not ours' AS said", job_id=f"{taken}-1", job_retry=None).result()
    monkeypatch.setattr(
        "v4_assets.warehouse.bigquery.jobs.job_ids", lambda name, asker: turn_ids("taken", unchanged.dataset)
    )
    assert unchanged.warehouse.read(Query("said", "SELECT 'ours' AS said")).to_pylist() == [{"said": "ours"}]
    assert unchanged.warehouse._client.get_job(f"{taken}-2").labels["v4"] == "said"


def test_a_job_the_service_lost_is_asked_again_as_another_job(unchanged, emulator, proxy):
    """A job that has failed keeps its id and its failure for ever."""
    lost: list[Any] = []

    def revise(path: str, body: bytes, content: bytes) -> bytes:
        if b'"jobReference"' not in body or lost:
            return content
        lost.append(path)
        error = {"reason": "jobBackendError", "message": "The job was lost. Retry."}
        status = {"state": "DONE", "errorResult": error, "errors": [error]}
        return json.dumps(json.loads(content) | {"status": status}).encode()

    proxy.revise = revise
    small = SmallWarehouse(emulated(emulator, proxy.endpoint), unchanged.dataset)
    assert small.leads() == ["a", "b"]
    asked = [json.loads(body)["jobReference"]["jobId"] for body in proxy.bodies if b'"jobReference"' in body]
    assert (len(lost), len(asked), len(set(asked))) == (1, 2, 2)


# --- what they cost ------------------------------------------------------------------------------------------------


def counting(proxy: Proxy, estimated: int, billed: int) -> None:
    """The service's own counting of bytes, which the emulator does not do."""

    def revise(path: str, body: bytes, content: bytes) -> bytes:
        said = json.loads(content) if content else {}
        if "query" in said.get("statistics", {}):
            count = estimated if b'"dryRun": true' in body else billed - 1
            said["statistics"]["query"] |= {"totalBytesProcessed": str(count), "totalBytesBilled": str(billed)}
        return json.dumps(said).encode() if said else content

    proxy.revise = revise


def copied(small: SmallWarehouse) -> Query:
    text = f"SELECT @day AS prediction_date, lead_id, score FROM {small.name} WHERE prediction_date < @day"
    return Query("copied", text, {"day": DAY})


def test_a_filled_partition_tells_what_was_estimated_processed_and_billed_by_how_many_jobs(small, emulator, proxy):
    counting(proxy, estimated=700, billed=1000)
    costly = SmallWarehouse(emulated(emulator, proxy.endpoint), small.dataset)
    with costly.warehouse.metered() as all_of_it:
        with costly.warehouse.metered() as cost:
            costly.put(copied(small), sequence=2)
        assert cost == {"bytes_estimated": 700, "bytes_processed": 999, "bytes_billed": 1000, "bigquery_jobs": 1}
        costly.put([small.batch("c")], sequence=3)
    # The staging table and the transaction read; the load job between them is free.
    assert all_of_it == {**cost, "bytes_processed": 3 * 999, "bytes_billed": 3000, "bigquery_jobs": 4}
    costly.leads()
    assert cost["bigquery_jobs"] == 1


def test_a_partition_that_would_read_too_much_is_refused_before_anything_runs(small, emulator, proxy):
    counting(proxy, estimated=10**12, billed=0)
    limited = emulated(emulator, proxy.endpoint).model_copy(update={"maximum_bytes_billed": 5 * 10**9})
    with pytest.raises(WarehouseError) as caught:
        SmallWarehouse(limited, small.dataset).put(copied(small), sequence=2)
    assert str(caught.value).startswith(
        "copied would process 1,000,000,000,000 bytes (estimate), V4_BIGQUERY_MAXIMUM_BYTES_BILLED allows "
        "5,000,000,000. Nothing was run."
    )
    assert small.leads() == ["a", "b"]
    assert [b'"dryRun": true' in body for body in proxy.bodies] == [True]


# --- a source that changed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "found"),
    [
        pytest.param(None, r"Lead\.Company is missing, expected STRING", id="missing"),
        pytest.param(
            Column("stage_entered_contacting__c", "BOOL"), r"contacting__c is BOOL, expected TIMESTAMP", id="type"
        ),
    ],
)
def test_a_column_of_a_source_that_changed_is_named_with_its_table(emulator, tmp_path, column, found):
    small = small_on(emulator)
    names = VersionNames("v40", "features", "scores_v40")
    catalogue = Catalogue(Datasets(small.dataset, small.dataset, small.dataset), {"v4.0.0": names})
    lead = catalogue[tables.LEAD]
    dropped = column.name if column else "Company"
    columns = tuple(one for one in lead.columns if one.name != dropped) + ((column,) if column else ())
    needed = [catalogue[key] for key in (*tables.SOURCES[1:], tables.SCORED_LEADS, tables.PARTITION_WRITES)]
    small.warehouse.create([replace(lead, columns=columns), *needed])
    settings = load({"V4_HOME": str(tmp_path)})
    here = Store(small.warehouse, catalogue, registry(settings))
    day = Day(DAY, Clock(parse_instant("2026-01-05T06:30")))
    with pytest.raises(
        SchemaDriftError, match=rf"^scored_leads reads a column .* The sources differ .*{found}\. A column "
    ):
        write_query(here, tables.SCORED_LEADS, day)


def test_a_dataset_in_another_location_is_named_with_both_places(unchanged, proxy, emulator):
    def revise(path: str, body: bytes, content: bytes) -> bytes:
        return content.replace(b'"location":"US"', b'"location":"europe-west3"')

    proxy.revise = revise
    small = SmallWarehouse(emulated(emulator, proxy.endpoint), unchanged.dataset)
    with pytest.raises(
        WarehouseError, match=rf"v4-test:{unchanged.dataset} is in europe-west3, but .*LOCATION is US\. "
    ):
        small.warehouse.create([small.scores])


def test_a_missing_dataset_is_reported_before_a_partition_is_filled(small, emulator, proxy):
    proxy.judge = lambda method, path, body: (
        Answer(404, "notFound", "Not found: Dataset v4-test:x") if b'"dryRun": true' in body else None
    )
    with pytest.raises(WarehouseError, match=r"^copied uses a dataset that does not exist"):
        SmallWarehouse(emulated(emulator, proxy.endpoint), small.dataset).put(copied(small), sequence=2)
    assert (small.leads(), len(proxy.bodies)) == (["a", "b"], 1)
