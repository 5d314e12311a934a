"""``cmimh``: the command for people. What the workflow runs is ``python -m pipeline``."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.errors import CollapseError, InputError, sentence

log = logging.getLogger(__name__)
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; 0 when it is done, 2 and one sentence when the input is at fault."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
    for library in ("matplotlib", "urllib3", "numba", "faiss", "httpx", "transformers"):
        logging.getLogger(library).setLevel(logging.WARNING)
    arguments = parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except (InputError, CollapseError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (OSError, MemoryError) as error:
        print(f"error: {sentence(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


# --- what there is to do --------------------------------------------------------------------------


def _try(a: argparse.Namespace) -> None:
    from pipeline.cli.attempt import Wish, attempt

    out = a.out or Path(f"try-{a.data.resolve().stem}")
    attempt(
        Wish(
            a.data, out, a.methods, a.bits, seeds=a.seeds, features=a.features, device=a.device,
            cores=a.cores,
        )
    )  # fmt: skip


def _snakefile(a: argparse.Namespace) -> None:
    from pipeline.shipped import shipped

    print(shipped("Snakefile"))


def _encode(a: argparse.Namespace) -> None:
    import numpy as np

    from pipeline import load
    from pipeline.storage.files import atomic_write

    model = load(a.model, a.device)
    if a.images:
        names = [str(path) for path in _pictures(a.images)]
        codes = model.encode_images(names)
    elif a.texts:
        names = _lines(a.texts)
        codes = model.encode_texts(names)
    else:
        view = "image" if a.image_features else "text"
        features = np.load(a.image_features or a.text_features, allow_pickle=False)
        names = [str(row) for row in range(len(features))]
        codes = getattr(model, f"encode_{view}")(features)
    with atomic_write(a.out) as part, part.open("wb") as file:
        np.savez(file, codes=codes, names=np.array(names), model=np.array(model.identity))
    log.info("%s: %d codes of %d bits", a.out, len(codes), model.bits)


def _create(a: argparse.Namespace) -> None:
    from pipeline.search.index import add_pairs, create

    index = create(a.index, a.model)
    if a.pairs:
        add_pairs(index, a.model, a.pairs)
    log.info("%s: codes of %s, %d bits; %d items", a.index, index.method, index.bits, len(index))


def _add(a: argparse.Namespace) -> None:
    from tqdm import tqdm

    from pipeline.search.index import Index

    index, items = Index(a.index, a.device), _items(a.items)
    with tqdm(total=len(items), desc="items", unit="item", disable=None) as progress:
        fresh = index.add(items, progress)
    log.info(
        "%s: %d encoded, %d unchanged; %d items", a.index, fresh, len(items) - fresh, len(index)
    )


def _remove(a: argparse.Namespace) -> None:
    from pipeline.search.index import Index

    index = Index(a.index, a.device)
    log.info("%s: %d removed; %d items", a.index, index.remove(a.ids), len(index))


def _info(a: argparse.Namespace) -> None:
    from pipeline.search.index import Index

    for name, value in Index(a.index).info().items():
        print(f"{name:8} {value}")


def _export(a: argparse.Namespace) -> None:
    from pipeline.search.clickhouse import write_parquet
    from pipeline.search.index import Index

    log.info("%s: %d items", a.out, write_parquet(Index(a.index), a.out))


def _search(a: argparse.Namespace) -> None:
    from pipeline.search.index import Index

    index = Index(a.index, a.device)
    queries = _queries(a)
    kinds = {kind for kind, _ in queries}
    values = {
        kind: getattr(index.model, f"project_{kind}s")([x for k, x in queries if k == kind])
        for kind in kinds
    }
    view = a.find.removesuffix("s").replace("caption", "text") if a.find else _likely(index)
    if a.engine == "clickhouse":
        from pipeline.search.clickhouse import search

        parquet = a.parquet or Path(a.index) / "items.parquet"

        def found(row: Any) -> list[Any]:
            return search(parquet, row > 0, view, a.k)

    else:
        searched = index.searchable(view, a.kind)

        def found(row: Any) -> list[Any]:
            real = row[None] if a.ties == "values" else None
            return searched.search(row[None] > 0, real, a.k)[0]

    rows = {kind: iter(block) for kind, block in values.items()}
    for kind, query in queries:
        _show(query, found(next(rows[kind])), a.json)


def _serve(a: argparse.Namespace) -> None:
    from pipeline.search.index import Index
    from pipeline.search.server import serve

    indexes = [Index(folder, a.device) for folder in a.indexes]
    serve(indexes, host=a.host, port=a.port, token=a.token)


# --- what it is done to ---------------------------------------------------------------------------


def _pictures(paths: Iterable[Path]) -> list[Path]:
    """Files as they are; of folders all pictures within, by name."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in PICTURES)
            if not inside:
                raise InputError(f"{path}: holds no picture ({', '.join(PICTURES)})")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"{path}: no such file or folder")
    return found


