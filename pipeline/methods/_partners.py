"""Do codes of one view find their partners in the other? A rank statistic that needs no label."""

import logging
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import CollapseError

log = logging.getLogger(__name__)
JSD_AT_CHANCE = -2 * math.log(2)  # the bound of Eq. 5 when the critic tells nothing apart
#: standard errors that a rank has to be above chance, and below the best one to have faded
CHANCE_ERRORS, FADED_ERRORS = 2.0, 4.0
#: at most so many training pairs, and one in 25, are spared to watch the training from outside
HELD_OUT = 256


def held_out(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows to train on and rows that watch; too few to spare any watch themselves."""
    order = torch.randperm(n, generator=generator)
    spared = min(n // 25, HELD_OUT)
    if spared < 64:
        return order, order[:HELD_OUT]
    return order[spared:], order[:spared]


def rank(image: np.ndarray, text: np.ndarray) -> tuple[float, float]:
    """How well codes (n, bits) of n pairs find their partners among the n, and its standard error.

    The share of the other codes that are farther from a code than its partner is, equals counting
    one half, over all pairs and both directions: 1 where every partner is nearest, 1/2 by chance.
    It is the area under the ROC curve of each query, averaged. The standard error is that of the
    average under chance, when any pairing is as likely as the true one; exact, because mean and
    variance of a sum over a random permutation are known (Hoeffding, Ann. Math. Stat. 22, 1951).
    """
    n = len(image)
    if n < 3:
        return 0.5, math.inf
    a, b = (2.0 * codes.astype(np.float32) - 1.0 for codes in (image, text))
    nearness = a @ b.T
    scores = (_ranks(nearness) + _ranks(nearness.T).T) / 2  # (n, n), the mean of each is 1/2
    centred = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    error = math.sqrt((centred**2).sum() / (n - 1)) / n
    return float(scores.diagonal().mean()), error


def _ranks(nearness: np.ndarray) -> np.ndarray:
    """By row the share of the other entries below each, equals counting one half."""
    n = len(nearness)
    ordered = np.sort(nearness, axis=1)
    below, upto = (
        np.stack([np.searchsorted(o, row, side) for o, row in zip(ordered, nearness, strict=True)])
        for side in ("left", "right")
    )
    return ((below + upto - 1) / 2) / (n - 1)


def watch(p: Sequence[Tensor]) -> dict[str, float]:
    """What a training's record says of the held-out means p: ``partners`` and its error."""
    found, error = rank(*((means > 0.5).cpu().numpy() for means in p))
    return {"partners": found, "partners_error": error}


def collapse_report(
    p: Sequence[Tensor], history: Sequence[Mapping[str, float]], otherwise: str, hint: str
) -> str:
    """``fault``, which ends in a CollapseError, or where ``otherwise`` is 'warn' in a warning.

    hint  what helps against it
    """
    found = fault(p, history)
    if not found:
        return ""
    last = history[-1]
    said = (
        f"the codes of {p[0].shape[1]} bits collapsed: {found}; mean |p - 1/2| is "
        f"{last['mean_abs']:.3f}, the bound {last['bound']:.3f} where {JSD_AT_CHANCE:.3f} is "
        f"chance; {hint}"
    )
    if otherwise == "raise":
        raise CollapseError(said)
    log.warning("%s", said)
    return said


def fault(p: Sequence[Tensor], history: Sequence[Mapping[str, float]]) -> str:
    """What is wrong with codes of means p (n, bits) and these records of the training, or ''."""
    constant = max(int(((means > 0.5).float().std(dim=0) == 0).sum()) for means in p)
    if constant > p[0].shape[1] / 2:
        return f"{constant} bits of a view are constant"
    return lost_partners([(record["partners"], record["partners_error"]) for record in history])


def lost_partners(ranks: Sequence[tuple[float, float]]) -> str:
    """What the partner ranks and standard errors of all epochs say against the last, or ''.

    Codes have collapsed when they find partners no better than chance, and have faded when they
    find them less than half as well as they once did, both by more than chance explains.
    """
    last, error = ranks[-1]
    best = max(rank for rank, _ in ranks)
    if last - 0.5 <= CHANCE_ERRORS * error:
        return (
            f"partners are found no better than by chance ({last:.3f}, chance is .5 ± {error:.3f})"
        )
    if last - 0.5 < (best - 0.5) / 2 and best - last > FADED_ERRORS * error:
        return f"partners are found at {last:.3f}, less than half as well as before ({best:.3f})"
    return ""
