"""What `v4 ci` reports: one row per check, and whether the build passed. Pure."""

from dataclasses import dataclass
from datetime import date

PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"


@dataclass(frozen=True)
class Row:
    """One check and what came of it."""

    asset: str
    check: str
    severity: str
    """ERROR or WARN."""
    result: str
    """passed, failed, or not run: a step before it failed."""
    is_gate: bool
    """It encodes a decision about a rollout, and never breaks a build."""
    description: str

    @property
    def breaks(self) -> bool:
        """Whether this row alone fails the build."""
        return self.severity == "ERROR" and self.result != PASSED and not self.is_gate


@dataclass(frozen=True)
class Report:
    """The result of a build's checks."""

    where: str
    day: date
    rows: tuple[Row, ...]
    errors: tuple[str, ...]
    """What stopped a step, one sentence each."""

    @property
    def passed(self) -> bool:
        """No step failed, and no check that breaks a build."""
        return not self.errors and not any(row.breaks for row in self.rows)

    def count(self, result: str) -> int:
        """How many checks ended so."""
        return sum(row.result == result for row in self.rows)
