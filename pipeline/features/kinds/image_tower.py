"""Image encoders of ``transformers``: ViT, DINOv2, ConvNeXt, the image towers of CLIP, SigLIP."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL.Image import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoModel, BaseImageProcessor, PreTrainedModel

from pipeline.errors import InputError
from pipeline.features._hub import ONLY_FILES, model_folder, unusable
from pipeline.features.decode import RESIZED
from pipeline.features.images import ImageEncoder

POOLINGS = ("pooler", "cls", "mean", "projected")


class Tower(ImageEncoder):
    """A model with its own image processor.

    pooling  the model's own 'pooler', the state of 'cls', the 'mean' of all states (tokens, or
             places of a convolutional network), or 'projected' into the space shared with texts
    """

    def __init__(
        self, network: PreTrainedModel, processor: BaseImageProcessor, pooling: str, normalize: bool
    ) -> None:
        sides = [side for side in dict(processor.size).values() if side]  # one number, or two
        cropped = getattr(processor, "crop_pct", None) or 1  # ConvNeXt's resizes to more than that
        super().__init__(0, math.ceil(max(sides, default=RESIZED) / cropped))
        self.network, self._processor = network, processor
        self._pooling, self._normalize = pooling, normalize
        self.eval().requires_grad_(False)
        blank = np.zeros((64, 64, 3), np.uint8)
        self.dimensions = self(torch.from_numpy(self._pixels(blank))[None]).shape[1]

    def prepare(self, image: Image) -> np.ndarray:
        return self._pixels(np.array(image))  # a copy, which the processor may write to

    def _pixels(self, image: np.ndarray) -> np.ndarray:
        return np.asarray(
            self._processor(image, return_tensors="np")["pixel_values"][0], np.float32
        )

    def forward(self, images: Tensor) -> Tensor:
        vectors = self._vectors(images).float()
        return F.normalize(vectors) if self._normalize else vectors

    def _vectors(self, images: Tensor) -> Tensor:
        if self._pooling == "projected":
            found = self.network.get_image_features(pixel_values=images)
            return found if torch.is_tensor(found) else found.pooler_output
        output = getattr(self.network, "vision_model", self.network)(pixel_values=images)
        if self._pooling == "pooler":
            return output.pooler_output.flatten(1)
        states = output.last_hidden_state
        if states.ndim == 4:  # (n, d, height, width)
            states = states.flatten(2).transpose(1, 2)
        return states[:, 0] if self._pooling == "cls" else states.mean(dim=1)


def create(
    *, model: str, revision: str | None = None, pooling: str = "pooler", normalize: bool = False
) -> Tower:
    """The image tower of ``model``, a folder or a name on the hub at ``revision``."""
    if pooling not in POOLINGS:
        raise InputError(f"no pooling is named {pooling!r}; there are {', '.join(POOLINGS)}")
    folder = model_folder(model, revision)
    with unusable(folder, "image encoder"):
        processor = AutoImageProcessor.from_pretrained(folder, **ONLY_FILES)
        network = AutoModel.from_pretrained(folder, **ONLY_FILES, dtype=torch.float32)
        if pooling == "projected" and not hasattr(network, "get_image_features"):
            raise ValueError("it projects into no space of images and texts")
        return Tower(network, processor, pooling, normalize)
