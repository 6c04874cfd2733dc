"""Imports point one way: bot -> captioner <- train."""

import subprocess
import sys


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*(name.split('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_captioner_needs_neither_bot_nor_train() -> None:
    loaded = modules_after("import captioner, captioner.__main__")
    assert "captioner" in loaded
    assert not loaded & {"bot", "train"}


def test_the_captioner_needs_nothing_that_only_training_or_the_bot_does() -> None:
    loaded = modules_after("import captioner, captioner.__main__")
    assert not loaded & {"accelerate", "matplotlib", "pycocoevalcap", "tensorboard", "tyro"}
    assert not loaded & {"aiohttp", "discord", "prometheus_client", "pydantic", "telegram"}


def test_a_process_that_unpacks_photos_needs_no_pytorch() -> None:
    loaded = modules_after("import captioner.photo.worker, captioner.photo.decode")
    assert {"captioner", "PIL"} <= loaded
    assert not loaded & {"torch", "torchvision", "safetensors", "asyncio"}


def test_training_needs_no_bot() -> None:
    loaded = modules_after("import train.__main__")
    assert {"train", "captioner"} <= loaded
    assert "bot" not in loaded


def test_the_bot_needs_nothing_of_training() -> None:
    loaded = modules_after("import bot.__main__")
    assert {"bot", "captioner"} <= loaded
    assert not loaded & {"train", "accelerate", "matplotlib", "pycocoevalcap", "tensorboard"}
