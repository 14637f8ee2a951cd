"""Fields of the stand-in's Lead, and which values they take from a CSV.

Numbers are kept as sent, not rounded to the scale: only Salesforce's display rounds.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Value = str | float | bool | None
NULL = "#N/A"
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:?\d\d)")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TRUE = {"true", "yes", "y", "on", "1"}
_FALSE = {"false", "no", "n", "off", "0"}


class RowError(Exception):
    """A row that is refused; the text is its sf__Error."""


class OrgField(BaseModel):
    """A field of Lead: its type, and what the user who logs in may do with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z]\w*$")]
    type: Literal["id", "double", "boolean", "string", "datetime"]
    precision: int = 0
    scale: int = 0
    length: int = 0
    updateable: bool = True
    visible: bool = True
    """False: field-level security hides it, as if there were no such field."""

    @property
    def custom(self) -> bool:
        """Whether an admin made it."""
        return self.name.endswith("__c")

    def describe(self) -> dict[str, object]:
        """The field as describe() answers it."""
        return {
            "name": self.name,
            "label": self.name.removesuffix("__c").replace("_", " "),
            "type": self.type,
            "precision": self.precision,
            "scale": self.scale,
            "length": self.length,
            "custom": self.custom,
            "calculated": False,
            "updateable": self.updateable,
            "nillable": self.type != "boolean",
        }


STANDARD = (
    OrgField(name="Id", type="id", length=18, updateable=False),
    OrgField(name="IsDeleted", type="boolean", updateable=False),
    OrgField(name="IsConverted", type="boolean", updateable=False),
)
V4 = (
    OrgField(name="V4_Score__c", type="double", precision=18, scale=2),
    OrgField(name="V4_Score_Percentile__c", type="double", precision=18, scale=0),
    OrgField(name="V4_Deprioritize__c", type="boolean"),
    OrgField(name="V4_Model_Version__c", type="string", length=20),
    OrgField(name="V4_Scored_At__c", type="datetime"),
)
"""The guide's three fields and the two optional ones, as docs/salesforce/ creates them."""


def utc(text: str) -> str:
    """An instant as the org keeps and answers it. ValueError where it is none, or has no offset."""
    if not _DATETIME.fullmatch(text):
        raise ValueError(f"{text!r} is not an instant with an offset")
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def reader(of: OrgField) -> Callable[[str], Value]:
    """Reads the field's value from a CSV cell that is not empty; RowError where it does not fit."""
    read = {"double": _number, "boolean": _boolean, "string": _string, "datetime": _datetime}[of.type]

    @lru_cache(maxsize=10_000)  # a job's cells repeat: two decimals, a hundred percentiles, one instant
    def value(text: str) -> Value:
        if text == NULL and of.type != "boolean":
            return None
        return read(of, text)

    return value


def _number(of: OrgField, text: str) -> Value:
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise _wrong_type(of, text)
    number = float(text)
    if abs(number) >= 10.0 ** (of.precision - of.scale):
        raise RowError(
            f"NUMBER_OUTSIDE_VALID_RANGE:{of.name}: value outside of valid range on numeric field: {text}:{of.name} --"
        )
    return number


def _boolean(of: OrgField, text: str) -> Value:
    if text.lower() not in _TRUE | _FALSE:
        raise _wrong_type(of, text)
    return text.lower() in _TRUE


def _string(of: OrgField, text: str) -> Value:
    if len(text) > of.length:
        raise RowError(f"STRING_TOO_LONG:{of.name}: data value too large: {text} (max length={of.length}):{of.name} --")
    return text


def _datetime(of: OrgField, text: str) -> Value:
    try:
        return utc(text)
    except (ValueError, OverflowError) as error:
        raise _wrong_type(of, text) from error


def _wrong_type(of: OrgField, text: str) -> RowError:
    return RowError(f"INVALID_TYPE_ON_FIELD_IN_RECORD:{of.name}: value not of required type: {text}:{of.name} --")
