"""Files and folders that cannot be used: damaged, locked, read-only, of a wrong format. Each is one sentence."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from v4_assets.cli.main import main
from v4_assets.project_files import PROJECT
from v4_assets.tables import Table
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from v4_assets.warehouse.protocol import arrow_schema
from v4_assets_tests.fixtures.warehouses import default_catalogue


@pytest.fixture
def home(tmp_path) -> Path:
    """The home of the refused commands, which is there."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.mark.parametrize("command", ["history", "status", "init", "run --date 2026-01-05", "lift", "report", "doctor"])
@pytest.mark.parametrize("content", [b"not a database" * 1000, b"\x00" * 16_384], ids=["text", "zeros"])
def test_a_warehouse_file_that_is_none_names_the_remedy(home, command, content, monkeypatch, capsys):
    (home / "warehouse.duckdb").write_bytes(content)
    monkeypatch.setenv("V4_HOME", str(home))
    monkeypatch.setattr(sys, "argv", ["v4", *command.split()])
    with pytest.raises(SystemExit) as caught:
        main()
    printed = capsys.readouterr()
    assert caught.value.code == (1 if command == "doctor" else 2)
    assert f"{home}/warehouse.duckdb is not a DuckDB file. Restore the file from a backup" in printed.out + printed.err
    assert "Traceback" not in printed.out + printed.err


def test_a_warehouse_file_with_damaged_blocks_names_the_remedy(refused, home):
    file = DuckDBWarehouse(path=str(home / "warehouse.duckdb"))
    numbers = Table("events", "ml_features", "v4_deployments", default_catalogue()["deployments"].columns)
    with file.session():
        file.create(default_catalogue().made)
        empty = dict.fromkeys(one.name for one in numbers.columns)
        rows = [empty | {"reason": f"{number}" * 90} for number in range(50_000)]
        file.replace_table(numbers, pa.Table.from_pylist(rows, schema=arrow_schema(numbers)).to_batches())
    content = bytearray((home / "warehouse.duckdb").read_bytes())
    content[12_288:] = bytes(byte ^ 0x5A for byte in content[12_288:])
    (home / "warehouse.duckdb").write_bytes(bytes(content))
    message = refused("history")
    assert "Restore the file from a backup, or move it away and make a new one with `v4 init`." in message
    assert message.count("\n") == 1


def test_a_locked_warehouse_names_its_holder_and_what_to_do(refused, home, monkeypatch):
    monkeypatch.setenv("V4_WAREHOUSE_LOCK_SECONDS", "0.2")
    held = (
        "import sys, time; from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse\n"
        "with DuckDBWarehouse(path=sys.argv[1]).session():\n print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", held, str(home / "warehouse.duckdb")]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        for arguments in (["history"], ["init"]):
            message = refused(*arguments)
            assert f"it is held by process {process.pid} on " in message
            assert "Wait for that process or stop it, then run again" in message
            assert message.count("\n") == 1
        process.kill()


READ_ONLY = Path("/sys/kernel")
"""A folder of Linux that refuses new files even to root."""


@pytest.mark.skipif(not READ_ONLY.is_dir(), reason="only Linux has it")
@pytest.mark.parametrize("home", [READ_ONLY, READ_ONLY / "home"], ids=["read-only", "cannot-be-made"])
@pytest.mark.parametrize("command", ["init", "run --date 2026-01-05", "sample --scale 0.001"])
def test_a_read_only_home_is_named(refused, monkeypatch, home, command):
    monkeypatch.setenv("V4_HOME", str(home))
    message = refused(*command.split())
    assert message.startswith(f"v4: {home}")
    assert message.endswith("Correct the path or its permissions, then run the command again.\n")
    assert message.count("\n") == 1


FEATURES = str(PROJECT / "models" / "v4.1.0" / "features.json")
BOOSTER = str(PROJECT / "models" / "v4.1.0" / "model.json")


@pytest.fixture
def wrong(tmp_path) -> Callable[[str], str]:
    """Makes a file of a wrong format; returns its path."""

    def make(name: str) -> str:
        (tmp_path / name).write_bytes(WRONG[name])
        return str(tmp_path / name)

    return make


