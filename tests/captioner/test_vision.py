"""The import of torchvision, mostly in a fresh interpreter."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

from captioner import vision
from tests.conftest import long

ROOT = Path(__file__).parents[2]
# In the place of PyTorch, which takes seconds to import, where nothing comes to use it.
QUICK = "from types import SimpleNamespace; library = SimpleNamespace(Library=object)"


def python(code: str, *, first_on_path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(first_on_path), str(ROOT)))
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_a_resnet_can_be_built_and_loading_again_does_no_harm() -> None:
    again = importlib.reload(vision)
    torchvision = importlib.import_module("torchvision")
    assert again.models is torchvision.models
    assert again.models.resnet18(weights=None).fc.in_features == 512


@long
def test_a_resnet_can_be_built_and_importing_again_does_no_harm() -> None:
    done = python(
        "import importlib, sys\n"
        "import captioner.vision\n"
        "importlib.reload(captioner.vision)\n"
        "del sys.modules['captioner.vision']\n"
        "from captioner.vision import models\n"
        "import torchvision\n"
        "assert torchvision.models is models\n"
        "print(models.resnet18(weights=None).fc.in_features)\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "512\n", "")


def test_the_compiler_is_imported_by_who_uses_it_only() -> None:
    done = python(
        "import sys, torch\n"
        "from captioner.vision import models\n"
        "models.resnet18(weights=None).eval()(torch.rand(1, 3, 32, 32))\n"
        "print([name for name in sys.modules if name.startswith('torch._dynamo')])\n"
        "from torch._dynamo.utils import is_compile_supported\n"
        "print(is_compile_supported('cpu'), torch._dynamo.__name__)\n"
    )
    assert done.stdout.splitlines() == ["[]", "True torch._dynamo"], done.stderr


def test_another_failure_of_torchvision_is_not_hidden(tmp_path: Path) -> None:
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('the wheel is broken')\n")
    (tmp_path / "torch.py").write_text(QUICK)
    done = python("import captioner.vision", first_on_path=tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith("RuntimeError: the wheel is broken\n")
