"""What the org shows is read back after a sync, whole or as a sample, and what differs is repaired."""

from v4_assets_tests.fixtures.crm_world import OLD, carried, lead

MANY = 60


def test_a_value_changed_in_the_org_is_repaired_by_the_same_sync(world, org, client) -> None:
    world.sync(client)
    org.store.update(["V4_Score__c"], [[True, 0.01, lead(4)]])
    report = world.sync(client)
    assert (report.repaired, len(report.read_back.differing), report.uncovered, report.problems) == (1, 0, 0, ())
    assert [row["code"] for row in world.log(lead(4)) if row["in_doubt"]] == ["READ_BACK_DIFFERS"]
    assert carried(org) == world.expected(OLD)
    assert world.sync(client).jobs == 0


def test_a_sample_is_read_by_its_ids_in_few_requests(world, org, client) -> None:
    world.rules |= {"read_back": "sample", "read_back_leads": 20}
    before = org.requests["query"]
    report = world.sync(client)
    assert (report.read_back.asked, report.read_back.everything) == (MANY, True)
    assert org.requests["query"] - before == 3  # identity, the seed, the full comparison of a first sync
    report = world.sync(client)
    assert (report.read_back.asked, report.read_back.everything) == (20, False)
    assert org.requests["query"] - before == 5  # newer scores than the ledger's, the sample
