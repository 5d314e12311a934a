"""The report: one file, nothing to fetch, hostile text stays text, readable on a phone."""

import io
import re
import shutil
import zipfile
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser

import accessible
import numpy as np
import pytest
from made_metrics import cell, spec
from PIL import Image

from pipeline.errors import InputError
from pipeline.results.curves import write_figure
from pipeline.results.findings import headline, scope, sentence
from pipeline.results.gallery import gallery, nearest
from pipeline.results.report import coverage, environment, write_report
from pipeline.results.tables import long_table, write_table
from pipeline.sources import uses
from pipeline.storage.store import Codes, Pairs, Split

HOSTILE = "<script>alert('x')</script> & \"<img src=http://evil.example/x.png onerror=a>"
CAPTIONS = {"kind": "transformer", "caption_seed": 0}
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Tags with their attributes, the text, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(text)
        self.close()
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def jpeg(color):
    out = io.BytesIO()
    Image.new("RGB", (60, 40), tuple(color)).save(out, "JPEG")
    return out.getvalue()


def made_pairs(folder, n=30, captions=True):
    """n pairs with images in a folder and in an archive, four labels and hostile texts."""
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir(parents=True)
    images = []
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        for i, color in enumerate(rng.integers(0, 255, (n, 3))):
            if i % 2:
                archive.writestr(f"in/{i}.jpg", jpeg(color))
                images.append(f"more.zip/in/{i}.jpg")
            else:
                (folder / "photos" / f"{i}.jpg").write_bytes(jpeg(color))
                images.append(f"photos/{i}.jpg")
    labels = np.eye(4, dtype=np.uint8)[np.arange(n) % 4]
    texts = {"captions": [[f"Caption {i} {HOSTILE}"] for i in range(n)]}
    tags = {"tags": np.ones((n, 12), np.uint8), "tag_names": [HOSTILE, *map(str, range(11))]}
    return Pairs(
        ids=[f"{i}{HOSTILE}" for i in range(n)],
        labels=labels,
        label_names=list("abcd"),
        images=images,
        image_root=str(folder),
        **(texts if captions else tags),
    )


def made_split(n=30):
    rows = np.arange(n)
    return Split(rows[:6], rows[6:], rows[6:], rows[:0])


def by_label(pairs, noise=0.0, seeds=1):
    """Codes that say the label, some bits wrong."""
    rng = np.random.default_rng(1)
    codes = np.repeat(pairs.labels.astype(bool), 4, axis=1)
    codes = codes[None].repeat(seeds, axis=0) ^ (rng.random((seeds, len(pairs), 16)) < noise)
    return Codes(list(range(seeds)), codes, codes)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return made_report(tmp_path_factory.mktemp("report"))


def made_report(tmp_path):
    """A report with a table of three methods, a missing set, a figure and two galleries."""
    cells = [cell(tmp_path, method=m, bits=b, level=v, number=i + b)
             for i, (m, v) in enumerate((("CVH", 0.6), ("DJSRH", 0.7), ("CMIMH", 0.8)))
             for b in (16, 32, 48)]  # fmt: skip
    missing = {"dataset": HOSTILE, "features": "f", "split": "paper", "method": "CVH", "bits": 16,
               "missing": HOSTILE}  # fmt: skip
    table = spec([*cells, missing], paper="table3", tasks=["i2t", "t2i", "i2i", "t2t"])
    figure = spec(cells, name="figure4", title=f"Curves {HOSTILE}", kind="precision_at_k")
    write_table(table, tmp_path / "table3.csv")
    write_figure(figure, tmp_path / "figure4.png")
    pairs = made_pairs(tmp_path / "raw")
    galleries = [
        gallery(pairs, by_label(pairs), by_label(pairs, 0.4), made_split(),
                names=("CMIMH", "CVH"), title=HOSTILE, text=CAPTIONS),
        gallery(Pairs(ids=["1"], labels=np.ones((1, 1), np.uint8), label_names=["a"]),
                by_label(pairs), by_label(pairs), made_split(), names=("CMIMH", "CVH"),
                title="wiki", text={"kind": "given"}),
    ]  # fmt: skip
    write_report(
        [(table, tmp_path / "table3.csv"), (figure, tmp_path / "figure4.svg")],
        tmp_path / "report.html",
        title=f"Report {HOSTILE}",
        run={"Splits": {"paper": HOSTILE}} | environment(),
        assumptions=[{"what": "Which BERT", "choice": HOSTILE, "why": "It is not said."}],
        galleries=galleries,
    )
    return tmp_path / "report.html"


def test_the_page_is_whole_and_fetches_nothing(page):
    parsed = Page(page.read_text())
    assert not parsed.open
    allowed = ("data:", "#")
    links = [v for _, a in parsed.tags for k, v in a.items() if k in ("src", "href", "srcset")]
    assert links and all(link.startswith(allowed) for link in links)
    style = re.search(r"<style>(.*?)</style>", page.read_text(), re.DOTALL)[1]
    assert "url(" not in style and "@import" not in style
    assert not parsed.all("script") and not parsed.all("iframe")
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)


