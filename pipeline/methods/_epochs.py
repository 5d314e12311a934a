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
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm

from pipeline.errors import CollapseError
from pipeline.methods._deep import equal_batches
from pipeline.methods.base import Hasher
from pipeline.sources import digest
from pipeline.storage.files import atomic_write

log = logging.getLogger(__name__)
CHECKPOINT_SECONDS = 30.0  # at least so long between two checkpoints

Record = dict[str, Any]


class HasState(Protocol):
    """What modules, optimizers and schedules have in common."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


Parts = Mapping[str, HasState]


@dataclass
class Training:
    """What the coming epochs of a training depend on.

    hasher     whose parameters, code, ``checkpoint`` and ``report`` are used
    networks, optimizer   what is trained, and by what
    generator  of everything random
    data       the tensors that are trained on; they tell one training from another
    """

    hasher: Hasher
    networks: nn.Module
    optimizer: Optimizer
    generator: torch.Generator
    data: Sequence[Tensor]

    def run(
        self,
        epochs: int,
        steps: int,
        step: Callable[[Tensor, float], Mapping[str, Tensor]],
        watch: Callable[[], Record],
    ) -> list[Record]:
        """Train; the records of all epochs, those done before an interruption too.

        steps  mini-batches of an epoch, all of one size
        step   updates the networks on these rows, and gives the terms of the loss; it is told the
               share of the epochs that will be done after this one
        watch  what else goes into an epoch's record, beside the means of the terms

        All learning rates fall along half a cosine (Loshchilov and Hutter, ICLR 2017). A ``loss``
        that is not finite ends the training with a CollapseError.
        """
        schedule = LambdaLR(self.optimizer, lambda e: (1 + math.cos(math.pi * e / epochs)) / 2)
        parts = {"networks": self.networks, "optimizer": self.optimizer, "schedule": schedule}
        checkpoint = self.hasher.checkpoint
        history: list[Record] = []
        if checkpoint is not None and checkpoint.exists():
            history = self._resume(checkpoint, parts)
        for record in history:
            self.hasher.report(**record)
        saved = time.monotonic()
        for index in tqdm(range(len(history), epochs), desc="epochs", mininterval=1, disable=None):
            sums: dict[str, Tensor] = {}
            for rows in equal_batches(len(self.data[0]), steps, self.generator):
                for name, value in step(rows, (index + 1) / epochs).items():
                    sums[name] = sums.get(name, 0) + value
            means = {name: float(value) / steps for name, value in sums.items()}
            record = {"epoch": index + 1} | means | watch()
            if not math.isfinite(record["loss"]):
                raise CollapseError(
                    f"the loss became {record['loss']} in epoch {index + 1}; "
                    "a smaller learning rate is needed"
                )
            history.append(record)
            self.hasher.report(**record)
            schedule.step()
            if checkpoint is not None and time.monotonic() - saved >= CHECKPOINT_SECONDS:
                self._save(checkpoint, parts, history)
                saved = time.monotonic()
        return history

    def _save(self, path: Path, parts: Parts, history: list[Record]) -> None:
        """Write a checkpoint; where none can be written the training goes on all the same."""
        state = {
            "of": self._identity(),
            "history": history,
            "parts": {name: part.state_dict() for name, part in parts.items()},
            "generator": self.generator.get_state(),
        }
        buffer = io.BytesIO()  # torch would call a full disk an error of its own
        torch.save(state, buffer)
        try:
            with atomic_write(path) as part:
                part.write_bytes(buffer.getbuffer())
        except OSError as error:
            log.warning("%s: no checkpoint could be written (%s)", path, error.strerror)

    def _resume(self, path: Path, parts: Parts) -> list[Record]:
        """The records of the checkpoint, whose state is taken over; none if it is another's."""
        try:
            with warnings.catch_warnings(action="ignore"):
                state = torch.load(path, map_location=self.data[0].device, weights_only=True)
        except Exception:  # the reader raises whatever it stumbles over in a damaged file
            state = {"of": None}
        if state["of"] != self._identity():
            log.warning("%s is not of this training; starting from the first epoch", path)
            return []
        for name, part in parts.items():
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
