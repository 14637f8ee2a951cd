"""What may replace what: a partition written on its own day is evidence, any other may be computed again. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256

from v4_assets.errors import LivePartitionError


@dataclass(frozen=True)
class PartitionWrite:
    """One write of one partition, as it is recorded beside the rows in the same transaction."""

    table_name: str
    prediction_date: date
    written_at: datetime
    retrospective: bool
    """Written on another day than its own; only a partition written on its own day is evidence."""
    definition_sha256: str
    """sha256 of what made the rows: the query, the model, and which writes of its inputs were read."""
    run_id: str | None
    replace_reason: str | None = None
    sequence: int = 1
    row_count: int = 0


def to_write(
    wanted: PartitionWrite,
    latest: PartitionWrite | None,
    *,
    replace_reason: str | None,
    only_gaps: bool,
    is_evidence: bool = True,
) -> PartitionWrite | None:
    """The write to carry out, or None when the partition is kept as it is.

    `latest` is the partition's latest write. A rerun of a live partition by the same definition keeps the rows that
    were served; a changed definition raises LivePartitionError unless `replace_reason` says why the evidence goes.
    """
    if latest is None:
        return replace(wanted, sequence=1)
    following = replace(wanted, sequence=latest.sequence + 1)
    if only_gaps:
        return None
    if latest.retrospective or not is_evidence:
        return following
    if replace_reason:
        return replace(following, replace_reason=replace_reason)
    if latest.definition_sha256 == wanted.definition_sha256:
        return None
    raise LivePartitionError(
        f"{wanted.table_name} of {wanted.prediction_date} was written on its own day ({latest.written_at:%H:%M} UTC, "
        f"run {latest.run_id}) by definition {latest.definition_sha256[:12]}; the definition is now "
        f"{wanted.definition_sha256[:12]}. Those rows are evidence of what was served and stay. To give them up, say "
        f'why: `v4 run --date {wanted.prediction_date} --replace-live "REASON"`; the reason is recorded.'
    )


def fingerprint(parts: Sequence[str]) -> str:
    """sha256 over the sha256 of every part of a definition, in order. warehouse/bigquery/console.py does it in SQL."""
    return text_sha256("".join(text_sha256(part) for part in parts))


def text_sha256(text: str) -> str:
    """sha256 of a text in UTF-8, in hexadecimal digits."""
    return sha256(text.encode()).hexdigest()
