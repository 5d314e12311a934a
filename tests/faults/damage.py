"""Damages every kind of file at random and reads it: each must end in values or in one sentence.

    python tests/faults/damage.py --times 300 --out benchmarks/records/damage.md

A reader that crashes, ends in anything but a sentence, or takes longer than the limit is a failure.
"""

import argparse
import json
import logging
import os
import pickle
import random
import resource
import shutil
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

from pipeline import datasets, load
from pipeline.datasets import _probe
from pipeline.datasets._split_files import read_split, write_table
from pipeline.errors import InputError
from pipeline.methods import create
from pipeline.models.folder import Made, write_model
from pipeline.search.clickhouse import search, write_parquet
from pipeline.search.index import Index, Item
from pipeline.search.index import create as create_index
from pipeline.storage import store
from pipeline.storage.arrays import read_arrays
from pipeline.storage.files import read_json
from pipeline.storage.store import Codes, Pairs, Provenance, Split

SECONDS = 20  # of processor time for one reading, which takes milliseconds
N, BITS = 40, 16
MADE = Provenance("damage", {"why": "to be damaged"})
FAILURES = ("traceback", "crash", "too long")


@dataclass(frozen=True)
class Victim:
    """A file to damage, and what reads it: the answer can be pickled and compared."""

    name: str
    path: Path
    read: Callable[[], Any]
    slow: bool = False  # its reader takes seconds to start: damaged a tenth as often


def victims(place: Path) -> Iterator[Victim]:
    """One of every kind of file that the project reads."""
    rng = np.random.default_rng(0)
    image, text = rng.normal(size=(N, 6)), rng.normal(size=(N, 5))
    labels = np.eye(4, dtype=np.uint8)[np.arange(N) % 4]
    ids, rows = [f"id {i}" for i in range(N)], np.arange(N)
    pairs = Pairs(ids, labels, list("abcd"), [f"{i}.jpg" for i in range(N)], "/nowhere",
                  captions=[[f"caption {i}", "häuser"] for i in range(N)])  # fmt: skip
    split = Split(rows[:8], rows[8:], rows[8:], rows[:0])
    codes = rng.random((2, N, BITS)) > 0.5
    store.write_pairs(place / "pairs.h5", pairs, MADE)
    with store.feature_writer(place / "features.h5", image.shape, MADE) as writer:
        writer.write(slice(0, N), image)
    store.write_splits(place / "split.h5", {0: split}, MADE)
    store.write_codes(place / "codes.h5", Codes([0, 1], codes, ~codes), MADE)
    store.write_metrics(place / "test.h5", {"i2t": {"ap": rng.random((2, 8))}}, [0, 1], MADE)
    write_table(place / "split.csv", ids, {0: split})

    def features() -> Any:
        with store.open_features(place / "features.h5") as found:
            return found.rows(slice(None)), found.valid

    yield Victim("pairs", place / "pairs.h5", lambda: vars(store.read_pairs(place / "pairs.h5")))
    yield Victim("features", place / "features.h5", features)
    yield Victim("split", place / "split.h5", lambda: store.read_splits(place / "split.h5"))
    yield Victim("codes", place / "codes.h5", lambda: store.read_codes(place / "codes.h5"))
    yield Victim("test", place / "test.h5", lambda: store.read_metrics(place / "test.h5"))
    yield Victim("what verify reads", place / "test.h5",
                 lambda: store.provenance_of(place / "test.h5"))  # fmt: skip
    table = str(place / "split.csv")
    yield Victim("table of a split", place / "split.csv", lambda: read_split(table, pairs, 0))
    yield from _searched(place, image, text)
    yield from _of_others(place, image, text, labels)


def _searched(place: Path, image: np.ndarray, text: np.ndarray) -> Iterator[Victim]:
    """A model, and an index of its codes."""
    for method in ("cvh", "cmimh"):
        small = {"epochs": 1, "min_steps": 1, "hidden": 8, "critic_hidden": 8}
        params = small | {"on_collapse": "warn"} if method == "cmimh" else {}
        hasher = create(method, bits=BITS if method == "cmimh" else 4, seed=0, **params)
        folder = place / method
        write_model(folder, hasher.fit(image, text), Made(method, 0, {}, {}, {}))

        def encoded(folder: Path = folder) -> Any:
            return load(folder, "cpu").encode_image(image)

        for name in ("model.json", "hasher.safetensors"):
            yield Victim(f"{name} of {method}", folder / name, encoded)
    arrays = place / "axes.safetensors"
    shutil.copy(place / "cvh" / "hasher.safetensors", arrays)
    yield Victim("axes of a PCA", arrays, lambda: read_arrays(arrays))
    index = create_index(place / "index", place / "cvh")
    codes = index.model.encode_image(image)
    items = [Item(f"item {i}", caption=f"words {i}") for i in range(N)]
    index.add_codes(items, codes, codes, index.identity)
    write_parquet(index, place / "items.parquet")

    def found() -> Any:
        opened = Index(place / "index", "cpu")
        hits = opened.searchable("image").search(codes[:3])
        return [(hit.item, hit.distance) for row in hits for hit in row], opened.info()

    yield Victim("index", place / "index" / "items.sqlite", found)

    def changed() -> Any:
        opened = Index(place / "index", "cpu")
        opened.add_codes([Item("new", caption="new")], codes[:1], codes[:1], opened.identity)
        return opened.remove(["item 3"]), len(opened)

    yield Victim("index, changed", place / "index" / "items.sqlite", changed)
    parquet = place / "items.parquet"
    yield Victim("items as Parquet", parquet, lambda: search(parquet, codes[0], "image", 5), True)


