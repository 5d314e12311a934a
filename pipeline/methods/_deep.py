"""What the methods trained by gradient descent share: device, seeding, layers, mini-batches.

Everything random is drawn on the CPU from one ``torch.Generator`` (weights included), so that a fit
sees the same numbers on every device.
"""

import itertools
import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.methods.base import Hasher
from pipeline.seeds import derive

#: a fit takes no more cores than this, so that several can share a machine
MAX_THREADS = 4


class TwoNetHasher(Hasher):
    """A hasher of two networks, one per view, whose codes are the signs of their outputs.

    Subclasses set ``device`` in ``__init__`` and implement ``_train``, which builds and trains
    ``image_net_`` and ``text_net_`` (raw features in, one real value per bit out).
    """

    device: str
    image_net_: nn.Module
    text_net_: nn.Module

    @abstractmethod
    def _train(self, image: Tensor, text: Tensor, generator: torch.Generator) -> None: ...

    def _fit(self, image: np.ndarray, text: np.ndarray) -> None:
        self.device_ = device_of(self.device)
        with seeded(derive(self.seed, type(self).__name__, self.bits)) as generator:
            self._train(tensor(image, self.device_), tensor(text, self.device_), generator)

    def _encode_image(self, x: np.ndarray) -> np.ndarray:
        return outputs(self.image_net_, x, self.device_) > 0

    def _encode_text(self, x: np.ndarray) -> np.ndarray:
        return outputs(self.text_net_, x, self.device_) > 0


def device_of(name: str) -> torch.device:
    """The device called ``name``; 'auto' is the GPU if there is one, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device is {name!r} but this machine has no GPU; use 'auto' or 'cpu'")
    return torch.device(name)


@contextmanager
def seeded(seed: int) -> Iterator[torch.Generator]:
    """Seed the weights built inside; yields a generator, seeded alike, for everything else.

    The global random state and the number of threads are as before afterwards.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(min(threads, MAX_THREADS))
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            yield torch.Generator().manual_seed(seed)
    finally:
        torch.set_num_threads(threads)


def tensor(x: np.ndarray, device: torch.device) -> Tensor:
    """A float32 copy of ``x`` on ``device``."""
    return torch.tensor(np.asarray(x, dtype=np.float32), device=device)


def mlp(*widths: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers of these widths, input first, with ``activation`` between them."""
    layers: list[nn.Module] = []
    for d_in, d_out in itertools.pairwise(widths):
        layers += [nn.Linear(d_in, d_out), activation()]
    return nn.Sequential(*layers[:-1])


class Standardize(nn.Module):
    """Subtract the mean of a training view (n, d) and divide by ONE scale, its rms entry.

    One scale for the whole view, because a scale per column would blow up rare tags; with it a
    learning rate means the same on L1-normalised histograms and on FC7 features.
    """

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        mean = x.mean(dim=0)
        rms = (x - mean).square().mean().sqrt()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", torch.where(rms > 0, rms, torch.ones_like(rms)))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.scale


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of every row of ``a`` (n, d) with every row of ``b`` (m, d); (n, m)."""
    return F.normalize(a) @ F.normalize(b).T


def ranked(x: Tensor, k: int, *, farthest: bool = False, block: int = 1024) -> Tensor:
    """Indices of the k rows nearest to each row of ``x`` (n, d), itself among them; (n, k).

    With ``farthest`` the k farthest instead, farthest first. Distances are Euclidean.
    """
    parts = (torch.cdist(rows, x).topk(k, largest=farthest).indices for rows in x.split(block))
    return torch.cat(list(parts))


def batches(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """One epoch: indices 0..n-1 in random order, ``size`` at a time, less an incomplete rest.

    With fewer than ``size`` rows the one batch is all of them.
    """
    size = min(size, n)
    order = torch.randperm(n, generator=generator)
    yield from order[: n - n % size].split(size)


def step(loss: Tensor, *optimizers: torch.optim.Optimizer) -> float:
    """One descent step on ``loss``; its value. A loss that is not finite ends the fit."""
    value = loss.item()
    if not math.isfinite(value):
        raise InputError(f"the training loss became {value}; a smaller learning rate is needed")
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    return value


def descend(
    loss: Callable[[Tensor, int], Tensor],
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    *,
    n: int,
    epochs: int,
    batch_size: int,
    report: Callable[..., None],
) -> None:
    """Minimise ``loss(rows, epoch)`` over mini-batches of n rows; epochs count from 0."""
    for epoch in range(epochs):
        losses = [step(loss(rows, epoch), optimizer) for rows in batches(n, batch_size, generator)]
        report(epoch=epoch + 1, loss=float(np.mean(losses)))


@torch.no_grad()
def outputs(net: nn.Module, x: np.ndarray, device: torch.device, block: int = 4096) -> np.ndarray:
    """``net(x)`` row block by row block, float32 (n, outputs)."""
    parts = [net(tensor(rows, device)).cpu() for rows in np.split(x, range(block, len(x), block))]
    return torch.cat(parts).numpy()
