"""The processes that train one model together, on one machine or several; torchrun starts them.

The network's gradients are exchanged on the devices, by the default process group of PyTorch, and
all processes do so at the same time. For what only some of them do, such as validation, there is a
second group: its waits may take days, and it notices at once if another process ends.
"""

import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar

import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from torch import distributed, nn
from torch.optim import Optimizer

from train.errors import SettingError, TrainError
from train.limits import flag

Value = TypeVar("Value")

STEP = timedelta(hours=1)  # no step takes as long, nor does a process reach its first one so late
PATIENCE = timedelta(days=7)  # one process encodes millions of photos in less
# In seconds. Torchrun checks ten times a second whether a process ended, and then ends the others
# of its machine.
ENDING = 3.0


class PeerError(TrainError):
    """Processes that cannot train together."""


@dataclass(frozen=True)
class Peers:
    """The processes that train one model, as one of them knows them; by default it is alone."""

    number: int = 0  # of this one
    count: int = 1
    group: Any = None  # for waits; a `torch.distributed.ProcessGroup`

    @property
    def first(self) -> bool:
        """Whether this is the process that validates, writes the run's folder and prints."""
        return self.number == 0

    def wait(self) -> None:
        """Wait until all have come here, however long that takes."""
        if self.count > 1:
            distributed.barrier(self.group)

    def gather(self, value: Value) -> list[Value]:
        """Return the values of all, in the order of their numbers, once all have come here."""
        values = [value] * self.count
        if self.count > 1:
            distributed.all_gather_object(values, value, self.group)
        return values

    def from_first(self, make: Callable[[], Value]) -> Value:
        """Return what the first process makes, while the others wait."""
        values = [make() if self.first else None]
        if self.count > 1:
            distributed.broadcast_object_list(values, 0, self.group)
        found: Any = values[0]
        return found

    def agree(self, value: object, what: str) -> None:
        """Check that all have the same value.

        Args:
            value: it can be pickled and compared.
            what: its name for the error, in the plural.

        Raises:
            PeerError: a process has another value than the first.
        """
        values = self.gather((value, platform.node()))
        for number, (other, host) in enumerate(values):
            if other != values[0][0]:
                raise PeerError(
                    f"process {number}, on {host}, has different {what} from process 0, on "
                    f"{values[0][1]}; start all processes with the same"
                )

    def agree_on_arguments(self, arguments: Mapping[str, object]) -> None:
        """Check that all were started with the same arguments.

        Raises:
            PeerError: a process was not; it names the flags.
        """
        first = self.from_first(lambda: arguments)
        changed = [flag(name) for name, value in arguments.items() if value != first.get(name)]
        found = sorted({name for names in self.gather(changed) for name in names})
        self.agree(arguments, f"values of {', '.join(found)}")

    @contextmanager
    def first_of_machine(self) -> Iterator[None]:
        """Have the first process of each machine do something before its other processes do."""
        leads = os.environ.get("LOCAL_RANK", "0") == "0"
        if not leads:
            self.wait()
        yield
        if leads:
            self.wait()

    def share_buffers(self, module: nn.Module) -> None:
        """Give the modules of all processes the buffers of the first one's."""
        if self.count > 1:
            for buffer in module.buffers():
                copy = buffer.cpu().contiguous()
                distributed.broadcast(copy, 0, self.group)
                buffer.copy_(copy)

    def share_state(self, optimizer: Optimizer) -> None:
        """Give the optimizers of all processes the state of the first one's."""
        if self.count == 1:
            return
        state = optimizer.state_dict()
        shapes = self.from_first(
            lambda: {
                index: {name: (value.shape, value.dtype) for name, value in moments.items()}
                for index, moments in state["state"].items()
            }
        )
        shared: dict[int, dict[str, torch.Tensor]] = {}
        for index, moments in shapes.items():
            shared[index] = {}
            for name, (shape, dtype) in moments.items():
                if self.first:
                    tensor = state["state"][index][name].cpu().contiguous()
                else:
                    tensor = torch.empty(shape, dtype=dtype)
                distributed.broadcast(tensor, 0, self.group)
                shared[index][name] = tensor
        if not self.first:
            optimizer.load_state_dict(state | {"state": shared})


