"""A long extraction cut into shards that can be run, and rerun, one by one."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from pipeline.errors import InputError
from pipeline.store import Provenance, feature_writer, open_features

_BLOCK = 8192


def shard(index: int, count: int, n: int) -> slice:
    """The rows of shard ``index`` of ``count``; the shards are even and cover n rows in order."""
    if not 0 <= index < count:
        raise InputError(f"there is no shard {index} of {count}: the first is 0")
    return slice(n * index // count, n * (index + 1) // count)


def merge_features(paths: Sequence[Path | str], out: Path | str, provenance: Provenance) -> None:
    """Write the rows (n_i, d) of the feature files ``paths`` one after another into ``out``."""
    with ExitStack() as stack:
        parts = [stack.enter_context(open_features(path)) for path in paths]
        if len(widths := {part.dimensions for part in parts}) != 1:
            raise InputError(f"shards must be of one width to be merged, not {sorted(widths)}")
        writer = stack.enter_context(
            feature_writer(out, (sum(map(len, parts)), *widths), provenance)
        )
        start = 0
        for part in parts:
            for first in range(0, len(part), _BLOCK):
                rows = slice(first, min(first + _BLOCK, len(part)))
                target = slice(start + rows.start, start + rows.stop)
                writer.write(target, part.rows(rows), part.valid[rows])
            start += len(part)
