"""A wheel brings all that a rollout reads: installed without the clone, it runs the demo's first day anywhere."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from v4_assets.operations.ci import SAMPLE, SAMPLE_DAY, SAMPLE_NOW
from v4_assets.project_files import PROJECT

pytestmark = pytest.mark.extended

BUILT_FROM = (
    "v4_assets",
    "salesforce_stand_in",
    "sql",
    "models",
    "deploy",
    "rollout.yaml",
    "workspace.yaml",
    "pyproject.toml",
    "setup.py",
)
ALSO = ("MANIFEST.in", "README.md", "LICENSE")
READ = ("rollout.yaml", "workspace.yaml", "sql", "models", "deploy")
WORLD = ("--scale", SAMPLE.scale, "--leads-per-week", SAMPLE.leads_per_week, "--seed", SAMPLE.seed)


def done(command: list[object], folder: Path, **environment: str) -> str:
    """What a command prints on both channels. Fails with it when the command does."""
    ran = subprocess.run(
        [str(one) for one in command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"{command} ended with {ran.returncode}:\n{ran.stdout[-4000:]}"
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, for a build leaves folders beside the sources. Uses what the environment was set up with."""
    folder = tmp_path_factory.mktemp("build")
    for name in (*BUILT_FROM, *ALSO):
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    done([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", "."], folder)
    [built] = (folder / "dist").glob("*.whl")
    return built


@dataclass(frozen=True)
class Installed:
    """An environment whose only v4_assets is the wheel's, and a folder that has nothing to do with the project."""

    environment: Path
    folder: Path

    @property
    def home(self) -> Path:
        """The default V4_HOME: of the user, who has no clone."""
        return self.folder / ".v4"

    def python(self, code: str) -> str:
        return done([self.environment / "bin" / "python", "-c", code], self.folder).strip()

    def v4(self, *words: object, **environment: str) -> str:
        return done([self.environment / "bin" / "v4", *words], self.folder, V4_NOW=SAMPLE_NOW, **environment)


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Installed:
    """The wheel, not editable; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("installed")
    environment, elsewhere = folder / "venv", folder / "elsewhere"
    elsewhere.mkdir()
    done([sys.executable, "-m", "venv", "--without-pip", environment], folder)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "--quiet", "--disable-pip-version-check"]
    done([*pip, "install", "--no-deps", "--no-index", wheel], folder)
    # A path of a .pth file is searched last, and the .pth files in it, the clone's own among them, are not read.
    site = Path(done([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip())
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "dependencies.pth").write_text("\n".join(sorted(paths)) + "\n", encoding="utf-8")
    return Installed(environment, elsewhere)


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, or the file itself, with its content."""
    found = [folder] if folder.is_file() else [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder.parent).as_posix(): path.read_bytes() for path in found}


def test_a_wheel_holds_the_package_and_what_it_reads_as_they_are(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    wanted = {
        name: content
        for name, content in (files(PROJECT / "v4_assets") | files(PROJECT / "salesforce_stand_in")).items()
        if "__pycache__" not in name and name.endswith((".py", "page.html"))
    }
    for one in READ:
        wanted |= {f"v4_assets/_project/{name}": content for name, content in files(PROJECT / one).items()}
    assert sorted(held) == sorted(wanted)
    assert held == wanted


def test_the_installed_package_is_not_the_clone_s(installed):
    where = "import v4_assets.project_files as p; print(p.PACKAGE, p.PROJECT)"
    package, project = map(Path, installed.python(where).split())
    assert package.is_relative_to(installed.environment)
    assert project == package / "_project"


def test_the_first_day_runs_from_an_unrelated_folder_in_the_home_of_the_user(installed):
    sample = installed.v4("sample", *WORLD, "--through", SAMPLE.through)
    assert f"Sample world through {SAMPLE.through} in {installed.home}/warehouse.duckdb" in sample
    assert "v4.0.0 is live." in installed.v4("init")
    assert str(SAMPLE_DAY) in installed.v4("run", "--date", SAMPLE_DAY)
    assert "v4.0.0" in installed.v4("history")
    others = (".cache", ".config")  # Matplotlib's
    assert [path.name for path in installed.folder.iterdir() if path.name not in others] == [".v4"]


def test_the_dagster_workspace_of_the_wheel_loads(installed):
    package = Path(installed.python("import v4_assets.project_files as p; print(p.PROJECT)"))
    command = [installed.environment / "bin" / "python", "-m", "dagster", "definitions", "validate"]
    done([*command, "-w", package / "workspace.yaml", "--log-level", "error"], installed.folder)


def test_other_rules_and_models_than_the_wheel_s_are_named_by_the_environment(installed, tmp_path):
    models = shutil.copytree(PROJECT / "models", tmp_path / "models")
    rollout = tmp_path / "rollout.yaml"
    text = (PROJECT / "rollout.yaml").read_text(encoding="utf-8")
    rollout.write_text(text.replace("code_url: null", "code_url: https://example.org"), encoding="utf-8")
    asked = "from v4_assets.config.environment import load; s = load(); print(s.models, s.rollout.code_url)"
    python = installed.environment / "bin" / "python"
    found = done([python, "-c", asked], installed.folder, V4_ROLLOUT=str(rollout), V4_MODELS=str(models))
    assert found.split() == [str(models), "https://example.org"]
