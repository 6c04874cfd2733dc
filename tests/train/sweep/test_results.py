"""The sweep's results that are kept, and what docs/figures.md says about them."""

from pathlib import Path

from train.sweep.page import write_page
from train.sweep.results import Results
from train.sweep.variants import VARIANTS

ROOT = Path(__file__).parents[3]
KEPT = ROOT / "docs" / "sweep"
ROWS = Results(KEPT / "sweep.csv").rows


def test_the_kept_page_shows_the_kept_table(tmp_path: Path) -> None:
    write_page(tmp_path / "sweep.html", ROWS)

    assert (KEPT / "sweep.html").read_text() == (tmp_path / "sweep.html").read_text()


def test_the_figures_show_every_variants_test_scores_and_its_command() -> None:
    figures_page = (ROOT / "docs" / "figures.md").read_text()
    words = {variant.name: variant.what for variant in VARIANTS}
    chosen = [row for row in ROWS if (row.split, row.chosen) == ("test", True)]
    assert len(chosen) >= 7
    for row in chosen:
        figures = (row.cider, row.bleu4, row.meteor)
        scores = " | ".join(f"{figure:.1f}" for figure in figures if figure is not None)
        line = f"| {words[row.variant]} | {row.decoding.name()} | {scores} | {row.distinct_words} |"
        assert line in figures_page
        assert row.command in figures_page
