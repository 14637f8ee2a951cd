"""Who still reads a version by name (its view, its tables, its model) instead of following what is live.

The one answer to the guide's "update references", asked by `v4 references`, at a switch, and before a sunset. What
cannot be checked is an error: an unknown reader is not a missing one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from v4_assets import tables
from v4_assets.config.rollout import Rollout
from v4_assets.config.rollout_systems import ReferencePlaces
from v4_assets.errors import V4Error
from v4_assets.production.events import Event
from v4_assets.production.reference_search import (
    Bound,
    may_mention,
    mentions,
    runs,
    scheduled_queries,
    text_file,
    text_files,
    without_comments,
)
from v4_assets.store import Store

TOLD = 10
"""Number of readers named in a sentence."""


@dataclass(frozen=True)
class Reader:
    """One place that mentions something bound to a version."""

    kind: Literal["view", "routine", "scheduled query", "file"]
    where: str
    """Dataset and name; name of the scheduled query; file and line."""
    names: tuple[str, ...]
    """What it mentions."""
    runs: bool = True
    """False for prose, which keeps no version from being retired."""

    def __str__(self) -> str:
        return self.where if self.kind in ("view", "file") else f"{self.kind} {self.where}"


def bound_to(rollout: Rollout, version: str) -> Bound:
    """The names bound to a version. Raises V4Error when there is no such version."""
    if version not in rollout.versions:
        raise V4Error(f"There is no version {version} in rollout.yaml; it has {', '.join(rollout.versions)}.")
    entry, catalogue = rollout.versions[version], rollout.catalogue
    keys = [name(entry.key) for name in (tables.scores_key, tables.features_key, tables.profile_key)]
    names = (entry.features_view, *(catalogue[key].name for key in keys))
    more = rollout.references.objects.get(version, ())
    fields = tuple(dict.fromkeys(filter(None, ("model_version", rollout.salesforce.fields.model_version))))
    return Bound(version, rollout.datasets.features.rpartition(".")[2], (*names, *more), fields)


def looked_at(rollout: Rollout, also: ReferencePlaces) -> list[str]:
    """Every place that is checked, as text."""
    queries = [str(path) for path in _scheduled(rollout, also)]
    return [
        *_datasets(rollout, also),
        *(f"the scheduled queries in {path}" for path in queries),
        *map(str, _paths(rollout, also)),
    ]


def readers(store: Store, rollout: Rollout, version: str, also: ReferencePlaces | None = None) -> tuple[Reader, ...]:
    """Everybody who mentions what is bound to a version, in all places of rollout.yaml and those of `also`.

    Not counted: this project's own views and files, what `exclude` passes over, and comments of SQL, which run nothing.
    In other languages a comment counts: only its author knows that it is one. Prose (Markdown, the text cells of a
    notebook) is marked as such. Raises V4Error for a place that cannot be checked.
    """
    bound, also = bound_to(rollout, version), also or ReferencePlaces()
    found: list[Reader] = []
    with store.session():
        # Before the views: it distinguishes a missing dataset from one without any.
        for dataset, routines in store.warehouse.routine_texts(_datasets(rollout, also)).items():
            found += _in_dataset(store, dataset, routines, bound)
    for path in _scheduled(rollout, also):
        found += _mentioning("scheduled query", scheduled_queries(text_file(path), str(path)), bound)
    exclude = (*rollout.references.exclude, *also.exclude)
    for place in _paths(rollout, also):
        for path, text in text_files(place, exclude):
            found += _in_file(path, text, bound)
    return tuple(dict.fromkeys(found))


def running(found: Iterable[Reader]) -> tuple[Reader, ...]:
    """The readers without prose: those that keep a version from being retired."""
    return tuple(one for one in found if one.runs)


def of_baseline(store: Store, rollout: Rollout) -> tuple[tuple[str, ...] | None, str | None]:
    """Who still reads the baseline by name, or why that cannot be checked: it must not block a rollback."""
    try:
        return named(running(readers(store, rollout, rollout.baseline))), None
    except V4Error as error:
        return None, str(error)


def by_file(found: Iterable[Reader]) -> list[str]:
    """One line per view, routine, query or file, with the lines of a file; what runs first, prose last."""
    groups: dict[tuple[bool, str, str], list[Reader]] = {}
    for one in found:
        where = one.where.rpartition(":")[0] if one.kind == "file" else one.where
        groups.setdefault((not one.runs, one.kind, where), []).append(one)
    lines = []
    for (prose, kind, where), group in sorted(groups.items(), key=lambda pair: pair[0][0]):
        names = ", ".join(sorted({name for one in group for name in one.names}))
        numbers = ", ".join(one.where.rpartition(":")[2] for one in group[:TOLD])
        more = f" and {len(group) - TOLD} more" if len(group) > TOLD else ""
        at = f"  line {numbers}{more}" if kind == "file" else ""
        lines.append(f"{'prose' if prose else kind:<15}  {where}{at}  {names}")
    return lines


def left_behind(store: Store, rollout: Rollout, action: Event) -> str:
    """Text: who still references the replaced version. A place that cannot be checked is reported, not raised.

    By now the switch is made, and must not fail for it.
    """
    version = action.previous or action.version
    try:
        return as_sentence(version, readers(store, rollout, version))
    except V4Error as error:
        return f"Who still reads {version} by name is not known: {error}"


def as_sentence(version: str, found: tuple[Reader, ...]) -> str:
    """One sentence on the readers of a version."""
    prose = len(found) - len(running(found))
    beside = f" It is also named in {prose} lines of prose (`v4 references`)." if prose else ""
    if not running(found):
        return f"Nothing that was checked reads {version} by name.{beside}"
    return f"Still reading {version} by name: {', '.join(named(running(found)))}.{beside}"


def named(found: tuple[Reader, ...]) -> tuple[str, ...]:
    """The first readers by name, and how many there are more."""
    rest = len(found) - TOLD
    return (*map(str, found[:TOLD]), *([f"{rest} more (`v4 references`)"] if rest > 0 else []))


def _datasets(rollout: Rollout, also: ReferencePlaces) -> list[str]:
    own = rollout.datasets.model_dump().values()
    return sorted({*own, *rollout.references.datasets, *also.datasets})


def _scheduled(rollout: Rollout, also: ReferencePlaces) -> list[Path]:
    return list(filter(None, dict.fromkeys((rollout.references.scheduled_queries, also.scheduled_queries))))


def _paths(rollout: Rollout, also: ReferencePlaces) -> list[Path]:
    return list(dict.fromkeys((*rollout.references.paths, *also.paths)))


def _in_dataset(store: Store, dataset: str, routines: Mapping[str, str], bound: Bound) -> Iterator[Reader]:
    ours = {view.name for view in store.catalogue.views if view.dataset == dataset}
    views = {name: text for name, text in store.warehouse.view_texts(dataset).items() if name not in ours}
    yield from _mentioning("view", {f"{dataset}.{name}": text for name, text in views.items()}, bound)
    yield from _mentioning("routine", {f"{dataset}.{name}": text for name, text in routines.items()}, bound)


def _in_file(path: Path, text: str, bound: Bound) -> Iterator[Reader]:
    if not may_mention(text, bound):
        return
    found = mentions(without_comments(text) if path.suffix.lower() == ".sql" else text, bound)
    if not found:
        return
    code = runs(path, text)
    # A notebook's lines are those of its file, so what runs is told by the names in its cells of code.
    run = {name for one in mentions(code or "", bound) for name in one.names}
    for one in found:
        yield Reader("file", f"{path}:{one.line}", one.names, runs=not run.isdisjoint(one.names))


def _mentioning(
    kind: Literal["view", "routine", "scheduled query"], texts: Mapping[str, str], bound: Bound
) -> Iterator[Reader]:
    for where, text in sorted(texts.items()):
        names = {name for one in mentions(without_comments(text), bound) for name in one.names}
        if names:
            yield Reader(kind, where, tuple(sorted(names)))
