"""Every lead's scores to Salesforce after a switch: our sync against three hand-run ways, on the stand-in org.

The org is a process of its own, so that neither its memory nor its processor time count as ours, and waits 50 ms before
it answers any request, about what a real one does. `ours` is the whole sync: identity, ledger, job, row results,
state, read-back of a sample; by its real waits, too. The hand-run ways are those of by_hand.py, which record nothing
and read nothing back; the composite call of one of them is taught to the stand-in here.

python -m benchmarks.salesforce prepare FOLDER ROWS
python -m benchmarks.salesforce serve FOLDER
python -m benchmarks.salesforce ours|by_hand|batches|collections FOLDER

The last prints JSON: seconds, bytes, peak_mb, requests, those of them that write, and `again_requests`: those of the
same once more.
"""

import json
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import requests
from requests.adapters import HTTPAdapter

from benchmarks.bulk_v1 import BulkV1
from benchmarks.hand_written_sync import WAYS, Send, library
from salesforce_stand_in import StandInOrg, api, local_target, switch
from salesforce_stand_in.messages import as_json
from v4_assets import tables
from v4_assets.clock import Clock, cutoff
from v4_assets.config.environment import Settings, load
from v4_assets.config.salesforce import to_18
from v4_assets.resources import registry, warehouse
from v4_assets.salesforce import sync as syncing
from v4_assets.salesforce.client.client import SalesforceClient
from v4_assets.salesforce.client.org import CRM
from v4_assets.salesforce.field_preflight import examine
from v4_assets.salesforce.rows import DayScores, day_scores
from v4_assets.salesforce.sync_result import SyncResult
from v4_assets.scores.scoring import deprioritized, percentiles
from v4_assets.warehouse import schema
from v4_assets.warehouse.protocol import arrow_schema

DAY = date(2026, 1, 12)
CLOCK = Clock(cutoff(date(2026, 1, 13)))
OLD, NEW = "v4.0.0", "v4.1.0"
LATENCY_SECONDS = 0.05


