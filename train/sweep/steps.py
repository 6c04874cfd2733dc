"""The runs that a variant is made of: the command of each, and how it is brought to its end."""

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
MACHINES = "machines.json"  # in a run's folder: what it was trained on, in order
_POSITIONAL = ("data", "run")
_ASIDE = ("cache", "resume")  # change neither what a run is nor where it lies


def command(step: Step) -> str:
    """Return what starts a run, as a shell takes it; defaults, `cache` and `resume` are left out.

    Parsed again it is the same configuration, but for those two.
    """
    words = ["fit" if isinstance(step, FitConfig) else "self-critical"]
    words += [str(getattr(step, name)) for name in _POSITIONAL]
    for field in dataclasses.fields(step):
        value = getattr(step, field.name)
        if field.name not in _POSITIONAL + _ASIDE and value != field.default:
            words += _option(field.name, value)
    return shlex.join(["python", "-m", "train", *words])


def is_finished(step: Step) -> bool:
    """Say whether a run is at its end.

    Raises:
        RunError: its folder holds another run.
    """
    note = step.run / "config.json"
    if not note.exists():
        return False
    before = json.loads(note.read_text())
    # Stricter than resuming is: a run that was prolonged is not what its command would train.
    changed = [key for key, value in step.arguments().items() if before.get(key) != value]
    if changed:
        raise RunError(
            step.run,
            f"was started with another {', '.join(changed)}; "
            "sweep with the same arguments, or into another folder",
        )
    return run_folder.read_progress(step.run).epoch >= _last_epoch(step)


def finish(step: Step) -> None:
    """Train a run to its end, from where it stands; one that is finished stays as it is.

    Raises:
        RunError: its folder holds another run; and what `fit` and `self_critical` raise.
    """
    if is_finished(step):
        print(f"{step.run}: trained already", flush=True)
        return
    started = (step.run / "config.json").exists()
    _note_machine(step)
    print(f"{step.run}: {'goes on' if started else 'starts'}", flush=True)
    if isinstance(step, FitConfig):
        fit(dataclasses.replace(step, resume=started))
    else:
        self_critical(dataclasses.replace(step, resume=started))


def fork(step: Step, other: Step) -> None:
    """Begin a run that is to be fine-tuned with a copy of one that did its frozen epochs.

    It would repeat them word for word, so the copy is the run as its own command makes it. Nothing
    is done where the run has begun already, or the other one is not at its end.
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
    print(f"{step.run}: begins with the epochs of {other.run}", flush=True)


def machines(run: Path) -> str:
    """Name the machines that a run was trained on; "not recorded" where no sweep trained it."""
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
