"""The tables in PostgreSQL, as numbered migrations; each start applies those that are missing.

A migration only adds: bots of the version before go on working with the tables until they are
replaced. A released migration is never changed; a later one puts right what is wrong with it.
"""

from typing import LiteralString

from bot.store.postgres.errors import refusal
from bot.store.postgres.requirements import Connection, verify

# Held while the tables are looked at and made, so that of two bots that start one waits. Any number
# that no other program has: advisory locks are the whole database's.
LOCK = int.from_bytes(b"PCmigrat")
FOREIGN = (
    "its table {} belongs to another program; set DATABASE_URL to a database of the bot's own, or "
    "add ?options=-csearch_path%3Dbot for a schema of its own"
)
NEWER = "a newer version of the bot uses it; install that version"

VERSIONS = "CREATE TABLE captioner_migrations (number integer PRIMARY KEY)"
EXISTING = """
SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = current_schema() AND relname LIKE 'captioner\\_%' AND relkind IN ('r', 'p', 'v')
"""

MESSAGES: LiteralString = """
CREATE TABLE captioner_inbox (
    platform text NOT NULL,
    chat text NOT NULL,
    message text NOT NULL,
    state text NOT NULL DEFAULT 'open',
    reference text,                      -- JSON; NULL once it is answered
    album text,                          -- what messages that are answered together share
    attempts integer NOT NULL DEFAULT 0,
    unconfirmed integer NOT NULL DEFAULT 0,  -- answers that may have arrived
    accepted timestamptz NOT NULL DEFAULT now(),
    due timestamptz NOT NULL DEFAULT now(),  -- when the next attempt may be made
    changed timestamptz NOT NULL DEFAULT now(),
    reason text,                         -- why the last attempt failed
    owner text,                          -- the bot that has the message,
    held_until timestamptz,              -- until then
    PRIMARY KEY (platform, chat, message)
);
CREATE INDEX captioner_inbox_open ON captioner_inbox (platform, due) WHERE state = 'open';
CREATE INDEX captioner_inbox_albums ON captioner_inbox (platform, chat, album)
    WHERE state = 'open' AND album IS NOT NULL;
CREATE INDEX captioner_inbox_changed ON captioner_inbox (changed) WHERE state <> 'open';
CREATE TABLE captioner_read (
    platform text NOT NULL,
    chat text NOT NULL,
    message bigint NOT NULL,             -- the last one that was read
    PRIMARY KEY (platform, chat)
);
CREATE TABLE captioner_chats (
    platform text NOT NULL,
    chat text NOT NULL,
    auto boolean,                        -- NULL if nothing was chosen, like the next
    language text,
    PRIMARY KEY (platform, chat)
);
"""
RATES: LiteralString = """
-- Photos that count towards a rate. A server that crashes forgets them, which frees some people for
-- a moment; in return it need not wait for its disk.
CREATE UNLOGGED TABLE captioner_spent (
    name text NOT NULL,
    spent timestamptz NOT NULL,
    photos integer NOT NULL,
    over timestamptz NOT NULL            -- when no rate needs it any more
);
CREATE INDEX captioner_spent_names ON captioner_spent (name, spent);
CREATE INDEX captioner_spent_over ON captioner_spent (over);
-- Counts photos towards some rates and returns 0, or returns the seconds to wait, and counts
-- nothing. Each rate allows its amount in any window of its seconds, for its name; a name may have
-- several. A number above the amount uses up the whole rate.
CREATE FUNCTION captioner_spend(
    names text[], amounts integer[], seconds double precision[], photos integer
) RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
    wait double precision := 0;
    start timestamptz;
    moment timestamptz;
    excess bigint;
BEGIN
    -- In one order, so that no two bots wait for each other.
    PERFORM pg_advisory_xact_lock(hashtextextended(name, 0))
        FROM (SELECT DISTINCT unnest(names) AS name ORDER BY 1) AS locked;
    moment := clock_timestamp();
    FOR rate IN 1 .. array_length(names, 1) LOOP
        start := moment - make_interval(secs => seconds[rate]);
        SELECT coalesce(sum(least(event.photos, amounts[rate])), 0)
                + least(captioner_spend.photos, amounts[rate]) - amounts[rate]
            INTO excess
            FROM captioner_spent AS event WHERE event.name = names[rate] AND event.spent > start;
        IF excess > 0 THEN
            -- Until as many have left the window.
            wait := greatest(wait, (
                SELECT extract(epoch FROM min(leaving.spent) - start) FROM (
                    SELECT event.spent,
                        sum(least(event.photos, amounts[rate])) OVER (ORDER BY event.spent) AS freed
                    FROM captioner_spent AS event
                    WHERE event.name = names[rate] AND event.spent > start
                ) AS leaving WHERE freed >= excess
            ));
        END IF;
    END LOOP;
    IF wait = 0 THEN
        INSERT INTO captioner_spent
            SELECT name, moment, captioner_spend.photos,
                moment + make_interval(secs => max(lasting))
            FROM unnest(names, seconds) AS given (name, lasting) GROUP BY name;
    END IF;
    RETURN wait;
END $$;
"""
FEEDBACK: LiteralString = """
CREATE TABLE captioner_feedback (
    number bigint GENERATED BY DEFAULT AS IDENTITY UNIQUE,  -- the later, the higher
    key bytea PRIMARY KEY,               -- of the photo and the caption
    photo text NOT NULL,                 -- the SHA-256 of its bytes
    caption text NOT NULL,
    language text NOT NULL,
    verdict text NOT NULL,
    correction text,
    given timestamptz NOT NULL DEFAULT now()
);
"""
# Pictures of a message that parts of its answer were about.
ANSWERED_PICTURES: LiteralString = (
    "ALTER TABLE captioner_inbox ADD COLUMN answered_pictures integer NOT NULL DEFAULT 0"
)
MIGRATIONS: tuple[LiteralString, ...] = (MESSAGES + RATES, FEEDBACK, ANSWERED_PICTURES)


async def migrate(connection: Connection, place: str) -> None:
    """Bring the tables up to date, in one transaction: all of it is done, or nothing.

    Raises:
        DatabaseError: other programs have tables of these names, a newer version made them, or the
            database lacks what a bot needs.
        psycopg.Error: the database cannot be used.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        done = await applied(connection, place)
        await verify(connection, place, tables=done is not None, current=done == len(MIGRATIONS))
        if done is None:
            await connection.execute(VERSIONS)
        for number, script in enumerate(MIGRATIONS[done or 0 :], (done or 0) + 1):
            await connection.execute(script)
            await connection.execute("INSERT INTO captioner_migrations VALUES (%s)", (number,))


async def applied(connection: Connection, place: str) -> int | None:
    """Return how many migrations were applied; None if there are no tables yet.

    Raises:
        DatabaseError: other programs have tables of these names, or a newer version made them.
        psycopg.Error: the database cannot be used.
    """
    existing = {name for (name,) in await (await connection.execute(EXISTING)).fetchall()}
    if "captioner_migrations" not in existing:
        if existing:
            raise refusal(place, FOREIGN.format(min(existing)))
        return None
    query = "SELECT coalesce(max(number), 0) FROM captioner_migrations"
    [(done,)] = await (await connection.execute(query)).fetchall()
    if done > len(MIGRATIONS):
        raise refusal(place, NEWER)
    return int(done)
