"""The runs of a variant: the command of each, and how each is trained to its end."""

import dataclasses
import json
import shlex
import shutil
from pathlib import Path
from typing import Any

from captioner.files import replacing
from train import run_folder
from train.fit import FitConfig, fit
from train.run_folder import RunError
from train.self_critical import SelfCriticalConfig, self_critical
from train.sweep.hardware import machine

Step = FitConfig | SelfCriticalConfig
MACHINES = "machines.json"  # in a run's folder: the machines that trained it, in order
_POSITIONAL = ("data", "run")
_ASIDE = ("cache", "resume")  # they do not define a run


def command(step: Step) -> str:
    """Return the shell command that starts a run, without defaults, `cache` and `resume`.

    Parsed again it is the same configuration, except for those two.
    """
    words = ["fit" if isinstance(step, FitConfig) else "self-critical"]
    words += [str(getattr(step, name)) for name in _POSITIONAL]
    for field in dataclasses.fields(step):
        value = getattr(step, field.name)
        if field.name not in _POSITIONAL + _ASIDE and value != field.default:
            words += _option(field.name, value)
    return shlex.join(["python", "-m", "train", *words])


def is_finished(step: Step) -> bool:
    """Return whether a run is finished.

    Raises:
        RunError: its folder has a different run.
    """
    note = step.run / "config.json"
    if not note.exists():
        return False
    before = json.loads(note.read_text())
    # Stricter than resuming, because more epochs than in its command make it a different run.
    changed = [key for key, value in step.arguments().items() if before.get(key) != value]
    if changed:
        raise RunError(
            step.run,
            f"{run_folder.started_with_other(changed)}; "
            "sweep with the same arguments, or into another folder",
        )
    return run_folder.read_progress(step.run).epoch >= _last_epoch(step)


def finish(step: Step) -> None:
    """Train a run to its end, from wherever it stopped; a finished run stays as it is.

    Raises:
        RunError: its folder has a different run; see also `fit` and `self_critical`.
    """
    if is_finished(step):
        print(f"{step.run}: already trained", flush=True)
        return
    started = (step.run / "config.json").exists()
    _note_machine(step)
    print(f"{step.run}: {'resumes' if started else 'starts'}", flush=True)
    if isinstance(step, FitConfig):
        fit(dataclasses.replace(step, resume=started))
    else:
        self_critical(dataclasses.replace(step, resume=started))


def fork(step: Step, other: Step) -> None:
    """Start a run with fine-tuning from a copy of the run with the same frozen epochs.

    The frozen epochs are seeded, so training them again would give the same weights. Nothing is
    done if the run has started already, or if the other one is not finished.
    """
    if not isinstance(step, FitConfig) or not isinstance(other, FitConfig) or step.run.exists():
        return
    if {**step.arguments(), "fine_tune": 0} != other.arguments() or not is_finished(other):
        return
    part = step.run.with_name(step.run.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(other.run, part, ignore=shutil.ignore_patterns("cache", "*.part"))
    (part / "config.json").write_text(json.dumps(step.arguments(), indent=2) + "\n")
    part.rename(step.run)
    print(f"{step.run}: starts with the epochs of {other.run}", flush=True)


def machines(run: Path) -> str:
    """Name the machines that trained a run; "not recorded" if no sweep trained it."""
    return "; then ".join(_noted(run)) or "not recorded"


def _last_epoch(step: Step) -> int:
    return step.epochs + (step.fine_tune if isinstance(step, FitConfig) else 0)


def _option(name: str, value: Any) -> list[str]:
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", str(value)]


def _noted(run: Path) -> list[str]:
    note = run / MACHINES
    return json.loads(note.read_text()) if note.exists() else []


def _note_machine(step: Step) -> None:
    here = machine(step.device, step.precision) if isinstance(step, FitConfig) else machine()
    noted = _noted(step.run)
    if noted[-1:] == [here]:
        return
    step.run.mkdir(parents=True, exist_ok=True)
    with replacing(step.run / MACHINES) as part:
        part.write_text(json.dumps([*noted, here], indent=2) + "\n")
