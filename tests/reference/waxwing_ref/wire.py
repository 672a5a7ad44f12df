"""Joins a Person to a connection, and treats the frames as a bad network would."""

import asyncio
import random

from .cbor import Refused
from .libp2p.node import ENDINGS


class Wire:
    """Frames of one contact over one connection at a time.

    What goes out is shuffled, repeated and held back for a while; what comes in is shuffled, and
    lost while `losing` is set. The seed makes the choices the same in every run.
    """

    def __init__(self, person, seed):
        self.person, self.random = person, random.Random(seed)
        self.connection = self.contact = self.task = None
        self.held = []
        self.losing = False
        self.faults = []
        self.counts = dict.fromkeys(("in", "out", "repeated", "held", "lost"), 0)

    def attach(self, connection):
        self.connection = connection
        self.task = asyncio.create_task(self._pump(connection))

    async def detach(self):
        """Ends the connection; what was held back is lost with it."""
        connection, self.connection = self.connection, None
        self.held = []
        if connection:
            await connection.end()
            await self.task
            if connection.refused:
                self.faults.append(connection.refused)

    async def _pump(self, connection):
        try:
            while True:
                batch = [await connection.frames.get()]
                while not connection.frames.empty():
                    batch.append(connection.frames.get_nowait())
                ended = None in batch
                batch = [frame for frame in batch if frame is not None]
                self.random.shuffle(batch)
                out = [answer for frame in batch for answer in self._take(frame, connection.peer)]
                if ended:
                    return
                await self.send(out)
                await connection.sign()
        except ENDINGS:
            pass

    def _take(self, frame, peer):
        self.counts["in"] += 1
        if self.losing and self.random.random() < 0.5:
            self.counts["lost"] += 1
            return []
        try:
            return self.person.take(frame, peer)
        except Refused as why:
            self.faults.append(f"{type(why).__name__}: {why}")
            return []

    async def send(self, out):
        """Writes frames in disorder; without a connection they are lost."""
        if self.connection is None:
            return
        out = out + self.held
        self.held = []
        out += [frame for frame in out if self._chance("repeated", 0.1)]
        self.random.shuffle(out)
        now = []
        for frame in out:
            (self.held if self._chance("held", 0.1) else now).append(frame)
        await self._write(now)

    def _chance(self, name, share):
        happens = self.random.random() < share
        self.counts[name] += happens
        return happens

    async def release(self):
        """Writes what was held back."""
        out, self.held = self.held, []
        await self._write(out)

    async def _write(self, out):
        for frame in out:
            self.counts["out"] += 1
            try:
                await self.connection.write_frame(frame)
            except ENDINGS:
                return
