"""Google's own GoogleSQL analyzer and reference evaluator, fed with this project's tables.

The analyzer is asked in BigQuery's external product mode, in which INT32 and DOUBLE do not exist and FLOAT64 does.
"""

import ctypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from functools import cache, cached_property
from typing import Any

import pyarrow as pa
import wasmtime
from zetasql.core import ZetaSqlLocalService, wasm_client
from zetasql.types import (
    AnalyzeResponse,
    AnalyzerOptions,
    LanguageOptions,
    ProductMode,
    SimpleCatalog,
    SimpleColumn,
    SimpleTable,
    Type,
    TypeKind,
    ZetaSQLBuiltinFunctionOptions,
    parse_proto,
)
from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2
from zetasql.wasi._pb2.zetasql.public import value_pb2

from v4_assets import sql
from v4_assets.sql import Query, path_of
from v4_assets.tables import SOURCES, Table
from v4_assets.warehouse.protocol import ARROW_TYPES

KINDS = {
    "STRING": TypeKind.TYPE_STRING,
    "INT64": TypeKind.TYPE_INT64,
    "FLOAT64": TypeKind.TYPE_DOUBLE,
    "BOOL": TypeKind.TYPE_BOOL,
    "DATE": TypeKind.TYPE_DATE,
    "TIMESTAMP": TypeKind.TYPE_TIMESTAMP,
}
NAMES = {kind: name for name, kind in KINDS.items()}
FIELDS = {
    "STRING": "string_value",
    "INT64": "int64_value",
    "FLOAT64": "double_value",
    "BOOL": "bool_value",
    "DATE": "date_value",
    "TIMESTAMP": "timestamp_value",
}
EPOCH = date(1970, 1, 1)

_DECLARED = re.compile(r"@(\w+) (STRING|INT64|FLOAT64|BOOL|DATE|TIMESTAMP)\b")


def declared_parameters(file: str) -> dict[str, str]:
    """The parameters of sql/FILE.sql and the types its header declares for them."""
    lines = path_of(file).read_text(encoding="utf-8").splitlines()
    [line] = [line for line in lines if line.startswith("-- params:")]
    return dict(_DECLARED.findall(line))


def bound_parameters(file: str) -> dict[str, str]:
    """Those of sql/FILE.sql, and of the queries that stand for the sources it reads."""
    sources = [name for name in sql.load(file).inputs if name in SOURCES and name != file]
    found = {key: kind for name in sources for key, kind in declared_parameters(name).items()}
    return found | declared_parameters(file)


@cache
def service() -> ZetaSqlLocalService:
    """The one instance. Compiling it takes half a minute; the machine code is kept in wasmtime's own cache."""

    class KeptConfig(wasmtime.Config):
        def __init__(self) -> None:
            super().__init__()
            self.cache = True

    wasm_client.Config = KeptConfig
    wasm_client.WasmClient.write_bytes, wasm_client.WasmClient.read_bytes = _write, _read
    return ZetaSqlLocalService.get_instance()


def _write(client: Any, place: int, data: bytes) -> None:
    """At once; the package copies byte by byte."""
    ctypes.memmove(ctypes.addressof(client.memory.data_ptr().contents) + place, data, len(data))


def _read(client: Any, place: int, size: int) -> bytes:
    return ctypes.string_at(ctypes.addressof(client.memory.data_ptr().contents) + place, size)


@cache
def language() -> Any:
    """All of GoogleSQL as BigQuery's users see it, as a message."""
    service()
    options = LanguageOptions.maximum_features()
    options.product_mode = ProductMode.PRODUCT_EXTERNAL
    options.reserved_keywords.append("QUALIFY")
    # Messages are made once: the package takes them where it takes its models, and makes them slowly.
    return options.to_proto()


@cache
def functions() -> Any:
    """BigQuery's functions, as a message."""
    return ZetaSQLBuiltinFunctionOptions(language_options=language()).to_proto()


