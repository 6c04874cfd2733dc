"""Every benchmark runs, times what it says, and needs only what that needs."""

import re
from pathlib import Path

import pytest

from captioner.options import Options
from tests.benchmark import photos, rows, run
from tests.captioner.languages.speaking import speaking
from tests.conftest import long

AT_ONCE = ("--patience", 0)  # the machine may be as busy as it likes


@long
def test_a_load_is_answered_without_loss_and_drawn(served_file: Path, tmp_path: Path) -> None:
    plot = tmp_path / "load.png"
    done = run(
        *("load.py", photos(tmp_path), "--checkpoint", served_file, "--plot", plot),
        *("--callers", 4, "--seconds", 0.1, "--rates", 0.2, 1),
    )
    assert done.returncode == 0, done.stderr
    assert "resnet18, onnx on cpu" in done.stdout
    most = re.search(r"at most ([\d.]+) photos/s", done.stdout)
    assert most
    _, _, callers, gentle, full = rows(done.stdout)
    assert callers[0] == "4 callers"
    assert float(callers[2]) > 0
    assert float(full[1]) == float(most[1])
    assert 0 < float(gentle[1]) < float(full[1])
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("runtime", [pytest.param("torch", marks=long), "onnx"])
def test_stages_are_timed_in_either_runtime(
    runtime: str, served_file: Path, tmp_path: Path
) -> None:
    done = run(
        *("caption.py", photos(tmp_path), "--checkpoint", served_file, "--repeats", 3),
        *("--runtime", runtime, "--device", "cpu", "--threads", 1, "--megapixels", 0.1),
    )
    assert done.returncode == 0, done.stderr
    head, *batches, remark = done.stdout.splitlines()
    assert head.startswith(f"resnet18, {runtime} on cpu, 1 thread, beam {Options.beam}; ")
    assert [line.split(":")[0] for line in batches] == ["batch  1", "batch  8", "batch 32"]
    for line in batches:
        shares = [int(share) for share in re.findall(r"(\d+)%", line)]
        assert sum(shares) == pytest.approx(100, abs=2)
    assert remark.startswith("Other processes")


def test_each_language_is_timed(tmp_path: Path) -> None:
    speaking(tmp_path)
    done = run(
        *("languages.py", photos(tmp_path), "--checkpoint", tmp_path / "default.safetensors"),
        *("--runtime", "torch", "--threads", 1, "--repeats", 2, *AT_ONCE),
    )
    assert done.returncode == 0, done.stderr
    _, _, *languages = rows(done.stdout)
    assert [row[0] for row in languages] == ["en", "de", "zh"]
    for _, search, read, resident in languages:
        assert float(search) > 0
        assert float(read) >= 0
        assert float(resident) > 10


