"""Runs of `python -m train` in processes of their own.

They are forked by one process that has imported everything: starting Python and PyTorch again would
take each of them seven seconds.
"""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.train.conftest import not_drawing
from tests.train.slim import slim
from train import fit, processes, self_critical
from train.__main__ import main
from train.data import loader
from train.data.loader import Batch

ROOT = Path(__file__).parents[2]
SECONDS = 300.0  # that two processes may take
ONE_MACHINE = ("--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2")
DYING = "TEST_DYING_IN_EPOCH"  # of the environment: when the last process kills itself, once
LOOPBACK = "lo" if sys.platform == "linux" else "lo0"


def start(arguments: Sequence[str], log: Path) -> ForkServerProcess:
    """Run the command; `log` gets what it writes to standard error."""
    return fork(_run, arguments, log)


def run_two_ranks(arguments: Sequence[str], folder: Path) -> set[int | None]:
    """Run the command in two processes that train one model, and return how they ended.

    See `start_ranks`.
    """
    return ended(start_ranks([arguments, arguments], folder))


def start_ranks(commands: Sequence[Sequence[str]], folder: Path) -> list[ForkServerProcess]:
    """Start processes that train one model, as torchrun starts one on each of several machines.

    Args:
        commands: the arguments of each.
        folder: see `run_rank` for what they leave there.
    """
    ranks = zip(commands, rank_environments(len(commands)), strict=True)
    return [fork(run_rank, arguments, folder, environment) for arguments, environment in ranks]


def rank_environments(count: int) -> list[dict[str, str]]:
    """Return what torchrun would tell the only process on each of some machines."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    shared = address | {"WORLD_SIZE": str(count)}
    return [shared | {"RANK": str(rank), "LOCAL_RANK": "0"} for rank in range(count)]


def ended(ranks: Sequence[ForkServerProcess]) -> set[int | None]:
    """Wait for processes, and return how they ended."""
    for rank in ranks:
        rank.join(SECONDS)
    return {rank.exitcode for rank in ranks}


def run_torchrun(arguments: Sequence[str], folder: Path) -> set[int | None]:
    """Do the same with torchrun, both on one machine."""
    return {start_torchrun(ONE_MACHINE, arguments, folder).wait(SECONDS)}


def run_two_torchruns(arguments: Sequence[str], folder: Path) -> set[int | None]:
    """Do the same with torchrun, as if on two machines that find out which is the first."""
    rendezvous = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{_free_port()}"]
    return _on_two_machines([rendezvous] * 2, arguments, folder)


def run_two_numbered_torchruns(arguments: Sequence[str], folder: Path) -> set[int | None]:
    """Do the same, and say which is the first."""
    address = ["--master-addr", "127.0.0.1", "--master-port", str(_free_port())]
    numbered = [[*address, "--node-rank", number] for number in "01"]
    return _on_two_machines(numbered, arguments, folder)


def _on_two_machines(
    launches: Sequence[Sequence[str]], arguments: Sequence[str], folder: Path
) -> set[int | None]:
    machine = ["--nnodes", "2", "--nproc-per-node", "1", "--local-addr", "127.0.0.1"]
    started = [start_torchrun([*machine, *launch], arguments, folder) for launch in launches]
    return {process.wait(SECONDS) for process in started}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def start_torchrun(
    launch: Sequence[str],
    arguments: Sequence[str],
    folder: Path,
    more: Mapping[str, str] = os.environ,
) -> subprocess.Popen[bytes]:
    """Start torchrun.

    Args:
        launch: which processes it is to start.
        arguments: of the command.
        folder: see `run_rank`.
        more: of the environment.
    """
    words = ["-m", "torch.distributed.run", *launch, "-m", __name__, str(folder), *arguments]
    environment = {**os.environ, **more, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, *words], env=environment)


def run_rank(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str] = os.environ
) -> None:
    """Run the command as one of several that train one model, and end this process.

    `folder` gets its weights, as `rank-0.safetensors` for the first, and what it prints beside
    them: `rank-0.out`, and `rank-0.log` with standard error.
    """
    enter(environment)
    place = folder / f"rank-{os.environ['RANK']}"
    models: list[torch.nn.Module] = []
    build = fit._model

    def remember(*settings: Any) -> Any:
        models.append(build(*settings))
        return models[-1]

    fit._model = remember  # type: ignore[assignment]
    try:
        with place.with_suffix(".out").open("wb", 0) as file:
            os.dup2(file.fileno(), sys.stdout.fileno())
        _run(arguments, place.with_suffix(".log"))
    finally:
        for model in models:
            weights = {name: value.clone() for name, value in model.state_dict().items()}
            save_file(
                {name: value.contiguous() for name, value in weights.items()},
                place.with_suffix(".safetensors"),
            )


def run_rank_until(
    epoch: int, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> None:
    """Do the same, but kill this process after the first step of an epoch; the seed must be 0."""
    load = loader.data_loader

    def load_until(*settings: Any, seed: int, **options: Any) -> Iterator[Batch]:
        for batch in load(*settings, seed=seed, **options):
            yield batch
            if seed == epoch:
                os.kill(os.getpid(), signal.SIGKILL)

    fit.data_loader = load_until  # type: ignore[attr-defined]
    run_rank(arguments, folder, environment)


def enter(environment: Mapping[str, str]) -> None:
    """Have this process be one of several."""
    # More threads than cores would wait for one another, for seconds each step.
    os.environ.update(environment, GLOO_SOCKET_IFNAME=LOOPBACK, OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    if "TORCHELASTIC_RUN_ID" not in os.environ:  # nothing would end it while it waits
        processes.ENDING = 0.1


def fork(target: Any, *arguments: object) -> ForkServerProcess:
    """Call a function in a process of its own, which has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def _run(arguments: Sequence[str], log: Path) -> None:
    with log.open("wb", 0) as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    torch.set_num_threads(1)
    self_critical.half_is_fast = lambda device: False  # type: ignore[attr-defined]
    with slim(), not_drawing():
        sys.exit(main(arguments))


if __name__ == "__main__":
    first_start = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    if DYING in os.environ and first_start and os.environ["RANK"] == "1":
        run_rank_until(int(os.environ[DYING]), sys.argv[2:], Path(sys.argv[1]), os.environ)
    run_rank(sys.argv[2:], Path(sys.argv[1]))
