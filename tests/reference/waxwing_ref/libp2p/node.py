"""Connections with one frame stream each, dialed and taken."""

import asyncio

from ..cbor import Refused
from ..crypto import ed_public
from ..frames import PROBE, PROTOCOL, SIGN_OF_LIFE, on_stream, read_item
from ..text import key_of_peer_id, key_protobuf, peer_id
from . import multistream, noise, yamux
from .varint import field, read_uvarint, uvarint

IDENTIFY = "/ipfs/id/1.0.0"
PING = "/ipfs/ping/1.0.0"
NOISE = "/noise"
YAMUX = "/yamux/1.0.0"
SETUP_S = 10


class _Tcp:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def read_exactly(self, count):
        return await self.reader.readexactly(count)

    async def write(self, data):
        self.writer.write(data)
        await self.writer.drain()

    def close(self):
        self.writer.close()


ENDINGS = (yamux.Closed, Refused, OSError, asyncio.IncompleteReadError)


class Connection:
    """One connection: `frames` gives what the other side writes, None at the end."""

    def __init__(self, network_seed, channel, dialer):
        self.network_seed, self.channel, self.dialer = network_seed, channel, dialer
        self.peer = channel.peer
        self.frames = asyncio.Queue()
        self.muxer = yamux.Muxer(channel, dialer, self._on_stream)
        self.stream = None
        self.ready = asyncio.Event()
        self.tasks = set()
        self.signs = 0
        self.identified = None
        self.refused = None

    def _spawn(self, work):
        task = asyncio.create_task(self._guard(work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _guard(self, work):
        try:
            await work
        except Refused as why:
            self.refused = self.refused or str(why)
        except ENDINGS:
            pass

    async def start(self):
        self._spawn(self._run())
        if self.dialer:
            stream = self.muxer.open()
            await multistream.propose(stream, PROTOCOL)
            self._use(stream)
        await self.ready.wait()

    async def _run(self):
        try:
            await self.muxer.run()
        finally:
            self.frames.put_nowait(None)
            self.channel.close()

    def _use(self, stream):
        self.stream = stream
        self.ready.set()
        self._spawn(self._read_frames(stream))

    def _on_stream(self, stream):
        self._spawn(self._serve(stream))

    async def _serve(self, stream):
        spoken = [IDENTIFY, PING]
        if not self.dialer and self.stream is None:
            spoken.append(PROTOCOL)
        protocol = await multistream.choose(stream, spoken)
        if protocol == PROTOCOL:
            self._use(stream)
        elif protocol == PING:
            while True:
                await stream.write(await stream.read_exactly(32))
        else:
            await stream.write(self._identify())
            await stream.finish()

    def _identify(self):
        message = field(5, b"/waxwing/1") + field(6, b"waxwing/reference")
        message += field(1, key_protobuf(ed_public(self.network_seed)))
        for protocol in (IDENTIFY, PING, PROTOCOL):
            message += field(3, protocol.encode())
        return uvarint(len(message)) + message

    async def identify(self):
        """The other side's identify message, as protobuf."""
        stream = self.muxer.open()
        await multistream.propose(stream, IDENTIFY)
        return await stream.read_exactly(await read_uvarint(stream.read_exactly))

    async def _read_frames(self, stream):
        try:
            while True:
                item = await read_item(stream.read_exactly)
                if item == PROBE:
                    await stream.write(SIGN_OF_LIFE.to_bytes(4, "big"))
                elif item == SIGN_OF_LIFE:
                    self.signs += 1
                else:
                    self.frames.put_nowait(item)
        finally:
            self.close()

    async def write_frame(self, frame):
        await self.stream.write(on_stream(frame))

    async def probe(self):
        await self.stream.write(PROBE.to_bytes(4, "big"))

    async def sign(self):
        """A sign of life, unasked."""
        await self.stream.write(SIGN_OF_LIFE.to_bytes(4, "big"))

    def close(self):
        self.channel.close()

    async def end(self):
        """Closes, and waits until nothing of the connection runs any more."""
        self.close()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=SETUP_S)


async def _secure(tcp, network_seed, dialer, expected=None):
    if dialer:
        await multistream.propose(tcp, NOISE)
    else:
        await multistream.choose(tcp, [NOISE])
    channel = await noise.secure(tcp, network_seed, dialer)
    if expected not in (None, channel.peer):
        raise Refused("another peer than the one dialed")
    if dialer:
        await multistream.propose(channel, YAMUX)
    else:
        await multistream.choose(channel, [YAMUX])
    connection = Connection(network_seed, channel, dialer)
    await connection.start()
    return connection


def split_address(address):
    """(host, port, network key) of /ip4/HOST/tcp/PORT/p2p/PEER."""
    parts = address.split("/")
    if len(parts) != 7 or (parts[1], parts[3], parts[5]) != ("ip4", "tcp", "p2p"):
        raise Refused("not a TCP address")
    return parts[2], int(parts[4]), key_of_peer_id(parts[6])


async def dial(network_seed, address):
    host, port, expected = split_address(address)
    async with asyncio.timeout(SETUP_S):
        tcp = _Tcp(*await asyncio.open_connection(host, port))
        try:
            return await _secure(tcp, network_seed, True, expected)
        except BaseException:
            tcp.close()
            raise


class Listener:
    """Takes connections on a loopback port of its own; they come out of `connections`."""

    def __init__(self, network_seed):
        self.network_seed = network_seed
        self.connections = asyncio.Queue()
        self.server = None

    async def start(self):
        self.server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        return f"/ip4/127.0.0.1/tcp/{port}/p2p/{peer_id(ed_public(self.network_seed))}"

    async def _take(self, reader, writer):
        tcp = _Tcp(reader, writer)
        try:
            async with asyncio.timeout(SETUP_S):
                self.connections.put_nowait(await _secure(tcp, self.network_seed, False))
        except (*ENDINGS, TimeoutError):
            tcp.close()

    def close(self):
        self.server.close()
