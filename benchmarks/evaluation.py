"""The evaluation of codes beside what else one would use: ratios, growth and memory.

    python -m benchmarks.evaluation [--threads 2]

Every ratio is one of medians over alternating runs in this process. Codes and labels are random,
which is the hardest case for a search that prunes and neutral for one that counts.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np

from benchmarks.measure import Figure, medians, memory_of, ratio, show
from pipeline.evaluation import evaluate
from pipeline.evaluation.compiled import compiled
from pipeline.evaluation.hamming import pack, popcount

Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


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
            row[popcount(query[q] ^ codes[j])] += 1


def bare(data: Data, threads: int) -> None:
    """XOR, popcount and histogram of every pair, nothing else (at most 32 bits)."""
    query, database = pack(data[0], data[2]).codes[0], pack(data[1], data[3]).codes[0]
    out = np.zeros((len(query), data[0].shape[1] + 1), np.int64)
    parts = [slice(i, i + 50) for i in range(0, len(query), 50)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda rows: _bare(query[rows], database, out[rows]), parts))


def beside_others(threads: int) -> list[Figure]:
    """The ratios to faiss and to the bare loop, at the size of NUS-WIDE."""
    data = draw(2000, 184_577)
    competitors = {"full": full, "faiss": faiss_ap, "bare": bare}
    seconds = medians({name: lambda f=f: f(data, threads) for name, f in competitors.items()})
    ours, theirs, alone = seconds.values()
    size = f"2,000 x 184,577, 32 bits, 10 labels, {threads} threads"
    return [
        ratio("faiss top-1000 and AP@1000 / full evaluation", theirs, ours, size, least=3),
        ratio("full evaluation / XOR, popcount and histogram alone", ours, alone, most=3),
    ]


def growth(name: str, sizes: list[int], make: Callable[[int], Data], threads: int) -> Figure:
    """The slope of log(seconds) over log(size): 1 is linear."""
    data = {size: make(size) for size in sizes}
    seconds = medians({str(s): lambda d=d: full(d, threads) for s, d in data.items()})
    times = np.array([[t.clock, t.processor] for t in seconds.values()])
    slope, of_processor = np.polyfit(np.log(sizes), np.log(times), 1)[0]
    detail = ", ".join(f"{s:,}: {t:.3f} s" for s, t in zip(sizes, times[:, 0], strict=True))
    detail += f"; {of_processor:.2f} by processor time"
    return Figure(f"growth of the time with {name}", float(slope), detail, most=1.1)


def peak(queries: int, items: int, threads: int, most: float | None = None) -> Figure:
    """Peak memory above the inputs and the compiled kernels, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.evaluation", "--memory", str(queries), str(items)]
    done = subprocess.run(
        [*command, "--threads", str(threads)], check=True, capture_output=True, text=True
    )
    what = f"MB above the inputs, {queries:,} x {items:,}"
    return Figure(what, float(done.stdout), most=most)


def _peak_here(queries: int, items: int, threads: int) -> float:
    full(draw(3, 3), threads)  # compiled, imported
    data = draw(queries, items)
    memory = memory_of(lambda: full(data, threads))
    return float(memory.max() - memory[0])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=min(2, len(os.sched_getaffinity(0))))
    parser.add_argument("--memory", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    threads = arguments.threads
    if arguments.memory:
        print(f"{_peak_here(*arguments.memory, threads):.0f}")
        return
    show(
        [
            *beside_others(threads),
            peak(2000, 184_577, threads, most=300),
            peak(100, 10**7, threads),
            growth("the database", [10**5, 10**6, 10**7], lambda n: draw(32, n), threads),
            growth("the queries", [500, 2000, 8000], lambda n: draw(n, 50_000), threads),
            growth("the bits", [64, 256, 1024], lambda bits: draw(200, 50_000, bits), threads),
        ]
    )


if __name__ == "__main__":
    main()
