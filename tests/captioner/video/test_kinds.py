"""What a file is can be told by its first bytes."""

import io

import pytest
from PIL import Image

from captioner.photo.formats import is_photo_name, is_video_name
from captioner.video.kinds import is_moving, kind
from tests.captioner.video.hostile import VALID as VIDEOS
from tests.pictures import VALID as PICTURES


@pytest.mark.parametrize("name", sorted(VIDEOS))
def test_videos_are_told_by_their_containers(name: str) -> None:
    expected = "mp4" if name.startswith(("MP4", "MOV")) else "matroska"
    assert kind(VIDEOS[name]) == expected
    assert is_moving(VIDEOS[name])


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_pictures_are_told_from_animations(name: str) -> None:
    moving = "GIF" in name or "animated" in name
    assert kind(PICTURES[name]) == ("animation" if moving else "picture")


@pytest.mark.parametrize("format_", ["WEBP", "AVIF"])
def test_an_animation_is_told_from_a_picture_of_its_format(format_: str) -> None:
    frames = [Image.new("RGB", (64, 64), (shade, 0, 0)) for shade in (0, 200)]
    file = io.BytesIO()
    frames[0].save(file, format_, save_all=True, append_images=frames[1:])
    assert kind(file.getvalue()) == "animation"


@pytest.mark.parametrize("data", [b"", b"\0", b"ftyp", b"hello", b"RIFF\0\0\0\0WEBPVP8X"])
def test_what_is_no_video_is_left_to_the_reader_of_pictures(data: bytes) -> None:
    assert kind(data) == "picture"


def test_names_of_videos_are_not_names_of_photos() -> None:
    for name in ("a.mp4", "a.MOV", "a.webm", "a.mkv", "a.m4v", "a.3gp"):
        assert is_video_name(name)
        assert not is_photo_name(name)
    assert not is_video_name(".hidden.mp4")
    assert not is_video_name("a.gif")
    assert is_photo_name("a.gif")
