"""A trained hash function with its encoders, for images and texts that nobody has seen before."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError, ModelError
from pipeline.features.encode import EncodeRaw, reopen
from pipeline.features.reduce import project
from pipeline.models.folder import Stored, read_model

_BLOCK = 16_384  # rows hashed at a time


def load(folder: Path | str, device: str = "auto") -> "Model":
    """The model in ``folder``, as the train stage wrote it.

    device  'auto' (the GPU if there is one), 'cpu' or 'cuda'

    Raises ModelError where there is no model or this version cannot read it.
    """
    return Model(read_model(Path(folder), device), device)


class Model:
    """Codes of images and texts, bool (n, bits); float32 for a method whose codes are real.

    about     what ``model.json`` says: method, bits, seed, encoders, ...
    identity  a digest that tells this model from every other one
    hasher    the fitted method, for features
    """

    def __init__(self, stored: Stored, device: str) -> None:
        self.about, self.identity, self.hasher = stored.about, stored.identity, stored.hasher
        self._axes, self._device = stored.axes, device

    @property
    def bits(self) -> int:
        return self.hasher.bits

    def __repr__(self) -> str:
        about = self.about
        return f"<{about['method']}, {about['bits']} bits, seed {about['seed']}>"

    def encode_images(self, images: Sequence[Any]) -> np.ndarray:
        """Codes of images: paths, bytes of files, or Pillow's images."""
        return self.encode_image(self.image_features(images))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Codes of texts."""
        return self.encode_text(self.text_features(texts))

    def encode_image(self, features: np.ndarray) -> np.ndarray:
        """Codes of image features (n, d), as the encoder gives them or as the method saw them."""
        return self._codes(self.project_image(features))

    def encode_text(self, features: np.ndarray) -> np.ndarray:
        """Codes of text features (n, d), as the encoder gives them or as the method saw them."""
        return self._codes(self.project_text(features))

    def project_images(self, images: Sequence[Any]) -> np.ndarray:
        """The real values behind the codes of images, float (n, bits): a bit is set above zero."""
        return self.project_image(self.image_features(images))

    def project_texts(self, texts: Sequence[str]) -> np.ndarray:
        """The real values behind the codes of texts, float (n, bits): a bit is set above zero."""
        return self.project_text(self.text_features(texts))

    def project_image(self, features: np.ndarray) -> np.ndarray:
        """The real values behind the codes of image features, float (n, bits)."""
        return self._project("image", features)

    def project_text(self, features: np.ndarray) -> np.ndarray:
        """The real values behind the codes of text features, float (n, bits)."""
        return self._project("text", features)

    def image_features(self, images: Sequence[Any]) -> np.ndarray:
        """What the image encoder gives, float32 (n, d)."""
        if isinstance(images, (str, bytes, Path)):
            raise InputError("a list of images is needed, not a single one")
        return self._image_encoder(list(images))

    def text_features(self, texts: Sequence[str]) -> np.ndarray:
        """What the text encoder gives, float32 (n, d)."""
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise InputError("a list of texts is needed, each a str")
        return self._text_encoder(list(texts))

    @cached_property
    def _image_encoder(self) -> EncodeRaw:
        return self._opened("image")

    @cached_property
    def _text_encoder(self) -> EncodeRaw:
        return self._opened("text")

    def _opened(self, view: str) -> EncodeRaw:
        encoders: Mapping[str, Any] = self.about["encoders"]
        if view not in encoders:
            raise ModelError(f"this model was kept without its {view} encoder")
        try:
            return reopen(encoders[view], self._device)
        except (KeyError, TypeError) as error:
            raise ModelError(f"the {view} encoder of the model is damaged ({error})") from None

    def _project(self, view: str, features: np.ndarray) -> np.ndarray:
        x = np.asarray(features)
        known = getattr(self.hasher, f"n_{view}_features_")
        axes = self._axes.get(view)
        if axes is not None and x.ndim == 2 and x.shape[1] == len(axes["mean"]) != known:
            x = project(x, axes)
        if x.ndim != 2 or len(x) <= _BLOCK:
            return self._hashed(view, x) if len(x) else np.empty((0, self.bits), np.float32)
        blocks = np.split(x, range(_BLOCK, len(x), _BLOCK))
        return np.concatenate([self._hashed(view, rows) for rows in blocks])

    def _hashed(self, view: str, x: np.ndarray) -> np.ndarray:
        """What the method projects; ModelError where the arrays of the model do not fit it."""
        try:
            found = getattr(self.hasher, f"project_{view}")(x)
        except InputError:
            raise
        except (ValueError, TypeError, IndexError, RuntimeError) as error:
            raise ModelError(f"the arrays of this model do not fit together ({error})") from None
        if found.shape != (len(x), self.bits):
            raise ModelError(
                f"the arrays of this model give codes of {found.shape[-1]} bits, not {self.bits}"
            )
        return found

    def _codes(self, projected: np.ndarray) -> np.ndarray:
        return projected if self.hasher.real_valued else projected > 0
