"""The jobs and what decides about versions: `daily_run`, `prospects`, `evaluation` and `policy` of rollout.yaml."""

import re
from datetime import date, datetime, time
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from v4_assets.config.problems import Form
from v4_assets.prospects.contracts import Counting

Share = Annotated[float, Field(gt=0, le=1)]
AnyShare = Annotated[float, Field(ge=0, le=1)]
WeekCount = Annotated[int, Field(ge=1, le=52)]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
CLOCK_CHANGES = (1, 2)
"""Hours of a New York night that a clock change repeats or skips."""


class Frozen(BaseModel):
    """Settings that cannot change after they are read, and that refuse unknown entries."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _time_of_day(value: object) -> time:
    """A text HH:MM as a time. YAML reads an unquoted 10:30 as the number 630."""
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError(f'{value!r} is not a time; write hours and minutes in quotes, as in "06:00"')
    found = time.fromisoformat(value)
    if found.hour in CLOCK_CHANGES:
        raise ValueError(f"{value} is skipped or repeated when the clock changes; choose a time outside 01:00 to 02:59")
    return found


class DailyRun(Frozen):
    """When the daily job starts."""

    at: Annotated[time, BeforeValidator(_time_of_day)] = time(6)
    """Start of the daily run in New York, as "HH:MM" in quotes; 01:00 to 02:59 is refused, as clock changes repeat or
    skip it."""

    def on(self, day: date, zone: ZoneInfo) -> datetime:
        """The instant at which the run of a day starts."""
        return datetime.combine(day, self.at, zone)

    def __str__(self) -> str:
        return f"{self.at:%H:%M}"


class MinConversions(Frozen):
    """Least conversions in a cohort for a verdict other than inconclusive, by question."""

    promotion: Annotated[int, Field(ge=0)]
    """For the promotion question."""
    rollback: Annotated[int, Field(ge=0)]
    """For the rollback question."""


class Evaluation(Frozen):
    """The leads that judge a version on a day: the latest matured cohort."""

    min_days: Annotated[int, Field(ge=1)]
    """Least days of contact in a cohort: the guide's one week."""
    max_days: Annotated[int, Field(ge=1, le=366)]
    """Most days of contact in a cohort; a low volume needs more days to reach min_conversions."""
    min_conversions: MinConversions
    label_lag_days: Annotated[int, Field(ge=0, le=60)]
    """Days after the outcome window until every call is in the warehouse."""
    max_uncovered_share: AnyShare
    silent_calls: Annotated[float, Field(gt=0)] = 7.0
    """A run of days without a call is abnormal when this many calls were expected on them, by weekday over the eight
    weeks before; leads contacted up to 7 days before one are left out."""
    holidays: tuple[Annotated[str, Form(r"^(\d{4}-)?\d{2}-\d{2}$", "a day like 12-25 or 2026-12-25")], ...] = ()
    """Days on which no call is expected: MM-DD for every year, YYYY-MM-DD for one."""
    interval_level: Annotated[float, Field(gt=0.5, lt=1)]
    """Two-sided level of the intervals that are shown."""
    leads_come_from: Literal["elsewhere", "live_list"] = "elsewhere"
    """live_list: the leads are the best of the live version's own list. Lift and AUC then understate what a version
    does among all advisors, and every gate says so."""

    @model_validator(mode="after")
    def _in_order(self) -> "Evaluation":
        if self.min_days > self.max_days:
            raise ValueError(f"min_days {self.min_days} lies above max_days {self.max_days}")
        return self


class WeeksRunning(Frozen):
    """Consecutive week-closes at which one criterion must fail before it rolls back."""

    top_decile_lift: WeekCount
    """For the lift."""
    auc: WeekCount
    """For the AUC."""
    top_decile_conversion: WeekCount
    """For the conversion of the top decile."""


class RollbackPolicy(Frozen):
    """The guide's three criteria, and the evidence that each needs before it rolls back."""

    lift_below: Annotated[float, Field(gt=0)]
    """Conversion of the top decile over that of all: the criterion fails below this."""
    auc_below: Annotated[float, Field(gt=0, lt=1)]
    """AUC on matured leads: the criterion fails below this."""
    top_decile_conversion_below: Share
    """Conversion of the top decile: the criterion fails below this."""
    judge_by: Literal["upper_bound", "estimate"]
    """upper_bound: a criterion fails when chance does not explain the miss; estimate: it fails on any miss, as by the
    guide's letter."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)]
    """Of the one-sided bound."""
    weeks_running: WeeksRunning
    conversion_line: Literal["covered", "literal"] = "covered"
    """covered: top_decile_conversion_below times the share of conversions that covered leads hold, as the leads called
    before their first score are in no cohort; literal: the number itself."""
    on_champion_also_failing: Literal["hold_and_alert", "rollback"]
    """Reaction to a low top-decile conversion when the baseline's is even lower: the market fell, not the model."""


class PromotionPolicy(Frozen):
    """Conditions of a promotion."""

    min_parallel_days: Annotated[int, Field(ge=1)]
    """Least number of days on which both versions scored the same leads live and every check passed."""
    lift_at_least: Annotated[float, Field(gt=0)]
    """Lift of the top decile at which the promotion gate passes."""
    weeks_running: WeekCount
    """Consecutive week-closes at which the promotion gate must pass; it must pass today, too."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)]
    """Of the one-sided bound; a gate fails when the bound lies below its threshold."""
    min_live_share: AnyShare
    """Least share of the cohort's first scores that were written on their own day."""
    expires_after_weeks: WeekCount
    """The parallel phase expires after this many weeks; then only `v4 allow` restarts it."""
    approval: Literal["auto", "manual"]
    """auto: the sensor promotes; manual: it waits for `v4 approve`."""
    approval_valid_hours: Annotated[int, Field(ge=1)]
    """Hours for which an approval is valid."""


