"""A captioner speaks the languages of its checkpoint, each in batches with the others."""

import asyncio
import shutil
from pathlib import Path

import pytest

from captioner import Captioner, Options
from captioner.checkpoint import CheckpointError
from captioner.export.command import main as export
from captioner.options import OptionError
from captioner.runtime.select import Runtime
from captioner.serving import ServingConfig
from captioner.speakers import languages_of
from tests.captioner.languages.speaking import CAPTIONS, speaking
from tests.conftest import photo_bytes

pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold a checkpoint, its languages, and the exports of both."""
    folder = tmp_path_factory.mktemp("languages")
    speaking(folder)
    photos = folder / "photos"
    photos.mkdir()
    for seed in range(4):
        (photos / f"{seed}.jpg").write_bytes(photo_bytes(seed))
    arguments = ["--checkpoint", str(folder / "default.safetensors"), "--photos", str(photos)]
    assert export(arguments) == 0
    assert export([*arguments, "--languages"]) == 0
    return folder


def load(folder: Path, runtime: Runtime = "torch", max_wait: float = 0.0) -> Captioner:
    serving = ServingConfig(max_wait=max_wait)
    return Captioner.load(folder / "default.safetensors", "cpu", runtime=runtime, serving=serving)


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
async def test_each_photo_is_captioned_in_the_language_that_is_asked_for(
    folder: Path, runtime: Runtime
) -> None:
    async with load(folder, runtime, max_wait=0.3) as captioner:
        assert captioner.languages == ("en", "de", "zh")
        asked = (None, "de", "zh", "en", "de", None)
        together = await asyncio.gather(
            *(captioner.caption(photo_bytes(1), Options(language=code)) for code in asked)
        )
        alone = [await captioner.caption(photo_bytes(1), Options(language=c)) for c in asked]

    assert [caption.language for caption in together] == ["en", "de", "zh", "en", "de", "en"]
    assert [caption.text for caption in together] == [caption.text for caption in alone]
    known = set("".join(CAPTIONS["zh"]))
    assert set(together[2].text) <= known | {"。", "\N{FULLWIDTH COMMA}"}
    assert together[2].text.endswith("。")
    german = {word for text in CAPTIONS["de"] for word in text.replace(",", "").split()}
    words = together[1].text.rstrip(".").replace(",", "").split()
    assert {words[0].lower(), *words[1:]} <= german | {word.lower() for word in german}


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
async def test_alternatives_and_attention_work_in_every_language(
    folder: Path, runtime: Runtime
) -> None:
    async with load(folder, runtime) as captioner:
        options = Options(language="de", alternatives=2, attention=True)
        caption = await captioner.caption(photo_bytes(2), options)

    assert len({caption.text, *(other.text for other in caption.alternatives)}) == 3
    for word in caption.words:
        assert word.attention is not None
        assert word.attention.shape == (2, 2)
        assert abs(float(word.attention.sum()) - 1) < 1e-3


async def test_an_unknown_language_is_refused_with_those_that_are_known(folder: Path) -> None:
    async with load(folder) as captioner:
        with pytest.raises(OptionError, match="'xx'; it must be one of en, de, zh"):
            await captioner.caption(photo_bytes(0), Options(language="xx"))


async def test_the_words_of_a_language_are_read_when_it_is_first_asked_for(
    folder: Path, tmp_path: Path
) -> None:
    for name in ("default", "languages"):
        shutil.copy(folder / f"{name}.safetensors", tmp_path)
        shutil.copy(folder / f"{name}.onnx.safetensors", tmp_path)
    async with load(tmp_path, "onnx") as captioner:
        (tmp_path / "languages.onnx.safetensors").unlink()
        assert (await captioner.caption(photo_bytes(0))).language == "en"
        with pytest.raises(CheckpointError, match=r"languages\.onnx\.safetensors"):
            await captioner.caption(photo_bytes(0), Options(language="de"))
        assert (await captioner.caption(photo_bytes(0))).language == "en"


def test_languages_of_another_checkpoint_do_not_count(folder: Path, tmp_path: Path) -> None:
    speaking(tmp_path, hidden_size=48)
    shutil.copy(folder / "languages.safetensors", tmp_path)
    assert languages_of(tmp_path / "default.safetensors") is None


def test_a_damaged_file_of_languages_leaves_the_checkpoints_own(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(folder / "default.safetensors", tmp_path)
    (tmp_path / "languages.safetensors").write_bytes(b"cut off")
    assert languages_of(tmp_path / "default.safetensors") is None
    assert "captions are in one language only" in caplog.text
