"""The migration report: each version's hand-run rows and the org against ours of the same day. Changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout, Version
from v4_assets.errors import RowsMissingError, SettingsError
from v4_assets.features.unscorable import contract_of
from v4_assets.models.expected_file import TOLERANCE
from v4_assets.operations.migration import compared_rows, scores
from v4_assets.operations.migration import features as by_feature
from v4_assets.operations.migration.compared_rows import Ours, Place
from v4_assets.operations.migration.features import FeatureComparison
from v4_assets.operations.migration.org import OrgComparison, compare_org
from v4_assets.operations.migration.scores import ScoreDifference
from v4_assets.salesforce.client.org import CRM
from v4_assets.store import Store
from v4_assets.tables import PARTITION_COLUMN

SCORE_COLUMNS = (*scores.SCORE_NAMES, *scores.PERCENTILE_NAMES, *scores.FLAG_NAMES)


@dataclass(frozen=True)
class Section:
    """One version."""

    version: str
    day: date
    retrospective: bool
    """Whether our features of the day were made on a later one."""
    features_from: str
    features: FeatureComparison
    repeated: int
    """Leads of theirs with several rows, which are left out."""
    scores_from: str | None = None
    scores: ScoreDifference | None = None
    no_scores: str = ""
    """Why scores are not compared."""


@dataclass(frozen=True)
class Report:
    """All of it."""

    written_on: date
    sections: tuple[Section, ...]
    org: OrgComparison
    skipped: tuple[str, ...] = ()
    """A sentence for each version of which they have no rows."""


@dataclass(frozen=True)
class Source:
    """An object of theirs with the day that is compared."""

    place: Place
    on: date | None
    """The day of its rows that is read; None where they name no day."""
    day: date
    """The day of ours."""

    @property
    def name(self) -> str:
        """Dataset and name, and that the rows name no day."""
        return f"{self.place.name}{'' if self.on else ', whose rows name no day'}"


@dataclass(frozen=True)
class Migration:
    """What is compared. Names are tables or views of theirs; None finds them."""

    store: Store
    rollout: Rollout
    clock: Clock
    crm: CRM
    day: date | None = None
    features: str | None = None
    scores: str | None = None

    def report(self, versions: Sequence[str]) -> Report:
        """Compare the versions; one of which they have nothing is skipped.

        Raises RowsMissingError where they have rows, of which none can be compared, and SettingsError for a wrong name.
        """
        sections: list[Section] = []
        skipped: list[str] = []
        unmatched: list[RowsMissingError] = []
        with self.store.session():
            for name in (self.features, self.scores):
                if name:
                    compared_rows.named(self.store, name)
            for version in versions:
                try:
                    found = self._section(version)
                except RowsMissingError as error:
                    unmatched.append(error)
                    found = str(error)
                if isinstance(found, str):
                    skipped.append(found)
                else:
                    sections.append(found)
            org = self._org({one.version: one.day for one in sections}, versions)
        if unmatched and not sections and not org.sections:
            raise unmatched[0]
        return Report(self.clock.today(), tuple(sections), org, tuple(skipped))

    @property
    def ours(self) -> Ours:
        """Our rows."""
        return Ours(self.store, self.rollout)

    def _section(self, version: str) -> Section | str:
        """The comparison; a sentence where they have nothing of the version."""
        entry = self.rollout.versions[version]
        features = contract_of(self.store, version, tables.features_key(entry.key))
        names = [name for one in features for name in (one.name, one.trained_as)]
        if self.features:
            places = [compared_rows.named(self.store, self.features)]
        else:
            places = compared_rows.features_places(self.store, entry, names)
        if not places:
            return (
                f"No hand-run features of {version} stand, or are kept, as {entry.scores_table} or "
                f"{entry.features_view}: name their table with --features and --version."
            )
        source = self._source(entry, places)
        theirs = compared_rows.read(self.store, source.place, [compared_rows.ADVISOR, *names], version, source.on)
        compared = by_feature.compare(self.store, entry.key, features, source.day, theirs)
        scored = self._scores(version, entry, source)
        return Section(
            version=version,
            day=source.day,
            retrospective=self.ours.features_written(entry, [source.day])[source.day].retrospective,
            features_from=source.name,
            features=compared,
            repeated=theirs.repeated,
            scores_from=None if isinstance(scored, str) else scored[0],
            scores=None if isinstance(scored, str) else scored[1],
            no_scores=scored if isinstance(scored, str) else "",
        )

    def _source(self, entry: Version, places: Sequence[Place]) -> Source:
        """Where their features are, on the latest day that both sides have."""
        latest: list[tuple[date, str]] = []
        for place in places:
            days = compared_rows.days_of(self.store, place)
            if days is None:
                day = self.day or self.ours.latest_features(entry, self.clock.today())
                if day and self.ours.features_written(entry, [day]):
                    return Source(place, None, day)
                continue
            days = [one for one in days if self.day in (None, one)]
            if both := self.ours.features_written(entry, days):
                return Source(place, max(both), max(both))
            latest += [(one, place.name) for one in days[-1:]]
        raise RowsMissingError(self._missing(entry, places, latest))

    def _missing(self, entry: Version, places: Sequence[Place], latest: Sequence[tuple[date, str]]) -> str:
        """Why features are not compared, and what to do."""
        ours = self.ours.features_table(entry)
        if not latest:
            names, on = " and ".join(place.name for place in places), f" of {self.day}" if self.day else ""
            return f"There are no rows{on} to compare in {names} and {ours}: `v4 run --date` makes ours."
        day, name = max(latest)
        if pruned_on := self.ours.pruned_on(entry, day):
            return (
                f"{name} has rows of {day}, whose features here `v4 prune` removed on {pruned_on}, so they cannot be "
                "compared: bring rows of a later day."
            )
        return (
            f"{name} has rows of {day}, and {ours} has none of that day: `v4 backfill --from {day} --to {day}` "
            "makes them."
        )

    def _scores(self, version: str, entry: Version, source: Source) -> tuple[str, ScoreDifference] | str:
        """Their table and the comparison, or why there is none."""
        ours = self.ours.scored(version, source.day)
        if ours is None:
            return f"{version} has no scores of {source.day} here: register its model and run the day again"
        named = [compared_rows.named(self.store, self.scores)] if self.scores else None
        beside = compared_rows.scores_places(self.store, entry.key) if named is None else named
        dated = [Source(one, source.day if PARTITION_COLUMN in one.columns else None, source.day) for one in beside]
        for one in (source, *dated) if named is None else dated:
            rows = compared_rows.read(self.store, one.place, SCORE_COLUMNS, version, one.on)
            try:
                theirs = scores.served(rows.rows, rows.leads)
            except SettingsError as error:
                return f"{one.name}: {str(error).rstrip('.')}"
            if theirs is not None and len(rows.leads):
                return one.name, scores.compare(ours.served, theirs, ours.tie_break, TOLERANCE)
        return f"no hand-run scores of {version} were found: name their table with --scores"

    def _org(self, days: Mapping[str, date], versions: Sequence[str]) -> OrgComparison:
        """Of the days compared; of a version that is not, on its latest day with scores."""
        if self.crm.org is None:
            return OrgComparison(skipped="V4_SALESFORCE is dry-run")
        latest = {one: self.ours.latest_scored(one, self.day, self.clock.today()) for one in versions}
        return compare_org(
            self.ours, self.clock, self.crm.org, {one: day for one, day in latest.items() if day} | dict(days)
        )
