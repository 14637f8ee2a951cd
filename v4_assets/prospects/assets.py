"""The monthly job: the prospects, their snapshot, each version's features and scores, and the list of whom to contact.

A partition is a month, named 2026-02, and holds what was known on its first morning. Its rows are kept like a day's
when they were written on that day; a late month may be made again until its list is given out.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import dagster as dg
import pyarrow as pa

from v4_assets import sql, tables
from v4_assets.checks import Check, Finding
from v4_assets.config.rollout import Rollout, Version
from v4_assets.daily import about, daily_asset, sentence
from v4_assets.days_in_parallel import Judge
from v4_assets.features.assets import keep_profile, read_statistics, unreadable
from v4_assets.features.checks import exact_set
from v4_assets.features.checks import judge as judge_features
from v4_assets.features.unscorable import Scored, contract_of, left_out
from v4_assets.models.bundle import Bundle
from v4_assets.names import PROSPECTS_GROUP
from v4_assets.partitions import Day, verify_sources
from v4_assets.production import production_row as production_store
from v4_assets.prospects import checks, contracts, lists
from v4_assets.prospects.lists import editions, latest_edition
from v4_assets.prospects.month_rows import coverage, kept_when_given_out, written
from v4_assets.prospects.months import before
from v4_assets.prospects.scoring import EXPLAINED_FROM, score_prospects
from v4_assets.scores.checks import judge as judge_scores
from v4_assets.scores.scoring import ROWS_AT_ONCE
from v4_assets.store import Store
from v4_assets.tables import Table
from v4_assets.warehouse.protocol import arrow_schema
from v4_assets.warehouse.writes import PartitionWrite

ADVISORS = Scored(contracts.features_key, "advisor_crd", pa.int64())
NEVER = 101
"""A percentile above all."""

Months = dg.MonthlyPartitionsDefinition
Judged = Callable[[Store, Day], Sequence[Finding]]


def prospect_assets(rollout: Rollout, partitions: Months) -> list[dg.AssetsDefinition]:
    """Every asset of the monthly job."""
    versions = rollout.versions.items()
    return [
        _prospects(rollout, partitions),
        *_snapshot(rollout, partitions),
        *(_features(version, entry, rollout, partitions) for version, entry in versions),
        *(_scores(version, entry, rollout, partitions) for version, entry in versions),
        _list(rollout, partitions),
    ]


class Made(NamedTuple):
    """A table of the month that a file of sql/ makes."""

    key: str
    file: str
    deps: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    judge: Judged = lambda store, day: ()
    priority: int = 0
    version: str | None = None


def _made(made: Made, rollout: Rollout, partitions: Months) -> dg.AssetsDefinition:
    def work(store: Store, day: Day) -> tuple[PartitionWrite, Judge]:
        if made.key == contracts.PROSPECTS:
            verify_sources(store)
        query = contracts.query_of(made.file, store.catalogue.names(), day.params)
        read = [store.catalogue[key] for key in made.deps if not store.catalogue[key].is_source]
        write = written(store, store.catalogue[made.key], day, query, (query.text,), read)
        return write, lambda store: made.judge(store, kept_when_given_out(store, day))

    file = sql.load(made.file)
    return daily_asset(
        made.key,
        rollout=rollout,
        partitions=partitions,
        group=PROSPECTS_GROUP,
        deps=made.deps,
        description=about(file) if made.file == made.key else f"The prospects' own: {sentence(file.purpose)}",
        kinds={"sql"},
        checks=made.checks,
        work=work,
        priority=made.priority,
        version=made.version,
    )


def _prospects(rollout: Rollout, partitions: Months) -> dg.AssetsDefinition:
    table = rollout.catalogue[contracts.PROSPECTS]

    def judge(store: Store, day: Day) -> list[Finding]:
        month_before = before(day.date)
        latest = store.latest_writes(month_before, month_before).get((table.name, month_before))
        found = coverage(store, day, expected=contracts.PROSPECTS, actual=contracts.PROSPECTS)
        return checks.judge_prospects(found, latest.row_count if latest else None, rollout.checks.row_count_change)

    made = Made(contracts.PROSPECTS, contracts.PROSPECTS, (tables.CONTACTS,), checks.PROSPECT_CHECKS, judge)
    return _made(made, rollout, partitions)


def _snapshot(rollout: Rollout, partitions: Months) -> list[dg.AssetsDefinition]:
    own = {**contracts.SNAPSHOT, tables.SCORED_LEADS: contracts.PROSPECTS}
    made = [
        Made(key, file, tuple(sorted({own.get(name, name) for name in sql.load(file).inputs} | {contracts.PROSPECTS})))
        for file, key in contracts.SNAPSHOT.items()
    ]
    return [_made(one, rollout, partitions) for one in made]


def _features(version: str, entry: Version, rollout: Rollout, partitions: Months) -> dg.AssetsDefinition:
    key, file = contracts.features_key(entry.key), tables.features_key(entry.key)

    def judge(store: Store, day: Day) -> Sequence[Finding]:
        found = store.warehouse.columns(store.catalogue[key])
        bundle = production_store.approved_bundle(store, version) if store.registry.has(version) else None
        features = contract_of(store, version, file)
        set_finding = exact_set(found, features)
        if not set_finding.passed:
            return checks.of_advisors(unreadable(set_finding))
        statistics, unscorable = read_statistics(store, day, key, features, bundle.profile if bundle else None)
        profile = contracts.profile_key(entry.key)
        window = {"first_day": before(day.date), "last_day": before(day.date)}
        usual = store.rows("feature_profile", window, feature_profile=profile)
        keep_profile(store, day, profile, bundle.bundle_sha256 if bundle else "", statistics)
        covered = coverage(store, day, expected=contracts.PROSPECTS, actual=key)
        return checks.of_advisors(
            judge_features(found, features, covered, statistics, usual, rollout.checks, unscorable)
        )

    own = {**contracts.SNAPSHOT, tables.SCORED_LEADS: contracts.PROSPECTS}
    deps = {own.get(name, name) for name in sql.load(file).inputs} | {contracts.PROSPECTS}
    made = Made(key, file, tuple(sorted(deps)), checks.FEATURE_CHECKS, judge, 1, version)
    return _made(made, rollout, partitions)


def _scores(version: str, entry: Version, rollout: Rollout, partitions: Months) -> dg.AssetsDefinition:
    features, scores = contracts.features_key(entry.key), contracts.scores_key(entry.key)

    def work(store: Store, day: Day) -> tuple[PartitionWrite, Judge]:
        bundle = production_store.approved_bundle(store, version)
        table = store.catalogue[scores]
        without = left_out(store, rollout, version, day.date, ADVISORS)
        rows = partial(scored_month, store, bundle, table, features, day, rollout, without)
        definition = (version, bundle.bundle_sha256, str(sorted(rollout.prospects.words.items())))
        write = written(store, table, day, rows, definition, [store.catalogue[features]])
        return write, lambda store: _judge(store, day, bundle, features, scores, rollout, len(without))

    def waits(store: Store, days: Sequence[Day]) -> str | None:
        if store.registry.has(version):
            return None
        return f"{version} is not registered yet. Its features are made; `v4 register {version}` adds its model."

    return daily_asset(
        scores,
        rollout=rollout,
        partitions=partitions,
        group=PROSPECTS_GROUP,
        deps=[features, contracts.PROSPECTS],
        description=(
            f"Score, percentile and reasons of every producing, active advisor by {version}, once a month.\n\n"
            "- **Grain:** one row per month and advisor_crd\n"
            f"- **Made by:** the registered bundle of {version}, verified by its hashes\n"
            f"- Readers use the view `{contracts.VIEW}`, which follows the live version."
        ),
        kinds={"xgboost"},
        checks=checks.SCORE_CHECKS,
        work=work,
        waits=waits,
        version=version,
    )


def scored_month(
    store: Store, bundle: Bundle, table: Table, features: str, day: Day, rollout: Rollout, without: pa.Array
) -> Iterator[pa.RecordBatch]:
    """The month's rows, scored before the first is taken. Raises FeatureError when they do not fit the model."""
    constants = {
        "prediction_date": day.date,
        "model_version": bundle.version,
        "model_sha256": bundle.sha256,
        "bundle_sha256": bundle.bundle_sha256,
        "scored_at": day.clock.now(),
        "retrospective": day.retrospective,
    }
    query = store.catalogue.query("features_of_day", day.params, features=features)
    with store.warehouse.stream(query, ROWS_AT_ONCE) as batches:
        return score_prospects(
            bundle,
            batches,
            schema=arrow_schema(table),
            constants=constants,
            words=rollout.prospects.words,
            explained_from=NEVER if rollout.reasons == "none" else EXPLAINED_FROM,
            without=without,
        )


