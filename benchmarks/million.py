"""A million pairs end to end: drawn features through the workflow, time and memory of every stage.

    python -m benchmarks.million FOLDER [--pairs 1000000] [--train 5000]

Features of 256 and 128 dimensions are drawn into FOLDER/drawn.h5; 2,000 pairs ask, the others are
the database. The workflow then runs there as it would on anybody's own features (kind `features`),
with CVH and CMIMH at 64 bits. Printed is a table of what each stage says of itself in its log.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import yaml

ROOT = Path(__file__).resolve().parents[1]
IMAGE, TEXT, TOPICS, QUERIES = 256, 128, 24, 2000
BLOCK = 65_536
SAYS = re.compile(r"^(\w+): done in ([\d.]+) s, at most (\d+) MB", re.MULTILINE)


def draw(path: Path, pairs: int) -> None:
    """Pairs of one to three topics: each view shows them in its own way, under noise."""
    rng = np.random.default_rng(0)
    shown = [rng.normal(size=(TOPICS, d)).astype(np.float32) for d in (IMAGE, TEXT)]
    with h5py.File(path, "w") as file:
        views = [file.create_dataset(name, (pairs, d), np.float32) for name, d in
                 (("image", IMAGE), ("text", TEXT))]  # fmt: skip
        labels = file.create_dataset("labels", (pairs, TOPICS), np.uint8)
        split = file.create_dataset("split", (pairs,), h5py.string_dtype())
        for start in range(0, pairs, BLOCK):
            rows = slice(start, min(start + BLOCK, pairs))
            size = rows.stop - start
            topics = np.zeros((size, TOPICS), np.uint8)
            for _ in range(3):  # the same topic may be drawn twice
                topics[np.arange(size), rng.integers(TOPICS, size=size)] = 1
            labels[rows] = topics
            for view, basis in zip(views, shown, strict=True):
                noise = rng.standard_normal((size, basis.shape[1]), np.float32)
                view[rows] = topics @ basis + 3 * noise
        split[:] = np.repeat(["query", "database"], [QUERIES, pairs - QUERIES]).astype(object)


def config(folder: Path, train: int) -> dict:
    """The overlay: one setting of two methods."""
    drawn = {"kind": "features", "raw": str(folder), "file": "drawn.h5"}
    return {
        "seeds": [0],
        "datasets": {"drawn": drawn | {"features": "given", "split": "scale"}},
        "splits": {"scale": {"query": "given", "train": train}},
        "experiments": {
            "table3": {"datasets": ["drawn"], "methods": ["cvh", "cmimh"], "bits": [64]}
        },
    }


def run(folder: Path, train: int) -> float:
    """Wall seconds of the workflow in ``folder``."""
    overlay = folder / "overlay.yaml"
    overlay.write_text(yaml.safe_dump(config(folder, train)))
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"]
    command += ["--directory", folder, "--cores", "2", "--quiet", "all"]
    command += ["--configfile", ROOT / "config.yaml", overlay, "--", "results/table3.csv"]
    start = time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT)
    return time.perf_counter() - start


def stages(folder: Path) -> list[str]:
    """A row per job: what it was, its seconds and its peak of memory, by its log."""
    logs = sorted((folder / "logs").rglob("*.log"), key=lambda path: path.stat().st_mtime)
    rows = []
    for log in logs:
        if found := SAYS.search(log.read_text()):
            name = " ".join(log.relative_to(folder / "logs").with_suffix("").parts)
            rows.append(f"| {name} | {float(found[2]):.1f} | {int(found[3]):,} |")
    return rows


def main() -> None:
    """Draw, run, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--train", type=int, default=5000)
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    draw(folder / "drawn.h5", options.pairs)
    drawn = time.perf_counter() - start
    whole = run(folder, options.train)
    print(f"| {options.pairs:,} pairs | seconds | peak MB |", "|---|---|---|", sep="\n")
    print(f"| drawing them | {drawn:.1f} | |", *stages(folder), sep="\n")
    print(f"| the workflow | {whole:.1f} | |")
    results = json.loads((folder / "results" / "table3.json").read_text())
    print(f"\nmetrics: {', '.join(results['metrics'])}")
    print((folder / "results" / "table3.md").read_text())


if __name__ == "__main__":
    main()
