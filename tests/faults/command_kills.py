"""Kills, or stops for a while, what people start by hand: indexes, codes, models, drawings.

    python tests/faults/command_kills.py --kills 150 --out benchmarks/records/command-kills.md

A command runs undisturbed first. Then, again and again in a new copy of the folder, it is killed
with SIGKILL at a random moment: each file has to be as before or as in the end, an index has to
hold its old items or the new ones. Then the same command has to lead to the same end. Every fourth
time it is stopped and continued (SIGSTOP, SIGCONT) instead, and has to end by itself. A command
that ended before it was struck counts as no kill.
"""

import argparse
import hashlib
import itertools
import json
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.cli import console, stages
from pipeline.features.encode import write_features
from pipeline.methods import create
from pipeline.models.folder import Made, write_model
from pipeline.search.index import Index
from pipeline.storage import store
from pipeline.storage.store import Pairs, Provenance, Split

N = 24
WORDS = ("red", "green", "blue", "dark")
STOPPED = 0.2  # seconds
LONGEST = 1800.0  # seconds that one command may take, on a machine that others use too
State = dict[str, str]


@dataclass(frozen=True)
class Command:
    """A command in a folder made by ``prepare``; what its words contain of ``{}`` is the folder."""

    name: str
    main: Callable[[list[str]], int]
    words: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()  # commands of the console that come first
    again: tuple[int, ...] = (0,)  # statuses with which a repetition may end


@dataclass
class Victim:
    """A command, the folder it starts from, how it ends undisturbed, and how long it takes."""

    command: Command
    template: Path
    after: State
    took: float


CREATE = ("index", "create", "{}/i", "{}/m")
ADD = ("index", "add", "{}/i", "{}/photos")
FIRST = tuple("{}" + f"/photos/{number}.png" for number in range(20))
REMOVE = ("index", "remove", "{}/i", *FIRST)
EXPORT = ("index", "export", "{}/i", "{}/e.parquet")
ENCODE = ("encode", "{}/m", "--images", "{}/photos", "--out", "{}/c.npz")
SMALL = '{"count": 40, "size": 32}'
TRAINED = (
    *("--image", "{}/image.h5", "--text", "{}/text.h5", "--splits", "{}/s.h5"),
    *("--out", "{}/t/codes.h5", "--models", "{}/t/models"),
)
NETWORKS = '{"hidden": 16, "critic_hidden": 16, "min_steps": 120, "on_collapse": "warn"}'


def drawn(kind: str) -> Command:
    words = ("draw", kind, "--folder", "{}/raw", "--options", SMALL)
    return Command(f"draw {kind}", stages.main, words)


COMMANDS = (
    Command("index create", console.main, CREATE),
    Command("index add", console.main, ADD, (CREATE,)),
    Command("index remove", console.main, REMOVE, (CREATE, ADD), (0, 2)),
    Command("index export", console.main, EXPORT, (CREATE, ADD)),
    Command("encode", console.main, ENCODE),
    drawn("mirflickr25k"),
    drawn("coco2017"),
    Command("train cvh", stages.main, ("train", "cvh", "--bits", "4", *TRAINED)),
    Command(
        "train cmimh",
        stages.main,
        ("train", "cmimh", "--bits", "8", "--params", NETWORKS, "--device", "cpu", *TRAINED),
    ),
)


def prepare(folder: Path) -> None:
    """Pictures, features, a split and a model in a new folder."""
    photos = folder / "photos"
    photos.mkdir(parents=True)
    colours = ((220, 30, 30), (30, 200, 40), (30, 40, 220), (25, 25, 25))
    for number in range(N):
        noise = np.random.default_rng(number).normal(colours[number % 4], 12, (40, 48, 3))
        Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).save(photos / f"{number}.png")
    names, tags = [f"{n}.png" for n in range(N)], np.eye(4, dtype=np.uint8)[np.arange(N) % 4]
    pairs = Pairs(names, tags, WORDS, names, str(photos), tags, WORDS)
    encoders, views = {}, []
    for view, kind in (("image", "efficientnet_lite"), ("text", "tags")):
        made = Provenance("kills", {"view": view})
        path = folder / f"{view}.h5"
        facts = write_features(pairs, view, path, made, kind=kind, device="cpu")
        encoders[view] = folder / f"{view}.json"
        about = {"kind": kind, "view": view, "options": {}, "facts": facts}
        encoders[view].write_text(json.dumps(about))
        with store.open_features(path) as features:
            views.append(features.rows(slice(None)))
    rows = np.arange(N)
    split = Split(rows[:8], rows[8:], rows[8:], rows[:0])
    store.write_splits(folder / "s.h5", {0: split, 1: split}, Provenance("kills"))
    hasher = create("cvh", bits=8, seed=0).fit(*views)
    write_model(folder / "m", hasher, Made("cvh", 0, encoders, {}, {}))


