"""Where rollout.yaml, sql/, models/ and deploy/ are: in the clone, or in `_project` of an installed wheel."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
_SHIPPED = PACKAGE / "_project"
IS_CLONE = not _SHIPPED.is_dir()
PROJECT = PACKAGE.parent if IS_CLONE else _SHIPPED
