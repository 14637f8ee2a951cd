"""Where the tests kill: each kind of boundary once, in a scene and on a side that a seed chooses. The first kill of a
scene is at an occurrence that it chooses, too.

The writes of partitions, which one function makes whatever the table, are one kind, and are killed at in every scene.
What leaves the same behind under any name is one kind, too.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random

from v4_assets_tests.chaos.boundaries import Point

SWEPT = {
    r"org: \w+ \S+/jobs/ingest.*": "salesforce/test_sync_crashes.py",
    r"warehouse: .*v4_salesforce_(jobs|state|sync_log).*": "salesforce/test_sync_crashes.py",
    r"warehouse: (ALTER|DROP|CREATE) .*|warehouse: v4_takeover": "operations/takeover/test_crashes.py",
}
"""Kinds of boundaries that another test sweeps, in every phase of what it plays, and which."""
PARTITION_WRITE = re.compile(r"warehouse: (?:v4_partition_writes \+ \w+|\w+ \+ v4_partition_writes)")
"""A partition with its line among the writes."""
ALIKE = (
    re.compile(r"org: (?:GET|POST /services/oauth2/token).*"),
    re.compile(r"file: write \S*\.new\S*"),
    re.compile(r"file: write \S*\.png"),
)
"""Questions to the org; files that are not in their place yet; charts, which no table names."""
LEAST = 2
"""Kills of every scene, whatever other tests do."""
AT_ONCE = 5
"""Kills of one scene before it is finished: fewer than the attempts after which an action is given up."""
Recorded = Mapping[str, Sequence[str]]
"""Scene to its boundaries, in their order."""


def kinds(recorded: Recorded) -> dict[str, list[tuple[str, str]]]:
    """Kind of a boundary to its scenes and names; not those that another test sweeps, nor writes of partitions."""
    found: dict[str, list[tuple[str, str]]] = {}
    for scene, boundaries in recorded.items():
        for name in dict.fromkeys(boundaries):
            if not (PARTITION_WRITE.fullmatch(name) or any(re.fullmatch(pattern, name) for pattern in SWEPT)):
                kind = next((alike.pattern for alike in ALIKE if alike.fullmatch(name)), name)
                found.setdefault(kind, []).append((scene, name))
    return found


def planned(recorded: Recorded, seed: int) -> dict[str, list[Point]]:
    """Scene to where it is killed, in the order of its boundaries."""
    random = Random(seed)
    points: dict[str, list[tuple[int, Point]]] = {scene: [] for scene in recorded}
    for _, places in sorted(kinds(recorded).items()):
        scene, name = random.choice(places)
        points[scene].append(_chosen(recorded[scene], name, random))
    for scene, boundaries in recorded.items():
        if writes := sorted(filter(PARTITION_WRITE.fullmatch, set(boundaries))):
            points[scene].append(_chosen(boundaries, random.choice(writes), random))
    for scene, boundaries in recorded.items():
        while len(points[scene]) < min(LEAST, len(boundaries)):
            points[scene].append(_chosen(boundaries, random.choice(boundaries), random))
    return {scene: [point for _, point in sorted(found, key=lambda one: one[0])] for scene, found in points.items()}


def chains(points: Sequence[Point]) -> Iterator[list[Point]]:
    """The points in groups of at most AT_ONCE, each of which spans the scene.

    After the first kill another process goes on, which makes fewer writes: it is killed at its first of the name.
    """
    count = -(-len(points) // AT_ONCE)
    for begins in range(count):
        first, *others = points[begins::count]
        yield [first, *(replace(point, nth=1) for point in others)]


def _chosen(boundaries: Sequence[str], name: str, random: Random) -> tuple[int, Point]:
    places = [place for place, one in enumerate(boundaries) if one == name]
    nth = random.randrange(len(places))
    return places[nth], Point(name, nth + 1, after=random.random() < 0.5)
