"""Who still reads a version's own view or table by name, instead of following what is live."""

import re

from v4_assets.resources.warehouse import Warehouse
from v4_assets.rollout_file import Rollout


def readers(warehouse: Warehouse, rollout: Rollout, version: str) -> tuple[str, ...]:
    """Other people's views in our datasets that name the version's features view or scores table, sorted."""
    entry = rollout.versions[version]
    names = re.compile(rf"\b(?:{re.escape(entry.features_view)}|{re.escape(entry.scores_table)})\b")
    ours = {(view.dataset, view.name) for view in rollout.catalogue.views}
    datasets = sorted(set(rollout.datasets.model_dump().values()))
    return tuple(
        f"{dataset}.{name}"
        for dataset in datasets
        for name, text in sorted(warehouse.view_texts(dataset).items())
        if (dataset, name) not in ours and names.search(text)
    )