def _of_others(
    place: Path, image: np.ndarray, text: np.ndarray, labels: np.ndarray
) -> Iterator[Victim]:
    """Arrays and tables of somebody else."""
    split = np.array([b"query"] * 8 + [b"database"] * (N - 8))
    given = {"image": image, "text": text, "labels": labels, "split": split}
    np.savez_compressed(place / "a.npz", **given)
    scipy.io.savemat(place / "a.mat", given, do_compression=True)
    with h5py.File(place / "a.h5", "w") as file:
        for name, value in given.items():
            file[name] = value
    with h5py.File(place / "words.h5", "w") as file:
        file.create_dataset("caption", data=["some words"] * N, dtype=h5py.string_dtype())
        file["image"], file["labels"] = image, labels
    lines = [json.dumps({"image": f"{i}.jpg", "text": "words", "labels": ["x"]}) for i in range(N)]
    (place / "a.jsonl").write_text("\n".join(lines))
    (place / "a.json").write_text(json.dumps({"query": list(range(8))}))
    for name in ("a.npz", "a.mat", "a.h5", "words.h5"):
        yield Victim(
            f"given arrays, {name}",
            place / name,
            lambda name=name: vars(datasets.load("features", place, file=name)),
        )
    yield Victim("table of pairs", place / "a.jsonl",
                 lambda: vars(datasets.load("folder", place, table="a.jsonl")))  # fmt: skip
    yield Victim("JSON", place / "a.json", lambda: read_json(place / "a.json"))


def damaged(whole: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, a run of them overwritten, moved, put in or taken out, or the end cut."""
    data = bytearray(whole)
    at = rng.randrange(len(data))
    length = rng.choice((1, 2, 4, 8, 64, 512))
    match rng.randrange(6):
        case 0:
            for _ in range(rng.randint(1, 6)):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 1:
            data[at : at + length] = bytes([rng.choice((0, 0xFF))]) * len(data[at : at + length])
        case 2:
            data[at : at + length] = rng.randbytes(len(data[at : at + length]))
        case 3:
            data[at:at] = rng.randbytes(length)
        case 4:
            del data[at : at + length]
        case 5:
            del data[at:]
    return bytes(data)


def outcome(read: Callable[[], Any], expected: bytes) -> str:
    """How a reading ends in a process of its own: one of ``FAILURES``, or well."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.write(writer, _ended(read, expected).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        told = said.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if -status in (signal.SIGXCPU, signal.SIGKILL):
        return "too long"
    return told if status == 0 else "crash"


def answer(read: Callable[[], Any]) -> bytes:
    """What a reading gives, pickled; by a child: threads do not outlive forks."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        with os.fdopen(writer, "wb") as file:
            pickle.dump(read(), file)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        found = file.read()
    assert os.waitpid(child, 0)[1] == 0, "the undamaged file cannot be read"
    return found


def _ended(read: Callable[[], Any], expected: bytes) -> str:
    try:
        with warnings.catch_warnings(action="ignore"):
            return "the same values" if pickle.dumps(read()) == expected else "other values"
    except InputError as error:
        return "a sentence" if "\n" not in str(error) else "traceback"
    except BaseException as error:
        return f"traceback: {type(error).__name__}: {error}"[:300]


def campaign(place: Path, times: int, seed: int) -> Iterator[tuple[Victim, Counter]]:
    """Damage every victim so many times; how its readings ended."""
    _probe.SECONDS = 5
    for victim in list(victims(place)):
        rng = random.Random(f"{seed} {victim.name}")
        whole, expected = victim.path.read_bytes(), answer(victim.read)
        counts: Counter = Counter()
        for number in range(max(2, times // 10) if victim.slow else times):
            content = damaged(whole, rng)
            victim.path.write_bytes(content)
            ended = outcome(victim.read, expected)
            counts[ended.split(":")[0]] += 1
            if ended.split(":")[0] in FAILURES:
                print(f"{victim.name}, damage {number}: {ended}", flush=True)
        victim.path.write_bytes(whole)
        for left in victim.path.parent.glob(f"{victim.path.name}-*"):  # SQLite's journals
            left.unlink()
        yield victim, counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--times", type=int, default=300, help="damages of each file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where the table goes, as Markdown")
    a = parser.parse_args()
    logging.disable()
    columns = ("a sentence", "the same values", "other values", *FAILURES)
    rows = [f"| file | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    total: Counter = Counter()
    with tempfile.TemporaryDirectory(prefix="damage-") as place:
        for victim, counts in campaign(Path(place), a.times, a.seed):
            rows.append(f"| {victim.name} | {' | '.join(str(counts[c]) for c in columns)} |")
            print(rows[-1], flush=True)
            total += counts
    rows.append(f"| all | {' | '.join(str(total[c]) for c in columns)} |")
    if a.out:
        a.out.write_text(f"# The damage campaign\n\n{_ABOUT.format(times=a.times)}\n\n"
                         + "\n".join(rows) + "\n")  # fmt: skip
    return int(any(total[failure] for failure in FAILURES))


_ABOUT = """\
Every file was damaged {times} times at random (bits flipped, runs of bytes overwritten, put in or
taken out, the end cut) and read in a process of its own. `tests/faults/damage.py` says how. A
reader that crashes, takes more than 20 seconds or ends in anything but one sentence is a failure.
Other values: in features numbers lie outside of the seal, `verify` finds them; files of others and
SQLite have no digest of all they hold."""


if __name__ == "__main__":
    sys.exit(main())
