"""The reaction to each refusal, and the outcome of every row of a job. Pure.

The counts of a job are not used: each row is matched with the three result files by its lead id. A row that is in none
of them, or in two, is in doubt: it stays pending, and the known state of its lead is deleted. Of leads that left the
scored set it is kept: they must show it, or are emptied again.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

CONFIRMED, PENDING, QUARANTINED, FAILED = "confirmed", "pending", "quarantined", "failed"

UNACCOUNTED = "UNACCOUNTED"
"""The job ended and no result file has the row."""
NOT_PROCESSED = "NOT_PROCESSED"
"""The job ended before it processed the row."""
NOT_CREATED = "NOT_CREATED"
"""The job was never created in the org."""
JOB_ABORTED = "JOB_ABORTED"
JOB_GONE = "JOB_GONE"
"""The org has deleted the job."""
READ_BACK_DIFFERS = "READ_BACK_DIFFERS"
"""The org confirmed the values and now shows others."""
NOT_IN_ORG = "NOT_IN_ORG"
MALFORMED_ID = "MALFORMED_ID"
CONVERTED = "CANNOT_UPDATE_CONVERTED_LEAD"
DELETED = "ENTITY_IS_DELETED"
NOT_FOUND = "INVALID_CROSS_REFERENCE_KEY"
"""No record has this id: deleted for good, merged, or made after a sandbox was copied."""
NOT_OPEN = (CONVERTED, DELETED, NOT_IN_ORG)
"""Codes of leads that are converted, deleted or not in the org: nothing is owed to them."""

WIDESPREAD_ROWS = 100
"""A code on fewer rows than this is never taken for the org's fault."""
WIDESPREAD_OF_SENT = 0.5
WIDESPREAD_OF_SCORED = 0.01
"""A code on this share of the rows sent, or of the leads scored, is not about the leads."""

_LOCK = "lock"


class Reaction(Enum):
    """What happens to a refused row."""

    RETRY = "retry"
    """The cause is transient: sent again in a new job of this sync, then by the next run."""
    RETRY_ONCE = "retry once"
    """The cause is not known: sent once more in this sync, then by the next run."""
    NEXT_RUN = "next run"
    """The cause is the state of the org: sent by the next run."""
    QUARANTINE = "quarantine"
    """The cause is the lead itself: not sent again for some days."""
    STOP = "stop"
    """The fields or our permissions are wrong: every row would be refused."""


TRANSIENT = ("UNABLE_TO_LOCK_ROW", "TooManyLockFailure", "SERVER_UNAVAILABLE")
OF_THE_LEAD = (
    DELETED,
    CONVERTED,
    NOT_FOUND,
    MALFORMED_ID,
    "STRING_TOO_LONG",
    "NUMBER_OUTSIDE_VALID_RANGE",
    "INVALID_TYPE_ON_FIELD_IN_RECORD",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
    "INVALID_EMAIL_ADDRESS",
    "DUPLICATE_VALUE",
    "DUPLICATES_DETECTED",
    "DUPLICATE_EXTERNAL_ID",
    "ENTITY_IS_LOCKED",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION",
    "FIELD_FILTER_VALIDATION_EXCEPTION",
    "FIELD_INTEGRITY_EXCEPTION",
    "REQUIRED_FIELD_MISSING",
    "INSUFFICIENT_ACCESS_OR_READONLY",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
)
"""Codes about one lead, its values or its sharing, as long as few rows have them."""
OF_THE_ORG = (
    "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE",
    "STORAGE_LIMIT_EXCEEDED",
    "LIMIT_EXCEEDED",
    "REQUEST_LIMIT_EXCEEDED",
    "TXN_SECURITY_METERING_ERROR",
    "APEX_ERROR",
    "APEX_DATA_ACCESS_RESTRICTION",
    "CANNOT_EXECUTE_FLOW_TRIGGER",
    "FLOW_EXCEPTION",
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
    "API_DISABLED_FOR_ORG",
    "API_CURRENTLY_DISABLED",
    "FUNCTIONALITY_NOT_ENABLED",
    "FUNCTIONALITY_TEMPORARILY_UNAVAILABLE",
    "ORG_LOCKED",
    "UNAVAILABLE_RECORDTYPE_EXCEPTION",
)
"""Codes about the state of the org: maintenance, limits, storage, triggers and flows."""
OF_THE_SETUP = ("INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE")
REACTIONS: Mapping[str, Reaction] = {
    **dict.fromkeys(TRANSIENT, Reaction.RETRY),
    **dict.fromkeys(OF_THE_LEAD, Reaction.QUARANTINE),
    **dict.fromkeys(OF_THE_ORG, Reaction.NEXT_RUN),
    **dict.fromkeys(OF_THE_SETUP, Reaction.STOP),
}
_HOPELESS = re.compile(
    r"\b(InvalidBatch|ClientInputError|ExceededQuota|InvalidUser|InvalidEntity|InvalidOperation|FeatureNotEnabled"
    r"|API_?Disabled\w*)\b",
    re.IGNORECASE,
)
"""Codes of a failed job that another one would end in, too: schema, line ending, quota, access. They stand anywhere in
the job's message: `null:InvalidBatch : InvalidBatch : Field name not found : X__c`."""


