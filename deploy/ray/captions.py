"""Caption all photos of a folder on a Ray cluster: a row of Parquet for each.

    python deploy/ray/captions.py s3://bucket/photos s3://bucket/captions --gpus 1 --cpus 8

Each actor holds one captioner and reads the photos itself. The columns are the fields of
`python -m captioner --json`. A photo that cannot be read is a row with its error. After an
interruption run it again: photos that are in the output already are skipped.
"""

import argparse
import asyncio
import atexit
import math
import os
import re
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import ray
from ray.exceptions import RayError

from captioner import Captioner, Options
from captioner.checkpoint import CheckpointError
from captioner.command_line import arguments as common
from captioner.command_line.addresses import is_address, opened, photos_at, reader
from captioner.command_line.attempt import attempt, in_flight, serving
from captioner.command_line.files import PhotoFile
from captioner.command_line.lines import fields
from captioner.command_line.names import ALL, Shard, ShardError
from captioner.command_line.parquet import SCHEMA, UnusableOutput, check, done_in
from captioner.command_line.settings import settings
from captioner.cores import cores
from captioner.interrupt import run
from captioner.options import OptionError
from captioner.output import complain
from captioner.photo.limits import Limits
from captioner.runtime.errors import UnusableError
from captioner.shipped import name_of as name_of_checkpoint

ROWS = 1000  # of a file, 20 to 40 seconds of a core; a kill costs each actor about two of them
WRITTEN_BY_ONE = 16  # actors: a file takes far less time to write than to caption
STOP_SECONDS = 5.0  # of an actor, which has nothing in progress then
REACH_SECONDS = 10.0  # that a cluster's machine may take to accept a connection
SHARES = 4  # files for each actor if the folder is small, so that all end at about the same time


class NoClusterError(Exception):
    """A cluster that cannot be used."""


@dataclass(frozen=True)
class Loading:
    """What each actor loads."""

    source: str  # a folder, or an address; see `photos_at`
    checkpoint: str  # the name of one that ships, or a path, which is the same on each machine
    device: str
    runtime: Any
    limits: Limits
    options: Options

    def captioner(self) -> Captioner:
        """Load the captioner; raises as `Captioner.load` does."""
        serve = serving(self.limits, decoders=cores())
        return Captioner.load(self.checkpoint, self.device, runtime=self.runtime, serving=serve)


class Captions:
    """An actor: turns tables of photos, several at once, into tables of captions."""

    def __init__(self, loading: Loading) -> None:
        """Load the captioner; it starts with the first table."""
        self._captioner = loading.captioner()
        self._options = loading.options
        self._read = reader(loading.source)
        self._room = asyncio.Semaphore(in_flight(self._captioner.device))
        self._started: asyncio.Task[Captioner] | None = None
        atexit.register(self._stop)

    async def __call__(self, photos: pa.Table) -> pa.Table:
        """Return a row of `SCHEMA` for each row of `table_of`."""
        if self._started is None:
            self._started = asyncio.create_task(self._captioner.__aenter__())
        await self._started
        rows = await asyncio.gather(*(self._row(photo) for photo in photos_of(photos)))
        return pa.Table.from_pylist(rows, schema=SCHEMA)

    def _stop(self) -> None:
        """End the processes that decode, and what runs in the loop, which Ray leaves running."""
        if self._started is not None:
            ending = self._captioner.__aexit__(None, None, None)
            with suppress(TimeoutError):
                loop = self._started.get_loop()
                asyncio.run_coroutine_threadsafe(ending, loop).result(STOP_SECONDS)

    async def _row(self, photo: PhotoFile) -> dict[str, Any]:
        async with self._room:
            # A story has no place among the columns of captions.
            done = await attempt(self._captioner, photo, self._options, self._read, videos=False)
        return fields(photo.name, done.result)


