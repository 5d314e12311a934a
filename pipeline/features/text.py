"""Caption features of all pairs: one caption each, through a text encoder, into HDF5."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pipeline.errors import InputError
from pipeline.features.captions import draw_captions
from pipeline.features.devices import THREADS, pick_device, threads
from pipeline.features.text_encoders import TextEncoder, trained, untrained
from pipeline.sources import digest
from pipeline.store import Pairs, Provenance, resumable_feature_writer

_WINDOW = 8192  # rows within which captions are sorted by length, and all that a kill costs


@threads(THREADS)
def write_caption_features(
    pairs: Pairs,
    path: Path | str,
    provenance: Provenance,
    *,
    model: str = "google-bert/bert-base-uncased",
    revision: str | None = None,
    weights: str = "pretrained",
    pooling: str = "mean",
    caption_seed: int = 0,
    batch_size: int = 64,
    max_length: int = 64,
    device: str = "auto",
    layers: int = 4,
    width: int = 256,
    seed: int = 0,
) -> None:
    """Write the sentence embeddings (n, d) of one caption per pair, drawn by ``caption_seed``.

    model, revision: a name on the hub, or a folder; layers, width, seed: of the BERT that
    weights='untrained' draws instead. pooling: 'mean' of the tokens' last states, that of 'cls',
    or the model's own 'pooler'. Captions are cut at ``max_length`` tokens.
    """
    if weights not in ("pretrained", "untrained"):
        raise InputError(f"text weights are 'pretrained' or 'untrained', not {weights!r}")
    captions = draw_captions(pairs, caption_seed)
    if weights == "untrained":
        tokenizer, network = untrained(captions, layers=layers, width=width, seed=seed)
    else:
        tokenizer, network = trained(model, revision)
    _check(network, pooling, max_length)
    encoder = tokenizer, network.to(pick_device(device))
    shape = (len(captions), network.config.hidden_size)
    with (
        resumable_feature_writer(path, shape, provenance, digest(__name__)) as writer,
        tqdm(total=len(captions), desc="text", unit="caption", mininterval=1) as progress,
    ):
        progress.update(writer.done)
        for first in range(writer.done, len(captions), _WINDOW):
            window = captions[first : first + _WINDOW]
            block = encode(encoder, window, pooling, batch_size, max_length, progress)
            writer.write(slice(first, first + len(window)), block)
            writer.keep(first + len(window))


def _check(network: PreTrainedModel, pooling: str, max_length: int) -> None:
    if pooling not in POOLINGS:
        raise InputError(f"no pooling is named {pooling!r}; there are {', '.join(POOLINGS)}")
    if pooling == "pooler" and getattr(network, "pooler", None) is None:
        raise InputError("this text encoder has no pooler; use the pooling mean or cls")
    longest = getattr(network.config, "max_position_embeddings", max_length)
    if not 3 <= max_length <= longest:
        raise InputError(f"max_length must be from 3 to {longest} tokens, not {max_length}")


@torch.inference_mode()
def encode(
    encoder: TextEncoder,
    captions: Sequence[str],
    pooling: str,
    batch_size: int,
    max_length: int,
    progress: tqdm,
) -> np.ndarray:
    """Sentence embeddings, float32 (n, d); captions of like length share a batch."""
    tokenizer, network = encoder
    tokens = tokenizer(list(captions), truncation=True, max_length=max_length)["input_ids"]
    order = np.argsort([len(ids) for ids in tokens], kind="stable")
    out = np.empty((len(captions), network.config.hidden_size), np.float32)
    for first in range(0, len(order), batch_size):
        rows = order[first : first + batch_size]
        out[rows] = _embed(tokenizer, network, [tokens[row] for row in rows], pooling)
        progress.update(len(rows))
    return out


def _embed(
    tokenizer: PreTrainedTokenizerBase,
    network: PreTrainedModel,
    tokens: list[list[int]],
    pooling: str,
) -> np.ndarray:
    batch = tokenizer.pad({"input_ids": tokens}, return_tensors="pt").to(network.device)
    return POOLINGS[pooling](network(**batch), batch["attention_mask"]).float().cpu().numpy()


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    weights = mask[..., None].to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


POOLINGS = {
    "mean": lambda output, mask: _mean(output.last_hidden_state, mask),
    "cls": lambda output, mask: output.last_hidden_state[:, 0],
    "pooler": lambda output, mask: output.pooler_output,
}
