"""A day's evidence has one hash, whichever release asks for it."""

import json
from dataclasses import MISSING, asdict, fields
from hashlib import sha256

from v4_assets.evaluation.evidence import LATER, Evidence, digest
from v4_assets_tests.fixtures.evidences import evidence

RELEASE_0_1 = 39
"""Fields that release 0.1 had; it hashed all of them."""
ROWS = [evidence(), evidence(version="v4.0.0", only_own_top=None)]


def as_release_0_1(rows: list[Evidence]) -> str:
    """The hash as release 0.1 took it."""
    names = [field.name for field in fields(Evidence)][:RELEASE_0_1]
    plain = [{name: value for name, value in asdict(row).items() if name in names} for row in rows]
    lines = sorted(json.dumps(row, default=str, sort_keys=True) for row in plain)
    return sha256("\n".join(lines).encode()).hexdigest()


def test_evidence_written_by_release_0_1_has_the_hash_it_was_approved_by():
    assert digest(ROWS) == as_release_0_1(ROWS)
    assert digest(ROWS[::-1]) == digest(ROWS)


def test_fields_added_since_stand_last_and_default_to_none():
    since = fields(Evidence)[RELEASE_0_1:]
    assert {field.name for field in since} == LATER
    assert {field.default for field in since} == {None}
    assert all(field.default is MISSING for field in fields(Evidence)[:RELEASE_0_1])


def test_every_field_of_a_new_row_counts():
    [row, _] = ROWS
    found = {digest([Evidence(**{**asdict(row), field.name: "another"})]) for field in fields(Evidence)}
    assert len(found | {digest([row])}) == len(fields(Evidence)) + 1
