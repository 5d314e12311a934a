"""All ratios as one table from one run, printed and written to a dated file.

    python -m benchmarks.all [--images FOLDER]

Each part is a process of its own, one after the other. The file is named after the day and the
hardware, and lies in benchmarks/results. FOLDER holds JPEGs for the extraction; without them that
part is left out, and the table says so.
"""

import argparse
import datetime
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import torch

from pipeline.storage.files import write_text
from pipeline.storage.store import libraries

RESULTS = Path(__file__).parent / "results"
PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "shared" / "data" / "coco-mini"


def hardware() -> str:
    """The processor, its cores at hand, and the GPU if there is one."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", info.read_text()) if info.exists() else []
    cores = f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"
    return f"{cores}, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else cores


def parts(images: Path) -> list[list[str]]:
    """The command lines, without Python."""
    on_cpu = ["benchmarks.cmimh_training", "--device", "cpu", "--threads"]
    found = [["benchmarks.evaluation"], [*on_cpu, "1"], [*on_cpu, "2"]]
    if torch.cuda.is_available():
        found.append(["benchmarks.cmimh_training", "--device", "cuda"])
    photographs = ["benchmarks.extraction", str(images)]
    if not images.is_dir():
        return [*found, ["benchmarks.overhead"]]
    return [*found, photographs, ["benchmarks.overhead"], [*photographs, "--memory"]]


def rows(command: list[str]) -> list[str]:
    """The rows of a part's table, or one that says that it failed."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True)
    print(f"{command[0]}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    if done.returncode:
        return [f"| {' '.join(command)} | failed | | NO | |"]
    return [line for line in done.stdout.splitlines() if line.startswith("| ")][1:]


def main() -> None:
    """Run every part; print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, default=PHOTOGRAPHS)
    images = parser.parse_args().images
    today, where = datetime.date.today().isoformat(), hardware()
    versions = ", ".join(f"{name} {number}" for name, number in libraries().items())
    lines = [f"# {today}, {where}", "", f"python {platform.python_version()}, {versions}", ""]
    load = os.getloadavg()[0]
    lines += [f"{load:.1f} processes were running or waiting when this began.", ""]
    lines += ["| what | measured | demanded | held | from |", "|---|---|---|---|---|"]
    if not images.is_dir():
        lines.append(f"| extraction | not measured | | | no JPEGs in {images.name} |")
    RESULTS.mkdir(exist_ok=True)
    slug = re.sub(r"[^a-z0-9]+", "-", where.lower()).strip("-")
    for command in parts(images):
        lines += rows(command)
        write_text(RESULTS / f"{today}-{slug}.md", "\n".join(lines) + "\n")
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()
