"""What is imported is declared, what is declared is imported, and what is installed is locked with its hashes."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from v4_assets.project_files import PROJECT

TESTS = PROJECT / "v4_assets_tests"
SERVE = TESTS / "bigquery" / "serve.py"
"""Runs in the emulator's environment."""
PACKAGE = ("v4_assets", "salesforce_stand_in")
OURS = (*PACKAGE, "v4_assets_tests", "benchmarks")
USED_OTHERWISE = {
    "dagster-postgres": ("deploy/dagster.production.yaml", "postgres_db:"),
    "import-linter": ("Makefile", "$(BIN)/lint-imports"),
    "mypy": ("Makefile", "$(BIN)/mypy"),
    "pytest-xdist": ("Makefile", "--dist"),
    "ruff": ("Makefile", "$(BIN)/ruff"),
}
"""Declared for something else than an import: the file that uses it, and how it does."""
LOCKS = {name: PROJECT / f"requirements{name}.lock" for name in ("", "-dev", "-build")} | {
    "emulator": TESTS / "bigquery" / "requirements.lock"
}
PINNED = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)==(?P<version>\S+)(?P<rest>(?:.*\\\n)*.*)$", re.MULTILINE)


def names(requirements: Iterable[str]) -> set[str]:
    """Canonical names of the requirements that apply here."""
    parsed = [Requirement(line) for line in requirements]
    return {canonicalize_name(one.name) for one in parsed if one.marker is None or one.marker.evaluate()}


PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME = names(PYPROJECT["project"]["dependencies"])
EXTRAS = {key: names(lines) for key, lines in PYPROJECT["project"]["optional-dependencies"].items()}
DEV = EXTRAS["dev"]


@cache
def providers() -> dict[str, str]:
    """The distribution of every module that is installed, by the module's full name."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = canonicalize_name(distribution.name)  # outside the loop: every access parses the metadata
        for file in distribution.files or ():
            if file.suffix in (".py", ".so", ".pyd"):
                parts = [*file.parts[:-1], file.name.partition(".")[0]]
                found[".".join(parts).removesuffix(".__init__")] = name
    return found


def imported(text: str) -> set[str]:
    """Distributions of the modules a source imports, anywhere in it. Fails for a module that none provides."""
    found = set()
    for name in modules(text):
        parts = name.split(".")
        known = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        provider = next((providers()[one] for one in known if one in providers()), None)
        assert provider, f"no installed distribution provides {name}"
        found.add(provider)
    return found


def modules(text: str) -> set[str]:
    """What a source imports of others than Python and this project: modules, or names in them."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {one for one in found if one.partition(".")[0] not in (*OURS, *sys.stdlib_module_names)}


@cache
def imported_by(*folders: str) -> set[str]:
    """Distributions that the modules of folders import."""
    files = [path for folder in folders for path in (PROJECT / folder).rglob("*.py") if path != SERVE]
    return set().union(*(imported(path.read_text(encoding="utf-8")) for path in files))


def stubs(declared: set[str]) -> set[str]:
    """Type stubs of what is declared at run time."""
    return {one for one in declared if one.removeprefix("types-").removesuffix("-stubs") in RUNTIME - {one}}


def test_what_the_package_imports_is_declared():
    assert imported_by(*PACKAGE) - RUNTIME == set()


def test_what_is_declared_is_imported_by_the_package():
    assert RUNTIME - imported_by(*PACKAGE) - set(USED_OTHERWISE) == set()


def test_what_tests_and_benchmarks_import_is_declared():
    assert imported_by("v4_assets_tests", "benchmarks") - RUNTIME - DEV == set()


def test_what_is_declared_for_tests_is_imported_by_them():
    assert DEV - imported_by("v4_assets_tests", "benchmarks") - stubs(DEV) - set(USED_OTHERWISE) == set()


def test_what_runs_everywhere_is_not_declared_for_tests_again():
    assert not RUNTIME & DEV
    assert EXTRAS["postgres"] <= DEV


@pytest.mark.parametrize("name", USED_OTHERWISE)
def test_what_is_declared_for_another_use_is_used_so_and_not_imported(name):
    file, text = USED_OTHERWISE[name]
    assert text in (PROJECT / file).read_text(encoding="utf-8")
    assert name in RUNTIME | DEV
    reached = imported_by(*PACKAGE) if name in RUNTIME else imported_by("v4_assets_tests", "benchmarks")
    assert name not in reached, f"{name} is imported: take it from USED_OTHERWISE"


def test_what_the_emulator_s_server_imports_is_in_its_own_requirements():
    listed = names(re.findall(r"^[\w-]+==\S+", (SERVE.parent / "requirements.in").read_text(encoding="utf-8"), re.M))
    wanted = {canonicalize_name(one.partition(".")[0]) for one in modules(SERVE.read_text(encoding="utf-8"))}
    assert len(wanted) >= 3
    assert wanted <= listed


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("import google.auth.credentials", "google-auth"),
        ("from google.cloud import bigquery", "google-cloud-bigquery"),
        ("from google.cloud.bigquery import Client", "google-cloud-bigquery"),
        ("from google.api_core.retry import Retry", "google-api-core"),
        ("def later():\n    from PIL import Image", "pillow"),
        ("import sklearn.metrics", "scikit-learn"),
        ("import yaml", "pyyaml"),
    ],
)
def test_a_module_is_that_of_its_own_distribution(line, wanted):
    assert imported(line) == {wanted}


def test_a_module_that_is_not_installed_is_noticed():
    with pytest.raises(AssertionError, match=r"no installed distribution provides no_such_module\.x"):
        imported("from no_such_module import x")


# --- lock files


def pinned(key: str) -> dict[tuple[str, str], str]:
    """Name and version of every package a lock file pins, with what follows: marker and hashes."""
    text = LOCKS[key].read_text(encoding="utf-8")
    found: dict[tuple[str, str], str] = {}
    for one in PINNED.finditer(text):
        found[canonicalize_name(one["name"]), one["version"]] = one["rest"]
    assert len(found) == len(re.findall(r"^[A-Za-z]", text, re.MULTILINE))
    return found


@pytest.mark.parametrize("key", LOCKS)
def test_every_package_of_a_lock_file_has_a_hash_and_no_index_is_named(key):
    assert pinned(key)
    assert [one for one, rest in pinned(key).items() if not re.search(r"--hash=sha256:[0-9a-f]{64}", rest)] == []
    assert "://" not in LOCKS[key].read_text(encoding="utf-8")


def test_the_lock_files_hold_what_is_declared():
    locked = {key: {name for name, _ in pinned(key)} for key in LOCKS}
    assert locked[""] >= RUNTIME
    assert locked["-dev"] >= RUNTIME | DEV
    assert locked["-build"] == names(PYPROJECT["dependency-groups"]["build"])
    assert set(PYPROJECT["build-system"]["requires"]) <= set(PYPROJECT["dependency-groups"]["build"])


def test_the_lock_files_are_complete():
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_tests_run_on_the_packages_of_the_product():
    assert pinned("").items() <= pinned("-dev").items()
    assert not names(["mypy", "playwright", "pytest", "zetasql"]) & {name for name, _ in pinned("")}


def test_the_emulator_s_lock_file_pins_what_its_requirements_list():
    text = (Path(SERVE).parent / "requirements.in").read_text(encoding="utf-8")
    listed = {tuple(line.split("==")) for line in text.splitlines() if "==" in line}
    assert {(name, version) for name, version in pinned("emulator")} == {
        (canonicalize_name(name), version) for name, version in listed
    }
