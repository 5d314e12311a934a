"""Ways to train five CMIMH models together, each timed beside one model on the same threads.

    python -m benchmarks.seeds_together [--rows 1280] [--threads 2]

Kept because none that gives the same codes brings five below four times one on one thread of a
CPU, and what does on two is of no use to the workflow: docs/scale.md says why.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from benchmarks.cmimh_training import training
from benchmarks.measure import Time, medians, ratio, show
from pipeline.features.devices import threads
from pipeline.methods._cmimh_training import Training

SEEDS, CPU = 5, torch.device("cpu")
AHEAD = "a thread a model, up to an epoch ahead of the others"


class WithinBackward:
    """Stands for the optimiser of a training: each parameter is updated as soon as its gradient
    is there and still in the cache, instead of all at the end of the step."""

    def __init__(self, optimiser: torch.optim.SGD) -> None:
        self.param_groups = optimiser.param_groups
        for group in self.param_groups:
            given = {key: group[key] for key in ("lr", "momentum", "weight_decay", "fused")}
            for parameter in group["params"]:
                own = torch.optim.SGD([parameter], **given)
                parameter.register_post_accumulate_grad_hook(lambda p, o=own: self._update(p, o))

    @staticmethod
    def _update(parameter: Tensor, optimiser: torch.optim.SGD) -> None:
        optimiser.step()
        parameter.grad = None

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Nothing is left to clear."""

    def step(self) -> None:
        """Already done."""


def within_backward(rows: int) -> Callable[[], object]:
    """All five stacked, updated within the backward pass."""
    stacked = training(SEEDS, rows, CPU)
    stacked.optimiser = WithinBackward(stacked.optimiser)
    return stacked.epoch


def in_bfloat16(rows: int) -> Callable[[], object]:
    """All five stacked, products in bfloat16: other codes, so no candidate, but a bound."""
    stacked = training(SEEDS, rows, CPU)

    def epoch() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            stacked.epoch()

    return epoch


def a_thread_a_model(alone: list[Training], workers: int, epochs: int = 1) -> Callable[[], None]:
    """Models apart, as many at a time as there are threads, each on one.

    With several epochs a thread that is free takes the next model's next one, without waiting for
    the others to end theirs: five models then share two threads evenly.
    """

    def work() -> None:
        with threads(1), ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(m.epoch) for _ in range(epochs) for m in alone]:
                done.result()

    return work


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1280)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    alone = [training(1, args.rows, CPU) for _ in range(SEEDS)]
    ways: dict[str, Callable[[], object]] = {
        "one": alone[0].epoch,
        "stacked": training(SEEDS, args.rows, CPU).epoch,
        "one after the other": lambda: [model.epoch() for model in alone],
        "a thread a model": a_thread_a_model(alone, args.threads),
        AHEAD: a_thread_a_model(alone, args.threads, epochs=2),
        "stacked, updated within the backward pass": within_backward(args.rows),
        "stacked, in bfloat16": in_bfloat16(args.rows),
    }
    taken = medians(ways)
    one, two_epochs = taken.pop("one"), taken[AHEAD]
    taken[AHEAD] = Time(two_epochs.clock / 2, two_epochs.processor / 2)
    where = f"{args.rows:,} rows, {args.threads} threads"
    show([ratio(f"{SEEDS} seeds {way} / one", time, one, where) for way, time in taken.items()])


if __name__ == "__main__":
    main()