WRONG = {
    "list.json": b'["a", "b"]',
    "text.json": b'"a"',
    "number.json": b"7",
    "entries.json": b'{"features": ["a", "b"]}',
    "bad.json": b"not json",
    "binary.json": bytes(range(128, 256)) * 4,
    "table.csv": b"a,b\n1,2\n",
    "table.parquet": b"not parquet" * 9,
    "table.xlsx": b"PK",
    "picture.csv": b"\x89PNG\r\n\x1a\n\x01\x02\n",
    "packed.csv": gzip.compress(b"lead_id,score\n1,2\n"),
    "workbook.csv": b"PK\x03\x04\x14\x00,\n,",
    "nulls.csv": b"a\x00b\nx\n",
    "utf-16.csv": "lead_id,a\n1,2\n".encode("utf-16"),
    "latin-1.csv": "lead_id,straße\n1,2\n".encode("latin-1"),
    "damaged.csv": b"lead_id,a\n1,\x89\x1b[31m,\xff,\x00\n",
    "torn.csv": b"lead_id,a\n1,2,3\n",
}


@pytest.mark.parametrize(
    ("option", "name", "sentence"),
    [
        ("--features", "list.json", "is a JSON list, expected an object with `features` or `final_features`"),
        ("--features", "text.json", "is a JSON str, expected an object"),
        ("--features", "number.json", "is a JSON int, expected an object"),
        ("--features", "entries.json", "is not a feature list"),
        ("--features", "bad.json", "is not JSON"),
        ("--features", "binary.json", "is not JSON"),
        ("--metrics", "list.json", "holds a list, expected an object"),
        ("--metrics", "bad.json", "is not JSON"),
        ("--expect", "table.parquet", "cannot be read"),
        ("--expect", "table.xlsx", "is neither .parquet nor .csv"),
        ("--model", "bad.json", "is not in XGBoost's JSON or UBJ format"),
        ("--model", "table.parquet", "is not in XGBoost's JSON or UBJ format"),
    ],
)
def test_a_model_s_file_of_a_wrong_format_is_named(refused, wrong, home, option, name, sentence):
    given = {"--model": BOOSTER, "--features": FEATURES, option: wrong(name)}
    figures = [] if option == "--metrics" else ["--without-figures"]
    message = refused("register", "v4.1.0", *(word for pair in given.items() for word in pair), *figures)
    assert message.startswith("v4: ")
    assert (given[option] in message, sentence in message) == (True, True)
    assert (message.count("\n"), len(message) < 260 + len(given[option])) == (1, True)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("table.csv", "The rows do not fit the model: column tenure_months is missing;"),
        ("table.parquet", "cannot be read"),
        ("table.xlsx", "is neither .parquet nor .csv"),
        ("nothing.csv", "There is no "),
        *(
            (
                f"{name}.csv",
                "is not text in UTF-8, so it is no CSV of features. Export it as CSV in UTF-8, or as Parquet.",
            )
            for name in ("picture", "packed", "workbook", "nulls", "utf-16", "latin-1")
        ),
        ("damaged.csv", "Expected 2 columns, got 4. Correct the file."),
        ("torn.csv", "Expected 2 columns, got 3: 1,2,3. Correct the file."),
    ],
)
def test_rows_of_a_wrong_format_are_not_scored(refused, wrong, tmp_path, name, sentence):
    source = wrong(name) if name in WRONG else str(tmp_path / name)
    message = refused("score", "--model", "v4.1.0", "--input", source, "--output", str(tmp_path / "scores.csv"))
    assert sentence in message
    assert (message.count("\n"), message.strip().isprintable()) == (1, True)
    assert not (tmp_path / "scores.csv").exists()


@pytest.mark.parametrize("name", ["list.json", "bad.json", "number.json"])
def test_a_policy_that_is_no_rollout_yaml_is_refused(refused, wrong, home, name):
    path = wrong(name)
    assert f"{path} holds no entries such as `baseline:`." in refused("replay", "--policy", path)
