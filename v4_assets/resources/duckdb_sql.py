"""GoogleSQL as DuckDB understands it. Pure."""

from functools import cache

import sqlglot
from sqlglot import exp

from v4_assets.errors import WarehouseError


@cache
def to_duckdb(text: str) -> str:
    """The one statement of `text` in DuckDB's dialect. Raises WarehouseError where it cannot be read."""
    try:
        return sqlglot.parse_one(text, read="bigquery").transform(_countif).sql(dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise WarehouseError(f"This is not GoogleSQL that can be run on DuckDB: {error}\n{text}") from error


def _countif(node: exp.Expression) -> exp.Expression:
    """COUNTIF of no rows is 0 in GoogleSQL; DuckDB's count_if makes it NULL."""
    if isinstance(node, exp.CountIf):
        return exp.Count(this=exp.If(this=node.this, true=exp.Literal.number(1)))
    return node
