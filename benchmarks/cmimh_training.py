"""What an epoch of CMIMH costs beside its bare matrix products, and five seeds beside one.

python -m benchmarks.cmimh_training [--rows 2560] [--device cpu] [--threads 1]
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.measure import medians, ratio, show
from pipeline.methods._cmimh_training import Training
from pipeline.methods.cmimh import CMIMH

IMAGE, TEXT, BITS = 1024, 1386, 32


def training(models: int, rows: int, device: torch.device) -> Training:
    """``models`` seeds of the default CMIMH on drawn features, ready to train."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(rows, IMAGE)).astype(np.float32)
    text = (rng.random((rows, TEXT)) < 0.01).astype(np.float32)
    seeds = [CMIMH(BITS, seed) for seed in range(models)]
    return Training(seeds, [image] * models, [text] * models, device)


def bare_products(model: CMIMH, rows: int, device: torch.device) -> Callable[[], None]:
    """The products of one epoch and nothing else: forward, by input, by weights, per layer.

    The first layer of an encoder needs no gradient by its input; D runs on the means with its
    parameters fixed, and on the means and their permutation with its input fixed.
    """
    steps = -(-rows // model.batch_size)
    batch = rows // steps
    h, j = model.hidden, model.judge
    layers = []  # rows, width in, width out, gradient by input?, by weights?
    for d in (IMAGE, TEXT):
        layers += [(batch, d, h, False, True), (batch, h, h, True, True)]
        layers += [(batch, h, BITS, True, True), (batch, BITS, h, True, True)]
        layers += [(batch, h, h, True, True), (batch, h, d, True, True)]
        layers += [(batch, i, o, True, True) for i, o in ((BITS, j), (j, j), (j, j))]
        layers += [(batch, i, o, True, False) for i, o in ((BITS, j), (j, j), (j, 1))]
        layers += [(2 * batch, BITS, j, False, True)]
        layers += [(2 * batch, i, o, True, True) for i, o in ((j, j), (j, 1))]
    operands = [
        (
            torch.randn(n, i, device=device),
            torch.randn(i, o, device=device),
            torch.randn(n, o, device=device),
        )
        for n, i, o, _, _ in layers
    ]
    critics = torch.randn(batch, j, device=device)

    def epoch() -> None:
        for _ in range(steps):
            for (x, w, g), (*_, by_input, by_weights) in zip(operands, layers, strict=True):
                x @ w
                if by_input:
                    g @ w.T
                if by_weights:
                    x.T @ g
            t = critics @ critics.T
            t @ critics, t.T @ critics

    return epoch


def settled(work: Callable[[], object], device: torch.device) -> Callable[[], None]:
    """``work``, and on a GPU the wait until it is done."""

    def run() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return run


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2560)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1, help="1 is what the train rule gives")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    one, five = (training(models, args.rows, device) for models in (1, 5))
    runs = {
        "bare": bare_products(one.first, args.rows, device),
        "one": one.epoch,
        "five": five.epoch,
    }
    seconds = medians({name: settled(work, device) for name, work in runs.items()})
    bare, single, stacked = seconds.values()
    where = f"{args.rows:,} rows, {'GPU' if device.type == 'cuda' else f'{args.threads} threads'}"
    most = 1.5 if device.type == "cuda" else 4
    show(
        [
            ratio("CMIMH: an epoch / its bare matrix products", single, bare, where, most=1.5),
            ratio("CMIMH: five seeds together / one", stacked, single, where, most=most),
        ]
    )


if __name__ == "__main__":
    main()