def table_of(photos: Sequence[PhotoFile]) -> pa.Table:
    """Return photos as a table: names are bytes, for not every name is text."""
    return pa.table(
        {
            "name": pa.array([os.fsencode(photo.name) for photo in photos], pa.binary()),
            "key": pa.array([os.fsencode(photo.key) for photo in photos], pa.binary()),
            "problem": pa.array([photo.problem for photo in photos], pa.string()),
        }
    )


def photos_of(table: pa.Table) -> list[PhotoFile]:
    """Return the photos of `table_of`."""
    return [
        PhotoFile(os.fsdecode(row["name"]), problem=row["problem"], key=os.fsdecode(row["key"]))
        for row in table.to_pylist()
    ]


def start(address: str | None) -> bool:
    """Connect to a cluster, or start one on this machine, which does not report its use.

    Returns:
        whether it is only this machine.

    Raises:
        NoClusterError: there is no cluster at the address, or none can be started.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    named = address or os.environ.get("RAY_ADDRESS")
    try:
        if named:
            _check_reachable(named)
            ray.init(address=address)
        else:
            ray.init(include_dashboard=False)
    except (RayError, OSError, RuntimeError, ValueError) as error:
        where = f"a Ray cluster cannot be reached at {named}" if named else "Ray cannot be started"
        raise NoClusterError(f"{where}: {_first_line(error)}") from error
    return not named


def _check_reachable(address: str) -> None:
    """Check that something listens at an address with a port: Ray would try that for minutes.

    Raises:
        OSError: nothing does.
        UnicodeError: there is no such machine.
    """
    if found := re.fullmatch(r"(?:ray://)?\[?([^]/]+?)\]?:([0-9]+)", address):
        socket.create_connection((found[1], int(found[2])), REACH_SECONDS).close()


def caption(
    photos: Sequence[PhotoFile],
    output: str,
    loading: Loading,
    actors: int,
    cpus: float,
    gpus: float,
) -> None:
    """Caption photos on a cluster that was started, and write a file for each `ROWS` of them."""
    rows = min(ROWS, math.ceil(len(photos) / (SHARES * actors)))
    tables = [table_of(photos[first : first + rows]) for first in range(0, len(photos), rows)]
    filesystem, folder = opened(output)
    captions = ray.data.from_arrow(tables).map_batches(
        Captions,
        fn_constructor_args=[loading],
        batch_size=rows,  # each table as it is; for GPUs, Ray wants a number
        batch_format="pyarrow",
        num_cpus=cpus,
        num_gpus=gpus,
        # While the last photos of one table are decoded, those of the next one begin.
        compute=ray.data.ActorPoolStrategy(
            size=actors, max_tasks_in_flight_per_actor=4, max_concurrent_calls_per_actor=2
        ),
    )
    # Writing reserves no core, because the actors may have all of them. It uses few processes,
    # because each takes seconds to start.
    captions.write_parquet(
        folder,
        filesystem=filesystem,
        ray_remote_args={"num_cpus": 0},
        concurrency=math.ceil(actors / WRITTEN_BY_ONE),
    )


def most_actors(cpus: float, gpus: float) -> int:
    """Return how many actors the cluster has room for, and at least one."""
    # Ray has types, but not of this; where it is not installed, nothing is to be ignored.
    resources = ray.cluster_resources()  # type: ignore[no-untyped-call,unused-ignore]
    room = [resources.get("CPU", 0) / cpus] if cpus else []
    room += [resources.get("GPU", 0) / gpus] if gpus else []
    return max(1, int(min(room, default=1)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 1 if any photo has failed, else 0."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if problem := _problem(args):
        parser.error(problem)
    try:
        loading = _loading(args)
        photos = _photos_left(args, loading)
    except OptionError as error:
        parser.error(f"--{error.field} {error.reason}")
    except ShardError as error:
        parser.error(f"--shard {error}")
    except UnusableError as error:
        parser.error(f"--{error.setting} {error.reason}")
    except CheckpointError as error:
        parser.error(f"--checkpoint: {error}")
    except (UnusableOutput, OSError, ValueError) as error:
        parser.error(str(error))
    if photos and (problem := _caption(photos, args, loading)):
        complain(f"error: {problem}")
        return 1
    _, count, failed = done_in(args.output)
    complain(f"{args.output}: {count:,} photos, {failed:,} of them failed")
    return int(failed > 0)


def _loading(args: argparse.Namespace) -> Loading:
    return Loading(
        source=args.input,
        checkpoint=name_of_checkpoint(args.checkpoint) or os.path.abspath(args.checkpoint),
        device=args.device,
        runtime=args.runtime,
        limits=common.limits(args),
        options=common.options(args),
    )


def _photos_left(args: argparse.Namespace, loading: Loading) -> list[PhotoFile]:
    """Return the photos that the output does not have yet, after checking that it may have them."""
    shard = Shard.parse(args.shard)
    # Here too, so that what cannot be used is known before there are actors.
    Captioner.load(args.checkpoint, "cpu").check_language(args.language)
    now = settings(args.checkpoint, args.runtime, loading.options, loading.limits, shard)
    check(args.output, now)
    names, before, _ = done_in(args.output)
    photos = [photo for photo in shard.of(photos_at(args.input)) if names.add(photo.name)]
    complain(f"{args.output}: {before:,} photos are done, {len(photos):,} are not")
    return photos


def _caption(photos: list[PhotoFile], args: argparse.Namespace, loading: Loading) -> str | None:
    """Caption photos on the cluster that the arguments name; return why that was not possible."""
    try:
        if problem := _missing(args, start(args.address)):
            return problem
        actors = args.actors or most_actors(args.cpus, args.gpus)
        caption(photos, args.output, loading, actors, args.cpus, args.gpus)
    except NoClusterError as error:
        return str(error)
    except (RayError, OSError) as error:
        return f"{_first_line(error)} Run this again to go on."
    return None


def _missing(args: argparse.Namespace, alone: bool) -> str | None:
    """Return why no actor can ever run; that a cluster may still grow is only said."""
    # Ray has types, but not of this.
    machines = [one["Resources"] for one in ray.nodes() if one["Alive"]]  # type: ignore[no-untyped-call,unused-ignore]
    if any(one.get("CPU", 0) >= args.cpus and one.get("GPU", 0) >= args.gpus for one in machines):
        return None
    problem = f"no machine has what --cpus {args.cpus:g} --gpus {args.gpus:g} ask for each actor"
    if alone:
        return problem
    complain(f"{problem}; this waits until one joins the cluster")
    return None


def _first_line(error: Exception) -> str:
    """Return what happened, without the state of the cluster and the traces that Ray adds."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return f"{line.strip().rstrip('.')}."


