"""One entry of the config's ``encoders``, applied to one view of a data set."""

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.store import Provenance, read_pairs

#: encoder kind -> its module in this package, and the function there that writes its features
_ENCODERS = {
    "backbone": ("images", "write_image_features"),
    "transformer": ("text", "write_caption_features"),
    "tags": ("tags", "write_tag_features"),
    "given": ("given", "write_given_features"),
    "sift_bow": ("given", "write_sift_features"),
}


def encoder_module(kind: str) -> str:
    """The dotted name of the module that computes an encoder kind."""
    return f"pipeline.features.{_ENCODERS[kind][0]}"


def encode(
    pairs: Path | str, view: str, path: Path | str, *, kind: str, device: str, **options: Any
) -> None:
    """Write the features of ``view`` of all pairs with the encoder ``kind`` and its options."""
    provenance = Provenance("encode", {"view": view, "kind": kind, **options}, {"pairs": pairs})
    writer = _writer(kind)
    known = inspect.signature(writer).parameters
    if unknown := set(options) - set(known):
        raise InputError(
            f"an encoder of kind {kind} has no option {', '.join(sorted(unknown))}; "
            f"it takes {', '.join(p.name for p in known.values() if p.kind is p.KEYWORD_ONLY)}"
        )
    for name, value in (("view", view), ("device", device)):
        if name in known:
            options[name] = value
    writer(read_pairs(pairs), path=path, provenance=provenance, **options)


def _writer(kind: str) -> Callable[..., None]:
    """The function of an encoder kind; only its own module, and what that needs, is imported."""
    if kind not in _ENCODERS:
        raise InputError(f"unknown kind of encoder {kind!r}; known are {', '.join(_ENCODERS)}")
    return getattr(import_module(encoder_module(kind)), _ENCODERS[kind][1])
