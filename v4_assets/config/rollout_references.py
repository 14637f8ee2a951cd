"""Places that are searched for readers of a version's own names: `references` of rollout.yaml, validated."""

from pathlib import Path

from pydantic import ValidationInfo, field_validator

from v4_assets.config.rollout_policy import Frozen

FOLDER = "folder"
"""In the context of a validation: the folder that relative paths are relative to."""


class ReferencePlaces(Frozen):
    """Places besides the project's own three datasets."""

    datasets: tuple[str, ...] = ()
    """Datasets with views and routines; on BigQuery each may be written `project.dataset`."""
    paths: tuple[Path, ...] = ()
    """Files and folders of text. In rollout.yaml relative to its folder."""
    scheduled_queries: Path | None = None
    """File with the JSON that `bq ls --transfer_config --format=prettyjson` prints."""

    @field_validator("paths", "scheduled_queries")
    @classmethod
    def _beside_the_file(
        cls, value: tuple[Path, ...] | Path | None, info: ValidationInfo
    ) -> tuple[Path, ...] | Path | None:
        folder = (info.context or {}).get(FOLDER, Path())
        if isinstance(value, tuple):
            return tuple(folder / path.expanduser() for path in value)
        return folder / value.expanduser() if value else None
