"""Scripts for the BigQuery console: each runs as it is pasted, without a parameter and without this project. Pure.

A day's partition is replaced by the warehouse's own script (`bigquery_scripts.partition_text`) and recorded with the
definition the daily job would record, so that a partition made here is kept by `v4 run`, and one made by `v4 run` is
kept here. Variables begin with `v4_`: a variable that had a column's name would mean the column.
"""

import re

from v4_assets.errors import WarehouseError
from v4_assets.tables import Table
from v4_assets.warehouse.bigquery.console_checks import names_are_free, validations
from v4_assets.warehouse.bigquery.errors import refusal
from v4_assets.warehouse.bigquery.scripts import partition_text
from v4_assets.warehouse.bigquery.tables import expiration_ddl, table_ddl, view_ddl
from v4_assets.warehouse.render import TIME_ZONE, Fill, Script, heading
from v4_assets.warehouse.writes import text_sha256

_PARAM = re.compile(r"(?<!@)@(?:v4_)?(\w+)")
_TODAY = f"CURRENT_DATE('{TIME_ZONE}')"

_FILLING = (
    "Another day is filled by setting v4_prediction_date to it. A day that is over is marked retrospective.",
    "A partition that the same query made of the same inputs is kept. A partition written on its own day is evidence",
    "and is replaced only if v4_replace_live states the reason, which is recorded. No other run may write the day.",
)
_DECLARED = f"""\
DECLARE v4_prediction_date DATE DEFAULT {_TODAY};
-- What happened before 00:00 of the day in New York is known on it.
DECLARE v4_cutoff TIMESTAMP DEFAULT TIMESTAMP(v4_prediction_date, '{TIME_ZONE}');
DECLARE v4_retrospective BOOL DEFAULT (v4_prediction_date <> {_TODAY});
DECLARE v4_replace_live STRING DEFAULT NULL;
DECLARE v4_written_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP();
DECLARE v4_run_id STRING DEFAULT CONCAT('console: ', SESSION_USER());"""


def render(script: Script) -> str:
    """The script as text."""
    parts = [heading(script, _FILLING if script.fills else ())]
    if script.fills:
        parts += [_DECLARED, _day_is_possible(script)]
    parts.append(names_are_free(script))
    parts += [f"{statement};" for table in script.tables for statement in _made(table)]
    parts += [f"{view_ddl(view)};" for view in script.views]
    parts += [_filled(fill, script.log) for fill in script.fills]
    if script.fills:
        parts += [validations(script), _summary(script)]
    return "\n\n".join(parts) + "\n"


def _made(table: Table) -> tuple[str, str]:
    return table_ddl(table), expiration_ddl(table, by_time=table.is_partitioned)


def _day_is_possible(script: Script) -> str:
    return refusal(
        f"v4_prediction_date < DATE '{script.first_day}' OR v4_prediction_date > {_TODAY}",
        WarehouseError,
        f"%s cannot be filled. Set v4_prediction_date to a day from {script.first_day} (first_day of rollout.yaml) to "
        "today in New York.",
        "CAST(v4_prediction_date AS STRING)",
    )


def _filled(fill: Fill, log: Table) -> str:
    """A block that fills the day's partition of one table, keeps it, or refuses."""
    latest = f"FROM {log.full_name} WHERE table_name = v4_table_name AND prediction_date = v4_prediction_date"
    kept = refusal(
        "v4_is_evidence AND v4_replace_live IS NULL",
        WarehouseError,
        "%s of %s was written on its own day by another definition. These rows are evidence and were kept. To replace "
        "them, set v4_replace_live to the reason.",
        "v4_table_name",
        "CAST(v4_prediction_date AS STRING)",
    )
    script = _PARAM.sub(r"v4_\1", partition_text(fill.table, fill.query.text, log))
    return f"""\
-- {fill.table.name}: {fill.table.description}
BEGIN
  DECLARE v4_table_name STRING DEFAULT '{fill.table.name}';
  DECLARE v4_sequence INT64 DEFAULT 1 + (SELECT COALESCE(MAX(sequence), 0) {latest});
  DECLARE v4_definition_sha256 STRING DEFAULT {_definition(fill, log)};
  DECLARE v4_same BOOL DEFAULT EXISTS (
    SELECT 1 {latest} AND sequence = v4_sequence - 1 AND definition_sha256 = v4_definition_sha256
  );
  DECLARE v4_is_evidence BOOL DEFAULT EXISTS (
    SELECT 1 {latest} AND sequence = v4_sequence - 1 AND NOT retrospective
  );
  DECLARE v4_replace_reason STRING DEFAULT IF(v4_is_evidence, v4_replace_live, NULL);
  IF v4_replace_live IS NOT NULL OR NOT v4_same THEN
    {kept}
    BEGIN
{script}
    END;
  END IF;
END;"""


def _definition(fill: Fill, log: Table) -> str:
    """writes.fingerprint of the query and of the writes of its inputs, which the script has recorded by then."""
    parts = [f"'{text_sha256(fill.query.text)}'"]
    for table in fill.inputs:
        written = (
            f"(SELECT MAX(sequence) FROM {log.full_name} WHERE table_name = '{table.name}'"
            " AND prediction_date = v4_prediction_date)"
        )
        parts.append(f"TO_HEX(SHA256(CONCAT('{table.name}@', CAST({written} AS STRING))))")
    lines = ",\n    ".join(parts)
    return f"TO_HEX(SHA256(CONCAT(\n    {lines}\n  )))"


def _summary(script: Script) -> str:
    names = ", ".join(f"'{fill.table.name}'" for fill in script.fills)
    return f"""\
-- What the day's partitions are now.
SELECT table_name, prediction_date, sequence, row_count, retrospective, written_at, run_id
FROM {script.log.full_name}
WHERE prediction_date = v4_prediction_date AND table_name IN ({names})
QUALIFY ROW_NUMBER() OVER (PARTITION BY table_name ORDER BY sequence DESC) = 1
ORDER BY written_at, table_name;"""
