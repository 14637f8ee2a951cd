"""The tables of the monthly job: their keys, their columns, and how the leads' own feature files read them. Pure.

Every table is partitioned by prediction_date, which is the first day of the month, and keyed by advisor_crd.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from v4_assets import sql
from v4_assets.sql import Column, Query

PROSPECTS = "prospects"
PROSPECT_LIST = "prospect_list"
PROSPECT_LISTS = "prospect_lists"
SNAPSHOT = {
    "inferred_departures": "prospect_departures",
    "firm_activity": "prospect_firm_activity",
    "advisor_firms": "prospect_advisor_firms",
    "common_features": "prospect_common_features",
}
"""File that makes a table of the leads' snapshot, to the key of the prospects' own, each after what it reads."""
LEAD_ID = "lead_id"
VIEW = "v4_prospect_scores"
PERCENTILES = {"one_to_hundred": "percentile", "zero_to_99": "percentile - 1"}
"""How the view and the list count percentiles, in GoogleSQL."""

Counting = Literal["one_to_hundred", "zero_to_99"]


def features_key(version_key: str) -> str:
    """Key of a version's features of the month, which is also its asset's name."""
    return f"prospect_features_{version_key}"


def scores_key(version_key: str) -> str:
    """Key of a version's scores of the month, which is also its asset's name."""
    return f"prospect_scores_{version_key}"


def profile_key(version_key: str) -> str:
    """Key of the table of each feature's monthly distribution, for one version."""
    return f"prospect_profile_{version_key}"


def lineage(version_key: str) -> tuple[str, ...]:
    """Keys of the checked tables that a version's scores of the month are made from, its scores last."""
    return (PROSPECTS, features_key(version_key), scores_key(version_key))


def declared(version_keys: Iterable[str]) -> Iterator[tuple[str, tuple[Column, ...], str]]:
    """Key, columns and description of every table; a key's table is called v4_KEY."""
    for key in (PROSPECTS, PROSPECT_LIST, PROSPECT_LISTS):
        yield key, sql.load(key).columns, sql.load(key).purpose
    for file, key in SNAPSHOT.items():
        yield key, _of_advisors(file), f"of the prospects of a month, {sql.load(file).purpose}"
    for key in version_keys:
        purpose = sql.load(f"features_{key}").purpose
        yield features_key(key), _of_advisors(f"features_{key}"), f"of the prospects of a month, {purpose}"
        yield scores_key(key), sql.load("prospect_scores").columns, sql.load("prospect_scores").purpose
        profile = sql.load("feature_profile")
        yield profile_key(key), profile.columns, f"of the prospects of a month, {profile.purpose}"


def _of_advisors(file: str) -> tuple[Column, ...]:
    """The columns of a file of leads, without the lead."""
    return tuple(column for column in sql.load(file).columns if column.name != LEAD_ID)


def query_of(file: str, names: Mapping[str, str], params: Mapping[str, object]) -> Query:
    """A file of the leads' features, over the month's prospects instead. `names` are the catalogue's.

    The result has a lead_id, which the table it fills has not: writers take the table's own columns.
    """
    own = {shared: names[key] for shared, key in SNAPSHOT.items()}
    led = {"scored_leads": _as_leads(names[PROSPECTS]), "common_features": _as_leads(own["common_features"])}
    return sql.bind(sql.load(file), {**names, **own, **led}, params)


def _as_leads(table: str) -> str:
    return f"(\n{sql.bind(sql.load('prospects_as_leads'), {PROSPECTS: table}, {}).text}\n)"


def sample_query(file: str, names: Mapping[str, str], params: Mapping[str, object]) -> Query:
    """The same over a sample, computed from the sources on the spot: it reads no table of the month."""
    upstream = [
        *((key, key) for key in ("inferred_departures", "firm_activity", PROSPECTS)),
        *((PROSPECTS, "prospect_sample"), ("scored_leads", "prospects_as_leads")),
        *((key, key) for key in ("advisor_firms", "common_features")),
    ]
    return sql.compose(file, upstream, names, params)


def view_query(version_keys: Iterable[str], names: Mapping[str, str]) -> Query:
    """The view that follows the production row, over every version's scores."""
    file = sql.load("production_prospects")
    each = [sql.bind(file, {**names, "prospect_scores": names[scores_key(key)]}, {}) for key in version_keys]
    return Query(file.name, "\nUNION ALL\n".join(one.text for one in each))
