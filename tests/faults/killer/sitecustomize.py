"""Strikes at chosen moments: every Python of a campaign's run imports this file as it starts.

``KILLS`` in the environment is a JSON list of kills (see campaign.Kill); the first whose moment
comes, in the process it is meant for, is carried out, and its number left in the file ``STRUCK``.
Python's audit events tell the moments, so the code under test knows nothing of it.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

KILLS = json.loads(os.environ.get("KILLS", "[]"))


def _is_for_me(kill):
    words = sys.orig_argv
    if kill["stage"] == "snakemake":
        return words[1:3] == ["-m", "snakemake"] and "--unlock" not in words
    return words[1:4] == ["-m", "pipeline", kill["stage"]] and kill["word"] in words[4:]


def _strike(kill):
    if kill["delay"]:
        threading.Thread(target=_after_delay, args=(kill,), daemon=True).start()
    else:
        _kill(kill)


def _after_delay(kill):
    time.sleep(kill["delay"])
    _kill(kill)


def _kill(kill):
    mine = os.getpid()
    note = Path(f"{os.environ['STRUCK']}.{mine}")
    note.write_text(str(kill["number"]))
    try:
        os.link(note, os.environ["STRUCK"])  # at once and whole: the process may end meanwhile
    except FileExistsError:  # one a run
        return
    finally:
        note.unlink()
    starter = mine if kill["stage"] == "snakemake" else int(os.environ["PIPELINE_STARTER"])
    if kill["victim"] in ("snakemake", "both"):
        os.kill(starter, signal.SIGKILL)
    if kill["victim"] in ("job", "both"):
        os.kill(mine, signal.SIGKILL)


class _Watch:
    """One kill, waiting for its moment."""

    def __init__(self, kill):
        self.kill, self.renamed, self.done = kill, False, False

    def __call__(self, event, arguments):
        if self.done or event not in ("open", "os.rename"):
            return
        name = str(arguments[1 if event == "os.rename" else 0])
        fits = self.kill["match"] in name
        moment = self.kill["moment"]
        if (
            (moment == "open" and event == "open" and fits)
            or (moment == "before rename" and event == "os.rename" and fits)
            or (moment == "after rename" and self.renamed)
        ):
            self.done = True
            _strike(self.kill)
        self.renamed = self.renamed or (event == "os.rename" and fits)


for one in filter(_is_for_me, KILLS):
    if one["moment"] == "start":
        _strike(one)
    else:
        sys.addaudithook(_Watch(one))
