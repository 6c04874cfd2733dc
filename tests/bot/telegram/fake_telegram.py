"""A small Telegram Bot API server for tests: it records what a bot calls, and fails on demand."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from aiohttp import web

Json = dict[str, Any]

TOKEN = "123456:secret-token"
BOT: Json = {
    "id": 123456,
    "is_bot": True,
    "first_name": "Captions",
    "username": "captions_bot",
    "can_read_all_group_messages": True,
}
ANN: Json = {"id": 7, "is_bot": False, "first_name": "Ann"}
BEN: Json = {"id": 8, "is_bot": False, "first_name": "Ben"}
PRIVATE: Json = {"id": 7, "type": "private", "first_name": "Ann"}
BEN_PRIVATE: Json = {"id": 8, "type": "private", "first_name": "Ben"}
GROUP: Json = {"id": -100, "type": "supergroup", "title": "Friends", "is_forum": True}
CHANNEL: Json = {"id": -200, "type": "channel", "title": "News"}
DROP: Json = {}  # a failure that closes the connection
TIMEOUT = 20.0  # seconds that a test waits for an event


@dataclass(frozen=True)
class Call:
    """One call of the Bot API."""

    method: str
    data: Json


@dataclass(frozen=True)
class Taken:
    """A call that is carried out, although the bot does not get its result."""

    answer: Json = field(default_factory=lambda: DROP)
    seconds: float = 0.0  # until the answer


def failure(status: int, description: str = "no", **parameters: Any) -> Json:
    """Return the answer to a call that fails."""
    answer: Json = {"ok": False, "error_code": status, "description": description}
    return answer | ({"parameters": parameters} if parameters else {})


class FakeTelegram:
    """The server, the chats on it, and the bot's files."""

    def __init__(self) -> None:
        self.bot = dict(BOT)
        self.calls: list[Call] = []
        self.files: dict[str, bytes] = {}
        self.fetched: list[str] = []  # paths of files
        self.administrators: set[int] = set()
        self.description = ""  # of the bot, as its operator wrote it
        # The answers to a method's next calls, in order; None lets one succeed.
        self.failures: dict[str, list[Json | Taken | None]] = defaultdict(list)
        self.latency = 0.0  # seconds between taking a message and saying so
        self.confirmed = 0  # updates below this id were confirmed
        self.messages: dict[tuple[int, int], Json] = {}  # by chat and message id
        self.url = ""
        self._updates: list[Json] = []
        self._last_update = 0
        self._ids, self._update_ids = count(100), count(1)
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["FakeTelegram"]:
        """Listen on a free port of loopback."""
        app = web.Application()
        app.router.add_post("/bot{token}/{method}", self._call)
        app.router.add_get("/file/bot{token}/{file}", self._file)
        # A poll ends as soon as its bot is gone, as at Telegram.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0]
            self.url = f"http://{host}:{port}"
            self._runner = runner
            yield self
        finally:
            await runner.cleanup()

    @asynccontextmanager
    async def unreachable(self) -> AsyncIterator[None]:
        """Refuse all connections until the context ends."""
        host, port = self._runner.addresses[0]
        for site in list(self._runner.sites):
            await site.stop()
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            connection.force_close()
        yield
        await web.TCPSite(self._runner, host, port).start()

    # What people do.

    async def send(self, chat: Json = PRIVATE, sender: Json = ANN, **fields: Any) -> Json:
        """Have a person send a message, and return it."""
        message = self.message(chat, sender, **fields)
        await self.update(message=message)
        return message

    async def post(self, **fields: Any) -> Json:
        """Have an administrator of the channel post a message there, and return it."""
        post = self.message(CHANNEL, sender_chat=CHANNEL, **fields)
        del post["from"]
        await self.update(channel_post=post)
        return post

    async def press(self, data: str, shown: Json, sender: Json = ANN) -> None:
        """Have a person press a button under a message."""
        number = str(next(self._ids))
        query = {"id": number, "from": sender, "chat_instance": "i", "data": data, "message": shown}
        await self.update(callback_query=query)

    async def update(self, **fields: Any) -> Json:
        """Add an update for the bot to fetch."""
        self._last_update = next(self._update_ids)
        update = {"update_id": self._last_update, **fields}
        async with self._changed:
            self._updates.append(update)
            self._changed.notify_all()
        return update

    def message(self, chat: Json = PRIVATE, sender: Json = ANN, **fields: Any) -> Json:
        """Make a message, without an update about it."""
        message = {
            "message_id": next(self._ids),
            "date": int(time.time()),
            "chat": chat,
            "from": sender,
            **fields,
        }
        self.messages[chat["id"], message["message_id"]] = message
        return message

    def file(self, data: bytes, **fields: Any) -> Json:
        """Store a file, and return its entry in a message."""
        name = f"file{len(self.files)}"
        self.files[name] = data
        return {"file_id": name, "file_unique_id": f"u{name}", "file_size": len(data), **fields}

    def photo(self, data: bytes, side: int = 96, **fields: Any) -> Json:
        """Store a photo, and return its entry in a message, one of its sizes."""
        return self.file(data, width=side, height=side, **fields)

    # What tests check.

    async def until(self, met: Callable[[], Any]) -> Any:
        """Wait until something is true, and return it."""
        async with asyncio.timeout(TIMEOUT), self._changed:
            return await self._changed.wait_for(met)

    def of(self, *methods: str) -> list[Json]:
        """Return the calls of some methods."""
        return [call.data for call in self.calls if call.method in methods]

    async def nth(self, method: str, number: int = 1) -> Json:
        """Wait for a call of a method, and return what was sent with it."""
        await self.until(lambda: len(self.of(method)) >= number)
        return self.of(method)[number - 1]

    async def all_fetched(self) -> None:
        """Wait until the bot has confirmed all updates, and asks for more."""
        await self.until(lambda: self.confirmed > self._last_update)

    def latest(self) -> Json:
        """Return the newest message as the chat shows it."""
        return self.messages[max(self.messages, key=lambda key: key[1])]

    # The Bot API.

    async def _call(self, request: web.Request) -> web.StreamResponse:
        method, data = request.match_info["method"], await _form(request)
        async with self._changed:
            self.calls.append(Call(method, data))
            self._changed.notify_all()
        answer: Json | Taken | None = None
        if request.match_info["token"] != TOKEN:
            answer = failure(401, "Unauthorized")
        elif self.failures[method]:
            answer = self.failures[method].pop(0)
        if isinstance(answer, Taken):
            await self._carry_out(method, data)
            await asyncio.sleep(answer.seconds)
            answer = answer.answer
        if answer is DROP:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if answer is None:
            answer = {"ok": True, "result": await self._carry_out(method, data)}
            if method == "sendMessage":
                await asyncio.sleep(self.latency)
        return web.json_response(answer, status=answer.get("error_code", 200))

    async def _carry_out(self, method: str, data: Json) -> Any:
        handler = getattr(self, f"_{method}", None)
        return await handler(data) if handler else True

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["file"]
        async with self._changed:
            self.fetched.append(name)
            self._changed.notify_all()
        if self.failures["file"] and (failed := self.failures["file"].pop(0)):
            assert isinstance(failed, dict)
            return web.Response(status=failed["error_code"])
        return web.Response(body=self.files[name])

    async def _getMe(self, data: Json) -> Json:  # noqa: N802
        return self.bot

    async def _getUpdates(self, data: Json) -> list[Json]:  # noqa: N802
        def waiting() -> list[Json]:
            return [one for one in self._updates if one["update_id"] >= offset]

        offset = data.get("offset", 0)

        async with self._changed:
            self.confirmed = max(self.confirmed, offset)
            self._updates = waiting()
            self._changed.notify_all()
            try:
                async with asyncio.timeout(data.get("timeout", 0)):
                    return await self._changed.wait_for(waiting)
            except TimeoutError:
                return []

    async def _getFile(self, data: Json) -> Json:  # noqa: N802
        name = data["file_id"]
        return {
            "file_id": name,
            "file_unique_id": f"u{name}",
            "file_size": len(self.files[name]),
            "file_path": name,
        }

    async def _sendMessage(self, data: Json) -> Json:  # noqa: N802
        return self._sent(data, text=data["text"])

    async def _sendPhoto(self, data: Json) -> Json:  # noqa: N802
        return self._sent(data, photo=[self.photo(data["photo"])], caption=data["caption"])

    async def _editMessageText(self, data: Json) -> Json:  # noqa: N802
        shown = self.messages[data["chat_id"], data["message_id"]]
        shown["text"] = data["text"]
        shown.pop("reply_markup", None)
        if "reply_markup" in data:
            shown["reply_markup"] = data["reply_markup"]
        return shown

    async def _editMessageReplyMarkup(self, data: Json) -> Json:  # noqa: N802
        shown = self.messages[data["chat_id"], data["message_id"]]
        shown.update(reply_markup=data["reply_markup"])
        return shown

    async def _getMyDescription(self, data: Json) -> Json:  # noqa: N802
        return {"description": self.description}

    async def _getMyShortDescription(self, data: Json) -> Json:  # noqa: N802
        return {"short_description": self.description}

    async def _getChatMember(self, data: Json) -> Json:  # noqa: N802
        user = {**ANN, "id": data["user_id"]}
        if data["user_id"] not in self.administrators:
            return {"status": "member", "user": user}
        return {"status": "creator", "user": user, "is_anonymous": False}

    def _sent(self, data: Json, **fields: Any) -> Json:
        chat = CHANNEL if data["chat_id"] == CHANNEL["id"] else {"id": data["chat_id"]}
        chat = {"type": "private" if data["chat_id"] > 0 else "supergroup", **chat}
        quoted = data.get("reply_parameters", {}).get("message_id")
        if above := self.messages.get((data["chat_id"], quoted)):
            # A quoted message does not hold the one that it quotes.
            fields["reply_to_message"] = {k: v for k, v in above.items() if k != "reply_to_message"}
        if "reply_markup" in data:
            fields["reply_markup"] = data["reply_markup"]
        return self.message(chat, self.bot, **fields)


async def _form(request: web.Request) -> Json:
    data: Json = {}
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            data[name] = value.file.read()
        elif name in ("text", "caption", "callback_query_id", "url", "secret_token", "file_id"):
            data[name] = value
        else:
            try:
                data[name] = json.loads(str(value))
            except ValueError:
                data[name] = value
    return data
