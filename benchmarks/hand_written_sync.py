"""Scores to Salesforce the way it was done before: simple-salesforce as it comes, 200 leads at a time.

by_hand is `sf.bulk.Lead.update(some)` for every 200 leads, each call a job of Bulk API 1.0: make it, add the batch, ask
after it, fetch its result, close the job. batches is all leads in one such call with `batch_size=200`. collections is
200 leads per call of the composite API. The stand-in org has a batch done when it is first asked after, so none of them
has to wait; a real org costs the first two 5 s and one more request whenever a batch is not done by then.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import requests
from simple_salesforce.api import Salesforce

from v4_assets.config.salesforce import SalesforceTarget
from v4_assets.salesforce.client.http import LoopbackAdapter

RECORDS_AT_A_TIME = 200
Records = list[dict[str, Any]]
Send = Callable[[Salesforce, Records], Iterable[Any]]
"""Sends the records, and yields for each whether it was accepted."""


def library(target: SalesforceTarget) -> Salesforce:
    """simple-salesforce as it comes, but for where its requests go."""
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", LoopbackAdapter(str(target.loopback)))
    assert target.consumer_key is not None
    return Salesforce(
        username=target.username,
        consumer_key=target.consumer_key.get_secret_value(),
        privatekey_file=str(target.private_key_file),
        domain=target.domain,
        version=target.api_version,
        session=session,
    )


def calls(org: Salesforce, records: Records) -> Iterator[Any]:
    """A call, and so a job of one batch, for every 200 leads."""
    bulk: Any = org.bulk
    for start in range(0, len(records), RECORDS_AT_A_TIME):
        yield from bulk.Lead.update(records[start : start + RECORDS_AT_A_TIME])


def batches(org: Salesforce, records: Records) -> Iterable[Any]:
    """One call, and so one job with a batch for every 200 leads."""
    bulk: Any = org.bulk
    answers: Iterable[Any] = bulk.Lead.update(records, batch_size=RECORDS_AT_A_TIME)
    return answers


def collections(org: Salesforce, records: Records) -> Iterator[Any]:
    """200 leads per call of the composite API."""
    for start in range(0, len(records), RECORDS_AT_A_TIME):
        some = [{"attributes": {"type": "Lead"}} | row for row in records[start : start + RECORDS_AT_A_TIME]]
        answers: Any = org.restful("composite/sobjects", method="PATCH", json={"allOrNone": False, "records": some})
        yield from answers


WAYS: dict[str, Send] = {"by_hand": calls, "batches": batches, "collections": collections}
