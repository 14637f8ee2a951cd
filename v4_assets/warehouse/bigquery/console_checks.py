"""What a script for the console asks before it makes anything, and what it proves at its end. Pure."""

from collections.abc import Sequence

from v4_assets.errors import ObstacleError, WarehouseError
from v4_assets.tables import Table
from v4_assets.warehouse import table_differences
from v4_assets.warehouse.bigquery.errors import refusal
from v4_assets.warehouse.bigquery.tables import LABELS
from v4_assets.warehouse.render import Script
from v4_assets.warehouse.validations import SAMPLE_ROWS, of, quoted

[(_LABEL, _LABELLED)] = LABELS.items()


def names_are_free(script: Script) -> str:
    """A block that ends the script, before it makes anything, where an object of others stands under a name of ours."""
    return "\n\n".join(_names_are_free(dataset, names) for dataset, names in _names(script).items())


def validations(script: Script) -> str:
    """The guide's four validations of a version's script as rows to read, and an error when one fails."""
    asked = of(script)
    view, scores, place, wanted = asked.view, asked.scores, asked.place, asked.wanted
    names, others = quoted(wanted), quoted(asked.beside)
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