def _items(paths: Iterable[Path]) -> list[Any]:
    """Items of pictures, folders of pictures, and tables of pictures with texts."""
    from pipeline.datasets.folder import TABLES
    from pipeline.search.index import Item, items_of_table

    found: list[Item] = []
    for path in map(Path, paths):
        if path.suffix.lower() in TABLES:
            found += items_of_table(path)
        else:
            found += [Item(str(p), str(p.resolve())) for p in _pictures([path])]
    return found


def _queries(a: argparse.Namespace) -> list[tuple[str, str]]:
    """What is asked: ('text', words) or ('image', path), each."""
    if a.text:
        return [("text", a.text)]
    if a.image:
        return [("image", a.image)]
    found = []
    for number, line in enumerate(_lines(a.queries), 1):
        if not line.startswith("{"):
            found.append(("text", line))
            continue
        try:
            ((kind, value),) = json.loads(line).items()
        except (ValueError, AttributeError):
            kind, value = "", None
        if kind not in ("text", "image") or not isinstance(value, str):
            raise InputError(
                f'{a.queries}, line {number}: words, {{"text": …}} or {{"image": …}} are needed'
            )
        found.append((kind, value))
    return found


def _lines(path: Path) -> list[str]:
    text = sys.stdin.read() if str(path) == "-" else Path(path).read_text(encoding="utf-8")
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if not found:
        raise InputError(f"{path}: holds no line")
    return found


def _likely(index: Any) -> str:
    return "image" if index.info()["images"] else "text"


def _show(query: str, hits: Sequence[Any], as_json: bool) -> None:
    if as_json:
        results = [
            {"id": h.item.id, "distance": h.distance, "score": round(h.score, 4),
             "caption": h.item.caption, "path": h.item.path} for h in hits
        ]  # fmt: skip
        print(json.dumps({"query": query, "results": results}, ensure_ascii=False))
        return
    print(f"{query}\n  distance  item")
    for hit in hits:
        caption = f"  {hit.item.caption}" if hit.item.caption else ""
        print(f"  {hit.distance:8d}  {hit.item.id}{caption}")


