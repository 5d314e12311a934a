"""Text encoders of ``transformers``: BERT's family, MPNet, E5, the towers of CLIP and SigLIP."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    BertTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from pipeline.devices import THREADS, pick_device, threads
from pipeline.errors import InputError
from pipeline.features._hub import ONLY_FILES, model_folder, unusable
from pipeline.features.batches import by_halves, precision
from pipeline.features.captions import texts_of
from pipeline.features.images import check_digest, digest_of
from pipeline.features.kinds import defaults_of
from pipeline.seeds import derive
from pipeline.sources import digest
from pipeline.storage.store import Pairs, Provenance, resumable_feature_writer

_WINDOW = 8192  # pairs within which texts are sorted by length, and all that a kill costs
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class TextEncoder:
    """A tokenizer and a network in evaluation mode, and how a sentence becomes one vector.

    pooling    'mean' of the tokens' last states, that of 'cls', the model's own 'pooler', or
               'projected' into the space that a text tower shares with its images
    prefix     put before every text, as E5 wants it
    normalize  to length 1
    mixed_precision   'float16' (or True) or 'bfloat16', on a GPU
    """

    tokenizer: PreTrainedTokenizerBase
    network: PreTrainedModel
    pooling: str = "mean"
    max_length: int = 64
    batch_size: int = 64
    prefix: str = ""
    normalize: bool = False
    mixed_precision: bool | str = False

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            known = ", ".join(POOLINGS)
            raise InputError(f"no pooling is named {self.pooling!r}; there are {known}")
        if self.pooling == "pooler" and getattr(self._tower, "pooler", self._tower) is None:
            raise InputError("this text encoder has no pooler; use the pooling mean or cls")
        if self.pooling == "projected" and not hasattr(self.network, "get_text_features"):
            raise InputError(
                "this text encoder projects into no space of images and texts; use the pooling "
                "mean, cls or pooler"
            )
        config = self.network.config.get_text_config()
        longest = getattr(config, "max_position_embeddings", self.max_length)
        if not 3 <= self.max_length <= longest:
            raise InputError(
                f"max_length must be from 3 to {longest} tokens, not {self.max_length}"
            )

    @property
    def _tower(self) -> PreTrainedModel:
        return getattr(self.network, "text_model", self.network)

    def __call__(self, texts: Sequence[str], progress: tqdm | None = None) -> np.ndarray:
        """Sentence embeddings, float32 (n, d); texts of like length share a batch."""
        if not texts:
            return np.empty((0, self(["a"]).shape[1]), np.float32)
        tokens = self.tokenizer(
            [self.prefix + text for text in texts], truncation=True, max_length=self.max_length
        )["input_ids"]
        order = np.argsort([len(ids) for ids in tokens], kind="stable")
        parts = []
        for first in range(0, len(order), self.batch_size):
            rows = order[first : first + self.batch_size]
            parts.append(self._embed([tokens[row] for row in rows]))
            if progress is not None:
                progress.update(len(rows))
        out = np.empty((len(texts), parts[0].shape[1]), np.float32)
        out[order] = np.concatenate(parts)
        return out

    @torch.inference_mode()
    def _embed(self, tokens: list[list[int]]) -> np.ndarray:
        with precision(self.network.device, self.mixed_precision):
            vectors = by_halves(self._vectors, tokens, "text")
        return (F.normalize(vectors) if self.normalize else vectors).cpu().numpy()

    def _vectors(self, tokens: list[list[int]]) -> Tensor:
        # SigLIP was trained on texts padded to one length, and reads its last token
        fixed = self.network.config.model_type.startswith("siglip")
        batch = self.tokenizer.pad(
            {"input_ids": tokens},
            padding="max_length" if fixed else True,
            max_length=self.max_length if fixed else None,
            return_tensors="pt",
        ).to(self.network.device)
        if self.pooling == "projected":
            found = self.network.get_text_features(**batch)
            vectors = found if torch.is_tensor(found) else found.pooler_output
        else:
            mask = batch.get("attention_mask", torch.ones_like(batch["input_ids"]))
            vectors = POOLINGS[self.pooling](self._tower(**batch), mask)
        return vectors.float()


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    weights = mask[..., None].to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


POOLINGS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "mean": lambda output, mask: _mean(output.last_hidden_state, mask),
    "cls": lambda output, mask: output.last_hidden_state[:, 0],
    "pooler": lambda output, mask: output.pooler_output,
    "projected": lambda output, mask: output,
}


@threads(THREADS)
def write(
    pairs: Pairs,
    *,
    path: Path | str,
    provenance: Provenance,
    model: str = "google-bert/bert-base-uncased",
    revision: str | None = None,
    weights: str = "pretrained",
    pooling: str = "mean",
    captions: str = "one",
    caption_seed: int = 0,
    template: str = "",
    prefer: str = "tags",
    prefix: str = "",
    normalize: bool = False,
    batch_size: int = 64,
    max_length: int = 64,
    mixed_precision: bool | str = False,
    device: str = "auto",
    layers: int = 4,
    width: int = 256,
    seed: int = 0,
) -> dict[str, Any]:
    """Write the embeddings (n, d) of the pairs' texts; returns the facts that ``reopen`` needs.

    model, revision      a name on the hub, or a folder
    weights              'pretrained', or 'untrained': a BERT of ``layers``, ``width`` drawn from
                         ``seed``
    captions             'one' of each pair's own, drawn by ``caption_seed``, or the mean of 'all'
    template, prefer     a sentence such as 'a photo of {tags}', to encode tags instead; with
                         'captions' preferred only where the pairs have none
    pooling, prefix, normalize, mixed_precision   see ``TextEncoder``; texts are cut at
                         ``max_length`` tokens
    """
    options = dict(locals())
    if weights not in ("pretrained", "untrained"):
        raise InputError(f"text weights are 'pretrained' or 'untrained', not {weights!r}")
    texts = texts_of(pairs, captions=captions, seed=caption_seed, template=template, prefer=prefer)
    facts: dict[str, Any] = {}
    if weights == "untrained":
        facts["vocabulary"] = word_pieces(text for group in texts for text in group)
    encoder = _encoder(options, facts, device)
    facts["weights"] = digest_of(encoder.network)
    shape = (len(texts), encoder([]).shape[1])
    with (
        resumable_feature_writer(path, shape, provenance, digest(__name__)) as writer,
        tqdm(total=sum(map(len, texts)), desc="text", unit="text", mininterval=1) as progress,
    ):
        progress.update(sum(map(len, texts[: writer.done])))
        for first in range(writer.done, len(texts), _WINDOW):
            window = texts[first : first + _WINDOW]
            block = encoder([text for group in window for text in group], progress)
            counts = [len(group) for group in window]
            if max(counts) > 1:
                starts = np.cumsum([0, *counts[:-1]])
                block = np.add.reduceat(block, starts) / np.array(counts, np.float32)[:, None]
                if normalize:  # a mean of unit vectors is shorter
                    block /= np.linalg.norm(block, axis=1, keepdims=True)
            writer.write(slice(first, first + len(window)), block)
            writer.keep(first + len(window))
    return facts


def reopen(
    facts: Mapping[str, Any], *, device: str = "auto", **options: Any
) -> Callable[[Sequence[str]], np.ndarray]:
    """A function from texts to their embeddings (n, d), by the options of ``write``."""
    encoder = _encoder(defaults_of(write) | options, facts, device)
    check_digest(facts, encoder.network)
    return threads(THREADS)(encoder.__call__)


def _encoder(options: Mapping[str, Any], facts: Mapping[str, Any], device: str) -> TextEncoder:
    if options["weights"] == "untrained":
        drawn = {name: options[name] for name in ("layers", "width", "seed")}
        tokenizer, network = untrained(facts["vocabulary"], **drawn)
    else:
        tokenizer, network = trained(options["model"], options["revision"])
    how = {
        field.name: options[field.name]
        for field in fields(TextEncoder)
        if field.default is not MISSING
    }
    return TextEncoder(tokenizer, network.to(pick_device(device)), **how)


def trained(
    model: str, revision: str | None = None
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Tokenizer and model, in evaluation mode, of a local folder or of a hub name at ``revision``.

    Raises InputError where neither holds a model.
    """
    folder = model_folder(model, revision)
    with unusable(folder, "text encoder"):
        tokenizer = AutoTokenizer.from_pretrained(folder, **ONLY_FILES)
        network = AutoModel.from_pretrained(folder, **ONLY_FILES, dtype=torch.float32)
    return tokenizer, network.eval()


