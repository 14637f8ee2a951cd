"""A poll or create that the org refuses costs no job, and jobs of other integrations are left alone."""

import pytest

from v4_assets import tables
from v4_assets.errors import SalesforceError, SalesforceSetupError


def test_a_poll_that_is_refused_once_does_not_cost_the_job(world, org, client) -> None:
    org.faults.request("refused", on="poll", times=4)
    result = world.sync(client)
    assert (result.problems, org.requests["create"], org.requests["abort"]) == ((), 1, 0)


def test_a_poll_that_is_always_refused_ends_the_run_and_leaves_the_job_to_the_next(world, org, client) -> None:
    org.faults.request("refused", on="poll", times=99)
    with pytest.raises(SalesforceSetupError, match="INSUFFICIENT_ACCESS"):
        world.sync(client)
    assert org.requests["poll"] == 5
    org.faults.clear()
    assert world.sync(client).problems == ()
    assert org.requests["create"] == 1


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_open_jobs_of_another_integration_of_our_user_are_never_aborted(world, org, client, kind) -> None:
    theirs = [client.create_job() for _ in range(3)]
    org.faults.request(kind, on="create")
    assert world.sync(client).problems == ()
    states = {str(job["id"]): job["state"] for job in org.jobs()}
    assert [states[job] for job in theirs] == ["Open"] * 3


def test_a_create_that_is_refused_leaves_nothing_unsettled(world, org, client) -> None:
    org.faults.request("refused", on="create")
    with pytest.raises(SalesforceError, match="INSUFFICIENT_ACCESS"):
        world.sync(client)
    [job] = world.all(tables.SALESFORCE_JOBS)
    assert (job["settled_at"] is not None, job["org_state"]) == (True, "NotCreated")
    assert world.sync(client).problems == ()
