"""What Bernoulli means tell about their code: total correlation, how decided the bits are."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.methods import _deep

HISTOGRAM_BINS = 50
STEPS = 500  # of the classifier that measures the total correlation
BATCH = 128


def of_means(
    p: Sequence[Tensor], width: int, generator: torch.Generator
) -> dict[str, np.ndarray | float]:
    """tc_*, p_histogram_* by view and mean_abs, the mean of abs(p - 1/2), of (image, text) means.

    width  of the classifiers that measure the total correlation
    """
    found: dict[str, np.ndarray | float] = {}
    for view, means in zip(("image", "text"), p, strict=True):
        found[f"tc_{view}"] = total_correlation(means, width, generator)
        found[f"p_histogram_{view}"] = histogram(means)
    return found | {"mean_abs": float((torch.cat(list(p)) - 0.5).abs().mean())}


def histogram(p: Tensor) -> np.ndarray:
    """Shares of the means p (n, L) in 50 equal bins on [0, 1]."""
    counts = torch.histc(p.cpu(), HISTOGRAM_BINS, 0, 1)
    return (counts / counts.sum()).numpy().astype(np.float64)


def total_correlation(p: Tensor, width: int, generator: torch.Generator) -> float:
    """The total correlation of the means p (n, L) in nats, by the density-ratio trick.

    A fresh classifier learns on one half of the rows to tell them from rows whose bits are
    permuted each on its own, and its mean log odds are taken on the other half: on rows that it has
    learnt by heart they would be too high. The classifier in CMIMH's objective does not serve, as
    it chases codes that change, and a model without that term has none.
    """
    order = torch.randperm(len(p), generator=generator)
    learnt, held = p[order[: len(p) // 2]], p[order[len(p) // 2 :]]
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.default_generator.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        classifier = _deep.head(p, width, width, 1, activation=nn.LeakyReLU)
        optimizer = _deep.adam(classifier, lr=1e-3)
        for _ in range(STEPS):
            rows = learnt[torch.randint(len(learnt), (BATCH,), generator=generator)]
            _deep.step(_deep.ratio_loss(classifier, 2 * rows - 1, generator), optimizer)
    with torch.no_grad():
        return float(classifier(2 * held - 1).mean())