def test_hostile_text_is_shown_as_text(page):
    parsed = Page(page.read_text())
    assert "<script>alert('x')</script>" in parsed.text
    assert "evil.example" not in "".join(str(a.get("src")) for a in parsed.all("img"))
    assert parsed.text.count("onerror=a>") > 20


def test_every_image_has_pixels_and_a_text_for_who_cannot_see(page):
    images = Page(page.read_text()).all("img")
    assert len(images) == 1 + 2 * (1 + 20 + 20 + 1)  # figure; i2t, t2i and i2i queries and tens
    for image in images:
        kind, _, data = image["src"].partition(";base64,")
        assert image["alt"]
        if kind == "data:image/svg+xml":
            assert b64decode(data).strip().endswith(b"</svg>")
        else:
            with Image.open(io.BytesIO(b64decode(data))) as picture:
                assert picture.size == (160, 160)


def test_contents_lead_to_sections(page):
    parsed = Page(page.read_text())
    targets = {attributes["href"][1:] for attributes in parsed.all("a")}
    assert targets == {"table3", "figure4", "gallery", "run", "assumed"}
    assert targets <= {attributes.get("id") for _, attributes in parsed.tags}


def test_the_page_is_always_the_same_bytes(compared, tmp_path):
    write_table(compared, tmp_path / "table3.csv")
    pairs = made_pairs(tmp_path / "raw")
    shown = gallery(pairs, by_label(pairs), by_label(pairs, 0.4), made_split(), names=("A", "B"),
                    title="t", text=CAPTIONS)  # fmt: skip
    for name in ("a", "b"):
        write_report([(compared, tmp_path / "table3.csv")], tmp_path / name, title="R",
                     galleries=[shown])  # fmt: skip
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_output_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"table3\.csv: the output of table3 is not there"):
        write_report([(spec([]), tmp_path / "table3.csv")], tmp_path / "r.html", title="R")


def test_results_never_import_torch():
    for module in ("tables", "curves", "report", "gallery"):
        assert not uses(f"pipeline.results.{module}", "torch")


# --- findings -------------------------------------------------------------------------------------


@pytest.fixture
def compared(tmp_path):
    cells = [cell(tmp_path, method=m, level=v, number=i)
             for i, (m, v) in enumerate((("CVH", 0.6), ("CMIMH", 0.8)))]  # fmt: skip
    return spec(cells, paper="table3")


def test_the_headline_counts_what_the_table_says(compared):
    table = long_table(compared)
    figures = {finding.text: finding.figure for finding in headline([table], "CMIMH")}
    assert figures["comparisons in which CMIMH has the best mean"] == "2 of 2"
    told = "differences of other methods from CMIMH are significant, 2 in its favour"
    assert figures[told] == "2 of 2"
    lead = float(figures["points of mAP@1000 over the best other, on average"])
    assert lead == pytest.approx(20, abs=2)
    means = table[table["seed"] == "mean"]
    gaps = 100 * means["difference"].dropna().astype(float)
    signed = f"{gaps.mean():+.1f}".replace("-", "−")
    told = f"points apart from the paper, on average; ours minus the paper's is {signed}"
    assert figures[told] == f"{gaps.abs().mean():.1f}"
    assert sentence(table, "CMIMH").startswith(
        "CMIMH has the best mean in 2 of 2 comparisons; of its 2 differences from others 2 are "
        "significant, 2 of them in its favour"
    )


def test_without_the_paper_the_headline_does_not_speak_of_it(compared):
    del compared["paper"]
    told = " ".join(finding.text for finding in headline([long_table(compared)], "CMIMH"))
    assert "has the best mean" in told and "paper" not in told


def test_the_scope_counts_settings_once(compared):
    assert scope([compared, compared]).figure == "2"
    assert scope([compared]).text.endswith("2 methods, 1 data set, 3 seeds")


def test_coverage_tells_what_was_run_and_what_was_not(compared):
    compared["cells"].append({"dataset": "nuswide", "method": "CVH", "bits": 16, "missing": "gone"})
    first, second = coverage([compared])
    assert second["dataset"] == "NUS-WIDE" and second["not run"] == "gone"
    assert first["methods"] == "CVH, CMIMH" and first["seeds"] == "0, 1, 2"


# --- gallery --------------------------------------------------------------------------------------


def test_neighbours_are_nearest_first_and_ties_in_database_order():
    database = np.array([[1, 1], [0, 0], [0, 1], [0, 0]], bool)
    assert nearest(np.array([0, 0], bool), database, 3).tolist() == [1, 3, 2]


def test_relevant_items_share_a_label_and_come_from_the_database(tmp_path):
    pairs = made_pairs(tmp_path)
    made = gallery(pairs, by_label(pairs), by_label(pairs, 0.5), made_split(),
                   names=("A", "B"), title="t", text=CAPTIONS, top=6)  # fmt: skip
    assert [shown.task for shown in made.shown] == [t for t in ("i2t", "t2i", "i2i", "t2t")
                                                    for _ in range(2)]  # fmt: skip
    for shown in made.shown:
        perfect, noisy = shown.rankings
        assert perfect.relevant == 6 and all(item.relevant for item in perfect.items)
        assert noisy.relevant < 6


