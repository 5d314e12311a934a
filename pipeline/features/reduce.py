"""Principal component analysis in one streaming pass, fitted on each split's database alone."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from pipeline.errors import InputError
from pipeline.features.devices import pick_device
from pipeline.store import Features, Provenance, Split, feature_writer, open_features

log = logging.getLogger(__name__)
_BLOCK = 2048


@dataclass(frozen=True)
class Moments:
    """Of m rows x around a common origin: m, the sum of x (d,) and of x'x (d, d), in float64."""

    rows: int
    sum: Tensor
    scatter: Tensor

    def __sub__(self, other: "Moments") -> "Moments":
        return Moments(self.rows - other.rows, self.sum - other.sum, self.scatter - other.scatter)


def write_pca(
    features_path: Path | str,
    splits: Mapping[int, Split],
    path: Path | str,
    provenance: Provenance,
    *,
    components: int = 1024,
    device: str = "auto",
) -> None:
    """Write the features (n, d) projected on their principal components, (seeds, n, components).

    Seed i's components are those of its split's valid database rows. All seeds share one pass
    over all rows: what lies outside a seed's database is few rows, whose moments are taken off
    the total. ``components`` is reduced, and that logged, to at most d and the rows of the
    smallest database; directions in which a database does not vary give exact zeros.
    """
    target = pick_device(device)
    with open_features(features_path) as features:
        databases = [_mask(split, features.valid) for split in splits.values()]
        kept = _feasible(components, features, databases, features_path)
        origin = _origin(features, target)
        total = _moments(features, features.valid, origin, "total")
        if not torch.isfinite(total.sum).all():
            raise InputError(f"{features_path}: the features hold NaN or infinite values")
        shape = (len(splits), len(features), kept)
        with feature_writer(path, shape, provenance) as writer:
            for number, database in enumerate(databases):
                outside = _moments(features, features.valid & ~database, origin, "outside")
                mean, axes = principal_axes(total - outside, kept)
                for rows, block in _blocks(features, target, f"seed {number}"):
                    projected = (block - (origin + mean)) @ axes
                    projected[~torch.from_numpy(features.valid[rows])] = 0
                    writer.write(rows, projected.cpu().numpy(), features.valid[rows], seed=number)


def principal_axes(moments: Moments, components: int) -> tuple[Tensor, Tensor]:
    """The mean (d,) and the ``components`` first principal axes (d, components).

    Axes come by falling variance, the entry of largest magnitude positive (scikit-learn's sign
    convention). An axis whose variance is nothing but rounding is all zeros.
    """
    mean = moments.sum / moments.rows
    covariance = moments.scatter / moments.rows - torch.outer(mean, mean)
    variances, axes = torch.linalg.eigh(covariance)
    variances, axes = variances.flip(0)[:components], axes.flip(1)[:, :components]
    largest = axes.abs().argmax(0, keepdim=True)
    axes = axes * axes.gather(0, largest).sign()
    rounding = variances[0].clamp(min=0) * len(mean) * torch.finfo(axes.dtype).eps
    return mean, torch.where(variances > rounding, axes, 0.0)


def _mask(split: Split, valid: np.ndarray) -> np.ndarray:
    mask = np.zeros(len(valid), bool)
    mask[split.database] = True
    return mask & valid


def _feasible(asked: int, features: Features, databases: list[np.ndarray], path: Path | str) -> int:
    rows = min(np.count_nonzero(database) for database in databases)
    if rows < 2:
        raise InputError(f"{path}: PCA needs at least two valid database rows, there are {rows}")
    kept = min(asked, features.dimensions, rows)
    if kept < asked:
        log.info(
            "%d principal components were asked for; %d-d features of %d rows have at most %d",
            asked,
            features.dimensions,
            rows,
            kept,
        )
    return kept


def _origin(features: Features, device: torch.device) -> Tensor:
    """The mean of the first valid rows: near the true one, so that no sum cancels."""
    first = features.rows(np.flatnonzero(features.valid)[:_BLOCK])
    return torch.from_numpy(first).to(device, torch.float64).mean(0)


def _moments(features: Features, mask: np.ndarray, origin: Tensor, name: str) -> Moments:
    """The moments of the rows in ``mask`` around ``origin``."""
    rows = torch.zeros_like(origin)
    scatter = origin.new_zeros(len(origin), len(origin))
    for index, block in _blocks(features, origin.device, name):
        chosen = block[torch.from_numpy(mask[index]).to(block.device)] - origin
        rows += chosen.sum(0)
        scatter.addmm_(chosen.T, chosen)
    return Moments(np.count_nonzero(mask), rows, scatter)


def _blocks(features: Features, device: torch.device, name: str) -> Iterator[tuple[slice, Tensor]]:
    with tqdm(total=len(features), desc=f"PCA {name}", unit="row", mininterval=1) as progress:
        for first in range(0, len(features), _BLOCK):
            rows = slice(first, min(first + _BLOCK, len(features)))
            yield rows, torch.from_numpy(features.rows(rows)).to(device, torch.float64)
            progress.update(rows.stop - rows.start)
