import asyncio
import math
import threading
import time
from pathlib import Path

import pytest
import torch

from captioner import BadImage, Busy, Caption, Captioner, Options
from captioner.checkpoint import CheckpointError
from captioner.confidence import Calibration, Features
from captioner.forward_pass import Answer, Request
from captioner.languages.repetition import repeats_word
from captioner.languages.small_words import ENGLISH
from captioner.photo.limits import Limits
from captioner.photo.sandbox import Sandbox
from captioner.runtime.errors import UnusableError
from captioner.runtime.pytorch import PyTorchNetwork, pick_device
from captioner.serving import Measurement, ServingConfig
from tests.captioner.photo.hostile import HOSTILE
from tests.conftest import Trained, on_cpu, photo_bytes

PHOTOS = [photo_bytes(seed) for seed in range(6)]


class Held(Captioner):
    """A captioner whose batches wait until they are released."""

    began: threading.Event
    go: threading.Event

    def _caption_batch(self, requests: list[Request]) -> list[Answer]:
        self.began.set()
        assert self.go.wait(5)
        return super()._caption_batch(requests)


@pytest.fixture
def held(tiny: Trained) -> Held:
    captioner = Held(*on_cpu(tiny), ServingConfig(max_batch=1, max_wait=0, max_queue=2))
    captioner.began, captioner.go = threading.Event(), threading.Event()
    return captioner


async def test_a_photo_becomes_a_sentence(tiny_file: Path) -> None:
    async with Captioner.load(tiny_file, "cpu") as captioner:
        caption = await captioner.caption(PHOTOS[0])
    assert caption.text.endswith(".")
    assert caption.text[0] == caption.text[0].upper()
    words = [word.text for word in caption.words]
    assert caption.text.lower() == f"{' '.join(words)}."
    # The probability of the sentence also counts that it ends.
    assert caption.logprob < math.fsum(word.logprob for word in caption.words) < 0
    assert caption.alternatives == ()


async def test_no_caption_repeats_a_word_unless_it_may(tiny: Trained) -> None:
    async with Captioner(*on_cpu(tiny)) as captioner:
        for may in (False, True):
            options = Options(beam=1, no_repeat_ngram=0, repeat_words=may)
            captions = [await captioner.caption(photo, options) for photo in PHOTOS]
            words = [[word.text for word in caption.words] for caption in captions]
            assert any(repeats_word(sentence, ENGLISH) for sentence in words) == may


async def test_the_calibration_gives_each_sentence_its_confidence(tiny: Trained) -> None:
    calibration = Calibration(right=50, intercept=3.0, mean=2.0, length=-0.1)
    options = [Options(alternatives=2), Options(sample=True, seed=3, alternatives=2)]
    async with Captioner(*on_cpu(tiny.having(calibration=calibration))) as captioner:
        captions = [await captioner.caption(PHOTOS[0], one) for one in options]
    sentences = [one for caption in captions for one in (caption, *caption.alternatives)]
    for one in sentences:
        count = len(one.words) + 1
        expected = calibration.probability(Features(one.logprob / count, count))
        assert one.confidence == pytest.approx(expected)
    assert len({one.confidence for one in sentences}) > 1


async def test_without_a_calibration_the_confidence_is_the_mean_probability_of_a_word(
    tiny: Trained,
) -> None:
    async with Captioner(*on_cpu(tiny)) as captioner:
        caption = await captioner.caption(PHOTOS[0])
    expected = math.exp(caption.logprob / (len(caption.words) + 1))
    assert caption.confidence == pytest.approx(expected)


async def test_alternatives_differ_from_the_caption_and_from_each_other(tiny: Trained) -> None:
    async with Captioner(*on_cpu(tiny)) as captioner:
        caption = await captioner.caption(PHOTOS[0], Options(alternatives=3))
    assert len({caption.text, *(other.text for other in caption.alternatives)}) == 4


async def test_attention_covers_the_photo_word_by_word(tiny: Trained) -> None:
    async with Captioner(*on_cpu(tiny)) as captioner:
        caption = await captioner.caption(PHOTOS[0], Options(attention=True))
    for word in caption.words:
        assert word.attention is not None
        assert word.attention.shape == (2, 2)
        assert word.attention.sum() == pytest.approx(1)


