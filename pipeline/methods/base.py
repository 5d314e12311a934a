"""What every method promises: fit on paired views without labels, then encode either view."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from pipeline.errors import InputError
from pipeline.methods._parameters import CountFrom0, check_parameters

_WIDTHS = ("n_image_features_", "n_text_features_")


@dataclass(frozen=True)
class State:
    """What ``fit`` has learned: arrays by name, and what JSON can hold."""

    arrays: Mapping[str, np.ndarray]
    about: Mapping[str, Any]


@dataclass(eq=False, repr=False)
class Hasher(ABC):
    """A cross-modal hashing method, with the habits of a scikit-learn estimator.

    ``__init__`` only stores its arguments (``bits`` and ``seed`` first, then the method's
    hyper-parameters, keyword-only: the fields of a dataclass); what ``fit`` learns ends in an
    underscore; ``sklearn.base.clone`` makes an unfitted copy. The same seed on the same machine
    gives the same bits. Subclasses implement ``_fit``, ``_project_image`` and ``_project_text`` and
    name in ``learned`` what these need; the public methods here check what goes in.

    image  float (n, d_v), text  float (n, d_t): features, rows paired in ``fit``
    """

    #: True for methods whose codes are float32 vectors compared by Euclidean distance
    real_valued: ClassVar[bool] = False

    #: the arrays and numbers that ``fit`` learns and encoding needs
    learned: ClassVar[tuple[str, ...]] = ()

    #: True for methods that make the codes of a pair from both its views, at test too: they are no
    #: cross-modal retrieval, and are shown only to say what that is worth
    sees_both_views: ClassVar[bool] = False

    bits: int
    seed: CountFrom0

    #: called with one JSON-able record per epoch or iteration; set by whoever wants to watch
    on_epoch: Callable[[dict[str, Any]], None] | None = field(default=None, init=False, repr=False)

    #: a file in which a long fit may keep its state, to go on from there after an interruption;
    #: whoever sets it removes the file once the codes are safe
    checkpoint: Path | None = field(default=None, init=False, repr=False)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments by name; ``deep`` changes nothing, no argument is nested."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Change arguments of the constructor; they take effect at the next ``fit``."""
        known = self.get_params()
        if unknown := sorted(params.keys() - known.keys()):
            raise InputError(
                f"{type(self).__name__} has no parameter {', '.join(unknown)}; "
                f"it takes {', '.join(known)}"
            )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        params = (f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({', '.join(params)})"

    def fit(self, image: np.ndarray, text: np.ndarray) -> Self:
        """Learn from n paired rows; labels are never seen.

        Raises InputError for hyper-parameters out of their range and for views that are not finite
        or do not fit together, and CollapseError where the method says so.
        """
        check_parameters(type(self), self.get_params())
        image, text = self._check_fit(image, text)
        try:
            self._fit(image, text)
        except np.linalg.LinAlgError as error:
            raise InputError(
                f"{type(self).__name__} cannot solve its equations for these features ({error}); "
                "they may be too large, too small, or all but constant"
            ) from None
        return self

    # The four below raise InputError before ``fit``, and for features of another width.

    def encode_image(self, x: np.ndarray) -> np.ndarray:
        """Codes of images (n, bits): bool, or float32 if the method is ``real_valued``."""
        return self._codes(self.project_image(x))

    def encode_text(self, x: np.ndarray) -> np.ndarray:
        """Codes of texts (n, bits): bool, or float32 if the method is ``real_valued``."""
        return self._codes(self.project_text(x))

    def project_image(self, x: np.ndarray) -> np.ndarray:
        """The real values behind the codes of images, float (n, bits): a bit is set above zero."""
        return self._project_image(self._check_encode(x, "image", "n_image_features_"))

    def project_text(self, x: np.ndarray) -> np.ndarray:
        """The real values behind the codes of texts, float (n, bits): a bit is set above zero."""
        return self._project_text(self._check_encode(x, "text", "n_text_features_"))

    def get_state(self) -> "State":
        """What a fitted hasher needs to encode; ``set_state`` of an unfitted one takes it."""
        widths = {name: getattr(self, name) for name in _WIDTHS if hasattr(self, name)}
        if len(widths) < len(_WIDTHS):
            raise InputError(f"{type(self).__name__} is not fitted; call fit before get_state")
        return State({name: np.asarray(getattr(self, name)) for name in self.learned}, widths)

    def set_state(self, state: "State") -> Self:
        """Become fitted by the state of a hasher of the same class and parameters."""
        if missing := sorted({*self.learned} - state.arrays.keys()):
            raise InputError(f"the state of {type(self).__name__} lacks {', '.join(missing)}")
        for name in self.learned:
            setattr(self, name, state.arrays[name])
        for name in _WIDTHS:
            setattr(self, name, int(state.about[name]))
        return self

    def encode_pairs(self, image: np.ndarray, text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codes of images and of texts, rows paired; each from its own view alone, unless the
        method ``sees_both_views``."""
        return self.encode_image(image), self.encode_text(text)

    @abstractmethod
    def _fit(self, image: np.ndarray, text: np.ndarray) -> None: ...

    @abstractmethod
    def _project_image(self, x: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _project_text(self, x: np.ndarray) -> np.ndarray: ...

    def _codes(self, projected: np.ndarray) -> np.ndarray:
        return projected if self.real_valued else projected > 0

    def diagnose(self, image: np.ndarray, text: np.ndarray) -> dict[str, np.ndarray]:
        """What the fitted method can measure on paired rows of itself (name -> array), if anything.

        The train stage calls it on the database and stores the answer beside the codes.
        """
        return {}

    def report(self, **record: Any) -> None:
        """Tell the watcher, if any, how the fit is going."""
        if self.on_epoch is not None:
            self.on_epoch(record)

    def _check_fit(self, image: np.ndarray, text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        image, text = check_view(image, "image"), check_view(text, "text")
        if len(image) != len(text):
            raise InputError(
                f"image has {len(image)} rows and text {len(text)}; fit needs paired rows"
            )
        if len(image) < self.bits:
            raise InputError(
                f"{len(image)} training pairs were given; {self.bits} bits need at least as many"
            )
        for name, x in (("image", image), ("text", text)):
            if (x == x[0]).all():
                raise InputError(f"all rows of {name} are equal; there is nothing to learn from")
        self.n_image_features_, self.n_text_features_ = image.shape[1], text.shape[1]
        return image, text

    def _check_encode(self, x: np.ndarray, view: str, learned: str) -> np.ndarray:
        if not hasattr(self, learned):
            raise InputError(f"{type(self).__name__} is not fitted; call fit before encode_{view}")
        x = check_view(x, view)
        if x.shape[1] != getattr(self, learned):
            raise InputError(
                f"{view} has {x.shape[1]} columns; the fit was on {getattr(self, learned)}"
            )
        return x


def check_view(x: np.ndarray, name: str) -> np.ndarray:
    """``x`` as a finite float array (n, d), n and d at least 1; float32 and float64 stay as is."""
    x = np.asarray(x)
    if x.ndim != 2 or 0 in x.shape:
        raise InputError(f"{name} has shape {x.shape}; a non-empty array (rows, columns) is needed")
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if len(bad):
        raise InputError(
            f"{name} has NaN or infinite values in {len(bad)} rows (first: row {bad[0]}); "
            "finite features are needed"
        )
    return x
