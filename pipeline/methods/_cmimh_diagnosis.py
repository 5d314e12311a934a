"""What a trained CMIMH tells about itself: total correlation, the spread of p, the MI bound."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from pipeline.methods._cmimh_networks import Networks, logistic, signed
from pipeline.methods._stacked import StackedMlp

HISTOGRAM_BINS = 50
POST_HOC_STEPS = 500


@torch.no_grad()
def diagnose(
    networks: Networks,
    p: Sequence[Tensor],
    *,
    batch_size: int,
    width: int,
    generator: torch.Generator,
) -> dict[str, np.ndarray]:
    """Measures of one model (a stack of one) on the Bernoulli means p = (image, text), (n, L).

    Returns tc_image, tc_text (nats), p_histogram_* (50 bins on [0, 1], fractions), mi_bound (mean
    over mini-batches) and mean_abs (mean of abs(p - 1/2)). TC is always the estimate of a
    classifier of ``width`` units that is trained here: the one in the objective chases codes that
    flee from it, and a model without the term has none, so that only fresh ones compare.
    """
    found: dict[str, float | np.ndarray] = {}
    for view, means in zip(("image", "text"), p, strict=True):
        classifier = fresh_classifier(means, width, batch_size, generator)
        logits = [classifier(signed(block)) for (block,) in _blocks([means], 8192)]
        found[f"tc_{view}"] = float(torch.cat(logits, dim=1).mean())
        counts = torch.histc(means, HISTOGRAM_BINS, 0, 1)
        found[f"p_histogram_{view}"] = (counts / counts.sum()).cpu().numpy()
    bounds = [networks.bound(pair) for pair in _blocks(p, batch_size) if pair[0].shape[1] > 1]
    found["mi_bound"] = float(torch.cat(bounds).mean())
    found["mean_abs"] = float(torch.cat(list(p)).sub(0.5).abs().mean())
    return {name: np.asarray(value, np.float64) for name, value in found.items()}


@torch.enable_grad()
def fresh_classifier(
    p: Tensor, width: int, batch_size: int, generator: torch.Generator
) -> StackedMlp:
    """A D trained on means (n, L) that stay as they are; ``generator`` is on the CPU."""
    classifier = StackedMlp(1, (p.shape[1], width, width, 1), torch.nn.functional.leaky_relu)
    classifier.initialise([generator], 0.1).to(p.device)
    optimiser = torch.optim.Adam(classifier.parameters(), lr=1e-3)
    for _ in range(POST_HOC_STEPS):
        rows = torch.randint(len(p), (batch_size,), generator=generator).to(p.device)
        keys = torch.rand((1, batch_size, p.shape[1]), generator=generator).to(p.device)
        optimiser.zero_grad(set_to_none=True)
        logistic(classifier, p[rows][None], keys).sum().backward()
        optimiser.step()
    return classifier.requires_grad_(False)


def _blocks(views: Sequence[Tensor], size: int) -> Iterator[list[Tensor]]:
    for start in range(0, len(views[0]), size):
        yield [view[None, start : start + size] for view in views]
