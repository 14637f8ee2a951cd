"""The monthly job on every advisor: `prospects` of rollout.yaml."""

from typing import Annotated

from pydantic import Field

from v4_assets.config.rollout_policy import Frozen
from v4_assets.prospects.contracts import Counting


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
    words: dict[Annotated[str, Field(pattern=r"^\w+$")], Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict
    )
    """Feature to the words that stand for it in a sentence; one that is not named is written with its own name."""
    list: ProspectList = ProspectList()
