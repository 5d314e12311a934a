"""One entry of the config's ``encoders``: applied to a data set, described, and opened again."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.features import kinds
from pipeline.storage.files import write_text
from pipeline.storage.store import Pairs, Provenance, read_pairs

#: from raw inputs (images, or texts) to their features, float32 (n, d)
EncodeRaw = Callable[[Sequence[Any]], np.ndarray]
_OURS = {"path", "provenance", "view", "device"}


def encode(
    pairs: Path | str,
    view: str,
    path: Path | str,
    *,
    kind: str,
    device: str,
    about: Path | str | None = None,
    **options: Any,
) -> None:
    """Write the features of ``view`` of all pairs with the encoder ``kind`` and its options.

    about  gets as JSON what ``reopen`` needs to encode new things alike
    """
    provenance = Provenance("encode", {"view": view, "kind": kind, **options}, {"pairs": pairs})
    target: dict[str, Any] = {"path": path, "provenance": provenance, "device": device}
    facts = write_features(read_pairs(pairs), view, kind=kind, **target, **options)
    if about is not None:
        found = {"kind": kind, "view": view, "options": options, "facts": facts}
        write_text(about, json.dumps(found, indent=1) + "\n")


def write_features(
    pairs: Pairs,
    view: str,
    path: Path | str,
    provenance: Provenance,
    *,
    kind: str,
    device: str = "auto",
    **options: Any,
) -> dict[str, Any]:
    """Write the features of ``view`` of ``pairs``; returns the facts that ``reopen`` needs."""
    module = kinds.module_of(kind)
    target: dict[str, Any] = {"path": path, "provenance": provenance, "device": device}
    if hasattr(module, "create"):
        from pipeline.features import images

        run, own = _divided(kind, module.create, images.write_image_features, options)
        if view != "image":
            raise InputError(f"an encoder of kind {kind} encodes images; it was given for texts")
        return images.write_image_features(pairs, lambda: module.create(**own), **target, **run)
    known = kinds.options_of(module.write)
    _check(kind, options, known - _OURS)
    ours = {k: v for k, v in {**target, "view": view}.items() if k in known}
    return module.write(pairs, **options, **ours)


def reopen(about: Mapping[str, Any], device: str = "auto") -> EncodeRaw:
    """The encoder that ``encode`` described, for new images or texts.

    Raises InputError where its weights cannot be had or are others, and for kinds whose features
    are given and not computed.
    """
    kind, options, facts = about["kind"], about["options"], about["facts"]
    module = kinds.module_of(kind)
    if hasattr(module, "create"):
        from pipeline.features import images

        run, own = _divided(kind, module.create, images.write_image_features, options)
        chosen = {k: v for k, v in run.items() if k in kinds.options_of(images.reopen)}
        return images.reopen(lambda: module.create(**own), facts, device=device, **chosen)
    if not kinds.can_reopen(kind):
        raise InputError(
            f"features of kind {kind} are given, not computed: nothing new can be encoded from "
            f"{about['view']}s; encode_{about['view']} takes features"
        )
    return module.reopen(facts, device=device, **options)


def _divided(
    kind: str, create: Callable, work: Callable, options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of the bulk work, and those of the encoder itself."""
    run, own = kinds.options_of(work) - _OURS, kinds.options_of(create)
    _check(kind, options, run | own)
    return (
        {k: v for k, v in options.items() if k in run},
        {k: v for k, v in options.items() if k in own},
    )


def _check(kind: str, options: Mapping[str, Any], known: set[str]) -> None:
    if unknown := set(options) - known:
        raise InputError(
            f"an encoder of kind {kind} has no option {', '.join(sorted(unknown))}; "
            f"it takes {', '.join(sorted(known)) or 'none'}"
        )
