"""A real Slurm: munged, slurmctld and slurmd of two nodes, started for the tests and stopped."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import ARGUMENTS

HERE = Path(__file__).parent
NODES = ("one", "two")
SYSTEM = Path("/etc/slurm")  # the executor hides SLURM_CONF from jobs, so the files must be here


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a running cluster's logs."""
    missing = [d for d in ("munged", "slurmctld", "slurmd") if not shutil.which(d)]
    if missing or os.getuid() != 0:
        pytest.skip(f"needs root, and Debian's slurm-wlm and munge (not found: {missing})")
    if (SYSTEM / "slurm.conf").is_file() and not (SYSTEM / "slurm.conf").is_symlink():
        pytest.skip("this machine has a Slurm of its own")
    base = tmp_path_factory.mktemp("slurm", numbered=True)
    for folder in (base, *base.parents):
        if folder.owner() == "root" and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o755)
    _configure(base)
    _start(base)
    yield base
    for daemon in ("slurmd.one", "slurmd.two", "slurmctld", "munged"):
        pid = base / f"{daemon}.pid"
        if pid.exists():
            subprocess.run(["kill", pid.read_text().strip()], check=False)
    for name in ("slurm.conf", "gres.conf"):
        (SYSTEM / name).unlink()


def _configure(base: Path) -> None:
    (base / "state").mkdir()
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    text = (HERE / "slurm.conf").read_text()
    values = {
        "base": base,
        "host": socket.gethostname().split(".")[0],
        "cpus": os.cpu_count(),
        "memory": pages * size // 2**20 - 500,
    }
    (base / "slurm.conf").write_text(text.format(**values))
    shutil.copy(HERE / "gres.conf", base)
    SYSTEM.mkdir(exist_ok=True)
    for name in ("slurm.conf", "gres.conf"):
        (SYSTEM / name).unlink(missing_ok=True)
        (SYSTEM / name).symlink_to(base / name)


def _start(base: Path) -> None:
    key = base / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    places = {"key-file": key, "socket": base / "munge.socket"}
    places |= {name: base / f"munged.{name[:-5]}" for name in ("pid-file", "log-file", "seed-file")}
    run = [["munged", "--force", *(f"--{k}={v}" for k, v in places.items())]]
    for command in [*run, ["slurmctld", "-c"], *(["slurmd", "-N", node] for node in NODES)]:
        subprocess.run(command, check=True)
    for _ in range(60):
        state = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True)
        if state.stdout.split() == ["idle"]:
            return
        time.sleep(0.5)
    logs = "\n".join(p.read_text()[-500:] for p in base.glob("*.log"))
    raise RuntimeError(f"the cluster did not come up\n{logs}")


@pytest.fixture(scope="module")
def overlay(wiki_overlay):
    """Two quick methods, one of them on torch: jobs of seconds."""
    short = {"cmimh": {"epochs": 1, "min_steps": 1, "hidden": 64, "critic_hidden": 64}}
    short["cmimh"]["on_collapse"] = "warn"
    table = {"datasets": ["wiki"], "methods": ["cvh", "cmimh"], "bits": [16]}
    return wiki_overlay | {"methods": short, "experiments": {"table3": table}}


@pytest.fixture(scope="module")
def submit(snakemake, slurm, root):
    """``submit(profile, overlay, target, more resources, env=...)`` through a profile; the run."""

    def run(profile, overlay, target="results/table3.csv", resources=(), **options):
        small = [f"{rule}:mem_mb=500" for rule in ("pairs", "encode", "train")]
        return snakemake(
            *("--workflow-profile", str(root / "profiles" / profile)),
            *ARGUMENTS[profile],
            *("--set-resources", *small, *resources),  # at once: of several the last one counts
            *("--latency-wait", "5"),
            target,
            overlay=overlay,
            program=[str(HERE / "impatient.py")],
            **options,
        )

    return run