@dataclass(frozen=True)
class GoogleSQL:
    """Some tables, of which statements are analyzed and queries evaluated."""

    tables: tuple[Table, ...]

    def columns(self, text: str, types: Mapping[str, str]) -> list[tuple[str, str]]:
        """Name and GoogleSQL type of what a query gives. Raises zetasql's error where the text is not GoogleSQL."""
        statement = self.verified(text, types).resolved_statement
        found = getattr(statement, str(statement.WhichOneof("node"))).output_column_list
        return [(column.name, NAMES.get(column.column.type.type_kind, "?")) for column in found]

    def analyzed(self, text: str, types: Mapping[str, str]) -> Any:
        """The resolved statement, in the package's models."""
        return parse_proto(self.verified(text, types)).as_type(AnalyzeResponse).resolved_statement

    def verified(self, text: str, types: Mapping[str, str]) -> Any:
        """The analyzer's answer as a message. Raises zetasql's error where the text is not GoogleSQL."""
        request = local_service_pb2.AnalyzeRequest(
            options=self._options(types).to_proto(), registered_catalog_id=self.registered, sql_statement=text
        )
        client = service().wasm_client
        return client.call_grpc_func("ZetaSqlLocalService_Analyze", request, local_service_pb2.AnalyzeResponse)

    def evaluate(self, query: Query, types: Mapping[str, str], rows: Mapping[str, pa.Table]) -> pa.Table:
        """What Google's reference evaluator makes of a query over `rows` by table key; other tables are empty."""
        return self.evaluated(query, types, rows, self.columns(query.text, types))

    def evaluated(
        self, query: Query, types: Mapping[str, str], rows: Mapping[str, pa.Table], columns: list[tuple[str, str]]
    ) -> pa.Table:
        """The same of a query whose columns are known."""
        text = query.text
        # The evaluator finds the rows of tables outside datasets only.
        for table in self.tables:
            text = text.replace(table.full_name, f"`{table.name}`")
        # The package's own request class can hold neither parameters nor timestamps.
        request = local_service_pb2.EvaluateQueryRequest(
            sql=text, options=self._options(types).to_proto(), simple_catalog=self.flat
        )
        for name, value in query.params.items():
            request.params.add(name=name, value=_value(types[name], value))
        for table in self.tables:
            _fill(request.table_content[table.name].table_data, table, rows.get(table.key))
        answer = service().wasm_client.call_grpc_func(
            "ZetaSqlLocalService_EvaluateQuery", request, local_service_pb2.EvaluateQueryResponse
        )
        return _arrow(columns, answer.content.table_data.row)

    @cached_property
    def catalog(self) -> Any:
        """The tables in their datasets, and BigQuery's functions, as a message."""
        every = SimpleCatalog(catalog=[], builtin_function_options=functions())
        for table in self.tables:
            _within(every, table.dataset).table.append(_table(table))
        return every.to_proto()

    @cached_property
    def flat(self) -> Any:
        """The tables outside datasets, and BigQuery's functions, as a message."""
        tables = [_table(table) for table in self.tables]
        return SimpleCatalog(table=tables, builtin_function_options=functions()).to_proto()

    @cached_property
    def registered(self) -> int:
        """The number by which the service knows the tables and functions: reading them takes it a tenth of a second."""
        request = local_service_pb2.RegisterCatalogRequest(simple_catalog=self.catalog)
        client = service().wasm_client
        answer = client.call_grpc_func(
            "ZetaSqlLocalService_RegisterCatalog", request, local_service_pb2.RegisterResponse
        )
        return int(answer.registered_id)

    @staticmethod
    def _options(types: Mapping[str, str]) -> AnalyzerOptions:
        options = AnalyzerOptions(language_options=language())
        options.query_parameters = [
            AnalyzerOptions.QueryParameter(name=name, type=_type(kind)) for name, kind in types.items()
        ]
        return options


def _within(every: SimpleCatalog, dataset: str) -> SimpleCatalog:
    """The catalog of a dataset, or of what lies in one, as INFORMATION_SCHEMA does."""
    found = every
    for name in dataset.split("."):
        there = next((one for one in found.catalog if one.name == name), None)
        if there is None:
            there = SimpleCatalog(name=name, catalog=[], table=[])
            found.catalog.append(there)
        found = there
    return found


def _table(table: Table) -> SimpleTable:
    columns = [SimpleColumn(name=one.name, type=_type(one.type), is_writable_column=True) for one in table.columns]
    return SimpleTable(name=table.name, column=columns)


def _type(kind: str) -> Type:
    return Type(type_kind=KINDS[kind])


def _value(kind: str, value: Any) -> Any:
    made = value_pb2.ValueProto()
    if value is None:
        return made
    if kind == "TIMESTAMP":
        made.timestamp_value.FromDatetime(value)
    else:
        setattr(made, FIELDS[kind], (value - EPOCH).days if kind == "DATE" else value)
    return made


def _fill(data: Any, table: Table, rows: pa.Table | None) -> None:
    """Put Arrow rows into a table of the evaluator. A column that `rows` do not have is NULL."""
    data.SetInParent()
    for row in [] if rows is None else rows.to_pylist():
        data.row.add(cell=[_value(column.type, row.get(column.name)) for column in table.columns])


def _arrow(columns: list[tuple[str, str]], rows: Any) -> pa.Table:
    schema = pa.schema([(name, ARROW_TYPES[kind]) for name, kind in columns])
    values = zip(
        *([_plain(kind, cell) for (_, kind), cell in zip(columns, row.cell, strict=True)] for row in rows), strict=True
    )
    arrays: list[Any] = list(values) or [[]] * len(columns)
    return pa.table([pa.array(array, field.type) for array, field in zip(arrays, schema, strict=True)], schema=schema)


def _plain(kind: str, cell: Any) -> Any:
    if cell.WhichOneof("value") is None:
        return None
    value = getattr(cell, FIELDS[kind])
    if kind == "DATE":
        return EPOCH + timedelta(days=value)
    return value.ToDatetime(tzinfo=UTC) if kind == "TIMESTAMP" else value
