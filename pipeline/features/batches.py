"""Batches on a GPU: in half precision where asked for, by halves where memory is too small."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import InputError

_PRECISIONS = {
    False: torch.float32,
    True: torch.float16,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


def precision(device: torch.device, mixed: bool | str) -> torch.autocast:
    """A context of mixed precision: 'float16' (or True) or 'bfloat16' on a GPU, else none."""
    if mixed not in _PRECISIONS:
        raise InputError(f"mixed_precision is float16, bfloat16 or false, not {mixed!r}")
    dtype = _PRECISIONS[mixed]
    used = device.type == "cuda" and dtype != torch.float32
    return torch.autocast(device.type, dtype if used else None, enabled=used)


def by_halves(encode: Callable[[Any], Tensor], batch: Any, what: str) -> Tensor:
    """``encode(batch)``, row by row of it; in parts where the memory of a GPU is too small for it.

    batch  a tensor or list, one row or item each;  what  such is called in messages
    """
    try:
        return encode(batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise InputError(
                f"the GPU's memory does not hold one {what}; use device: cpu"
            ) from None
    torch.cuda.empty_cache()
    middle = -(-len(batch) // 2)
    return torch.cat([by_halves(encode, part, what) for part in (batch[:middle], batch[middle:])])
