"""What the tests of the client begin with: an org of five leads, and the real client, whose pauses pass at once."""

import pytest

from salesforce_stand_in import StandInOrg
from v4_assets.salesforce.client.client import SalesforceClient
from v4_assets.salesforce.client.http import Patience
from v4_assets_tests.fixtures import sparing
from v4_assets_tests.fixtures.client_jobs import LEADS
from v4_assets_tests.fixtures.org_keys import keyed

sparing.spared()


@pytest.fixture
def org(tmp_path):
    with StandInOrg(keyed(tmp_path / "org"), LEADS, page_size=2) as org:
        yield org


@pytest.fixture
def naps():
    """The seconds the client slept, which pass at once."""
    return []


@pytest.fixture
def patience(naps):
    return Patience(read_seconds=60.0, waits=(1.0, 2.0, 4.0), sleep=naps.append)


@pytest.fixture
def client(org, patience):
    return SalesforceClient(org.target, patience)
