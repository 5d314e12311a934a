"""Which device torch computes on, and on how many threads."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pipeline.errors import InputError

#: of an encoder, however many there are: with another number the libraries cut small mini-batches
#: otherwise, and the last bits of their features move
THREADS = 2


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let torch compute on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pick_device(name: str = "auto") -> torch.device:
    """The device ``name``; 'auto' is the GPU where there is one, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device is {name!r} but torch sees no GPU here; use 'auto' or 'cpu'")
    return torch.device(name)
