"""CMIMH: cross-modal hashing by maximising mutual information (Hoang et al., TNNLS 34(9), 2023)."""

import inspect
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from pipeline.errors import CollapseError, InputError
from pipeline.methods._cmimh_diagnosis import diagnose
from pipeline.methods._cmimh_training import WEIGHTS, Training
from pipeline.methods._deep import device_of
from pipeline.methods.base import Hasher
from pipeline.seeds import derive

log = logging.getLogger(__name__)
BLOCK = 8192  # rows encoded at a time
CHECKPOINT_SECONDS = 30.0  # at least so long between two checkpoints
SILENT_SPREAD = 0.02  # p that varies less than this from row to row says nothing
NO_BOUND = -2 * math.log(2)  # the Jensen-Shannon bound of a critic that cannot tell pairs apart


class CMIMH(Hasher):
    """Cross-Modal Info-Max Hashing.

    critic      what the critic sees: 'mean' (Bernoulli means) or a number of sampled pairs
    encoder     'mlp' (two hidden layers) or 'linear'
    w_*         weights of Eq. 14; 0 leaves the term out; w_gap and w_balance, whose terms are sums
                over bits, are meant at 16 bits and shrink in proportion to more
    epochs      passes over the training pairs; more if they make fewer than min_steps mini-batches
    batch_size  mini-batch size, made a little smaller to divide the pairs evenly
    lr          rate of encoders, critics and classifiers; lr_decoder that of the decoders; both for
                layers of up to 256 inputs, wider ones take proportionally less
    momentum, optimiser ('sgd' or 'adam'), anneal (both rates, half a cosine)
    weight_decay  of all networks but the critics, which have critic_decay
    warm_up     share of the epochs over which w_gap grows from 0
    scaling     power of its standard deviation that each feature is divided by: 0 keeps the
                spectrum of a view, 1 flattens it
    spread      standard deviation of the logits at the start
    hide        share of the features that the encoders do not get to see in training, drawn anew
                for every mini-batch; decoders still have to restore all of them
    smoothing   share that neighbours have, the pairs most like a pair in both views together, in
                what the decoders have to restore of it and in what the critic takes for joint
    neighbors   how many of the training set for the decoders (their mean is restored)
    batch_neighbors  how many of the mini-batch for the critic; 0: true pairs alone are joint
    hidden      width of encoders and decoders; judge: width of critics and classifiers
    may_collapse  collapsed codes are an answer, with a warning, and not an error: for ablations
    device      'auto', 'cpu', 'cuda'
    """

    def __init__(
        self,
        bits: int,
        seed: int,
        *,
        critic: Literal["mean"] | int = "mean",
        encoder: Literal["mlp", "linear"] = "mlp",
        w_intra: float = 80.0,
        w_inter: float = 20.0,
        w_gap: float = 16.0,
        w_tc: float = 0.05,
        w_balance: float = 0.3,
        epochs: int = 40,
        min_steps: int = 500,
        batch_size: int = 128,
        lr: float = 0.01,
        lr_decoder: float = 0.0003,
        momentum: float = 0.9,
        weight_decay: float = 0.03,
        critic_decay: float = 0.0005,
        optimiser: Literal["sgd", "adam"] = "sgd",
        anneal: bool = True,
        warm_up: float = 1.0,
        scaling: float = 0.75,
        spread: float = 3.0,
        hide: float = 0.05,
        smoothing: float = 0.8,
        neighbors: int = 10,
        batch_neighbors: int = 3,
        hidden: int = 1024,
        judge: int = 512,
        may_collapse: bool = False,
        device: str = "auto",
    ) -> None:
        self.bits, self.seed = bits, seed
        self.critic, self.encoder = critic, encoder
        self.w_intra, self.w_inter, self.w_gap = w_intra, w_inter, w_gap
        self.w_tc, self.w_balance = w_tc, w_balance
        self.epochs, self.min_steps, self.batch_size = epochs, min_steps, batch_size
        self.lr, self.lr_decoder = lr, lr_decoder
        self.momentum = momentum
        self.weight_decay, self.critic_decay = weight_decay, critic_decay
        self.optimiser, self.anneal, self.warm_up = optimiser, anneal, warm_up
        self.scaling, self.spread, self.hide = scaling, spread, hide
        self.smoothing = smoothing
        self.neighbors, self.batch_neighbors = neighbors, batch_neighbors
        self.hidden, self.judge = hidden, judge
        self.may_collapse = may_collapse
        self.device = device
        self._check_params()

    def _check_params(self) -> None:
        for name, needed, fits in (
            ("hide", "at least 0 and less than 1", 0 <= self.hide < 1),
            ("smoothing", "0 to 1", 0 <= self.smoothing <= 1),
            ("neighbors", "at least 1", self.neighbors >= 1),
            ("batch_neighbors", "at least 0", self.batch_neighbors >= 0),
        ):
            if not fits:
                raise InputError(f"{name} is {getattr(self, name)!r}; CMIMH needs {needed}")

    def params(self) -> dict[str, Any]:
        """The constructor's arguments by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    @classmethod
    def fit_many(
        cls, models: Sequence[Self], images: Sequence[np.ndarray], texts: Sequence[np.ndarray]
    ) -> None:
        """Fit several models at once, each on its own features, as if one by one but faster.

        The models may differ in their seeds and weights only, and their features must be of equal
        shapes. Each has its own random stream, so what it learns does not depend on the others.
        The first model's ``checkpoint`` serves all.
        """
        views = [
            model._check_fit(image, text)
            for model, image, text in zip(models, images, texts, strict=True)
        ]
        _check_alike(models, views)
        images, texts = zip(*views, strict=True)
        training = Training(models, images, texts, device_of(models[0].device))
        _train(training, models[0].checkpoint)
        for s, model in enumerate(models):
            model.networks_ = training.networks.select(s)
            model.scalers_ = [(mean[s], factor[s]) for mean, factor in training.scalers]
            model.device_ = training.device
            if fault := model._collapse(images[s], texts[s]):
                if not model.may_collapse:
                    raise CollapseError(fault)
                log.warning("%s", fault)

    def _fit(self, image: np.ndarray, text: np.ndarray) -> None:
        self.fit_many([self], [image], [text])

    def _encode_image(self, x: np.ndarray) -> np.ndarray:
        return (self._means(0, x) > 0.5).cpu().numpy()

    def _encode_text(self, x: np.ndarray) -> np.ndarray:
        return (self._means(1, x) > 0.5).cpu().numpy()

    @torch.no_grad()
    def _means(self, view: int, x: np.ndarray) -> Tensor:
        """The Bernoulli means of one view's rows, (n, bits), block by block."""
        mean, factor = self.scalers_[view]
        means = []
        for start in range(0, len(x), BLOCK):
            rows = torch.from_numpy(np.asarray(x[start : start + BLOCK], np.float32))
            scaled = (rows.to(self.device_) - mean) * factor
            means.append(torch.sigmoid(self.networks_.encoder[view](scaled[None])[0]))
        return torch.cat(means)

    def diagnose(self, image: np.ndarray, text: np.ndarray) -> dict[str, np.ndarray]:
        """tc_image, tc_text, p_histogram_image, p_histogram_text, mi_bound, mean_abs.

        TC is in nats, by classifiers trained on the codes of the given rows.
        """
        return diagnose(
            self.networks_,
            [self._means(0, image), self._means(1, text)],
            batch_size=self.batch_size,
            width=self.judge,
            generator=torch.Generator().manual_seed(derive(self.seed, "cmimh", "diagnose")),
        )

    def _collapse(self, image: np.ndarray, text: np.ndarray) -> str:
        """What shows that the codes of the training rows (at most 8,192) say nothing, or ''.

        That is, if p hardly varies from row to row, or most bits of a view are constant.
        """
        p = [self._means(0, image[:BLOCK]), self._means(1, text[:BLOCK])]
        spread = min(float(v.std(dim=0).mean()) for v in p)
        constant = [int(((v > 0.5).float().std(dim=0) == 0).sum()) for v in p]
        if spread < SILENT_SPREAD or max(constant) > self.bits / 2:
            away = float(torch.cat(p).sub(0.5).abs().mean())
            bound = float(self.networks_.bound([v[None, :1024] for v in p]))
            return (
                f"the codes collapsed (seed {self.seed}, {self.bits} bits: p varies by "
                f"{spread:.4f}, mean |p - 1/2| is {away:.4f}, the information bound {bound:.3f} "
                f"with {NO_BOUND:.3f} telling nothing, {constant[0]} image and {constant[1]} text "
                "bits constant); a smaller w_gap, a larger w_intra or another rate is needed"
            )
        return ""