@long
def test_what_is_served_without_pytorch_is_timed_without_it(
    served_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('it is not needed')")
    done = run(
        *("caption.py", photos(tmp_path), "--checkpoint", served_file),
        *("--device", "cpu", "--repeats", 1),
        path=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "resnet18, onnx on cpu" in done.stdout


@long
def test_starts_are_timed_and_weighed(served_file: Path, tmp_path: Path) -> None:
    done = run(
        *("start.py", photos(tmp_path), "--checkpoint", served_file, "--starts", 1, *AT_ONCE)
    )
    assert done.returncode == 0, done.stderr
    _, command, bot, memory, _ = done.stdout.splitlines()
    for line in (command, bot):
        seconds = re.search(r"after ([\d.]+) \(", line)
        assert seconds
        assert float(seconds[1]) > 0
    alone, together = map(int, re.findall(r"(\d+) MB", memory))
    assert 0 < alone < together


@long
def test_the_network_is_held_against_the_peak_of_the_machine(
    served_file: Path, tmp_path: Path
) -> None:
    done = run(
        *("peak.py", photos(tmp_path), "--checkpoint", served_file),
        *("--threads", 1, "--repeats", 1, *AT_ONCE),
    )
    assert done.returncode == 0, done.stderr
    head, _, *found = rows(done.stdout)
    assert head[-1] == "1 thread"
    values = {name: float(value) for name, value in found}
    # 64 x 64 pixels take (64 / 224) ** 2 of the 3.6 G operations that a ResNet-18 is known for.
    assert values["lower bound for the encoder's 0.3 G operations, all in 8 bits, ms"] > 0
    assert values["measured / lower bound, all in 8 bits"] > 0
    assert f"a step of the decoder, {Options.beam} beams" in done.stdout
    step = re.search(r"thread: ([\d.]+) ms; its operations take ([\d.]+) ms", done.stdout)
    assert step
    assert float(step[1]) > float(step[2])


@long
def test_a_gpu_is_measured_with_one_command(served_file: Path, tmp_path: Path) -> None:
    done = run(
        *("gpu.py", photos(tmp_path), "--checkpoint", served_file, "--device", "cpu"),
        *("--seconds", 0.1, "--starts", 1),
    )
    assert done.returncode == 0, done.stderr
    _, _, *loads = rows(done.stdout)
    assert [(load[0], load[2]) for load in loads] == [
        (photos, callers)
        for photos in ("squeezed", "files")
        for callers in ("1", "16", "64", "256")
    ]
    assert all(float(load[-1]) >= float(load[-2]) > 0 for load in loads)
    assert re.search(r"ends after [\d.]+ s, 1 starts", done.stdout)


@long
def test_memory_is_watched_over_all_photos(served_file: Path, tmp_path: Path) -> None:
    done = run("memory.py", photos(tmp_path), "--photos", 40, "--checkpoint", served_file)
    assert "{200: 40}" in done.stdout, done.stderr
    assert len(done.stdout.splitlines()) == 1 + 20 + 2


@long
def test_this_captioner_is_timed_as_a_network_and_as_deployed(
    served_file: Path, tmp_path: Path
) -> None:
    done = run(
        *(
            "against.py",
            photos(tmp_path),
            "--checkpoint",
            served_file,
            "--captioners",
            "this one",
        ),
        *("--cores", 1, "--repeats", 1, *AT_ONCE),
    )
    assert done.returncode == 0, done.stderr
    head, _, *beams, _, _, sizes = rows(done.stdout)
    assert head[2:] == ["like for like, 1 core", "as deployed, 1 core"]
    assert [(row[0], row[1]) for row in beams] == [
        ("this one", str(beam)) for beam in (1, 3, Options.beam)
    ]
    assert all(float(megabytes) > 0 for megabytes in sizes[2:])


@long
def test_a_folder_is_captioned_by_the_command_and_where_ray_is_installed_on_it(
    served_file: Path, tmp_path: Path
) -> None:
    done = run(
        *("folder.py", photos(tmp_path), "--photos", 200, "--repeats", 1, "--actors", 1),
        *("--checkpoint", served_file),
    )
    assert done.returncode == 0, done.stderr
    head, _, *commands = rows(done.stdout)
    assert head[0] == "command"
    assert commands[0][0] == "python -m captioner"
    assert all(float(command[1].split()[0].replace(",", "")) > 0 for command in commands)
    assert ("Ray Data / plain" in done.stdout) == (len(commands) == 2)


def test_what_the_comparison_misses_is_named_with_how_to_install_it(tmp_path: Path) -> None:
    # Python reads this file at its start.
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['transformers'] = None")
    done = run("against.py", photos(tmp_path), path=tmp_path)
    assert done.returncode == 1
    assert "pip install transformers==" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_photos_is_named(tmp_path: Path) -> None:
    done = run("caption.py", tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path} holds no JPEG photos" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_benchmark_is_listed() -> None:
    folder = Path(__file__).parents[1] / "benchmarks"
    listed = set(re.findall(r"`(\w+\.py)`", (folder / "README.md").read_text()))
    assert listed == {path.name for path in folder.glob("*.py")}
