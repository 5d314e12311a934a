"""Sign: the signs of principal components, without any learning across the views."""

from dataclasses import dataclass

import numpy as np

from pipeline.errors import InputError
from pipeline.methods._views import center, spectrum, upright, warn_if_short
from pipeline.methods.base import Hasher
from pipeline.seeds import derive


@dataclass(eq=False, kw_only=True)
class Sign(Hasher):
    """Bit t is the sign of the t-th principal component of a centred view.

    By default each view has its own components: codes tell how much of a view survives in so many
    bits, and codes of two views are unrelated. With ``shared`` both views must lie in one given
    space, as CLIP's features do, and the components are those of all images and texts together,
    each view about its own mean: what that space gives without any learning. (The signs of a space
    that CCA makes are CVH.) Deterministic up to the rank; bits beyond it are random directions of
    the components' space, and a warning says so.

    shared  whether the views' features are coordinates in one space

    Theirs: nothing; it is a floor.

    Ours: all of it.

    Not known: nothing.
    """

    learned = ("image_mean_", "image_axes_", "text_mean_", "text_axes_")

    shared: bool = False

    def _fit(self, image: np.ndarray, text: np.ndarray) -> None:
        if self.shared and image.shape[1] != text.shape[1]:
            raise InputError(
                f"sign with shared: true needs views of one space; image has {image.shape[1]} "
                f"columns and text {text.shape[1]}"
            )
        (image, self.image_mean_), (text, self.text_mean_) = center(image), center(text)
        if self.shared:
            self.image_axes_ = self.text_axes_ = self._axes(np.vstack([image, text]))
        else:
            self.image_axes_, self.text_axes_ = self._axes(image), self._axes(text)

    def _axes(self, x: np.ndarray) -> np.ndarray:
        """(d, bits): principal directions of the rows (n, d), and random ones beyond the rank."""
        values, vectors = spectrum(x)
        rank = len(values)
        warn_if_short("Sign", self.bits, rank, "random directions of the components' space")
        first = vectors[:, ::-1][:, : self.bits]
        rng = np.random.default_rng(derive(self.seed, "sign"))
        random = rng.standard_normal((rank, max(self.bits - rank, 0)))
        surplus = vectors @ (np.sqrt(values)[:, None] * random)
        return np.hstack([first * upright(first), surplus])

    def _project_image(self, x: np.ndarray) -> np.ndarray:
        return (x - self.image_mean_) @ self.image_axes_

    def _project_text(self, x: np.ndarray) -> np.ndarray:
        return (x - self.text_mean_) @ self.text_axes_
