"""Principal component analysis in one streaming pass, fitted on each split's database alone."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from pipeline.devices import pick_device
from pipeline.errors import InputError
from pipeline.storage.arrays import write_arrays
from pipeline.storage.store import (
    Features,
    Provenance,
    Split,
    feature_writer,
    open_features,
    read_splits,
)

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
    splits_path: Path | str,
    path: Path | str,
    *,
    components: int,
    device: str,
    axes: Sequence[Path | str] = (),
) -> None:
    """Write the features (n, d) projected on their principal components, (seeds, n, components).

    Seed i's components are those of its split's valid database rows. Where these are no fewer
    than d, all seeds share one pass over all rows: what lies outside a seed's database is few
    rows, whose moments are taken off the total. ``components`` is reduced, and that logged, to at
    most d and the rows of the smallest database; directions in which a database does not vary
    give exact zeros.
    """
    inputs = {"features": features_path, "splits": splits_path}
    provenance = Provenance("pca", {"components": components}, inputs)
    splits = read_splits(splits_path)
    target = pick_device(device)
    with open_features(features_path) as features:
        databases = [_mask(split, features.valid) for split in splits.values()]
        kept = _feasible(components, features, databases, features_path)
        origin = _origin(features, target, features_path)
        fits = _fits(features, databases, origin, kept)
        shape = (len(splits), len(features), kept)
        with feature_writer(path, shape, provenance) as writer:
            for number, (mean, directions) in enumerate(fits):
                found = {"mean": (origin + mean).cpu(), "axes": directions.cpu().contiguous()}
                if axes:
                    write_arrays(axes[number], {k: v.numpy() for k, v in found.items()})
                for rows, block in _blocks(features, target, f"seed {number}"):
                    projected = (block - (origin + mean)) @ directions
                    projected[~torch.from_numpy(features.valid[rows])] = 0
                    writer.write(rows, projected.cpu().numpy(), features.valid[rows], seed=number)


def project(x: np.ndarray, fitted: Mapping[str, np.ndarray]) -> np.ndarray:
    """Features (n, d) on the axes that ``write_pca`` kept of one seed, float32 (n, components)."""
    mean, axes = (torch.from_numpy(fitted[name]) for name in ("mean", "axes"))
    blocks = torch.from_numpy(x).to(torch.float64).split(_BLOCK)
    return torch.cat([((block - mean) @ axes).float() for block in blocks]).numpy()


def _fits(
    features: Features, databases: list[np.ndarray], origin: Tensor, components: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Mean and axes per database, by the smaller of the two eigenproblems, (d, d) or (m, m)."""
    if max(map(np.count_nonzero, databases)) < features.dimensions:
        for database in databases:
            rows = torch.from_numpy(features.rows(np.flatnonzero(database)))
            yield axes_of_rows(rows.to(origin) - origin, components)
        return
    total = _moments(features, features.valid, origin, "total")
    for database in databases:
        outside = _moments(features, features.valid & ~database, origin, "outside")
        yield principal_axes(total - outside, components)


def principal_axes(moments: Moments, components: int) -> tuple[Tensor, Tensor]:
    """The mean (d,) and the ``components`` first principal axes (d, components).

    Axes come by falling variance, the entry of largest magnitude positive (scikit-learn's sign
    convention). An axis whose variance is nothing but rounding is all zeros.
    """
    mean = moments.sum / moments.rows
    covariance = moments.scatter / moments.rows - torch.outer(mean, mean)
    variances, axes = torch.linalg.eigh(covariance)
    return mean, _ordered(variances, axes, components, len(mean))


def axes_of_rows(rows: Tensor, components: int) -> tuple[Tensor, Tensor]:
    """The same from the rows (m, d) themselves, by the eigenvectors of their Gram matrix (m, m)."""
    mean = rows.mean(0)
    rows = rows - mean
    variances, scores = torch.linalg.eigh(rows @ rows.T / len(rows))
    axes = rows.T @ scores / (variances.clamp(min=0) * len(rows)).sqrt()
    return mean, _ordered(variances, axes, components, max(rows.shape))


def _ordered(variances: Tensor, axes: Tensor, components: int, size: int) -> Tensor:
    """The leading axes by falling variance, signs fixed, those of no variance zero."""
    variances, axes = variances.flip(0)[:components], axes.flip(1)[:, :components]
    rounding = variances[0].clamp(min=0) * size * torch.finfo(axes.dtype).eps
    axes = torch.where(variances > rounding, axes, 0.0)
    largest = axes.abs().argmax(0, keepdim=True)
    return axes * axes.gather(0, largest).sign()


def _mask(split: Split, valid: np.ndarray) -> np.ndarray:
    mask = np.zeros(len(valid), bool)
    mask[split.database] = True
    return mask & valid


def _feasible(asked: int, features: Features, databases: list[np.ndarray], path: Path | str) -> int:
    rows = min(int(np.count_nonzero(database)) for database in databases)
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


def _origin(features: Features, device: torch.device, path: Path | str) -> Tensor:
    """The mean of the valid rows, so that no sum of the fit cancels."""
    total = torch.zeros(features.dimensions, dtype=torch.float64, device=device)
    for rows, block in _blocks(features, device, "mean"):
        total += block[torch.from_numpy(features.valid[rows]).to(device)].sum(0)
    if not torch.isfinite(total).all():
        raise InputError(f"{path}: the features hold NaN or infinite values")
    return total / np.count_nonzero(features.valid)


def _moments(features: Features, mask: np.ndarray, origin: Tensor, name: str) -> Moments:
    """The moments of the rows in ``mask`` around ``origin``."""
    rows = torch.zeros_like(origin)
    scatter = origin.new_zeros(len(origin), len(origin))
    for index, block in _blocks(features, origin.device, name):
        chosen = block[torch.from_numpy(mask[index]).to(block.device)] - origin
        rows += chosen.sum(0)
        scatter.addmm_(chosen.T, chosen)
    return Moments(int(np.count_nonzero(mask)), rows, scatter)


def _blocks(features: Features, device: torch.device, name: str) -> Iterator[tuple[slice, Tensor]]:
    with tqdm(total=len(features), desc=f"PCA {name}", unit="row", mininterval=1) as progress:
        for first in range(0, len(features), _BLOCK):
            rows = slice(first, min(first + _BLOCK, len(features)))
            yield rows, torch.from_numpy(features.rows(rows)).to(device, torch.float64)
            progress.update(rows.stop - rows.start)
