"""Evidence of a healthy candidate, to be changed in what a test is about."""

from dataclasses import fields, replace
from datetime import date

from v4_assets.evaluation.evidence import Evidence

HEALTHY = {
    "prediction_date": date(2026, 1, 12),
    "question": "rollback",
    "version": "v4.1.0",
    "cohort_from": date(2025, 11, 20),
    "cohort_to": date(2025, 11, 29),
    "leads": 5_000,
    "conversions": 200,
    "uncovered": 0,
    "converted_before_scored": 12,
    "called_before_contact": 1,
    "live_share": 1.0,
    "longest_silence_days": 2,
    "base_rate": 0.04,
    "top_leads": 500.0,
    "top_conversions": 42.0,
    "lift": 2.1,
    "lift_low": 1.7,
    "lift_high": 2.5,
    "top_decile_conversion": 0.084,
    "top_decile_conversion_low": 0.066,
    "top_decile_conversion_high": 0.107,
    "auc": 0.63,
    "auc_low": 0.60,
    "auc_high": 0.66,
    "auc_se": 0.02,
    "retrospective": False,
}


def evidence(**changes: object) -> Evidence:
    """A healthy candidate's row, changed."""
    names = {field.name for field in fields(Evidence)}
    return replace(Evidence(**{name: HEALTHY.get(name) for name in names}), **changes)
