"""What the tests of the stand-in org begin with: a running org of six leads, and plain requests to it."""

import pytest

from benchmarks.bulk_v1 import BulkV1
from salesforce_stand_in import StandInOrg
from v4_assets_tests.fixtures import sparing
from v4_assets_tests.fixtures.org_keys import keyed
from v4_assets_tests.fixtures.plain_requests import LEADS, Plain

sparing.spared()


@pytest.fixture
def folder(tmp_path):
    return keyed(tmp_path / "org")


@pytest.fixture
def org(folder):
    with StandInOrg(folder, LEADS, page_size=4) as org:
        org.api.extensions.append(BulkV1(org.store, org.faults))
        yield org


@pytest.fixture
def session(org):
    """Plain requests: paths after the org's address, with a token."""
    return Plain(org)
