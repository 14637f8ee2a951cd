"""Statistics of a day's features, collected batch by batch in bounded memory. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from v4_assets.models.contract import Feature, codes_of
from v4_assets.models.profile import Histogram, Profile, psi


@dataclass
class FeatureStatistics:
    """Counts over the rows of one feature on one day."""

    feature: Feature
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    rows: int = 0
    nulls: int = 0
    not_known: int = 0
    """NULL, or the feature's own value for "not known"."""
    out_of_range: int = 0
    unknown: set[str] = field(default_factory=set)
    """Categories the model does not know."""
    total: float = 0.0
    counts: NDArray[Any] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def missing_share(self) -> float:
        """Share of rows in which the feature is not known, 0..1; 0 without rows."""
        return self.not_known / self.rows if self.rows else 0.0

    @property
    def mean(self) -> float | None:
        """Mean of the encoded values; None without any.

        To 12 digits: the rows come in any order, and the last digits of a sum depend on it.
        """
        valid = self.rows - self.nulls
        return float(f"{self.total / valid:.12g}") if valid else None

    @property
    def psi(self) -> float | None:
        """Population stability index against training; None without rows or without a training profile."""
        return psi(self.shares, self.counts) if self.shares else None

    def add(self, column: pa.Array) -> None:
        """Count a batch's column."""
        codes = codes_of(self.feature, column)
        values = pc.cast(codes, pa.float64()).to_numpy(zero_copy_only=False)
        # As the model and the profile see them.
        binned = values[~np.isnan(values)].astype(np.float32)
        self.rows += len(column)
        self.nulls += column.null_count
        self.not_known += column.null_count
        if self.feature.missing is not None:
            self.not_known += pc.sum(pc.equal(column, pa.scalar(self.feature.missing, column.type))).as_py() or 0
        if self.feature.categories:
            strange = column.filter(pc.and_(pc.is_null(codes), pc.is_valid(column)))
            self.unknown.update(pc.unique(strange).to_pylist())
        else:
            self.out_of_range += int(np.sum(values < (-np.inf if self.feature.low is None else self.feature.low)))
            self.out_of_range += int(np.sum(values > (np.inf if self.feature.high is None else self.feature.high)))
        self.total += float(np.nansum(values))
        found = np.bincount(np.searchsorted(self.edges, binned), minlength=len(self.edges) + 1)
        self.counts = found + (self.counts if len(self.counts) else 0)


def statistics_of(
    features: Sequence[Feature], profile: Profile | None, batches: Iterable[pa.RecordBatch]
) -> list[FeatureStatistics]:
    """Statistics of each feature over all batches, in the features' order. Every one must be a column of the batches.

    Without a profile, which a model has only once it is registered, drift is unknown.
    """
    statistics = []
    for feature in features:
        histogram = profile.features[feature.name] if profile else Histogram((), ())
        statistics.append(FeatureStatistics(feature, histogram.edges, histogram.shares))
    for batch in batches:
        for one in statistics:
            one.add(batch.column(one.feature.name))
    return statistics


def profile_rows(statistics: Iterable[FeatureStatistics], **marks: Any) -> list[dict[str, Any]]:
    """The statistics as rows of feature_profile, with `marks` (prediction_date, retrospective) on every row."""
    return [
        {
            "feature": one.feature.name,
            "row_count": one.rows,
            "missing_count": one.not_known,
            "mean": one.mean,
            "psi": one.psi,
            **marks,
        }
        for one in statistics
    ]