ALONE = Peers()


def join(*, cpu: bool, precision: Literal["bf16", "no"] | None) -> tuple[Accelerator, Peers]:
    """Join the processes that were started together; one that was started alone has no peers.

    Args:
        cpu: whether to compute there even if there is a GPU.
        precision: of the network's products; None leaves them as they are.
    """
    accelerator = Accelerator(
        # accelerate would have several processes without a GPU train a model each.
        cpu=cpu or (started() > 1 and not torch.cuda.is_available()),
        mixed_precision=precision,
        kwargs_handlers=[InitProcessGroupKwargs(timeout=STEP)],
    )
    if accelerator.num_processes == 1:
        return accelerator, ALONE
    group = distributed.new_group(backend="gloo", timeout=PATIENCE)
    peers = Peers(accelerator.process_index, accelerator.num_processes, group)
    if not peers.first and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # The first one prints that. In a wait, Python would not even notice Ctrl-C.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return accelerator, peers


def leave(accelerator: Accelerator, peers: Peers) -> None:
    """End the work of all at the same time."""
    peers.wait()
    accelerator.end_training()


def end_without_others(status: int) -> None:
    """End this process at once if it is one of several: PyTorch would wait for the others."""
    if started() > 1:
        sys.stdout.flush()
        os._exit(status)


def mean_of_all(total: torch.Tensor, count: int | torch.Tensor) -> torch.Tensor:
    """Return a mean over the items of all processes, as far as this one has them.

    Args:
        total: the sum of this process's items; it may have none.
        count: of its items.

    Returns:
        a scalar. Its mean over the processes is the mean over all items, and so is its gradient,
        which `DistributedDataParallel` averages. A mean of means would give too much weight to the
        items of a process that has few.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return total / count
    every = torch.zeros_like(total, requires_grad=False) + count
    distributed.all_reduce(every)
    return total * distributed.get_world_size() / every


def check_photos(photos: int, peers: Peers) -> None:
    """Refuse steps that have no photo for some of the processes.

    Raises:
        SettingError: there are more processes than photos in a step.
    """
    if photos < peers.count:
        allowed = f"at least {peers.count}, one for each process"
        raise SettingError("--photos", photos, allowed)


def check_alone(option: str, value: object) -> None:
    """Refuse a setting that several processes cannot work with.

    Raises:
        SettingError: this is one of several processes.
    """
    if started() > 1:
        raise SettingError(
            option, value, "left out with several processes; start it without torchrun"
        )


def started() -> int:
    """Return how many processes torchrun has started, on all machines; 1 without it."""
    # Some clusters set the first variable for machines, and not for processes.
    return int(os.environ.get("WORLD_SIZE", 1)) if "LOCAL_RANK" in os.environ else 1


def restarted() -> bool:
    """Return whether torchrun has started all processes again because one of them had ended."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0


def prints() -> bool:
    """Return whether this is the process that prints, before and after it joined the others."""
    if started() == 1:
        return True
    return os.environ.get("RANK", "0") == "0"


def is_lost(error: RuntimeError) -> bool:
    """Return whether an error says that another process is gone."""
    # Gloo's errors have no type of their own.
    return started() > 1 and (
        isinstance(error, distributed.DistError) or "gloo" in str(error).lower()
    )


def says_what_is_wrong(*, lost: bool) -> bool:
    """Return whether this process should say what is wrong, after leaving that to others.

    All processes of a machine fail together if the arguments are wrong, and all but one if that one
    fails. The first of a machine speaks at once, unless it only lost another; those that wait are
    ended by torchrun as soon as one has ended, and so the machine says one thing.

    Args:
        lost: whether only another process is gone, and nothing else is wrong.
    """
    if started() == 1:
        return True
    leads = os.environ.get("LOCAL_RANK", "0") == "0"
    if lost or not leads:
        time.sleep(ENDING)
    return leads or not lost
