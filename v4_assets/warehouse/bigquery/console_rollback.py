"""The rollback as a script for the console, for the day on which Dagster does not run. Pure.

It switches production and records the beginning, in the transaction of every switch. A beginning without an end is what
the next run of the sensor, or `v4 resume`, carries through: Salesforce, the report, the record of the end.
"""

import re

from v4_assets import tables
from v4_assets.errors import ConcurrentWriteError, WarehouseError
from v4_assets.tables import Catalogue
from v4_assets.warehouse.bigquery.errors import refusal
from v4_assets.warehouse.render import HEADING, Target, happened_at, switch, values

_PARAM = re.compile(r"(?<!@)@(\w+)")
OF_THE_SCRIPT = {
    "reason": ("STRING", "NULL"),
    "event_id": ("STRING", "REPLACE(GENERATE_UUID(), '-', '')"),
    "decided_by": ("STRING", "CONCAT('console: ', SESSION_USER())"),
}


def render(catalogue: Catalogue, target: Target) -> str:
    """The script as text."""
    known = values(target)
    declared = [f"DECLARE v4_{name} {kind} DEFAULT {default};" for name, (kind, default) in OF_THE_SCRIPT.items()]
    declared += [f"DECLARE v4_happened_at TIMESTAMP DEFAULT {happened_at(target, 'CURRENT_TIMESTAMP()')};"]
    declared += [f"DECLARE v4_{name} STRING DEFAULT {_literal(value)};" for name, value in known.items()]
    declared += ["DECLARE v4_evidence_sequence INT64 DEFAULT 0;"]
    declared += ["DECLARE v4_previous, v4_expected_event_id, v4_action_id STRING;", "DECLARE v4_changed INT64;"]
    production = catalogue[tables.PRODUCTION].full_name
    deployments = catalogue[tables.DEPLOYMENTS].full_name
    update, insert = (_PARAM.sub(r"v4_\1", query.text) for query in switch(catalogue))
    refused = [
        refusal(
            "v4_reason IS NULL OR TRIM(v4_reason) = ''",
            WarehouseError,
            "Nothing was changed: say in v4_reason why, it is recorded. %s is made live then.",
            "v4_version",
        ),
        refusal(
            "v4_previous IS NULL OR v4_previous = v4_version",
            WarehouseError,
            "Nothing was changed: %s is live, and %s is what this script makes live.",
            "COALESCE(v4_previous, 'no version')",
            "v4_version",
        ),
        refusal(
            f"'sunset_completed' = (SELECT event FROM {deployments} WHERE version = v4_version AND event IN "
            "('sunset_completed', 'restored') ORDER BY sequence DESC LIMIT 1)",
            WarehouseError,
            "Nothing was changed: %s is archived. `v4 restore` brings its model back first.",
            "v4_version",
        ),
    ]
    raced = refusal(
        "v4_changed <> 1",
        ConcurrentWriteError,
        "%d rows of production changed, expected 1: another process switched first. Nothing was changed.",
        "v4_changed",
    )
    return "\n".join(
        [
            *(f"-- {line}" for line in HEADING),
            "",
            *declared,
            refused[0],
            "BEGIN TRANSACTION;",
            f"SET v4_previous = (SELECT version FROM {production});",
            f"SET v4_expected_event_id = (SELECT event_id FROM {production});",
            "SET v4_action_id = v4_event_id;",
            *refused[1:],
            f"{update};",
            "SET v4_changed = @@row_count;",
            raced,
            f"{insert};",
            "COMMIT TRANSACTION;",
            f"SELECT version AS live, v4_previous AS before, event_id FROM {production};",
            "",
        ]
    )


def _literal(value: str | None) -> str:
    if value is None:
        return "NULL"
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
