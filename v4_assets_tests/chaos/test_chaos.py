"""Killed at every kind of write boundary of a rollout, the product ends by its own means as if nothing had happened.

The boundaries are recorded, not listed. `make chaos` kills at random times over the same scenes.
"""

from collections.abc import Iterator

import pytest

from v4_assets_tests.chaos.boundaries import Point
from v4_assets_tests.chaos.disturb import Stage
from v4_assets_tests.chaos.plan import AT_ONCE, chains, kinds, planned
from v4_assets_tests.chaos.scenes import SCENES

SEED = 16
WRITES = ("warehouse: v4_a + v4_partition_writes", "warehouse: v4_partition_writes + v4_z")
READS = ("org: GET /x/query/", "org: POST /services/oauth2/token")
RECORDED = {
    "one": ["a", "b", "a", "org: POST /x/jobs/ingest", *WRITES],
    "two": ["b", "c", READS[0]],
    "three": ["c", READS[1], *WRITES],
}


def test_a_plan_has_every_kind_once_but_those_of_other_sweeps_and_at_least_two_kills_in_every_scene():
    for seed in range(20):
        plan = planned(RECORDED, seed)
        assert plan == planned(RECORDED, seed)
        assert {point.name for points in plan.values() for point in points} >= {"a", "b", "c"}
        assert all(len(points) >= 2 for points in plan.values())
        assert all({*WRITES} & {point.name for point in plan[scene]} for scene in ("one", "three"))
        assert {*READS} & {point.name for points in plan.values() for point in points}
    [reads] = kinds(RECORDED).keys() - {*"abc"}
    assert kinds(RECORDED) == {
        "a": [("one", "a")],
        "b": [("one", "b"), ("two", "b")],
        "c": [("two", "c"), ("three", "c")],
        reads: [("two", READS[0]), ("three", READS[1])],
    }


def test_the_points_of_a_scene_are_killed_at_in_groups_that_lose_none():
    points = [Point(f"{number:02}", 7) for number in range(12)]
    groups = list(chains(points))
    assert [len(group) for group in groups] == [4, 4, 4]
    assert sorted(str(point.name) for group in groups for point in group) == [point.name for point in points]
    assert [[point.nth for point in group] for group in groups] == [[7, 1, 1, 1]] * 3
    assert list(chains([])) == []
    assert max(map(len, groups)) <= AT_ONCE


@pytest.mark.parametrize("point", [Point("warehouse: a + b", 2, after=True), Point(None, 12), Point("file: move x")])
def test_a_point_is_written_so_that_it_can_be_read(point):
    assert Point.parse(str(point)) == point


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("chaos")) as begun:
        yield begun


@pytest.fixture(scope="module")
def plan(stage: Stage) -> dict[str, list[Point]]:
    return planned({name: stage.undisturbed(name).boundaries for name in SCENES}, SEED)


@pytest.mark.extended
@pytest.mark.parametrize("scene", SCENES)
def test_killed_at_its_boundaries_a_scene_ends_as_if_nothing_had_happened(stage, plan, scene):
    for chain in chains(plan[scene]):
        done = stage.disturbed(scene, chain)
        assert not done.differences, done.report(SEED)
        struck = [kill for kill, _ in done.struck]
        # What an earlier kill let the product finish by other steps is killed at by itself.
        for point in chain:
            if point not in struck:
                alone = stage.disturbed(scene, [point])
                assert not alone.differences, alone.report(SEED)
                assert [kill for kill, _ in alone.struck] == [point]
