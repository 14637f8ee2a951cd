"""The service fails in the middle of things: a partition is the old or the new one, and what is done is done once."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from v4_assets.errors import ConcurrentWriteError, TableMissingError, WarehouseError
from v4_assets.project_files import PROJECT
from v4_assets.sql import Query
from v4_assets.warehouse.protocol import Statement
from v4_assets_tests.bigquery.emulator import HOW_TO_GET_IT, Emulator
from v4_assets_tests.bigquery.proxy import BUSY, LOST, RATE, Answer, Fault, Proxy, proxied
from v4_assets_tests.fixtures.warehouses import DAY, YESTERDAY, SmallWarehouse, emulated, small_on

PATIENCE = 60.0
STAGE, LOAD, SWAP, RESULT = "stage", "load", "swap", "result"


def kind(method: str, path: str, body: bytes) -> str:
    """Which step of a write a request belongs to."""
    if urlsplit(path).path.startswith("/upload/"):
        return LOAD
    if method == "POST" and b"BEGIN TRANSACTION" in body:
        return SWAP
    if method == "POST" and b"CREATE TABLE" in body:
        return STAGE
    if "/queries/" in path:
        # The staging table is made by a job of its own, whose id says so.
        return f"{RESULT} of {STAGE}" if "-stage_" in path else RESULT
    return f"{method} {path.rpartition('/')[2].partition('?')[0]}"


def once(step: str, fault: Fault) -> Callable[[str, str, bytes], Fault]:
    """The first request of a step meets the fault."""
    met: list[str] = []

    def judge(method: str, path: str, body: bytes) -> Fault:
        if kind(method, path, body) == step and not met:
            met.append(path)
            return fault
        return None

    return judge


def always(answer: Answer) -> Callable[[str, str, bytes], Fault]:
    return lambda method, path, body: answer


@pytest.fixture
def proxy(emulator: Emulator) -> Iterator[Proxy]:
    with proxied(urlsplit(emulator.endpoint).netloc) as proxy:
        yield proxy


def through(small: SmallWarehouse, emulator: Emulator, proxy: Proxy) -> SmallWarehouse:
    """The same small, its requests by way of the proxy."""
    return SmallWarehouse(emulated(emulator, proxy.endpoint), small.dataset)


# --- answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [BUSY, RATE], ids=["503", "429"])
def test_a_service_that_is_busy_once_is_asked_again(small, emulator, proxy, answer):
    """One write after another, each with the answer at another step."""
    busy = through(small, emulator, proxy)
    for sequence, step in enumerate((STAGE, LOAD, SWAP, RESULT), start=2):
        leads = [f"{step} {number}" for number in range(3)]
        proxy.judge = once(step, answer)
        assert busy.put([small.batch(leads)], sequence=sequence).row_count == 3, step
        assert small.leads() == leads
    assert [fault for _, _, fault in proxy.seen if fault] == [answer] * 4
    assert [done.sequence for done in small.logged()] == [1, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("step", [SWAP, RESULT])
def test_a_write_whose_answer_was_lost_is_done_once_and_known_to_be_done(small, emulator, proxy, step):
    proxy.judge = once(step, LOST)
    assert through(small, emulator, proxy).put([small.batch("cde")], sequence=2).row_count == 3
    assert [fault for _, _, fault in proxy.seen if fault] == [LOST]
    assert (small.leads(), [done.sequence for done in small.logged()]) == (["c", "d", "e"], [1, 1, 2])


def test_an_insert_whose_answer_was_lost_is_not_repeated(small, emulator, proxy):
    proxy.judge = once(SWAP, LOST)
    insert = f"INSERT INTO {small.name} (prediction_date, lead_id, score) VALUES (DATE '2026-01-05', 'c', 0.5)"
    through(small, emulator, proxy).warehouse.transact([Statement(Query("insert", insert), 1)])
    assert Counter(small.leads()) == {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(
            Answer(403, "quotaExceeded", "Quota exceeded: Your project exceeded quota for concurrent queries."),
            r"^all exceeded a quota of the project: .*exceeded quota.*max_concurrent_runs",
            id="quota",
        ),
        pytest.param(
            Answer(403, "accessDenied", "Access Denied: Project v4-test: User does not have bigquery.jobs.create"),
            r"^all was denied: .* needs roles/bigquery\.jobUser on the project V4_BIGQUERY_PROJECT",
            id="no-jobs",
        ),
        pytest.param(
            Answer(
                403, "accessDenied", "Access Denied: Table v4-test:x.Lead: User does not have permission to query table"
            ),
            r"^all was denied: .* needs roles/bigquery\.dataViewer on the dataset it names",
            id="no-reading",
        ),
        pytest.param(
            Answer(400, "bytesBilledLimitExceeded", "Query exceeded limit for bytes billed: 53687091200"),
            r"^all would read more than the limit: .* raise V4_BIGQUERY_MAXIMUM_BYTES_BILLED",
            id="too-many-bytes",
        ),
        pytest.param(
            Answer(404, "notFound", "Not found: Dataset v4-test:x was not found in location EU"),
            r"^all did not find a dataset in V4_BIGQUERY_LOCATION: .* missing or in another location",
            id="other-location",
        ),
        pytest.param(
            Answer(400, "invalid", "Cannot read and write in different locations: source: EU, destination: US"),
            r"^all did not find a dataset in .*: .*source: EU, destination: US\. .*All datasets must be in one",
            id="two-locations",
        ),
        pytest.param(
            Answer(404, "notFound", "Not found: Dataset v4-test:x"),
            r"^all uses a dataset that does not exist: Not found: Dataset v4-test:x\. Check `datasets`",
            id="no-dataset",
        ),
        pytest.param(
            Answer(404, "notFound", "Not found: Table v4-test:x.Lead was not found in location US"),
            r"^all uses a table that does not exist in V4_BIGQUERY_LOCATION: ",
            id="no-table-there",
        ),
        pytest.param(
            Answer(404, "notFound", "Not found: Table v4-test:x.Lead"),
            r"^all uses a table that does not exist in .*: .*`v4 init` creates the tables this project writes",
            id="no-table",
        ),
        pytest.param(
            Answer(404, "notFound", "Not found: Project v4-tset"),
            r"^all cannot use the project: Not found: Project v4-tset\. Check V4_BIGQUERY_PROJECT",
            id="no-project",
        ),
        pytest.param(
            Answer(
                403,
                "accessNotConfigured",
                "BigQuery API has not been used in project 1 before or it is disabled. Enable it by visiting a page.",
            ),
            r"^all cannot use the project: .*gcloud services enable bigquery\.googleapis\.com",
            id="no-api",
        ),
        pytest.param(
            Answer(
                403,
                "billingNotEnabled",
                "Access Denied: BigQuery BigQuery: Billing has not been enabled for this project. DML queries are not "
                "allowed in the free tier.",
            ),
            r"^all needs a project with billing to write: .* Link a billing account to V4_BIGQUERY_PROJECT",
            id="no-billing",
        ),
        pytest.param(
            Answer(
                403,
                "accessDenied",
                "Access Denied: Table v4-test:x.scores: Permission bigquery.tables.updateData denied on table "
                "v4-test:x.scores (or it may not exist).",
            ),
            r"^all was denied: .* needs roles/bigquery\.dataEditor on the dataset of the tables",
            id="no-writing",
        ),
        pytest.param(
            Answer(
                403,
                "quotaExceeded",
                "Custom quota exceeded: Your usage exceeded the custom quota for QueryUsagePerDay, which is set by "
                "your administrator.",
            ),
            r"^all exceeded a quota of the project: Custom quota exceeded.* IAM & Admin > Quotas",
            id="own-quota",
        ),
        pytest.param(
            Answer(400, "invalidQuery", "Unrecognized name: Compny; Did you mean Company? at [4:7]"),
            r"^all reads a column that is missing or of another type: Unrecognized name: Compny; .*tables\.py",
            id="no-column",
        ),
        pytest.param(
            Answer(
                400,
                "invalidQuery",
                "No matching signature for operator < for argument types: STRING, TIMESTAMP. Supported signature: "
                "ANY < ANY at [9:3]",
            ),
            r"^all reads a column that is missing or of another type: No matching signature for operator <",
            id="other-type",
        ),
    ],
)
def test_a_refusal_says_what_to_do(unchanged, emulator, proxy, answer, message):
    proxy.judge = always(answer)
    with pytest.raises(WarehouseError, match=message):
        through(unchanged, emulator, proxy).warehouse.read(unchanged.every_row)


def test_the_views_of_a_dataset_that_is_not_found_are_none(unchanged, emulator, proxy):
    proxy.judge = always(Answer(404, "notFound", "Not found: Dataset v4-test:x was not found in location US"))
    small = through(unchanged, emulator, proxy)
    assert small.warehouse.view_texts("x") == {}
    with pytest.raises(TableMissingError):
        small.warehouse.read(unchanged.every_row)


def test_routines_that_may_not_be_listed_are_an_error_and_not_none(unchanged, emulator, proxy):
    said = "Access Denied: Dataset v4-test:x: Permission bigquery.routines.list denied on dataset v4-test:x"
    proxy.judge = always(Answer(403, "accessDenied", said))
    with pytest.raises(WarehouseError, match=r"needs roles/bigquery\.dataViewer on the dataset it names"):
        through(unchanged, emulator, proxy).warehouse.routine_texts([unchanged.dataset])


# --- deaths -------------------------------------------------------------------------------------------------------


def child_writes(endpoint: str, storage_endpoint: str, dataset: str) -> None:
    """Replaces the rows of DAY by `c`, in a process of its own."""
    template = emulated(Emulator(Path()), endpoint).model_copy(update={"storage_endpoint": storage_endpoint})
    small = SmallWarehouse(template, dataset)
    small.put([small.batch("c")], sequence=2)


@pytest.mark.parametrize("carried_out", [False, True], ids=["before-the-swap", "after-the-swap"])
def test_a_run_killed_at_the_swap_leaves_the_old_partition_or_the_new_one(small, emulator, proxy, carried_out):
    dead = threading.Event()

    def judge(method: str, path: str, body: bytes) -> Fault:
        step = kind(method, path, body)
        if not dead.is_set() and step == (RESULT if carried_out else SWAP):
            child.kill()
            child.wait(PATIENCE)
            dead.set()
            return BUSY
        return None

    proxy.judge = judge
    script = f"import sys; from {__name__} import child_writes; child_writes(*sys.argv[1:])"
    arguments = [proxy.endpoint, emulator.storage_endpoint, small.dataset]
    child = subprocess.Popen([sys.executable, "-c", script, *arguments], cwd=PROJECT, stderr=subprocess.DEVNULL)
    try:
        assert dead.wait(PATIENCE)
    finally:
        child.kill()
        child.wait(PATIENCE)
    tables = emulator.client().list_tables(small.dataset)
    [staging] = [table for table in tables if table.table_id.startswith("v4_staging_")]
    left = emulator.client().get_table(staging.reference).expires.timestamp() - time.time()
    assert 0 < left <= 24 * 3600
    assert (small.leads(), small.leads(YESTERDAY)) == (["c"] if carried_out else ["a", "b"], ["y"])
    if carried_out:
        with pytest.raises(ConcurrentWriteError):
            small.put([small.batch("d")], sequence=2)
    small.put([small.batch("d")], sequence=3 if carried_out else 2)
    assert (small.leads(), small.leads(YESTERDAY)) == (["d"], ["y"])


@pytest.fixture(scope="module")
def mortal(emulator: Emulator, emulator_folder: Path) -> Iterator[Emulator]:
    """An emulator that only these tests use, and kill."""
    assert emulator.process is not None, HOW_TO_GET_IT
    mortal = Emulator(emulator_folder / "mortal")
    mortal.start()
    yield mortal
    mortal.kill()


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        pytest.param(LOAD, None, id="before-loading"),
        pytest.param(SWAP, None, id="between-staging-and-swap"),
        pytest.param(SWAP, 0.05, id="in-the-swap"),
        pytest.param(RESULT, None, id="before-the-result"),
    ],
)
def test_an_emulator_killed_in_the_middle_has_the_old_partition_or_the_new_one(mortal, step, seconds):
    """`seconds` after the step's request was passed on; None is before."""
    small, killed = small_on(mortal), threading.Event()

    def restart() -> None:
        mortal.kill()
        mortal.start()

    def judge(method: str, path: str, body: bytes) -> Fault:
        if killed.is_set() or kind(method, path, body) != step:
            return None
        killed.set()
        if seconds is None:
            restart()
        else:
            threads.append(threading.Timer(seconds, restart))
            threads[0].start()
        return None

    threads: list[threading.Timer] = []
    with proxied(urlsplit(mortal.endpoint).netloc) as proxy:
        proxy.judge = judge
        try:
            through(small, mortal, proxy).put([small.batch("cd")], sequence=2)
            said = "written"
        except WarehouseError as error:
            said = str(error)
        for thread in threads:
            thread.join(PATIENCE)
    assert killed.is_set()
    writes = [done.sequence for done in small.logged() if done.prediction_date == DAY]
    assert (small.leads(), writes) in ((["a", "b"], [1]), (["c", "d"], [1, 2])), said
    assert (said == "written") <= (writes == [1, 2])
    assert small.leads(YESTERDAY) == ["y"]
    assert small.put([small.batch("e")], sequence=len(writes) + 1).row_count == 1
    assert (small.leads(), small.leads(YESTERDAY)) == (["e"], ["y"])
