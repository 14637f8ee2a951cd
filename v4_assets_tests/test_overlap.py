"""Days are written and checked in their order; only a range in a warehouse of two connections uses a second thread."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from v4_assets.clock import Clock
from v4_assets.days_in_parallel import Done, Judge, worked
from v4_assets.partitions import Day
from v4_assets.store import Store
from v4_assets.warehouse.writes import PartitionWrite

PATIENCE = 30
NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)


class OneConnection:
    """A warehouse that counts what is open."""

    def __init__(self) -> None:
        self.open = 0

    @contextmanager
    def session(self) -> Iterator[None]:
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    def metered(self) -> AbstractContextManager[dict[str, int]]:
        return nullcontext({"jobs": 1})

    def beside(self) -> AbstractContextManager[Any]:
        return nullcontext(None)


class TwoConnections(OneConnection):
    def __init__(self) -> None:
        super().__init__()
        self.second = OneConnection()

    @contextmanager
    def beside(self) -> Iterator[Any]:
        with self.session():
            yield self.second


def store_of(warehouse: Any) -> Store:
    nothing: Any = None
    return Store(warehouse, nothing, nothing)


def days(count: int) -> list[Day]:
    return [Day(date(2026, 1, 1) + timedelta(days=number), Clock(NOW)) for number in range(count)]


class Partitions:
    """Writes and checks days, and notes what was done, by which thread and in which warehouse."""

    def __init__(self) -> None:
        self.written: list[date] = []
        self.checked: list[date] = []
        self.threads: set[threading.Thread] = set()
        self.warehouses: set[int] = set()

    def work(self, store: Store, day: Day) -> tuple[PartitionWrite, Judge]:
        self.written.append(day.date)
        return PartitionWrite("t", day.date, NOW, True, "", None), lambda store: self.judge(store, day)

    def judge(self, store: Store, day: Day) -> Any:
        assert set(self.written) >= set(days_until(day.date))
        assert self.checked == days_until(day.date)[:-1]
        self.checked.append(day.date)
        self.threads.add(threading.current_thread())
        self.warehouses.add(id(store.warehouse))
        return [f"checked {day.date}"]


def days_until(day: date) -> list[date]:
    return [one.date for one in days(day.day)]


def observed(store: Store, day: Day) -> list[dg.AssetObservation]:
    return [dg.AssetObservation("source", metadata={"day": str(day.date)})]


def all_of(warehouse: OneConnection, count: int, made: Partitions) -> list[Done]:
    return list(worked(store_of(warehouse), days(count), made.work, observed))


@pytest.mark.parametrize("warehouse", [OneConnection(), TwoConnections()], ids=["one", "two"])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_day_comes_once_in_its_order_with_its_own_findings_and_observations(warehouse, count):
    made = Partitions()
    done = all_of(warehouse, count, made)
    assert [one.day.date for one in done] == made.written == made.checked == days_until(date(2026, 1, count))
    assert [one.write.prediction_date for one in done] == made.written
    assert [[str(found) for found in one.findings] for one in done] == [[f"checked {day}"] for day in made.written]
    assert [one.observations[0].metadata["day"].value for one in done] == [str(day) for day in made.written]
    assert all(one.seconds > 0 for one in done)
    assert warehouse.open == 0


def test_a_range_is_checked_by_one_other_thread_through_the_second_connection():
    made, warehouse = Partitions(), TwoConnections()
    all_of(warehouse, 7, made)
    [thread] = made.threads
    assert thread is not threading.main_thread()
    assert made.warehouses == {id(warehouse.second)}


@pytest.mark.parametrize(("warehouse", "count"), [(OneConnection(), 7), (TwoConnections(), 1)])
def test_a_single_day_and_a_warehouse_of_one_connection_use_no_other_thread(warehouse, count):
    made = Partitions()
    all_of(warehouse, count, made)
    assert made.threads == {threading.main_thread()}
    assert made.warehouses == {id(warehouse)}


def test_a_day_is_written_while_the_one_before_is_checked():
    following = threading.Event()

    class Waiting(Partitions):
        def work(self, store: Store, day: Day) -> tuple[PartitionWrite, Judge]:
            if day.date.day == 2:
                following.set()
            return super().work(store, day)

        def judge(self, store: Store, day: Day) -> Any:
            assert following.wait(PATIENCE)
            return super().judge(store, day)

    assert len(all_of(TwoConnections(), 2, Waiting())) == 2


def test_the_cost_of_a_day_is_counted_where_it_is_worked_on_in_turn():
    assert [dict(one.cost) for one in all_of(OneConnection(), 2, Partitions())] == [{"jobs": 1}] * 2
    assert [dict(one.cost) for one in all_of(TwoConnections(), 2, Partitions())] == [{}, {}]


@pytest.mark.parametrize("fails", ["work", "judge"])
@pytest.mark.parametrize("warehouse", [OneConnection(), TwoConnections()], ids=["one", "two"])
def test_what_a_write_or_a_check_raises_ends_the_range_and_closes_everything(warehouse, fails):
    made, real = Partitions(), getattr(Partitions, fails)

    def failing(store: Store, day: Day) -> Any:
        if day.date.day == 3:
            raise ValueError("the third day")
        return real(made, store, day)

    setattr(made, fails, failing)
    with pytest.raises(ValueError, match="the third day"):
        all_of(warehouse, 7, made)
    assert len(made.written) <= 4
    assert made.checked == days_until(date(2026, 1, 2))
    assert warehouse.open == 0
