"""Computes evidence from a cohort and its first scores: each version's ranking, with confidence intervals. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from v4_assets.evaluation.cohorts import Cohort, longest_silence
from v4_assets.evaluation.evidence import Artifact, Evidence, Question
from v4_assets.evaluation.intervals import lift_interval, logit_auc_interval, wilson
from v4_assets.evaluation.metrics import (
    TOP,
    Ranked,
    auc,
    auc_difference,
    auc_standard_error,
    decile_membership,
    decile_rows,
    difference,
    ends,
    top_change,
    top_change_by_chance,
    top_decile_lift,
)

RANKINGS = ("cohort", "within_week", "as_served")


@dataclass(frozen=True)
class Occasion:
    """Values common to every row of a day's evaluation."""

    prediction_date: date
    retrospective: bool
    baseline: str
    level: float
    """Two-sided, of the intervals shown."""
    live: Mapping[date, str]
    """The version that was live on each day on which a lead of the cohort was first scored, as far as known."""
    call_days: Collection[date]
    """Days on which any lead at all was called."""
    churn: Mapping[str, float | None]
    """Of each version's top decile of the day, the share that is new in it."""


@dataclass(frozen=True)
class Served:
    """One version's first scores of a cohort's leads, shapes (n,), in the cohort's order."""

    score: NDArray[Any]
    decile: NDArray[Any]
    """int, 1..10: among all leads open that morning."""
    deprioritize: NDArray[Any]
    """bool: not to be called."""
    retrospective: NDArray[Any]
    """bool: computed later than on the morning itself."""
    artifacts: frozenset[Artifact]
    """What scored them."""


@dataclass(frozen=True)
class Judged:
    """One version's row of lift_comparison, and its rows of lift_by_decile."""

    evidence: Evidence
    top_change: float | None
    """Of the cohort's top decile, the share that is not in it when ranked within the week of contact."""
    top_change_by_chance: float | None
    """The expected value if the scores of every week had the same distribution."""
    deciles: tuple[dict[str, Any], ...]

    @property
    def row(self) -> dict[str, Any]:
        """The row of lift_comparison."""
        changes = {"top_change": self.top_change, "top_change_by_chance": self.top_change_by_chance}
        return asdict(self.evidence) | changes


def served(scores: pa.Table, rows: NDArray[Any], artifacts: Mapping[date, Collection[Artifact]]) -> Served:
    """The rows of a version's cohort_scores that hold the first scores of a cohort.

    `artifacts` are those that scored on each day.
    """
    taken = scores.take(pa.array(rows))
    columns = {name: taken[name].to_numpy() for name in ("score", "decile", "deprioritize", "retrospective")}
    scored = taken.group_by(["scored_on", "model_sha256"]).aggregate([]).to_pylist()
    found = {
        artifact
        for row in scored
        for artifact in artifacts[row["scored_on"]]
        if artifact.model_sha256 == row["model_sha256"]
    }
    return Served(**columns, artifacts=frozenset(found))


def compare(
    occasion: Occasion, question: Question, cohort: Cohort, versions: Mapping[str, Served]
) -> tuple[Judged, ...]:
    """Every version compared on the same leads. The baseline is among `versions` unless it is retired."""
    weeks = week_of(cohort.contacted_on)
    pooled, weekly = (
        {version: Ranked(decile_membership(one.score, strata), cohort.converted) for version, one in versions.items()}
        for strata in (None, weeks)
    )
    called = was_called(cohort, versions, occasion.live)
    judged = []
    for version, own in versions.items():
        evidence = Evidence(
            **_whom(occasion, question, version, cohort, own),
            **_lift(pooled[version], occasion.level),
            **_auc(own, cohort, occasion.level),
            **_against_baseline(occasion, version, cohort, versions, pooled),
            within_week_lift=weekly[version].lift,
            as_served_lift=as_served_lift(own, cohort.converted),
            called_lift=top_decile_lift(own.score[called], cohort.converted[called]),
            top_decile_churn=occasion.churn.get(version),
            retrospective=occasion.retrospective,
        )
        deciles = {"cohort": pooled[version].deciles, "within_week": weekly[version].deciles}
        deciles["as_served"] = (own.decile == np.arange(1, 11)[:, None]).astype(float)
        key = {"prediction_date": occasion.prediction_date, "question": question, "version": version}
        marks = {"retrospective": occasion.retrospective}
        rows = [
            key | {"ranking": ranking} | row | marks
            for ranking in RANKINGS
            for row in decile_rows(deciles[ranking], cohort.converted, occasion.level)
        ]
        change = top_change(pooled[version].deciles, weekly[version].deciles)
        judged.append(Judged(evidence, change, top_change_by_chance(weeks), tuple(rows)))
    return tuple(judged)


