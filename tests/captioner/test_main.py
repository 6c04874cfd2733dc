import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from captioner import Captioner
from captioner.__main__ import main
from tests.conftest import long, photo_bytes

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    (folder / "b.jpg").write_bytes(photo_bytes(1))
    (folder / "a.PNG").write_bytes(photo_bytes(2, "PNG"))
    (folder / "inner" / "c.jpg").write_bytes(photo_bytes(3))
    (folder / "notes.txt").write_text("no picture")
    return folder


def run(checkpoint: Path, *arguments: object) -> int:
    return main(["--checkpoint", str(checkpoint), "--device", "cpu", *map(str, arguments)])


def test_one_photo_prints_its_caption_alone(
    tiny_file: Path, folder: Path, capsys: Captured
) -> None:
    assert run(tiny_file, folder / "b.jpg") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(" (Not sure.)")  # a model of random weights is never sure
    assert "b.jpg" not in line


def test_a_folder_is_captioned_in_order_with_names(
    tiny_file: Path, folder: Path, capsys: Captured
) -> None:
    assert run(tiny_file, folder) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        str(folder / name) for name in ("a.PNG", "b.jpg", "inner/c.jpg")
    ]


def test_many_photos_keep_their_order(tiny_file: Path, folder: Path, capsys: Captured) -> None:
    names = [f"{folder}/{index:03}.jpg" for index in range(40)]  # 32 are in progress
    for name in names:
        shutil.copy(folder / "b.jpg", name)
    assert run(tiny_file, "--json", "--beam", 1, *names) == 0
    assert [json.loads(line)["file"] for line in capsys.readouterr().out.splitlines()] == names


