"""Nothing is sent after a switch, beside another run, from scores of another model or with too many changes."""

import json

import pytest

from v4_assets import tables
from v4_assets.errors import (
    ApiLimitError,
    ModelIntegrityError,
    SalesforceError,
    StaleDecisionError,
    SyncHeldError,
)
from v4_assets.salesforce.client.client import SalesforceClient
from v4_assets.salesforce.ledger import Job, Sync
from v4_assets_tests.fixtures.crm_world import (
    BUNDLE,
    DAY,
    NEW,
    NEXT_DAY,
    OLD,
    SHA,
    CrmWorld,
    carried,
    client_of,
    leads,
    spread,
)

MANY = 60


class Switching:
    """An org that, asked who it is, has production switched meanwhile."""

    def __init__(self, org: SalesforceClient, world: CrmWorld) -> None:
        self._org, self._world = org, world

    def __getattr__(self, name: str):
        return getattr(self._org, name)

    def identity(self):
        self._world.go_live(NEW)
        return self._org.identity()


def test_no_job_is_made_once_production_has_switched(world, org, client) -> None:
    with pytest.raises(StaleDecisionError, match=r"Production is no longer v4\.0\.0"):
        world.sync(Switching(client, world))
    assert org.requests["create"] == 0
    assert world.all(tables.SALESFORCE_JOBS) == []


def test_two_runs_cannot_both_have_a_job_under_way(world, org, client) -> None:
    org.faults.request("request_limit", on="upload")
    with pytest.raises(ApiLimitError):
        world.sync(client)
    [job] = [Job(**row) for row in world.all(tables.SALESFORCE_JOBS)]
    assert job.settled_at is None
    [live] = world.all(tables.PRODUCTION)
    other = Sync.begun(job.org_id, DAY, OLD, live["event_id"], None)
    with pytest.raises(StaleDecisionError, match="another run is writing to the org"):
        world.ledger.plan(other, 1, world.ledger.rows_of(job).select(["lead_id"]))


def test_a_run_that_was_taken_over_before_its_job_had_an_id_gives_up(world, org, client) -> None:
    class Slow(Switching):
        def identity(self):
            return self._org.identity()

        def create_job(self) -> str:
            job_id = self._org.create_job()
            self._world.sync(client_of(org))  # another run finds the job without an id
            return job_id

    with pytest.raises(StaleDecisionError, match="Another run settled job"):
        world.sync(Slow(client, world))
    assert carried(org) == world.expected(OLD)
    assert set(org.updates().values()) == {1}
    assert {job["state"] for job in org.jobs()} == {"JobComplete", "Aborted"}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param({"model_sha256": "c" * 64}, "scores have model_sha256 cccc", id="another-model"),
        pytest.param({"bundle_sha256": "c" * 64}, "scores have bundle_sha256 cccc", id="another-feature-list"),
        pytest.param({"bundle_sha256": None}, "scores have bundle_sha256 None", id="no-bundle"),
        pytest.param({"model_version": NEW}, "scores have model_version v4.1.0", id="another-version"),
    ],
)
def test_scores_of_another_model_are_never_sent(world, org, client, damage, said) -> None:
    rows = world.all("daily_scores_v40")
    rows[7] |= damage
    world.put("daily_scores_v40", rows)
    with pytest.raises(Exception, match=said):
        world.sync(client)
    assert org.requests["create"] == 0


@pytest.mark.parametrize(
    ("recorded", "is_sent"), [(BUNDLE[OLD], True), ("c" * 64, False)], ids=["the live bundle", "another"]
)
def test_scores_from_before_an_upgrade_are_of_the_bundle_it_recorded(world, org, client, recorded, is_sent) -> None:
    facts = {"bundles": {OLD: {"model_sha256": SHA[OLD], "bundle_sha256": recorded}}}
    world.put("schema", [{"version": 2, "previous": 1, "facts": json.dumps(facts)}])
    world.put("daily_scores_v40", [row | {"bundle_sha256": None} for row in world.all("daily_scores_v40")])
    if is_sent:
        world.sync(client)
        assert carried(org) == world.expected(OLD)
    else:
        with pytest.raises(ModelIntegrityError, match="scores have bundle_sha256 cccc"):
            world.sync(client)
        assert org.requests["create"] == 0


def test_scores_that_failed_a_check_are_never_sent(world, org, client) -> None:
    world.score(OLD, spread(leads(MANY)), sequence=2, passed=False)
    with pytest.raises(SalesforceError, match="distinct_scores failed on the latest write"):
        world.sync(client)
    assert org.requests["create"] == 0


def test_too_many_changes_hold_and_a_person_may_allow_them(world, org, client) -> None:
    world.sync(client)
    shown = carried(org)
    world.day, world.rules["full_sync_days"] = NEXT_DAY, 1
    world.score(OLD, spread(leads(MANY), seed=9))
    with pytest.raises(SyncHeldError, match="Nothing was sent"):
        world.sync(client)
    assert (carried(org), org.requests["create"]) == (shown, 1)
    report = world.sync(client, allowed="the scores were mended")
    assert report.exempt == "allowed: the scores were mended"
    assert carried(org) == world.expected(OLD)


def test_the_rest_of_a_sync_that_was_allowed_is_not_held(world, org, client) -> None:
    world.sync(client)
    world.day = NEXT_DAY
    world.rules |= {"rows_per_job": 30, "full_sync_days": 1}
    world.score(OLD, spread(leads(MANY), seed=9))
    org.faults.request("request_limit", on="poll")
    with pytest.raises(ApiLimitError):
        world.sync(client, allowed="a person said so")
    report = world.sync(client)
    assert report.exempt == "the rest of an interrupted sync"
    assert carried(org) == world.expected(OLD)