def week_of(days: NDArray[Any]) -> NDArray[Any]:
    """Number of the ISO week of each day, int: weeks begin on Monday and are counted from that of 1970-01-01."""
    weeks: NDArray[Any] = (days.astype("datetime64[D]").astype(np.int64) + 3) // 7
    return weeks


def was_called(cohort: Cohort, versions: Mapping[str, Served], live: Mapping[date, str]) -> NDArray[Any]:
    """Whether the version live on the day of a lead's first score did not deprioritise it, bool (n,).

    False too where no version is known to have been live, or none of those compared.
    """
    days, which = np.unique(cohort.scored_on, return_inverse=True)
    names = np.array([live.get(day, "") for day in days.tolist()], dtype=object)[which]
    called: NDArray[Any] = np.zeros(len(cohort.converted), dtype=bool)
    for version, one in versions.items():
        called |= (names == version) & ~one.deprioritize
    return called


def as_served_lift(own: Served, converted: NDArray[Any]) -> float | None:
    """Conversion of the leads served in the top decile over that of all; None without such leads or conversions."""
    top = own.decile == TOP
    return float(converted[top].mean() / converted.mean()) if top.any() and converted.any() else None


def _whom(occasion: Occasion, question: Question, version: str, cohort: Cohort, own: Served) -> dict[str, Any]:
    leads = len(cohort.converted)
    silent_until = occasion.prediction_date - timedelta(days=1)
    only = next(iter(own.artifacts)) if len(own.artifacts) == 1 else None
    return {
        "prediction_date": occasion.prediction_date,
        "question": question,
        "version": version,
        "model_sha256": only.model_sha256 if only else None,
        "bundle_sha256": only.bundle_sha256 if only else None,
        "cohort_from": cohort.reach.first,
        "cohort_to": cohort.reach.last,
        "leads": leads,
        "conversions": int(cohort.converted.sum()),
        "uncovered": cohort.uncovered,
        "converted_before_scored": cohort.converted_before_scored,
        "called_before_contact": cohort.called_before_contact,
        "live_share": float(1 - own.retrospective.mean()) if leads else None,
        "longest_silence_days": longest_silence(occasion.call_days, cohort.reach.first, silent_until),
        "base_rate": float(cohort.converted.mean()) if leads else None,
        "silent_days": cohort.silent_days,
    }


def _lift(ranked: Ranked, level: float) -> dict[str, Any]:
    leads, conversions = len(ranked.converted), int(ranked.converted.sum())
    top_leads, top_conversions = leads / 10, min(ranked.conversions, float(conversions))
    lift = lift_interval(top_conversions, conversions, leads, top_leads, level)
    conversion = wilson(min(top_conversions, top_leads), top_leads, level)
    return {
        "top_leads": top_leads,
        "top_conversions": top_conversions,
        "lift": lift.estimate if lift else None,
        **ends("lift", lift),
        "top_decile_conversion": conversion.estimate if conversion else None,
        **ends("top_decile_conversion", conversion),
    }


def _auc(own: Served, cohort: Cohort, level: float) -> dict[str, Any]:
    area, error = auc(own.score, cohort.converted), auc_standard_error(own.score, cohort.converted)
    return {"auc": area, "auc_se": error, **ends("auc", logit_auc_interval(area, error, level))}


def _against_baseline(
    occasion: Occasion,
    version: str,
    cohort: Cohort,
    versions: Mapping[str, Served],
    ranked: Mapping[str, Ranked],
) -> dict[str, Any]:
    """The version minus the baseline; nothing for the baseline itself and where there is none."""
    names = ("only_own_top", "only_baseline_top", "lift_difference", "auc_difference")
    if version == occasion.baseline or occasion.baseline not in versions:
        return dict.fromkeys(names) | ends("lift_difference", None) | ends("auc_difference", None)
    own, baseline = ranked[version], ranked[occasion.baseline]
    lift = difference(own, baseline, occasion.level)
    scores, others = versions[version].score, versions[occasion.baseline].score
    areas = auc(scores, cohort.converted), auc(others, cohort.converted)
    return {
        "only_own_top": own.only_here(baseline),
        "only_baseline_top": baseline.only_here(own),
        "lift_difference": lift.estimate if lift else None,
        **ends("lift_difference", lift),
        "auc_difference": None if areas[0] is None or areas[1] is None else areas[0] - areas[1],
        **ends("auc_difference", auc_difference(scores, others, cohort.converted, occasion.level)),
    }
