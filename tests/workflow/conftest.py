"""Run the real workflow, in a folder of its own, with an overlay written by the test."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml


@dataclass
class Run:
    """A finished run of snakemake: its exit status, what it said, and where it worked."""

    status: int
    said: str
    folder: Path

    def __getitem__(self, path: str) -> Path:
        return self.folder / path


Runner = Callable[..., Run]


@pytest.fixture(scope="session")
def snakemake(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """``snakemake(*arguments, overlay={...}, folder=None)``; a new folder unless one is given."""

    def run(*arguments: str, overlay: dict | None = None, folder: Path | None = None) -> Run:
        folder = folder or tmp_path_factory.mktemp("run")
        written = folder / "overlay.yaml"
        written.write_text(yaml.safe_dump(overlay or {}))
        done = subprocess.run(
            [
                *(sys.executable, "-m", "snakemake", "--snakefile", root / "Snakefile"),
                *("--directory", folder, "--cores", "2"),
                *arguments,
                *("--configfile", root / "config.yaml", written),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=root,
        )
        return Run(done.returncode, done.stdout, folder)

    return run


@pytest.fixture(scope="session")
def demo_overlay(root: Path) -> dict:
    """The demo's overlay."""
    return yaml.safe_load((root / "overlays" / "demo.yaml").read_text())
