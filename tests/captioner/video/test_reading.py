"""A few frames are read of any video, as players show them, whatever is wrong with the file."""

import io
from collections.abc import Iterable

import numpy as np
import pytest
from PIL import Image

from captioner.errors import BadImage
from captioner.photo.decode import decode
from captioner.photo.limits import Limits
from captioner.photo.preprocessing import Preprocessing, middle
from captioner.video.reading import Clip, read
from tests.captioner.video.making import RATE, SIZE, encoded
from tests.conftest import photo_bytes
from tests.pictures import BLACK, LEFT, RIGHT, WHITE, halves

SIDE = 32
GREEN = (40, 200, 60)
CONTAINERS = [
    ("mp4", "libx264"),
    ("mp4", "libx265"),
    ("mp4", "mpeg4"),
    ("mp4", "libsvtav1"),
    ("mov", "libx264"),
    ("mov", "mjpeg"),
    ("webm", "libvpx"),
    ("webm", "libvpx-vp9"),
    ("matroska", "libx264"),
]


def plain(colour: tuple[int, int, int], count: int = 1) -> list[Image.Image]:
    return count * [Image.new("RGB", SIZE, colour)]


def animated(frames: list[Image.Image], format_: str, milliseconds: int | list[int]) -> bytes:
    file = io.BytesIO()
    frames[0].save(
        file, format_, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0
    )
    return file.getvalue()


def colours(clip: Clip) -> list[str]:
    """Return the name of the colour of each frame, without those that repeat the one before."""
    names = {"red": LEFT, "blue": RIGHT, "green": GREEN, "black": BLACK, "white": WHITE}
    found: list[str] = []
    for square in clip.squares:
        mean = square.mean((0, 1))
        name = min(names, key=lambda name: float(np.abs(mean - names[name]).max()))
        assert np.abs(mean - names[name]).max() < 12, mean
        if not found or found[-1] != name:
            found.append(name)
    return found


def refusal(data: bytes, limits: Limits = Limits()) -> BadImage:
    with pytest.raises(BadImage) as refused:
        read(data, limits, SIDE)
    return refused.value


@pytest.mark.parametrize(("format_", "codec"), CONTAINERS)
def test_frames_come_in_their_order_with_their_seconds(format_: str, codec: str) -> None:
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    frames = plain(LEFT, RATE) + plain(GREEN, RATE) + plain(RIGHT, RATE)
    clip = read(encoded(frames, format_, codec, pixels=pixels), Limits(), SIDE)
    assert colours(clip) == ["red", "green", "blue"]
    assert len(clip.squares) == len(clip.times) == 6
    assert clip.seconds == clip.duration == pytest.approx(3, abs=0.1)
    wanted = [0.25, 0.75, 1.25, 1.75, 2.25, 2.75]
    for seconds, moment in zip(clip.times, wanted, strict=True):
        assert moment - 0.2 < seconds <= moment


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP", "AVIF"])
def test_an_animation_is_read_as_a_video(format_: str) -> None:
    frames = plain(LEFT, 10) + plain(GREEN, 10) + plain(RIGHT, 10)
    for index, frame in enumerate(frames):  # equal frames would be joined to one
        frames[index] = frame.copy()
        frames[index].putpixel((0, 0), (index, 0, 0))
    clip = read(animated(frames, format_, 100), Limits(), SIDE)
    assert colours(clip) == ["red", "green", "blue"]
    assert clip.seconds == pytest.approx(3)
    assert clip.times == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5], abs=0.11)


def test_a_frame_that_is_shown_long_is_read_once_and_one_that_follows_is_not_missed() -> None:
    clip = read(animated(plain(LEFT) + plain(RIGHT), "GIF", [60_000, 100]), Limits(), SIDE)
    assert (colours(clip), clip.times) == (["red", "blue"], [0, 60])


def test_a_long_animation_is_read_evenly() -> None:
    frames = [Image.new("RGB", (8, 8), (index, 0, 0)) for index in range(250)]
    clip = read(animated(frames, "GIF", 400), Limits(), SIDE)
    assert Limits.video_frames // 2 <= len(clip.times) <= Limits.video_frames
    assert np.diff(clip.times) == pytest.approx(clip.times[1], abs=0.5)
    assert clip.times[-1] > 90


def test_the_picture_that_others_show_of_an_apng_is_no_frame() -> None:
    file = io.BytesIO()
    first, *others = plain(WHITE) + plain(LEFT) + plain(RIGHT)
    first.save(file, "PNG", save_all=True, append_images=others, default_image=True, duration=1000)
    assert colours(read(file.getvalue(), Limits(), SIDE)) == ["red", "blue"]


def test_a_photo_is_one_frame_of_no_length() -> None:
    clip = read(photo_bytes(0), Limits(), SIDE, 20)
    assert (clip.seconds, clip.duration, clip.times) == (0, 0, [0])
    assert np.array_equal(clip.squares[0], Preprocessing(SIDE).squeeze(decode(photo_bytes(0))))
    assert np.array_equal(clip.middles[0], middle(decode(photo_bytes(0)), 20))


