"""A server under a steady load for long: memory, handles, latency, changes and a crash meanwhile.

    python tests/faults/soak.py --minutes 60 --rate 10 --out benchmarks/records/soak.md

Searches by words, by pictures and by items, and thumbnails, arrive at a fixed rate whether or not
earlier ones are answered. A third of the way through, another process takes items out and puts them
back; two thirds through, the server is killed and started again. Memory and open handles are
read every tenth of the time. Ends with 1 when a request fails outside of the restart, when
something taken out is found, or when memory or handles grow between the first tenth and the crash.
"""

import argparse
import json
import logging
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from command_kills import ADD, CREATE, FIRST, REMOVE, N, prepare

CMIMH = Path(sys.executable).with_name("cmimh")
MAY_GROW = 1.05  # memory, as allocators settle; handles may not
PAUSE = 0.05  # seconds between two looks whether a server answers


@dataclass
class Load:
    """Requests at a fixed rate from a thread of its own, and how they ended."""

    address: str
    photos: Path
    rate: float
    took: list[float] = field(default_factory=list)
    failed: list[tuple[float, str]] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def ask(self, number: int) -> bytes:
        """One of four kinds of request, by its number."""
        if number % 4 == 0:
            words = json.dumps({"text": ("red", "green", "blue", "dark")[number // 4 % 4]})
            return self._send("/api/search", words.encode(), "application/json")
        if number % 4 == 1:
            data = (self.photos / f"{number % N}.png").read_bytes()
            return self._send("/api/search/image", data, "image/png")
        of = self.photos / f"{len(FIRST) + number % 4}.png"  # never taken out
        return self._send(f"/api/{'similar' if number % 4 == 2 else 'image'}?id={of}")

    def _send(self, path: str, body: bytes | None = None, kind: str = "") -> bytes:
        request = urllib.request.Request(self.address + path, body)
        if kind:
            request.add_header("Content-Type", kind)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def _one(self, number: int, due: float) -> None:
        try:
            self.ask(number)
            self.took.append(time.monotonic() - due)
        except (urllib.error.URLError, OSError) as error:
            detail = (
                error.read()[:200].decode() if isinstance(error, urllib.error.HTTPError) else ""
            )
            self.failed.append((time.monotonic(), f"{error} {detail}".strip()))

    def run(self) -> None:
        began = time.monotonic()
        with ThreadPoolExecutor(16) as pool:
            number = 0
            while not self.done.is_set():
                due = began + number / self.rate
                time.sleep(max(0.0, due - time.monotonic()))
                pool.submit(self._one, number, due)
                number += 1


def start(folder: Path, port: int) -> subprocess.Popen:
    """A server that answers."""
    server = subprocess.Popen([CMIMH, "serve", folder / "i", "--port", str(port)])
    while server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/indexes", timeout=5).close()
            return server
        except OSError:
            time.sleep(PAUSE)
    raise SystemExit(f"the server ended with {server.returncode}")


def used(server: subprocess.Popen) -> tuple[float, int]:
    """Resident megabytes and open handles of a process."""
    process = psutil.Process(server.pid)
    return process.memory_info().rss / 1e6, process.num_fds()


def cmimh(folder: Path, words: tuple[str, ...]) -> None:
    subprocess.run([CMIMH, *(w.format(folder) for w in words)], check=True, stderr=subprocess.PIPE)


def change(folder: Path, load: Load) -> list[str]:
    """Take items out and put them back; what is wrong meanwhile."""
    cmimh(folder, REMOVE)
    gone = {word.format(folder) for word in FIRST}
    hits = json.loads(load.ask(0))["results"]
    found = [hit["id"] for hit in hits if hit["id"] in gone]
    cmimh(folder, ADD)
    back = {hit["id"] for hit in json.loads(load.ask(0))["results"]} & gone
    wrong = [f"taken out and still found: {found}"] if found else []
    return wrong + ([] if back else ["put back and not found"])


def soak(folder: Path, minutes: float, rate: float, port: int) -> tuple[list[str], list[str]]:
    """Lines of the record, and what went wrong."""
    prepare(folder)
    cmimh(folder, CREATE)
    cmimh(folder, ADD)
    server = start(folder, port)
    load = Load(f"http://127.0.0.1:{port}", folder / "photos", rate)
    thread = threading.Thread(target=load.run)
    thread.start()
    lines = ["| minutes | requests | median ms | 99th ms | MB | handles | |", "|" + "---|" * 7]
    wrong: list[str] = []
    sizes: list[tuple[float, int]] = []
    crashed, answering = 0.0, 0.0
    began, step = time.monotonic(), minutes * 60 / 10
    try:
        for tenth in range(1, 11):
            time.sleep(max(0.0, began + tenth * step - time.monotonic()))
            event, measured = "", list(load.took)
            load.took.clear()
            size = used(server)
            if not crashed:
                sizes.append(size)
            if tenth == 3:
                wrong += change(folder, load)
                event = "items taken out and put back"
            if tenth == 7:
                crashed = time.monotonic()
                server.send_signal(signal.SIGKILL)
                server.wait()
                server = start(folder, port)
                answering = time.monotonic()
                event = f"killed; answers again after {answering - crashed:.1f} s"
            middle, late = 1000 * np.percentile(measured or [np.nan], [50, 99])
            lines.append(f"| {tenth * minutes / 10:g} | {len(measured):,} | {middle:.0f} | "
                         f"{late:.0f} | {size[0]:.0f} | {size[1]} | {event} |")  # fmt: skip
            logging.info(lines[-1])
    finally:
        load.done.set()
        thread.join()
        server.kill()
        server.wait()
    outside = [e for at, e in load.failed if not crashed <= at <= answering + 1]
    lines.append(f"\n{len(load.failed) - len(outside)} requests failed while the server was down, "
                 f"{len(outside)} at other times.")  # fmt: skip
    wrong += [f"{len(outside)} requests failed, the first: {outside[0]}"] if outside else []
    if sizes[-1][0] > MAY_GROW * sizes[0][0] or sizes[-1][1] > sizes[0][1] + 2:
        wrong.append(f"from {sizes[0]} MB and handles to {sizes[-1]}")
    return lines, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=10, help="requests a second")
    parser.add_argument("--port", type=int, default=8799)
    parser.add_argument("--out", type=Path, help="a Markdown file for the record")
    a = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    with tempfile.TemporaryDirectory() as folder:
        lines, wrong = soak(Path(folder), a.minutes, a.rate, a.port)
    head = [f"# A server for {a.minutes:.0f} minutes at {a.rate:g} requests a second", "",
            "Searches by words, pictures and items, and thumbnails, in turn, made by",
            "`tests/faults/soak.py`. Times count from when a request was due.", ""]  # fmt: skip
    text = "\n".join([*head, *lines, *(f"\nWrong: {w}." for w in wrong), ""])
    if a.out:
        a.out.write_text(text, encoding="utf-8")
    print(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
