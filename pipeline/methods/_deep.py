"""What the methods trained by gradient descent share: device, seeding, layers, the loop.

Everything random is drawn on the CPU from one ``torch.Generator`` (weights included), so that a fit
sees the same numbers on every device.
"""

import itertools
import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.functional import softplus

from pipeline.devices import pick_device, threads
from pipeline.errors import InputError
from pipeline.methods._layers import Affine, build, describe
from pipeline.methods.base import Hasher, State
from pipeline.seeds import derive

#: a fit takes no more cores than this, so that several can share a machine
MAX_THREADS = 4

NETWORKS = ("image_net_", "text_net_")
#: an (image, text) pair of networks
Pair = tuple[nn.Module, nn.Module]


@dataclass(eq=False, kw_only=True)
class TwoNetHasher(Hasher):
    """A hasher of two networks, one per view, whose codes are the signs of their outputs.

    Subclasses implement ``_train``. Features are standardised before any network sees them, so that
    one learning rate serves all.

    epochs      passes over the training set
    batch_size  rows of a mini-batch
    device      'auto' (the GPU if there is one), 'cpu' or 'cuda'
    image_net_, text_net_   raw features (n, d) in, one real value per bit out
    """

    epochs: int
    batch_size: int
    device: str = "auto"

    @abstractmethod
    def _train(self, x1: Tensor, x2: Tensor, generator: torch.Generator) -> Pair:
        """Networks for the prepared views ``x1`` (n, d_v) and ``x2`` (n, d_t), trained on them."""

    def _prepare(self, x: Tensor) -> nn.Module:
        """What a view (n, d) passes through before its network."""
        return standardize(x)

    def _fit(self, image: np.ndarray, text: np.ndarray) -> None:
        self.device_ = pick_device(self.device)
        views = tensor(image, self.device_), tensor(text, self.device_)
        first = [self._prepare(x) for x in views]
        with seeded(derive(self.seed, type(self).__name__, self.bits)) as generator:
            prepared = [prepare(x) for prepare, x in zip(first, views, strict=True)]
            nets = self._train(prepared[0], prepared[1], generator)
        self.image_net_, self.text_net_ = map(nn.Sequential, first, nets)

    def get_state(self) -> State:
        """The two networks as lists of layers and arrays."""
        state, layers = super().get_state(), {}
        arrays: dict[str, np.ndarray] = {}
        for name in NETWORKS:
            layers[name], numbers = describe(getattr(self, name))
            arrays |= {f"{name}.{key}": array for key, array in numbers.items()}
        return State({**state.arrays, **arrays}, {**state.about, "layers": layers})

    def set_state(self, state: State) -> Self:
        super().set_state(state)
        self.device_ = pick_device(self.device)
        for name in NETWORKS:
            numbers = {
                key.removeprefix(f"{name}."): array
                for key, array in state.arrays.items()
                if key.startswith(f"{name}.")
            }
            network = build(state.about["layers"][name], numbers)
            setattr(self, name, network.to(self.device_))
        return self

    def _descend(
        self,
        loss: Callable[[Tensor, int], Tensor],
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
        n: int,
        *,
        epochs: int | None = None,
        **tags: Any,
    ) -> None:
        """Minimise ``loss(rows, epoch)`` over mini-batches of n rows; epochs count from 0.

        epochs  passes, ``self.epochs`` unless given;  tags  go into the report of each
        """
        for epoch in range(self.epochs if epochs is None else epochs):
            rows_of = batches(n, self.batch_size, generator)
            losses = [step(loss(rows, epoch), optimizer) for rows in rows_of]
            self.report(**tags, epoch=epoch + 1, loss=float(np.mean(losses)))

    def _project_image(self, x: np.ndarray) -> np.ndarray:
        return outputs(self.image_net_, x, self.device_)

    def _project_text(self, x: np.ndarray) -> np.ndarray:
        return outputs(self.text_net_, x, self.device_)


@contextmanager
def seeded(seed: int) -> Iterator[torch.Generator]:
    """Seed the weights built inside; yields a generator, seeded alike, for everything else.

    The global random state and the number of threads are as before afterwards.
    """
    with threads(min(torch.get_num_threads(), MAX_THREADS)), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield torch.Generator().manual_seed(seed)


def tensor(x: np.ndarray, device: torch.device) -> Tensor:
    """A float32 copy of ``x`` on ``device``."""
    return torch.tensor(np.asarray(x, dtype=np.float32), device=device)