def test_a_photo_comes_through_standard_input(
    tiny_file: Path, folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tiny_file, folder / "b.jpg")
    expected = capsys.readouterr().out
    stdin = io.TextIOWrapper(io.BytesIO((folder / "b.jpg").read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert run(tiny_file, "-") == 0
    assert capsys.readouterr().out == expected


def test_json_gives_one_object_a_line(tiny_file: Path, folder: Path, capsys: Captured) -> None:
    assert run(tiny_file, "--json", "--alternatives", 2, folder / "b.jpg") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["file"] == str(folder / "b.jpg")
    assert answer["logprob"] < 0 < answer["confidence"] < 1
    others = [other["caption"] for other in answer["alternatives"]]
    assert len({answer["caption"], *others}) == 3


def test_the_plain_line_is_the_text_in_json(
    tiny_file: Path, folder: Path, capsys: Captured
) -> None:
    run(tiny_file, folder / "b.jpg")
    run(tiny_file, "--json", folder / "b.jpg")
    line, answer = capsys.readouterr().out.splitlines()
    assert json.loads(answer)["text"] == line
    assert json.loads(answer)["doubt"] in line


def test_alternatives_are_indented_under_the_caption(
    tiny_file: Path, folder: Path, capsys: Captured
) -> None:
    assert run(tiny_file, "--alternatives", 2, folder / "b.jpg") == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert not first.startswith(" ")
    assert [line[:2] for line in others] == ["  ", "  "]


def test_samples_depend_only_on_the_seed(tiny_file: Path, folder: Path, capsys: Captured) -> None:
    texts = []
    for seed in (1, 1, 2):
        run(tiny_file, "--sample", "--seed", seed, folder / "b.jpg")
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]


def test_a_bad_photo_is_named_and_the_others_are_captioned(
    tiny_file: Path, folder: Path, capsys: Captured
) -> None:
    missing, broken = folder / "missing.jpg", folder / "broken.jpg"
    broken.write_bytes((folder / "b.jpg").read_bytes()[:200])
    names = [folder / "b.jpg", missing, broken, folder / "notes.txt", folder / "a.PNG"]
    assert run(tiny_file, "--json", *names) == 1
    output = capsys.readouterr()
    answers = [json.loads(line) for line in output.out.splitlines()]
    assert ["caption" in answer for answer in answers] == [True, False, False, False, True]
    assert set(answers[1]) == {"file", "error"}
    assert f"{missing}: No such file" in output.err
    assert str(broken) in output.err


def test_standard_input_that_is_closed_is_named_and_the_others_are_captioned(
    tiny_file: Path, folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert run(tiny_file, "-", "x" * 300, folder / "b.jpg") == 1
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 1
    closed, long = output.err.splitlines()
    assert closed == "-: Standard input is closed."
    assert long.endswith("xxx: File name too long")


def test_the_same_photo_twice_is_captioned_twice(
    tiny_file: Path, folder: Path, capsys: Captured
) -> None:
    assert run(tiny_file, folder / "b.jpg", folder / "b.jpg") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second


def test_a_limit_of_the_command_line_is_the_limit(
    tiny_file: Path, folder: Path, capsys: Captured
) -> None:
    size = (folder / "b.jpg").stat().st_size
    assert run(tiny_file, "--max-mb", size / 2**20, folder / "b.jpg") == 0
    assert run(tiny_file, "--max-mb", (size - 1) / 2**20, folder / "b.jpg") == 1
    assert run(tiny_file, "--max-megapixels", 0.00767, folder / "b.jpg") == 1  # 96 x 80
    bytes_, pixels = capsys.readouterr().err.splitlines()
    assert bytes_.endswith("See --max-mb.")
    assert "96 x 80 pixels" in pixels


@pytest.mark.parametrize(
    "encoding",
    [
        "ascii",
        pytest.param("cp1252", marks=long),
        pytest.param("utf-8", marks=long),
        pytest.param("utf-16", id="a wide one"),
    ],
)
def test_json_is_json_in_every_code_page(
    tiny_file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    name = folder / "naïve 名.jpg"
    name.write_bytes(photo_bytes(1))
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding))
    assert run(tiny_file, "--json", name) == 0
    assert json.loads(file.getvalue())["file"] == str(name)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device")
@pytest.mark.parametrize("arguments", [["x.jpg"], ["--json", "x.jpg"], ["--help"]])
def test_a_full_output_is_one_line(
    tiny_file: Path,
    folder: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(folder)
    (folder / "x.jpg").write_bytes(photo_bytes(1))
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert run(tiny_file, *arguments) == 1
    assert capsys.readouterr().err == "error: standard output: No space left on device\n"


def test_a_closed_output_is_one_line_before_any_work(
    tiny_file: Path, folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(Captioner, "load", pytest.fail)
    assert run(tiny_file, folder) == 1
    assert capsys.readouterr().err == "error: standard output: Bad file descriptor\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device")
def test_a_full_standard_error_stops_no_caption(
    tiny_file: Path, folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        assert run(tiny_file, "missing.jpg", folder / "b.jpg") == 1
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="a shell there cannot close it")
def test_streams_that_a_shell_closed_print_nothing_that_was_not_asked_for(
    served_file: Path, folder: Path
) -> None:
    command = f'"{sys.executable}" -m captioner --checkpoint "{served_file}" missing.jpg - b.jpg'
    closed = subprocess.run(["sh", "-c", f"{command} <&- 2>&-"], capture_output=True, cwd=folder)
    assert closed.returncode == 1
    (line,) = closed.stdout.splitlines()
    assert line.startswith(b"b.jpg: ")


def test_an_empty_folder_is_an_error_that_names_it(
    tiny_file: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert run(tiny_file, tmp_path) == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_explain_draws_the_photo_and_each_word(
    tiny_file: Path, folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    sheet = tmp_path / "sheet.png"
    assert run(tiny_file, "--explain", sheet, folder / "b.jpg") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    with Image.open(sheet) as image:
        assert image.format == "PNG"
        assert min(image.size) > 200


def test_a_sheet_that_cannot_be_written_is_an_error_after_the_caption(
    tiny_file: Path,
    folder: Path,
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(image: Image.Image, path: Path, format: str) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sheet = tmp_path / "sheet.png"
    monkeypatch.setattr(Image.Image, "save", full)
    assert run(tiny_file, "--explain", sheet, folder / "b.jpg") == 1
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 1
    assert output.err == f"--explain: {sheet} cannot be written: {os.strerror(errno.ENOSPC)}\n"
    assert list(tmp_path.iterdir()) == [folder]  # nor is half of a picture left


def test_help_names_the_other_command(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "python -m captioner export" in " ".join(capsys.readouterr().out.split())


def test_a_profile_prints_how_long_each_stage_took(
    tiny_file: Path, folder: Path, capsys: Captured
) -> None:
    run(tiny_file, folder / "b.jpg")
    expected = capsys.readouterr().out
    assert run(tiny_file, "--profile", folder / "b.jpg") == 0
    output = capsys.readouterr()
    assert output.out == expected
    head, *stages, total = [line.split() for line in output.err.splitlines()]
    assert head == ["ms", "first", "again"]
    # A model of random weights is never sure.
    assert [stage[0] for stage in stages] == ["decode", "wait", "encoder", "decoder", "naming"]
    for column in (1, 2):
        took = [float(stage[column]) for stage in stages]
        assert all(milliseconds > 0 for milliseconds in took)
        assert float(total[column]) == pytest.approx(sum(took), abs=0.3)  # each is rounded


def test_a_photo_that_cannot_be_read_has_no_profile(
    tiny_file: Path, folder: Path, capsys: Captured
) -> None:
    assert run(tiny_file, "--profile", folder / "notes.txt") == 1
    output = capsys.readouterr()
    assert len(output.err.splitlines()) == 1
    assert "notes.txt" in output.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--beam", "0", "x.jpg"], "--beam is 0; it must be at least 1 and at most 20"),
        (["--beam", "21", "x.jpg"], "--beam is 21; it must be at least 1 and at most 20"),
        (["--seed", "7", "x.jpg"], "--seed is for --sample"),
        (["--explain", ".", "x.jpg"], "--explain: . is a folder"),
        (["--explain", "no/out.png", "x.jpg"], "no/out.png cannot be written: there is no folder"),
        (["--explain", f"{'x' * 255}.png", "x.jpg"], "cannot be written: File name too long"),
        (["--checkpoint", "x" * 300, "x.jpg"], "--checkpoint: xxx"),
        (["--max-mb", "0", "x.jpg"], "--max-mb is 0; it must be above 0 and at most 1000"),
        (["--max-megapixels", "1001", "x.jpg"], "--max-megapixels is 1001; it must be above 0 and"),
        (["--decode-seconds", "nan", "x.jpg"], "--decode-seconds is nan; it must be above 0"),
        (["--explain", "out.xyz", "x.jpg"], "--explain: out.xyz does not end like a picture"),
        (["--checkpoint", "", "x.jpg"], "--checkpoint: .: it is a directory"),
        ([""], "argument PHOTO: the name is empty"),
        (["--alternatives", "-1", "x.jpg"], "--alternatives is -1"),
        (["--alternatives", "101", "x.jpg"], "--alternatives is 101; it must be at least 0 and at"),
        (["--device", "toaster", "x.jpg"], "--device 'toaster' cannot be used"),
        (["--explain", "out.png", "x.jpg", "y.jpg"], "one photo"),
        (["--profile", "x.jpg", "y.jpg"], "one photo"),
        (["--checkpoint", "none.safetensors", "x.jpg"], "--checkpoint: none.safetensors"),
        ([], "PHOTO"),
    ],
)
def test_a_wrong_argument_is_named(
    tiny_file: Path, arguments: list[str], message: str, capsys: Captured
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--checkpoint", str(tiny_file), "--device", "cpu", *arguments])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_the_command_runs_and_reports_failure_by_its_exit_code(
    served_file: Path, folder: Path
) -> None:
    command = [sys.executable, "-m", "captioner", "--checkpoint", str(served_file)]
    names = [str(folder / "b.jpg"), str(folder / "notes.txt")]
    done = subprocess.run([*command, *names], capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert "notes.txt" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signal")
def test_a_reader_that_leaves_early_ends_the_command_without_a_message(
    served_file: Path, folder: Path
) -> None:
    command = [sys.executable, "-m", "captioner", "--checkpoint", str(served_file), str(folder)]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert done.returncode == -signal.SIGPIPE
    assert done.stderr == b""


@pytest.mark.skipif(sys.platform != "linux", reason="only there a name may be any bytes")
def test_a_name_that_is_not_text_is_printed_as_it_is(served_file: Path, folder: Path) -> None:
    name = os.fsencode(folder) + b"/caf\xe9.jpg"
    with open(name, "wb") as file:
        file.write(photo_bytes(5))
    command = [sys.executable, "-m", "captioner", "--checkpoint", str(served_file)]
    done = subprocess.run(
        [*command, name, folder / "b.jpg"],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(name + b": ")
