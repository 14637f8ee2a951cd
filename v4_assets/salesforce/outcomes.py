"""The reaction to each refusal, and the outcome of every row of a job. Pure.

The counts of a job are not used: each row is matched with the three result files by its lead id. A row that is in none
of them, or in two, is in doubt: it stays pending, and the known state of its lead is deleted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.arrays import Mask

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
NOT_OPEN = (CONVERTED, DELETED, NOT_IN_ORG)
"""Codes of converted and deleted leads."""

WIDESPREAD_SHARE = 0.5
WIDESPREAD_ROWS = 10
"""A code on more than this share of a sync's rows, and on at least this many rows, is not about the leads."""

_LOCK = "lock"


class Reaction(Enum):
    """What happens to a refused row."""

    RETRY = "retry"
    """The cause is transient: sent again in a new job of this sync."""
    RETRY_ONCE = "retry once"
    QUARANTINE = "quarantine"
    """The cause is the lead itself: not sent again for some days."""
    STOP = "stop"
    """The fields or our permissions are wrong: every row would be refused."""


REACTIONS: Mapping[str, Reaction] = {
    "UNABLE_TO_LOCK_ROW": Reaction.RETRY,
    "TooManyLockFailure": Reaction.RETRY,
    "SERVER_UNAVAILABLE": Reaction.RETRY,
    "UNKNOWN_EXCEPTION": Reaction.RETRY_ONCE,
    "REQUEST_RUNNING_TOO_LONG": Reaction.RETRY_ONCE,
    DELETED: Reaction.QUARANTINE,
    "INVALID_CROSS_REFERENCE_KEY": Reaction.QUARANTINE,
    CONVERTED: Reaction.QUARANTINE,
    MALFORMED_ID: Reaction.QUARANTINE,
    "STRING_TOO_LONG": Reaction.QUARANTINE,
    "NUMBER_OUTSIDE_VALID_RANGE": Reaction.QUARANTINE,
    "INVALID_TYPE_ON_FIELD_IN_RECORD": Reaction.QUARANTINE,
    "DUPLICATE_VALUE": Reaction.QUARANTINE,
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": Reaction.QUARANTINE,
    "REQUIRED_FIELD_MISSING": Reaction.QUARANTINE,
    "INSUFFICIENT_ACCESS_OR_READONLY": Reaction.QUARANTINE,
    "INVALID_FIELD": Reaction.STOP,
    "INVALID_FIELD_FOR_INSERT_UPDATE": Reaction.STOP,
}
HOPELESS_JOB_ERRORS = ("InvalidBatch", "ClientInputError", "ExceededQuota", "InvalidUser")
"""Beginnings of the errors of a failed job that another one would end in, too: schema, line ending, quota, access."""


def reaction(code: str, message: str) -> Reaction:
    """The reaction to a code. A row with an unknown code is sent once more."""
    if code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":
        return Reaction.RETRY if _LOCK in message.lower() else Reaction.QUARANTINE
    return REACTIONS.get(code, Reaction.RETRY_ONCE)


def outcome_of(code: str, message: str, attempt: int) -> str:
    """pending, quarantined or failed, for a row refused at its `attempt` (from 1)."""
    wanted = reaction(code, message)
    if wanted is Reaction.RETRY or (wanted is Reaction.RETRY_ONCE and attempt == 1):
        return PENDING
    return FAILED if wanted is Reaction.STOP else QUARANTINED


def is_hopeless(job_error: str | None) -> bool:
    """Whether a job that failed with this error would fail again."""
    return (job_error or "").startswith(HOPELESS_JOB_ERRORS)


def account(
    rows: pa.Table,
    succeeded: Sequence[str],
    failed: Sequence[tuple[str, str, str]],
    unprocessed: Sequence[str],
    *,
    attempt: int,
    sent: int,
    lost: str,
) -> pa.Table:
    """`rows` of a job with outcome, in_doubt, code and message.

    `failed` holds (lead id, code, message), `sent` counts the rows of the whole sync, and `lost` is the code of a row
    that is in no file.
    """
    ids = rows["lead_id"]
    refusals = {lead: (code, message) for lead, code, message in failed}
    good, bad, left = (_among(ids, found) for found in (succeeded, list(refusals), unprocessed))
    outcome = np.where(good, CONFIRMED, PENDING).astype(object)
    code = np.full(len(rows), None, dtype=object)
    code[left] = NOT_PROCESSED
    message = np.full(len(rows), None, dtype=object)
    widespread = _widespread(refusals, sent)
    for position in np.flatnonzero(bad):
        code[position], message[position] = refusals[ids[int(position)].as_py()]
        own = outcome_of(code[position], message[position], attempt)
        outcome[position] = FAILED if own == QUARANTINED and code[position] in widespread else own
    doubt = good.astype(int) + bad + left != 1
    outcome[doubt], code[doubt], message[doubt] = PENDING, lost, None
    return (
        rows.append_column("outcome", pa.array(outcome, pa.string()))
        .append_column("in_doubt", pa.array(doubt, pa.bool_()))
        .append_column("code", pa.array(code, pa.string()))
        .append_column("message", pa.array(message, pa.string()))
    )


def all_alike(
    rows: pa.Table, outcome: str, code: str, message: str | None = None, *, in_doubt: bool = False
) -> pa.Table:
    """`rows`, all with the same outcome."""
    columns = {"outcome": outcome, "in_doubt": in_doubt, "code": code, "message": pa.scalar(message, pa.string())}
    for name, value in columns.items():
        rows = rows.append_column(name, pa.repeat(pa.scalar(value), len(rows)))
    return rows


def to_retry(outcomes: pa.Table) -> pa.Table:
    """The rows to send again in this sync: pending and not in doubt, or of an aborted job."""
    again = pc.and_(pc.equal(outcomes["outcome"], PENDING), pc.or_(pc.invert(outcomes["in_doubt"]), _aborted(outcomes)))
    return outcomes.filter(again)


def _aborted(outcomes: pa.Table) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(outcomes["code"], JOB_ABORTED), False)


def _widespread(refusals: Mapping[str, tuple[str, str]], sent: int) -> set[str]:
    found = Counter(code for code, _ in refusals.values())
    return {
        code
        for code, count in found.items()
        if count >= WIDESPREAD_ROWS and count > WIDESPREAD_SHARE * sent and code not in NOT_OPEN
    }


def _among(ids: pa.ChunkedArray, found: Sequence[str]) -> Mask:
    mask: Mask = pc.is_in(ids, value_set=pa.array(found, pa.string())).to_numpy()
    return mask
