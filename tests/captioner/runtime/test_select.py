"""Which runtime serves, and which errors there are where PyTorch is not installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from captioner.runtime.select import GPU_UNUSED
from captioner.shipped import find
from tests.conftest import long, photo_bytes

ROOT = Path(__file__).parents[3]

# A module that is None in sys.modules cannot be imported, as if it were not installed.
WITHOUT_TORCH = "import sys; sys.modules |= {'torch': None, 'torchvision': None}\n"
WITH_DRIVER = "from captioner.runtime import select; select._has_driver = lambda: True\n"

LOAD = """
import json
from pathlib import Path
from captioner.checkpoint import CheckpointError
from captioner.runtime import select
from captioner.runtime.errors import UnusableError

for path, device, runtime in json.loads(sys.argv[1]):
    try:
        print(select.load(Path(path), device, runtime)[1].name)
    except UnusableError as error:
        print(error.setting, error.reason)
    except CheckpointError as error:
        print(error.path, error.reason)
"""


def run(code: str, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH + code, *arguments], input=stdin, capture_output=True
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def test_without_pytorch_each_setting_that_needs_it_is_one_clear_error(
    tiny_file: Path, tmp_path: Path
) -> None:
    default, missing = str(find("default")), tmp_path / "none.safetensors"
    tried = {
        (default, "auto", "auto"): "onnx",
        (default, "cpu", "onnx"): "onnx",
        (default, "auto", "torch"): "runtime 'torch' needs PyTorch, which is not installed: "
        "pip install -e '.[gpu]'",
        (default, "cuda", "auto"): "device 'cuda' needs PyTorch, which is not installed: "
        "pip install -e '.[gpu]'",
        (str(tiny_file), "auto", "auto"): f"{tiny_file} without tiny.onnx.safetensors in the same "
        "folder it needs PyTorch, which is not installed: pip install -e '.[gpu]'",
        (str(missing), "auto", "auto"): f"{missing} there is no such file",
    }

    done = run(LOAD, json.dumps(list(tried)))

    assert done.stdout.splitlines() == list(tried.values()), done.stderr


def test_a_photo_is_captioned_on_the_command_line_without_pytorch() -> None:
    code = "from captioner.__main__ import main; sys.exit(main())"
    done = run(code, "--checkpoint", "small", "-", stdin=photo_bytes(1))
    assert done.stdout.startswith("A "), done.stderr
    assert not done.stderr


@pytest.mark.parametrize(
    ("device", "runtime", "lines"), [("auto", "auto", [GPU_UNUSED]), ("cpu", "auto", [])]
)
def test_a_gpu_that_pytorch_could_use_is_named_once(
    device: str, runtime: str, lines: list[str]
) -> None:
    done = run(WITH_DRIVER + LOAD, json.dumps([(str(find("small")), device, runtime)]))
    assert done.stdout == "onnx\n"
    assert done.stderr.splitlines() == lines


@long
def test_the_check_of_the_bot_runs_without_pytorch_and_names_the_unused_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for key, value in (("DATA_DIR", str(tmp_path)), ("CAPTIONER_CHECKPOINT", str(find("small")))):
        monkeypatch.setenv(key, value)
    bot = "from bot.__main__ import main; sys.exit(main(['--check']))"
    done = run(WITH_DRIVER + bot)
    assert done.returncode == 0, done.stderr
    assert "Captioner: ResNet-" in done.stdout
    assert GPU_UNUSED in done.stdout.splitlines()


def test_onnx_runtime_is_imported_with_its_telemetry_off() -> None:
    code = (
        "import os\n"
        "class Watch:\n"
        "    def find_spec(name, path, target=None):\n"
        "        if name == 'onnxruntime':\n"
        "            print(os.environ.get('ORT_DISABLE_TELEMETRY'))\n"
        "sys.meta_path.insert(0, Watch)\n"
        "import captioner.runtime.onnx\n"
    )
    assert run(code).stdout == "1\n"
