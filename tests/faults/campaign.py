"""Kills a small run over and over, resumes it by the documented command, and compares.

    python tests/faults/campaign.py --kills 126 --out benchmarks/records/kill-campaign.md

An undisturbed run on one core comes first. Then chains: a run in a new folder is killed, resumed
and killed again, through all rules, until it ends. After every kill each file that stands under its
final name must have the bytes of the undisturbed run; in the end all of them must be there, and
nothing else.
"""

import argparse
import csv
import hashlib
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
KILLER = Path(__file__).resolve().parent / "killer"
TARGET = "results/report.html"
LONGEST = 1800  # seconds that one run of snakemake may take
VICTIMS = ("job", "snakemake", "both")
_BYTES_A_SECOND = 400_000  # of the download server, so that there is time to kill in


@dataclass(frozen=True)
class Kill:
    """SIGKILL for ``victim`` when a process of ``stage`` comes to ``moment``, ``delay`` s later.

    word   one of the stage's arguments, to tell its jobs apart
    match  part of the name of the file that is opened or renamed to at that moment
    """

    number: int
    stage: str
    word: str
    moment: str
    match: str
    delay: float
    victim: str


# stage, a word among its arguments, and its moments: (moment, file, longest delay in seconds).
# One line a rule, in the order in which a run comes to them.
MOMENTS = (
    ("snakemake", "", (("open", ".snakemake/locks", 0), ("start", "", 4), ("start", "", 12),
                       ("open", ".snakemake/incomplete", 0), ("open", ".snakemake/metadata", 0))),
    ("draw", "--folder", (("start", "", 2), ("open", "scenes.zip", 1), ("before rename", ".zip", 0),
                          ("after rename", ".zip", 0), ("before rename", ".jsonl", 0))),
    ("download", "served", (("open", ".part", 0), ("open", ".part", 0.8), ("start", "", 2),
                            ("before rename", "photos.zip", 0), ("after rename", ".zip", 0))),
    ("pairs", "served", (("open", "pairs.csv", 0), ("open", ".part", 0.02), ("start", "", 1),
                         ("before rename", "pairs.h5", 0), ("after rename", "pairs.h5", 0))),
    ("encode", "image", (("open", ".zip", 0.5), ("open", ".lock", 3), ("start", "", 5),
                         ("open", "kept.json", 0.01), ("after rename", "kept.json", 0.5),
                         ("before rename", "/squeezenet.h5", 0),
                         ("after rename", "/squeezenet.h5", 0))),
    ("encode", "text", (("open", ".part", 0.01), ("before rename", ".h5", 0), ("start", "", 1))),
    ("split", "--seeds", (("open", ".part", 0.01), ("start", "", 1), ("before rename", ".h5", 0),
                          ("after rename", ".h5", 0))),
    ("pca", "--components", (("open", ".part", 0.05), ("start", "", 4),
                             ("before rename", ".h5", 0), ("after rename", ".h5", 0))),
    ("train", "cmimh", (("open", ".jsonl", 1), ("open", ".jsonl", 3), ("open", "checkpoint", 0),
                        ("after rename", "checkpoint", 0), ("before rename", "/codes.h5", 0),
                        ("after rename", "/codes.h5", 0))),
    ("train", "cvh", (("start", "", 2), ("open", "codes.h5", 0.01), ("before rename", ".h5", 0))),
    ("evaluate", "test", (("open", ".part", 0.01), ("start", "", 3), ("before rename", ".h5", 0),
                          ("after rename", ".h5", 0))),
    ("table", "--spec", (("open", ".part", 0), ("before rename", ".csv", 0),
                         ("after rename", ".csv", 0), ("before rename", ".tex", 0),
                         ("before rename", ".json", 0), ("start", "", 2))),
    ("figure", "--spec", (("open", ".part", 0.2), ("before rename", ".png", 0),
                          ("after rename", ".svg", 0), ("start", "", 3))),
    ("report", "--results", (("open", ".part", 0), ("before rename", ".html", 0),
                             ("after rename", ".html", 0), ("start", "", 2))),
)  # fmt: skip


def kills(count: int, seed: int) -> list[Kill]:
    """So many kills, every moment with one victim, then every moment with the next, and so on."""
    rng = random.Random(seed)
    moments = [(stage, word, *m) for stage, word, listed in MOMENTS for m in listed]
    rounds = itertools.product(range(count), enumerate(moments))
    found = []
    for number, (turn, (i, moment)) in zip(range(count), rounds, strict=False):
        victim = "snakemake" if moment[0] == "snakemake" else VICTIMS[(turn + i) % len(VICTIMS)]
        found.append(Kill(number, *moment[:4], rng.uniform(0.2, 1) * moment[4], victim))
    return found


