"""What PostgreSQL says before there is a connection is told apart: each has a remedy of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from bot.store.postgres.errors import database_error
from tests.bot.postgres import FAST, PASSWORD, PostgresServer, serving
from tests.bot.store.postgres.test_database import refusal


@contextmanager
def ordered(postgres: PostgresServer, order: str) -> Iterator[str]:
    """Give an order about {database} or {user}; yield the address of that database and user."""
    with (
        postgres.database() as url,
        psycopg.connect(postgres.admin, autocommit=True) as owner,
    ):
        database = url.rpartition("/")[2]
        user = f"user_{database}"
        owner.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'")
        owner.execute(order.format(database=database, user=user))
        try:
            yield url.replace("//bot:", f"//{user}:")
        finally:
            owner.execute(f"DROP ROLE {user}")


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ("ALTER ROLE {user} CONNECTION LIMIT 0", "the user has no free connection; "),
        ("ALTER ROLE {user} NOLOGIN", "the user may not log in; "),
        ("ALTER DATABASE {database} CONNECTION LIMIT 0", "it has no free connection; "),
        ("ALTER DATABASE {database} ALLOW_CONNECTIONS false", "it is closed; "),
        ("REVOKE CONNECT ON DATABASE {database} FROM public", "the user may not connect to it; "),
    ],
)
async def test_a_refusal_about_a_user_or_a_database_that_exists_is_named(
    postgres: PostgresServer, order: str, reason: str
) -> None:
    with ordered(postgres, order) as url:
        assert (await refusal(url)).startswith(reason)


async def test_a_user_that_does_not_exist_is_named(postgres: PostgresServer) -> None:
    url = postgres.admin.replace("owner@", "somebody@")
    assert (await refusal(url)).startswith("there is no such user; ")


@pytest.mark.parametrize(
    "option", ["-cnothing%3D1", "-cwork_mem%3Dmuch", "-cshared_buffers%3D1GB", "--nothing", "-Zx"]
)
async def test_a_parameter_that_the_server_does_not_accept_is_named(
    database_url: str, option: str
) -> None:
    said = await refusal(f"{database_url}?options={option}")
    assert said.startswith("it does not accept a parameter of the address; ")


@pytest.mark.parametrize(
    ("parameter", "reason"),
    [
        ("sslmode=require", "its server has no TLS, which sslmode demands; "),
        ("sslmode=much", "the driver does not understand this address; "),
        ("target_session_attrs=standby", "it is not what target_session_attrs asks for; "),
    ],
)
async def test_a_parameter_that_the_driver_cannot_follow_is_named(
    database_url: str, parameter: str, reason: str
) -> None:
    assert (await refusal(f"{database_url}?{parameter}")).startswith(reason)


async def test_a_server_without_a_free_connection_is_named() -> None:
    few = ("max_connections=3", "superuser_reserved_connections=1")
    with (
        serving((*FAST, *few)) as server,
        psycopg.connect(server.admin),
        psycopg.connect(server.admin),
    ):
        # Those that are left are for its owner.
        said = await refusal(server.address())
        with psycopg.connect(server.admin):
            said_at_the_last = await refusal(server.address())
    assert said.startswith("its server has no free connection; raise max_connections")
    assert "reserved" in said
    assert said_at_the_last.startswith("its server has no free connection; raise max_connections")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("the database system is starting up", "its server starts or stops; "),
        ("no more pencils", "it refuses the connection ("),
    ],
)
def test_other_words_of_a_server_do_not_pass_for_its_absence(words: str, reason: str) -> None:
    start = 'connection failed: connection to server at "db", port 5432 failed: FATAL:  '
    said = str(database_error("db", psycopg.OperationalError(start + words)))
    assert said.startswith(f"DATABASE_URL: db: {reason}")
    assert words in said