@dataclass(frozen=True)
class SyncSize:
    """What the number of equal refusals is measured against."""

    sent: int
    """Rows of the whole sync."""
    scored: int
    """Leads scored on the day."""
    is_sandbox: bool = False


def is_widespread(code: str, count: int, size: SyncSize) -> bool:
    """Whether as many rows with this code are about the org rather than the leads.

    A sandbox lacks the leads made since it was copied, so there leads that are not found count only against the sent.
    """
    if count < WIDESPREAD_ROWS or code in NOT_OPEN:
        return False
    expected = size.is_sandbox and code == NOT_FOUND
    return count >= WIDESPREAD_OF_SENT * size.sent or (not expected and count >= WIDESPREAD_OF_SCORED * size.scored)


def reaction(code: str, message: str) -> Reaction:
    """The reaction to a code. A row with an unknown code is sent once more."""
    if code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" and _LOCK in message.lower():
        return Reaction.RETRY
    return REACTIONS.get(code, Reaction.RETRY_ONCE)


def outcome_of(code: str, message: str, attempt: int) -> tuple[str, bool]:
    """(pending, quarantined or failed; sent again in this sync) of a row refused at its `attempt` (from 1)."""
    wanted = reaction(code, message)
    if wanted is Reaction.STOP:
        return FAILED, False
    if wanted is Reaction.QUARANTINE:
        return QUARANTINED, False
    return PENDING, wanted is Reaction.RETRY or (wanted is Reaction.RETRY_ONCE and attempt == 1)


def is_hopeless(job_error: str | None) -> bool:
    """Whether a job that failed with this error would fail again."""
    return _HOPELESS.search(job_error or "") is not None


def account(
    rows: pa.Table,
    succeeded: Sequence[str],
    failed: Sequence[tuple[str, str, str]],
    unprocessed: Sequence[str],
    *,
    attempt: int,
    size: SyncSize,
    lost: str,
    earlier: Mapping[str, int] | None = None,
    scored: pa.Array | None = None,
) -> pa.Table:
    """`rows` of a job with outcome, in_doubt, code, message and `again`: to be sent again in this sync.

    `failed` holds (lead id, code, message), `earlier` counts refusals by code in the sync's other jobs, and `lost` is
    the code of a row that is in no file. Leads in the files that are not in `rows` are ignored. Only leads among the
    ids `scored` (None: all) make a refusal widespread: those that left the scored set may all be locked alike.
    """
    ids = rows["lead_id"]
    refusals = {lead: (code, message) for lead, code, message in failed}
    good, bad, left = (_among(ids, found) for found in (succeeded, list(refusals), unprocessed))
    outcome = np.where(good, CONFIRMED, PENDING).astype(object)
    code, message = (np.full(len(rows), None, dtype=object) for _ in range(2))
    code[left] = NOT_PROCESSED
    again = left.copy()
    counted = bad if scored is None else bad & pc.is_in(ids, value_set=scored).to_numpy()
    counts = Counter(refusals[ids[int(position)].as_py()][0] for position in np.flatnonzero(counted))
    widespread = {one for one, count in counts.items() if is_widespread(one, count + (earlier or {}).get(one, 0), size)}
    for position in np.flatnonzero(bad):
        code[position], message[position] = refusals[ids[int(position)].as_py()]
        outcome[position], again[position] = outcome_of(code[position], message[position], attempt)
        if code[position] in widespread and not again[position] and code[position] not in TRANSIENT:
            outcome[position] = FAILED
    doubt = good.astype(int) + bad + left != 1
    outcome[doubt], code[doubt], message[doubt], again[doubt] = PENDING, lost, None, lost == JOB_ABORTED
    columns = {"outcome": pa.string(), "in_doubt": pa.bool_(), "code": pa.string(), "message": pa.string()}
    for (name, kind), values in zip(columns.items(), (outcome, doubt, code, message), strict=True):
        rows = rows.append_column(name, pa.array(values, kind))
    return rows.append_column("again", pa.array(again.astype(bool), pa.bool_()))


def all_alike(
    rows: pa.Table, outcome: str, code: str, message: str | None = None, *, in_doubt: bool = False
) -> pa.Table:
    """`rows`, all with the same outcome, none sent again in this sync."""
    columns = {
        "outcome": outcome,
        "in_doubt": in_doubt,
        "code": code,
        "message": pa.scalar(message, pa.string()),
        "again": False,
    }
    for name, value in columns.items():
        rows = rows.append_column(name, pa.repeat(pa.scalar(value), len(rows)))
    return rows


def to_retry(outcomes: pa.Table) -> pa.Table:
    """The rows to send again in this sync."""
    return outcomes.filter(outcomes["again"])


def _among(ids: pa.ChunkedArray, found: Sequence[str]) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = pc.is_in(ids, value_set=pa.array(found, pa.string())).to_numpy()
    return mask
