"""How long scripts of pages took, as the server itself says in its log: it notes every one from a millisecond on."""

import re
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from tests.support.server import poll_until

SETTINGS = {"STEPIQ_SLOW_PAGE_MS": "1", "STEPIQ_SLOW_QUERY_MS": "100"}
_SLOW = re.compile(r"page\.slow .*?duration_ms=(\d+) .*?page=(\S+) .*?processor_ms=(\d+) .*?queued_ms=(\d+)")
_FAILED = re.compile(r"page\.failed.*")
QUIET_SECONDS = 0.4
"""A page that draws itself again does so within this."""


@dataclass(frozen=True, slots=True)
class Script:
    """One run of a page's script, in milliseconds: by the clock, on a processor, and in the queue for one."""

    page: str
    clock: int
    processor: int
    queued: int

    @property
    def own(self) -> int:
        """By the clock, without the time in which the machine gave its processors to others."""
        return self.clock - self.queued


class ScriptTimes:
    """Reads the log of a server as it grows."""

    def __init__(self, log: Path) -> None:
        self._log, self._read = log, 0
        self.by_name: dict[str, list[Script]] = defaultdict(list)
        self.failures: list[str] = []

    def skip(self) -> None:
        """Leave out what there is so far."""
        self._read = self._log.stat().st_size

    def wait(self, page: str) -> list[Script]:
        """The scripts of a page that ran since the last look, once there is one and no other follows."""
        found: list[Script] = []

        def came() -> bool:
            found.extend(self._new())
            return any(each.page == page for each in found)

        poll_until(came, 60, f"the page {page} was not drawn")
        while True:
            time.sleep(QUIET_SECONDS)
            more = self._new()
            found += more
            if not more:
                return [each for each in found if each.page == page]

    def keep(self, name: str, scripts: list[Script]) -> None:
        """Count scripts under a name."""
        self.by_name[name] += scripts

    def _new(self) -> list[Script]:
        with self._log.open("rb") as log:
            log.seek(self._read)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        said = whole.decode(errors="replace")
        self.failures += _FAILED.findall(said)
        return [Script(page, *map(int, (clock, *rest))) for clock, page, *rest in _SLOW.findall(said)]

    def p95(self, of: str) -> float:
        """Over all scripts of all pages; `of`: clock, processor or own."""
        return percentile([getattr(each, of) for scripts in self.by_name.values() for each in scripts])

    @property
    def slowdown(self) -> float:
        """How much longer everybody takes because of queues: what the scripts' threads had of that themselves."""
        scripts = [each for some in self.by_name.values() for each in some]
        worked = sum(each.processor for each in scripts)
        return (worked + sum(each.queued for each in scripts)) / max(worked, 1)

    @property
    def p95_beside_a_server(self) -> float:
        """The 95th percentile where a database works in processes of its own: they stand in the same queues."""
        scripts = [each for some in self.by_name.values() for each in some]
        waited = [max(0, each.own - each.processor) / self.slowdown for each in scripts]
        return percentile([round(each.processor + wait) for each, wait in zip(scripts, waited, strict=True)])

    def table(self) -> str:
        """A line a page: how many scripts, median and 95th percentile of their own time, and the 95th of the others."""
        lines = ["| page | scripts | median ms | p95 ms | processor | clock |", "|---|---:|---:|---:|---:|---:|"]
        for name, scripts in self.by_name.items():
            own, middle = [each.own for each in scripts], median(each.own for each in scripts)
            others = (percentile([getattr(each, of) for each in scripts]) for of in ("processor", "clock"))
            numbers = (len(scripts), middle, percentile(own), *others)
            lines.append(f"| {name} | {' | '.join(f'{each:.0f}' for each in numbers)} |")
        return "\n".join(lines)


def percentile(values: list[int]) -> float:
    """The 95th."""
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else float(values[0])
