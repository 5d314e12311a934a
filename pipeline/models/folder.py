"""How a model lies on disk: readable JSON and arrays, no code.

    model.json            what it is; written last, so a folder without it is no model
    hasher.safetensors    what the method has learned
    image.safetensors     the axes of the image features' PCA, where there is one; text.safetensors

``model.json`` holds the SHA-256 of the other files. Axes are shared by all models of a split: they
are hard links where the file system has them.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import __version__
from pipeline.errors import InputError, ModelError
from pipeline.methods import create, parameters
from pipeline.methods.base import Hasher, State
from pipeline.storage.arrays import read_arrays, write_arrays
from pipeline.storage.files import atomic_write, read_json, sha256, write_text
from pipeline.storage.store import libraries

FORMAT = 1
DESCRIPTION, HASHER = "model.json", "hasher.safetensors"
VIEWS = ("image", "text")


@dataclass(frozen=True)
class Made:
    """Where a model comes from, beside its hasher.

    method    the name of its module;  seed  the config's
    encoders  by view, what ``features.encode`` wrote of it, or nothing
    axes      by view, the file of its PCA's axes, or nothing
    inputs    digests of the files that it was trained on
    """

    method: str
    seed: int
    encoders: Mapping[str, Path | None]
    axes: Mapping[str, Path | None]
    inputs: Mapping[str, str]


def write_model(folder: Path, hasher: Hasher, made: Made) -> None:
    """Write a fitted hasher and all that encodes new things alike."""
    state = hasher.get_state()
    files = {HASHER: folder / HASHER}
    write_arrays(files[HASHER], state.arrays)
    for view in VIEWS:
        if axes := made.axes.get(view):
            files[f"{view}.safetensors"] = folder / f"{view}.safetensors"
            _link(Path(axes), files[f"{view}.safetensors"])
    params = {k: v for k, v in hasher.get_params().items() if k not in ("bits", "seed", "device")}
    found = {
        "format": FORMAT,
        "version": __version__,
        "method": made.method,
        "bits": hasher.bits,
        "seed": made.seed,
        "random_state": hasher.seed,
        "params": params,
        "encoders": {v: read_json(path) for v, path in made.encoders.items() if path},
        "learned": dict(state.about),
        "inputs": dict(made.inputs),
        "libraries": libraries(),
        "files": {name: sha256(path) for name, path in files.items()},
    }
    write_text(folder / DESCRIPTION, json.dumps(found, indent=1) + "\n")


@dataclass(frozen=True)
class Stored:
    """What ``read_model`` found: the description, the fitted hasher, the axes of each view."""

    about: Mapping[str, Any]
    hasher: Hasher
    axes: Mapping[str, Mapping[str, np.ndarray]]
    identity: str


def read_model(folder: Path, device: str) -> Stored:
    """The model in a folder; ModelError where there is none or this version cannot read it."""
    path = folder / DESCRIPTION
    if not path.is_file():
        raise ModelError(f"{folder}: no model is here; it would have a file {DESCRIPTION}")
    about = read_json(path)
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        version = about.get("format") if isinstance(about, dict) else None
        raise ModelError(
            f"{path}: format {version!r} cannot be read by this version ({__version__}), which "
            f"knows format {FORMAT}"
        )
    try:
        arrays = {name: _arrays(folder, name, digest) for name, digest in about["files"].items()}
        method, bits, params = about["method"], about["bits"], dict(about["params"])
        if "device" in parameters(method):
            params["device"] = device
        hasher = create(method, bits=bits, seed=about["random_state"], **params)
        hasher.set_state(State(arrays[HASHER], about["learned"]))
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ModelError(f"{path}: damaged ({type(error).__name__}: {error})") from None
    axes = {v: arrays[f"{v}.safetensors"] for v in VIEWS if f"{v}.safetensors" in arrays}
    return Stored(about, hasher, axes, sha256(path))


def _arrays(folder: Path, name: str, digest: str) -> dict[str, np.ndarray]:
    if name != Path(name).name or not name.endswith(".safetensors"):
        raise ModelError(f"{folder / DESCRIPTION}: {name!r} is no file of a model")
    path = folder / name
    if not path.is_file():
        raise ModelError(f"{path}: this file of the model is missing")
    if sha256(path) != digest:
        raise ModelError(f"{path}: damaged, its SHA-256 is not the one in {DESCRIPTION}")
    return read_arrays(path)


def _link(source: Path, target: Path) -> None:
    """A hard link, or a copy where there can be none."""
    with atomic_write(target) as part:
        part.unlink()
        try:
            os.link(source, part)
        except OSError:
            shutil.copyfile(source, part)
