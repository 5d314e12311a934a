"""The counts of the Hamming kernels on a torch device, equal to theirs: for a GPU.

Only imported when a device is asked for, since it imports torch.
"""

import numpy as np
import torch

from pipeline.errors import InputError
from pipeline.evaluation.ranked import stable_sums

_CELLS = 1 << 25  # (query, item) pairs held on the device at a time

Items = tuple[np.ndarray, np.ndarray]  # codes bool (n, bits), labels 0/1 (n, c)


def count(query: Items, database: Items, ranks: np.ndarray, device: str) -> tuple[np.ndarray, ...]:
    """Items and relevant items by distance, int64 (queries, bits + 1), and for each of ``ranks``
    (ascending cut-offs) the precision sums and hits of the ranking that keeps ties in order."""
    _check_device(device)
    codes, labels = (_signs(database[0], device), _floats(database[1], device))
    step = max(1, _CELLS // len(codes))
    parts = [
        _count_some(
            _signs(query[0][i : i + step], device), _floats(query[1][i : i + step], device),
            codes, labels, ranks,
        )
        for i in range(0, len(query[0]), step)
    ]  # fmt: skip
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"the device {device!r} cannot be used: {reason}") from None


def _count_some(
    query_codes: torch.Tensor,
    query_labels: torch.Tensor,
    codes: torch.Tensor,
    labels: torch.Tensor,
    ranks: np.ndarray,
) -> tuple[np.ndarray, ...]:
    bits = codes.shape[1]
    # a product of signs is bits - 2 * distance: small whole numbers, exact in any float format
    distance = ((bits - query_codes @ codes.T) / 2).round().to(torch.int64)
    relevant = (query_labels @ labels.T) > 0
    per_key = _histogram(2 * distance + relevant, 2 * (bits + 1))
    sums, hits = stable_sums(_in_order(distance, relevant, ranks), ranks)
    return per_key[:, ::2] + per_key[:, 1::2], per_key[:, 1::2], sums, hits


def _histogram(keys: torch.Tensor, size: int) -> np.ndarray:
    rows = torch.arange(len(keys), device=keys.device)[:, None] * size
    counts = torch.bincount((keys + rows).flatten(), minlength=len(keys) * size)
    return counts.reshape(-1, size).cpu().numpy()


def _in_order(distance: torch.Tensor, relevant: torch.Tensor, ranks: np.ndarray) -> np.ndarray:
    """Relevance down the ranking as far as the last cut, ties in database order: bool (q, K)."""
    if not len(ranks):
        return np.zeros((len(distance), 0), bool)
    size = distance.shape[1]
    places = distance * size + torch.arange(size, device=distance.device)  # no two are equal
    nearest = places.topk(int(ranks[-1]), dim=1, largest=False, sorted=True).values % size
    return relevant.gather(1, nearest).cpu().numpy()


def _signs(codes: np.ndarray, device: str) -> torch.Tensor:
    return _floats(codes, device) * 2 - 1


def _floats(array: np.ndarray, device: str) -> torch.Tensor:
    return torch.as_tensor(np.ascontiguousarray(array), device=device).to(torch.float32)
