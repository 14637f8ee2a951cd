"""How well a version ranks, as two figures, and the reference values of this project. Pure, and without NumPy."""

from dataclasses import dataclass

TOP = 0.1
"""The top decile, as a share of the leads."""


@dataclass(frozen=True)
class Strength:
    """How well a version ranks. `lift` of the top decile, in [0, 10); `auc` in (0, 1)."""

    lift: float
    auc: float

    @property
    def top(self) -> float:
        """Share of the conversions that is in the top decile, 0..1."""
        return self.lift * TOP

    def power(self, base_rate: float) -> float:
        """Exponent of the power law that ranks follow below the top decile. Raises ValueError where none fits.

        AUC = (mean rank - base_rate / 2) / (1 - base_rate), since a conversion is also ranked against the others.
        """
        below = 1 - self.top
        mean = (self.auc * (1 - base_rate) + base_rate / 2 - self.top * (1 - TOP / 2)) / below if below > 0 else 1.0
        if self.top < 0 or not 0 < mean < 1 - TOP:
            raise ValueError(f"No ranking has a top-decile lift of {self.lift} and an AUC of {self.auc}.")
        return mean / (1 - TOP - mean)


# Measured values of V4.1.0 and V4.0.0, and an assumed fall.
HEALTHY, BASELINE = Strength(2.03, 0.62), Strength(1.51, 0.599)
FALLEN, WEAK = Strength(1.2, 0.55), Strength(1.5, 0.599)
