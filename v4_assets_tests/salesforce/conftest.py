"""What the tests of the sync begin with: as many leads as the module's MANY, scored by V4.0.0, and an org with them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from salesforce_stand_in import StandInOrg
from v4_assets.salesforce.client.client import SalesforceClient
from v4_assets_tests.fixtures.crm_world import OLD, CrmWorld, client_of, leads, org_of, spread


@pytest.fixture(scope="module")
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home in which V4.0.0 is live and has scored the leads; copied, never written by a test."""
    world = CrmWorld(tmp_path_factory.mktemp("prepared")).prepare()
    world.score(OLD, spread(leads(request.module.MANY)))
    return world.home


@pytest.fixture
def world(prepared: Path, tmp_path: Path) -> Iterator[CrmWorld]:
    """A copy of it, its warehouse open."""
    world = CrmWorld(Path(shutil.copytree(prepared, tmp_path / "home")))
    with world.warehouse.session():
        yield world


@pytest.fixture
def org(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StandInOrg]:
    """The org."""
    with org_of(tmp_path / "org", list(leads(request.module.MANY))) as (org, _):
        yield org


@pytest.fixture
def client(org: StandInOrg) -> SalesforceClient:
    """A client of it."""
    return client_of(org)
