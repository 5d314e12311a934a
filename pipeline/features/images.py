"""Image features of all pairs: decoded by worker processes, encoded by a network, into HDF5."""

import errno
import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from PIL.Image import new as new_image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

from pipeline.devices import THREADS, pick_device, threads
from pipeline.errors import InputError
from pipeline.features.batches import by_halves, precision
from pipeline.features.decode import RESIZED, ImageFiles, open_rgb, read_file, to_rgb
from pipeline.sources import digest
from pipeline.storage.store import Pairs, Provenance, ResumableWriter, resumable_feature_writer

log = logging.getLogger(__name__)
_MAX_REPORTED = 5  # so many unreadable images are named, the others counted
_LOADER_TIMEOUT_S = (
    600  # seconds without a batch: its worker could not hand it over, and never will
)
_IO_FAULT_PREFIX = "cannot be read now: "  # how a fault begins that is not the image's own
#: what the operating system says when a file itself is at fault; None: it was not asked
_OF_THE_FILE = (None, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EACCES)
_SHARD = 1024  # images: no more than these are lost to a kill


class ImageEncoder(nn.Module, ABC):
    """A network in evaluation mode from prepared images to features, float32 (n, dimensions).

    resized  the shorter side, in pixels, to which ``prepare`` resizes an image
    """

    def __init__(self, dimensions: int, resized: int = RESIZED) -> None:
        super().__init__()
        self.dimensions, self.resized = dimensions, resized

    @abstractmethod
    def prepare(self, image: Image) -> np.ndarray:
        """An RGB image as the array that ``forward`` takes a batch of; of one shape for all."""


def reopen(
    create: Callable[[], ImageEncoder],
    facts: Mapping[str, Any],
    *,
    device: str = "auto",
    batch_size: int = 64,
    mixed_precision: bool | str = False,
    reduced_decode: bool = False,
) -> Callable[[Sequence[Any]], np.ndarray]:
    """A function from images (paths, bytes or Pillow's) to their features (n, d).

    Raises InputError when the weights are not those that ``facts`` tell of; the function, when an
    image cannot be read.
    """
    encoder = create()
    check_digest(facts, encoder)
    target = pick_device(device)
    encoder = encoder.to(target)

    least = encoder.resized if reduced_decode else 0

    @threads(THREADS)
    def encode(images: Sequence[Any]) -> np.ndarray:
        parts = [np.empty((0, encoder.dimensions), np.float32)]
        for first in tqdm(range(0, len(images), batch_size), desc="images", disable=None):
            rows = [encoder.prepare(_opened(x, least)) for x in images[first : first + batch_size]]
            pixels = torch.from_numpy(np.stack(rows)).to(target)
            parts.append(encode_batch(encoder, pixels, mixed_precision).cpu().numpy())
        return np.concatenate(parts)

    return encode


def digest_of(network: nn.Module) -> str:
    """The SHA-256 of all numbers of a network."""
    found = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        found.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def check_digest(facts: Mapping[str, Any], network: nn.Module) -> None:
    """InputError unless the network has the weights that the facts of a stored encoder tell of."""
    if (found := digest_of(network)) != facts["weights"]:
        raise InputError(
            "the encoder's weights are not those that the model was trained with: SHA-256 "
            f"{found[:12]}…, needed {facts['weights'][:12]}…"
        )


def _opened(image: Any, least: int) -> Image:
    if isinstance(image, Image):
        return to_rgb(image)
    try:
        return open_rgb(image if isinstance(image, bytes) else read_file(Path(image)), least)
    except Exception as error:  # decoders fail in every way there is; the file is at fault
        name = "an image" if isinstance(image, bytes) else str(image)
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name} cannot be read as an image ({reason:.200})") from None


