"""A few pending rows count as delivered; more of them, a failed job or a day without a sync are owed."""

from v4_assets.production import overdue
from v4_assets_tests.fixtures.crm_mornings import move, owed
from v4_assets_tests.fixtures.crm_world import leads


def test_a_few_pending_rows_are_delivered_and_more_are_owed(world, org, client) -> None:
    org.faults.row("UNABLE_TO_LOCK_ROW", leads(2), times=9)
    assert (world.sync(client).problems, owed(world)) == ((), None)
    last = overdue.recorded_syncs(world.store).last
    assert last is not None
    assert (last.pending, last.owed) == (2, None)
    org.faults.clear()
    org.faults.row("UNABLE_TO_LOCK_ROW", leads(3), times=9)
    move(world)
    world.sync(client)
    assert str(owed(world)).startswith("3 of 200 leads are pending, limit 1.0%: 3 UNABLE_TO_LOCK_ROW")


def test_a_job_that_failed_is_owed_while_rows_are_pending(world, org, client) -> None:
    world.rules["retry_rounds"] = 0
    org.faults.job("fail", rows=199, error="InternalServerError : again later")
    world.sync(client)
    assert "ended Failed: InternalServerError" in str(owed(world))


def test_a_day_without_a_sync_is_owed(world) -> None:
    assert owed(world) == "no sync of the day has ended"
