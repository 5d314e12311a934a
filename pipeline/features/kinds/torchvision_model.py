"""Any classification model of torchvision by its name, at any of its layers."""

import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL.Image import Image
from torch import Tensor, nn
from torchvision import models
from torchvision.models import get_model, get_model_weights, list_models
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from pipeline.errors import InputError
from pipeline.features.images import ImageEncoder
from pipeline.features.kinds.backbone import fetch, read_state
from pipeline.seeds import derive


class Layer(ImageEncoder):
    """What a network computes at one of its nodes, averaged over places; its own transforms."""

    def __init__(self, network: nn.Module, node: str, transforms: nn.Module, unit: bool) -> None:
        super().__init__(0, transforms.resize_size[0])
        self.network = create_feature_extractor(network, [node])
        self._node, self._transforms, self._unit = node, transforms, unit
        self.eval().requires_grad_(False)
        self.dimensions = self(self._transforms(torch.zeros(1, 3, 256, 256))).shape[1]

    def prepare(self, image: Image) -> np.ndarray:
        return self._transforms(image).numpy()

    def forward(self, images: Tensor) -> Tensor:
        found = self.network(images)[self._node].float()
        if found.ndim == 4:
            found = found.mean(dim=(2, 3))
        elif found.ndim == 3:
            found = found.mean(dim=1)
        return F.normalize(found) if self._unit else found


def create(
    *,
    model: str,
    weights: str = "pretrained",
    layer: str = "",
    normalize: bool = False,
    seed: int = 0,
) -> Layer:
    """The classification model called ``model``, read at ``layer``.

    weights    'pretrained' (torchvision's best, downloaded once), 'untrained' (drawn from ``seed``)
               or the path of a state dict
    layer      a node of the network, or a block of nodes; by default the input of its last layer
    normalize  to length 1
    """
    if model not in list_models(module=models):
        raise InputError(f"torchvision has no classification model named {model!r}")
    best = get_model_weights(model).DEFAULT
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "torchvision model", model))
        network = get_model(model).eval()
    if weights != "untrained":
        file = fetch(best.url) if weights == "pretrained" else Path(weights)
        try:
            network.load_state_dict(read_state(file))
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise InputError(f"{file}: not the weights of {model}: {reason}") from None
    with warnings.catch_warnings(action="ignore"):
        nodes = get_graph_node_names(network)[1]
    node = layer or nodes[-2]
    if not any(name == node or name.startswith(f"{node}.") for name in nodes):
        near = [name for name in nodes if layer.split(".")[0] in name] or nodes
        raise InputError(f"{model} has no layer {layer!r}; there are {', '.join(near[-12:])}")
    return Layer(network, node, best.transforms(), normalize)
