"""Videos on the command line: as a line of text, as JSON, and as WebVTT."""

import asyncio
import json
from pathlib import Path

import pytest
from PIL import Image

from captioner import Caption, Captioner, Options, VideoCaption
from captioner.__main__ import main
from captioner.command_line import captioning
from captioner.command_line.attempt import attempt, serving
from captioner.command_line.captioning import Printing
from captioner.command_line.files import PhotoFile, find
from captioner.errors import BadImage
from captioner.photo.limits import Limits
from captioner.serving import ServingConfig
from tests.captioner.video.making import RATE, SIZE, encoded
from tests.conftest import Trained, on_cpu, photo_bytes
from tests.pictures import LEFT, RIGHT, saved

Captured = pytest.CaptureFixture[str]
PRINTING = Printing(as_json=False, named=False, explain=None, profile=False)


@pytest.fixture(scope="module")
def video_file() -> bytes:
    noise = [Image.effect_noise(SIZE, 40 + index).convert("RGB") for index in range(2 * RATE)]
    return encoded(noise)


def run(tiny: Trained, printing: Printing, *files: bytes) -> int:
    photos = [PhotoFile(f"{index}", data=data) for index, data in enumerate(files)]
    captioner = Captioner(*on_cpu(tiny), serving(Limits(), decoders=1))
    options = Options(attention=printing.explain is not None)
    return asyncio.run(captioning.run(captioner, photos, options, printing))


def test_a_video_is_told_in_one_line(tiny: Trained, video_file: bytes, capsys: Captured) -> None:
    assert run(tiny, PRINTING, video_file) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith((".", ")"))


def test_a_video_as_json_has_its_scenes(tiny: Trained, video_file: bytes, capsys: Captured) -> None:
    assert run(tiny, Printing(True, False, None, False), video_file) == 0
    told = json.loads(capsys.readouterr().out)
    whole = {"caption", "alt_text", "doubt", "confidence", "unfamiliar", "objects", "alternatives"}
    parts = {"text", "language", "seconds", "duration", "scenes"}
    assert told.keys() == {"file"} | whole | parts
    assert told["seconds"] == told["duration"] == pytest.approx(2, abs=0.1)
    for scene in told["scenes"]:
        assert 0 <= scene["start"] <= scene["frame"] < scene["end"] <= told["seconds"]
        assert scene["caption"]
        assert 0 <= scene["confidence"] <= 1
        assert scene["repeats"] is None or not scene["told"]
    assert told["scenes"][0]["told"] is True


def test_a_gif_of_one_frame_is_a_photo(tiny: Trained, capsys: Captured) -> None:
    still = saved(Image.new("RGB", SIZE, LEFT), "GIF")
    assert run(tiny, Printing(True, False, None, False), still) == 0
    assert "scenes" not in json.loads(capsys.readouterr().out)


def test_the_scenes_of_a_video_are_written_as_subtitles(
    tiny: Trained, video_file: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "out.vtt"
    assert run(tiny, Printing(False, False, None, False, out), video_file) == 0
    assert out.read_text().startswith("WEBVTT\n\n00:00:00.000 --> 00:00:0")


def test_subtitles_that_cannot_be_written_are_a_problem(
    tiny: Trained, video_file: bytes, tmp_path: Path, capsys: Captured
) -> None:
    assert (
        run(tiny, Printing(False, False, None, False, tmp_path / "none" / "out.vtt"), video_file)
        == 1
    )
    assert "--vtt: " in capsys.readouterr().err


def test_a_photo_has_no_subtitles_and_a_video_no_sheet(
    tiny: Trained, video_file: bytes, tmp_path: Path, capsys: Captured
) -> None:
    assert run(tiny, Printing(False, False, None, False, tmp_path / "out.vtt"), photo_bytes(1)) == 1
    assert capsys.readouterr().err == "0: This is a photo; --vtt is for videos.\n"
    assert run(tiny, Printing(False, False, tmp_path / "out.png", False), video_file) == 1
    assert str(BadImage("unsupported", video=True)) in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_many_videos_wait_for_one_another(tiny: Trained, capsys: Captured) -> None:
    files = [saved(Image.new("RGB", SIZE, shade), "GIF") for shade in (LEFT, RIGHT)]
    count = 2 * ServingConfig.max_videos
    assert run(tiny, PRINTING, *count // 2 * files) == 0
    assert len(capsys.readouterr().out.splitlines()) == count


def test_videos_in_a_folder_are_found(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.jpg", "c.txt", ".d.mp4", "e.MOV"):
        (tmp_path / name).touch()
    assert [Path(one.name).name for one in find([str(tmp_path)])] == ["a.jpg", "b.mp4", "e.MOV"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["a.mp4", "b.mp4", "--vtt", "out.vtt"], "--vtt is for one video, not for several"),
        (["a.mp4", "--vtt", "missing/out.vtt"], "--vtt cannot be missing/out.vtt: there is no"),
        (["a.mp4", "--json", "--resume", "o.jsonl", "--vtt", "out.vtt"], "is not for --resume"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], reason: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--vtt", "--explain"])
def test_a_file_is_not_overwritten_with_what_is_made_of_it(
    option: str, tmp_path: Path, capsys: Captured
) -> None:
    video_file, link = tmp_path / "a.mp4", tmp_path / "b.png"
    video_file.write_bytes(b"a video")
    link.symlink_to(video_file)
    with pytest.raises(SystemExit):
        main([str(video_file), option, str(link)])
    assert "itself, which would be overwritten" in capsys.readouterr().err
    assert video_file.read_bytes() == b"a video"


async def test_an_animation_is_a_photo_where_only_captions_have_a_place(tiny: Trained) -> None:
    frames = [Image.effect_noise(SIZE, 40 + index).convert("RGB") for index in range(3)]
    moving = saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=900)
    async with Captioner(*on_cpu(tiny), serving(Limits(), decoders=1)) as captioner:
        photo = PhotoFile("a.gif", data=moving)
        told = await attempt(captioner, photo, Options())
        captioned = await attempt(captioner, photo, Options(), videos=False)
    assert isinstance(told.result, VideoCaption)
    assert isinstance(captioned.result, Caption)


def test_where_the_attention_is_drawn_an_animation_is_a_photo(
    tiny: Trained, tmp_path: Path, capsys: Captured
) -> None:
    frames = [Image.effect_noise(SIZE, 40 + index).convert("RGB") for index in range(3)]
    moving = saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=900)
    assert run(tiny, Printing(True, False, tmp_path / "out.png", False), moving) == 0
    assert "scenes" not in json.loads(capsys.readouterr().out)
    assert (tmp_path / "out.png").exists()
