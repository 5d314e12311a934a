"""From an image reference to the pixels a network takes, whatever is in the file."""

import io
import warnings
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

RESIZED, CROPPED = 256, 224  # the usual ImageNet test-time preprocessing
FILTER = Image.Resampling.BILINEAR
LARGEST_FILE = 256 * 2**20  # bytes; also what a zip bomb is held against


class ImageFiles:
    """Reads references below a folder, each of which may pass through a .zip archive.

    Archives stay open, so every process needs an object of its own.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self._archives: dict[Path, zipfile.ZipFile] = {}

    def read(self, reference: str) -> bytes:
        """The bytes of one image; any exception means that it cannot be read."""
        parts = PurePosixPath(reference).parts
        if PurePosixPath(reference).is_absolute() or ".." in parts:
            raise ValueError("the reference leads out of the image folder")
        for depth in range(1, len(parts)):
            archive = self.root.joinpath(*parts[:depth])
            if archive.suffix.lower() == ".zip" and archive.is_file():
                return self._read_member(archive, "/".join(parts[depth:]))
        return _read_plain(self.root / reference)

    def _read_member(self, archive: Path, member: str) -> bytes:
        if archive not in self._archives:
            self._archives[archive] = zipfile.ZipFile(archive)
        file = self._archives[archive]
        _check_size(file.getinfo(member).file_size)
        return file.read(member)


def open_rgb(data: bytes, least: int = 0) -> Image.Image:
    """An image file's bytes as an RGB image.

    least  a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, down to so many pixels a side; 0
           for never

    Raises for whatever cannot be decoded, among it images large enough to be a decompression bomb.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # faults in metadata do not matter for the pixels
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data)) as image:
            if least:
                image.draft(None, (least, least))
            image.load()
            return to_rgb(image)


def crop(image: Image.Image) -> np.ndarray:
    """RGB pixels, uint8 (3, 224, 224): shorter side resized to 256, the centre 224 x 224 taken.

    Equal to torchvision's preset for ImageNet (antialiased bilinear) up to rounding; only what
    the crop shows is resampled, so that the cost does not depend on how long the longer side is.
    """
    return np.ascontiguousarray(np.asarray(_crop(image)).transpose(2, 0, 1))


def decode(data: bytes) -> np.ndarray:
    """``crop`` of an image file's bytes."""
    return crop(open_rgb(data))


def _crop(image: Image.Image) -> Image.Image:
    sides = np.array(image.size)
    resized = RESIZED * sides // sides.min()  # rounded down, as torchvision does
    corner = np.round((resized - CROPPED) / 2)
    scale = sides / resized
    box = np.concatenate([corner, corner + CROPPED]) * np.tile(scale, 2)
    return image.resize((CROPPED, CROPPED), FILTER, box=tuple(box.tolist()))


def to_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode as RGB, transparency over white."""
    if image.mode == "RGB":
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return _from_deep_gray(np.asarray(image, np.float64)).convert("RGB")
    if image.has_transparency_data:  # what lies below full transparency is arbitrary: white instead
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _from_deep_gray(values: np.ndarray) -> Image.Image:
    """Gray of 16 bits and more, which Pillow's own conversion would cut off at 255."""
    depth = 65535 if values.max(initial=0) > 255 else 255
    return Image.fromarray(np.clip(values * (255 / depth), 0, 255).round().astype(np.uint8))


def read_file(path: Path) -> bytes:
    """The bytes of an image file of no unreasonable size; the path may pass through a .zip."""
    full = path.resolve()
    return ImageFiles(full.anchor).read(full.relative_to(full.anchor).as_posix())


def _read_plain(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError(f"no such file as {path}")
    _check_size(path.stat().st_size)
    return path.read_bytes()


def _check_size(size: int) -> None:
    if size > LARGEST_FILE:
        raise ValueError(f"{size} bytes are more than the {LARGEST_FILE} an image may have")
