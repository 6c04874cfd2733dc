"""Times are those of a player's clock, and no more of a video is used than was decoded."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioner.photo.limits import Limits
from captioner.video.decode import _shown_at
from captioner.video.reading import read
from tests.captioner.video.making import RATE, cross_faded, encoded, scene, shifted
from tests.captioner.video.test_reading import GREEN, SIDE, animated, colours, plain
from tests.pictures import LEFT, RIGHT

PHOTOS = sorted((Path(__file__).parents[3] / "examples").rglob("*.jpg"))


def test_a_trimmed_start_is_left_out_as_players_do() -> None:
    frames = plain(LEFT, 2 * RATE) + plain(GREEN, 2 * RATE) + plain(RIGHT, 2 * RATE)
    clip = read(shifted(encoded(frames, "mp4", g="1000", bf="0"), -1.0), Limits(), SIDE)
    assert colours(clip) == ["red", "green", "blue"]
    assert (clip.seconds, clip.duration) == pytest.approx((5, 5), abs=0.1)
    first_green = clip.times[next(at for at, one in enumerate(clip.squares) if one[0, 0, 1] > 150)]
    assert first_green == pytest.approx(1, abs=0.5)


def test_pictures_that_begin_after_the_sound_begin_then() -> None:
    data = shifted(encoded(plain(LEFT, RATE) + plain(RIGHT, RATE)), 5.0, sound=8.0)
    clip = read(data, Limits(), SIDE)
    assert clip.times == pytest.approx([5.2, 5.7, 6.2, 6.7], abs=0.1)
    assert clip.starts[0] == pytest.approx(5, abs=0.01)
    assert (clip.seconds, clip.duration) == pytest.approx((8, 8), abs=0.1)  # the sound's end
    assert len(read(data, Limits(video_seconds=6), SIDE).times) == 2


@pytest.mark.parametrize("format_", ["matroska", "mp4"])
def test_a_picture_with_music_is_seen_whole(format_: str) -> None:
    clip = read(encoded(plain(LEFT, 1), format_, sound=9.0), Limits(), SIDE)
    assert (clip.times, clip.starts) == ([0], [0])
    assert clip.seconds == clip.duration == pytest.approx(9, abs=0.1)
    part = read(encoded(plain(LEFT, 5 * RATE), format_, sound=9.0), Limits(video_seconds=4), SIDE)
    assert part.seconds == 4
    assert part.duration == pytest.approx(9, abs=0.1)


@pytest.mark.parametrize("format_", ["matroska", "mp4"])
def test_a_file_that_is_cut_off_was_not_seen_whole(format_: str) -> None:
    noisy = [
        Image.fromarray(np.random.default_rng(index).integers(0, 256, (48, 64, 3), np.uint8))
        for index in range(8 * RATE)
    ]
    muxer = {"movflags": "faststart"} if format_ == "mp4" else {}
    data = encoded(noisy, format_, sound=8.0, muxer=muxer)
    clip = read(data[: len(data) // 2], Limits(), SIDE)
    assert clip.seconds < 6
    assert clip.duration == pytest.approx(8, abs=0.2)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1"])
def test_a_frame_that_is_shown_for_seconds_is_never_missed(codec: str) -> None:
    moving = [Image.new("RGB", (64, 64), (index % 8, 0, 0)) for index in range(600)]
    slides = [Image.new("RGB", (64, 64), (40 * index, 0, 200)) for index in range(1, 7)]
    times = [index / 60 for index in range(600)] + [10.0 + 2 * index for index in range(7)]
    data = encoded([*moving, *slides, slides[-1]], codec=codec, rate=60, times=times)
    clip = read(data, Limits(), SIDE)
    reds = {round(int(square[0, 0, 0]) / 40) for square in clip.squares if square[0, 0, 2] > 100}
    assert reds == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize(
    ("codec", "limits"),
    [
        ("libx264", Limits(video_frames=1)),
        ("libx264", Limits(video_frames=3, video_seconds=20)),
        ("mjpeg", Limits(video_frames=3)),
    ],
)
def test_what_is_seen_first_begins_where_the_video_does(codec: str, limits: Limits) -> None:
    format_, pixels = ("mov", "yuvj420p") if codec == "mjpeg" else ("mp4", "yuv420p")
    data = encoded(plain(LEFT, 30 * RATE), format_, codec, pixels=pixels)
    assert read(data, limits, SIDE).starts[0] == 0


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP"])
def test_a_long_animation_is_known_to_go_on(format_: str) -> None:
    slides = [Image.new("RGB", (64, 64), (20 * index, 0, 200)) for index in range(10)]
    clip = read(animated(slides, format_, 30_000), Limits(), SIDE)
    assert (clip.seconds, clip.duration) == pytest.approx((120, 300))
    first = read(animated(slides, format_, 30_000), Limits(video_seconds=10), SIDE)
    assert (first.seconds, first.duration) == pytest.approx((10, 300))
    assert len(first.times) == 1


@pytest.mark.parametrize("format_", ["matroska", "mp4"])
def test_a_video_that_starts_later_on_its_own_clock_starts_at_0_on_that_of_a_player(
    format_: str,
) -> None:
    data = shifted(encoded(plain(LEFT, RATE) + plain(RIGHT, RATE)), 100.0, format_)
    clip = read(data, Limits(video_seconds=50), SIDE)
    assert clip.times == pytest.approx([0.2, 0.7, 1.2, 1.7], abs=0.1)
    assert clip.starts[0] == 0
    assert (clip.seconds, clip.duration) == pytest.approx((2, 2), abs=0.1)


@pytest.mark.parametrize(
    ("codec", "sc_threshold", "error"),
    [
        ("libx264", "40", 0.01),
        # Keyframes each second and not at cuts: the last frames before them are not decoded.
        ("libx264", "0", 0.26),
        ("mpeg4", "0", 0.26),
    ],
)
def test_a_scene_starts_where_it_was_cut(codec: str, sc_threshold: str, error: float) -> None:
    made = zip(PHOTOS, ("still", "pan", "zoom", "shake"), (1.9, 2.4, 1.7, 2.2), strict=False)
    scenes = [
        scene(Image.open(path).convert("RGB"), seconds, move=move, noise=6, seed=number)
        for number, (path, move, seconds) in enumerate(made)
    ]
    clip = read(
        encoded(cross_faded(scenes, 0), codec=codec, g=str(RATE), sc_threshold=sc_threshold),
        Limits(),
        SIDE,
    )
    cut = 0.0
    for before in scenes[:-1]:
        cut += len(before) / RATE
        index = next(index for index, time in enumerate(clip.times) if time >= cut - 0.001)
        assert clip.starts[index] == pytest.approx(cut, abs=error)


def test_a_scene_of_an_animation_starts_where_it_was_cut_however_long_it_is() -> None:
    frames = [Image.new("RGB", (64, 64), (100, index % 8, 0)) for index in range(130)]
    frames += [Image.new("RGB", (64, 64), (20, index % 8, 200)) for index in range(120)]
    for format_ in ("GIF", "PNG", "WEBP"):
        clip = read(animated(frames, format_, 400), Limits(), SIDE)
        index = next(index for index, square in enumerate(clip.squares) if square[0, 0, 2] > 100)
        assert clip.starts[index] == pytest.approx(52, abs=0.01)


def test_the_settings_say_how_much_is_used() -> None:
    limits = Limits(video_seconds=3, video_frames=4)
    colours = [Image.new("RGB", (64, 64), (index, 0, 0)) for index in range(100)]
    for data in (encoded(colours, rate=10), animated(colours, "GIF", 100)):
        clip = read(data, limits, SIDE)
        assert 2 <= len(clip.squares) <= 4
        assert clip.seconds == 3
        assert clip.times[-1] < 3


def test_keyframes_that_are_far_apart_do_not_hide_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("captioner.video.decode.DECODED_PIXELS", 1)
    frames = plain(LEFT, 6 * RATE) + plain(GREEN, 6 * RATE) + plain(RIGHT, 6 * RATE)
    clip = read(encoded(frames, g="1000", sc_threshold="0"), Limits(), SIDE)
    assert colours(clip) == ["red", "green", "blue"]
    assert clip.seconds == pytest.approx(18, abs=0.1)


def test_seconds_end_where_decoding_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("captioner.video.decode.MANY_PIXELS", 80 * 320 * 240)
    clip = read(encoded(plain(LEFT, 15 * RATE), g="1000", sc_threshold="0"), Limits(), SIDE)
    assert clip.seconds == pytest.approx(80 / RATE, abs=0.5)
    assert clip.duration == pytest.approx(15, abs=0.1)
    assert clip.times[-1] < clip.seconds


def test_a_long_video_is_read_up_to_its_limit() -> None:
    frames = [Image.new("RGB", (64, 64), (index % 256, 0, 0)) for index in range(150)]
    clip = read(encoded(frames, rate=1), Limits(), SIDE)
    assert clip.seconds == Limits.video_seconds
    assert clip.duration == pytest.approx(150, abs=1)
    assert len(clip.squares) == Limits.video_frames
    assert clip.times[-1] <= Limits.video_seconds
    assert np.diff(clip.times) == pytest.approx(2.5, abs=1)


def test_a_costly_video_is_read_by_its_keyframes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("captioner.video.decode.DECODED_PIXELS", 1)
    frames = plain(LEFT, 2 * RATE) + plain(GREEN, 2 * RATE) + plain(RIGHT, 2 * RATE)
    clip = read(encoded(frames, g=str(2 * RATE), sc_threshold="0"), Limits(), SIDE)
    assert (colours(clip), clip.times) == (["red", "green", "blue"], [0, 2, 4])


def test_the_end_of_a_video_is_seen_too_where_the_time_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("captioner.video.decode.HURRY", 0)
    frames = plain(LEFT, 2 * RATE) + plain(GREEN, 2 * RATE) + plain(RIGHT, 2 * RATE)
    clip = read(encoded(frames, g=str(2 * RATE), sc_threshold="0"), Limits(), SIDE)
    assert colours(clip) == ["red", "green", "blue"]
    assert clip.times[:2] == [0, 2]  # and then the last group of pictures, whole
    assert clip.seconds == pytest.approx(6)


def test_what_has_been_decoded_must_do_when_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("captioner.video.decode.SHARE", 0)
    frames = plain(LEFT, 6 * RATE)
    clip = read(encoded(frames, "mov", "mjpeg", pixels="yuvj420p"), Limits(), SIDE)
    assert len(clip.squares) == 1


def test_a_moment_has_the_frame_that_is_shown_then_and_none_goes_back_in_time() -> None:
    frames = [(0.0, "a"), (1.0, "b"), (0.5, "late"), (2.0, "c"), (9.0, "d")]
    assert list(_shown_at([0.5, 1.5, 1.7, 5.0], frames)) == [(0, "a"), (1, "b"), (2, "c")]
    assert list(_shown_at([0.5], [(0.7, "first")])) == [(0.7, "first")]
