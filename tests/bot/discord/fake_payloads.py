"""What a small Discord describes: its users, its server and its channels."""

import time
from typing import Any

Json = dict[str, Any]

TOKEN = "MTA.fake.token-of-the-bot"
ME, ADA, OWNER = "600000000000000000", "610000000000000000", "620000000000000000"
GUILD, CHANNEL, PRIVATE = "700000000000000000", "710000000000000000", "720000000000000000"
THREAD = "730000000000000000"  # in CHANNEL
GRANTED, GRANTED_LIMITED = 1 << 18, 1 << 19  # application flags of the message content intent
MESSAGE_CONTENT = 1 << 15  # an intent
ADMINISTRATOR, MANAGE_CHANNELS = 1 << 3, 1 << 4  # permissions
EPHEMERAL = 1 << 6  # a message flag


def user(number: str, name: str, *, bot: bool = False) -> Json:
    """Describe a person or a bot."""
    return {
        "id": number,
        "username": name,
        "discriminator": "0",
        "avatar": None,
        "global_name": None,
        "bot": bot,
    }


def snowflake(age: float = 0.0) -> int:
    """Return an id as Discord made it `age` seconds ago."""
    return int((time.time() - age) * 1000 - 1_420_070_400_000) << 22


def application(flags: int) -> Json:
    """Describe the bot's application."""
    return {
        "id": ME,
        "name": "Captions",
        "description": "",
        "icon": None,
        "bot_public": True,
        "bot_require_code_grant": False,
        "owner": user(OWNER, "owner"),
        "verify_key": "",
        "flags": flags,
    }


def message(number: str, content: str, **fields: Any) -> Json:
    """Describe a message, by default one that a person sent to the server's channel."""
    made: Json = {
        "id": number,
        "type": 0,
        "channel_id": CHANNEL,
        "guild_id": GUILD,
        "author": user(ADA, "lovelace"),
        "content": content,
        "timestamp": "2026-01-02T03:04:05+00:00",
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "pinned": False,
        **fields,
    }
    if made["channel_id"] == PRIVATE:
        del made["guild_id"]
    return made


def channel() -> Json:
    made: Json = {"id": CHANNEL, "type": 0, "name": "photos", "position": 0}
    return made | {"permission_overwrites": [], "guild_id": GUILD}


def thread() -> Json:
    made: Json = {
        "id": THREAD,
        "type": 11,
        "name": "more",
        "guild_id": GUILD,
        "parent_id": CHANNEL,
    }
    made |= {"owner_id": OWNER, "message_count": 0, "member_count": 1, "rate_limit_per_user": 0}
    state: Json = {"archived": False, "locked": False, "auto_archive_duration": 60}
    state |= {"archive_timestamp": "2026-01-02T03:04:05+00:00"}
    return made | {"thread_metadata": state}


def guild() -> Json:
    everyone = {"id": GUILD, "name": "@everyone", "permissions": "0", "position": 0}
    everyone |= {"color": 0, "hoist": False, "managed": False, "mentionable": False}
    made = {"id": GUILD, "name": "Guild", "owner_id": OWNER, "roles": [everyone]}
    return made | {"channels": [channel()], "threads": [thread()], "member_count": 2}
