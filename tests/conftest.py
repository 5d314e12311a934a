"""Fixtures shared by all tests."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data and reference figures, beside the checkout."""
    folder = Path(os.environ.get("CMIMH_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"real data are read from {folder}, which is not there")
    return folder


@pytest.fixture(scope="session")
def wiki_overlay(shared: Path) -> dict:
    """One seed of the Wikipedia features, given as arrays."""
    return {
        "seeds": [0],
        "device": "cpu",
        "datasets": {
            "wiki": {
                "kind": "features",
                "raw": str(shared / "data" / "wiki"),
                "file": "wiki.mat",
                "features": "given",
                "split": "given",
            }
        },
    }


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
    """``snakemake(*arguments, overlay={...}, folder=None)``; a new folder unless one is given.

    program: what stands for snakemake; env: what is added to the environment
    """

    def run(
        *arguments: str,
        overlay: dict | None = None,
        folder: Path | None = None,
        program: Sequence[str] = ("-m", "snakemake"),
        env: dict[str, str] | None = None,
    ) -> Run:
        folder = folder or tmp_path_factory.mktemp("run")
        written = folder / "overlay.yaml"
        written.write_text(yaml.safe_dump(overlay or {}))
        done = subprocess.run(
            [
                *(sys.executable, *program, "--snakefile", root / "Snakefile"),
                *("--directory", folder, "--cores", "2"),
                *arguments,
                *("--configfile", root / "config.yaml", written),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=root,
            env={**os.environ, **(env or {})},
        )
        return Run(done.returncode, done.stdout, folder)

    return run


@pytest.fixture(scope="session")
def demo_overlay(root: Path) -> dict:
    """The demo's overlay."""
    return yaml.safe_load((root / "overlays" / "demo.yaml").read_text())
