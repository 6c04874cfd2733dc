"""Without the package av animations are told all the same, and videos are refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.captioner.video.making import encoded, scene
from tests.pictures import saved

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    bird = Image.open(EXAMPLES / "bird.jpg").convert("RGB")
    frames = scene(bird, 1, move="zoom")
    (folder / "bird.mp4").write_bytes(encoded(frames))
    for format_ in ("GIF", "PNG", "WEBP"):
        data = saved(frames[0], format_, save_all=True, append_images=frames[1:], duration=100)
        (folder / f"bird.{format_.lower()}").write_bytes(data)
    return folder


def command(*arguments: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    found_at = os.pathsep.join(map(str, filter(None, (path, ROOT))))
    return subprocess.run(
        [sys.executable, "-m", "captioner", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": found_at},
    )


def test_animations_are_told_and_videos_are_refused_with_what_is_needed(
    files: Path, tmp_path: Path
) -> None:
    (tmp_path / "av.py").write_text("raise ImportError('it is not installed')")
    names = [files / f"bird.{suffix}" for suffix in ("gif", "png", "webp", "mp4")]
    done = command(*names, path=tmp_path)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [Path(line.split(": ")[0]).suffix for line in lines] == [".gif", ".png", ".webp"]
    assert done.stderr.splitlines() == [
        f"{files / 'bird.mp4'}: Videos need the package av; or save it as an animated GIF or WebP."
    ]