def _problem(args: argparse.Namespace) -> str | None:
    if not is_address(args.input) and not os.path.isdir(args.input):
        return f"the input {args.input} is not a folder"
    for option, value, least in (
        ("--actors", args.actors, 1),
        ("--cpus", args.cpus, 0),
        ("--gpus", args.gpus, 0),
    ):
        if value is not None and not least <= value < math.inf:
            return f"{option} is {value:g}; it must be at least {least}"
    return common.problem(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input", help="folder, or an address such as s3://bucket/photos")
    parser.add_argument("output", help="folder or address for the files of Parquet")
    parser.add_argument("--address", help="of the cluster; by default RAY_ADDRESS, or this machine")
    parser.add_argument(
        "--actors", type=int, metavar="N", help="by default as many as the cluster has room for"
    )
    parser.add_argument("--cpus", type=float, default=1, metavar="N", help="cores of each actor")
    parser.add_argument(
        "--gpus", type=float, default=0, metavar="N", help="GPUs of each actor, such as 1 or 0.5"
    )
    parser.add_argument(
        "--shard", default=str(ALL), metavar="PART/PARTS", help="only this part of the photos"
    )
    common.add_search(parser)
    common.add_network(parser)
    return parser


if __name__ == "__main__":
    sys.exit(run(main))
