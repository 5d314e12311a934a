"""The evaluation of codes beside what else one would use: ratios, growth and memory.

    python -m benchmarks.evaluation [--quick] [--threads 2]

Every ratio is one of medians over alternating runs in this process. Codes and labels are random,
which is the hardest case for a search that prunes and neutral for one that counts.
"""

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np

from pipeline.evaluation import evaluate
from pipeline.evaluation.compiled import compiled
from pipeline.evaluation.hamming import _popcount, pack

Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
RUNS = 5


def draw(queries: int, items: int, bits: int = 32, classes: int = 10) -> Data:
    """Random codes and labels: query codes, database codes, query labels, database labels."""
    rng = np.random.default_rng(0)

    def bools(n: int, width: int, share: int) -> np.ndarray:
        return rng.integers(0, 100, (n, width), np.uint8) < share

    return (
        bools(queries, bits, 50),
        bools(items, bits, 50),
        *(bools(n, classes, 20) for n in (queries, items)),
    )


def full(data: Data, threads: int) -> None:
    """Expected and stable mAP@1000, mAP of all, P@K, PR, R@K."""
    evaluate(*data, k=(1000, "all"), stable_k=(1000,), threads=threads)


def faiss_ap(data: Data, threads: int) -> None:
    """Top 1000 by faiss, then AP@1000 vectorised: one number of the many."""
    query, codes, query_labels, labels = data
    faiss.omp_set_num_threads(threads)
    index = faiss.IndexBinaryFlat(codes.shape[1])
    index.add(np.packbits(codes, axis=1))
    nearest = index.search(np.packbits(query, axis=1), min(1000, len(codes)))[1]
    masks = [one @ (1 << np.arange(one.shape[1])) for one in (query_labels, labels)]
    relevant = (masks[0][:, None] & masks[1][nearest]) != 0
    found = relevant.cumsum(axis=1)
    precision = np.where(relevant, found / np.arange(1, relevant.shape[1] + 1), 0)
    (precision.sum(axis=1) / np.maximum(found[:, -1], 1)).mean()


@compiled
def _bare(query, codes, histograms):
    for q in range(query.shape[0]):
        row = histograms[q]
        for j in range(codes.shape[0]):
            row[_popcount(query[q] ^ codes[j])] += 1


def bare(data: Data, threads: int) -> None:
    """XOR, popcount and histogram of every pair, nothing else (at most 64 bits)."""
    query, database = pack(data[0], data[2]).codes[0], pack(data[1], data[3]).codes[0]
    out = np.zeros((len(query), data[0].shape[1] + 1), np.int64)
    parts = [slice(i, i + 50) for i in range(0, len(query), 50)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda rows: _bare(query[rows], database, out[rows]), parts))


def medians(functions: dict[str, Callable[[], None]], runs: int = RUNS) -> dict[str, float]:
    """Median seconds of each function, the functions taking turns, after one run to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(runs + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def ratios(queries: int, items: int, threads: int) -> list[str]:
    """The table against faiss and the bare loop."""
    data = draw(queries, items)
    competitors = {"full evaluation": full, "faiss top-1000 + AP@1000": faiss_ap, "bare loop": bare}
    seconds = medians({name: lambda f=f: f(data, threads) for name, f in competitors.items()})
    ours = seconds["full evaluation"]
    rows = [f"| {name} | {s:.3f} | {s / ours:.2f} |" for name, s in seconds.items()]
    title = f"{queries} x {items}, 32 bits, 10 labels, {threads} threads"
    return [f"| {title} | seconds | / full |", "|---|---|---|", *rows]


def growth(name: str, sizes: list[int], make: Callable[[int], Data], threads: int) -> list[str]:
    """Seconds for growing sizes and the slope of log(seconds) over log(size): 1 is linear."""
    data = {size: make(size) for size in sizes}
    seconds = medians({str(s): lambda d=d: full(d, threads) for s, d in data.items()}, 3)
    times = list(seconds.values())
    slope = np.polyfit(np.log(sizes), np.log(times), 1)[0]
    cells = " | ".join(f"{s:,}: {t:.3f} s" for s, t in zip(sizes, times, strict=True))
    return [f"| {name} | {cells} | slope {slope:.2f} |"]


def peak(queries: int, items: int, threads: int) -> list[str]:
    """Peak memory above the inputs and the compiled kernels, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.evaluation", "--memory", str(queries), str(items)]
    done = subprocess.run(
        [*command, "--threads", str(threads)], check=True, capture_output=True, text=True
    )
    return [f"| peak memory, {queries} x {items:,} | {done.stdout.strip()} MB above the inputs |"]


def _peak_here(queries: int, items: int, threads: int) -> float:
    full(draw(3, 3), threads)  # compiled, imported
    data = draw(queries, items)
    before, peak, done = _resident(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            peak[0] = max(peak[0], _resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    full(data, threads)
    done.set()
    watcher.join()
    return peak[0] - before


def _resident() -> float:
    """Resident memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes")
    parser.add_argument("--threads", type=int, default=min(2, len(os.sched_getaffinity(0))))
    parser.add_argument("--memory", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    threads, part = arguments.threads, 10 if arguments.quick else 1
    if arguments.memory:
        print(f"{_peak_here(*arguments.memory, threads):.0f}")
        return
    by_items = growth(
        "database (32 queries)",
        [n // part for n in (10**5, 10**6, 10**7)],
        lambda n: draw(32, n),
        threads,
    )
    by_queries = growth(
        "queries (database 50,000)",
        [n // part for n in (500, 2000, 8000)],
        lambda n: draw(n, 50_000),
        threads,
    )
    by_bits = growth(
        "bits (200 queries, database 50,000)",
        [64, 256, 1024],
        lambda bits: draw(200 // part, 50_000, bits),
        threads,
    )
    tables = [
        *ratios(2000 // part, 184_577, threads),
        "",
        *by_items,
        *by_queries,
        *by_bits,
        "",
        *peak(2000, 184_577 // part, threads),
        *peak(100, 10**7 // part, threads),
    ]
    print("\n".join(tables))


if __name__ == "__main__":
    main()
