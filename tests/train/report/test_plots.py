"""Curves and sample sheets are real pictures of real files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.train.metrics import FROZEN, HEADER, TUNED, metrics_file
from train.report.plots import Sample, draw_curves, draw_sample_sheet


def photo_file(folder: Path, colour: str, size: tuple[int, int] = (60, 60)) -> Path:
    path = folder / f"{colour}.png"
    Image.new("RGB", size, colour).save(path)
    return path


def share(png: Path, colour: tuple[int, int, int]) -> float:
    with Image.open(png) as opened:
        picture = opened.convert("RGB")
    counts = {found: count for count, found in picture.getcolors(1 << 24) or []}
    return counts.get(colour, 0) / (picture.width * picture.height)


def grey_columns(png: Path) -> int:
    """Count the columns of pixels that are faint ink for a third of the picture's height."""
    with Image.open(png) as opened:
        pixels = np.asarray(opened.convert("RGB")).astype(int)
    grey = (abs(pixels - (128, 134, 139)) < 60).all(axis=2)
    return int((grey.mean(axis=0) > 1 / 3).sum())


def test_epochs_without_a_score_are_drawn_too(tmp_path: Path) -> None:
    metrics = metrics_file(tmp_path, HEADER + FROZEN + "3,frozen,3,3,nan,nan,0,0\n")
    draw_curves(metrics, tmp_path / "curves.png")


def test_all_four_curves_are_drawn(tmp_path: Path) -> None:
    png = tmp_path / "new folder" / "curves.png"
    draw_curves(metrics_file(tmp_path, HEADER + FROZEN + TUNED), png)

    for colour in ((26, 115, 232), (232, 113, 10), (24, 128, 56), (147, 52, 230)):
        assert share(png, colour) > 0.0005


def test_a_single_epoch_is_drawn(tmp_path: Path) -> None:
    png = tmp_path / "curves.png"
    draw_curves(metrics_file(tmp_path, HEADER + TUNED), png)

    assert share(png, (26, 115, 232)) > 0


def test_a_dashed_line_and_a_name_mark_the_change_of_phase(tmp_path: Path) -> None:
    names = ("marked", "nameless", "unmarked")
    marked, nameless, unmarked = (tmp_path / f"{name}.png" for name in names)
    text = HEADER + FROZEN + TUNED
    draw_curves(metrics_file(tmp_path, text), marked)
    draw_curves(metrics_file(tmp_path, text.replace("fine-tune", "")), nameless)
    draw_curves(metrics_file(tmp_path, text.replace("fine-tune", "frozen")), unmarked)

    assert grey_columns(nameless) >= grey_columns(unmarked) + 2
    assert marked.read_bytes() != nameless.read_bytes()


def test_a_sheet_shows_every_photo_in_its_colour(tmp_path: Path) -> None:
    colours = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255)}
    samples = [
        Sample(photo_file(tmp_path, name), "A square.", "A plain square of one colour.")
        for name in colours
    ]
    png = tmp_path / "samples.png"
    draw_sample_sheet(samples, png)

    shares = [share(png, colour) for colour in colours.values()]
    assert min(shares) > 0.15
    assert max(shares) - min(shares) < 0.01


def test_a_sheet_has_the_requested_columns_but_no_empty_ones(tmp_path: Path) -> None:
    samples = [Sample(photo_file(tmp_path, "red"), "A square.", "A red square.")] * 3
    sizes = {}
    for columns in (1, 2, 3, 9):
        png = tmp_path / f"{columns}.png"
        draw_sample_sheet(samples, png, columns)
        with Image.open(png) as opened:
            sizes[columns] = opened.size

    assert sizes[1][0] < sizes[2][0] < sizes[3][0] == sizes[9][0]
    assert sizes[1][1] > sizes[2][1] > sizes[3][1] == sizes[9][1]


def test_long_sentences_wrap_and_make_room_below_the_photo(tmp_path: Path) -> None:
    photo = photo_file(tmp_path, "red")
    sizes = []
    for name, words in (("short", 2), ("long", 16), ("endless", 900)):
        png = tmp_path / f"{name}.png"
        draw_sample_sheet([Sample(photo, "dog " * words, "dog " * words)], png)
        with Image.open(png) as opened:
            sizes.append(opened.size)

    (width, short), (long_width, long), (endless_width, endless) = sizes
    assert width == long_width == endless_width
    assert short < long < endless < 2 * short


def test_the_caption_is_dark_and_the_reference_grey(tmp_path: Path) -> None:
    photo = photo_file(tmp_path, "red")
    draw_sample_sheet([Sample(photo, "A costly $^$ dog.", "")], tmp_path / "caption.png")
    draw_sample_sheet([Sample(photo, "", "A costly $^$ dog.")], tmp_path / "reference.png")

    ink, faint_ink = (32, 33, 36), (128, 134, 139)
    assert share(tmp_path / "caption.png", ink) > 0
    assert share(tmp_path / "reference.png", ink) == 0
    assert share(tmp_path / "reference.png", faint_ink) > 0


def test_a_photo_on_its_side_is_turned(tmp_path: Path) -> None:
    photo = Image.new("RGB", (80, 40), "red")
    photo.paste("blue", (0, 0, 40, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the left edge is the top
    photo.save(tmp_path / "turned.png", exif=exif)
    png = tmp_path / "samples.png"
    draw_sample_sheet([Sample(tmp_path / "turned.png", "", "")], png)

    with Image.open(png) as opened:
        sheet = opened.convert("RGB")
    is_blue = [sheet.getpixel((60, y)) == (0, 0, 255) for y in range(sheet.height)]
    is_red = [sheet.getpixel((60, y)) == (255, 0, 0) for y in range(sheet.height)]
    assert sum(is_blue) > 50
    assert is_blue.index(True) < is_red.index(True)


@pytest.mark.parametrize(("samples", "columns"), [(0, 4), (1, 0)])
def test_an_empty_sheet_is_refused(tmp_path: Path, samples: int, columns: int) -> None:
    sample = Sample(photo_file(tmp_path, "red"), "A square.", "A red square.")
    with pytest.raises(ValueError, match="at least one sample and one column"):
        draw_sample_sheet([sample] * samples, tmp_path / "samples.png", columns)


def test_a_failed_drawing_leaves_the_old_picture_and_nothing_else(tmp_path: Path) -> None:
    png = tmp_path / "out" / "samples.png"
    draw_sample_sheet([Sample(photo_file(tmp_path, "red"), "A square.", "")], png)
    before = png.read_bytes()

    with pytest.raises(FileNotFoundError, match=r"gone\.jpg"):
        draw_sample_sheet([Sample(tmp_path / "gone.jpg", "Nothing.", "")], png)
    assert png.read_bytes() == before
    assert list(png.parent.iterdir()) == [png]


def test_a_picture_that_cannot_be_moved_into_place_leaves_nothing_behind(tmp_path: Path) -> None:
    taken = tmp_path / "out" / "curves.png"
    taken.mkdir(parents=True)

    with pytest.raises(OSError, match=r"curves\.png"):
        draw_curves(metrics_file(tmp_path, HEADER + TUNED), taken)
    assert list(taken.parent.iterdir()) == [taken]


def test_letters_that_the_font_lacks_are_drawn_without_a_warning_for_each(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (9, 9)).save(photo)
    draw_sample_sheet([Sample(photo, "狗在草地上跑。", "หมาวิ่งบนหญ้า")], tmp_path / "sheet.png")
    assert not recwarn.list
