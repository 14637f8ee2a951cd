"""The rules of the house that a linter cannot say: what may import what, and where names may stand."""

import ast
import re
from pathlib import Path

import pytest

import v4_assets

PACKAGE = Path(v4_assets.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
PURE = ("audit", "mentions", "model", "profile", "ranking", "scoring", "sql", "sql_scripts", "training", "writes")
PURE_FILES = [
    *(PACKAGE / f"{name}.py" for name in PURE),
    *(path for path in (PACKAGE / "checks").glob("*.py") if path.name != "__init__.py"),
    *(path for path in (PACKAGE / "evaluation").glob("*.py") if path.name not in ("store.py", "lift.py")),
    *(PACKAGE / "policy").glob("*.py"),
    *(PACKAGE / "salesforce" / f"{name}.py" for name in ("changes", "fields", "record_ids", "refusals", "rows")),
    PACKAGE / "rollout" / "report.py",
]
CLIENTS = ("dagster", "duckdb", "google", "requests", "v4_assets.clock", "v4_assets.resources", "v4_assets.assets")
TABLE_NAME = re.compile(r"\bml_features\b|\bSavvyGTMData\b|\bFinTrx_data_CA\b")


def imports(path: Path) -> set[str]:
    """Full names of the modules a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def strings(path: Path) -> list[str]:
    """String literals of a file that are not docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
    ]


@pytest.mark.parametrize("path", PURE_FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_pure_module_imports_no_client_and_no_clock(path: Path) -> None:
    wrong = [name for name in imports(path) if name.startswith(CLIENTS)]
    assert wrong == []


def test_the_rule_for_pure_modules_would_notice(tmp_path: Path) -> None:
    path = tmp_path / "impure.py"
    path.write_text("import dagster as dg\nfrom v4_assets.clock import Clock\n")
    assert [name for name in imports(path) if name.startswith(CLIENTS)] != []


def test_resources_know_no_thresholds_and_no_columns_of_features() -> None:
    for path in (PACKAGE / "resources").glob("*.py"):
        assert not {name for name in imports(path) if name.startswith("v4_assets.checks")}, path
        assert not [text for text in strings(path) if text in ("tenure_bucket", "score", "percentile")], path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_datasets_are_named_in_one_module(path: Path) -> None:
    if path.name != "tables.py":
        assert [text for text in strings(path) if TABLE_NAME.search(text)] == []


def test_sql_names_no_dataset_of_its_own() -> None:
    for path in (PACKAGE.parent / "sql").glob("*.sql"):
        assert not TABLE_NAME.search(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_says_what_belongs_in_it(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_no_module_is_long() -> None:
    long = {path.name: lines for path in MODULES if (lines := len(path.read_text().splitlines())) > 260}
    assert long == {}
