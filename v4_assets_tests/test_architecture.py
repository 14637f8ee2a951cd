"""The rules of the project that no linter has: where names may stand. Who may import whom is said in pyproject.toml."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import v4_assets
from v4_assets import sql
from v4_assets_tests.fixtures.sql_files import FILES

PACKAGE = Path(v4_assets.__file__).parent
MODULES = sorted([*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "salesforce_stand_in").rglob("*.py")])
TRESPASSES = {
    "production/weeks.py": "import dagster",
    "scores/checks.py": "import v4_assets.clock",
    "evaluation/metrics.py": "import v4_assets.production.decision",
    "production/sensor.py": "import v4_assets.report.alerts",
    "salesforce/client/org.py": "import v4_assets.daily",
    "production/production_row.py": "import v4_assets.production.assets",
    "jobs.py": "import v4_assets.cli.output",
    "operations/status.py": "import v4_assets.sample.world",
    "salesforce/preview.py": "import salesforce_stand_in.soql",
    "../salesforce_stand_in/soql.py": "import v4_assets.tables",
}
"""A line to a file that breaks a contract of pyproject.toml, one for each of them."""
SILENCED = r"^(.*# (?:noqa: [A-Z0-9, ]+|noqa|type: ignore(?:\[[a-z, -]+\])?)(?: # (\w.*))?)$"
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


def verdicts_of_contracts(folder: Path) -> list[str]:
    """KEPT or BROKEN for each contract of the pyproject.toml in a folder, by import-linter."""
    lint = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--no-logo", "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )
    found = re.findall(r"(KEPT|BROKEN)(?: \(\d+ ignored imports?\))?$", done.stdout, re.MULTILINE)
    assert done.returncode == ("BROKEN" in found), done.stdout + done.stderr
    return found


def test_who_imports_whom_is_as_agreed() -> None:
    assert verdicts_of_contracts(PACKAGE.parent) == ["KEPT"] * len(TRESPASSES)


def test_every_contract_on_imports_would_notice(tmp_path: Path) -> None:
    shutil.copy(PACKAGE.parent / "pyproject.toml", tmp_path)
    for package in (PACKAGE, PACKAGE.parent / "salesforce_stand_in"):
        shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, line in TRESPASSES.items():
        with (tmp_path / "v4_assets" / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    assert verdicts_of_contracts(tmp_path) == ["BROKEN"] * len(TRESPASSES)


def test_resources_know_no_thresholds_and_no_columns_of_features() -> None:
    paths = [*(PACKAGE / "warehouse").rglob("*.py"), *(PACKAGE / "salesforce" / "client").rglob("*.py")]
    assert len(paths) > 20
    for path in [*paths, PACKAGE / "models" / "registry.py"]:
        assert not {name for name in imports(path) if re.match(r"v4_assets\.(\w+\.)?\w*checks\b", name)}, path
        assert not [text for text in strings(path) if text in ("tenure_bucket", "score", "percentile")], path


def test_every_silenced_finding_of_a_linter_states_why_on_its_line() -> None:
    ours = (PACKAGE, *(PACKAGE.parent / name for name in ("salesforce_stand_in", "benchmarks")), Path(__file__).parent)
    for folder in ours:
        for path in folder.rglob("*.py"):
            said = re.findall(SILENCED, path.read_text(encoding="utf-8"), re.MULTILINE)
            assert [line for line, reason in said if not reason] == [], path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_datasets_are_named_in_one_module(path: Path) -> None:
    if path != PACKAGE / "tables.py":
        assert [text for text in strings(path) if TABLE_NAME.search(text)] == []


def test_sql_names_no_dataset_of_its_own() -> None:
    for path in map(sql.path_of, FILES):
        assert not TABLE_NAME.search(path.read_text(encoding="utf-8")), path


def test_scores_and_outcomes_agree_on_which_row_of_a_duplicated_lead_counts() -> None:
    rule = re.compile(r"^WITH one_row_per_lead AS \(\n.*?^\)", re.MULTILINE | re.DOTALL)
    files = [sql.path_of(name) for name in ("scored_leads", "lead_outcomes")]
    scored, outcomes = (rule.findall(path.read_text(encoding="utf-8")) for path in files)
    assert len(scored) == 1
    assert scored == outcomes


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_a_module_says_what_belongs_in_it(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_no_module_is_long() -> None:
    long = {
        str(path.relative_to(PACKAGE.parent)): lines
        for path in MODULES
        if (lines := len(path.read_text().splitlines())) > 300
    }
    assert long == {}
