"""The example photos that the page offers on a first visit."""

from aiohttp import ClientSession
from PIL import Image

from bot.web.page import STATIC
from tests.bot.web.browser import EXAMPLES

PHOTOS = sorted((STATIC / "examples").glob("*.jpg"))
SMALL = "-small"
LARGEST = 40_000  # bytes; it is sent in a third of a second at 1 Mbit/s
LARGEST_SMALL = 14_000  # bytes; a first visit loads three of them
LONGEST = 640  # pixels


def test_example_photos_are_small_copies_of_those_of_the_repository() -> None:
    assert len(PHOTOS) == 6
    for file in PHOTOS:
        name = file.name.replace(SMALL, "")
        assert (EXAMPLES / name).exists()  # whose licence the folder's README names
        assert file.stat().st_size <= (LARGEST if file.name == name else LARGEST_SMALL)
        with Image.open(file) as picture:
            assert picture.format == "JPEG"
            assert max(picture.size) <= LONGEST
            assert not picture.getexif()


async def test_example_photos_are_served_as_pictures_that_browsers_keep(
    url: str, client: ClientSession
) -> None:
    for file in PHOTOS:
        async with client.get(f"{url}/static/examples/{file.name}") as answer:
            assert answer.headers["Content-Type"] == "image/jpeg"
            assert answer.headers["Cache-Control"] == "max-age=86400"
            assert await answer.read() == file.read_bytes()