async def test_photos_of_a_batch_get_the_captions_that_they_get_alone(tiny: Trained) -> None:
    asked = [Options(), Options(beam=1), Options(sample=True, seed=3)] * 2
    async with Captioner(*on_cpu(tiny), ServingConfig(max_wait=1, max_batch=6)) as captioner:
        together = await asyncio.gather(*map(captioner.caption, PHOTOS, asked))
    async with Captioner(*on_cpu(tiny), ServingConfig(max_wait=0, max_batch=1)) as captioner:
        alone = [
            await captioner.caption(photo, options)
            for photo, options in zip(PHOTOS, asked, strict=True)
        ]
    assert [caption.text for caption in together] == [caption.text for caption in alone]
    assert len({caption.text for caption in together}) > 1


async def test_a_truncated_photo_fails_alone(tiny: Trained) -> None:
    broken = PHOTOS[1][: len(PHOTOS[1]) // 2]
    async with Captioner(*on_cpu(tiny), ServingConfig(max_wait=0.2)) as captioner:
        first, second, third = await asyncio.gather(
            *map(captioner.caption, [PHOTOS[0], broken, PHOTOS[2]]), return_exceptions=True
        )
    assert isinstance(first, Caption)
    assert isinstance(second, BadImage)
    assert isinstance(third, Caption)


async def test_the_limits_of_the_serving_config_apply(tiny: Trained) -> None:
    async with Captioner(*on_cpu(tiny), ServingConfig(limits=Limits(max_bytes=10))) as captioner:
        with pytest.raises(BadImage, match="too large"):
            await captioner.caption(PHOTOS[0])


async def test_a_caption_has_the_seconds_of_each_stage(tiny: Trained) -> None:
    async with Captioner(*on_cpu(tiny), ServingConfig(max_wait=0.05)) as captioner:
        started = time.perf_counter()
        first, second = await asyncio.gather(*map(captioner.caption, [PHOTOS[0], PHOTOS[0]]))
        took = time.perf_counter() - started
    for caption in (first, second):
        assert list(caption.seconds) == ["decode", "wait", "encoder", "decoder"]
        assert all(seconds > 0 for seconds in caption.seconds.values())
        assert sum(caption.seconds.values()) <= took
    assert first.seconds["wait"] != second.seconds["wait"]
    assert first == second
    assert "seconds" not in repr(first)


async def test_a_video_is_not_captioned_as_a_photo(tiny: Trained) -> None:
    async with Captioner(*on_cpu(tiny), ServingConfig(decoders=1)) as captioner:
        with pytest.raises(BadImage, match="only photos") as refused:
            await captioner.caption(b"\x1aE\xdf\xa3")
    assert (refused.value.kind, refused.value.video) == ("unsupported", True)


async def test_pixels_are_the_photo_scaled_down(tiny: Trained) -> None:
    async with Captioner(*on_cpu(tiny), ServingConfig(decoders=1)) as captioner:
        pixels = await captioner.pixels(PHOTOS[0], 48)
        with pytest.raises(BadImage):
            await captioner.pixels(b"", 48)
    assert pixels.shape == (40, 48, 3)
    with pytest.raises(Busy, match="stopping"):
        await captioner.pixels(PHOTOS[0], 48)


async def test_a_photo_that_takes_too_long_fails_alone(tiny: Trained) -> None:
    slow = HOSTILE["JPEG, a million EXIF segments"]()
    serving = ServingConfig(limits=Limits(seconds=1), decoders=2)
    async with Captioner(*on_cpu(tiny), serving) as captioner:
        late = asyncio.create_task(captioner.caption(slow))
        assert (await captioner.caption(PHOTOS[0])).text
        assert not late.done()
        with pytest.raises(BadImage, match="too long"):
            await late


async def test_a_sandbox_that_is_passed_serves_on_after_the_captioner(tiny: Trained) -> None:
    async with Sandbox(workers=1) as sandbox:
        for _ in range(2):
            async with Captioner(*on_cpu(tiny), sandbox=sandbox) as captioner:
                assert (await captioner.caption(PHOTOS[0])).text
        assert (await sandbox.squeeze(PHOTOS[0], 64)).pixels.shape == (64, 64, 3)


async def test_each_stage_is_measured(tiny: Trained) -> None:
    measured: list[Measurement] = []
    serving = ServingConfig(max_wait=1, max_batch=3)
    async with Captioner(*on_cpu(tiny), serving, measured.append) as captioner:
        await asyncio.gather(*(captioner.caption(photo_bytes(seed)) for seed in range(3)))
        assert captioner.waiting == 0

    stages = [(one.stage, one.photos) for one in measured]
    assert stages == [("decode", 1)] * 3 + [("encoder", 3), ("decoder", 3)]
    assert all(one.seconds > 0 for one in measured)


async def test_too_many_photos_are_refused_at_once_and_the_others_answered(held: Held) -> None:
    async with held:
        tasks = [asyncio.create_task(held.caption(PHOTOS[0])) for _ in range(8)]
        async with asyncio.timeout(5):
            while sum(task.done() for task in tasks) < 5:
                await asyncio.sleep(0.005)
        refused = [task for task in tasks if task.done()]
        assert all(isinstance(task.exception(), Busy) for task in refused)
        with pytest.raises(Busy):
            held.check_room()
        held.go.set()
        answered = [await task for task in tasks if task not in refused]
        held.check_room()
    assert answered
    assert all(caption.text for caption in answered)
    with pytest.raises(Busy, match="stopping"):
        held.check_room()


async def test_closing_answers_accepted_photos_and_accepts_no_more(held: Held) -> None:
    await held.__aenter__()
    accepted = asyncio.create_task(held.caption(PHOTOS[0]))
    async with asyncio.timeout(5):
        while not held.began.is_set():
            await asyncio.sleep(0.001)
    leaving = asyncio.create_task(held.__aexit__(None, None, None))
    await asyncio.sleep(0.01)
    held.go.set()
    await asyncio.wait_for(leaving, 5)
    assert (await accepted).text
    with pytest.raises(Busy, match="stopping"):
        await held.caption(PHOTOS[0])


async def test_a_full_device_halves_the_batch_and_goes_on(
    tiny: Trained, caplog: pytest.LogCaptureFixture
) -> None:
    class Small(Captioner):
        sizes: list[int]

        def _caption_batch(self, requests: list[Request]) -> list[Answer]:
            self.sizes.append(len(requests))
            if len(requests) > 2:
                raise torch.OutOfMemoryError("out of memory")
            return super()._caption_batch(requests)

    async with Small(*on_cpu(tiny), ServingConfig(max_batch=6, max_wait=1)) as captioner:
        captioner.sizes = []
        captions = await asyncio.gather(*map(captioner.caption, PHOTOS))
        captioner._batcher.max_wait = 0
        again = [await captioner.caption(photo) for photo in PHOTOS]
    assert [caption.text for caption in captions] == [caption.text for caption in again]
    assert captioner.sizes[:5] == [6, 3, 1, 2, 3]
    assert max(captioner.sizes[7:]) == 1
    assert "halved" in caplog.text


async def test_batches_side_by_side_are_each_halved_on_a_full_device(tiny: Trained) -> None:
    class Small(Captioner):
        together: threading.Barrier

        def _caption_batch(self, requests: list[Request]) -> list[Answer]:
            if len(requests) == 3:
                self.together.wait(5)
            if len(requests) > 1:
                raise torch.OutOfMemoryError("out of memory")
            return super()._caption_batch(requests)

    metadata, network = on_cpu(tiny)
    network.parallel = 2
    async with Small(metadata, network, ServingConfig(max_batch=6, max_wait=5)) as captioner:
        captioner.together = threading.Barrier(2)
        captions = await asyncio.gather(*map(captioner.caption, PHOTOS))
        assert captioner._batcher.max_batch == 1
        assert captions == [await captioner.caption(photo) for photo in PHOTOS]


async def test_one_photo_that_does_not_fit_the_device_is_an_error(tiny: Trained) -> None:
    class Full(Captioner):
        def _caption_batch(self, requests: list[Request]) -> list[Answer]:
            raise torch.OutOfMemoryError("out of memory")

    async with Full(*on_cpu(tiny)) as captioner:
        with pytest.raises(torch.OutOfMemoryError):
            await captioner.caption(PHOTOS[0])


def test_auto_is_the_fastest_device(monkeypatch: pytest.MonkeyPatch) -> None:
    for cuda, mps, device in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda answer=cuda: answer)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda answer=mps: answer)
        assert pick_device() == device


@pytest.mark.parametrize("device", ["toaster", "cuda:99"])
def test_a_missing_device_is_named(tiny: Trained, device: str) -> None:
    with pytest.raises(UnusableError, match=f"^device '{device}' cannot be used: ") as caught:
        PyTorchNetwork(tiny.model, tiny.metadata.preprocessing, device)
    assert caught.value.setting == "device"


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nothing\.safetensors"):
        Captioner.load(tmp_path / "nothing.safetensors")
