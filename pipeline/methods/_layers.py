"""Layers of the networks here, and networks as data: what JSON can hold, and arrays.

A stored network is a list of the names and sizes of layers of this file; no code travels with it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.errors import InputError


class Affine(nn.Module):
    """``(x - mean) / scale``, with numbers that are not trained: mean (d,), scale (d,) or ()."""

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.scale


class UnitRows(nn.Module):
    """Rows of length 1; a row of zeros stays one."""

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x)


#: layers without numbers of their own
_PLAIN = {layer.__name__: layer for layer in (nn.ReLU, nn.LeakyReLU, nn.Tanh, UnitRows)}
#: layers that do nothing once a network is trained
_IDLE = (nn.Identity, nn.Dropout)


def describe(network: nn.Sequential) -> tuple[list[list[Any]], dict[str, np.ndarray]]:
    """The layers of a network, each a name and sizes, and its arrays by layer and name."""
    layers: list[list[Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for layer in _flat(network):
        match layer:
            case nn.Linear(in_features=d_in, out_features=d_out, bias=bias):
                layers.append(["Linear", d_in, d_out, bias is not None])
            case Affine(mean=mean, scale=scale):
                layers.append(["Affine", list(mean.shape), list(scale.shape)])
            case _ if type(layer).__name__ in _PLAIN:
                layers.append([type(layer).__name__])
            case _:
                raise TypeError(f"a {type(layer).__name__} cannot be described")
        state = layer.state_dict()
        arrays |= {f"{len(layers) - 1}.{k}": v.cpu().numpy() for k, v in state.items()}
    return layers, arrays


def build(layers: list[list[Any]], arrays: Mapping[str, np.ndarray]) -> nn.Sequential:
    """The network that ``describe`` described; InputError where layers and arrays do not fit."""
    state = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    try:
        with torch.device("meta"):  # no memory for numbers that the arrays replace
            network = nn.Sequential(*(_layer(*layer) for layer in layers))
        network.load_state_dict(state, assign=True)
    except (TypeError, ValueError, RuntimeError, LookupError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"the layers and arrays of a network do not fit ({reason:.200})") from None
    return network.eval().requires_grad_(False)


def _layer(name: str, *sizes: Any) -> nn.Module:
    if name == "Linear":
        return nn.Linear(*sizes[:2], bias=bool(sizes[2]))
    if name == "Affine":
        return Affine(*map(torch.empty, sizes))
    return _PLAIN[name](*sizes)


def _flat(network: nn.Sequential) -> list[nn.Module]:
    """Its layers in order, those of sequences within it too."""
    found: list[nn.Module] = []
    for layer in network:
        if isinstance(layer, nn.Sequential):
            found += _flat(layer)
        elif not isinstance(layer, _IDLE):
            found.append(layer)
    return found