class Traffic:
    """What goes over the wire of this process."""

    def __init__(self) -> None:
        self.requests = self.writes = self.bytes = 0
        send, lock = HTTPAdapter.send, threading.Lock()

        def counted(adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
            answer = send(adapter, request, *args, **kwargs)
            with lock:
                self.requests += 1
                self.writes += request.method != "GET" and "/oauth2/" not in (request.url or "")
                self.bytes += len(request.body or b"") + len(answer.content)
            return answer

        HTTPAdapter.send = counted  # type: ignore[method-assign,assignment] # it takes whatever send takes


def settings_in(folder: str) -> Settings:
    """Settings whose V4_HOME is `folder`."""
    return load({"V4_HOME": folder})


def scores_of(count: int, version: str) -> DayScores:
    """Scores of `count` leads by a version, as the warehouse would hand them out."""
    ids = [to_18(f"00QAb{number:010d}") for number in range(count)]
    scores = np.random.default_rng(int(version[3])).uniform(0.3, 0.7, count)
    ranks = percentiles(scores, np.arange(count))
    rows = pa.table(
        {
            "lead_id": pa.array(ids),
            "score": pa.array(scores),
            "percentile": pa.array(ranks, pa.int64()),
            "deprioritize": pa.array(deprioritized(ranks)),
        }
    )
    return day_scores(rows, day=DAY, version=version, scored_at=CLOCK.now(), event_id=f"switch to {version}")


def go_live(settings: Settings, version: str) -> None:
    """Make a version live."""
    table = settings.rollout.catalogue[tables.PRODUCTION]
    row = dict.fromkeys((column.name for column in table.columns), "-")
    row |= {"version": version, "event_id": f"switch to {version}"}
    rows = pa.RecordBatch.from_pylist([row], schema=arrow_schema(table))
    warehouse(settings).replace_table(table, [rows])


def prepare(folder: str, count: int) -> None:
    """An org in which every lead carries V4.0.0's scores, a ledger that knows it, and V4.1.0 just gone live."""
    settings = settings_in(str(Path(folder) / "home"))
    schema.upgrade(warehouse(settings), settings.rollout.catalogue, registry(settings), settings.clock)
    go_live(settings, OLD)
    (org_folder := Path(folder) / "org").mkdir()
    with StandInOrg(org_folder) as org:
        org.seed(scores_of(count, OLD).rows["lead_id"].to_pylist())
        sync(settings, SalesforceClient(org.target), scores_of(count, OLD))
    go_live(settings, NEW)
    (Path(folder) / "rows").write_text(str(count), encoding="ascii")


def sync(settings: Settings, org: SalesforceClient, goods: DayScores) -> SyncResult:
    """One sync, as the asset does it."""
    engine, rollout = warehouse(settings), settings.rollout
    fields = examine(rollout.salesforce.fields, org.lead_fields(), list(rollout.versions))
    crm = CRM("local", org, settings.home / "salesforce")
    report = syncing.synchronise(
        engine, rollout, CLOCK, crm, org, goods, fields, run_id=None, allowed=None, log=lambda _: None
    )
    if report.problems or report.uncovered or len(report.read_back.differing):
        raise RuntimeError(f"The sync did not do its work: {report.problems}, {report.uncovered} uncovered.")
    return report


def ours(folder: str, count: int) -> Iterator[int]:
    """The sync after the switch, and the same once more; after each the leads it sent."""
    settings = settings_in(str(Path(folder) / "home"))
    goods = scores_of(count, NEW)
    for _ in range(2):
        # A process of its own every time: each logs in and asks which org it is.
        org = SalesforceClient(partial(local_target, Path(folder) / "org"))
        yield len(sync(settings, org, goods).plan.rows)


def by_hand(send: Send, folder: str, count: int) -> Iterator[int]:
    """Whatever scores there are; every time the same."""
    goods = scores_of(count, NEW).rows
    for _ in range(2):
        records = [
            {
                "Id": row["lead_id"],
                "V4_Score__c": row["score"],
                "V4_Score_Percentile__c": row["percentile"],
                "V4_Deprioritize__c": row["deprioritize"],
            }
            for row in goods.to_pylist()
        ]
        taken = sum(one["success"] for one in send(library(local_target(Path(folder) / "org")), records))
        if taken != len(records):
            raise RuntimeError(f"{len(records) - taken} of {len(records)} leads were not taken.")
        yield taken


RIVALS: dict[str, Callable[[str, int], Iterator[int]]] = {
    "ours": ours,
    **{name: partial(by_hand, send) for name, send in WAYS.items()},
}


def measured(rival: Any, folder: str) -> None:
    """Run a rival twice against a running org and say what the first and the second sync cost."""
    traffic = Traffic()
    with running(folder):
        runs = rival(folder, int((Path(folder) / "rows").read_text(encoding="ascii")))
        traffic.requests = traffic.writes = traffic.bytes = 0
        started = time.perf_counter()
        sent = next(runs)
        seconds = time.perf_counter() - started
        found = {"sent": sent, "seconds": seconds, "bytes": traffic.bytes}
        found |= {"requests": traffic.requests, "writes": traffic.writes}
        found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        traffic.requests = 0
        found["again_sent"] = next(runs)
        found["again_requests"] = traffic.requests
    print(json.dumps(found))


@contextmanager
def running(folder: str) -> Iterator[None]:
    """The org of the folder in a process of its own, with the latency of a real one."""
    org_folder = Path(folder) / "org"
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.salesforce", "serve", folder], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        switch(org_folder, latency_seconds=LATENCY_SECONDS)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def serve(folder: str) -> None:
    """Serve the org, which learns the composite call and Bulk API 1.0, until it is terminated."""
    api.ROUTES = (*api.ROUTES, api._Route("PATCH", "/composite/sobjects", "any", _collection))
    with StandInOrg(Path(folder) / "org") as org:
        org.api.extensions.append(BulkV1(org.store, org.faults))
        print("ready", flush=True)
        while True:
            time.sleep(3600)


def _collection(org: api.Api, call: Any) -> Any:
    records = call.asked["records"]
    names = [name for name in records[0] if name not in ("attributes", "Id")]
    changes = [[part for name in names for part in (True, row[name])] + [row["Id"]] for row in records]
    org.store.update(names, changes)
    return as_json(200, [{"id": row["Id"], "success": True, "errors": []} for row in records])


def main(what: str, folder: str, *arguments: str) -> None:
    """See the module's first lines."""
    if what == "prepare":
        prepare(folder, int(arguments[0]))
    elif what == "serve":
        serve(folder)
    else:
        copy = shutil.copytree(folder, Path(folder) / f"{what}-copy", ignore=shutil.ignore_patterns("*-copy"))
        measured(RIVALS[what], str(copy))
        shutil.rmtree(copy)


if __name__ == "__main__":
    main(*sys.argv[1:])
