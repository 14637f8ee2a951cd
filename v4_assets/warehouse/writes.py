"""When a partition may be replaced: one written on its own day is evidence, any other may be recomputed. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256

from v4_assets.errors import LivePartitionError


@dataclass(frozen=True)
class PartitionWrite:
    """One write of one partition, recorded in the same transaction as the rows."""

    table_name: str
    prediction_date: date
    written_at: datetime
    retrospective: bool
    """Written on another day than its own; only a partition written on its own day is evidence."""
    definition_sha256: str
    """sha256 of the definition of the rows: the query, the model, and the writes of its inputs that were read."""
    run_id: str | None
    replace_reason: str | None = None
    sequence: int = 1
    row_count: int = 0
    """Rows it wrote."""
    pruned_at: datetime | None = None
    """When `v4 prune` removed the rows; None while they are there."""

    @property
    def has_rows(self) -> bool:
        """Whether the partition holds any row."""
        return self.row_count > 0 and self.pruned_at is None


def to_write(
    wanted: PartitionWrite,
    latest: PartitionWrite | None,
    *,
    replace_reason: str | None,
    only_gaps: bool,
    is_evidence: bool = True,
) -> PartitionWrite | None:
    """The write to execute, or None when the existing partition is kept.

    `latest` is the partition's latest write. A rerun of a live partition by the same definition keeps the rows that
    were served; a changed definition raises LivePartitionError unless `replace_reason` states why to replace them.
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
        f"{wanted.definition_sha256[:12]}. These rows are evidence and were kept. To replace them: "
        f'`v4 run --date {wanted.prediction_date} --replace-live "REASON"`.'
    )


def fingerprint(parts: Sequence[str]) -> str:
    """sha256 over the sha256 of every part of a definition, in order. warehouse/bigquery/console.py does it in SQL."""
    return text_sha256("".join(text_sha256(part) for part in parts))


def text_sha256(text: str) -> str:
    """sha256 of a text in UTF-8, in hexadecimal digits."""
    return sha256(text.encode()).hexdigest()