def _judge(
    store: Store, day: Day, bundle: Bundle, features: str, scores: str, rollout: Rollout, unscored: int
) -> list[Finding]:
    rows = store.read("score_ranks", day.params, daily_scores=scores)
    return checks.of_advisors(
        judge_scores(
            scores=rows["score"].to_numpy(),
            percentile=rows["percentile"].to_numpy(),
            featured=coverage(store, day, expected=features, actual=scores),
            scored=coverage(store, day, expected=contracts.PROSPECTS, actual=scores),
            training=bundle.profile.score,
            limits=rollout.checks,
            left_out=unscored,
        )
    )


def _list(rollout: Rollout, partitions: Months) -> dg.AssetsDefinition:
    file = sql.load(contracts.PROSPECT_LIST)

    def judge(store: Store, day: Day) -> list[Finding]:
        latest = latest_edition(editions(store, day.date))
        version = latest[0]["model_version"] if latest else None
        advisors, callers = ([row[name] for row in latest] for name in ("advisor_crd", "caller"))
        return checks.judge_list(advisors, callers, version, store.live(), rollout.prospects.list.advisors_each)

    def work(store: Store, day: Day) -> tuple[PartitionWrite, Judge]:
        return lists.make_list(store, rollout, day), lambda store: judge(store, day)

    def waits(store: Store, days: Sequence[Day]) -> str | None:
        return None if store.live() else f"no version is live, so no list is made; `v4 init` adopts {rollout.baseline}"

    return daily_asset(
        contracts.PROSPECT_LIST,
        rollout=rollout,
        partitions=partitions,
        group=PROSPECTS_GROUP,
        deps=[contracts.PROSPECTS, *(contracts.scores_key(entry.key) for entry in rollout.versions.values())],
        description=(
            f"{sentence(file.purpose)}\n\n"
            "- Best first by the live version; open leads, own people and advisors contacted or listed lately are "
            "left out.\n"
            "- `v4 prospects list` writes it as CSV and records it as given out. A list that was given out stays."
        ),
        kinds={"sql"},
        checks=checks.LIST_CHECKS,
        work=work,
        waits=waits,
    )
