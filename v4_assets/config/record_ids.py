"""Salesforce record ids: 15 characters in which case matters, or the same with 3 more that make case not matter.

The last three spell which of the fifteen are capitals, five to a character.
"""

import re

_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


def is_record_id(text: str) -> bool:
    """Whether it has the form of an id; not whether there is such a record."""
    return _ID.fullmatch(text) is not None


def to_18(record_id: str) -> str:
    """The id in 18 characters. What is not an id of 15 characters stays as it is."""
    if len(record_id) != 15 or not is_record_id(record_id):
        return record_id
    fives = (record_id[start : start + 5] for start in (0, 5, 10))
    return record_id + "".join(
        _SUFFIX[sum(1 << at for at, sign in enumerate(five) if sign.isupper())] for five in fives
    )
