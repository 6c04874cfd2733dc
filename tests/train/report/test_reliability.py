"""The reliability diagram is a real picture."""

from pathlib import Path

from PIL import Image

from train.report.reliability import COLOURS, draw_reliability
from train.scoring.calibration_error import Bin


def colours(png: Path) -> set[tuple[int, ...]]:
    with Image.open(png) as picture:
        found = picture.convert("RGB").getcolors(1 << 24)
    assert found is not None
    return {colour for _, colour in found if isinstance(colour, tuple)}


def test_each_split_is_drawn_in_its_colour(tmp_path: Path) -> None:
    first, second = (tuple(bytes.fromhex(colour[1:])) for colour in COLOURS)
    bins = [Bin(0.15, 0.1, 30), Bin(0.45, 0.5, 50), Bin(1.0, 1.0, 3)]

    draw_reliability({"val": bins}, tmp_path / "new" / "one.png")
    draw_reliability({"val": bins, "test": bins[:1]}, tmp_path / "both.png")

    assert first in colours(tmp_path / "new" / "one.png")
    assert second not in colours(tmp_path / "new" / "one.png")
    assert {first, second} <= colours(tmp_path / "both.png")
