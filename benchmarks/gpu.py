"""What a GPU gives: equality with the CPU, and times, in one table; under eight minutes on one GPU.

    python -m benchmarks.gpu [--device cuda] [--seconds 480]

Not run on a GPU yet: none was at hand. `--device cpu --small` runs every part in small, as a test
does. First equality: the values of an evaluation, gradients of CMIMH's objective and codes of a
trained CMIMH within rounding. Then times: an evaluation of 2,000 queries among 186,577 items, an
epoch of CMIMH beside its bare products, five seeds in turn beside one, images through AlexNet, and
a fit of every method of Table III at MIR-Flickr's size from features, as far as the time goes.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.all import rows
from benchmarks.evaluation import Data, draw
from benchmarks.measure import Figure, medians, ratio, show
from pipeline.evaluation import evaluate
from pipeline.methods import create, parameters
from pipeline.methods.cmimh import CMIMH, Networks

TABLE_3 = ("cvh", "acq", "fsh", "cmfh", "pdh", "cmimh", "djsrh")  # the quicker first
MAX_ERROR = 1e-3  # of gradients, relative to their norm: sums are taken in another order
MIN_EQUAL = 0.995  # share of code bits; those near p = 1/2 may differ


@dataclass(frozen=True)
class Sizes:
    """How large each part is."""

    queries: int = 2000
    items: int = 186_577
    pairs: int = 5000
    image: int = 1024
    text: int = 1386
    hidden: int = 1024
    images: int = 2400


SMALL = Sizes(20, 500, 200, 24, 30, 16, 24)


def features(sizes: Sizes) -> tuple[np.ndarray, np.ndarray]:
    """Drawn pairs of forty topics: dense images, sparse tags."""
    rng = np.random.default_rng(0)
    topics = rng.standard_normal((sizes.pairs, 40)).astype(np.float32)
    image, tags = (
        topics @ rng.standard_normal((40, d)).astype(np.float32)
        + 2 * rng.standard_normal((sizes.pairs, d), np.float32)
        for d in (sizes.image, sizes.text)
    )
    return np.maximum(image, 0), (tags > 12).astype(np.float32)


def same_counts(data: Data, device: str) -> Figure:
    """The largest difference of any value of an evaluation."""
    here, there = evaluate(*data), evaluate(*data, device=device)
    worst = max(
        float(np.abs(a - b).max())
        for a, b in zip(here.arrays().values(), there.arrays().values(), strict=True)
        if np.size(a)
    )
    return Figure("evaluation: largest difference from the CPU", worst, most=1e-12)


def same_gradients(sizes: Sizes, device: str) -> Figure:
    """Of all networks of CMIMH, on one mini-batch and the same noise."""
    model = CMIMH(16, 0, hidden=sizes.hidden, critic_hidden=sizes.hidden // 2)
    views = [torch.from_numpy(x[:128]) for x in features(sizes)]
    found = []
    for place in ("cpu", device):
        generator = torch.Generator().manual_seed(0)
        nets = Networks(model, [x.shape[1] for x in views], generator).to(place)
        x = [view.to(place) for view in views]
        model.objective(model.terms(nets, x, x, generator), 0.4).backward()
        found.append(torch.cat([p.grad.cpu().flatten() for p in nets.parameters()]))
    error = float((found[1] - found[0]).norm() / found[0].norm())
    return Figure("CMIMH: relative error of the gradients", error, most=MAX_ERROR)


def fit(method: str, sizes: Sizes, device: str, seed: int = 0) -> tuple[float, np.ndarray]:
    """Seconds of a fit at 32 bits (16 in small), and the codes of the images."""
    given = parameters(method)
    options = {"device": device, "on_collapse": "warn"}
    if sizes is SMALL:
        width = sizes.hidden
        options |= {"epochs": 2, "hidden": width, "critic_hidden": width, "min_steps": 1}
    params = {name: value for name, value in options.items() if name in given}
    hasher = create(method, bits=16 if sizes is SMALL else 32, seed=seed, **params)
    views = features(sizes)
    start = time.perf_counter()
    hasher.fit(*views)
    return time.perf_counter() - start, hasher.encode_image(views[0])


def same_codes(sizes: Sizes, device: str) -> Figure:
    """Bits of the images by a model trained on the CPU, encoded there and on the device."""
    views = features(sizes)
    model = CMIMH(16, 0, hidden=sizes.hidden, epochs=1, min_steps=1, on_collapse="warn",
                  device="cpu").fit(*views)  # fmt: skip
    other = CMIMH(**model.get_params() | {"device": device}).set_state(model.get_state())
    equal = float((model.encode_image(views[0]) == other.encode_image(views[0])).mean())
    return Figure("CMIMH: share of equal bits, encoded on both", equal, least=MIN_EQUAL)


def five_seeds(sizes: Sizes, device: str) -> Figure:
    """Five trainings of CMIMH in one process, one after the other, beside one."""
    one = fit("cmimh", sizes, device)[0]
    five = sum(fit("cmimh", sizes, device, seed)[0] for seed in range(5))
    return Figure("CMIMH: five seeds / one", five / one, f"{five:.1f} s / {one:.1f} s")


def images_per_second(sizes: Sizes, device: str, folder: Path) -> list[str]:
    """JPEGs of noise through an untrained AlexNet, decoding and the network alone beside it."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(min(sizes.images, 64)):
        noise = Image.fromarray(rng.integers(0, 255, (32, 44, 3), np.uint8))
        noise.resize((500, 375), Image.Resampling.BICUBIC).save(folder / f"{number}.jpg")
    return rows(["benchmarks.extraction", str(folder), "--device", device,
                 "--images", str(sizes.images)])  # fmt: skip


def main() -> None:
    """Equality first, then times until the seconds are over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--small", action="store_true")
    args = parser.parse_args()
    start, device = time.perf_counter(), args.device
    sizes = SMALL if args.small else Sizes()
    data = draw(sizes.queries, sizes.items)
    times = medians({"here": partial(evaluate, *data),
                     "there": partial(evaluate, *data, device=device)}, runs=1)  # fmt: skip
    show([
        same_counts(tuple(x[:2000] for x in data), device),  # type: ignore[arg-type]
        same_gradients(sizes, device), same_codes(sizes, device),
        ratio(f"evaluation, {sizes.queries:,} x {sizes.items:,}: CPU / device", *times.values()),
        five_seeds(sizes, device),
    ])  # fmt: skip
    few = ["--rows", str(sizes.pairs)] if args.small else []
    print(*rows(["benchmarks.cmimh_training", "--device", device, *few]), sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        print(*images_per_second(sizes, device, Path(folder)), sep="\n", flush=True)
    for method in TABLE_3:
        left = args.seconds - (time.perf_counter() - start)
        if left < 0:
            print(f"| {method}: a fit | | | | not measured, the time is over |")
            continue
        took = fit(method, sizes, device)[0]
        detail = f"{sizes.pairs:,} pairs; Table III has three lengths and five seeds of it"
        print(Figure(f"{method}: seconds of a fit", took, detail).row(), flush=True)


if __name__ == "__main__":
    main()