OVERLAY = {
    "seeds": [0, 1],
    "device": "cpu",
    "datasets": {
        "scenes": {"kind": "scenes", "draw": {"count": 160, "size": 64, "seed": 0},
                   "features": "small", "split": "small"},
        "served": {"kind": "served", "features": "small", "split": "small"},
    },
    "encoders": {
        "squeezenet": {"kind": "backbone", "backbone": "squeezenet1_1", "weights": "untrained"}
    },
    "features": {"small": {"image": "squeezenet", "image_pca": 16, "text": "tags"}},
    "splits": {"small": {"query": 20, "train": 80}},
    "methods": {
        "cmimh": {"hidden": 32, "critic_hidden": 32, "min_steps": 300, "on_collapse": "warn"}
    },
    "experiments": {
        name: {"datasets": ["scenes", "served"], "methods": ["cvh", "cmimh"], "bits": [16]}
        for name in ("table3", "figure4")
    },
    "report": {
        "experiments": ["table3", "figure4"],
        "gallery": {"experiment": "table3", "methods": ["cmimh", "cvh"], "bits": 16, "queries": 1},
    },
}  # fmt: skip

# A kind of data set whose files the campaign's own server has.
SERVED = '''"""Pairs that are downloaded from this machine."""

import os

from pipeline.datasets import folder
from pipeline.storage.download import Remote

FILES = tuple(Remote(*row) for row in {remotes})
FILES = tuple(Remote(r.name, (f"{{os.environ['SERVED']}}/{{r.name}}",), r.size, r.digest)
              for r in FILES)
pairs = folder.pairs
'''


