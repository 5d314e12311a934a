"""What a run of the workflow tells the person who watches: how far it is, and why it stopped.

A logging handler for snakemake's logger, which the Snakefile adds. It reads snakemake's events by
their names and knows nothing else of it.
"""

import logging
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

_STREAM = "DefaultStreamHandler"  # snakemake's name of its handler for the terminal
_TOLD_HERE = {"progress", "job_finished", "job_started"}
_TOLD_LAST = {"job_error", "group_error"}
_NAMED = 2  # running jobs that a line names
_FIRST = 10.0  # seconds before which an estimate would be a guess


def watch(logger: logging.Logger, quiet: Iterable[Any] = ()) -> None:
    """Let ``logger``, snakemake's, also tell progress and, last of all, why jobs failed.

    quiet  what `--quiet` was given
    """
    if any(isinstance(handler, Watch) for handler in logger.handlers):
        return
    silent = {str(q).rpartition(".")[2].lower() for q in quiet or ()}
    if "all" in silent:
        return
    for handler in logger.handlers:
        if handler.name == _STREAM:
            handler.addFilter(_told_elsewhere)
    logger.addHandler(Watch())


def _told_elsewhere(record: logging.LogRecord) -> bool:
    """False for what the watch says in fewer words; the log file of the run keeps it."""
    event = str(getattr(record, "event", None))
    if event in _TOLD_LAST:
        return reason(getattr(record, "log", None) or ()) is None
    return event not in _TOLD_HERE and record.msg != "Select jobs to execute..."


@dataclass
class _Job:
    rule: str
    name: str
    started: float


class Watch(logging.Handler):
    """One line for each job that ends; after the last word of snakemake, why jobs failed.

    stream  where lines go;  clock  seconds that never go back
    """

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(logging.INFO)
        self._stream, self._clock = stream, clock
        self._planned: dict[str, int] = {}
        self._jobs: dict[Any, _Job] = {}
        self._running: dict[Any, _Job] = {}
        self._took: dict[str, list[float]] = defaultdict(list)
        self._failed: dict[Any, tuple[str, Sequence[str]]] = {}
        self._began = clock()

    def emit(self, record: logging.LogRecord) -> None:
        """Take one event of snakemake; those of no interest are passed over."""
        act = getattr(self, f"_on_{getattr(record, 'event', None)}", None)
        if act is not None:
            act(record)

    def _on_run_info(self, record: Any) -> None:
        self._planned = {k: int(n) for k, n in record.stats.items() if k != "total"}
        self._began = self._clock()

    def _on_job_info(self, record: Any) -> None:
        words = [record.rule_name, "/".join(map(str, (record.wildcards or {}).values()))]
        job = _Job(record.rule_name, " ".join(filter(None, words)), self._clock())
        self._jobs[record.jobid] = self._running[record.jobid] = job

    def _on_job_finished(self, record: Any) -> None:
        self._failed.pop(record.job_id, None)  # it was repeated
        if job := self._running.pop(record.job_id, None):
            self._took[job.rule].append(self._clock() - job.started)

    def _on_progress(self, record: Any) -> None:
        done, total, running = record.done, record.total, list(self._running.values())
        if done >= total:
            self._say(f"All {total} jobs are done, in {_span(self._clock() - self._began)}.")
            return
        names = ", ".join(job.name for job in running[:_NAMED])
        names += ", ..." if len(running) > _NAMED else ""
        parts = [f"{done} of {total} jobs done", f"{total - done - len(running)} to come"]
        if running:
            parts.insert(1, f"{len(running)} running ({names})")
        left = self.seconds_left()
        self._say(", ".join(parts) + ("" if left is None else f"; about {_span(left)} left"))

    def _on_job_error(self, record: Any) -> None:
        self._running.pop(record.jobid, None)
        job = self._jobs.get(record.jobid)
        self._failed[record.jobid] = (job.name if job else record.rule_name, record.log or ())

    def _on_error(self, record: Any) -> None:
        """Snakemake's last word; what follows is ours."""
        for name, logs in self._failed.values():
            said, where = reason(logs), ", ".join(logs) or "no log"
            self._say(f"\n{name} failed ({where}):")
            self._say(said or f"error: no reason was given; the log ends with:\n{_end(logs)}")
        self._failed = {}

    def seconds_left(self) -> float | None:
        """What is left of the run, by the mean time of each rule's jobs; None when too early."""
        now, took = self._clock(), [t for times in self._took.values() for t in times]
        if not took or now - self._began < _FIRST:
            return None
        mean: dict[str, float] = defaultdict(lambda: sum(took) / len(took))
        mean |= {rule: sum(times) / len(times) for rule, times in self._took.items()}
        running = list(self._running.values())
        begun: dict[str, int] = defaultdict(
            int, {rule: len(times) for rule, times in self._took.items()}
        )
        for job in running:
            begun[job.rule] += 1
        work = sum(mean[rule] * max(0, n - begun[rule]) for rule, n in self._planned.items())
        work += sum(max(0.0, mean[job.rule] - (now - job.started)) for job in running)
        busy = sum(took) + sum(now - job.started for job in running)
        return work / max(1.0, busy / (now - self._began))

    def _say(self, line: str) -> None:
        print(line, file=self._stream or sys.stderr, flush=True)


def reason(logs: Iterable[str]) -> str | None:
    """The sentence with which a failed stage ended, from its log; None where there is none."""
    for path in logs:
        lines = [line for line in _lines(path) if line.startswith("error: ")]
        if lines:
            return lines[-1]
    return None


def _end(logs: Iterable[str], count: int = 5) -> str:
    """The last lines of the first log that has any."""
    found = (lines for lines in map(_lines, logs) if lines)
    return "\n".join(next(found, ["(empty)"])[-count:])


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{round(seconds)} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
