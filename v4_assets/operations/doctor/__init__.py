"""`v4 doctor`: is everything there that a morning needs? Every question is asked by itself, and nothing is changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from v4_assets.errors import V4Error


class Verdict(StrEnum):
    """As it is printed; the worst stands out."""

    OK = "ok"
    WARN = "warn"
    """The morning will come, but somebody should look."""
    FAIL = "FAIL"


@dataclass(frozen=True)
class Answer:
    """What one probe found, and what to do about it."""

    verdict: Verdict
    found: str
    do: str = ""


@dataclass(frozen=True)
class Told:
    """An answer under its probe's name."""

    probe: str
    verdict: Verdict
    found: str
    do: str


Probe = Callable[[], Answer]


def examine(probes: Mapping[str, Probe]) -> list[Told]:
    """Ask every probe. An error is its answer, and keeps no other from being asked."""
    return [Told(name, answer.verdict, answer.found, answer.do) for name, answer in _answers(probes)]


def _answers(probes: Mapping[str, Probe]) -> list[tuple[str, Answer]]:
    found = []
    for name, probe in probes.items():
        try:
            answer = probe()
        except V4Error as error:
            answer = Answer(Verdict.FAIL, str(error))  # it says what to do
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            answer = Answer(Verdict.FAIL, text, "No error this project foresees: look at what the message names.")
        found.append((name, answer))
    return found


def as_text(told: list[Told]) -> str:
    """A line for each answer, with what to do below it; the count of each verdict last."""
    width = max(len(one.probe) for one in told)
    lines = []
    for one in told:
        lines.append(f"{one.verdict:<4}  {one.probe:<{width}}  {one.found}")
        lines += [f"{'':<6}{'':<{width}}  → {one.do}"] if one.do else []
    counts = ", ".join(f"{sum(one.verdict is kind for one in told)} {kind}" for kind in Verdict)
    return "\n".join([*lines, counts])


def failed(told: list[Told]) -> bool:
    """Whether any answer is a FAIL."""
    return any(one.verdict is Verdict.FAIL for one in told)
