"""What the tests of delivery begin with: 200 scored leads, an org with them, and syncs that read a sample back."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from salesforce_stand_in import StandInOrg
from v4_assets_tests.fixtures.crm_mornings import MANY
from v4_assets_tests.fixtures.crm_world import OLD, CrmWorld, leads, org_of, spread


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home in which V4.0.0 is live and has scored the leads; copied, never written by a test."""
    world = CrmWorld(tmp_path_factory.mktemp("prepared")).prepare()
    world.score(OLD, spread(leads(MANY)))
    return world.home


@pytest.fixture
def world(prepared: Path, tmp_path: Path) -> CrmWorld:
    """A copy of it, its warehouse closed between syncs."""
    rules = {"read_back": "sample", "read_back_leads": 20, "retry_rounds": 1}
    return CrmWorld(Path(shutil.copytree(prepared, tmp_path / "home")), rules)


@pytest.fixture
def org(tmp_path: Path) -> Iterator[StandInOrg]:
    """The org."""
    with org_of(tmp_path / "org", list(leads(MANY))) as (org, _):
        yield org
