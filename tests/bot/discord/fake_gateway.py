"""The gateway of a small Discord: its sessions and their events."""

import asyncio
import itertools
import json
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from aiohttp import WSMsgType, web

from tests.bot.discord.fake_payloads import (
    GRANTED,
    GRANTED_LIMITED,
    GUILD,
    ME,
    MESSAGE_CONTENT,
    TOKEN,
    Json,
    guild,
    snowflake,
    user,
)


@dataclass
class Session:
    """One gateway session; it outlives its connection."""

    id: str
    shard: tuple[int, int]
    intents: int
    socket: web.WebSocketResponse | None
    pack: Callable[[Json], Any]
    events: list[Json] = field(default_factory=list)


class FakeGateway:
    """Sends events to the sessions of one bot."""

    def __init__(self) -> None:
        self.port = 0  # until it is started
        self.ids = itertools.count(snowflake())
        self.me = user(ME, "captions", bot=True)
        self.flags = 0
        self.shards = 1  # that are recommended
        self.max_concurrency = 1
        self.identify_seconds = 0.0  # within which only one shard of a lane may identify itself
        self.sessions_left = 1000
        self.locale = "en-US"  # of the server
        self.heartbeat_interval = 41.25  # seconds
        self.identified: list[Json] = []
        self.hasty: list[Json] = []  # those that were refused because they came too early
        self.heartbeats = 0
        self.queries: list[dict[str, str]] = []
        self.sessions: dict[str, Session] = {}
        self.deny_gateway: int | None = None  # a close code instead of READY
        self.resume_refused = False
        self.away = False  # the gateway answers with an error
        self.deaf = False  # the gateway stops reading after a session began
        self.changed = asyncio.Condition()
        self._last_identify: dict[int, float] = {}  # of each lane, on the loop's clock

    @property
    def gateway(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gateway"

    async def dispatch(self, event: str, data: Json, shard: int | None = None) -> None:
        """Send an event to the newest session of a shard, at once or when it resumes.

        Without a shard, it is the one that Discord would choose.
        """
        newest = list(self.sessions.values())[-1]
        if shard is None:
            shard = self.shard_of(data.get("guild_id"), newest.shard[1])
        session = [one for one in self.sessions.values() if one.shard[0] == shard][-1]
        if event in ("MESSAGE_CREATE", "MESSAGE_UPDATE"):
            data = self._visible(data, session.intents)
        frame = {"op": 0, "t": event, "s": len(session.events) + 1, "d": data}
        session.events.append(frame)
        if session.socket is not None and not session.socket.closed:
            await _send(session.socket, session.pack(frame))

    @staticmethod
    def shard_of(guild: str | None, count: int) -> int:
        """Return the shard that gets a server's messages, or with None direct messages."""
        return 0 if guild is None else (int(guild) >> 22) % count

    async def drop(self) -> None:
        """Break the connections of all sessions, which may resume."""
        for session in self.sessions.values():
            if session.socket is not None:
                await session.socket.close(code=4000)
                session.socket = None

    async def order(self, op: int, data: Any = None, shard: int | None = None) -> None:
        """Send connected sessions an opcode other than an event, and end their connections.

        Without a shard, all of them.
        """
        for session in list(self.sessions.values()):
            if session.socket is not None and shard in (None, session.shard[0]):
                socket, session.socket = session.socket, None
                await _send(socket, session.pack({"op": op, "d": data}))

    @property
    def _granted(self) -> int:
        return MESSAGE_CONTENT if self.flags & (GRANTED | GRANTED_LIMITED) else 0

    def _visible(self, message: Json, intents: int) -> Json:
        mine = self.me["id"]
        if (
            intents & MESSAGE_CONTENT
            or "guild_id" not in message
            or message["author"]["id"] == mine
            or any(person["id"] == mine for person in message["mentions"])
        ):
            return message
        return {**message, "content": "", "attachments": [], "embeds": []}

    async def _gateway(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        if self.away:
            await self._notify()
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        pack = _packer(request.query.get("compress"))
        hello = {"heartbeat_interval": int(self.heartbeat_interval * 1000)}
        await _send(socket, pack({"op": 10, "d": hello}))
        session: Session | None = None
        async for frame in socket:
            if frame.type is not WSMsgType.TEXT:
                continue
            payload = json.loads(frame.data)
            if payload["op"] == 1:
                self.heartbeats += 1
                await _send(socket, pack({"op": 11}))
            elif payload["op"] == 2:
                session = await self._identify(socket, pack, payload["d"])
            elif payload["op"] == 6:
                session = await self._resume(socket, pack, payload["d"])
            await self._notify()
            if self.deaf and session is not None:
                await asyncio.Event().wait()
        if session is not None and session.socket is socket:
            session.socket = None
        await self._notify()
        return socket

    async def _identify(
        self, socket: web.WebSocketResponse, pack: Callable[[Json], Any], payload: Json
    ) -> Session | None:
        code = self.deny_gateway
        if payload["token"] != TOKEN:
            code = 4004
        elif payload["intents"] & MESSAGE_CONTENT and not self._granted:
            code = 4014
        if code is not None:
            await socket.close(code=code)
            return None
        shard = tuple(payload.get("shard", (0, 1)))
        if self._too_early(shard[0]):
            self.hasty.append(payload)
            await _send(socket, pack({"op": 9, "d": False}))
            return None
        session = Session(f"session-{next(self.ids)}", shard, payload["intents"], socket, pack)
        self.sessions[session.id] = session
        has_server = shard[0] == self.shard_of(GUILD, shard[1])
        ready = {
            "v": 10,
            "user": self.me,
            "guilds": [{"id": GUILD, "unavailable": True}] if has_server else [],
            "session_id": session.id,
            "resume_gateway_url": self.gateway,
            "shard": list(shard),
            "application": {"id": self.me["id"], "flags": self.flags},
        }
        await self.dispatch("READY", ready, shard[0])
        if has_server:
            server = {**guild(), "preferred_locale": self.locale}
            await self.dispatch("GUILD_CREATE", server, shard[0])
        self.identified.append(payload)
        return session

    def _too_early(self, shard: int) -> bool:
        now, lane = asyncio.get_running_loop().time(), shard % self.max_concurrency
        if now - self._last_identify.get(lane, -math.inf) < self.identify_seconds:
            return True
        self._last_identify[lane] = now
        return False

    async def _resume(
        self, socket: web.WebSocketResponse, pack: Callable[[Json], Any], payload: Json
    ) -> Session | None:
        session = self.sessions.get(payload["session_id"])
        if session is None or self.resume_refused:
            self.sessions.pop(payload["session_id"], None)
            await _send(socket, pack({"op": 9, "d": False}))
            return None
        session.socket, session.pack = socket, pack
        for event in session.events[payload["seq"] :]:
            await _send(socket, pack(event))
        await self.dispatch("RESUMED", {}, session.shard[0])
        return session

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()


def _packer(compression: str | None) -> Callable[[Json], Any]:
    if compression == "zlib-stream":
        stream = zlib.compressobj()
        return lambda frame: (
            stream.compress(json.dumps(frame).encode()) + stream.flush(zlib.Z_SYNC_FLUSH)
        )
    if compression == "zstd-stream":  # from Python 3.14 on
        other = import_module("compression.zstd").ZstdCompressor()
        return lambda frame: other.compress(json.dumps(frame).encode(), other.FLUSH_BLOCK)
    return json.dumps


async def _send(socket: web.WebSocketResponse, frame: str | bytes) -> None:
    await (socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_str(frame))
