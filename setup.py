"""Ships what the package reads beside its modules in v4_assets/_project of a wheel. All else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PROJECT = Path(__file__).resolve().parent
READ_AT_RUN_TIME = ("rollout.yaml", "workspace.yaml", "sql", "models", "deploy")


class BuildWithProject(build_py):
    """build_py, then the project's files. An editable install reads them where they are."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "v4_assets" / "_project"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in READ_AT_RUN_TIME:
            source = PROJECT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target / name)


setup(cmdclass={"build_py": BuildWithProject})
