"""The demo's two sales teams and the calendars of what happens to them. Calibrated sample data, not the firm's.

Both work in worlds as large as the one the shipped models were trained on, and contact 5,000 leads a week, so that a
week of contacts holds enough conversions to judge by. V4.1.0's true top-decile lift is about 2.4 in both and V4.0.0's
about 1.5: the mean of the leads' own probabilities to convert in the decile, over their mean among all.
"""

from datetime import date, timedelta

from v4_assets import tables
from v4_assets.sample.spec import Regime, WorldSpec

SCALE, LEADS_PER_WEEK, SIGNAL = 0.1, 5_000, 1.2

FALL = date(2025, 12, 13)
"""Of the leads contacted from this day on, recent movers convert less than others instead of more. The outcomes show it
only 44 days later."""
MOVERS_AFTER_THE_FALL = -0.4
"""V4.1.0's true lift falls to about 1.05, V4.0.0's stays above 1.3. At 0 it would fall to 1.2, which two week-closes
see in 42 % of worlds; at -0.4 they do in 72 %."""
ROLLOUT_WORLD = WorldSpec(
    scale=SCALE,
    leads_per_week=LEADS_PER_WEEK,
    seed=17,
    first_contact=date(2025, 10, 27),
    through=date(2026, 2, 9),
    signal=SIGNAL,
    regimes=(Regime(starts=FALL, mover_lift=MOVERS_AFTER_THE_FALL),),
)
"""Of the seeds 1 to 60, 82 % promote on PROMOTION, none convicts before the fall, 72 % convict on ROLLBACK; the others
do so in a later week. Seed 17 is one whose estimates lie near the truth."""

MARKET_BASE_RATE = 0.016
MARKET_WORLD = WorldSpec(
    scale=SCALE,
    leads_per_week=LEADS_PER_WEEK,
    seed=18,
    first_contact=date(2025, 11, 3),
    through=date(2026, 1, 27),
    signal=SIGNAL,
    regimes=(Regime(starts=date(2025, 11, 3), base_rate=MARKET_BASE_RATE),),
)
"""Everybody converts at two fifths of the usual rate: V4.1.0's top decile truly at 3.9 %, V4.0.0's at 2.5 %. In 83 % of
the seeds 1 to 30 chance does not explain on any of the judged days that the former misses 5 %."""


def days(first: date, count: int) -> tuple[date, ...]:
    """The given number of days from `first` on."""
    return tuple(first + timedelta(days=offset) for offset in range(count))


# The rollout. A cohort of a day ends with the contacts of 44 days before it and reaches back 7 to 9 days; a lead enters
# with a score of one to three days after its contact. So the promotion needs the scores from seven weeks before, and
# the leads contacted after 27 December are in no evaluated cohort: the days between the Sundays need not be run.
ROLLOUT_SCORED = (date(2025, 11, 14), date(2026, 1, 4))
ROLLOUT_JUDGED = date(2026, 1, 4)
"""The Sunday before the live week, judged afterwards: the first of the two week-closes a promotion asks for."""
SIDE_BY_SIDE = days(date(2026, 1, 5), 7)
PROMOTION = date(2026, 1, 12)
WEDNESDAYS = (date(2026, 1, 14), date(2026, 1, 21), date(2026, 1, 28))
"""Scored live between the Sundays, until the early warning is raised: all leads but those contacted on a Wednesday have
a score within three days of their contact then, so that their calls vote."""
HEALTHY_SUNDAYS = (date(2026, 1, 18), date(2026, 1, 25))
FALLEN_SUNDAYS = (date(2026, 2, 1), date(2026, 2, 8))
ROLLBACK = date(2026, 2, 9)

# The falling market. With so few conversions a cohort reaches back about two weeks.
MARKET_SCORED = (date(2025, 11, 21), date(2025, 12, 14))
MARKET_PROMOTION = date(2026, 1, 12)
MARKET_SUNDAYS = (date(2026, 1, 18), date(2026, 1, 25))
MARKET_MONDAY = date(2026, 1, 26)

# The silent column: the market team's next morning.
SILENT_DAY = date(2026, 1, 27)
SILENT_SOURCE, SILENT_COLUMN = tables.CONTACTS, "PRIMARY_FIRM_START_DATE"
