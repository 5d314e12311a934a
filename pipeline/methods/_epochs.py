"""A training by epochs that goes on where it was interrupted. Knows no method."""

import hashlib
import io
import logging
import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from pipeline.errors import CollapseError
from pipeline.files import whole
from pipeline.methods.base import Hasher
from pipeline.sources import digest

log = logging.getLogger(__name__)
CHECKPOINT_SECONDS = 30.0  # at least so long between two checkpoints

Record = dict[str, Any]


class HasState(Protocol):
    """What modules and optimizers have in common."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


@dataclass
class Training:
    """What the coming epochs of a training depend on.

    hasher     whose parameters, code, ``checkpoint`` and ``report`` are used
    parts      networks and optimizer by name
    generator  of everything random
    data       the tensors that are trained on; they tell one training from another
    """

    hasher: Hasher
    parts: Mapping[str, HasState]
    generator: torch.Generator
    data: Sequence[Tensor]

    def run(self, epochs: int, epoch: Callable[[int], Record]) -> list[Record]:
        """Call ``epoch(0)`` to ``epoch(epochs - 1)``; the records of all, those done before too.

        A record's ``loss`` that is not finite ends the training with a CollapseError.
        """
        checkpoint = self.hasher.checkpoint
        history = self._resume(checkpoint) if checkpoint is not None and checkpoint.exists() else []
        for record in history:
            self.hasher.report(**record)
        saved = time.monotonic()
        for index in tqdm(range(len(history), epochs), desc="epochs", mininterval=1, disable=None):
            record = {"epoch": index + 1} | epoch(index)
            if not math.isfinite(record["loss"]):
                raise CollapseError(
                    f"the loss became {record['loss']} in epoch {index + 1}; "
                    "a smaller learning rate is needed"
                )
            history.append(record)
            self.hasher.report(**record)
            if checkpoint is not None and time.monotonic() - saved >= CHECKPOINT_SECONDS:
                self._save(checkpoint, history)
                saved = time.monotonic()
        return history

    def _save(self, path: Path, history: list[Record]) -> None:
        """Write a checkpoint; where none can be written the training goes on all the same."""
        state = {
            "of": self._identity(),
            "history": history,
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "generator": self.generator.get_state(),
        }
        buffer = io.BytesIO()  # torch would call a full disk an error of its own
        torch.save(state, buffer)
        try:
            with whole(path) as part:
                part.write_bytes(buffer.getbuffer())
        except OSError as error:
            log.warning("%s: no checkpoint could be written (%s)", path, error.strerror)

    def _resume(self, path: Path) -> list[Record]:
        """The records of the checkpoint, whose state is taken over; none if it is another's."""
        try:
            with warnings.catch_warnings(action="ignore"):
                state = torch.load(path, map_location=self.data[0].device, weights_only=True)
        except Exception:  # the reader raises whatever it stumbles over in a damaged file
            state = {"of": None}
        if state["of"] != self._identity():
            log.warning("%s is not of this training; starting from the first epoch", path)
            return []
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        self.generator.set_state(state["generator"].cpu())
        log.info("going on after epoch %d from %s", len(state["history"]), path)
        return state["history"]

    def _identity(self) -> str:
        """A digest of the hasher's parameters, its code and the data."""
        code = digest(type(self.hasher).__module__)
        found = hashlib.sha256(f"{torch.__version__} {code} {self.hasher!r}".encode())
        for x in self.data:
            found.update(f"{tuple(x.shape)}".encode() + x.sum(dim=0).cpu().numpy().tobytes())
        return found.hexdigest()
