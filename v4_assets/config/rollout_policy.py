"""The numbers by which versions are judged: `evaluation` and `policy` of rollout.yaml, validated and frozen."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(gt=0, le=1)]
AnyShare = Annotated[float, Field(ge=0, le=1)]
Weeks = Annotated[int, Field(ge=1, le=52)]


class Frozen(BaseModel):
    """Cannot be changed once read, and takes no entry it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class MinConversions(Frozen):
    """Conversions a cohort must hold to carry a verdict, by the question asked of it."""

    promotion: Annotated[int, Field(ge=0)]
    """Where promotion is asked."""
    rollback: Annotated[int, Field(ge=0)]
    """Where rollback is asked."""


class Evaluation(Frozen):
    """Which leads judge a version on a day: the latest matured cohort."""

    min_days: Annotated[int, Field(ge=1)]
    """Least days of contact in a cohort; at high volume that is the guide's one week."""
    max_days: Annotated[int, Field(ge=1, le=366)]
    """Most days of contact in a cohort; at low volume it goes back as far as needed, and no further."""
    min_conversions: MinConversions
    label_lag_days: Annotated[int, Field(ge=0, le=60)]
    """Days after the outcome window until a call is surely in the warehouse."""
    max_uncovered_share: AnyShare
    max_silent_days: Annotated[int, Field(ge=1)]
    """Longest run of days without a single call anywhere; more means the feed of outcomes stopped."""
    interval_level: Annotated[float, Field(gt=0.5, lt=1)]
    """Two-sided level of the intervals that are shown."""

    @model_validator(mode="after")
    def _in_order(self) -> "Evaluation":
        if self.min_days > self.max_days:
            raise ValueError(f"min_days {self.min_days} lies above max_days {self.max_days}")
        return self


class WeeksRunning(Frozen):
    """In how many calendar-adjacent week-closes the same criterion must fail before it convicts."""

    top_decile_lift: Weeks
    """For the lift."""
    auc: Weeks
    """For the AUC."""
    top_decile_conversion: Weeks
    """For the conversion of the top decile."""


class RollbackPolicy(Frozen):
    """The guide's three criteria, and how much evidence is asked before one convicts."""

    lift_below: Annotated[float, Field(gt=0)]
    """Conversion of the top decile over that of all: the criterion fails below this."""
    auc_below: Annotated[float, Field(gt=0, lt=1)]
    """AUC on matured leads: the criterion fails below this."""
    top_decile_conversion_below: Share
    """Conversion of the top decile: the criterion fails below this."""
    judge_by: Literal["upper_bound", "estimate"]
    """upper_bound: fails when chance does not explain the miss; estimate: the guide's letter."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)]
    """Of the one-sided bound."""
    weeks_running: WeeksRunning
    on_champion_also_failing: Literal["hold_and_alert", "rollback"]
    """When the baseline's top decile converts at a lower rate than the candidate's: the market, not the model."""


class PromotionPolicy(Frozen):
    """What the candidate must show before it goes live."""

    min_parallel_days: Annotated[int, Field(ge=1)]
    """Days on which both versions were scored live over the same leads, every check passed."""
    lift_at_least: Annotated[float, Field(gt=0)]
    """Lift of the top decile at which the promotion gate passes."""
    weeks_running: Weeks
    """In how many week-closes running it must pass; and today."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)]
    """Of the one-sided bound below which a shortfall is called a failure."""
    min_live_share: AnyShare
    """Least share of the cohort's first scores that were written on their own day."""
    expires_after_weeks: Weeks
    """A trial that has not got there by then ends; a person decides."""
    approval: Literal["auto", "manual"]
    """auto: the sensor promotes; manual: it asks, and `v4 approve` answers."""
    approval_valid_hours: Annotated[int, Field(ge=1)]
    """So long an approval holds."""


class SunsetPolicy(Frozen):
    """When the baseline may be archived."""

    approval: Literal["auto", "manual"]
    """auto: the sensor archives; manual: it asks, and `v4 approve` answers."""
    healthy_days: Annotated[int, Field(ge=1)]
    """Days of the candidate live without a failing gate."""


class Policy(Frozen):
    """Promotion, rollback and sunset: every threshold the sensor decides by."""

    rollback: RollbackPolicy
    promotion: PromotionPolicy
    sunset: SunsetPolicy
    grace_minutes: Annotated[int, Field(ge=0, le=24 * 60)]
    """After 06:00 New York; a day without a run by then is missing."""
    max_attempts: Annotated[int, Field(ge=1, le=100)]
    """How often an unfinished action is resumed before only a person can."""

    @model_validator(mode="after")
    def _possible(self) -> "Policy":
        if self.promotion.lift_at_least < self.rollback.lift_below:
            raise ValueError(
                f"promotion.lift_at_least {self.promotion.lift_at_least} lies below rollback.lift_below "
                f"{self.rollback.lift_below}: a version would be promoted and rolled back by the same evidence"
            )
        return self
