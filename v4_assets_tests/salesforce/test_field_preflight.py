"""Fields of the org that cannot hold the values are named with their fault before anything is sent."""

from types import SimpleNamespace

import pytest

from v4_assets.config.rollout_systems import FieldNames
from v4_assets.salesforce.field_preflight import examine
from v4_assets_tests.fixtures.day_scores import V0, V1

NAMES = FieldNames(score="S__c", percentile="P__c", deprioritize="D__c", model_version="V__c", scored_at="At__c")


def described(type: str, precision: int = 0, scale: int = 0, length: int = 0, updateable: bool = True):
    return SimpleNamespace(type=type, precision=precision, scale=scale, length=length, updateable=updateable)


GOOD = {
    "S__c": described("double", 18, 2),
    "P__c": described("double", 18, 0),
    "D__c": described("boolean"),
    "V__c": described("string", length=20),
    "At__c": described("datetime"),
}


def test_the_guides_fields_are_fit() -> None:
    found = examine(NAMES, GOOD, [V0, V1])
    assert (found.wrong, found.absent) == ((), ())
    assert found.columns[0] == ("S__c", "score")


@pytest.mark.parametrize(
    ("name", "field", "said"),
    [
        ("S__c", None, "S__c is missing, or hidden from our user"),
        ("S__c", described("string", length=20), "S__c is of type string, not double"),
        ("S__c", described("double", 18, 1), "S__c holds 1 decimals, needs 2"),
        ("S__c", described("double", 2, 2), "S__c holds 0 digits before the point, needs 1"),
        ("P__c", described("double", 2, 0), "P__c holds 2 digits before the point, needs 3"),
        ("D__c", described("boolean", updateable=False), "D__c is read-only"),
        ("V__c", described("string", length=5), "V__c holds 5 characters, needs 6"),
        ("At__c", described("date"), "At__c is of type date, not datetime"),
    ],
)
def test_an_unfit_field_is_named_with_its_fault(name: str, field, said: str) -> None:
    fields = {key: value for key, value in (GOOD | {name: field}).items() if value}
    [wrong] = examine(NAMES, fields, [V0, V1]).wrong
    assert wrong.startswith(said)


def test_all_unfit_fields_are_named_at_once_and_optional_ones_may_be_absent() -> None:
    found = examine(NAMES, {"P__c": described("string", length=9)}, [V0, V1])
    assert [sentence.split()[0] for sentence in found.wrong] == ["S__c", "P__c", "D__c"]
    assert found.absent == ("V__c", "At__c")
    assert found.name("model_version") is None
