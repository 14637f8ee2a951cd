"""A first sync into fields that hold values is held like any other, and the preview shows what it would send."""

import pytest

from salesforce_stand_in import SeedLead
from v4_assets import tables
from v4_assets.errors import SyncHeldError
from v4_assets.salesforce.client.org import CRM
from v4_assets.salesforce.preview import preview
from v4_assets_tests.fixtures.crm_mornings import MANY
from v4_assets_tests.fixtures.crm_world import DAY, OLD, CrmWorld, carried, leads, org_of


def by_hand(world: CrmWorld, moved: int) -> list[SeedLead]:
    """Leads filled by hand: as today's scores, but `moved` of them with a flipped flag."""
    found = []
    for at, (one, row) in enumerate(world.expected(OLD).items()):
        flipped = {"V4_Deprioritize__c": not row["V4_Deprioritize__c"]} if at < moved else {}
        found.append(SeedLead(one, row | {"V4_Model_Version__c": "V4"} | flipped))
    return found


@pytest.mark.parametrize(("moved", "held"), [(30, False), (50, True)])
def test_a_first_sync_into_filled_fields_is_held_like_any_other_and_the_preview_says_so(
    world, tmp_path, moved, held
) -> None:
    with org_of(tmp_path / "filled", by_hand(world, moved)) as (org, client):
        crm = CRM("local", client, world.home / "salesforce", world.timer.wait, client.identity().org_id)
        shown = preview(world.store, world.rollout, world.clock, crm, OLD, DAY)
        assert (shown.held is not None, shown.plan.moved, shown.plan.comparable) == (held, moved, MANY)
        assert org.requests["create"] == 0
        if held:
            with pytest.raises(SyncHeldError, match="Nothing was sent"):
                world.sync(client)
            assert org.updates() == {}
        result = world.sync(client, allowed="a person has seen the numbers" if held else None)
        assert result.plan.counts == shown.plan.counts
        assert set(org.updates()) == set(shown.plan.rows["lead_id"].to_pylist())
        assert carried(org) == world.expected(OLD)


def test_a_preview_never_shows_what_another_org_confirmed(world, org, client, tmp_path) -> None:
    world.sync(client)
    with org_of(tmp_path / "other", list(leads(MANY))) as (other, stranger):
        for row in (state := world.all(tables.SALESFORCE_STATE)):
            row["org_id"] = "00D000000000000EAA"
        world.put(tables.SALESFORCE_STATE, state)
        crm = CRM("local", stranger, world.home / "salesforce", world.timer.wait, stranger.identity().org_id)
        shown = preview(world.store, world.rollout, world.clock, crm, OLD, DAY)
        assert (shown.plan.unchanged, shown.counts["to_send"]) == (0, MANY)
        assert "no sync has run there yet" in shown.compared_with
        assert other.requests["create"] == 0
