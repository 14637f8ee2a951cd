"""Volume, covered share and timing are those of the days on which leads were scored."""

from datetime import date

import numpy as np
import pytest

from v4_assets.evaluation.cohorts import Entries, Reach
from v4_assets.evaluation.lead_flow import measure

FIRST, LAST = date(2026, 1, 5), date(2026, 1, 18)


def test_leads_contacted_before_the_first_scored_day_have_no_part_in_the_volume():
    """Ten leads a day, of which one is called a week later and one at once; five old ones that were never scored."""
    old = np.array(["2025-08-01"] * 5, dtype="datetime64[D]")
    contacted = np.concatenate([old, np.repeat(np.arange(np.datetime64(FIRST), np.datetime64(LAST) + 1), 10)])
    place = np.where(contacted >= np.datetime64(FIRST), (np.arange(len(contacted)) - 5) % 10, -1)
    called = np.full(len(contacted), np.datetime64("NaT", "D"))
    called[place == 0] = contacted[place == 0] + 7
    called[place == 1] = contacted[place == 1]
    called[:5] = old
    covered = place != 1
    covered[:5] = False
    found = Entries(
        contacted_on=contacted,
        called_on=called,
        converted=~np.isnat(called),
        covered=covered,
        before_scored=~np.isnat(called) & ~covered,
        before_contact=np.zeros(len(contacted), dtype=bool),
        scored_on=contacted + 1,
        rows={},
    )
    flow = measure(found, Reach(date(2025, 7, 1), LAST), 43)
    assert (flow.first, flow.last, flow.leads, flow.conversions, flow.before_scored) == (FIRST, LAST, 126, 14, 14)
    assert flow.leads_per_week == pytest.approx(63)
    assert flow.weekly_leads == (63, 63)
    assert (flow.covered_share, dict(flow.booked_by)[6.0], dict(flow.booked_by)[7.0]) == (0.5, 0.0, 1.0)