class Handler(BaseHTTPRequestHandler):
    """Serves the files of a folder slowly, and parts of them when asked."""

    def do_GET(self):
        content = (self.server.folder / Path(self.path).name).read_bytes()
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            whole = len(content)
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        for first in range(start, len(content), _BYTES_A_SECOND // 20):
            self.wfile.write(content[first : first + _BYTES_A_SECOND // 20])
            time.sleep(0.05)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients that are killed hang up."""


@contextmanager
def serving(folder: Path):
    """The address of a server that has the files of ``folder``."""
    server = Server(("127.0.0.1", 0), Handler)
    server.folder = folder
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make_served(folder: Path) -> None:
    """A table and an archive of pictures, as somebody else might offer them."""
    from pipeline.datasets import scenes

    scenes.draw(folder, count=110, size=64, seed=7, workers=1)
    lines = (folder / "scenes.jsonl").read_text().splitlines()
    with (folder / "pairs.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "image", "text", "labels", "tags"])
        for record in map(json.loads, lines):
            image = record["image"].replace("scenes.zip", "photos.zip")
            lists = [";".join(record[key]) for key in ("labels", "tags")]
            writer.writerow([record["id"], image, record["captions"][0], *lists])
    (folder / "scenes.zip").rename(folder / "photos.zip")
    (folder / "scenes.jsonl").unlink()


def copy_checkout(folder: Path, served: Path) -> None:
    """The project with one more kind of data set, keeping what it has more often."""
    for name in ("pipeline", "workflow", "profiles", "envs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, folder)
    remotes = [
        (f.name, (), f.stat().st_size, f"sha256:{digest(f)}") for f in sorted(served.iterdir())
    ]
    kind = folder / "pipeline" / "datasets" / "served.py"
    kind.write_text(SERVED.format(remotes=repr(tuple(remotes))))
    _change(folder / "pipeline/methods/cmimh.py", "CHECKPOINT_SECONDS = 30.0", "= 0.0")
    _change(folder / "pipeline/features/images.py", "_SHARD = 1024", "= 64")


def _change(file: Path, constant: str, value: str) -> None:
    """Give a constant another value, so that what needs hours otherwise happens in seconds."""
    text = file.read_text()
    assert constant in text
    file.write_text(text.replace(constant, f"{constant.split(' = ')[0]} {value}"))


@dataclass
class Run:
    """A folder in which the small run is made, however often it takes."""

    checkout: Path
    folder: Path
    address: str
    cores: int

    def __post_init__(self) -> None:
        self.folder.mkdir()
        (self.folder / "overlay.yaml").write_text(yaml.safe_dump(OVERLAY))

    def start(self, waiting: list[Kill], resume: bool) -> tuple[int, int | None]:
        """Run snakemake once, killed at the first moment that comes; its status, which kill."""
        struck = self.folder / "struck"
        struck.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "PYTHONPATH": str(KILLER),
            "KILLS": json.dumps([asdict(kill) for kill in waiting]),
            "STRUCK": str(struck),
            "SERVED": self.address,
        }
        # Kills are for the run itself and its jobs; `resume` calls it with the same arguments.
        module = "pipeline.runs.resume" if resume else "snakemake"
        with (self.folder / "said").open("a") as said:
            print(f"--- {module}, {len(waiting)} kills waiting", file=said, flush=True)
            done = subprocess.run(
                [
                    *(sys.executable, "-m", module),
                    *("--directory", self.folder, "--cores", str(self.cores)),
                    *(TARGET, "--configfile", "config.yaml", self.folder / "overlay.yaml"),
                ],
                cwd=self.checkout, env=environment, stdout=said, stderr=said, timeout=LONGEST,
            )  # fmt: skip
        return done.returncode, int(struck.read_text()) if struck.exists() else None

    def files(self) -> dict[str, str]:
        """The digest of every file under its final name, by path."""
        return {
            str(path.relative_to(self.folder)): digest(path)
            for place in ("data", "results")
            for path in sorted((self.folder / place).rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }

    def hidden(self) -> list[str]:
        """What stands beside them under a name of its own: temporary files, checkpoints."""
        places = (self.folder / "data", self.folder / "results")
        return [p.name for place in places for p in place.rglob(".*") if p.is_file()]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def chain(run: Run, waiting: list[Kill], whole: dict[str, str]) -> list[dict]:
    """Kill and resume until the run ends by itself; one record a kill, struck ones removed."""
    records, resume = [], False
    while True:
        status, number = run.start(waiting, resume)
        found = run.files()
        wrong = [path for path, value in found.items() if whole.get(path) != value]
        assert not wrong, f"{run.folder}: not as in the undisturbed run: {wrong}"
        if number is None or status == 0:  # its process ended before the kill could strike
            break
        (kill,) = (k for k in waiting if k.number == number)
        waiting.remove(kill)
        records.append(asdict(kill) | {"status": status, "whole_files": len(found)})
        resume = True
    assert status == 0, f"{run.folder}: ended with status {status}, see the file `said` there"
    assert found == whole, f"{run.folder}: missing {sorted(whole.keys() - found.keys())}"
    assert not (left := run.hidden()), f"{run.folder}: left behind {left}"
    return records


def campaign(folder: Path, planned: list[Kill], chains: int, cores: int) -> Iterator[dict]:
    """Carry out the planned kills, in at most so many chains; their records, chain by chain."""
    served, checkout = folder / "served", folder / "checkout"
    make_served(served)
    checkout.mkdir()
    copy_checkout(checkout, served)
    with serving(served) as address:
        new_run = partial(Run, checkout, address=address, cores=cores)
        undisturbed = new_run(folder / "undisturbed", cores=1)
        status, _ = undisturbed.start([], resume=False)
        assert status == 0, f"{undisturbed.folder}: see the file `said` there"
        whole = undisturbed.files()
        waiting: list[Kill] = []
        for number in range(chains):
            waiting += planned[number::chains]
            started = time.monotonic()
            made = chain(new_run(folder / f"chain{number}"), waiting, whole)
            yield from ({"chain": number, **record} for record in made)
            print(
                f"chain {number}: {len(made)} kills, all files as undisturbed, "
                f"{time.monotonic() - started:.0f} s, {len(waiting)} not struck",
                flush=True,
            )


def summary(records: list[dict]) -> str:
    """Markdown: the kills per rule and victim, all of which were resumed from, then every one."""
    rows = ["| rule | job | snakemake | both | all |", "|---|---|---|---|---|"]
    for stage in dict.fromkeys(moment[0] for moment in MOMENTS):
        mine = [r for r in records if r["stage"] == stage]
        counts = " | ".join(str(sum(r["victim"] == v for r in mine)) for v in VICTIMS)
        rows.append(f"| {stage} | {counts} | {len(mine)} |")
    chains = len({r["chain"] for r in records})
    rows += [
        f"| all | | | | {len(records)} |",
        "",
        f"{len(records)} kills, as many resumptions, {chains} runs brought to their end. After "
        "every kill the files under their final names had the bytes of the undisturbed run; so had "
        "all files at the end of every run, with nothing left beside them.",
        "",
        "| run | rule | moment | file | delay in s | victim | files whole at that time |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in records:
        cells = (r["chain"], r["stage"], r["moment"], r["match"], f"{r['delay']:.3f}",
                 r["victim"], r["whole_files"])  # fmt: skip
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=126)
    parser.add_argument("--chains", type=int, default=6)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where the table goes, as Markdown")
    parser.add_argument("--keep", type=Path, help="an empty folder to work in, kept")
    a = parser.parse_args()
    folder = a.keep or Path(tempfile.mkdtemp(prefix="kills-"))
    folder.mkdir(exist_ok=True, parents=True)
    records = []
    for record in campaign(folder, kills(a.kills, a.seed), a.chains, a.cores):
        records.append(record)
        if a.out:
            a.out.write_text(f"# The kill campaign\n\n{summary(records)}")
    print(summary(records))
    if not a.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
