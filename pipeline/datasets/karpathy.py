"""Flickr30k, Flickr8k and MS-COCO by Karpathy's split files: images with five captions, no labels.

The usual sets for instance retrieval: ``dataset_flickr30k.json`` (1,000 test images),
``dataset_coco.json`` (5,000). A. Karpathy, L. Fei-Fei: Deep visual-semantic alignments for
generating image descriptions, CVPR 2015. The images are put beside the file by hand.
"""

import json
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pipeline.datasets._pictures import find_pictures
from pipeline.errors import InputError
from pipeline.storage.store import Pairs

FILES = ()
"""Nothing to download."""

_PARTS = {"train": "train", "restval": "train", "val": "validation", "test": "query"}


def pairs(raw: Path, *, file: str, images: str = "images", captions: str = "each") -> Pairs:
    """The pairs of a split file: queries test, trained on train and restval, set aside val.

    file      its path, relative to ``raw``
    images    the folder or archive below ``raw`` with the images
    captions  'each' makes a pair of every caption, as instance retrieval has it; 'one' keeps the
              captions of an image together, for the text encoder to draw one or take all
    """
    if captions not in ("each", "one"):
        raise InputError(f"captions is {captions!r}; each or one is needed")
    path = Path(raw) / file
    entries = [_entry(f"{path}: images[{i}]", entry) for i, entry in enumerate(_read(path))]
    found = find_pictures(Path(raw), images, [name for name, _, _ in entries], str(path))
    ids, references, sentences, partition, groups = [], [], [], [], []
    for number, ((name, part, texts), place) in enumerate(zip(entries, found, strict=True)):
        stem = PurePosixPath(name).stem
        each = [[text] for text in texts] if captions == "each" else [texts]
        ids += [f"{stem}#{k}" for k in range(len(each))] if captions == "each" else [stem]
        references += [place] * len(each)
        sentences += each
        partition += [part] * len(each)
        groups += [number] * len(each)
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise InputError(f"{path}: the image {twice!r} is listed twice")
    return Pairs(
        ids=ids,
        labels=np.zeros((len(ids), 0), np.uint8),
        label_names=[],
        images=references,
        image_root=str(raw),
        captions=sentences,
        partition=partition,
        groups=np.array(groups, np.int64) if captions == "each" else None,
    )


def _read(path: Path) -> list[Any]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; put Karpathy's split file there")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable JSON ({error})") from None
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list) or not images:
        raise InputError(f"{path}: has no list 'images'")
    return images


def _entry(where: str, entry: Any) -> tuple[str, str, list[str]]:
    """The path of an image, its part, and its captions, white space made single."""
    if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str):
        raise InputError(f"{where} has no 'filename'")
    if entry.get("split") not in _PARTS:
        raise InputError(f"{where}: split is {entry.get('split')!r}; {', '.join(_PARTS)} are known")
    sentences = entry.get("sentences")
    texts: list[str] = []
    if isinstance(sentences, list) and all(
        isinstance(s, dict) and isinstance(s.get("raw"), str) for s in sentences
    ):
        texts = [" ".join(s["raw"].split()) for s in sentences if s["raw"].strip()]
    if not texts:
        raise InputError(f"{where} has no sentences with a text 'raw'")
    folder = entry.get("filepath")
    name = f"{folder}/{entry['filename']}" if isinstance(folder, str) else entry["filename"]
    return name, _PARTS[entry["split"]], texts
