"""A folder captioned on a Ray cluster of this machine, as a person starts it."""

import errno
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from captioner import BadImage
from captioner.command_line.files import PhotoFile
from captioner.command_line.lines import name_of
from captioner.command_line.names import Shard
from tests.conftest import LONG, long, photo_bytes

pytest.importorskip("ray", reason="Ray is not installed; pip install -e '.[cluster]'")

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "ray" / "captions.py"
COUNT = 2000 if LONG else 60
LATIN = os.fsdecode(b"photo\xe9.jpg")
ODD = ("line\nbreak.jpg", 'a "quote".jpg', LATIN, "名.jpg")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of `COUNT` photos, `ODD` names among them, and a broken one."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "in").mkdir()
    names = [*ODD, *(f"{number:04}.jpg" for number in range(COUNT - len(ODD) - 1))]
    for number, name in enumerate(names):
        (folder / "in" / name).write_bytes(photo_bytes(number % 7))
    (folder / "broken.jpg").write_bytes(b"no photo")
    return folder


def environment(temporary: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    paths = os.pathsep.join([str(ROOT), *sys.path])
    return kept | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "RAY_TMPDIR": temporary}


def ray_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that Ray writes to; its path is short, for a socket's has 107 characters."""
    return tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True)


def captions(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return python(str(SCRIPT), *map(str, arguments), **variables)


def python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    with ray_folder() as temporary:
        return subprocess.run(
            [sys.executable, *arguments],
            env=environment(temporary) | variables,
            capture_output=True,
            text=True,
        )


def rows_of(output: Path) -> list[dict[str, Any]]:
    import pyarrow.dataset

    return pyarrow.dataset.dataset(output).to_table().to_pylist()


def without_none(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}


def test_two_actors_caption_each_photo_once_as_the_command_does_and_go_on(
    served_file: Path, folder: Path, tmp_path: Path
) -> None:
    output, plain = tmp_path / "captions", tmp_path / "plain.jsonl"
    options = ("--actors", 2, "--checkpoint", served_file)
    photos = sorted(map(str, [*folder.glob("in/*"), folder / "broken.jpg"]))

    done = captions(folder, output, *options)

    assert done.returncode == 1, done.stderr  # one photo is broken
    assert f"{COUNT:,} photos, 1 of them failed" in done.stderr
    rows = rows_of(output)
    assert sorted(map(name_of, rows)) == photos
    command = (sys.executable, "-m", "captioner", "--checkpoint", served_file, "--json", folder)
    subprocess.run([*command, "--resume", plain], env=environment(""), capture_output=True)
    expected = {name_of(line): line for line in map(json.loads, plain.read_bytes().splitlines())}
    assert {name_of(row): without_none(row) for row in rows} == expected

    # A part of the output is lost, and another one cut off, as by a kill.
    lost, cut, *_ = sorted(output.glob("*.parquet"))
    lost.unlink()
    cut.write_bytes(cut.read_bytes()[:-10])
    again = captions(folder, output, *options)
    assert again.returncode == 1, again.stderr
    assert f"{cut} was cut off; its photos are captioned again" in again.stderr
    assert {name_of(row): without_none(row) for row in rows_of(output)} == expected
    assert len(rows_of(output)) == COUNT

    refused = captions(folder, output, *options, "--beam", 2)
    assert refused.returncode == 2
    assert "other settings made it: beam was 5 and is 2" in refused.stderr


@long
def test_an_actor_that_is_killed_is_replaced_and_each_photo_is_captioned_once(
    served_file: Path, folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "captions"
    with ray_folder() as temporary:
        command = [sys.executable, SCRIPT, folder, output, "--checkpoint", served_file]
        process = subprocess.Popen(
            [*map(str, command), "--actors", "2"],
            env=environment(temporary),
            stderr=subprocess.PIPE,
        )
        end = time.monotonic() + 120
        while not list(output.glob("*.parquet")):  # then both are at work
            assert time.monotonic() < end
            time.sleep(0.05)
        first, *_ = [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if child.name().startswith("ray::MapWorker")
        ]
        first.kill()
        _, errors = process.communicate()
    assert process.returncode == 1, errors
    names = sorted(map(name_of, rows_of(output)))
    assert names == sorted(map(str, [*folder.glob("in/*"), folder / "broken.jpg"]))


@pytest.mark.parametrize(
    "scheme", [pytest.param("file://", marks=long), pytest.param("fsspec+file://", marks=long)]
)
def test_photos_at_an_address_are_captioned_a_part_of_them_too(
    served_file: Path, tmp_path: Path, scheme: str
) -> None:
    names = [f"in/{number}.jpg" for number in range(9)]
    (tmp_path / "photos" / "in").mkdir(parents=True)
    for seed, name in enumerate(names):
        (tmp_path / "photos" / name).write_bytes(photo_bytes(seed))
    source, output = (f"{scheme}{tmp_path}/{name}" for name in ("photos", "captions"))

    done = captions(source, output, "--checkpoint", served_file, "--shard", "2/3")

    assert done.returncode == 0, done.stderr
    part = Shard(2, 3).of(PhotoFile(f"{source}/{name}", key=name) for name in names)
    rows = rows_of(tmp_path / "captions")
    assert sorted(map(name_of, rows)) == sorted(photo.name for photo in part)
    assert all(row["caption"] for row in rows)
    assert 0 < len(rows) < len(names)


def test_an_actor_with_a_gpu_captions_too(served_file: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for seed in range(3):
        (tmp_path / "photos" / f"{seed}.jpg").write_bytes(photo_bytes(seed))
    arguments = (tmp_path / "photos", tmp_path / "captions", "--checkpoint", served_file)

    # Ray takes this machine's word for its GPUs, and `--device cpu` uses none.
    done = captions(
        *arguments, "--gpus", 0.5, "--device", "cpu", RAY_OVERRIDE_RESOURCES='{"GPU": 1}'
    )

    assert done.returncode == 0, done.stderr
    assert len(rows_of(tmp_path / "captions")) == 3


def test_an_actor_that_this_machine_has_no_room_for_is_one_line(
    served_file: Path, folder: Path, tmp_path: Path
) -> None:
    done = captions(folder, tmp_path / "out", "--checkpoint", served_file, "--gpus", 99)
    assert done.returncode == 1
    said = "error: no machine has what --cpus 1 --gpus 99 ask for each actor"
    assert done.stderr.splitlines()[-1] == said
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("nonsense", "Invalid"),
        ("http://127.0.0.1:8265", "Invalid"),
        ("127.0.0.1:1", f"[Errno {errno.ECONNREFUSED}] "),
        ("ray://127.0.0.1:1", f"[Errno {errno.ECONNREFUSED}] "),
        ("a..b:6379", "encoding with 'idna' codec failed"),
    ],
)
def test_an_address_that_is_no_cluster_is_one_line(
    served_file: Path, folder: Path, tmp_path: Path, address: str, reason: str
) -> None:
    done = captions(folder, tmp_path / "out", "--checkpoint", served_file, "--address", address)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: a Ray cluster cannot be reached at {address}: {reason}")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_damaged_description_of_the_output_is_named(
    served_file: Path, folder: Path, tmp_path: Path, content: str
) -> None:
    (tmp_path / "_made.json").write_text(content)
    done = captions(folder, tmp_path, "--checkpoint", served_file)
    assert done.returncode == 2
    assert f"{tmp_path}: _made.json, which says what made it, is damaged" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_of_another_program_in_the_output_is_named_and_left_alone(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    from captioner.command_line.parquet import UnusableOutput, done_in

    other = tmp_path / "other.parquet"
    parquet.write_table(pyarrow.table({"file": ["a.jpg"]}), other)
    with pytest.raises(UnusableOutput, match=f"^{other} is another program's"):
        done_in(str(tmp_path))
    assert other.exists()


def test_an_address_is_listed_without_hidden_and_other_files(tmp_path: Path) -> None:
    from captioner.command_line.addresses import photos_at, reader

    for name in ("in/a.jpg", "b.PNG", "notes.txt", ".hidden/c.jpg", "in/.d.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"a photo")
    for scheme in ("file://", "fsspec+file://"):
        source = f"{scheme}{tmp_path}"
        found = sorted(photos_at(source), key=lambda photo: photo.key)
        assert [photo.key for photo in found] == ["b.PNG", "in/a.jpg"]
        assert [photo.name for photo in found] == [f"{source}/b.PNG", f"{source}/in/a.jpg"]
        assert reader(source)(found[1], 7) == b"a photo"
        with pytest.raises(BadImage) as refused:
            reader(source)(found[1], 6)
        assert refused.value.numbers == {"size": 7, "limit": 6}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shard", "4/3"], "--shard is 4/3; the first number must be at least 1 and at most 3"),
        (["--actors", "0"], "--actors is 0; it must be at least 1"),
        (["--beam", "99"], "--beam is 99; it must be at least 1 and at most 20"),
        (["--language", "xx"], "--language"),
        (["--checkpoint", "none.safetensors"], "--checkpoint: none.safetensors"),
    ],
)
def test_a_wrong_argument_is_named_before_a_cluster_is_started(
    served_file: Path, folder: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = captions(folder, tmp_path / "out", "--checkpoint", served_file, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_ray_does_not_report_its_use() -> None:
    code = (
        "from deploy.ray import captions\n"
        "from ray._common.usage import usage_lib\n"
        "print(usage_lib.usage_stats_enabled())\n"
        "captions.start(None)\n"
        "print(usage_lib.usage_stats_enabled())\n"
    )
    done = python("-c", code)
    assert done.stdout.split()[-2:] == ["True", "False"], done.stderr
