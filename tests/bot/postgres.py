"""A real PostgreSQL for the tests, in a temporary folder, where the machine has its binaries."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

PASSWORD = "pass/word of the bot"
IN_ADDRESS = "pass%2Fword%20of%20the%20bot"
SECONDS = 60.0  # that a start may take
# No test needs what it wrote after a crash of the machine.
FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB")


@dataclass
class PostgresServer:
    """A server, which a test may stop and start."""

    binaries: Path
    folder: Path
    port: int
    settings: Sequence[str] = FAST
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def admin(self) -> str:
        """Return the address for its owner."""
        return f"postgresql://owner@/postgres?host={self.folder}&port={self.port}"

    def address(self, database: str = "postgres", password: str = IN_ADDRESS) -> str:
        """Return the address of a database for the bots, over TCP."""
        return f"postgresql://bot:{password}@127.0.0.1:{self.port}/{database}"

    def create(self) -> None:
        """Make the folder of the databases, and the user of the bots."""
        if os.getuid() == 0:
            shutil.chown(self.folder, "nobody")
        options = ("--no-sync", "--encoding=UTF8", "--locale=C", "--username=owner")
        access = ("--auth-local=trust", "--auth-host=scram-sha-256")
        initdb = [str(self.binaries / "initdb"), *options, *access, str(self.folder / "data")]
        subprocess.run(initdb, check=True, capture_output=True, user=_user())
        self.start()
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE bot LOGIN PASSWORD '{PASSWORD}'")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = [f"-c{setting}" for setting in self.settings]
        data, sockets = str(self.folder / "data"), str(self.folder)
        command = [str(self.binaries / "postgres"), "-D", data, "-k", sockets]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "-p", str(self.port), "-h", "127.0.0.1", *settings],
                stderr=log,
                user=_user(),
            )
        last = time.monotonic() + SECONDS
        while True:
            try:
                psycopg.connect(self.admin).close()
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < last
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop it at once, as a crash would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
            self.process = None

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database, and yield its address."""
        name = f"test_{secrets.token_hex(4)}"
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} OWNER bot")
            yield self.address(name)
            if self.process is None:
                self.start()
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def serving(settings: Sequence[str] = FAST) -> Iterator[PostgresServer]:
    """Run a server; skip the test if there is none."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("needs PostgreSQL's initdb and postgres")
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # a socket's path must be short
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = PostgresServer(binaries, folder, free.getsockname()[1], settings)
    try:
        server.create()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path | None:
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


def _user() -> str | None:
    return "nobody" if os.getuid() == 0 else None  # it refuses to run as root
