"""Which device an encoder runs on."""

import torch

from pipeline.errors import InputError


def pick_device(name: str = "auto") -> torch.device:
    """The device ``name``; 'auto' is the GPU where there is one, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(
            f"device {name} was asked for, but torch sees no GPU here; use cpu or auto"
        )
    return torch.device(name)
