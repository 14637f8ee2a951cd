"""Scripts for the BigQuery console: each runs as it is pasted, without a parameter and without this project. Pure.

A day's partition is replaced by the warehouse's own script (`bigquery_scripts.partition_text`) and recorded with the
definition the daily job would record, so that a partition made here is kept by `v4 run`, and one made by `v4 run` is
kept here. Variables begin with `v4_`: a variable that had a column's name would mean the column.
"""

import re
from collections.abc import Sequence

from v4_assets.errors import ObstacleError, WarehouseError
from v4_assets.tables import Table
from v4_assets.warehouse import table_differences
from v4_assets.warehouse.bigquery.errors import refusal
from v4_assets.warehouse.bigquery.scripts import partition_text
from v4_assets.warehouse.bigquery.tables import LABELS, expiration_ddl, table_ddl, view_ddl
from v4_assets.warehouse.render import SAMPLE_ROWS, TIME_ZONE, Fill, Script, heading, quoted_names, validations_of
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


[(_LABEL, _LABELLED)] = LABELS.items()


def names_are_free(script: Script) -> str:
    """A block that ends the script, before it makes anything, where an object of others stands under a name of ours."""
    return "\n\n".join(_names_are_free(dataset, names) for dataset, names in _names(script).items())


def validations(script: Script) -> str:
    """The guide's four validations of a version's script as rows to read, and an error when one fails."""
    asked = validations_of(script)
    view, scores, place, wanted = asked.view, asked.scores, asked.place, asked.wanted
    names, others = quoted_names(wanted), quoted_names(asked.beside)
    tables, columns = (_information(view.dataset, name) for name in ("TABLES", "COLUMNS"))
    at_view = f"FROM {columns} WHERE table_name = '{view.name}'"
    failed = refusal(
        "NOT (v4_is_view AND v4_is_table AND v4_features = v4_wanted AND v4_foreign = 0 AND v4_rows > 0)",
        WarehouseError,
        f"A validation failed, see the rows above: {view.name} %s, {scores.name} %s, features %d of "
        "%d, other columns %d, rows in the view %d.",
        *(
            "IF(v4_is_view, 'there', 'missing')",
            "IF(v4_is_table, 'there', 'missing')",
            "v4_features",
            "v4_wanted",
            "v4_foreign",
            "v4_rows",
        ),
    )
    return f"""\
-- The four validations of Step 1, to be read.
BEGIN
  DECLARE v4_wanted INT64 DEFAULT {len(wanted)};
  DECLARE v4_is_view BOOL DEFAULT EXISTS (
    SELECT 1 FROM {tables} WHERE table_name = '{view.name}' AND table_type = 'VIEW'
  );
  DECLARE v4_is_table BOOL DEFAULT EXISTS (
    SELECT 1 FROM {tables} WHERE table_name = '{scores.name}' AND table_type = 'BASE TABLE'
  );
  DECLARE v4_features INT64 DEFAULT (SELECT COUNT(*) {at_view} AND column_name IN ({names}));
  DECLARE v4_foreign INT64 DEFAULT (SELECT COUNT(*) {at_view} AND column_name NOT IN ({names}, {others}));
  DECLARE v4_rows INT64 DEFAULT (SELECT COUNT(*) FROM {place.full_name});
  SELECT *
  FROM {place.full_name}
  ORDER BY lead_id
  LIMIT {SAMPLE_ROWS};
  SELECT
    1 AS number, 'view {view.name}' AS validation, v4_is_view AS passed, IF(v4_is_view, 'there', 'missing') AS found
  UNION ALL
  SELECT 2, 'table {scores.name}', v4_is_table, IF(v4_is_table, 'there', 'missing')
  UNION ALL
  SELECT
    3, 'exactly {len(wanted)} features', v4_features = v4_wanted AND v4_foreign = 0,
    FORMAT('%d features, %d other columns', v4_features, v4_foreign)
  UNION ALL
  SELECT 4, 'the view answers: the sample above', v4_rows > 0, FORMAT('%d rows', v4_rows)
  ORDER BY number;
  {failed}
END;"""


def _names_are_free(dataset: str, names: Sequence[str]) -> str:
    tables, options = (_information(dataset, name) for name in ("TABLES", "TABLE_OPTIONS"))
    refused = refusal(
        "v4_obstacles IS NOT NULL",
        ObstacleError,
        f"Objects that this project did not make stand where its own belong, and nothing was made: %s in {dataset}. "
        "`v4 takeover` moves them aside; views of release 0.1 are renewed by `v4 init`.",
        "v4_obstacles",
    )
    listed = ", ".join(f"'{name}'" for name in names)
    return f"""\
-- Nothing is made while an object of others stands under a name of ours.
BEGIN
  DECLARE v4_obstacles STRING DEFAULT (
    SELECT STRING_AGG(CONCAT(found.table_name, ' (', found.table_type, ')'), ', ' ORDER BY found.table_name)
    FROM {tables} AS found
    WHERE found.table_name IN ({listed}) AND found.table_name NOT IN (
      SELECT marked.table_name
      FROM {options} AS marked
      WHERE marked.option_name = 'labels' AND marked.option_value LIKE '%"{_LABEL}", "{_LABELLED}"%'
    )
  );
  {refused}
END;"""


def _names(script: Script) -> dict[str, list[str]]:
    """Dataset to the names a script makes in it."""
    found: dict[str, list[str]] = {}
    for place in (*script.tables, *map(table_differences.place, script.views)):
        found.setdefault(place.dataset, []).append(place.name)
    return found


def _information(dataset: str, name: str) -> str:
    return Table(name, f"{dataset}.INFORMATION_SCHEMA", name, ()).full_name
