"""The report, read back as a browser would read it."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from train.report.captions_page import Entry, Shown, write_report
from train.scoring.scores import Scores

SCORES = Scores(
    bleu1=64.01,
    bleu2=45.5,
    bleu3=31.2,
    bleu4=22.14,
    rouge_l=49.5,
    cider=57.26,
    meteor=None,
    spice=16.0,
    tokenizer="PTB (Stanford CoreNLP)",
    photos=1000,
    distinct_words=412,
    dangling=1.5,
    repeating=0.5,
)
SETTINGS = {"Beam width": "5", "Length penalty": "0.7"}


class Page(HTMLParser):
    """The parts of a report: rows of its tables, cards by section, addresses, bars, and text."""

    def __init__(self, path: Path) -> None:
        """Read the page at `path`."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, list[str]] = {}
        self.texts: list[str] = []
        self._in_caption = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note a tag, and whether a caption starts."""
        named = dict(attributes)
        self.tags.append((tag, named))
        if tag == "section":
            self.sections[str(named["id"])] = []
        self._in_caption = named.get("class") == "caption"

    def handle_data(self, data: str) -> None:
        """Note a text."""
        if data.strip():
            self.texts.append(data.strip())
            if self._in_caption:
                self.sections[list(self.sections)[-1]].append(data)
                self._in_caption = False

    def after(self, text: str) -> str:
        """Return the text that follows another: a table's value after its name."""
        return self.texts[self.texts.index(text) + 1]


def entry(folder: Path, number: int, cider: float) -> Entry:
    photo = folder / f"{number}.jpg"
    if not photo.exists():
        Image.new("RGB", (600, 300), (10 * number, 80, 120)).save(photo)
    return Entry(photo, photo.name, f"caption {number}", (f"reference {number}",), cider)


@pytest.fixture
def entries(tmp_path: Path) -> list[Entry]:
    return [entry(tmp_path, number, 15.0 * number) for number in (3, 7, 0, 5, 1, 9, 4, 2, 8, 6)]


def test_scores_and_settings_are_named(tmp_path: Path, entries: list[Entry]) -> None:
    path = tmp_path / "new" / "report.html"
    write_report(path, entries, SCORES, title="resnet50.safetensors", settings=SETTINGS)
    page = Page(path)
    assert page.texts.count("resnet50.safetensors") == 1
    assert page.after("CIDEr") == "57.3"
    assert page.after("BLEU-4") == "22.1"
    assert page.after("METEOR") == "not computed"
    assert page.after("SPICE") == "16.0"
    assert page.after("Tokenizer") == "PTB (Stanford CoreNLP)"
    assert page.after("Beam width") == "5"
    assert page.after("Length penalty") == "0.7"
    assert page.after("Unfinished sentences") == "1.5 %"


def test_best_come_first_then_worst_then_random(tmp_path: Path, entries: list[Entry]) -> None:
    path = tmp_path / "report.html"
    write_report(
        path, entries, SCORES, title="t", settings={}, shown=Shown(best=3, worst=2, random=4)
    )
    sections = Page(path).sections
    assert list(sections) == ["best", "worst", "random"]
    assert sections["best"] == ["caption 9", "caption 8", "caption 7"]
    assert sections["worst"] == ["caption 0", "caption 1"]
    assert len(set(sections["random"])) == 4
    assert set(sections["random"]) < {f"caption {number}" for number in range(2, 7)}


def test_the_seed_chooses_the_random_photos(tmp_path: Path, entries: list[Entry]) -> None:
    drawn = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        path = tmp_path / f"{name}.html"
        shown = Shown(best=1, worst=1, random=4, seed=seed)
        write_report(path, entries, SCORES, title="t", settings={}, shown=shown)
        drawn.append(Page(path).sections["random"])
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


