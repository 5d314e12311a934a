"""Large JPEGs decoded at a fraction of their size: what it does to features, and what it saves.

    python -m benchmarks.reduced_decode COCO WEIGHTS [--scenes 150]

COCO is a folder in COCO's layout (docs/data.md, coco-mini), WEIGHTS those of a trained SqueezeNet.
Nearly all its photographs are too small for any reduction before a network that sees 224 pixels. So
that each is decoded at half its size, as one of 1,000 pixels is before such a network, they also go
through the network at 112 pixels; drawn scenes of 512 pixels go through one at 224. Beside the
reduced decoding stands another usual filter for the resizing, bicubic, as the measure of what
resampling leaves open. mAP is that of images that ask for images, by cosine, every third a query.
"""

import argparse
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image

from benchmarks.measure import medians
from pipeline.datasets import draw, load
from pipeline.evaluation.real_valued import evaluate_real
from pipeline.features import decode
from pipeline.features.encode import write_features
from pipeline.features.images import ImageEncoder
from pipeline.features.kinds import backbone, efficientnet_lite
from pipeline.storage.store import Pairs, Provenance

LARGE = (2560, 1920)  # of a camera's photograph: 5 million pixels
BATCH = 32


@torch.inference_mode()
def features(encoder: ImageEncoder, files: list[bytes], least: int) -> np.ndarray:
    """The features (n, d) of image files, large JPEGs decoded down to ``least`` pixels a side."""
    pixels = [encoder.prepare(decode.open_rgb(data, least)) for data in files]
    batches = torch.from_numpy(np.stack(pixels)).split(BATCH)
    return torch.cat([encoder(batch) for batch in batches]).numpy()


def mean_ap(x: np.ndarray, labels: np.ndarray) -> float:
    """mAP of all ranks, every third image against the others."""
    query, x = np.arange(len(x)) % 3 == 0, x - x.mean(axis=0)
    asked = x[query], x[~query], labels[query], labels[~query]
    return evaluate_real(*asked, k="all", metric="cosine").map


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of each row of a and b."""
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def compared(name: str, encoder: ImageEncoder, pairs: Pairs, resized: int, cropped: int) -> None:
    """Print the rows of one set: full decoding, another filter, reduced decoding."""
    read = decode.ImageFiles(pairs.image_root).read
    files = [read(reference) for reference in pairs.images]
    full_sizes = [decode.open_rgb(data).size for data in files]
    smaller = [decode.open_rgb(data, resized).size for data in files]
    share = np.mean([a != b for a, b in zip(full_sizes, smaller, strict=True)])
    with patch.multiple(decode, RESIZED=resized, CROPPED=cropped):
        full = features(encoder, files, 0)
        reduced = features(encoder, files, resized)
        with patch.object(decode, "FILTER", Image.Resampling.BICUBIC):
            other = features(encoder, files, 0)
    for what, found in (("full, bilinear", full), ("full, bicubic", other), ("reduced", reduced)):
        near = cosines(full, found)
        decoded = f"{share:.0%}" if what == "reduced" else ""
        print(
            f"| {name} | {what} | {decoded} | {near.mean():.4f} | {near.min():.4f} "
            f"| {mean_ap(found, pairs.labels):.4f} |"
        )


def enlarged(pairs: Pairs, count: int, folder: Path) -> Pairs:
    """Some of the photographs at a camera's size, as JPEGs in ``folder``."""
    read = decode.ImageFiles(pairs.image_root).read
    names = []
    for number, reference in enumerate(pairs.images[:count]):
        image = decode.open_rgb(read(reference)).resize(LARGE, Image.Resampling.BICUBIC)
        data = io.BytesIO()
        image.save(data, "JPEG", quality=90)
        names.append(f"{number}.jpg")
        (folder / names[-1]).write_bytes(data.getvalue())
    labels = np.ones((len(names), 1), np.uint8)
    return Pairs(names, labels, ["any"], names, str(folder))


def rates(what: str, pairs: Pairs, weights: Path, folder: Path) -> None:
    """Print images a second of processor time, of decoding alone and of the stage."""
    read = decode.ImageFiles(pairs.image_root).read
    files = [read(reference) for reference in pairs.images]

    def stage(reduced: bool) -> Callable[[], object]:
        return lambda: write_features(
            pairs, "image", folder / "f.h5", Provenance("bench"), kind="backbone", device="cpu",
            backbone="squeezenet1_1", weights=str(weights), reduced_decode=reduced,
        )  # fmt: skip

    def decoding(least: int) -> Callable[[], object]:
        return lambda: [decode.crop(decode.open_rgb(data, least)) for data in files]

    seconds = medians(
        {
            "decode": decoding(0), "decode, reduced": decoding(decode.RESIZED),
            "stage": stage(False), "stage, reduced": stage(True),
        },
        runs=3,
    )  # fmt: skip
    found = [len(files) / time.processor for time in seconds.values()]
    print(f"| {what} | " + " | ".join(f"{rate:.0f}" for rate in found) + " |")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("coco", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--scenes", type=int, default=150)
    parser.add_argument("--large", type=int, default=32)
    options = parser.parse_args()
    photographs = load("coco2017", options.coco)
    squeezenet = backbone.create(backbone="squeezenet1_1", weights=str(options.weights))
    print(
        "| images | decoding and filter | decoded smaller | cosine with full, mean | least | mAP |",
        "|---|---|---|---|---|---|",
        sep="\n",
    )
    whole = f"{len(photographs)} photographs"
    compared(f"{whole}, SqueezeNet at 224", squeezenet, photographs, 256, 224)
    compared(f"{whole}, SqueezeNet at 112", squeezenet, photographs, 128, 112)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        draw("scenes", folder, count=options.scenes, size=512, workers=1)
        scenes = load("scenes", folder)
        encoder = efficientnet_lite.create()
        compared(f"{len(scenes)} scenes, EfficientNet-Lite0 at 224", encoder, scenes, 256, 224)
    print(
        "\n| images | decode | decode, reduced | SqueezeNet's stage | stage, reduced |",
        "|---|---|---|---|---|",
        sep="\n",
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        large = enlarged(photographs, options.large, folder)
        rates(f"{len(large)} of {LARGE[0]} x {LARGE[1]} pixels", large, options.weights, folder)
        some = Pairs([str(i) for i in range(100)], np.ones((100, 1), np.uint8), ["any"],
                     photographs.images[:100], photographs.image_root)  # fmt: skip
        rates("100 photographs as they are", some, options.weights, folder)


if __name__ == "__main__":
    main()