def test_tags_stand_in_for_captions(tmp_path):
    pairs = made_pairs(tmp_path, captions=False)
    made = gallery(pairs, by_label(pairs), by_label(pairs), made_split(), names=("A", "B"),
                   title="t", text=CAPTIONS)  # fmt: skip
    assert made.shown[-1].query.text.endswith("0, 1, 2, 3, 4, 5, 6, 7, 8, 2 more")


def test_the_gallery_shows_what_the_methods_saw(tmp_path):
    """Tags where the tags were the features, else the caption that was drawn, not the first."""
    pairs = made_pairs(tmp_path)
    pairs.captions[:] = [["first", "second", "third"]] * len(pairs)
    pairs = replace(pairs, tags=np.eye(30, 4, dtype=np.uint8), tag_names=list("wxyz"))
    texts = {}
    for kind in ("tags", "transformer"):
        made = gallery(pairs, by_label(pairs), by_label(pairs), made_split(), names=("A", "B"),
                       title="t", text={"kind": kind, "caption_seed": 1}, queries=6)  # fmt: skip
        texts[kind] = {shown.query.text for shown in made.shown if shown.task[0] == "t"}
    assert texts == {"tags": {*"wxyz", "no tag"}, "transformer": {"first", "second", "third"}}


def test_a_query_is_shown_with_its_labels_and_a_hit_with_those_it_shares(tmp_path):
    pairs = made_pairs(tmp_path)
    made = gallery(pairs, by_label(pairs), by_label(pairs, 0.5), made_split(), names=("A", "B"),
                   title="t", text=CAPTIONS)  # fmt: skip
    for shown in made.shown:
        for item in (item for ranking in shown.rankings for item in ranking.items):
            assert item.shared == (shown.labels if item.relevant else [])


def test_images_that_cannot_be_read_leave_a_place(tmp_path):
    pairs = made_pairs(tmp_path)
    shutil.rmtree(tmp_path / "photos")
    made = gallery(pairs, by_label(pairs), by_label(pairs), made_split(), names=("A", "B"),
                   title="t", text=CAPTIONS)  # fmt: skip
    images = [item.image for shown in made.shown if shown.task == "t2i"
              for item in shown.rankings[0].items]  # fmt: skip
    assert None in images and any(images)


def test_real_valued_codes_are_refused(tmp_path):
    pairs = made_pairs(tmp_path)
    real = Codes([0], np.zeros((1, 30, 4), np.float32), np.zeros((1, 30, 4), np.float32))
    with pytest.raises(InputError, match="LDR has real values"):
        gallery(pairs, by_label(pairs), real, made_split(), names=("CMIMH", "LDR"), title="t",
                text=CAPTIONS)  # fmt: skip


# --- in a browser ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # selenium's own sockets
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_all_of_it_readably(width, page, chromium):
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    chromium.get(page.as_uri())
    assert chromium.get_log("browser") == []
    widths = chromium.execute_script("return [...document.images].map(i => i.naturalWidth)")
    assert len(widths) > 50 and min(widths) > 0
    assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
    sizes = chromium.execute_script(
        "return [...document.body.querySelectorAll('*')]"
        ".filter(e => [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()))"
        ".map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 12


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # selenium's own sockets
def test_the_checker_of_accessibility_has_no_serious_finding(page, chromium):
    for width in accessible.WIDTHS:
        for scheme in accessible.SCHEMES:
            accessible.show(chromium, page.as_uri(), width, scheme)
            assert accessible.serious(chromium) == [], (width, scheme)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_no_table_of_the_paper_s_shapes_is_cut_at_1150_pixels(root, tmp_path, chromium):
    import yaml

    config = yaml.safe_load((root / "config.yaml").read_text())["experiments"]
    shapes = []
    for name in ("table1", "table4"):
        entry = config[name]
        cells = [
            cell(tmp_path / name, bits=bits, number=i + bits, **method.get("columns", {}))
            for i, method in enumerate(entry["methods"])
            for bits in entry["bits"]
        ]
        keys = {key: entry[key] for key in ("title", "paper", "tasks", "rows", "columns")}
        shape = spec(cells, name=name, **keys)
        write_table(shape, tmp_path / f"{name}.csv")
        shapes.append((shape, tmp_path / f"{name}.csv"))
    write_report(shapes, tmp_path / "report.html", title="t", run={}, assumptions=[], galleries=[])
    accessible.show(chromium, (tmp_path / "report.html").as_uri(), 1150, "light")
    widths = chromium.execute_script(
        "return [...document.querySelectorAll('.scroll')].map(e => [e.scrollWidth, e.clientWidth])"
    )
    assert len(widths) >= 4 and all(whole <= shown + 1 for whole, shown in widths), widths
    chromium.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    ink = chromium.execute_script("return getComputedStyle(document.body).color")
    assert ink == "rgb(29, 35, 41)"  # printed dark on light, whatever the screen shows