@threads(THREADS)
def write_image_features(
    pairs: Pairs,
    create: Callable[[], ImageEncoder],
    *,
    path: Path | str,
    provenance: Provenance,
    batch_size: int = 64,
    workers: int = 1,
    device: str = "auto",
    mixed_precision: bool | str = False,
    reduced_decode: bool = False,
    max_undecodable: float = 0.01,
) -> dict[str, Any]:
    """Write the features (n, d) of the pairs' images; after a kill, those that are not yet kept.

    An image of several pairs (one for each of its captions) is encoded once.

    create           gives the encoder
    mixed_precision  'float16' (or True) or 'bfloat16' on a GPU; float16 moves a feature by less
                     than 1 % of its vector's length
    reduced_decode   decode a large JPEG at 1/2, 1/4 or 1/8 of its size, never below the size that
                     the encoder resizes it to: faster, and other last bits

    Images that cannot be read are logged and their rows left invalid; InputError where they are
    more than the share ``max_undecodable`` of those asked for, or all of them. Returns the facts
    that ``reopen`` needs.
    """
    references, numbers = _references(pairs)
    target = pick_device(device)
    encoder = create()
    facts = {"weights": digest_of(encoder)}
    encoder = encoder.to(target)
    least = encoder.resized if reduced_decode else 0
    images = ImageDataset(pairs.image_root, references, encoder.prepare, least)
    lost = _UnreadableImages(len(references), max_undecodable, pairs.image_root)
    shape = (len(numbers), encoder.dimensions)
    shard = -(-_SHARD // batch_size) * batch_size  # the same batches with and without a kill
    with (
        resumable_feature_writer(path, shape, provenance, digest(__name__)) as writer,
        _background_writer(writer, numbers, shard) as write,
    ):
        for i in np.unique(numbers[writer.missing()]):
            lost.note([references[i]], [images[i][1] or "so an earlier attempt found"])
        done = len(np.unique(numbers[: writer.done]))
        loader = DataLoader(
            Subset(images, range(done, len(images))),
            batch_size,
            num_workers=workers,
            timeout=_LOADER_TIMEOUT_S if workers else 0,
            pin_memory=target.type == "cuda",
        )
        for first, (pixels, faults) in _batches(loader, done):
            valid = lost.note(references[first : first + len(faults)], faults)
            write(
                first,
                encode_batch(encoder, pixels.to(target, non_blocking=True), mixed_precision),
                valid,
            )
    lost.report()
    return facts


def _references(pairs: Pairs) -> tuple[list[str], np.ndarray]:
    """The images, each once, by their first rows; and int (n,), which of them a row's is."""
    known: dict[str, int] = {}
    numbers = np.array([known.setdefault(name, len(known)) for name in pairs.images], np.int64)
    references = list(known)
    if not references:
        raise InputError("no image features can be taken: the data set has no images")
    if not Path(pairs.image_root).is_dir():
        raise InputError(
            f"no image can be read: they are expected in the folder {pairs.image_root}, "
            f"which is not there (the first one as {references[0]!r})"
        )
    return references, numbers


class ImageDataset(Dataset):
    """Per image its array as ``prepare`` gives it, and '' or why it could not be had.

    least  as of ``open_rgb``
    """

    def __init__(
        self,
        root: str,
        references: Sequence[str],
        prepare: Callable[[Image], np.ndarray],
        least: int = 0,
    ) -> None:
        self._files, self._references, self._prepare = ImageFiles(root), references, prepare
        self._least = least

    def __len__(self) -> int:
        return len(self._references)

    def __getitem__(self, index: int) -> tuple[Tensor, str]:
        try:
            image = open_rgb(self._files.read(self._references[index]), self._least)
            return torch.from_numpy(self._prepare(image)), ""
        except Exception as error:  # decoders fail in every way there is; the file is at fault
            fault = " ".join(str(error).split()) or type(error).__name__
            if isinstance(error, OSError) and error.errno not in _OF_THE_FILE:
                fault = f"{_IO_FAULT_PREFIX}{fault}"
            return torch.from_numpy(self._blank), fault

    @cached_property
    def _blank(self) -> np.ndarray:
        """What stands in a batch for an image that cannot be read."""
        return np.zeros_like(self._prepare(new_image("RGB", (256, 256))))


def _batches(loader: DataLoader, done: int) -> Iterator[tuple[int, tuple[Tensor, list[str]]]]:
    """First image and content of each batch, the images before ``done`` being there already."""
    if done:
        log.info("going on after %d images that an earlier attempt has kept", done)
    total = done + len(loader.dataset)
    with tqdm(total=total, initial=done, desc="images", unit="image", mininterval=1) as progress:
        batches = iter(loader)
        while progress.n < total:
            pixels, faults = _next(batches)
            yield progress.n, (pixels, faults)
            progress.update(len(faults))


def _next(batches: Iterator[tuple[Tensor, list[str]]]) -> tuple[Tensor, list[str]]:
    """The next batch; workers that die, stall or cannot hand it over are an OSError."""
    try:
        return next(batches)
    except RuntimeError as error:
        said = " ".join(str(error).split())
        raise OSError(f"the processes that read images failed: {said}") from None


@torch.inference_mode()
def encode_batch(encoder: ImageEncoder, pixels: Tensor, mixed_precision: bool | str) -> Tensor:
    """The features of a batch."""
    with precision(pixels.device, mixed_precision):
        return by_halves(encoder, pixels, "image")


class _UnreadableImages:
    """Counts the images that cannot be read, and stops when they are too many."""

    def __init__(self, total: int, share: float, root: str) -> None:
        self._total, self._share, self._root = total, share, root
        self._named: list[str] = []
        self._count = 0

    def note(self, references: Sequence[str], faults: Sequence[str]) -> Tensor:
        """Take in one batch; which of its rows are valid, bool (len(faults),)."""
        for reference, fault in zip(references, faults, strict=True):
            if fault.startswith(_IO_FAULT_PREFIX):
                raise OSError(f"{self._root}/{reference}: {fault}; what is done is kept")
            if fault:
                self._count += 1
                if len(self._named) < _MAX_REPORTED:
                    self._named.append(f"{reference!r} ({fault})")
        if self._count > self._share * self._total or self._count == self._total:
            raise InputError(
                f"too many images cannot be read: {self._count} of {self._total} so far, where a "
                f"share of {self._share:g} is allowed: {', '.join(self._named)}; "
                f"images are expected in {self._root}"
            )
        return torch.tensor([not fault for fault in faults])

    def report(self) -> None:
        if self._count:
            log.warning(
                "%d of %d images cannot be read and are skipped with their pairs: %s%s",
                self._count,
                self._total,
                ", ".join(self._named),
                ", ..." if self._count > _MAX_REPORTED else "",
            )


@contextmanager
def _background_writer(writer: ResumableWriter, numbers: np.ndarray, shard: int) -> Iterator:
    """A write that happens in a thread, while the caller goes on with the next batch.

    numbers  of each row's image; with a batch of images go all rows up to the next new image
    """
    firsts = np.unique(numbers, return_index=True)[1]
    ends = np.append(firsts, len(numbers))
    pending: Future | None = None

    def store(first: int, features: Tensor, valid: Tensor) -> None:
        end = first + len(features)
        block = torch.where(valid[:, None], features.cpu(), 0.0).numpy()
        for start in range(ends[first], ends[end], _SHARD):
            rows = slice(start, min(start + _SHARD, ends[end]))
            own = numbers[rows] - first
            earlier = own < 0
            found, marks = block[own.clip(0)], valid.numpy()[own.clip(0)]
            if earlier.any():
                found[earlier], marks[earlier] = writer.rows(firsts[numbers[rows][earlier]])
            writer.write(rows, found, marks)
        if end % shard == 0:
            writer.keep(int(ends[end]))

    def write(first: int, features: Tensor, valid: Tensor) -> None:
        nonlocal pending
        if pending:
            pending.result()
        pending = thread.submit(store, first, features, valid)

    with ThreadPoolExecutor(1) as thread:
        yield write
        if pending:
            pending.result()
