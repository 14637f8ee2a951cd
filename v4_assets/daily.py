"""Daily assets: the days of a run, the table that an asset fills, and the results of its checks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
from tqdm import tqdm

from v4_assets import recorded_checks, sql, tables
from v4_assets.checks import Check, Finding, of_finding, results, specs, unasked
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.days_in_parallel import Judge, Observe, Work, worked
from v4_assets.errors import PolicyError, V4Error
from v4_assets.names import ONLY_GAPS_TAG, ONLY_TODAY, PROCESS_TAG, REPLACE_LIVE_TAG
from v4_assets.partitions import Day, is_kept, metadata_of, verify_not_pruned, write_query
from v4_assets.production import events as deployments
from v4_assets.production import recorded_orders
from v4_assets.recorded_checks import Judgement
from v4_assets.runs import this_process
from v4_assets.store import Store
from v4_assets.tables import Table
from v4_assets.warehouse.writes import PartitionWrite, text_sha256

if TYPE_CHECKING:
    MaterializeResult = dg.MaterializeResult[None]
else:
    # mypy wants the argument of the generic class; Dagster accepts only the bare class on an asset with checks.
    MaterializeResult = dg.MaterializeResult


def days(context: dg.AssetExecutionContext, clock: Clock, store: Store | None = None) -> tuple[Day, ...]:
    """The days of a run, oldest first, with what the run may replace; nothing without a `store`.

    Raises V4Error for a day that has not begun and for a permission that is not recorded, and PolicyError for another
    day than today in a run with an asset of ONLY_TODAY and for a day whose features were pruned in a run that would
    make its features or scores: at the run's first step, before anything is written.
    """
    tags = context.run.tags
    if tags.get(PROCESS_TAG) != this_process():
        # Dagster launched the run, or repeats one: without this tag a killed process goes unnoticed.
        context.instance.add_run_tags(context.run_id, {PROCESS_TAG: this_process()})
    permitted = recorded_orders.replacement_of(store, tags.get(REPLACE_LIVE_TAG)) if store else None
    only_gaps = tags.get(ONLY_GAPS_TAG) == "true"
    # A month's key has no day, and stands for its first.
    dates = {
        date.fromisoformat(key if len(key) > len("2026-02") else f"{key}-01"): key for key in context.partition_keys
    }
    if max(dates) > clock.today():
        raise V4Error(f"{max(dates)} has not begun in New York, where it is {clock.today()}. Run it on its day.")
    asked = {key.to_user_string() for key in context.job_def.asset_layer.selected_asset_keys}
    _verify_today(asked, dates, clock.today())
    if store:
        verify_not_pruned(store, asked, dates, clock.today())
    # One instant for all of it: an asset that runs across midnight must not change its mind.
    stopped = Clock(clock.now())
    return tuple(
        Day(day, stopped, context.run_id, permitted.reason, only_gaps, permitted.writes, dates[day])
        if permitted and permitted.day == day
        else Day(day, stopped, context.run_id, only_gaps=only_gaps, key=dates[day])
        for day in sorted(dates)
    )


def _verify_today(asked: set[str], dates: Iterable[date], today: date) -> None:
    wanted = sorted(asked & set(ONLY_TODAY))
    for day in dates:
        if wanted and day != today:
            raise PolicyError(
                f"{wanted[0]} of {day} was asked for, and it is {today} in New York. What is live, and what the CRM "
                f"shows, is only ever today's, so nothing was written. `v4 run --date {day}` makes the rest of it."
            )


def daily_asset(
    key: str,
    *,
    rollout: Rollout,
    partitions: dg.DailyPartitionsDefinition | dg.MonthlyPartitionsDefinition,
    group: str,
    deps: Iterable[str],
    description: str,
    kinds: set[str],
    checks: Sequence[Check],
    work: Work,
    observe: Observe = lambda store, day: (),
    waits: Callable[[Store, Sequence[Day]], str | None] = lambda store, days: None,
    priority: int = 0,
    version: str | None = None,
) -> dg.AssetsDefinition:
    """An asset that fills one partition of the table `key` a day by `work`, and reports its `checks`.

    Where `waits` gives a reason, the step writes nothing, stays green, and what depends on it is skipped. `observe`
    gives observations of assets that other systems make. A range of days is one run: `work` is called day by day,
    oldest first, what it returns is called to check the rows, and each check reports once for the whole range. Of the
    steps that could run, a higher `priority` runs first. Once its `version` is archived it writes and checks nothing,
    and what depends on it goes on.
    """
    table, deps = rollout.catalogue[key], sorted(deps)
    thresholds = text_sha256(rollout.checks.model_dump_json())

    @dg.asset(
        name=key,
        deps=deps,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=group,
        description=description,
        kinds=kinds,
        check_specs=specs(checks, key),
        output_required=False,
        op_tags={"dagster/priority": str(priority)},
        metadata={"dagster/table_name": f"{table.dataset}.{table.name}", "dagster/column_schema": column_schema(table)},
    )
    def asset(
        context: dg.AssetExecutionContext,
        store: dg.ResourceParam[Store],
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.AssetObservation | dg.AssetCheckResult | MaterializeResult]:
        findings: dict[date, Sequence[Finding]] = {}
        judged = []
        wanted = days(context, clock, store)
        if reason := waits(store, wanted):
            yield dg.AssetObservation(key, metadata={"waits": reason})
            yield from unasked(checks, key, reason)
            return
        if version and version in deployments.state_after(store.events()).archived:
            reason = f"{version} is archived: nothing was written. `v4 restore {version} --reason …` brings it back."
            yield from unasked(checks, key, reason, passed=True)
            yield dg.MaterializeResult(metadata={"archived": reason})
            return
        # Read before the work: an input that is written meanwhile makes the judgement stale, not wrong.
        inputs = recorded_checks.inputs_of(store, deps, [day.date for day in wanted]) if checks else {}
        done = worked(store, wanted, work, observe)
        hidden = None if len(wanted) > 1 else True
        for one in tqdm(done, desc=key, unit="day", total=len(wanted), disable=hidden):
            day, write, findings[one.day.date] = one.day, one.write, one.findings
            for observation in one.observations:
                context.log_event(observation)
            if checks:
                found = tuple(of_finding(finding, thresholds) for finding in one.findings)
                judged.append(
                    Judgement(
                        write.table_name, day.date, write.sequence, inputs[day.date], context.run_id, clock.now(), found
                    )
                )
            if is_kept(write, day):
                context.log.info(f"{key} of {day.date} was there already and is kept; see `v4 run --replace-live`.")
            context.add_asset_metadata({**metadata_of(write, day, one.seconds), **one.cost}, partition_key=day.key)
        recorded_checks.record(store, judged)
        reported = list(results(checks, findings, key))
        yield dg.MaterializeResult()
        # Beside it, not inside: for a result inside, Dagster looks up the materialization twice.
        yield from reported

    return asset


def table_asset(
    key: str,
    *,
    rollout: Rollout,
    partitions: dg.DailyPartitionsDefinition,
    group: str,
    kinds: set[str],
    checks: Sequence[Check] = (),
    judge: Callable[[Store, Day], Sequence[Finding]] = lambda store, day: (),
    observe: Observe = lambda store, day: (),
    priority: int = 0,
    version: str | None = None,
) -> dg.AssetsDefinition:
    """A daily asset that sql/KEY.sql makes inside the warehouse. What it depends on is read from the file's header."""
    file = sql.load(key)

    def work(store: Store, day: Day) -> tuple[PartitionWrite, Judge]:
        return write_query(store, key, day), lambda store: judge(store, day)

    return daily_asset(
        key,
        rollout=rollout,
        partitions=partitions,
        group=group,
        deps=upstream(file),
        description=about(file),
        kinds=kinds,
        checks=checks,
        work=work,
        observe=observe,
        priority=priority,
        version=version,
    )


def about(file: sql.SqlFile) -> str:
    """Description of a table that a SQL file makes, in Markdown; Dagster shows the first line in lists, too."""
    reads = ", ".join(f"`{name}`" for name in file.inputs)
    made = f"- **Made by:** `sql/{file.name}.sql`\n- **Reads:** {reads}"
    return f"{sentence(file.purpose)}\n\n- **Grain:** {file.grain}\n{made}"


def sentence(purpose: str) -> str:
    """The purpose of a SQL file as a sentence of its own."""
    return purpose[:1].upper() + purpose[1:]


def upstream(file: sql.SqlFile) -> set[str]:
    """The assets a SQL file reads. Anything that reads a source table depends on source_observations."""
    reads_source = set(file.inputs) & set(tables.SOURCES)
    observed = {tables.SOURCE_OBSERVATIONS} if reads_source and file.name != tables.SOURCE_OBSERVATIONS else set()
    return set(file.inputs) | observed


def column_schema(table: Table) -> dg.TableSchema:
    """The table's contract as the Dagster page shows it."""
    return dg.TableSchema(
        columns=[dg.TableColumn(column.name, column.type, description=column.description) for column in table.columns]
    )
