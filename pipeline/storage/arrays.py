"""Arrays of models in safetensors files: no code in them, nothing read that is not asked for."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from pipeline.errors import InputError
from pipeline.storage.files import atomic_write
from pipeline.storage.recognise import aside


def write_arrays(path: Path | str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name, whole or not at all."""
    with atomic_write(path) as part:
        part.write_bytes(save({name: np.ascontiguousarray(a) for name, a in arrays.items()}))


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """The arrays of a file; InputError where it is damaged or none."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a readable file of arrays ({error}){aside(path)}") from None
