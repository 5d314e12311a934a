"""Text encoders of the BERT family: trained ones from the hub or a folder, and untrained ones."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import torch
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    BertTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from pipeline.errors import InputError
from pipeline.seeds import derive

TextEncoder = tuple[PreTrainedTokenizerBase, PreTrainedModel]
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")


def trained(model: str, revision: str | None = None) -> TextEncoder:
    """Tokenizer and model, in evaluation mode, of a local folder or of a hub name at ``revision``.

    Raises InputError where neither holds a model.
    """
    folder = Path(model) if Path(model).is_dir() else fetch_model(model, revision)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        network = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder}: holds no usable text encoder ({_first_line(error)})") from None
    return tokenizer, network.eval()


def fetch_model(model: str, revision: str | None) -> Path:
    """The folder of a hub model's files, downloaded where the hub's cache lacks them."""
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=_FILES))
    except HFValidationError:
        raise InputError(f"{model}: neither a folder nor the name of a model on the hub") from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(
            f"the text encoder {model}, revision {revision}, could not be fetched from "
            f"{constants.ENDPOINT} ({_first_line(error)}); it is looked for in the cache "
            f"{constants.HF_HUB_CACHE}, and a folder with its files can be given instead"
        ) from None


def untrained(
    captions: Iterable[str], *, layers: int, width: int, seed: int, vocabulary: int = 8192
) -> TextEncoder:
    """BERT with weights drawn from ``seed`` and words taken from ``captions``; needs no download.

    layers, width: hidden layers and their width (12 and 768 in BERT base), heads of 64 dimensions.
    """
    if layers < 1 or width < 64 or width % 64:
        raise InputError(
            f"an untrained BERT needs at least one layer and a width that is a multiple of 64, "
            f"not {layers} layers of width {width}"
        )
    tokenizer = BertTokenizer(vocab=word_pieces(captions, vocabulary))
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


def word_pieces(captions: Iterable[str], size: int) -> dict[str, int]:
    """A WordPiece vocabulary: the ``size`` most frequent words, and single characters for others.

    Determined by the captions alone, whatever their order: equally frequent words are ranked by
    their spelling.
    """
    plain = BertTokenizer().backend_tokenizer
    split, clean = plain.pre_tokenizer.pre_tokenize_str, plain.normalizer.normalize_str
    counts = Counter(word for text in captions for word, _ in split(clean(text)))
    words = sorted(counts, key=lambda word: (-counts[word], word))[:size]
    characters = sorted(set("".join(counts)))
    pieces = [*_SPECIAL, *words, *characters, *(f"##{character}" for character in characters)]
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
