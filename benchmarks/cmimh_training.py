"""What an epoch of CMIMH costs beside its bare matrix products.

python -m benchmarks.cmimh_training [--rows 2560] [--device cpu] [--threads 1]
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.measure import Time, now, ratio, show
from pipeline.methods.cmimh import CMIMH

IMAGE, TEXT, BITS = 1024, 1386, 32


def epochs(model: CMIMH, rows: int) -> list[Time]:
    """The ends of all epochs of a training on drawn features."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(rows, IMAGE)).astype(np.float32)
    text = (rng.random((rows, TEXT)) < 0.01).astype(np.float32)
    ends: list[Time] = []
    model.on_epoch = lambda _: ends.append(now())
    model.fit(image, text)
    return ends


def median_step(ends: list[Time]) -> Time:
    """The median time from one end to the next."""
    clock, processor = (np.diff([getattr(e, n) for e in ends]) for n in ("clock", "processor"))
    return Time(float(np.median(clock)), float(np.median(processor)))


def bare_products(model: CMIMH, rows: int, device: torch.device) -> Callable[[], None]:
    """The products of one epoch and nothing else: forward, by input, by weights, per layer.

    The first layer of an encoder needs no gradient by its input; D runs on the means with its
    parameters fixed, and on the means and their permutation with its input fixed.
    """
    steps = -(-rows // model.batch_size)
    batch = rows // steps
    h, j = model.hidden, model.critic_hidden
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


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2560)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1, help="1 is what the train rule gives")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    model = CMIMH(BITS, 0, epochs=10, min_steps=1, on_collapse="warn", device=args.device)
    trained = median_step(epochs(model, args.rows))
    products = bare_products(model, args.rows - args.rows // 25, device)
    ends = [now()]
    for _ in range(model.epochs):
        products()
        if device.type == "cuda":
            torch.cuda.synchronize()
        ends.append(now())
    where = f"{args.rows:,} rows, {'GPU' if device.type == 'cuda' else f'{args.threads} threads'}"
    bare = median_step(ends)
    show([ratio("CMIMH: an epoch / its bare matrix products", trained, bare, where, most=1.5)])


if __name__ == "__main__":
    main()
