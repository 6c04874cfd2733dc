"""The page of a sweep, read back as a browser would read it."""

import dataclasses
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from train.sweep.page import write_page
from train.sweep.results import Results, Row
from train.sweep.scoring import DECODINGS

FIRST = Row(
    variant="base",
    dataset="flickr8k",
    encoder="resnet50",
    encoder_weights="resnet50.safetensors",
    cell="lstm",
    attention="dot",
    epochs=10,
    fine_tuned_epochs=0,
    self_critical_epochs=0,
    best_epoch=9,
    parameters=29.5,
    training_seconds=2880.0,
    machine="Some Processor, 2 cores, bfloat16",
    checkpoint="0123456789ab",
    command="python -m train fit data/flickr8k runs/sweep/base",
    split="test",
    beam=3,
    length_penalty=0.7,
    chosen=True,
    photos=1000,
    bleu1=63.25,
    bleu4=21.5,
    rouge_l=46.75,
    cider=54.25,
    meteor=20.5,
    distinct_words=208,
    dangling=0.0,
    tokenizer="PTB (Stanford CoreNLP)",
)


def both(**changes: Any) -> list[Row]:
    """Return a variant's chosen rows on test and val, where it scores a point less."""
    test = dataclasses.replace(FIRST, **changes)
    return [test, dataclasses.replace(test, split="val", cider=test.cider - 1)]


class Page(HTMLParser):
    """Tables by their caption, bars by their chart, and texts."""

    def __init__(self, folder: Path, rows: Sequence[Row]) -> None:
        """Write the page, and read it."""
        super().__init__()
        write_page(folder / "new" / "sweep.html", rows)
        self.source = (folder / "new" / "sweep.html").read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.cells: list[list[str]] = []  # of every table row
        self.best: list[str] = []
        self._in: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note a tag; begin a row or a cell."""
        self.tags.append((tag, dict(attributes)))
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")
            self._in = [tag, str(dict(attributes).get("class"))]

    def handle_endtag(self, tag: str) -> None:
        """End a cell."""
        if tag in ("td", "th"):
            self._in = []

    def handle_data(self, data: str) -> None:
        """Note a text, and whose it is."""
        if data.strip():
            self.texts.append(data.strip())
            if self._in:
                self.cells[-1][-1] += data.strip() + " "
                if self._in[1] == "best" and data.strip() != "best":
                    self.best.append(data.strip())

    def row(self, variant: str) -> list[str]:
        """Return a variant's cells in the first table."""
        return next(
            [cell.strip() for cell in row] for row in self.cells if row[0].startswith(variant)
        )

    def bars(self) -> list[float]:
        """Return how long the bars are, in percent."""
        bars = [tag for name, tag in self.tags if name == "rect" and tag["class"] == "fill"]
        return [float(str(bar["width"]).rstrip("%")) for bar in bars]


GRU = both(variant="gru", cell="gru", cider=52.0, bleu4=22.0, distinct_words=250, meteor=None)


def test_every_variant_is_named_with_its_figures_and_its_command(tmp_path: Path) -> None:
    page = Page(tmp_path, [*both(), *GRU])

    assert page.row("base")[1:] == [
        "54.2 best", "63.2", "21.5", "20.5", "46.8", "208", "0.0 %", "29.5 M", "48 min",
        "beam 3, length penalty 0.7",
    ]  # fmt: skip
    assert page.row("gru")[3:5] == ["22.0 best", "n/a"]
    commands = [text for text in page.texts if text.startswith("python -m train")]
    assert len(commands) == 4
    assert page.texts.count("How to train it") == 4


def test_the_best_of_a_column_is_marked_where_figures_differ(tmp_path: Path) -> None:
    assert Page(tmp_path, [*both(), *GRU]).best == ["54.2", "22.0", "250", "53.2", "22.0", "250"]
    assert Page(tmp_path, both()).best == []


def test_nothing_is_best_among_figures_that_cannot_be_compared(tmp_path: Path) -> None:
    rows = both(variant="gru", cider=99.0, training_seconds=60.0, parameters=20.0)
    others = [dataclasses.replace(row, tokenizer="another", machine="A GPU") for row in rows]
    page = Page(tmp_path, [*both(), *others])

    assert page.best == ["20.0 M"] * 2
    assert any(text.startswith("Tokenizers differ between variants: PTB") for text in page.texts)
    assert any("Some Processor" in text and "differ between" in text for text in page.texts)


def test_bars_start_at_zero_and_share_one_scale(tmp_path: Path) -> None:
    page = Page(tmp_path, [*both(), *GRU])

    # The question of the cell alone has two answers here.
    assert page.bars() == pytest.approx([100 * 52.0 / 60, 100 * 54.25 / 60], abs=0.01)
    assert [text for text in page.texts if text.startswith("Which")] == ["Which recurrent cell?"]
    assert "\u22122.2" in page.texts


def test_what_decoding_does_is_drawn_for_the_base(tmp_path: Path) -> None:
    grid = [
        dataclasses.replace(
            FIRST, beam=d.beam, length_penalty=d.length_penalty, chosen=d == DECODINGS[5]
        )
        for d in DECODINGS
    ]
    page = Page(tmp_path, grid)
    assert len(page.bars()) == len(DECODINGS)
    assert {decoding.name() for decoding in DECODINGS} <= set(page.texts)
    assert page.texts.count("best on val") == 1


def test_text_is_escaped(tmp_path: Path) -> None:
    evil = "<script>alert('&')</script>"
    names = [f.name for f in dataclasses.fields(Row) if f.type is str and f.name != "split"]
    page = Page(tmp_path, both(**dict.fromkeys(names, evil)))

    assert "<script" not in page.source
    assert page.texts.count(evil) >= 3


def test_the_page_describes_the_training_and_what_is_missing(tmp_path: Path) -> None:
    waiting = dataclasses.replace(FIRST, variant="additive", split="val", chosen=False)
    tuned = both(variant="fine-tuned", fine_tuned_epochs=5)
    page = Page(tmp_path, [*both(), *tuned, waiting])
    said = " ".join(page.texts)

    assert "Some Processor, 2 cores, bfloat16" in page.texts
    assert "10 epochs, encoder frozen + 5 end to end" in page.texts
    assert "Decoding chosen on val, by CIDEr, for each variant" in said
    assert "1,000 test and 1,000 val" in said
    assert "Not scored on test yet: additive." in page.texts
    assert "Not in this sweep: no-attention, gru, resnet18" in said


def test_it_asks_nothing_of_any_other_file(tmp_path: Path) -> None:
    page = Page(tmp_path, [*both(), *GRU])

    assert not re.search(r"https?:|//|url\(|@import", page.source)
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in page.tags}
    assert not [tag for tag, named in page.tags if {"src", "href"} & named.keys()]


def test_a_page_needs_rows(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to show"):
        write_page(tmp_path / "sweep.html", [])


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [*both(), dataclasses.replace(GRU[0], length_penalty=None, beam=1, chosen=False)]
    results = Results(tmp_path / "new" / "sweep.csv")
    for row in rows:
        results.put(row)

    again = Results(results.path)
    assert sorted(again.rows, key=repr) == sorted(rows, key=repr)
    assert [(row.variant, row.split) for row in again.rows] == [
        ("base", "val"), ("base", "test"), ("gru", "test")
    ]  # fmt: skip
    assert again.of("base", "test") == [FIRST]
