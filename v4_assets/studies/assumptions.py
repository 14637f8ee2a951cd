"""What a study assumes of the leads and the versions. Pure, and without NumPy: the command line shows the defaults."""

from dataclasses import dataclass

TOP = 0.1
TOP_MEAN, TOP_VARIANCE = 1 - TOP / 2, TOP**2 / 12


@dataclass(frozen=True)
class Strength:
    """How well a version ranks. `lift` of the top decile, in [0, 10); `auc` in (0, 1)."""

    lift: float
    auc: float

    def below_the_top(self, base_rate: float) -> tuple[float, float]:
        """Mean and variance of the ranks of conversions outside the top decile. Raises ValueError where none fit.

        AUC = (mean rank - base_rate / 2) / (1 - base_rate), since a conversion is also ranked against the others.
        """
        share = self.lift * TOP
        mean = (self.auc * (1 - base_rate) + base_rate / 2 - share * TOP_MEAN) / (1 - share) if share < 1 else 1.0
        if not 0 <= share < 1 or not 0 < mean < 1 - TOP:
            raise ValueError(f"No ranking has a top-decile lift of {self.lift} and an AUC of {self.auc}.")
        power = mean / (1 - TOP - mean)
        return mean, (1 - TOP) ** 2 * power / (power + 2) - mean**2


# Measured values of V4.1.0 and V4.0.0, and an assumed fall.
HEALTHY, BASELINE = Strength(2.03, 0.62), Strength(1.51, 0.599)
FALLEN, WEAK = Strength(1.2, 0.55), Strength(1.5, 0.599)


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """Assumptions about the leads and the versions."""

    leads_per_week: float = 350.0
    """Newly contacted, covered by a first score in time."""
    base_rate: float = 0.0392
    """Share of them that converts."""
    healthy: Strength = HEALTHY
    """The candidate as it should be."""
    fallen: Strength = FALLEN
    """The candidate after its fall."""
    weak: Strength = WEAK
    """A challenger that must not be promoted."""
    baseline: Strength = BASELINE
    overlap: float = 0.5
    """Of the conversions in the smaller of the two versions' top deciles, the share that is in the other one too."""
    outcome_window_days: int
    """Days after contact within which a lead converts: `outcome_window_days` of rollout.yaml."""
    histories: int = 2000
    seed: int = 7
