"""The site: no page is missing, none is kept twice, and the reference follows the code."""

import importlib.util
import json
import re
import subprocess
import sys
import time

import accessible
import h5py
import numpy as np
import pytest
import yaml

from pipeline.storage import store
from pipeline.storage.store import Codes, Pairs, Provenance, Split


@pytest.fixture(scope="module")
def site(root):
    """docs/_site.py."""
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    spec = importlib.util.spec_from_file_location("_site", root / "docs" / "_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def places(nav):
    for entry in nav:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from [value] if isinstance(value, str) else places(value)


def test_every_page_has_its_place_once(root, site):
    listed = list(places(yaml.safe_load((root / "mkdocs.yml").read_text())["nav"]))
    written = {"reference/cli.md", "reference/configuration.md", *site.TAKEN_IN.values()}
    docs = root / "docs"
    own = {p.relative_to(docs).with_suffix(".md").as_posix() for p in docs.rglob("*")
           if p.suffix in (".md", ".ipynb")}  # fmt: skip
    assert len(listed) == len(set(listed)) and set(listed) == own | written
    assert not own & written


def test_links_lead_to_pages_and_files_that_are_no_page_are_named(site):
    text = (
        "[a](../CONTRIBUTING.md#set-up) [b](data.md) [licence](../LICENSE) ![c](img/report.png) "
        "[n](tutorials/model.ipynb) [x](https://e.org/x) [y](#y)"
    )
    assert site.relinked(text, "docs/design.md", "design.md") == (
        "[a](contributing.md#set-up) [b](data.md) licence (`LICENSE`) ![c](img/report.png) "
        "[n](tutorials/model.md) [x](https://e.org/x) [y](#y)"
    )
    assert site.relinked("[d](docs/data.md)", "README.md", "index.md") == "[d](data.md)"


def test_every_key_of_the_configuration_has_a_meaning(root, site):
    schema = yaml.safe_load((root / "workflow/schemas/config.schema.yaml").read_text())
    keys = [(path, entry) for path, entry, _ in site._keys(schema, {})]
    assert len(keys) > 50
    assert [path for path, entry in keys if not entry.get("description")] == []
    page = site.configuration_page()
    assert all(f"| `{path}` |" in page for path, _ in keys)
    assert "| `features.NAME.image_pca` | integer | Components of a PCA" in page


def test_every_command_and_option_is_on_the_page_of_commands(site):
    page = site.cli_page()
    for words in ("`cmimh index add`", "`cmimh try`", "`python -m pipeline train`", "`--ties`"):
        assert words in page
    assert "| `--out` OUT | an .npz with codes and names | needed |" in page
    assert not re.findall(
        r"^\| (?:\\\||[^|])*\|  \|.*$", page, re.MULTILINE
    )  # nothing without a meaning


def test_aligned_columns_of_docstrings_become_lists(site):
    text = "Do it.\n\nbits    code length\nmethod  a name,\n        or another\n\nRaises."
    assert site.listed(text) == (
        "Do it.\n\n- `bits`: code length\n- `method`: a name,\n  or another\n\nRaises."
    )
    assert site.listed("A sentence, and no  column.\nNo more.") != ""


def test_the_files_page_names_every_array_of_every_kind_of_file(root, tmp_path):
    page = (root / "docs" / "reference" / "files.md").read_text()
    ones, made = np.ones((2, 3)), Provenance("test")
    pairs = Pairs(["a", "b"], ones, ["x", "y", "z"], ["a.jpg", "b.jpg"], "", ones, ["t"] * 3,
                  [["c"], ["d", "e"]], ["query", ""], np.zeros(2), ["s"])  # fmt: skip
    store.write_pairs(tmp_path / "pairs.h5", pairs, made)
    with store.feature_writer(tmp_path / "features.h5", (2, 3), made) as writer:
        writer.write(slice(2), ones)
    rows = np.arange(1)
    store.write_splits(tmp_path / "splits.h5", {0: Split(rows, rows, rows, rows)}, made)
    bits = np.ones((1, 2, 8), bool)
    store.write_codes(tmp_path / "codes.h5", Codes([0], bits, bits, {"tc": np.ones(1)}), made)
    groups = {"i2t": {"m": np.ones((1, 2))}, "queries": {"rows": np.ones((1, 2))}}
    store.write_metrics(tmp_path / "metrics.h5", groups, [0], made)
    for path in tmp_path.glob("*.h5"):
        with h5py.File(path) as file:
            names = [*file, *file.attrs]
            assert f"| `{file.attrs['kind']}` |" in page
        values = {"0": "<seed>", "i2t": "<task>"}
        for name in names:
            assert f"`{values.get(name, name)}" in page, (path.name, name)


@pytest.fixture(scope="module")
def built(root, site, tmp_path_factory):
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)]
    done = subprocess.run(build, cwd=root, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.long
def test_the_site_is_built_with_strict_links(built):
    pages = {p.relative_to(built).as_posix() for p in built.rglob("*.html")}
    assert {"index.html", "tutorials/model.html", "reference/api.html"} <= pages
    api = (built / "reference" / "api.html").read_text()
    assert "Model.encode_images" in api and "<code>bits</code>: code length" in api
    json.loads((built / "search" / "search_index.json").read_text())


@pytest.mark.long
def test_the_site_fetches_nothing_from_elsewhere(built):
    for page in built.rglob("*.html"):
        fetched = re.findall(r'<(?:script|img|link)[^>]*="(https?:[^"]+)"', page.read_text())
        assert fetched == [], page


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # selenium's own sockets
def test_the_checker_of_accessibility_has_no_serious_finding(built, chromium):
    for width in accessible.WIDTHS:
        for scheme in accessible.SCHEMES:
            accessible.show(chromium, (built / "index.html").as_uri(), width, scheme)
            time.sleep(1)  # the script of the theme moves tables and sets colours
            assert accessible.serious(chromium) == [], (width, scheme)
