"""Every method beside the figures its reference reaches, and what fitting it costs.

    python -m benchmarks.methods [--shared FOLDER] [--methods cvh fsh] [--seeds 5] [--cost]

Writes Markdown to stdout: mAP@1000 (hits divisor, ties in database order), mean and standard
deviation over the seeds, with the reference's figure (``reference.csv``) and the difference. With
``--cost``, instead: time and peak memory at n = 5,000, d = 1024 and 1386, 32 bits, each method in a
process of its own. Hyper-parameters are the defaults everywhere.
"""

import argparse
import csv
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.reference_data import Retrieval, load
from pipeline.evaluation import evaluate, evaluate_real
from pipeline.methods import available, create
from pipeline.methods.base import Hasher

SETTINGS = (("synth", 16), ("synth", 32), ("wiki", 16))
TASKS = ("i2t", "t2i", "i2i", "t2t")
References = dict[tuple[str, str, int], list[float]]


def references() -> References:
    """(method, set, bits) -> mAP of the four tasks."""
    with Path(__file__).with_name("reference.csv").open(newline="") as file:
        return {
            (row["method"], row["set"], int(row["bits"])): [float(row[t]) for t in TASKS]
            for row in csv.DictReader(file)
        }


def four_maps(hasher: Hasher, data: Retrieval) -> list[float]:
    """Stable mAP@1000 of the four tasks, fitted on the training rows."""
    hasher.fit(data.train_image, data.train_text)
    query = {"i": hasher.encode_image(data.query_image), "t": hasher.encode_text(data.query_text)}
    database = {
        "i": hasher.encode_image(data.database_image),
        "t": hasher.encode_text(data.database_text),
    }
    measure = evaluate_real if hasher.real_valued else evaluate
    labels = data.query_labels, data.database_labels
    results = [measure(query[task[0]], database[task[2]], *labels) for task in TASKS]
    return [result.mean("ap_stable@1000") for result in results]


def accuracy(methods: list[str], shared: Path, seeds: int) -> None:
    """Print the table of mAP, a row per method and setting."""
    known, sets = references(), {name: load(name, shared) for name, _ in SETTINGS}
    print(f"| method | set | bits | {' | '.join(TASKS)} |\n|---|---|---|{'---|' * len(TASKS)}")
    for method in methods:
        for name, bits in SETTINGS:
            runs = [
                four_maps(create(method, bits=bits, seed=seed), sets[name]) for seed in range(seeds)
            ]
            reference = known.get((method, name, bits), [None] * len(TASKS))
            cells = map(cell, np.mean(runs, axis=0), np.std(runs, axis=0), reference)
            print(f"| {method} | {name} | {bits} | {' | '.join(cells)} |", flush=True)


def cell(mean: float, std: float, reference: float | None) -> str:
    """Ours, and the reference where there is one; bold outside 0.02 and two deviations."""
    ours = f"{mean:.3f} ± {std:.3f}"
    if reference is None:
        return ours
    text = f"{ours} ({reference:.3f}, {mean - reference:+.3f})"
    return f"**{text}**" if abs(mean - reference) > max(0.02, 2 * std) else text


def cost(methods: list[str]) -> None:
    """Print the table of time and memory."""
    print("| method | fit, s | encode, s | CPU, s | peak, GB |\n|---|---|---|---|---|")
    for method in methods:
        command = [sys.executable, "-m", "benchmarks.methods", "--measure", method]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="")
        sys.stdout.flush()


def measure_cost(method: str) -> None:
    """Print this process's row of the table of costs."""
    rng, n = np.random.default_rng(0), 5000
    latent = rng.standard_normal((n, 40))
    image = latent @ rng.standard_normal((40, 1024)) + 2 * rng.standard_normal((n, 1024))
    tags = latent @ rng.standard_normal((40, 1386)) / 6 + rng.standard_normal((n, 1386))
    image, text = np.maximum(image, 0).astype(np.float32), (tags > 2.2).astype(np.float32)
    start, hasher = time.perf_counter(), create(method, bits=32, seed=0)
    hasher.fit(image, text)
    fitted = time.perf_counter()
    hasher.encode_image(image)
    hasher.encode_text(text)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"| {method} | {fitted - start:.1f} | {time.perf_counter() - fitted:.2f} "
        f"| {time.process_time():.1f} | {peak:.2f} |"
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=os.environ.get("CMIMH_SHARED", "../shared"))
    parser.add_argument("--methods", nargs="+", default=available(), choices=available())
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cost", action="store_true", help="time and memory instead of mAP")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure_cost(args.measure)
    elif args.cost:
        cost(args.methods)
    else:
        accuracy(args.methods, Path(args.shared), args.seeds)


if __name__ == "__main__":
    main()