@pytest.mark.parametrize(("count", "best", "worst"), [(1, 1, 0), (3, 2, 1), (10, 5, 5)])
def test_few_photos_are_each_shown_once(
    tmp_path: Path, entries: list[Entry], count: int, best: int, worst: int
) -> None:
    path = tmp_path / "report.html"
    write_report(path, entries[:count], SCORES, title="t", settings={})
    sections = Page(path).sections
    assert len(sections["best"]) == best
    assert len(sections.get("worst", [])) == worst
    assert "random" not in sections


def test_photos_are_inside_scaled_down_and_nothing_is_fetched(
    tmp_path: Path, entries: list[Entry]
) -> None:
    path = tmp_path / "report.html"
    write_report(path, entries, SCORES, title="t", settings={})
    page = Page(path)
    sources = [str(named["src"]) for tag, named in page.tags if tag == "img"]
    assert len(sources) == len(entries)
    head, _, data = sources[0].partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert (picture.format, picture.size) == ("JPEG", (224, 112))
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe"} == set()
    links = [str(named["href"]) for _, named in page.tags if "href" in named]
    assert all(link.startswith("#") for link in links)
    assert re.findall(r"url\(|@import|https?:", path.read_text(encoding="utf-8")) == []


def test_words_are_shown_as_they_are_not_as_markup(tmp_path: Path) -> None:
    photo = tmp_path / '"><b>.jpg'
    Image.new("RGB", (8, 8)).save(photo)
    hostile = Entry(photo, photo.name, "<script>alert(1)</script>", ("a & b", "<b>bold</b>"), 1.0)
    path = tmp_path / "report.html"
    write_report(path, [hostile], SCORES, title="<i>t</i>", settings={"<u>": "<u>"})
    page = Page(path)
    assert {tag for tag, _ in page.tags} & {"script", "b", "i", "u"} == set()
    assert page.sections["best"] == ["<script>alert(1)</script>"]
    assert {"a & b", "<b>bold</b>", "<i>t</i>", "<u>", '"><b>.jpg'} <= set(page.texts)


def test_the_histogram_counts_every_photo(tmp_path: Path) -> None:
    ciders = (0.0, 9.99, 10.0, 199.0, 200.0, 1000.0)
    entries = [entry(tmp_path, number, cider) for number, cider in enumerate(ciders)]
    path = tmp_path / "report.html"
    write_report(path, entries, SCORES, title="t", settings={})
    page = Page(path)
    counted = [
        text for text in page.texts if re.fullmatch(r"\d+ (to \d+|and more): [1-9]\d*", text)
    ]
    assert counted == ["0 to 10: 2", "10 to 20: 1", "190 to 200: 1", "200 and more: 2"]
    heights = [float(str(named["height"])) for tag, named in page.tags if tag == "rect"]
    assert (heights[0], heights[1], heights[2]) == (160.0, 80.0, 0.0)


def test_a_photo_that_cannot_be_read_keeps_its_words(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    entries = [
        Entry(broken, "broken.jpg", "a broken one", ("r",), 2.0),
        Entry(tmp_path / "gone.jpg", "gone.jpg", "a lost one", ("r",), 1.0),
    ]
    path = tmp_path / "report.html"
    write_report(path, entries, SCORES, title="t", settings={})
    page = Page(path)
    assert page.sections == {"best": ["a broken one"], "worst": ["a lost one"]}
    assert page.texts.count("cannot be read") == 2


def test_an_older_report_is_replaced_and_nothing_else_is_left(
    tmp_path: Path, entries: list[Entry]
) -> None:
    path = tmp_path / "out" / "report.html"
    for title in ("first", "second"):
        write_report(path, entries, SCORES, title=title, settings={})
    assert "second" in Page(path).texts
    assert "first" not in Page(path).texts
    assert list(path.parent.iterdir()) == [path]


def test_no_entries_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no photo was captioned"):
        write_report(tmp_path / "report.html", [], SCORES, title="t", settings={})
    assert list(tmp_path.iterdir()) == []
