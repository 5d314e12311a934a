"""Image features of all pairs: decoded by worker processes, encoded by a network, into HDF5."""

import errno
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

from pipeline.errors import InputError
from pipeline.features.backbones import Encoder, create
from pipeline.features.decode import CROPPED, ImageFiles, decode
from pipeline.features.devices import THREADS, pick_device, threads
from pipeline.sources import digest
from pipeline.store import Pairs, Provenance, ResumableWriter, resumable_feature_writer

log = logging.getLogger(__name__)
_NAMED = 5  # so many unreadable images are named, the others counted
_STALLED = 600  # seconds without a batch: its worker could not hand it over, and never will
_MACHINE = "cannot be read now: "  # how a fault begins that is not the image's own
#: what the operating system says when a file itself is at fault; None: it was not asked
_OF_THE_FILE = (None, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EACCES)
_SHARD = 1024  # images: no more than these are lost to a kill


@threads(THREADS)
def write_image_features(
    pairs: Pairs,
    path: Path | str,
    provenance: Provenance,
    *,
    backbone: str,
    weights: str = "pretrained",
    layer: str = "",
    batch_size: int = 64,
    workers: int = 1,
    device: str = "auto",
    mixed_precision: bool = False,
    max_undecodable: float = 0.01,
    seed: int = 0,
) -> None:
    """Write the features (n, d) of the pairs' images; after a kill, those that are not yet kept.

    backbone, weights, layer, seed: see ``backbones.create``; mixed_precision: autocast on a GPU,
    which moves a feature by less than 1 % of its vector's length. Images that cannot be read are
    logged and their rows left invalid; InputError where they are more than the share
    ``max_undecodable`` of those asked for, or all of them.
    """
    references = _references(pairs)
    target = pick_device(device)
    encoder = create(backbone, weights=weights, layer=layer, seed=seed).to(target)
    images = _Images(pairs.image_root, references)
    lost = _Lost(len(references), max_undecodable, pairs.image_root)
    shape = (len(references), encoder.dimensions)
    shard = -(-_SHARD // batch_size) * batch_size  # the same batches with and without a kill
    with (
        resumable_feature_writer(path, shape, provenance, digest(__name__)) as writer,
        _behind(writer, shard) as write,
    ):
        for row in writer.missing():
            lost.note([references[row]], [images[row][1] or "so an earlier attempt found"])
        loader = DataLoader(
            Subset(images, range(writer.done, len(images))),
            batch_size,
            num_workers=workers,
            timeout=_STALLED if workers else 0,
            pin_memory=target.type == "cuda",
        )
        for first, (pixels, faults) in _batches(loader, writer.done, backbone):
            valid = lost.note(references[first : first + len(faults)], faults)
            write(
                first,
                _encode(encoder, pixels.to(target, non_blocking=True), mixed_precision),
                valid,
            )
    lost.report()


def _references(pairs: Pairs) -> list[str]:
    references = list(pairs.images)
    if not references:
        raise InputError("no image features can be taken: the data set has no images")
    if not Path(pairs.image_root).is_dir():
        raise InputError(
            f"no image can be read: they are expected in the folder {pairs.image_root}, "
            f"which is not there (the first one as {references[0]!r})"
        )
    return references


class _Images(Dataset):
    """Per image its pixels, uint8 (3, 224, 224), and '' or why they could not be had."""

    def __init__(self, root: str, references: Sequence[str]) -> None:
        self._files, self._references = ImageFiles(root), references

    def __len__(self) -> int:
        return len(self._references)

    def __getitem__(self, index: int) -> tuple[Tensor, str]:
        try:
            return torch.from_numpy(decode(self._files.read(self._references[index]))), ""
        except Exception as error:  # decoders fail in every way there is; the file is at fault
            fault = " ".join(str(error).split()) or type(error).__name__
            if isinstance(error, OSError) and error.errno not in _OF_THE_FILE:
                fault = f"{_MACHINE}{fault}"
            return torch.zeros(3, CROPPED, CROPPED, dtype=torch.uint8), fault


def _batches(
    loader: DataLoader, done: int, name: str
) -> Iterator[tuple[int, tuple[Tensor, list[str]]]]:
    """First row and content of each batch, the rows before ``done`` being there already."""
    if done:
        log.info("going on after %d images that an earlier attempt has kept", done)
    total = done + len(loader.dataset)
    with tqdm(total=total, initial=done, desc=name, unit="image", mininterval=1) as progress:
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
def _encode(encoder: Encoder, pixels: Tensor, mixed_precision: bool) -> Tensor:
    mixed = mixed_precision and pixels.is_cuda
    with torch.autocast(pixels.device.type, torch.float16, enabled=mixed):
        return encoder(pixels)


class _Lost:
    """Counts the images that cannot be read, and stops when they are too many."""

    def __init__(self, total: int, share: float, root: str) -> None:
        self._total, self._share, self._root = total, share, root
        self._named: list[str] = []
        self._count = 0

    def note(self, references: Sequence[str], faults: Sequence[str]) -> Tensor:
        """Take in one batch; which of its rows are valid, bool (len(faults),)."""
        for reference, fault in zip(references, faults, strict=True):
            if fault.startswith(_MACHINE):
                raise OSError(f"{self._root}/{reference}: {fault}; what is done is kept")
            if fault:
                self._count += 1
                if len(self._named) < _NAMED:
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
                "%d of %d images cannot be read and are left out with their pairs: %s%s",
                self._count,
                self._total,
                ", ".join(self._named),
                ", ..." if self._count > _NAMED else "",
            )


@contextmanager
def _behind(writer: ResumableWriter, shard: int) -> Iterator:
    """A write that happens in a thread, while the caller goes on with the next batch."""
    pending: Future | None = None

    def store(first: int, features: Tensor, valid: Tensor) -> None:
        end = first + len(features)
        block = torch.where(valid[:, None], features.cpu(), 0.0)
        writer.write(slice(first, end), block.numpy(), valid.numpy())
        if end % shard == 0:
            writer.keep(end)

    def write(first: int, features: Tensor, valid: Tensor) -> None:
        nonlocal pending
        if pending:
            pending.result()
        pending = thread.submit(store, first, features, valid)

    with ThreadPoolExecutor(1) as thread:
        yield write
        if pending:
            pending.result()
