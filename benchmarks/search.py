"""How fast a search is beside bare faiss, and what ranking ties by real values brings.

    PYTHONPATH=. python -m benchmarks.search [--items 1000000] [--codes FOLDER]

Latency: single queries among random 64-bit codes, the flat index here against ``IndexBinaryFlat``
alone in the same run, turn by turn; then ClickHouse over Parquet. Ties: for every folder of a
trained cell given, mAP of the four tasks with ties at random (exact expectation) and with ties
ranked by the query's real values.
"""

import argparse
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np

from pipeline import load
from pipeline.evaluation import evaluate
from pipeline.search.ranking import Codes
from pipeline.storage import store


def latency(items: int, bits: int = 64, queries: int = 300, k: int = 10) -> None:
    """Median and 99th percentile of single queries, in milliseconds."""
    rng = np.random.default_rng(0)
    packed = rng.integers(0, 256, (items, bits // 8), np.uint8)
    values = rng.normal(size=(queries, bits)).astype(np.float32)
    ours, bare = Codes(packed, bits), faiss.IndexBinaryFlat(bits)
    bare.add(packed)
    took: dict[str, list[float]] = {"bare faiss": [], "with ties ranked": [], "ties in order": []}
    for row in values:
        query = np.packbits(row > 0)[None]
        for name, search in (
            ("bare faiss", lambda q=query: bare.search(q, k)),
            ("with ties ranked", lambda r=row: ours.nearest(r > 0, r, k)),
            ("ties in order", lambda r=row: ours.nearest(r > 0, None, k)),
        ):
            began = time.perf_counter()
            search()
            took[name].append(1000 * (time.perf_counter() - began))
    print(f"{items:,} codes of {bits} bits, top {k}, {queries} single queries, milliseconds")
    for name, times in took.items():
        median, late = np.percentile(times, [50, 99])
        share = median / np.median(took["bare faiss"])
        print(f"  {name:18} median {median:7.2f}   99th {late:7.2f}   {share:.2f} of bare faiss")
    _clickhouse(packed, values[:20], ours, k)


def _clickhouse(packed: np.ndarray, values: np.ndarray, ours: Codes, k: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline.search.clickhouse import search, words_of

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "items.parquet"
        names = pa.array([str(row) for row in range(len(packed))])
        blank = pa.array([""] * len(packed))
        columns = {"id": names, "path": blank, "caption": blank}
        columns["image_0"] = pa.array(words_of(packed)[:, 0], pa.uint64())
        pq.write_table(pa.table(columns), path)
        times, equal = [], True
        for row in values:
            began = time.perf_counter()
            hits = search(path, row > 0, "image", k)
            times.append(1000 * (time.perf_counter() - began))
            equal &= [hit.distance for hit in hits] == ours.nearest(row > 0, None, k)[1].tolist()
    print(f"  {'ClickHouse, Parquet':18} median {np.median(times):6.1f}   same distances: {equal}")


def ties(cell: Path, k: int = 1000) -> None:
    """mAP@k of one cell with ties at random and with ties ranked by the query's values."""
    split_folder = cell.parents[1]
    pairs = next(p for p in split_folder.parents if (p / "pairs.h5").exists()) / "pairs.h5"
    splits = store.read_splits(split_folder / "split.h5")
    seed, split = next(iter(splits.items()))
    labels = store.read_labels(pairs)
    codes, model = store.read_codes(cell / "codes.h5"), load(cell / "models" / str(seed), "cpu")
    attributes = store.attributes_of(cell / "codes.h5")
    import json

    paths = json.loads(attributes["input_paths"])
    found = []
    for task in store.TASKS:
        asking, answering = store.VIEWS[task[0]], store.VIEWS[task[2]]
        queries, database = getattr(codes, asking)[0], getattr(codes, answering)[0]
        exact = evaluate(
            *(queries[split.query], database[split.database]),
            *(labels[split.query], labels[split.database]),
            k=k,
        ).map
        with store.open_features(paths[asking]) as features:
            values = getattr(model, f"project_{asking}")(features.rows(split.query))
        ranked = np.mean(list(_ranked(values, database[split.database], labels, split, k)))
        found.append((task, exact, ranked))
    means = [np.mean([row[column] for row in found]) for column in (1, 2)]
    told = "  ".join(f"{task} {a:.4f} -> {b:.4f}" for task, a, b in found)
    print(f"{cell}: {told}  mean {means[0]:.4f} -> {means[1]:.4f}")


def _ranked(
    values: np.ndarray, database: np.ndarray, labels: np.ndarray, split: store.Split, k: int
):
    """AP@k of each query by Hamming distance, equals by the query's values."""
    signs = 2.0 * database - 1.0
    relevant_to = labels[split.query].astype(np.float32) @ labels[split.database].T > 0
    for value, relevant in zip(values, relevant_to, strict=True):
        distance = (database != (value > 0)).sum(axis=1)
        order = np.lexsort((-(signs @ value), distance))[:k]
        hits = relevant[order]
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        yield (precision * hits).sum() / max(hits.sum(), 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--codes", type=Path, nargs="*", default=[], help="folders of cells")
    options = parser.parse_args()
    for folder in options.codes:
        ties(folder)
    if not options.codes:
        latency(options.items)