def _check_alike(models: Sequence[CMIMH], views: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    own = {"seed", *(f"w_{name}" for name in WEIGHTS)}
    for model, view in zip(models, views, strict=True):
        differs = [
            name
            for name, value in model.params().items()
            if name not in own and value != getattr(models[0], name)
        ]
        if differs:
            raise InputError(
                f"models trained together differ in {', '.join(differs)}; "
                "only seeds and weights may differ"
            )
        if [x.shape for x in view] != [x.shape for x in views[0]]:
            raise InputError("models trained together need features of equal shapes")


def _train(training: Training, checkpoint: Path | None) -> None:
    """All epochs, from the checkpoint if there is one; the watcher sees every epoch."""
    if checkpoint is not None and checkpoint.exists():
        if training.resume(checkpoint):
            log.info("going on after epoch %d from %s", training.done, checkpoint)
        else:
            log.warning("%s is not of this training; starting anew", checkpoint)
    for records in training.history:
        _tell(training.models, records)
    saved = time.monotonic()
    epochs = range(training.done, training.epochs)
    for _ in tqdm(epochs, desc="epochs", mininterval=1, disable=None):
        _tell(training.models, training.epoch())
        if checkpoint is not None and time.monotonic() - saved >= CHECKPOINT_SECONDS:
            _save(training, checkpoint)
            saved = time.monotonic()


def _save(training: Training, checkpoint: Path) -> None:
    """Write a checkpoint; without the place for one the training goes on all the same."""
    try:
        training.save(checkpoint)
    except OSError as error:
        log.warning("%s: no checkpoint could be written (%s)", checkpoint, error.strerror)


def _tell(models: Sequence[CMIMH], records: Sequence[dict[str, Any]]) -> None:
    """Report one epoch of every model; a loss that is not finite ends the training."""
    for model, record in zip(models, records, strict=True):
        if not math.isfinite(record["loss"]):
            raise CollapseError(
                f"the loss became {record['loss']} in epoch {record['epoch']} "
                f"(seed {model.seed}); a smaller learning rate is needed"
            )
        model.report(**record)
        model.last_ = record
