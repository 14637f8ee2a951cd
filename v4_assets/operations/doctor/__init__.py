"""`v4 doctor`: probes of everything the daily run depends on. Each probe runs by itself and changes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from v4_assets.errors import V4Error


class Verdict(StrEnum):
    """As it is printed; the worst stands out."""

    OK = "ok"
    WARN = "warn"
    """The daily run will succeed, but an operator should check this."""
    FAIL = "FAIL"


@dataclass(frozen=True)
class ProbeResult:
    """What a probe found, and what to do about it."""

    verdict: Verdict
    found: str
    do: str = ""
    probe: str = ""
    """The probe's name, which `examine` sets."""


Probe = Callable[[], ProbeResult]


def examine(probes: Mapping[str, Probe]) -> list[ProbeResult]:
    """Run every probe. An error is its result and stops no other probe."""
    return [replace(_result(probe), probe=name) for name, probe in probes.items()]


def _result(probe: Probe) -> ProbeResult:
    try:
        return probe()
    except V4Error as error:
        return ProbeResult(Verdict.FAIL, str(error))  # its text names the remedy
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        return ProbeResult(Verdict.FAIL, text, "An unexpected error: check what the message names.")


def as_text(results: list[ProbeResult]) -> str:
    """A line for each result, with what to do below it; the count of each verdict last."""
    width = max(len(one.probe) for one in results)
    lines = []
    for one in results:
        lines.append(f"{one.verdict:<4}  {one.probe:<{width}}  {one.found}")
        lines += [f"{'':<6}{'':<{width}}  → {one.do}"] if one.do else []
    counts = ", ".join(f"{sum(one.verdict is kind for one in results)} {kind}" for kind in Verdict)
    return "\n".join([*lines, counts])


def failed(results: list[ProbeResult]) -> bool:
    """Whether any result is a FAIL."""
    return any(one.verdict is Verdict.FAIL for one in results)
