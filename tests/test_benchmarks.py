import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import photo_bytes

ROOT = Path(__file__).parents[1]


def photos(folder: Path) -> Path:
    for seed in range(3):
        (folder / f"{seed}.jpg").write_bytes(photo_bytes(seed))
    return folder


def run(
    script: str, *arguments: object, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    found_at = os.pathsep.join(map(str, filter(None, (path, ROOT))))
    return subprocess.run(
        [sys.executable, ROOT / "benchmarks" / script, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": found_at},
    )


def rows(output: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in output.splitlines() if line.startswith("|")]


def test_a_load_is_answered_without_loss_and_drawn(tiny_file: Path, tmp_path: Path) -> None:
    plot = tmp_path / "load.png"
    done = run(
        *("load.py", photos(tmp_path), "--checkpoint", tiny_file, "--plot", plot),
        *("--callers", 4, "--seconds", 0.3, "--rates", 0.2, 1),
    )
    assert done.returncode == 0, done.stderr
    _, _, callers, gentle, full = rows(done.stdout)
    assert callers[0] == "4 callers"
    assert float(callers[2]) > 0
    assert 0 < float(gentle[1]) < float(full[1])
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_this_captioner_is_timed_as_a_network_and_as_deployed(
    tiny_file: Path, tmp_path: Path
) -> None:
    done = run(
        *("against.py", photos(tmp_path), "--checkpoint", tiny_file, "--captioners", "this one"),
        *("--cores", 1, "--repeats", 1, "--patience", 0),
    )
    assert done.returncode == 0, done.stderr
    head, _, *beams, _, _, sizes = rows(done.stdout)
    assert head[2:] == ["like for like, 1 core", "as deployed, 1 core"]
    assert [(row[0], row[1]) for row in beams] == [("this one", beam) for beam in "135"]
    assert all(float(megabytes) > 0 for megabytes in sizes[2:])


def test_what_the_comparison_misses_is_named_with_how_to_install_it(tmp_path: Path) -> None:
    missing = "raise ModuleNotFoundError(\"No module named 'transformers'\")"
    (tmp_path / "transformers.py").write_text(missing)
    done = run("against.py", photos(tmp_path), path=tmp_path)
    assert done.returncode == 1
    assert "pip install transformers==" in done.stderr
    assert "Traceback" not in done.stderr