def state(folder: Path) -> State:
    """Every file under its final name -> its digest; of an index, what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if not path.is_file() or any(part.startswith(".") for part in inside.parts):
            continue
        if path.name.startswith("items.sqlite"):
            if path.name == "items.sqlite":
                found[str(inside)] = _digest(repr(list(Index(path.parent).items())).encode())
        else:
            found[str(inside)] = _digest(path.read_bytes())
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def hidden(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob(".*")]


def start(main: Callable[[list[str]], int], words: list[str], said: Path) -> int:
    """The command in a process of its own, which has all libraries already."""
    if child := os.fork():
        return child
    log = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    signal.alarm(int(LONGEST))
    status = 70
    try:
        status = main(words)
    except BaseException:
        traceback.print_exc()
    os._exit(status)


def end(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def trial(victim: Victim, place: Path, rng: random.Random, stop: bool) -> str:
    """One disturbance: 'killed', 'stopped', or 'ended' when it came too late."""
    command, before, after = victim.command, state(victim.template), victim.after
    shutil.copytree(victim.template, place)
    words, said = [w.replace("{}", str(place)) for w in command.words], place.with_suffix(".said")
    child = start(command.main, words, said)
    moment = rng.uniform(0, victim.took)
    time.sleep(moment)
    os.kill(child, signal.SIGSTOP if stop else signal.SIGKILL)
    stopped = stop and os.waitid(os.P_PID, child, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    late = stopped and stopped.si_code != os.CLD_STOPPED
    if stop:
        time.sleep(STOPPED)
        os.kill(child, signal.SIGCONT)
    status = end(child)
    late = late if stop else status != -signal.SIGKILL
    found = state(place)
    torn = [n for n, d in found.items() if d not in (before.get(n), after.get(n))]
    assert not torn, f"{command.name}: neither as before nor as in the end: {torn}"
    assert before.keys() <= found.keys() | (before.keys() - after.keys()), f"{command.name}: lost"
    if late:
        victim.took = moment
    if stop or late:
        assert status == 0, f"{command.name}: ended with {status} by itself, see {said}"
    if not stop:
        began = time.monotonic()
        finished = end(start(command.main, words, said))
        assert finished in command.again or (found == after and status in (0, -9)), (
            f"{command.name}: the repetition ended with {finished}, see {said}"
        )
        victim.took = max(victim.took, 0.0 if late else time.monotonic() - began)
    assert state(place) == after, f"{command.name}: another end than undisturbed"
    shutil.rmtree(place)
    return "ended" if late else "stopped" if stop else "killed"


def campaign(folder: Path, kills: int, seed: int) -> Iterator[tuple[str, str]]:
    """Disturb command by command in turn, until so many were killed: (command, how)."""
    # not here: a process that has used torch's threads cannot be forked
    made = end(start(lambda _: prepare(folder / "made") or 0, [], folder / "made.said"))
    assert made == 0, (folder / "made.said").read_text()
    ready = []
    for command in COMMANDS:
        # the same path for all: it stands in digests and in items
        template, place = folder / f"template {command.name}", folder / "place"
        shutil.copytree(folder / "made", place)
        for words in command.before:
            said = folder / "before.said"
            done = end(start(console.main, [w.replace("{}", str(place)) for w in words], said))
            assert done == 0, said.read_text()
        shutil.copytree(place, template)
        began = time.monotonic()
        words = [word.replace("{}", str(place)) for word in command.words]
        status = end(start(command.main, words, folder / "undisturbed.said"))
        assert status == 0, (folder / "undisturbed.said").read_text()
        ready.append(Victim(command, template, state(place), time.monotonic() - began))
        shutil.rmtree(place)
    rng = random.Random(seed)
    struck = 0
    for number in itertools.count():
        victim = ready[number % len(ready)]
        how = trial(victim, folder / "place", rng, stop=number // len(ready) % 4 == 3)
        yield victim.command.name, how
        struck += how == "killed"
        if struck == kills:
            return


def summary(counts: Counter) -> str:
    """Markdown: how often each command was disturbed, and how."""
    ways = ("killed", "stopped", "ended")
    rows = ["| command | killed | stopped and continued | ended before |",
            "|---|---|---|---|"]  # fmt: skip
    for command in COMMANDS:
        rows.append(
            f"| {command.name} | {' | '.join(str(counts[command.name, w]) for w in ways)} |"
        )
    sums = (sum(n for (_, way), n in counts.items() if way == w) for w in ways)
    return "\n".join([*rows, f"| all | {' | '.join(map(str, sums))} |"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=150, help="that strike")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where the table goes, as Markdown")
    a = parser.parse_args()
    logging.disable()
    counts: Counter = Counter()
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        for found in campaign(Path(place), a.kills, a.seed):
            counts[found] += 1
            print(*found, flush=True)
            if a.out:
                a.out.write_text(f"# Kills of commands\n\n{_ABOUT}\n\n{summary(counts)}")
    print(summary(counts))


_ABOUT = """\
`tests/faults/command_kills.py` disturbs each command at random moments. After every kill each file
was as before or as in the end, an index held its old items or the new ones; the same command then
led to the same end as without a disturbance. What was stopped and continued ended by itself."""


if __name__ == "__main__":
    sys.exit(main())
