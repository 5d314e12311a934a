"""The paper's image encoders: torchvision's convolutional networks, cut at the features' layer."""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import numpy as np
import torch
import torch.nn.functional as F
from PIL.Image import Image
from torch import Tensor, nn
from torchvision.models import (
    AlexNet_Weights,
    SqueezeNet1_1_Weights,
    VGG19_Weights,
    WeightsEnum,
    get_model,
)
from torchvision.transforms import v2

from pipeline.errors import InputError
from pipeline.features.decode import crop
from pipeline.features.images import ImageEncoder
from pipeline.seeds import derive
from pipeline.storage.files import sha256
from pipeline.storage.recognise import aside

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's training images


@dataclass(frozen=True)
class Backbone:
    """A network's trained weights, the width of its features, and its layers.

    A layer's entry says what takes the place of the network's classifier; the first is the default.
    """

    trained: WeightsEnum
    dimensions: int
    layers: Mapping[str, Callable[[nn.Sequential], nn.Module]]


BACKBONES = {
    "alexnet": Backbone(
        AlexNet_Weights.IMAGENET1K_V1,
        4096,
        {"fc7": lambda head: head[:6], "fc7_before_relu": lambda head: head[:5]},
    ),
    "vgg19": Backbone(
        VGG19_Weights.IMAGENET1K_V1,
        4096,
        {"fc7": lambda head: head[:5], "fc7_before_relu": lambda head: head[:4]},
    ),
    "squeezenet1_1": Backbone(
        SqueezeNet1_1_Weights.IMAGENET1K_V1,
        512,
        {"pooled": lambda _: nn.AdaptiveAvgPool2d(1)},
    ),
}


class Encoder(ImageEncoder):
    """A network in evaluation mode: uint8 (n, 3, 224, 224) in, float32 (n, dimensions) out."""

    def __init__(self, network: nn.Module, dimensions: int, normalize: bool = False) -> None:
        super().__init__(dimensions)
        self.network, self._normalize = network, normalize
        self.scale = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
        self.eval().requires_grad_(False)

    def prepare(self, image: Image) -> np.ndarray:
        return crop(image)

    def forward(self, images: Tensor) -> Tensor:
        pixels = self.scale(images).contiguous(memory_format=torch.channels_last)
        features = self.network(pixels).float()
        return F.normalize(features) if self._normalize else features


def create(
    *,
    backbone: str,
    weights: str = "pretrained",
    layer: str = "",
    normalize: bool = False,
    seed: int = 0,
) -> Encoder:
    """The encoder ``backbone``, cut at ``layer`` (default: the first one in ``BACKBONES``).

    weights: 'pretrained' (torchvision's, downloaded once), 'untrained' (drawn from ``seed``), or
    the path of a state dict; layers behind the cut may be missing from it, nothing else.
    normalize: to length 1.
    Raises InputError for an unknown name or layer and for weights that cannot be had or do not fit.
    """
    known = _known(backbone)
    if weights == "untrained":
        network = _cut(known, layer, _untrained(backbone, seed))
    else:
        file = fetch_weights(backbone) if weights == "pretrained" else Path(weights)
        with torch.device("meta"):  # no time and memory for numbers about to be replaced
            network = get_model(backbone)
        whole = set(network.state_dict())
        network = _cut(known, layer, network)
        _load(network, read_state(file), whole, f"{file}: not the weights of {backbone}")
    network = network.to(memory_format=torch.channels_last)
    return Encoder(network, known.dimensions, normalize)


def fetch_weights(name: str) -> Path:
    """The file of torchvision's trained weights, downloaded where the torch hub cache lacks it.

    The digest in the file's name is checked, also of a copy that was put there by hand.
    """
    return fetch(_known(name).trained.url)


def fetch(url: str) -> Path:
    """The file of weights at ``url``, whose name ends in the beginning of its SHA-256."""
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    digest = file.stem.rpartition("-")[2]
    if not file.exists():
        _download(url, file, digest)
    if not sha256(file).startswith(digest):
        raise InputError(f"{file}: damaged, its SHA-256 does not start with {digest}; delete it")
    return file


def _known(name: str) -> Backbone:
    if name not in BACKBONES:
        raise InputError(f"no image encoder is named {name!r}; there are {', '.join(BACKBONES)}")
    return BACKBONES[name]


def _cut(backbone: Backbone, layer: str, network: nn.Module) -> nn.Module:
    layer = layer or next(iter(backbone.layers))
    if layer not in backbone.layers:
        raise InputError(f"no layer is named {layer!r}; there are {', '.join(backbone.layers)}")
    network.classifier = backbone.layers[layer](network.classifier)
    return network


def _untrained(name: str, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "backbone", name))
        return get_model(name)


def _download(url: str, file: Path, digest: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(file), hash_prefix=digest)
    except (URLError, TimeoutError, ConnectionError, RuntimeError) as error:
        raise InputError(
            f"the weights {file.name} could not be fetched from {url} ({error}); "
            f"a copy put by hand into {file.parent} is used as well"
        ) from None


def read_state(file: Path) -> dict[str, Tensor]:
    """The state dict that a file holds, as float32; InputError where it holds none."""
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{file}: no such file of weights") from None
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        kind = aside(file, but="a zip archive")  # as the files that torch writes are
        raise InputError(f"{file}: not a readable state dict ({first}){kind}") from None
    if not isinstance(state, Mapping) or not all(map(torch.is_tensor, state.values())):
        raise InputError(f"{file}: a state dict is needed, that is names and their tensors")
    return {key: tensor.float() for key, tensor in state.items()}


def _load(network: nn.Module, state: dict[str, Tensor], whole: set[str], fault: str) -> None:
    """Every parameter before the cut must be there; what belongs behind the cut is ignored."""
    if unknown := sorted(set(state) - whole):
        raise InputError(f"{fault}: it holds {unknown[0]}")
    try:
        missing = network.load_state_dict(state, strict=False, assign=True).missing_keys
    except RuntimeError as error:
        raise InputError(f"{fault}: {str(error).splitlines()[-1].strip()}") from None
    if missing:
        raise InputError(f"{fault}: {len(missing)} of its parameters lack, first {missing[0]}")
