"""UCMFH: unsupervised contrastive multi-modal fusion hashing, on given features, as published.

Xia, Dong, Li, Zhu, Ren, "When CLIP meets cross-modal hashing retrieval: A new strong baseline",
Information Fusion 100, 2023.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.devices import pick_device
from pipeline.errors import InputError
from pipeline.methods import _deep
from pipeline.methods._layers import Affine, UnitRows
from pipeline.methods._parameters import Positive
from pipeline.methods.base import Hasher, State


@dataclass(eq=False, kw_only=True)
class UCMFH(_deep.TwoNetHasher):
    """A transformer fuses both views of a pair; each half of what it gives becomes a code.

    NOT CROSS-MODAL AS PUBLISHED: at test, too, the code of an image is made from the image AND its
    text, and the other way round; and the pairs of a test batch, which in training are each alone,
    attend to one another, so that a code depends on which pairs stand beside it. ``encode_pairs``
    does this, and the pipeline calls it (``sees_both_views``): its figures are no retrieval across
    views, and have no place in a ranking. ``encode_image`` and ``encode_text`` replace the view
    that is not there by its training mean and look at one row at a time; ``ucmfh_withheld`` is the
    method with these codes.

    The loss is the contrast (NT-Xent) of the two halves, plus ``w_hash`` times that of the two hash
    functions' outputs.

    Theirs: networks, loss and the other defaults; both views seen at test.

    Ours: sizes, reduced for the cost's sake (their tokens are 512 wide a view, CLIP's features as
    they are, and they train for 100 epochs); a linear layer brings any features to ``width``; a
    growth of the heads' rate to 1.44 times within the first 80 mini-batches is omitted.

    Not known: nothing that matters.

    epochs       passes over the training set
    batch_size   pairs of a mini-batch, and of those that attend to one another at test
    width        of a view in the transformer, which is twice as wide
    layers, heads  of the transformer
    hidden       width of the hash functions
    lr, lr_hash  Adam's rates of the transformer and of the hash functions
    temperature  of the contrasts
    w_hash       weight of the hash functions' contrast
    """

    sees_both_views: ClassVar[bool] = True

    epochs: int = 50
    batch_size: int = 128
    width: int = 256
    layers: int = 2
    heads: int = 4
    hidden: int = 4096
    lr: float = 1e-4
    lr_hash: float = 1e-3
    temperature: Positive = 0.5
    w_hash: float = 0.5

    def _train(self, x1: Tensor, x2: Tensor, generator: torch.Generator) -> _deep.Pair:
        self.fusion_ = fusion = self._fusion(x1.shape[1], x2.shape[1]).to(x1.device)

        def loss(rows: Tensor, epoch: int) -> Tensor:
            halves = fusion.halves(x1[rows], x2[rows])
            hashed = fusion.hashed(halves)
            contrast = nt_xent(halves[0], halves[1], self.temperature)
            return contrast + self.w_hash * nt_xent(hashed[0], hashed[1], self.temperature)

        groups = [
            {"params": [*fusion.enter.parameters(), *fusion.encoder.parameters()], "lr": self.lr},
            {"params": fusion.hashes.parameters(), "lr": self.lr_hash},
        ]
        optimizer = torch.optim.Adam(groups, betas=(0.5, 0.999), fused=True)
        self._descend(loss, optimizer, generator, len(x1))
        fusion.eval()
        return Alone(fusion, 0), Alone(fusion, 1)

    def _fusion(self, image: int, text: int) -> "Fusion":
        sizes = self.width, self.layers, self.heads, self.hidden, self.bits
        return Fusion((image, text), *sizes)

    def get_state(self) -> State:
        """The transformer's arrays and what standardises each view."""
        state, parts = Hasher.get_state(self), {"fusion": self.fusion_}
        parts |= {name: getattr(self, name)[0] for name in _deep.NETWORKS}
        arrays = {
            f"{name}.{key}": value.cpu().numpy()
            for name, part in parts.items()
            for key, value in part.state_dict().items()
        }
        return State(arrays, state.about)

    def set_state(self, state: State) -> Self:
        Hasher.set_state(self, state)
        self.device_ = pick_device(self.device)
        fusion = self._fusion(self.n_image_features_, self.n_text_features_)
        found = {name: torch.from_numpy(np.array(array)) for name, array in state.arrays.items()}
        try:
            own = {
                k.removeprefix("fusion."): v for k, v in found.items() if k.startswith("fusion.")
            }
            fusion.load_state_dict(own)
            first = [
                Affine(found[f"{name}.mean"], found[f"{name}.scale"]) for name in _deep.NETWORKS
            ]
        except (KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"the arrays of UCMFH do not fit ({reason:.200})") from None
        self.fusion_ = fusion.to(self.device_).eval().requires_grad_(False)
        for view, name in enumerate(_deep.NETWORKS):
            network = nn.Sequential(first[view], Alone(self.fusion_, view))
            setattr(self, name, network.to(self.device_))
        return self

    @torch.no_grad()
    def encode_pairs(self, image: np.ndarray, text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codes of both views from both; ``batch_size`` pairs at a time attend to one another."""
        image = self._check_encode(image, "image", "n_image_features_")
        text = self._check_encode(text, "text", "n_text_features_")
        if len(image) != len(text):
            raise InputError(f"image has {len(image)} rows and text {len(text)}; pairs are needed")
        codes = []
        for start in range(0, len(image), self.batch_size):
            rows = slice(start, start + self.batch_size)
            prepared = [
                net[0](_deep.tensor(x[rows], self.device_))
                for net, x in ((self.image_net_, image), (self.text_net_, text))
            ]
            hashed = self.fusion_.hashed(self.fusion_.halves(*prepared, together=True))
            codes.append([h.cpu().numpy() > 0 for h in hashed])
        first, second = map(np.concatenate, zip(*codes, strict=True))
        return first, second


class Fusion(nn.Module):
    """The transformer over both views and a hash function for each half of its output."""

    def __init__(
        self, features: tuple[int, int], width: int, layers: int, heads: int, hidden: int, bits: int
    ) -> None:
        super().__init__()
        self.enter = nn.ModuleList(nn.Linear(d, width) for d in features)
        layer = nn.TransformerEncoderLayer(2 * width, heads)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.hashes = nn.ModuleList(hash_function(width, hidden, bits) for _ in features)

    def halves(self, x1: Tensor, x2: Tensor, *, together: bool = False) -> tuple[Tensor, ...]:
        """What the transformer makes of each view, two of (n, width).

        Each pair is a sequence of one token, or ``together`` all of them are one sequence.
        """
        tokens = torch.cat([net(x) for net, x in zip(self.enter, (x1, x2), strict=True)], dim=1)
        axis = 1 if together else 0  # the transformer takes (sequence, batch, token)
        return F.normalize(self.encoder(tokens.unsqueeze(axis)).squeeze(axis)).chunk(2, dim=1)

    def hashed(self, halves: tuple[Tensor, ...]) -> list[Tensor]:
        """The relaxed codes of both halves, unit rows (n, bits)."""
        return [net(half) for net, half in zip(self.hashes, halves, strict=True)]


class Alone(nn.Module):
    """The hash function of one view, the other one at its training mean: (n, d) -> (n, bits).

    Features are standardised before, so that the mean is zero.
    """

    def __init__(self, fusion: Fusion, view: int) -> None:
        super().__init__()
        self.fusion, self.view = fusion, view

    def forward(self, x: Tensor) -> Tensor:
        missing = x.new_zeros(len(x), self.fusion.enter[1 - self.view].in_features)
        views = (x, missing) if self.view == 0 else (missing, x)
        return self.fusion.hashes[self.view](self.fusion.halves(*views)[self.view])


def hash_function(features: int, hidden: int, bits: int) -> nn.Sequential:
    """Unit rows, one hidden layer, tanh, unit rows."""
    layers = nn.Linear(features, hidden), nn.ReLU(), nn.Dropout(0.3), nn.Linear(hidden, bits)
    return nn.Sequential(UnitRows(), *layers, nn.Tanh(), UnitRows())


def nt_xent(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Each of the 2 n rows of ``a`` and ``b`` (n, d) must find its partner among all others.

    Cross-entropy of the cosines over ``temperature``, mean over the rows (Chen et al., ICML 2020).
    """
    rows = F.normalize(torch.cat([a, b]))
    itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    logits = (rows @ rows.T / temperature).masked_fill(itself, float("-inf"))
    partner = torch.arange(len(rows), device=rows.device).roll(len(a))
    return F.cross_entropy(logits, partner)
