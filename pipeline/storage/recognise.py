"""What a file is by its first bytes, for messages on files that are not what their names say."""

from pathlib import Path

from pipeline.errors import InputError

_LFS = b"version https://git-lfs.github.com/spec/"
#: the first bytes -> what begins so; the first that fits is taken
_BEGINNINGS = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file"),
    (b"MATLAB 7.3 MAT-file", "a MATLAB file of form 7.3"),
    (b"\x93NUMPY", "a NumPy array (.npy)"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "a gzip archive (.gz, .tar.gz)"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"%PDF-", "a PDF document"),
    (_LFS, "a Git LFS pointer instead of the file it stands for (`git lfs pull` fetches that)"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
    (b"\x7fELF", "a program"),
    (b"#!", "a script"),
)
_MARKUP = (
    (b"<!doctype html", "a web page (HTML)"),
    (b"<html", "a web page (HTML)"),
    (b"<head", "a web page (HTML)"),
    (b"<?xml", "an XML document"),
)


def kind_of(path: Path | str) -> str | None:
    """What the file is, in a few words with an article; None where its beginning tells nothing."""
    with Path(path).open("rb") as file:
        head = file.read(4096)
    if not head:
        return "empty"
    for beginning, kind in _BEGINNINGS:
        if head.startswith(beginning):
            return kind
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for beginning, kind in _MARKUP:
        if text.startswith(beginning):
            return kind
    if head[257:262] == b"ustar":
        return "a tar archive"
    if _is_pickle(head):
        return "a Python pickle, which can run code when it is opened and is never loaded"
    return None


def aside(path: Path | str, but: str = "") -> str:
    """The same as an aside to a message; '' where it is ``but``, not known or not to be read."""
    try:
        kind = kind_of(path)
    except OSError:
        return ""
    return f"; it is {kind}" if kind and kind != but else ""


def check_text(path: Path, needed: str) -> None:
    """Raise InputError for a file whose beginning is that of something else than plain text."""
    kind = kind_of(path)
    if kind not in (None, "empty"):
        raise InputError(f"{path}: {needed} is needed; it is {kind}")


def _is_pickle(head: bytes) -> bool:
    """Protocols 2 and later; earlier ones look like any text."""
    return head[0] == 0x80 and len(head) > 1 and 2 <= head[1] <= 5
