"""A used-up request limit stops the client at once, and some requests are always left to others."""

import pytest

from v4_assets.errors import ApiLimitError
from v4_assets.salesforce.client.org import JobState


def test_a_used_up_limit_is_told_at_once_with_when_it_comes_back(org, client, naps):
    org.faults.request("request_limit", on="describe")
    with pytest.raises(ApiLimitError, match=r"REQUEST_LIMIT_EXCEEDED.*last 24 hours"):
        client.lead_fields()
    assert (org.requests["describe"], naps) == (1, [])


def test_a_floor_of_requests_is_left_to_others(org, client):
    org.faults.set(requests_left=1003)
    job = client.create_job()
    with pytest.raises(ApiLimitError, match=r"1000 of .* are left, and 1000 are to be left"):
        while True:
            client.status(job)
    before = org.requests.total()
    with pytest.raises(ApiLimitError, match="V4_SALESFORCE_REQUEST_FLOOR"):
        client.create_job()
    assert org.requests.total() == before
    assert client.requests_left() == 999
    org.faults.set(requests_left=None)
    client.requests_left()
    assert client.status(job).state is JobState.OPEN