# --- arguments ------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """All commands with their arguments."""
    parser = argparse.ArgumentParser(prog="cmimh", description="Cross-modal search by short codes.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(to: Any, name: str, run: Callable[[argparse.Namespace], None], about: str) -> Any:
        sub = to.add_parser(name, help=about, description=about)
        sub.set_defaults(run=run)
        return sub

    sub = command(commands, "try", _try, "compare methods on your own data, and index it")
    sub.add_argument("data", type=Path,
                     help="a folder of pictures with a table (image, text, labels), or arrays "
                     "(.npz, .h5, .mat)")  # fmt: skip
    sub.add_argument("--out", type=Path, help="where all goes (try-NAME)")
    sub.add_argument("--methods", nargs="+", default=["cvh", "cmimh", "cmimh_n"],
                     help="files of pipeline/methods/; the last one makes the index")  # fmt: skip
    sub.add_argument("--bits", nargs="+", type=int, default=[16, 32], help="code lengths")
    sub.add_argument("--seeds", type=_positive, default=1, help="how many trainings each (1)")
    sub.add_argument("--features", default="", metavar="NAME",
                     help="features of config.yaml, such as clip-vit-b32, or encoders of it as "
                     "IMAGE+TEXT (efficientnet-lite0+minilm)")  # fmt: skip
    sub.add_argument("--cores", type=_positive, default=2, help="jobs side by side (2)")
    _device(sub)

    command(
        commands, "snakefile", _snakefile, "print where the workflow is, for snakemake --snakefile"
    )

    sub = command(commands, "encode", _encode, "write the codes of images, texts or features")
    sub.add_argument("model", type=Path, help="a folder models/SEED")
    sub.add_argument("--out", type=Path, required=True, help="an .npz with codes and names")
    what = sub.add_mutually_exclusive_group(required=True)
    what.add_argument("--images", nargs="+", metavar="PATH", help="pictures, or folders of them")
    what.add_argument("--texts", type=Path, metavar="FILE", help="one text a line; - is stdin")
    what.add_argument("--image-features", type=Path, metavar="FILE", help="an .npy, (n, d)")
    what.add_argument("--text-features", type=Path, metavar="FILE", help="an .npy, (n, d)")
    _device(sub)

    index = commands.add_parser("index", help="create an index, change it, look at it")
    actions = index.add_subparsers(dest="action", required=True, metavar="ACTION")
    sub = command(actions, "create", _create, "a new index for the codes of a model")
    sub.add_argument("index", type=Path, help="a folder")
    sub.add_argument("model", type=Path, help="a folder models/SEED, which is copied")
    sub.add_argument("--pairs", type=Path, metavar="PAIRS.H5",
                     help="add this data set by its codes that lie beside the model")  # fmt: skip
    sub = command(actions, "add", _add, "encode items and add them; known ones are left alone")
    sub.add_argument("index", type=Path, help="a folder")
    sub.add_argument("items", nargs="+", metavar="PATH",
                     help="pictures, folders of them, or tables (id, image, text)")  # fmt: skip
    _device(sub)
    sub = command(actions, "remove", _remove, "remove items by id, all or none")
    sub.add_argument("index", type=Path, help="a folder")
    sub.add_argument("ids", nargs="+", metavar="ID", help="as search prints them")
    _device(sub)
    sub = command(actions, "info", _info, "what is in an index")
    sub.add_argument("index", type=Path, help="a folder")
    sub = command(actions, "export", _export, "write items and codes as Parquet")
    sub.add_argument("index", type=Path, help="a folder")
    sub.add_argument("out", type=Path, help="a .parquet file")

    sub = command(commands, "search", _search, "find what is nearest to words or to a picture")
    sub.add_argument("index", type=Path, help="a folder")
    what = sub.add_mutually_exclusive_group(required=True)
    what.add_argument("--text", help="words")
    what.add_argument("--image", help="a picture")
    what.add_argument("--queries", type=Path, metavar="FILE",
                      help='a line each: words, {"text": …}, {"image": …}; - is stdin')  # fmt: skip
    sub.add_argument("-k", type=_positive, default=10, help="how many to find (10)")
    sub.add_argument("--find", choices=("images", "captions"), help="images where there are any")
    sub.add_argument("--json", action="store_true", help="one JSON object a query")
    sub.add_argument("--ties", choices=("values", "order"), default="values",
                     help="what ranks items of one distance: the query's real values (default), "
                     "or the order in which they were added")  # fmt: skip
    sub.add_argument("--kind", choices=("flat", "hnsw", "ivf"), default="flat",
                     help="flat is exact; hnsw and ivf are approximate")  # fmt: skip
    sub.add_argument("--engine", choices=("faiss", "clickhouse"), default="faiss",
                     help="faiss in memory, or ClickHouse on a file")  # fmt: skip
    sub.add_argument("--parquet", type=Path, help="what `index export` wrote, for clickhouse")
    _device(sub)

    sub = command(commands, "serve", _serve, "a page to search with, and its JSON API")
    sub.add_argument("indexes", nargs="+", metavar="INDEX", help="two stand side by side")
    sub.add_argument("--host", default="127.0.0.1", help="the address to listen at (this machine)")
    sub.add_argument("--port", type=int, default=8765, help="of the page (8765)")
    sub.add_argument("--token", help="needed for any host but this machine")
    _device(sub)
    return parser


def _device(parser: Any) -> None:
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto",
                        help="of networks; auto is a GPU where there is one")  # fmt: skip


def _positive(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 100_000:
        raise argparse.ArgumentTypeError("from 1 to 100,000 are needed")
    return value


if __name__ == "__main__":
    sys.exit(main())
