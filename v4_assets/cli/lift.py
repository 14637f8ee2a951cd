"""Lift by decile for a person at a terminal: of one day, or of the close of every week."""

from collections.abc import Sequence
from datetime import date
from itertools import groupby
from typing import Any

from v4_assets.evaluation.before_contact import in_words, of_question
from v4_assets.store import Store


def by_decile(store: Store, day: date | None) -> list[dict[str, Any]]:
    """Rows of v4_lift_by_decile, ranked within the cohort asked for rollback: of `day`, or of every week's close."""
    return store.weekly_deciles() if day is None else store.deciles(day)


def before_contact(store: Store, day: date) -> str:
    """The second reading of the same cohort; empty where there is none."""
    return in_words(of_question(store.second_reading(day), "rollback"))


def as_text(rows: Sequence[dict[str, Any]], before_contact: str = "") -> str:
    """One table per day of evaluation, the top decile first; below them the second reading of a single day."""
    ordered = sorted(rows, key=lambda row: (row["prediction_date"], -row["decile"], row["version"]))
    tables = [_table(day, list(own)) for day, own in groupby(ordered, key=lambda row: row["prediction_date"])]
    return "\n\n".join([*tables, *([before_contact] if tables and before_contact else [])])


def _table(day: date, rows: Sequence[dict[str, Any]]) -> str:
    versions = sorted({row["version"] for row in rows})
    lines = [
        f"Matured on {day}",
        "decile  " + "  ".join(f"{version + ': leads':>14} {'converts':>9} {'lift':>5}" for version in versions),
    ]
    for decile, own in groupby(rows, key=lambda row: row["decile"]):
        by_version = {row["version"]: row for row in own}
        lines.append(f"{decile:>6}  " + "  ".join(_cell(by_version[version]) for version in versions))
    return "\n".join(lines)


def _cell(row: dict[str, Any]) -> str:
    rate = "–" if row["conversion_rate"] is None else f"{row['conversion_rate']:.2%}"
    lift = "–" if row["lift"] is None else f"{row['lift']:.2f}"
    return f"{row['leads']:>14,.1f} {rate:>9} {lift:>5}"
