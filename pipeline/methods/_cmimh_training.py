"""Training of CMIMH models, any number of equal shape at once, resumable from a checkpoint."""

import hashlib
import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, normalize

from pipeline.files import whole
from pipeline.methods._cmimh_networks import Networks
from pipeline.seeds import derive
from pipeline.sources import digest

if TYPE_CHECKING:
    from pipeline.methods.cmimh import CMIMH

#: w_gap and w_balance hold at this many bits, and in inverse proportion at others: their terms are
#: sums over bits, while what there is to tell does not grow with the bits, so that at 128 bits the
#: gap outweighed every bit's share of it and the codes collapsed
REFERENCE_BITS = 16
CODE = "pipeline.methods.cmimh"
#: rows that statistics of the training set are taken from
SAMPLE = 2048
#: neighbours are sought among at most so many rows, evenly spaced: the search stays linear in n
CANDIDATES = 20_000
WEIGHTS = ("intra", "inter", "gap", "tc", "balance")


class Training:
    """S models in training: networks, optimiser, one random stream per model, epochs done.

    history        of every epoch so far the records of all models
    models         equal but for their seeds and weights
    images, texts  each model's features (n, d_v), (n, d_t)
    """

    def __init__(
        self,
        models: Sequence["CMIMH"],
        images: Sequence[np.ndarray],
        texts: Sequence[np.ndarray],
        device: torch.device,
    ) -> None:
        self.models, self.first, self.device = models, models[0], device
        self.rows = len(images[0])
        self.steps = -(-self.rows // self.first.batch_size)
        self.epochs = max(self.first.epochs, -(-self.first.min_steps // self.steps))
        self.views = [_tensors(view, device) for view in (images, texts)]
        self.scalers = [_scaler(view, self.first.scaling) for view in self.views]
        self.some = [torch.arange(min(self.rows, SAMPLE), device=device)] * len(models)
        self.near = self._neighbors() if self.first.smoothing else []
        self.levels = [torch.ones(1, device=device)] * 2
        self.levels = [
            1 / x.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp_min(1e-15)
            for x in self._smoothed(self._batch(self.some), self.some)
        ]
        self.weights = {
            name: torch.tensor([float(getattr(m, f"w_{name}")) for m in models], device=device)
            for name in WEIGHTS
        }
        for name in ("gap", "balance"):
            self.weights[name] *= REFERENCE_BITS / self.first.bits
        self.generators = [
            torch.Generator(device).manual_seed(derive(m.seed, "cmimh", m.bits)) for m in models
        ]
        self.networks = self._networks()
        self.optimiser = self._optimiser()
        self.done = 0
        self.history: list[list[dict[str, Any]]] = []

    def _networks(self) -> Networks:
        m = self.first
        networks = Networks(
            len(self.models),
            (self.views[0][0].shape[1], self.views[1][0].shape[1]),
            m.bits,
            coder=[m.hidden] * 2 if m.encoder == "mlp" else [],
            hidden=m.hidden,
            judge=m.judge,
        ).to(self.device)
        networks.initialise(self.generators)
        networks.spread_logits(self._batch(self.some), m.spread)
        return networks

    def _optimiser(self) -> torch.optim.Optimizer:
        m, net = self.first, self.networks
        groups = [
            {
                "params": params,
                "lr": base * factor,
                "base": base * factor,
                "weight_decay": decay,
            }
            for base, decay, kinds in (
                (m.lr, m.weight_decay, [net.encoder, net.classifier]),
                (m.lr, m.critic_decay, [net.critic]),
                (m.lr_decoder, m.weight_decay, [net.decoder]),
            )
            for factor, params in _by_factor(kinds).items()
        ]
        if m.optimiser == "adam":
            return torch.optim.Adam(groups, fused=True)
        return torch.optim.SGD(groups, lr=m.lr, momentum=m.momentum, fused=True)

    def epoch(self) -> list[dict[str, Any]]:
        """Train one epoch, every row at most once; each model's record, the terms' means."""
        steps, size = self.steps, self.rows // self.steps
        orders = [
            torch.randperm(self.rows, generator=g, device=self.device) for g in self.generators
        ]
        self._anneal()
        weights = self.weights | {"gap": self.weights["gap"] * self._warmth()}
        sums: dict[str, Tensor] = {}
        for start in range(0, steps * size, size):
            terms = self._step([order[start : start + size] for order in orders], weights)
            sums = {name: sums.get(name, 0) + value.detach() for name, value in terms.items()}
        self.done += 1
        means = {name: (value / steps).tolist() for name, value in sums.items()}
        records = [
            {"epoch": self.done} | {name: values[s] for name, values in means.items()}
            for s in range(len(self.models))
        ]
        self.history.append(records)
        return records

    def _step(self, rows: Sequence[Tensor], weights: dict[str, Tensor]) -> dict[str, Tensor]:
        samples = 0 if self.first.critic == "mean" else int(self.first.critic)
        x = self._batch(rows)
        seen = [self._part_of(view) for view in x]
        target = self._smoothed(x, rows)
        joint = joint_weights(x, self.first.smoothing, self.first.batch_neighbors)
        total, terms = self.networks.objective(target, seen, weights, self._draw, samples, joint)
        self.optimiser.zero_grad(set_to_none=True)
        total.sum().backward()
        self.optimiser.step()
        return terms

    def _anneal(self) -> None:
        """Both rates fall along half a cosine, from the given ones to 0."""
        if self.first.anneal:
            factor = (1 + math.cos(math.pi * self.done / self.epochs)) / 2
            for group in self.optimiser.param_groups:
                group["lr"] = group["base"] * factor

    def _warmth(self) -> float:
        """The share of the gap weight in force: grows linearly to 1 during the warm-up."""
        warm_up = self.first.warm_up * self.epochs
        return min(1.0, (self.done + 1) / warm_up) if warm_up else 1.0

    def _batch(self, rows: Sequence[Tensor]) -> list[Tensor]:
        """Both views of each model's own rows, scaled: (S, B, d)."""
        return [
            (torch.stack([x[r] for x, r in zip(view, rows, strict=True)]) - mean) * factor
            for view, (mean, factor) in zip(self.views, self.scalers, strict=True)
        ]

    def _neighbors(self) -> list[Tensor]:
        """Of every model the nearest other pairs of each of its pairs, indices (n, k)."""
        found: dict[tuple[int, int], Tensor] = {}
        for s, views in enumerate(zip(*self.views, strict=True)):
            key = tuple(map(id, views))
            if key not in found:
                scaled = [
                    (x - mean[s]) * factor[s]
                    for x, (mean, factor) in zip(views, self.scalers, strict=True)
                ]
                found[key] = nearest(scaled, self.first.neighbors)
        return [found[tuple(map(id, views))] for views in zip(*self.views, strict=True)]

    def _smoothed(self, x: Sequence[Tensor], rows: Sequence[Tensor]) -> list[Tensor]:
        """What decoders have to restore of ``x``, the views of ``rows``: a share ``smoothing`` of
        it is the mean of the pair's neighbours, and the whole has mean square 1 again."""
        share = self.first.smoothing
        if not share:
            return list(x)
        smoothed = []
        for own, view, (mean, factor), level in zip(
            x, self.views, self.scalers, self.levels, strict=True
        ):
            around = [
                embedding_bag(near[r], features, mode="mean")
                for near, r, features in zip(self.near, rows, view, strict=True)
            ]
            around = (torch.stack(around) - mean) * factor
            smoothed.append(torch.lerp(own, around, share) * level)
        return smoothed

    def _part_of(self, view: Tensor) -> Tensor:
        """The view with a share ``hide`` of its entries at their mean, the others scaled up."""
        hide = self.first.hide
        return view * (self._draw(view.shape[1:]) >= hide) / (1 - hide) if hide else view

    def _draw(self, shape: Sequence[int]) -> Tensor:
        """U(0, 1) noise (S, *shape), each model from its own stream."""
        noise = [torch.rand(tuple(shape), generator=g, device=self.device) for g in self.generators]
        return torch.stack(noise)

    def save(self, path: Path) -> None:
        """Write everything that the coming epochs depend on."""
        state = {
            "of": self._identity(),
            "done": self.done,
            "history": self.history,
            "networks": self.networks.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generators": [g.get_state() for g in self.generators],
        }
        buffer = io.BytesIO()  # torch would call a full disk an error of its own
        torch.save(state, buffer)
        with whole(path) as part:
            part.write_bytes(buffer.getbuffer())

    def resume(self, path: Path) -> bool:
        """Go on from a checkpoint; False, and nothing done, if it is not one of this training."""
        try:
            with warnings.catch_warnings(action="ignore"):
                state = torch.load(path, map_location=self.device, weights_only=True)
        except Exception:  # the reader raises whatever it stumbles over in a damaged file
            return False
        if state["of"] != self._identity():
            return False
        self.networks.load_state_dict(state["networks"])
        self.optimiser.load_state_dict(state["optimiser"])
        for generator, saved in zip(self.generators, state["generators"], strict=True):
            generator.set_state(saved.cpu())
        self.done, self.history = state["done"], state["history"]
        return True

    def _identity(self) -> str:
        """A digest of the models' parameters, their data and the code that trains them."""
        found = hashlib.sha256(f"{torch.__version__} {digest(CODE)}".encode())
        for model in self.models:
            found.update(repr(sorted(model.params().items())).encode())
        for mean, factor in self.scalers:
            found.update(mean.cpu().numpy().tobytes() + factor.cpu().numpy().tobytes())
        return found.hexdigest()


def nearest(views: Sequence[Tensor], k: int, block: int = 1024) -> Tensor:
    """Indices (n, k) of the k pairs most like each pair, itself not among them.

    views  both views of the pairs, (n, d_v) and (n, d_t)

    With fewer than k others, all of them.
    """
    n = len(views[0])
    if n == 1:
        return torch.zeros((1, 1), dtype=torch.long, device=views[0].device)
    both = _as_one(views)
    candidates = torch.arange(0, n, -(-n // CANDIDATES), device=both.device)
    others, found = both[candidates], []
    for rows in torch.arange(n, device=both.device).split(block):
        likeness = both[rows] @ others.T
        likeness.masked_fill_(candidates == rows[:, None], -math.inf)
        found.append(candidates[likeness.topk(min(k, len(candidates) - 1), dim=1).indices])
    return torch.cat(found)


def joint_weights(views: Sequence[Tensor], share: float, k: int) -> Tensor | None:
    """How much every combination of an image and a text of a mini-batch counts as a joint sample.

    views  both views of the mini-batch, (S, B, d_v) and (S, B, d_t)

    (S, B, B), every row summing to 1: a pair itself counts 1 - share, and ``share`` its image with
    the texts of the k pairs of the mini-batch that are most like it. None: true pairs alone count.
    """
    k = min(k, views[0].shape[1] - 1)
    if not share or k < 1:
        return None
    itself = torch.eye(views[0].shape[1], device=views[0].device)
    both = _as_one(views)
    likeness = (both @ both.mT).masked_fill(itself.bool(), -math.inf)
    around = torch.zeros_like(likeness).scatter(2, likeness.topk(k, dim=2).indices, share / k)
    return around + (1 - share) * itself


def _as_one(views: Sequence[Tensor]) -> Tensor:
    """Both views (..., n, d) as one, whose inner products say how alike two pairs are.

    They are the sum of both views' cosines, each divided by its standard deviation over pairs of
    pairs, so that neither view outvotes the other.
    """
    unit = []
    for view in views:
        x = normalize(view, dim=-1)
        some = x[..., :SAMPLE, :]
        spread = (some @ some.mT).std(dim=(-2, -1), keepdim=True).clamp_min(1e-6)
        unit.append(x / spread.sqrt())
    return torch.cat(unit, dim=-1)


def _by_factor(kinds: Sequence[nn.Module]) -> dict[float, list[nn.Parameter]]:
    """Parameters by what their rate is multiplied with: 256 / inputs for weights of wide layers.

    The curvature of the loss in a layer's weights grows with the mean square of its input, so with
    the number of inputs; without the factor a rate that suits 256 units diverges with 1,024.
    """
    groups: dict[float, list[nn.Parameter]] = {}
    for kind in kinds:
        for parameter in kind.parameters():
            groups.setdefault(min(1.0, 256 / parameter.shape[1]), []).append(parameter)
    return groups


def _tensors(view: Sequence[np.ndarray], device: torch.device) -> list[Tensor]:
    """Float32 tensors; models that share an array share the tensor."""
    shared: dict[int, Tensor] = {}
    for x in view:
        if id(x) not in shared:
            shared[id(x)] = torch.from_numpy(np.ascontiguousarray(x, np.float32)).to(device)
    return [shared[id(x)] for x in view]


def _scaler(view: Sequence[Tensor], power: float) -> tuple[Tensor, Tensor]:
    """Mean and factor, (S, 1, d), that bring each model's view to mean square 1.

    power  of a feature's standard deviation that it is divided by: 0 keeps the spectrum of the
           view, 1 gives every feature the same variance
    """
    mean = torch.stack([x.mean(dim=0, keepdim=True) for x in view])
    variance = torch.stack([x.var(dim=0, correction=0, keepdim=True) for x in view])
    overall = variance.mean(dim=2, keepdim=True).clamp_min(1e-30)
    relative = variance / overall
    flattened = relative.clamp_min(1e-6).pow(-power)
    level = (relative * flattened).mean(dim=2, keepdim=True).clamp_min(1e-30)
    return mean, (flattened / (level * overall)).sqrt()
