"""One entry of the config's ``encoders``, applied to one view of a data set."""

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.plan import ENCODERS
from pipeline.store import Pairs, Provenance

_WRITERS = {
    "backbone": "write_image_features",
    "transformer": "write_caption_features",
    "tags": "write_tag_features",
    "given": "write_given_features",
    "sift_bow": "write_sift_features",
}


def encode(
    pairs: Pairs,
    view: str,
    path: Path | str,
    provenance: Provenance,
    *,
    kind: str,
    device: str,
    **options: Any,
) -> None:
    """Write the features of ``view`` of all pairs with the encoder ``kind`` and its options."""
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
    writer(pairs, path=path, provenance=provenance, **options)


def _writer(kind: str) -> Callable[..., None]:
    """The function of an encoder kind; only its own module, and what that needs, is imported."""
    return getattr(import_module(f"pipeline.features.{ENCODERS[kind]}"), _WRITERS[kind])
