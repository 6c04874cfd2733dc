"""Imports point one way: bot -> captioner <- train, and downwards inside each of them."""

import ast
import subprocess
import sys
from collections.abc import Collection
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bot", "captioner", "train")

# The rooms of each package, from the ground up: a room imports none that stands after it, and
# those on one floor do not know each other.
FLOORS: dict[str, tuple[set[str], ...]] = {
    "bot": ({"store"}, {"telegram", "discord", "web"}),
    "captioner": (
        {"languages", "photo"},
        {"runtime"},
        {"decoding", "naming", "video"},
        {"export", "remote", "command_line"},
    ),
    "train": ({"data", "scoring"}, {"report"}, {"fitting"}, {"languages", "sweep"}),
}
# What is run, and who may import it beside `__main__`; nobody imports `__main__`.
COMMANDS: dict[str, set[str]] = {
    "train.fit": {"train.languages", "train.sweep"},
    "train.self_critical": {"train.languages", "train.sweep"},
    "train.match": {"train.languages"},
    "train.calibrate": {"train.languages"},
    "train.name": set(),
    "train.evaluate": {"train.languages"},
    "train.compare": set(),
    "captioner.captioner": {"captioner.command_line"},
    "bot.telegram.adapter": {"bot.adapters"},
    "bot.discord.adapter": {"bot.adapters"},
    "bot.web.adapter": {"bot.adapters"},
}


@cache
def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*(name.split('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_captioner_needs_neither_bot_nor_train() -> None:
    loaded = modules_after("import captioner, captioner.command_line.command")
    assert "captioner" in loaded
    assert not loaded & {"bot", "train"}


def test_the_captioner_needs_nothing_that_only_training_or_the_bot_does() -> None:
    loaded = modules_after("import captioner, captioner.command_line.command")
    assert not loaded & {"accelerate", "matplotlib", "pycocoevalcap", "tensorboard", "tyro"}
    assert not loaded & {"aiohttp", "discord", "prometheus_client", "pydantic", "telegram"}
    assert "av" not in loaded  # before a video comes


def test_a_process_that_unpacks_photos_needs_no_pytorch() -> None:
    loaded = modules_after("import captioner.photo.worker, captioner.photo.decode")
    assert {"captioner", "PIL"} <= loaded
    assert not loaded & {"torch", "torchvision", "safetensors", "asyncio", "av"}


def test_the_bot_needs_nothing_of_training() -> None:
    loaded = modules_after("import bot.__main__")
    assert {"bot", "captioner"} <= loaded
    assert not loaded & {"train", "accelerate", "matplotlib", "pycocoevalcap", "tensorboard"}


def test_training_imports_nothing_of_the_bot() -> None:
    bot = modules("bot")
    assert not [path for path in modules("train").values() if imports(path, bot)]


def test_a_platform_that_is_off_is_not_imported() -> None:
    assert not modules_after("import bot.__main__") & {"telegram", "discord"}


def modules(package: str) -> dict[str, Path]:
    """Return the files of a package by the names they are imported under."""
    paths = sorted((ROOT / package).rglob("*.py"))
    dotted = {path: path.relative_to(ROOT).with_suffix("").parts for path in paths}
    return {
        ".".join(parts[:-1] if parts[-1] == "__init__" else parts): path
        for path, parts in dotted.items()
    }


def imports(path: Path, known: Collection[str]) -> set[str]:
    """Return which of the known modules a file imports anywhere, for types or lazily too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if name in known else node.module)
    return found & set(known)


def arrows(package: str) -> dict[str, set[str]]:
    """Return what each file of a package imports of the same package; faces are left out."""
    known = modules(package)
    faces = {name for name, path in known.items() if path.name == "__init__.py"}
    return {
        name: imports(path, known) - faces - {name}
        for name, path in known.items()
        if name not in faces
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_no_files_import_each_other_in_a_circle(package: str) -> None:
    try:
        order = list(TopologicalSorter(arrows(package)).static_order())
    except CycleError as error:
        pytest.fail(f"circle: {' -> '.join(error.args[1])}")
    assert len(order) > 10


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_import_only_what_stands_below_them(package: str) -> None:
    floor = {room: level for level, rooms in enumerate(FLOORS[package]) for room in rooms}
    rooms = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
    assert rooms == floor.keys()
    upward = [
        f"{name} imports {target}"
        for name, targets in arrows(package).items()
        for target in targets
        if (here := room_of(name)) in rooms
        and (there := room_of(target)) in rooms
        and here != there
        and floor[there] >= floor[here]
    ]
    assert upward == []


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_run_is_imported_by_what_runs_it_alone(package: str) -> None:
    wrong = [
        f"{name} imports {target}"
        for name, targets in arrows(package).items()
        for target in targets
        if target.endswith("__main__")
        or (
            target in COMMANDS
            and name != f"{package}.__main__"
            and not any(name.startswith(allowed) for allowed in COMMANDS[target])
        )
    ]
    assert wrong == []


def room_of(name: str) -> str:
    return name.split(".")[1]
