"""The documents show what the shipped model says about the photos in `examples/`."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from captioner import Caption, Captioner
from captioner.as_json import as_json
from captioner.shipped import DEFAULT_CHECKPOINT, WEIGHTS
from captioner.wording import worded

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
CPU = Path("/proc/cpuinfo")
# A network in 8 bits may choose another sentence if one pixel in a hundred changes by one level.
# Other kernels than those that the captions were made with round otherwise.
pytestmark = pytest.mark.skipif(
    not (CPU.exists() and "avx512_vnni" in CPU.read_text()),
    reason="the captions were made with the kernels for AVX-512 VNNI",
)
PHOTO = re.compile(r'<img src="[^"]*\bexamples/([^"]+)"')


def cells_of(row: str) -> list[str]:
    """Split a row of a table."""
    return [cell.strip() for cell in row.strip("|").split("|")]


def of_readme() -> dict[str, str]:
    """Return the captions in README.md: a row of photos, and a row of captions below it."""
    rows = (ROOT / "README.md").read_text().splitlines()
    place = next(number for number, row in enumerate(rows) if PHOTO.search(row))
    return dict(zip(PHOTO.findall(rows[place]), cells_of(rows[place + 2]), strict=True))


def of_card() -> dict[str, str]:
    """Return the captions in the model card: a photo in each row, and what the bot says now."""
    rows = (WEIGHTS / "MODEL_CARD.md").read_text().splitlines()
    return {found[1]: cells_of(row)[1] for row in rows if (found := PHOTO.search(row))}


@pytest.fixture(scope="module")
def captions() -> dict[str, Caption]:
    """Return the captions of the exported network by the photos' names from `examples/`."""
    names = [
        path.relative_to(EXAMPLES).as_posix()
        for path in EXAMPLES.rglob("*")
        if path.suffix in {".jpg", ".png"}
    ]

    async def caption() -> list[Caption]:
        async with Captioner.load(DEFAULT_CHECKPOINT, "cpu", runtime="onnx") as captioner:
            return [await captioner.caption((EXAMPLES / name).read_bytes()) for name in names]

    return dict(zip(names, asyncio.run(caption()), strict=True))


def different(shown: dict[str, str], captions: dict[str, Caption]) -> dict[str, str]:
    """Return what the bot says now of the photos of which a document shows something else."""
    said = {name: worded(captions[name]).text for name in shown}
    return {name: text for name, text in said.items() if text != shown[name]}


def test_the_readme_shows_what_the_shipped_model_says(captions: dict[str, Caption]) -> None:
    assert different(of_readme(), captions) == {}


def test_the_card_shows_what_the_shipped_model_says_of_every_example(
    captions: dict[str, Caption],
) -> None:
    shown = of_card()

    assert shown.keys() == captions.keys()
    assert different(shown, captions) == {}


def test_the_answer_in_the_readme_is_that_of_the_api(captions: dict[str, Caption]) -> None:
    (block,) = re.findall(r"^```json\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
    shown, said = json.loads(block), as_json(captions["bird.jpg"])

    assert shown.pop("confidence") == pytest.approx(said.pop("confidence"), abs=0.05)
    assert shown == said
