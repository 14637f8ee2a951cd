"""What the Dagster page of lift_comparison shows and plots: figures of both versions, bounds, deciles."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from v4_assets.evaluation.evidence import Evidence, digest
from v4_assets.policy.decision import Gate

PLOTTED = (
    "lift",
    "lift_low",
    "lift_high",
    "within_week_lift",
    "as_served_lift",
    "called_lift",
    "auc",
    "top_decile_conversion",
    "top_decile_churn",
    "live_share",
)
"""Of each version, on the cohort that rollback is judged by."""
OF_THE_COHORT = ("leads", "conversions", "uncovered", "converted_before_scored", "longest_silence_days", "base_rate")


def page(evidence: Sequence[Evidence], gates: Sequence[Gate], deciles: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Metadata of a day. Figures are plain floats, which Dagster plots by day; what is not known is left out."""
    return {
        **{name: float(value) for name, value in _figures(evidence) if value is not None},
        **{f"{gate.name}: bound": float(gate.bound) for gate in gates if gate.bound is not None},
        "evidence_sha256": digest(evidence),
        "deciles": _table(deciles),
    }


def _figures(evidence: Sequence[Evidence]) -> Iterator[tuple[str, float | None]]:
    for row in evidence:
        if row.question == "rollback":
            yield from ((f"{row.version}: {name}", getattr(row, name)) for name in PLOTTED)
            yield from ((name, getattr(row, name)) for name in OF_THE_COHORT)
        else:
            yield f"{row.version}: promotion_lift", row.lift
            yield "promotion_conversions", row.conversions


def _table(deciles: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Conversion and lift by decile, ranked within the cohort that rollback is judged by; top first."""
    rows = [row for row in deciles if row["question"] == "rollback" and row["ranking"] == "cohort"]
    records = [
        dg.TableRecord(
            {
                "version": row["version"],
                "decile": row["decile"],
                "leads": round(row["leads"], 1),
                "conversions": round(row["conversions"], 1),
                "conversion %": _percent(row["conversion_rate"]),
                "low %": _percent(row["conversion_rate_low"]),
                "high %": _percent(row["conversion_rate_high"]),
                "lift": "" if row["lift"] is None else f"{row['lift']:.2f}",
            }
        )
        for row in sorted(rows, key=lambda row: (row["version"], -row["decile"]))
    ]
    columns = ("version", "decile", "leads", "conversions", "conversion %", "low %", "high %", "lift")
    return dg.MetadataValue.table(records, schema=dg.TableSchema([dg.TableColumn(name) for name in columns]))


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{100 * rate:.2f}"