def test_a_gif_of_one_frame_is_a_photo() -> None:
    clip = read(animated(plain(LEFT), "GIF", 100), Limits(), SIDE)
    assert (clip.seconds, len(clip.squares)) == (0, 1)


def test_the_middle_of_each_frame_comes_with_it() -> None:
    clip = read(encoded([halves().resize(SIZE)] * 2 * RATE), Limits(), SIDE, 20)
    assert [square.shape for square in clip.middles] == 4 * [(20, 20, 3)]


def test_a_variable_rate_is_read_by_its_times() -> None:
    frames = plain(LEFT) + plain(GREEN) + plain(RIGHT) + plain(BLACK)
    data = encoded(frames, "matroska", times=[0, 4, 9.5, 10])
    clip = read(data, Limits(), SIDE)
    assert colours(clip) == ["red", "green", "blue"]  # the last one is shown for no moment wanted
    assert clip.times == pytest.approx([0, 4, 9.5])


def test_sound_and_subtitles_are_ignored() -> None:
    data = encoded(plain(LEFT, RATE), sound=1.0)
    assert b"mp4a" in data
    assert colours(read(data, Limits(), SIDE)) == ["red"]


def test_a_file_of_sound_alone_has_no_frames() -> None:
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 48_000
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    assert refusal(file.getvalue()).kind == "no frames"


def test_a_file_without_an_index_is_read() -> None:
    frames = plain(LEFT, RATE) + plain(RIGHT, RATE)
    for muxer in ({"movflags": "frag_keyframe+empty_moov"}, {"movflags": "frag_every_frame"}):
        clip = read(encoded(frames, muxer=muxer), Limits(), SIDE)
        assert colours(clip) == ["red", "blue"]
    live = encoded(frames, "webm", "libvpx", muxer={"live": "1"})
    assert b"\x1c\x53\xbb\x6b" not in live  # the index of a WebM
    assert colours(read(live, Limits(), SIDE)) == ["red", "blue"]


def noisy(count: int) -> Iterable[Image.Image]:
    return [Image.effect_noise(SIZE, 64 + index).convert("RGB") for index in range(count)]


@pytest.mark.parametrize(
    ("format_", "codec", "muxer"),
    [
        ("mp4", "libx264", {"movflags": "faststart"}),
        ("mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
        ("matroska", "libx264", {}),
        ("webm", "libvpx", {}),
    ],
)
def test_a_file_that_is_cut_off_is_read_as_far_as_it_goes(
    format_: str, codec: str, muxer: dict[str, str]
) -> None:
    data = encoded(noisy(6 * RATE), format_, codec, muxer=muxer, g=str(RATE))
    whole, half = read(data, Limits(), SIDE), read(data[: len(data) // 2], Limits(), SIDE)
    assert 3 <= len(half.squares) < len(whole.squares)
    assert half.seconds == pytest.approx(whole.seconds / 2, abs=1.5)


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP", "AVIF"])
def test_an_animation_that_is_cut_off_is_read_as_far_as_it_goes(format_: str) -> None:
    data = animated(list(noisy(30)), format_, 100)
    half = read(data[: len(data) * 3 // 5], Limits(), SIDE)
    assert half.seconds == pytest.approx(1.8, abs=0.3)
    assert 3 <= len(half.squares) <= 4


def test_an_avif_that_is_cut_off_before_its_pictures_is_damaged() -> None:
    data = animated(list(noisy(3)), "AVIF", 100)
    assert refusal(data[: data.index(b"mdat") - 8]).kind == "damaged"
    assert refusal(data[: data.index(b"mdat") + 99]).kind == "damaged"


def test_an_mp4_that_is_cut_off_before_its_index_is_damaged() -> None:
    data = encoded(plain(LEFT, RATE))
    assert refusal(data[: data.index(b"moov") - 8]).kind == "damaged"


def test_a_broken_part_is_left_out() -> None:
    data = bytearray(encoded(noisy(6 * RATE), g=str(RATE), muxer={"movflags": "faststart"}))
    start = data.index(b"mdat") + len(data) // 2
    data[start : start + 4000] = bytes(4000)
    clip = read(bytes(data), Limits(), SIDE)
    assert len(clip.squares) >= 6


def test_a_frame_above_the_limit_is_refused_before_it_is_decoded() -> None:
    error = refusal(encoded(plain(LEFT, 2)), Limits(max_pixels=320 * 240 - 1))
    assert error.kind == "too many pixels"
    assert (error.numbers["width"], error.numbers["height"]) == SIZE


def test_the_file_itself_is_checked_as_a_photo() -> None:
    assert refusal(b"").kind == "empty"
    assert refusal(bytes(11), Limits(max_bytes=10)).kind == "too many bytes"
    assert refusal(b"hello").kind == "unsupported"
