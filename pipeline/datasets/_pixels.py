"""Arrays of pixels, written as image files so that they are encoded like all other pictures."""

import io
import math
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from pipeline.datasets._arrays import Array
from pipeline.errors import InputError
from pipeline.storage.files import atomic_write
from pipeline.storage.machine import rows_at_once

_BLOCK = 256
_CHANNELS = (1, 3)


def images_first(array: Array, count: int) -> Array:
    """Pixels of ``count`` images as (n, C, H, W) or (n, H, W, C); MATLAB has (H, W, C, n)."""
    shape = array.shape
    first = shape[0] == count and (shape[1] in _CHANNELS or shape[3] in _CHANNELS)
    last = shape[3] == count and shape[2] in _CHANNELS
    if first and last:
        raise InputError(
            f"pixels of shape {shape} could have the images on the first axis or on the last; "
            "save them as (n, H, W, C)"
        )
    if last:

        def read(index: slice, axis: int) -> np.ndarray:
            if axis:
                raise NotImplementedError("pixels are read by image")
            return np.moveaxis(array.read(index, 3), 3, 0)

        return Array((count, *shape[:3]), read)
    if not first:
        raise InputError(
            f"pixels have shape {shape}; (n, C, H, W) or (H, W, C, n) is needed, with the "
            f"{count:,} rows of the other arrays and 1 or 3 channels"
        )
    return array


def write_images(pixels: Array, path: Path | str) -> list[str]:
    """Write the images, each a PNG, into one archive; their names in it."""
    names = [f"{row}.png" for row in range(len(pixels))]
    with atomic_write(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        step = rows_at_once(math.prod(pixels.shape[1:]) * 8, _BLOCK)
        for start in tqdm(range(0, len(names), step), "pixels", mininterval=1):
            rows = pixels.rows(slice(start, min(start + step, len(names))))
            for name, image in zip(names[start:], _as_bytes(rows), strict=False):
                file = io.BytesIO()
                Image.fromarray(image).save(file, "PNG", compress_level=1)
                archive.writestr(zipfile.ZipInfo(name), file.getvalue())  # no time of day in it
    return names


def _as_bytes(rows: np.ndarray) -> np.ndarray:
    """uint8 (m, H, W, 3), or (m, H, W) of gray images."""
    if rows.shape[1] in _CHANNELS and rows.shape[3] not in _CHANNELS:
        rows = rows.transpose(0, 2, 3, 1)
    if rows.dtype.kind not in "uif" or not np.isfinite(rows).all() or not _fits(rows):
        raise InputError(
            f"pixels hold {rows.dtype} from {rows.min():g} to {rows.max():g}; values from 0 to 255 "
            "are needed, not normalised ones"
        )
    rows = np.ascontiguousarray(rows.round().astype(np.uint8))
    return rows[..., 0] if rows.shape[3] == 1 else rows


def _fits(rows: np.ndarray) -> bool:
    """0 to 255; whoever has floats from 0 to 1 would get black images."""
    low, high = rows.min(), rows.max()
    return low >= 0 and high <= 255 and (rows.dtype == np.uint8 or high > 1 or high == 0)
