"""Image extraction against its two halves: decoding alone and the network alone.

    python benchmarks/extraction.py FOLDER [--backbone NAME] [--workers N] [--repeats N] ...

FOLDER holds JPEGs. Every round times the three one after another, in turning order, on the same
images: all decoded by the stage's worker processes; all decoded beforehand and put through the
network with the stage's threads; and the stage itself, from files to HDF5. Printed are medians in
images per second, and the stage as a share of the slower half.
"""

import argparse
import json
import logging
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from pipeline.features.backbones import BACKBONES, Encoder, create
from pipeline.features.devices import pick_device
from pipeline.features.images import _encode, _Images, write_image_features
from pipeline.store import Pairs, Provenance


def pairs_of(folder: Path, count: int) -> Pairs:
    """``count`` pairs with the folder's JPEGs, repeated as often as needed."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))
    if not names:
        raise SystemExit(f"{folder}: holds no *.jpg")
    images = [names[number % len(names)] for number in range(count)]
    ids = [str(number) for number in range(count)]
    return Pairs(ids, np.ones((count, 1), np.uint8), ["any"], images, str(folder))


def decode_only(pairs: Pairs, options: argparse.Namespace) -> list[torch.Tensor]:
    """The decoded batches, by the stage's worker processes."""
    images = _Images(pairs.image_root, pairs.images)
    return [
        block for block, _ in DataLoader(images, options.batch_size, num_workers=options.workers)
    ]


def forward_only(encoder: Encoder, blocks: list[torch.Tensor], options: argparse.Namespace) -> None:
    """The network over batches decoded beforehand."""
    device = pick_device(options.device)
    for block in blocks:
        features = _encode(encoder, block.to(device), options.mixed_precision)
    features.cpu()


def stage(pairs: Pairs, options: argparse.Namespace) -> None:
    """The stage as it is run, from files to HDF5."""
    with tempfile.TemporaryDirectory() as folder:
        write_image_features(
            pairs,
            Path(folder) / "features.h5",
            Provenance("bench"),
            backbone=options.backbone,
            weights="untrained",
            batch_size=options.batch_size,
            workers=options.workers,
            device=options.device,
            mixed_precision=options.mixed_precision,
        )


def seconds(work: Callable[[], object]) -> float:
    """The wall time of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Images per second of each, the stage's share of the slower half, and its peak memory."""
    pairs = pairs_of(options.folder, options.images)
    encoder = create(options.backbone, weights="untrained").to(pick_device(options.device))
    blocks = decode_only(pairs, options)
    forward_only(encoder, blocks[:1], options)
    works = {
        "decode": lambda: decode_only(pairs, options),
        "forward": lambda: forward_only(encoder, blocks, options),
        "stage": lambda: stage(pairs, options),
    }
    times = {name: [] for name in works}
    for turn in range(options.repeats):
        for name in np.roll(list(works), turn):
            times[name].append(seconds(works[name]))
    rates = {name: options.images / statistics.median(taken) for name, taken in times.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    slower = min(rates["decode"], rates["forward"])
    return rates | {"share of the slower": rates["stage"] / slower, "peak MB": peak}


def main() -> None:
    """Measure as the command line asks and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", choices=BACKBONES, default="alexnet")
    parser.add_argument("--images", type=int, default=345)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--mixed-precision", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    torch.set_num_threads(options.threads)
    found = {name: round(value, 3) for name, value in measure(options).items()}
    print(json.dumps({"workers": options.workers, "threads": options.threads, **found}))


if __name__ == "__main__":
    main()
