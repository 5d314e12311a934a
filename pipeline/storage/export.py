"""Codes for an engine that searches more of them than fit here: faiss' binary indexes."""

from pathlib import Path

from pipeline.errors import InputError
from pipeline.storage.files import atomic_write
from pipeline.storage.store import open_codes

_BLOCK = 1 << 20  # codes added at a time; the first block also trains an index that needs it


def export(
    codes: Path | str, out: Path | str, *, view: str, seed: int, index: str = "BFlat"
) -> int:
    """Write the codes of one view as a faiss index of binary vectors; how many there are.

    view   'image' or 'text'; seed: one of the setting's
    index  faiss' own description: 'BFlat' is exact, 'BIVF4096' or 'BHNSW32' approximate

    Item i of the index is pair i of the data set. Bits are packed as by ``numpy.packbits``, the
    last byte filled up with zeros; queries have to be packed alike.
    """
    try:
        import faiss
    except ModuleNotFoundError:
        raise InputError("the export needs faiss; install faiss-cpu") from None
    with open_codes(codes, view, seed) as packed:
        try:
            built = faiss.index_binary_factory(8 * packed.shape[1], index)
        except RuntimeError as error:
            raise InputError(f"faiss knows no binary index {index!r}: {error}") from None
        for start in range(0, packed.shape[0], _BLOCK):
            block = packed[start : start + _BLOCK]
            if not built.is_trained:
                built.train(block)
            built.add(block)
    with atomic_write(out) as part:
        faiss.write_index_binary(built, str(part))
    return built.ntotal
