"""Models of ``transformers``: from a folder, or from the hub at a pinned revision."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError

from pipeline.errors import InputError

#: no code and no pickle is ever taken from a model's repository
_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
_PACKAGE = "package:"
#: of transformers' loaders: nothing from the net, no code of the model's own; unless told so they
#: ask at the terminal whether to run that
ONLY_FILES = {"local_files_only": True, "trust_remote_code": False}


def model_folder(model: str, revision: str | None) -> Path:
    """The folder of a model's files: ``model`` itself where it is one, else downloaded.

    ``package:NAME/FOLDER`` is a folder in an installed Python package.
    """
    if model.startswith(_PACKAGE):
        name, _, inside = model.removeprefix(_PACKAGE).partition("/")
        found = find_spec(name) if name.isidentifier() else None
        folder = Path(found.origin).parent / inside if found and found.origin else None
        if folder is None or not folder.is_dir():
            raise InputError(f"{model}: no installed package has this folder; install {name}")
        return folder
    if Path(model).is_dir():
        return Path(model)
    try:
        folder = Path(snapshot_download(model, revision=revision, allow_patterns=list(_FILES)))
    except HFValidationError:
        raise InputError(f"{model}: neither a folder nor the name of a model on the hub") from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(
            f"the encoder {model}, revision {revision}, could not be fetched from "
            f"{constants.ENDPOINT} ({_first_line(error)}); it is looked for in the cache "
            f"{constants.HF_HUB_CACHE}, and a folder with its files (config.json, "
            "model.safetensors, the JSON of its tokenizer or image processor) can be given "
            "instead, as `model`"
        ) from None
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"the encoder {model}, revision {revision}, has no weights as safetensors, and others "
            "are not taken from the hub; where you trust them, load the model with transformers, "
            "and give the folder that its save_pretrained writes as `model`"
        )
    return folder


@contextmanager
def unusable(folder: Path, what: str) -> Iterator[None]:
    """Whatever ``transformers`` raises over the files of a folder, as one InputError."""
    try:
        yield
    except (
        *(OSError, ValueError, KeyError, RuntimeError, AttributeError, ImportError, TypeError),
        SafetensorError,
    ) as error:
        raise InputError(f"{folder}: holds no usable {what} ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
