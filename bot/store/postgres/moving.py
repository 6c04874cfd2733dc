"""Copies what a bot kept in files into the database that it shares from now on."""

from typing import Any, LiteralString

from bot.store.postgres.database import Database
from bot.store.postgres.inbox_rows import as_text
from bot.store.sqlite.chat_settings import SqliteChatSettings
from bot.store.sqlite.feedback_rows import SqliteFeedback
from bot.store.sqlite.inbox_rows import SqliteRows

Rows = list[tuple[Any, ...]]

AT_ONCE = 5_000  # rows in one statement, so that each takes a second at most
MESSAGES = (
    "SELECT platform, chat, message, state, reference, attempts, unconfirmed, answered_pictures, "
    "accepted, due, changed, reason FROM entries ORDER BY accepted"
)
READ = "SELECT platform, chat, message FROM seen"
CHATS = (
    "SELECT platform, chat, auto, language FROM chats LEFT JOIN languages USING (platform, chat) "
    "UNION SELECT platform, chat, auto, language FROM languages LEFT JOIN chats "
    "USING (platform, chat)"
)
FEEDBACK = (
    "SELECT key, photo, caption, language, verdict, correction, given FROM feedback ORDER BY number"
)
ADD_MESSAGES: LiteralString = """
INSERT INTO captioner_inbox (platform, chat, message, state, reference, attempts, unconfirmed,
    answered_pictures, accepted, due, changed, reason)
SELECT platform, chat, message, state, reference, attempts, unconfirmed,
    answered_pictures, to_timestamp(accepted), to_timestamp(due), to_timestamp(changed), reason
FROM unnest(%(0)s::text[], %(1)s::text[], %(2)s::text[], %(3)s::text[], %(4)s::text[],
    %(5)s::integer[], %(6)s::integer[], %(7)s::integer[], %(8)s::double precision[],
    %(9)s::double precision[], %(10)s::double precision[], %(11)s::text[])
    AS given (platform, chat, message, state, reference, attempts, unconfirmed,
        answered_pictures, accepted, due, changed, reason)
ON CONFLICT DO NOTHING RETURNING true
"""
ADD_READ: LiteralString = """
INSERT INTO captioner_read SELECT * FROM unnest(%(0)s::text[], %(1)s::text[], %(2)s::bigint[])
ON CONFLICT DO NOTHING RETURNING true
"""
ADD_CHATS: LiteralString = """
INSERT INTO captioner_chats
SELECT platform, chat, auto <> 0, language
FROM unnest(%(0)s::text[], %(1)s::text[], %(2)s::integer[], %(3)s::text[])
    AS given (platform, chat, auto, language)
ON CONFLICT DO NOTHING RETURNING true
"""
ADD_FEEDBACK: LiteralString = """
INSERT INTO captioner_feedback (key, photo, caption, language, verdict, correction, given)
SELECT key, photo, caption, language, verdict, correction, to_timestamp(given)
FROM unnest(%(0)s::bytea[], %(1)s::text[], %(2)s::text[], %(3)s::text[], %(4)s::text[],
    %(5)s::text[], %(6)s::double precision[])
    AS said (key, photo, caption, language, verdict, correction, given)
ON CONFLICT DO NOTHING RETURNING true
"""


async def copy(
    inbox: SqliteRows, chats: SqliteChatSettings, feedback: SqliteFeedback, database: Database
) -> tuple[int, int, int]:
    """Copy what open files hold into a database, unless it has that already.

    Returns:
        how many messages, the settings of how many chats, and feedback on how many captions, the
        database did not have.

    Raises:
        DatabaseError: a file or the database cannot be used.
    """
    messages = await inbox.run(lambda db: db.execute(MESSAGES).fetchall())
    messages = [(*row[:-1], row[-1] and as_text(row[-1])) for row in messages]  # the reason
    added = await _add(database, ADD_MESSAGES, messages)
    await _add(database, ADD_READ, await inbox.run(lambda db: db.execute(READ).fetchall()))
    settings = await chats.run(lambda db: db.execute(CHATS).fetchall())
    said = await feedback.run(lambda db: db.execute(FEEDBACK).fetchall())
    return (
        added,
        await _add(database, ADD_CHATS, settings),
        await _add(database, ADD_FEEDBACK, said),
    )


async def _add(database: Database, statement: LiteralString, rows: Rows) -> int:
    added = 0
    for start in range(0, len(rows), AT_ONCE):
        columns = zip(*rows[start : start + AT_ONCE], strict=True)
        values = {str(number): list(column) for number, column in enumerate(columns)}
        added += len(await database.run(statement, values))
    return added
