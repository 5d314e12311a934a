"""What the benchmarks share: alternating timings, peak memory, and a table of figures."""

import resource
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import psutil

RUNS = 5


@dataclass(frozen=True)
class Figure:
    """One number beside what is demanded of it.

    most, least  the demand, if any; detail: what it is made of
    """

    what: str
    value: float
    detail: str = ""
    most: float | None = None
    least: float | None = None

    def row(self) -> str:
        """A row of the table: what, value, demand, whether it holds, detail."""
        demand, held = "", ""
        if self.most is not None:
            demand, held = f"at most {self.most:g}", self.value <= self.most
        if self.least is not None:
            demand, held = f"at least {self.least:g}", self.value >= self.least
        cells = self.what, f"{self.value:.3g}", demand, {True: "yes", False: "NO"}.get(held, "")
        return f"| {' | '.join(cells)} | {self.detail} |"


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    print("| what | measured | demanded | held | from |", "|---|---|---|---|---|", sep="\n")
    print(*(figure.row() for figure in figures), sep="\n", flush=True)


@dataclass(frozen=True)
class Time:
    """Seconds on the clock, and of processor time in this process and its finished children.

    On a machine that others use as well, the second says what the first would be without them.
    """

    clock: float
    processor: float

    def __str__(self) -> str:
        return f"{self.clock:.2f} s ({self.processor:.2f} s of processor time)"


def now() -> Time:
    """Both, since some beginning."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Time(time.perf_counter(), sum(u.ru_utime + u.ru_stime for u in used))


def medians(functions: Mapping[str, Callable[[], object]], runs: int = RUNS) -> dict[str, Time]:
    """Median times of each function, the functions taking turns, after one run to warm up."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in functions}
    for turn in range(runs + 1):
        for name, function in functions.items():
            start = now()
            function()
            end = now()
            if turn:
                taken[name].append((end.clock - start.clock, end.processor - start.processor))
    return {name: Time(*map(float, np.median(both, axis=0))) for name, both in taken.items()}


def ratio(what: str, above: Time, below: Time, note: str = "", **demand: float) -> Figure:
    """The figure above / below by the clock; its detail has both times of both."""
    return Figure(what, above.clock / below.clock, f"{above} / {below}; {note}", **demand)


def memory_of(function: Callable[[], object], pause: float = 0.002) -> np.ndarray:
    """Resident MB of this process and its children, before ``function`` and every ``pause`` s."""
    done, samples = threading.Event(), [_resident()]

    def watch() -> None:
        while not done.wait(pause):
            samples.append(_resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    function()
    done.set()
    watcher.join()
    return np.array(samples)


def _resident() -> float:
    total = 0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6
