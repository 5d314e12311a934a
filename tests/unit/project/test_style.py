"""Words that docs/style.md rules out are in no text that a user reads."""

import re

import pytest

#: the phrase as a pattern, and where it is meant: everywhere, or in the folder of the methods
BANNED = {
    r"\bborne\b": "",
    r"\bjudges?\b": "pipeline/methods",
    r"\bspeaks? up\b|\bstarts? quiet": "",
    r"\bcodes? (that )?flees?\b|\b(fall|fell|are|is) silent\b|\bsilent codes?\b": "",
    r"\bsays? nothing\b": "",
    r"\banew\b": "",
    r"\bleft out\b": "",
    r"\b(go|goes|going) around\b": "",
    r"\bthe level of\b": "",
    r"\bfor ever\b": "",
    r"\b(hide|hides|hidden) (features|columns)\b|\bfeatures are hidden\b": "",
}
#: where the phrases are listed, or what a program wrote
EXEMPT = ("docs/style.md", "benchmarks/records/kill-campaign.md")
PLACES = ("*.md", "*.yaml", "Makefile", "docs/**/*.md", "config/*", "overlays/*", "profiles/*/*",
          "workflow/**/*", "pipeline/**/*.py", "pipeline/**/*.j2", "pipeline/**/*.html",
          "pipeline/**/*.js")  # fmt: skip


@pytest.fixture(scope="module")
def texts(root):
    """Path -> text, without names of tests and other code in back quotes."""
    paths = {p for place in PLACES for p in root.glob(place) if p.is_file()}
    names = {p.relative_to(root).as_posix(): p for p in paths if p.suffix != ".pyc"}
    found = {n: p.read_text(encoding="utf-8") for n, p in names.items() if n not in EXEMPT}
    return {n: re.sub(r"`test_[^`]*`", "", text) for n, text in found.items()}


@pytest.mark.parametrize("phrase", BANNED)
def test_a_phrase_that_is_ruled_out_is_not_used(texts, phrase):
    assert len(texts) > 150
    assert {
        name: [" ".join(m[0].split()) for m in re.finditer(rf"(?i:.*(?:{phrase}).*)", text)]
        for name, text in texts.items()
        if name.startswith(BANNED[phrase]) and re.search(rf"(?i:{phrase})", text)
    } == {}