def untrained(
    vocabulary: Sequence[str], *, layers: int, width: int, seed: int
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """BERT with weights drawn from ``seed`` and the word pieces ``vocabulary``; no download.

    layers, width: hidden layers and their width (12 and 768 in BERT base), heads of 64 dimensions.
    """
    if layers < 1 or width < 64 or width % 64:
        raise InputError(
            f"an untrained BERT needs at least one layer and a width that is a multiple of 64, "
            f"not {layers} layers of width {width}"
        )
    tokenizer = BertTokenizer(vocab={piece: number for number, piece in enumerate(vocabulary)})
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "text encoder"))
        return tokenizer, BertModel(config).eval()


def word_pieces(texts: Iterable[str], size: int = 8192) -> list[str]:
    """A WordPiece vocabulary: the ``size`` most frequent words, and single characters for others.

    Determined by the texts alone, whatever their order: equally frequent words are ranked by
    their spelling.
    """
    plain = BertTokenizer().backend_tokenizer
    split, clean = plain.pre_tokenizer.pre_tokenize_str, plain.normalizer.normalize_str
    counts = Counter(word for text in texts for word, _ in split(clean(text)))
    words = sorted(counts, key=lambda word: (-counts[word], word))[:size]
    characters = sorted(set("".join(counts)))
    pieces = [*_SPECIAL, *words, *characters, *(f"##{character}" for character in characters)]
    return list(dict.fromkeys(pieces))
