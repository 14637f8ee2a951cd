"""Record ids of 15 characters are widened to the 18 characters of the same record."""

import pytest

from v4_assets.config.salesforce import to_18


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("00DSM0000000001", "00DSM00000000012AA"),
        ("001A0000006Vm9r", "001A0000006Vm9rIAC"),
        ("000000000000000", "000000000000000AAA"),
        ("AAAAABBBBBCCCCC", "AAAAABBBBBCCCCC555"),
        ("00DSM00000000012AA", "00DSM00000000012AA"),
        ("short", "short"),
        ("00DSM00000000-1", "00DSM00000000-1"),
    ],
)
def test_ids_are_widened_by_their_capitals(short, full):
    assert to_18(short) == full
