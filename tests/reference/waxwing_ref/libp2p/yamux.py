"""Yamux: several streams over one channel."""

import asyncio
import struct

from ..cbor import Refused

DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
WINDOW = 256 * 1024
STREAMS_MAX = 16
PIECE_MAX = 16 * 1024


class Closed(Exception):
    """The stream or the connection is gone."""


class Stream:
    def __init__(self, muxer, number):
        self.muxer, self.number = muxer, number
        self.buffer = bytearray()
        self.window = WINDOW
        self.taken = 0
        self.ended = self.reset = False
        self.flags = 0
        self.changed = asyncio.Event()

    async def _change(self):
        self.changed.clear()
        await self.changed.wait()

    async def read_exactly(self, count):
        while len(self.buffer) < count:
            if self.ended or self.reset:
                raise Closed
            await self._change()
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        self.taken += count
        if self.taken >= WINDOW // 2:
            await self.muxer.send(WINDOW_UPDATE, self.take_flags(), self.number, self.taken)
            self.taken = 0
        return data

    async def write(self, data):
        while data:
            if self.reset:
                raise Closed
            if self.window == 0:
                await self._change()
                continue
            size = min(self.window, len(data), PIECE_MAX)
            self.window -= size
            await self.muxer.send(DATA, self.take_flags(), self.number, size, data[:size])
            data = data[size:]

    def take_flags(self):
        flags, self.flags = self.flags, 0
        return flags

    async def finish(self):
        await self.muxer.send(DATA, self.take_flags() | FIN, self.number, 0)


class Muxer:
    """Runs until the channel ends; `on_stream` gets what the other side opens."""

    def __init__(self, channel, dialer, on_stream):
        self.channel, self.on_stream = channel, on_stream
        self.next = 1 if dialer else 2
        self.streams = {}
        self.lock = asyncio.Lock()

    async def send(self, kind, flags, number, length, data=b""):
        async with self.lock:
            await self.channel.write(struct.pack(">BBHII", 0, kind, flags, number, length) + data)

    def open(self):
        stream = Stream(self, self.next)
        stream.flags = SYN
        self.streams[self.next] = stream
        self.next += 2
        return stream

    async def run(self):
        try:
            while True:
                await self._frame()
        finally:
            for stream in self.streams.values():
                stream.reset = True
                stream.changed.set()

    async def _frame(self):
        head = await self.channel.read_exactly(12)
        version, kind, flags, number, length = struct.unpack(">BBHII", head)
        if version or kind > GO_AWAY:
            raise Refused("not yamux")
        if kind == PING:
            if flags & SYN:
                await self.send(PING, ACK, 0, length)
            return
        if kind == GO_AWAY:
            raise Closed
        data = b""
        if kind == DATA:
            if length > WINDOW:
                raise Refused("beyond the window")
            data = await self.channel.read_exactly(length)
        if flags & SYN:
            if number % 2 == self.next % 2 or number in self.streams:
                raise Refused("a stream number that is not theirs")
            if len(self.streams) >= STREAMS_MAX:
                await self.send(WINDOW_UPDATE, RST, number, 0)
                return
            stream = self.streams[number] = Stream(self, number)
            await self.send(WINDOW_UPDATE, ACK, number, 0)
            self.on_stream(stream)
        stream = self.streams.get(number)
        if stream is None:
            return
        stream.buffer += data
        if len(stream.buffer) > WINDOW:
            raise Refused("beyond the window")
        if kind == WINDOW_UPDATE:
            stream.window += length
        stream.ended = stream.ended or bool(flags & FIN)
        if flags & RST:
            stream.reset = True
        stream.changed.set()
        if stream.reset:
            del self.streams[number]
