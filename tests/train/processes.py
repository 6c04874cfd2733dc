"""Runs of `python -m train` in processes of their own.

They are forked by one process that has imported everything: starting Python and PyTorch again would
take each of them seven seconds.
"""

import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.train.slim import slim
from train import fit
from train.__main__ import main

ROOT = Path(__file__).parents[2]
SECONDS = 300.0  # that two processes may take
LOOPBACK = "lo" if sys.platform == "linux" else "lo0"


def start(arguments: Sequence[str], log: Path) -> ForkServerProcess:
    """Run the command; `log` gets what it writes to standard error."""
    return _fork(_run, arguments, log)


def run_two_ranks(arguments: Sequence[str], folder: Path) -> set[int | None]:
    """Run the command in two processes that train one model, and return how they ended.

    They are started as torchrun would start them. See `run_rank` for what they leave.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = ({"RANK": rank, "LOCAL_RANK": rank} for rank in "01")
    started = [_fork(run_rank, arguments, folder, shared | rank) for rank in ranks]
    for process in started:
        process.join(SECONDS)
    return {process.exitcode for process in started}


def run_torchrun(arguments: Sequence[str], folder: Path) -> set[int | None]:
    """Do the same with torchrun."""
    launch = ["--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
    words = ["-m", "torch.distributed.run", *launch, "-m", __name__, str(folder), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *words], env=environment, timeout=SECONDS)
    return {done.returncode}


def run_rank(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str] = os.environ
) -> None:
    """Run the command as one of several that train one model, and end this process.

    `folder` gets its weights, as `rank-0.safetensors` for the first, and a log beside them.
    """
    # More threads than cores would wait for one another, for seconds each step.
    os.environ.update(environment, GLOO_SOCKET_IFNAME=LOOPBACK, OMP_NUM_THREADS="1")
    place = folder / f"rank-{os.environ['RANK']}"
    models: list[torch.nn.Module] = []
    build = fit._model

    def remember(*settings: Any) -> Any:
        models.append(build(*settings))
        return models[0]

    fit._model = remember  # type: ignore[assignment]
    try:
        _run(arguments, place.with_suffix(".log"))
    finally:
        weights = {name: value.clone() for name, value in models[0].state_dict().items()}
        save_file(
            {name: value.contiguous() for name, value in weights.items()},
            place.with_suffix(".safetensors"),
        )


def _fork(target: Any, *arguments: object) -> ForkServerProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def _run(arguments: Sequence[str], log: Path) -> None:
    with log.open("wb", 0) as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    torch.set_num_threads(1)
    with slim():
        sys.exit(main(arguments))


if __name__ == "__main__":
    run_rank(sys.argv[2:], Path(sys.argv[1]))
