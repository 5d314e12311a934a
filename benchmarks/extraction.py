"""Image extraction against its two halves, decoding and the network alone; its memory.

    python -m benchmarks.extraction FOLDER [--backbone NAME] [--device auto] [--memory]

FOLDER holds JPEGs, repeated as often as needed. Decoding alone has one worker process and the
network alone, over images decoded beforehand, one thread (or the GPU): a core each. The stage has
both cores, as the workflow gives it, and goes from files to HDF5. The memory of the stage with its
worker is that over 20,000 images by a small network: late in the run against early.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from benchmarks.measure import Figure, medians, memory_of, show
from pipeline.devices import pick_device, threads
from pipeline.features.decode import crop
from pipeline.features.encode import write_features
from pipeline.features.images import ImageDataset, encode_batch
from pipeline.features.kinds.backbone import BACKBONES, Encoder, create
from pipeline.storage.store import Pairs, Provenance

MANY = 20_000


def pairs_of(folder: Path, count: int) -> Pairs:
    """``count`` pairs with the folder's JPEGs, repeated as often as needed."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))
    if not names:
        raise SystemExit(f"{folder}: holds no *.jpg")
    # every repetition by a path of its own, for an image is encoded once
    images = ["./" * (number // len(names)) + names[number % len(names)] for number in range(count)]
    ids = [str(number) for number in range(count)]
    return Pairs(ids, np.ones((count, 1), np.uint8), ["any"], images, str(folder))


def decode_only(pairs: Pairs, batch_size: int = 64) -> list[torch.Tensor]:
    """The decoded batches, by one worker process."""
    images = ImageDataset(pairs.image_root, pairs.images, crop)
    return [block for block, _ in DataLoader(images, batch_size, num_workers=1)]


def forward_only(encoder: Encoder, blocks: list[torch.Tensor], mixed_precision: bool) -> None:
    """The network over batches decoded beforehand, on one thread or the GPU."""
    device = next(encoder.parameters()).device
    with threads(1):
        for block in blocks:
            features = encode_batch(encoder, block.to(device), mixed_precision)
        features.cpu()


def stage(pairs: Pairs, backbone: str, weights: Path | str, device: str, mixed: bool) -> None:
    """The stage as it is run, from files to HDF5."""
    with tempfile.TemporaryDirectory() as folder:
        write_features(
            pairs,
            "image",
            Path(folder) / "features.h5",
            Provenance("bench"),
            kind="backbone",
            backbone=backbone,
            weights=str(weights),
            device=device,
            mixed_precision=mixed,
        )


def rates(options: argparse.Namespace, weights: Path) -> list[Figure]:
    """The stage as a share of the slower half, and of what its cores could do at the very best."""
    pairs, mixed = pairs_of(options.folder, options.images), options.mixed_precision
    encoder = create(backbone=options.backbone, weights="untrained").to(pick_device(options.device))
    torch.save(encoder.network.state_dict(), weights)
    blocks = decode_only(pairs)
    seconds = medians(
        {
            "decode": lambda: decode_only(pairs),
            "forward": lambda: forward_only(encoder, blocks, mixed),
            "stage": lambda: stage(pairs, options.backbone, weights, options.device, mixed),
        }
    )
    decode, forward, whole = (options.images / time.clock for time in seconds.values())
    best = 2 / (1 / decode + 1 / forward)
    spent = {name: time.processor for name, time in seconds.items()}
    added = spent["stage"] / (spent["decode"] + spent["forward"])
    found = f"images/s: decode {decode:.0f}, {options.backbone} {forward:.0f}, stage {whole:.0f}"
    return [
        Figure("extraction / the slower half on a core", whole / min(decode, forward), found,
               least=0.9),
        Figure("extraction / both cores always busy", whole / best, f"at best {best:.0f} images/s"),
        Figure("extraction: processor time / that of its halves", added),
    ]  # fmt: skip


def growth(folder: Path) -> Figure:
    """MB that the stage and its worker hold at the end of many images more than near the start.

    Medians: the network's own buffers come and go between two samples, by some 300 MB.
    """
    pairs = pairs_of(folder, MANY)
    memory = memory_of(lambda: stage(pairs, "squeezenet1_1", "untrained", "auto", False), 0.5)
    early, late = memory[len(memory) // 20 : len(memory) // 5], memory[-len(memory) // 5 :]
    return Figure(
        f"extraction: growth of memory over {MANY:,} images, MB",
        float(np.median(late) - np.median(early)),
        f"{np.median(early):.0f} MB early, {np.median(late):.0f} late; "
        f"at most {early.max():.0f} and {late.max():.0f}",
        most=30,
    )


def main() -> None:
    """Measure as the command line asks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", choices=BACKBONES, default="alexnet")
    parser.add_argument("--images", type=int, default=690)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--mixed-precision", action="store_true")
    parser.add_argument("--memory", action="store_true", help="that of a long run, not the rates")
    options = parser.parse_args()
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pth"
        show([growth(options.folder)] if options.memory else rates(options, weights))


if __name__ == "__main__":
    main()