def mlp(*widths: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers of these widths, input first, with ``activation`` between them."""
    layers: list[nn.Module] = []
    for d_in, d_out in itertools.pairwise(widths):
        layers += [nn.Linear(d_in, d_out), activation()]
    return nn.Sequential(*layers[:-1])


def head(x: Tensor, *widths: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """``mlp`` for the view ``x`` (n, d), on its device: layers of these widths, the last linear."""
    return mlp(x.shape[1], *widths, activation=activation).to(x.device)


def he_mlp(
    widths: Sequence[int], activation: type[nn.Module], gain: float, generator: torch.Generator
) -> nn.Sequential:
    """``mlp`` from He's normal initialisation (ICCV 2015), biases 0.

    It keeps the size of activations from layer to layer: inputs of mean square 1 give outputs of
    standard deviation ``gain``.
    """
    net = mlp(*widths, activation=activation)
    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    for i, layer in enumerate(layers):
        # a rectifier passes half of the mean square, which the next layer makes good
        scale = (2 if i else 1) * (gain**2 if layer is layers[-1] else 1)
        nn.init.normal_(layer.weight, 0, math.sqrt(scale / layer.in_features), generator=generator)
        nn.init.zeros_(layer.bias)
    return net


def by_width(net: nn.Module, lr: float, **options: float) -> list[dict[str, Any]]:
    """An optimizer's groups: layers of more than 256 inputs learn at a proportionally lower rate.

    The curvature of a loss in a layer's weights grows with the mean square of its input, so with
    the number of inputs; a rate that suits 256 units would diverge with 1,024.
    """
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in net.parameters():
        inputs = parameter.shape[1] if parameter.ndim == 2 else 1
        groups.setdefault(lr * min(1.0, 256 / inputs), []).append(parameter)
    return [{"params": params, "lr": rate, **options} for rate, params in groups.items()]


@torch.no_grad()
def spread_outputs(net: nn.Sequential, x: Tensor, std: float) -> None:
    """Shift and scale the last layer: on ``x`` (n, d) outputs have mean 0 and deviation ``std``."""
    z, last = net(x), net[-1]
    scale = std / z.std(dim=0).clamp_min(1e-6)
    last.weight.mul_(scale[:, None])
    last.bias.sub_(z.mean(dim=0)).mul_(scale)


def permuted(p: Tensor, generator: torch.Generator) -> Tensor:
    """``p`` (n, d) with every column permuted on its own: a sample of the product of marginals."""
    keys = torch.rand(p.shape, generator=generator).to(p.device)
    return p.gather(0, keys.argsort(dim=0))


def ratio_loss(d: nn.Module, p: Tensor, generator: torch.Generator) -> Tensor:
    """The logistic loss by which ``d`` learns the log ratio of p's density to its marginals'.

    Rows of p (n, L) are of class 1, p with every column permuted on its own of class 0.
    """
    return softplus(-d(p)).mean() + softplus(d(permuted(p, generator))).mean()


def adam(*nets: nn.Module, lr: float, weight_decay: float = 0.0) -> torch.optim.Adam:
    """Adam for all parameters of ``nets``."""
    parameters = [p for net in nets for p in net.parameters()]
    return torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay, fused=True)


def sgd(*nets: nn.Module, lr: Sequence[float], weight_decay: float = 5e-4) -> torch.optim.SGD:
    """SGD with momentum 0.9 and a learning rate for each of ``nets``.

    The default decay is that of DJSRH, JDSH and DGCPN, whose authors build on one another's code.
    """
    groups = [{"params": net.parameters(), "lr": r} for net, r in zip(nets, lr, strict=True)]
    return torch.optim.SGD(groups, momentum=0.9, weight_decay=weight_decay, fused=True)


def standardize(x: Tensor) -> Affine:
    """Subtract the mean of a training view (n, d) and divide by ONE scale, its rms entry.

    One scale for the whole view, because a scale per column would blow up rare tags; with it a
    learning rate means the same on L1-normalised histograms and on FC7 features.
    """
    mean = x.mean(dim=0)
    rms = (x - mean).square().mean().sqrt()
    return Affine(mean, torch.where(rms > 0, rms, torch.ones_like(rms)))


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


def equal_batches(n: int, steps: int, generator: torch.Generator) -> Iterator[Tensor]:
    """One epoch as ``steps`` mini-batches of one size; less than steps rows sit each epoch out."""
    order = torch.randperm(n, generator=generator)
    yield from order[: n // steps * steps].split(n // steps)


def step(loss: Tensor, optimizer: torch.optim.Optimizer) -> float:
    """One descent step on ``loss``; its value. A loss that is not finite ends the fit."""
    value = loss.item()
    if not math.isfinite(value):
        raise InputError(f"the training loss became {value}; a smaller learning rate is needed")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return value


@torch.no_grad()
def outputs(net: nn.Module, x: np.ndarray, device: torch.device, block: int = 4096) -> np.ndarray:
    """``net(x)`` row block by row block, float32 (n, outputs)."""
    parts = [net(tensor(rows, device)).cpu() for rows in np.split(x, range(block, len(x), block))]
    return torch.cat(parts).numpy()
