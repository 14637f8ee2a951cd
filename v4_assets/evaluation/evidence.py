"""Evidence of one day about one version: the figures that every gate, chart and report reads. Pure.

One `Evidence` is one row of ml_features.v4_lift_comparison (sql/evaluation/lift_comparison.sql describes each
column). It holds
sufficient statistics, so that another confidence or threshold can be applied to it later (`v4 replay`).
"""

import json
from collections.abc import Iterable
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import date
from hashlib import sha256
from typing import Any, Literal, NamedTuple

Question = Literal["promotion", "rollback"]
QUESTIONS: tuple[Question, ...] = ("promotion", "rollback")


class Artifact(NamedTuple):
    """What scored, by two hashes."""

    model_sha256: str | None
    """Of the booster file."""
    bundle_sha256: str | None
    """Of everything that can change a score; None where it is not known: in rows from before schema 2 of a booster that
    the upgrade did not find registered."""


@dataclass(frozen=True)
class Evidence:
    """One version on one day's cohort. Rates and shares are fractions of one; None means unknown.

    A field added after release 0.1 stands last and defaults to None, which rows written before it have.
    """

    prediction_date: date
    question: Question
    """The decision that the cohort is sized for."""
    version: str
    model_sha256: str | None
    """The artifact that scored the cohort; None when no lead is covered or several artifacts scored it."""
    cohort_from: date
    """First and last day of contact."""
    cohort_to: date
    leads: int
    """Covered: first scored one to three days after contact and before conversion, by every compared version."""
    conversions: int
    uncovered: int
    converted_before_scored: int
    called_before_contact: int
    live_share: float | None
    """Of the covered leads, those whose first score was written on its own day."""
    longest_silence_days: int
    """Longest run of days since cohort_from on which no lead anywhere entered Call Scheduled."""
    base_rate: float | None
    top_leads: float
    """Leads in the top decile: leads / 10, fractional."""
    top_conversions: float
    """Conversions among them; a tie across the border is credited in proportion."""
    lift: float | None
    lift_low: float | None
    lift_high: float | None
    top_decile_conversion: float | None
    top_decile_conversion_low: float | None
    top_decile_conversion_high: float | None
    auc: float | None
    auc_low: float | None
    auc_high: float | None
    auc_se: float | None
    """DeLong standard error of the AUC."""
    only_own_top: float | None
    """Conversions in this version's top decile and not in the baseline's; None for the baseline itself."""
    only_baseline_top: float | None
    lift_difference: float | None
    """This version minus the baseline, on the same leads; Bonett-Price."""
    lift_difference_low: float | None
    lift_difference_high: float | None
    auc_difference: float | None
    """Paired DeLong."""
    auc_difference_low: float | None
    auc_difference_high: float | None
    within_week_lift: float | None
    """Ranked within the week of contact instead of within the cohort."""
    as_served_lift: float | None
    """By the decile served on the morning of the first score, among all leads open then."""
    called_lift: float | None
    """Among the leads the version live at their first score did not deprioritise."""
    top_decile_churn: float | None
    """Of the day's top decile, the share that was scored the day before and was not in it then."""
    retrospective: bool
    """Computed on another day than prediction_date."""
    bundle_sha256: str | None = None
    """Of everything that can change a score of the artifact; None where model_sha256 is, and before schema 2."""
    silent_days: int | None = None
    """Days of contact within the cohort's that are left out, as calls that should have been recorded after them were
    not; None in rows of release 0.1."""

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "Evidence":
        """From a row of v4_lift_comparison; columns that are not fields are ignored."""
        return cls(**{field.name: row[field.name] for field in fields(cls)})


LATER = frozenset(field.name for field in fields(Evidence) if field.default is not MISSING)
"""Fields added after release 0.1."""


def digest(rows: Iterable[Evidence]) -> str:
    """sha256 of a day's evidence, the same whatever the order of its rows.

    A later field counts only where it has a value: an approval of a row written before it holds after an upgrade.
    """
    lines = sorted(json.dumps(_counted(row), default=str, sort_keys=True) for row in rows)
    return sha256("\n".join(lines).encode()).hexdigest()


def _counted(row: Evidence) -> dict[str, Any]:
    return {name: value for name, value in asdict(row).items() if value is not None or name not in LATER}
