"""The rollback as a script for a DuckDB shell, for the day on which Dagster does not run. Pure."""

import re

from v4_assets import tables
from v4_assets.sql import Query
from v4_assets.tables import Catalogue
from v4_assets.warehouse.duckdb.sql import quoted, to_duckdb
from v4_assets.warehouse.render import HEADING, Target, happened_at, switch, values

_PARAM = re.compile(r"\$(\w+)")


def render(catalogue: Catalogue, target: Target) -> str:
    """The script as text: a refused one ends in an error, and its transaction changes nothing."""
    production, deployments = quoted(catalogue[tables.PRODUCTION]), quoted(catalogue[tables.DEPLOYMENTS])
    lines = [f"-- {line}" for line in HEADING]
    lines += ["", "SET TimeZone = 'UTC';", "SET VARIABLE v4_reason = NULL;", ""]
    lines += [f"SET VARIABLE v4_{name} = {_literal(value)};" for name, value in values(target).items()]
    lines += [
        "SET VARIABLE v4_evidence_sequence = 0;",
        f"SET VARIABLE v4_happened_at = {happened_at(target, 'now()').replace('TIMESTAMP ', 'TIMESTAMPTZ ')};",
        "SET VARIABLE v4_event_id = replace(CAST(uuid() AS VARCHAR), '-', '');",
        "SET VARIABLE v4_action_id = getvariable('v4_event_id');",
        "SET VARIABLE v4_decided_by = 'console';",
        "BEGIN;",
        f"SET VARIABLE v4_previous = (SELECT version FROM {production});",
        f"SET VARIABLE v4_expected_event_id = (SELECT event_id FROM {production});",
        _refused(
            "COALESCE(TRIM(getvariable('v4_reason')), '') = ''",
            "Nothing was changed: say in v4_reason why, it is recorded.",
        ),
        _refused(
            "COALESCE(getvariable('v4_previous') = getvariable('v4_version'), TRUE)",
            f"Nothing was changed: {target.version} is live already, or no version is.",
        ),
        _refused(
            f"COALESCE((SELECT event FROM {deployments} WHERE version = getvariable('v4_version') AND event IN "
            "('sunset_completed', 'restored') ORDER BY sequence DESC LIMIT 1) = 'sunset_completed', FALSE)",
            f"Nothing was changed: {target.version} is archived. v4 restore brings its model back first.",
        ),
        *(f"{_bound(query)};" for query in switch(catalogue)),
        "COMMIT;",
        f"SELECT version AS live, getvariable('v4_previous') AS before, event_id FROM {production};",
        "",
    ]
    return "\n".join(lines)


def _bound(query: Query) -> str:
    return _PARAM.sub(r"getvariable('v4_\1')", to_duckdb(query.text, pretty=True))


def _refused(condition: str, text: str) -> str:
    return f"SELECT CASE WHEN {condition} THEN error({_literal(text)}) END;"


def _literal(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"
