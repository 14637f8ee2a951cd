"""What the tests of the stand-in org begin with: a running org of six leads, and plain requests to it."""

import shutil

import pytest

from benchmarks.bulk_v1 import BulkV1
from salesforce_stand_in import StandInOrg
from salesforce_stand_in.login import Login
from v4_assets_tests.fixtures import sparing
from v4_assets_tests.fixtures.plain_requests import LEADS, Plain

sparing.spared()


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    """The private key of all orgs here: making one takes a while."""
    file = tmp_path_factory.mktemp("key") / "private_key.pem"
    Login(file)
    return file


@pytest.fixture
def folder(tmp_path, key):
    folder = tmp_path / "org"
    folder.mkdir()
    shutil.copy(key, folder)
    return folder


@pytest.fixture
def org(folder):
    with StandInOrg(folder, LEADS, page_size=4) as org:
        org.api.extensions.append(BulkV1(org.store, org.faults))
        yield org


@pytest.fixture
def session(org):
    """Plain requests: paths after the org's address, with a token."""
    return Plain(org)