class SunsetPolicy(Frozen):
    """Conditions under which the baseline is archived."""

    approval: Literal["auto", "manual"]
    """auto: the sensor archives; manual: it waits for `v4 approve`."""
    healthy_days: Annotated[int, Field(ge=1)]
    """Least number of days that the candidate is live without a failing gate."""


class EarlyWarning(Frozen):
    """The CUSUM on booked calls: the versions it tells apart, and how often it may be wrong. It never rolls back."""

    healthy_lift: Annotated[float, Field(gt=0, lt=10)] = 2.03
    """Top-decile lift of the candidate as it was measured."""
    healthy_auc: Annotated[float, Field(gt=0, lt=1)] = 0.62
    """Its AUC."""
    fallen_lift: Annotated[float, Field(gt=0, lt=10)] = 1.2
    """Lift of the candidate after the fall that the warning is for."""
    fallen_auc: Annotated[float, Field(gt=0, lt=1)] = 0.55
    """Its AUC."""
    baseline_auc: Annotated[float, Field(gt=0, lt=1)] = 0.599
    """AUC of the baseline as it was measured."""
    baseline_lift: Annotated[float, Field(gt=0, lt=10)] = 1.51
    """Its top-decile lift."""
    false_alarms: Annotated[float, Field(gt=0, lt=0.5)] = 0.04
    """Share of healthy candidates that may raise it within 12 weeks after the promotion."""

    @model_validator(mode="after")
    def _falls(self) -> "EarlyWarning":
        if self.fallen_lift >= self.healthy_lift or self.fallen_auc >= self.healthy_auc:
            raise ValueError(
                f"fallen_lift {self.fallen_lift} and fallen_auc {self.fallen_auc} must lie below healthy_lift "
                f"{self.healthy_lift} and healthy_auc {self.healthy_auc}"
            )
        return self


class Weeks(Frozen):
    """Which days make a week, and which of them can close it."""

    end_on: Weekday = "sunday"
    """Last day of a week. A week that ends on Sunday has its ISO name; any other is named by its last day. The ranking
    `within_week` groups leads by the ISO week of contact whatever is set here: it decides nothing and needs only groups
    of seven days."""
    close_from: Weekday = "friday"
    """First day of a week whose evaluation can close it; the last evaluated day from then on does. The day after
    `end_on` admits every day."""
    min_days_between_closes: Annotated[int, Field(ge=1, le=7)] = 5
    """Least days between the closes of two weeks; a week that closes sooner after the one before has no close."""

    @property
    def last_day(self) -> int:
        """Number of the weekday on which a week ends, 0 for Monday."""
        return WEEKDAYS.index(self.end_on)

    @property
    def date_part(self) -> str:
        """These weeks as GoogleSQL names them in DATE_TRUNC."""
        return "ISOWEEK" if self.end_on == "sunday" else f"WEEK({WEEKDAYS[(self.last_day + 1) % 7].upper()})"

    @property
    def days_before_close(self) -> int:
        """Days at the start of a week whose evaluation cannot close it, 0..6."""
        return (WEEKDAYS.index(self.close_from) - self.last_day - 1) % 7


class PreDeployment(Frozen):
    """Limits of the guide's pre-deployment checklist."""

    test_lift_above: Annotated[float, Field(gt=0)]
    auc_gap_at_most: Share
    """Train AUC minus test AUC."""
    additivity_tolerance: Annotated[float, Field(gt=0)]


class Policy(Frozen):
    """Promotion, rollback and sunset: every threshold the sensor decides by."""

    rollback: RollbackPolicy
    promotion: PromotionPolicy
    sunset: SunsetPolicy
    early_warning: EarlyWarning = EarlyWarning()
    weeks: Weeks = Weeks()
    grace_minutes: Annotated[int, Field(ge=0, le=24 * 60)]
    """Minutes after `daily_run.at` from which a day without a finished run is missing; must end before midnight."""
    max_attempts: Annotated[int, Field(ge=1, le=100)]
    """Most attempts at one action; afterwards an operator must run `v4 resume`."""

    @model_validator(mode="after")
    def _possible(self) -> "Policy":
        if self.promotion.lift_at_least < self.rollback.lift_below:
            raise ValueError(
                f"promotion.lift_at_least {self.promotion.lift_at_least} lies below rollback.lift_below "
                f"{self.rollback.lift_below}: a version would be promoted and rolled back by the same evidence"
            )
        return self


class ProspectList(Frozen):
    """The month's list of advisors to contact."""

    callers: Annotated[int, Field(ge=1, le=10_000)] = 5
    """People who contact advisors; the places of the list go round them."""
    advisors_each: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Advisors for each of them."""
    least_percentile: Annotated[int, Field(ge=0, le=100)] = 20
    """Advisors below this percentile are not listed."""
    leave_out_days: Annotated[int, Field(ge=0, le=3660)] = 90
    """Advisors contacted, called or listed within this many days are left out."""


class Prospects(Frozen):
    """Scores of every producing, active advisor, once a month."""

    enabled: bool = True
    """Whether the monthly job is scheduled and a promotion needs its scores; no where the list is not used."""
    percentile: Counting = "one_to_hundred"
    """How v4_prospect_scores and the list count: one_to_hundred, 100 the best; zero_to_99 as the hand-run job did."""
    words: dict[Annotated[str, Form(r"^\w+$", "the name of a feature")], Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict
    )
    """Feature to the words that stand for it in a sentence; one that is not named is written with its own name."""
    list: ProspectList = ProspectList()
