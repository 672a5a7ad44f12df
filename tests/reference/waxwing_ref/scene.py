"""One person and a real node, from the first meeting on."""

import asyncio
import json
import os
import time

from . import invite
from .frames import INVITE_GET, write_frame
from .libp2p.node import Listener, dial
from .person import Person
from .text import base32
from .wire import Wire

WAIT_S = 20
ROUNDS = 5
TEXTS = 28
BURST = 4
LONG_CHAIN = 60
KEM_TRIES = 8


class Failed(Exception):
    """Something that the pages promise did not happen."""


def done(text):
    print(f"  {text}", flush=True)


async def until(condition, what):
    """Waits for a condition (a function, perhaps async) to hold."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        await asyncio.sleep(0.02)
    raise Failed(f"did not happen: {what}")


def must(condition, what):
    if not condition:
        raise Failed(what)


class Node:
    """The program under test: a process of its own and its command line."""

    def __init__(self, program, home, *up):
        self.program, self.home = program, home
        self.up = up or ("up", "--name", "alice")
        self.process = None

    async def start(self):
        self.process = await asyncio.create_subprocess_exec(
            *self._command(*self.up, "--listen", "/ip4/127.0.0.1/tcp/0"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        line = await asyncio.wait_for(self.process.stdout.readline(), WAIT_S)
        must(line, "the node did not start")
        return json.loads(line)

    def _command(self, *args):
        return self.program, "--home", self.home, "--json", *args

    async def run(self, *args, lines=()):
        """What a command prints, one JSON object a line."""
        process = await asyncio.create_subprocess_exec(
            *self._command(*args),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            text = "".join(f"{line}\n" for line in lines).encode()
            out, err = await asyncio.wait_for(process.communicate(text), WAIT_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        must(process.returncode == 0, f"waxwing {args[0]} failed: {err.decode()}")
        return [json.loads(line) for line in out.splitlines()]

    async def contact(self, name):
        return next((one for one in await self.run("contacts") if one["name"] == name), None)

    async def conversation(self, name):
        return await self.run("read", name, "--limit", "10000", "--peek")

    async def stop(self):
        if self.process and self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 5)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


class Scene:
    """One person and the node, from the first meeting on."""

    def __init__(self, node, name, seed):
        self.node, self.name = node, name
        self.person = Person(name)
        self.wire = Wire(self.person, seed)
        self.contact = self.listener = self.address = None

    async def close(self):
        if self.listener:
            self.listener.close()
        await self.wire.detach()

    # ---- meeting ----

    async def take_up(self, uses):
        """By the node's link; the person dials."""
        made = await self.node.run("invite", "--uses", str(uses))
        link = invite.read_link(made[0]["link"])
        must(link.uses == uses and link.addresses, "the link says how to reach the node")
        self.address = link.addresses[0]
        connection = await dial(self.person.own.network, self.address)
        self.wire.attach(connection)
        # An answer to this one would be refused as objects that nobody asked for.
        unknown = write_frame(INVITE_GET, [1, os.urandom(16)])
        self.contact, get = self.person.take_up(link)
        self.person.say(self.contact, "sent before you knew me")
        await self.wire.connection.write_frame(unknown)
        await self.wire.connection.write_frame(get)
        await until(lambda: self.contact.known, "the node gives its objects")
        done("its objects came; the first flight went out")

    async def be_taken_up(self):
        """By the person's link; the node dials."""
        self.listener = Listener(self.person.own.network)
        self.person.addresses = [await self.listener.start()]
        link = self.person.make_invite(self.person.addresses)
        await self.node.run("add", link.text(), "--note", "we met by a link")
        await self._be_dialed()
        self.contact = await until(
            lambda: next(iter(self.person.contacts.values()), None), "a first message"
        )
        done("the node dialed, asked for the objects and made a handshake")

    async def _be_dialed(self):
        connection = await asyncio.wait_for(self.listener.connections.get(), WAIT_S)
        self.wire.attach(connection)

    async def connected(self):
        async def both():
            there = await self.node.contact(self.name)
            await self.wire.release()
            return self.contact.connected and there and there["state"] == "connected"

        await until(both, "both sides count as connected")
        await until(lambda: self.contact.name == "alice", "the node's profile")
        await until(lambda: self.contact.peer == self.wire.connection.peer, "the node's peer ids")
        done("connected on both sides, names and addresses told")

    # ---- talking ----

    async def flush(self):
        await self.wire.send(self.person.flush(self.contact))

    async def settled(self):
        """Everything that either side said is receipted."""

        async def empty():
            await self.flush()
            await self.wire.release()
            if self.contact.outbox or self.contact.receipts:
                return False
            there = await self.node.conversation(self.name)
            mine = [one for one in there if one["mine"]]
            ours = {base32(mid) for mid in self.contact.messages}
            return {one["id"] for one in there} == ours and all(
                one["state"] in ("delivered", "read") for one in mine
            )

        await until(empty, "everything is delivered, in both directions")

    async def talk(self):
        for round_ in range(ROUNDS):
            lines = [f"alice {round_}.{i}" for i in range(TEXTS)]
            chat = asyncio.create_task(self.node.run("chat", self.name, lines=lines))
            for i in range(TEXTS):
                self.person.say(self.contact, f"{self.name} {round_}.{i} ✓")
                if i % BURST == BURST - 1:
                    await self.flush()
                    await asyncio.sleep(0.01)
            await chat
        await self.settled()
        done(f"{ROUNDS * TEXTS} texts each way, out of order and repeated, delivered")

    async def answer(self):
        """Replies, reactions and read receipts, both ways."""
        own, talk = self.person.own.account, self.contact.conversation()
        theirs = [one for one in talk if one.author != own]
        mine = [one for one in talk if one.author == own]
        self.person.say(self.contact, "an answer", theirs[3].mid)
        self.person.react(self.contact, theirs[4].mid, "👍")
        self.person.react(self.contact, theirs[5].mid, "🎉")
        self.person.react(self.contact, theirs[5].mid, "")
        self.person.has_read(self.contact, [one.mid for one in theirs])
        await self.flush()
        await self.node.run("reply", base32(mine[2].mid), "another answer")
        await self.node.run("react", base32(mine[1].mid), "👀")
        await self.settled()
        await self.node.run("read", self.name, "--limit", "10000")
        await until(
            lambda: all(self.contact.states[one.mid] == "read" for one in mine),
            "the node says that its person has read",
        )

        async def read():
            there = {one["id"]: one for one in await self.node.conversation(self.name)}
            await self.wire.release()
            return all(there[base32(one.mid)]["state"] == "read" for one in theirs)

        await until(read, "the node knows that the person has read")
        done("replies, reactions and read receipts in both directions")

    def _steps(self):
        sums = {"ours": 0, "theirs": 0}
        for pairing in self.contact.pairings:
            for who, count in pairing.ratchet.proposals_answered.items():
                sums[who] += count
        return sums

    async def kem_steps(self):
        """Until each side has proposed an ML-KEM key and the other has answered it."""
        for _ in range(KEM_TRIES):
            steps = self._steps()
            if steps["ours"] and steps["theirs"]:
                break
            if not steps["theirs"]:
                # A long chain that the node does not answer, then a word of the node.
                await self.wire.send(self.person.padding_letters(self.contact, LONG_CHAIN))
                await self.wire.release()
                await self.node.run("send", self.name, "a proposal of the node")
            else:
                # A long chain of the node, answered when it is over.
                before, self.person.quiet = len(self.contact.messages), True
                lines = [f"a long chain {i}" for i in range(LONG_CHAIN)]
                await self.node.run("chat", self.name, lines=lines)
                await until(
                    lambda: len(self.contact.messages) == before + LONG_CHAIN, "the long chain"
                )
                self.person.quiet = False
            await self.settled()
        steps = self._steps()
        must(steps["ours"] and steps["theirs"], f"ML-KEM steps: {steps}")
        done(f"ML-KEM steps: {steps['ours']} proposed here, {steps['theirs']} by the node")

    async def lose_and_return(self):
        """Loses half of what comes, hangs up, speaks while away, and comes back."""
        self.wire.losing = True
        await self.node.run("chat", self.name, lines=[f"lost or not {i}" for i in range(20)])
        await until(lambda: self.wire.counts["lost"] > 3, "something is lost")
        await self.wire.detach()
        self.wire.losing = False
        for i in range(12):
            self.person.say(self.contact, f"while away {i}")
            self.person.flush(self.contact)
        await self.node.run("chat", self.name, lines=[f"where are you {i}" for i in range(12)])
        if self.listener:
            await self._be_dialed()
        else:
            self.wire.attach(await dial(self.person.own.network, self.address))
        await self.wire.send(self.person.again(self.contact))
        await self.settled()
        done("hung up in the middle and came back: nothing lost")

    async def repair(self):
        """A new session that proves the old one."""
        for i in range(3):
            self.person.say(self.contact, f"sealed before the repair {i}")
        self.person.flush(self.contact)
        await self.wire.send(self.person.repair(self.contact))
        await self.settled()
        await self.node.run("send", self.name, "on the new session")
        await self.settled()
        newest = self.contact.sending
        must(newest.first is None and len(self.contact.pairings) > 1, "the node answers on it")
        done("repaired: a new session by the proof of the old one")

    async def compare(self):
        """The same conversation on both sides."""
        there = await self.node.conversation(self.name)
        here = self.contact.conversation()
        must(len(here) == len(there), "as many messages on both sides")
        for mine, theirs in zip(here, there):
            must(self._shown(mine) == self._seen(theirs), "the same message at the same place")
        done(f"{len(here)} messages, the same on both sides and in the same order")

    def _shown(self, message):
        reactions = {
            (author == self.person.own.account, emoji)
            for (target, author), (_, _, emoji) in self.contact.reactions.items()
            if target == message.mid and emoji
        }
        answers = message.answers and base32(message.answers)
        mine = message.author == self.person.own.account
        return base32(message.mid), mine, message.text, message.clock, answers, reactions

    def _seen(self, one):
        reactions = {(not other["mine"], other["emoji"]) for other in one["reactions"]}
        return one["id"], not one["mine"], one["text"], one["clock"], one["reply_to"], reactions

    def report(self):
        must(not self.wire.faults, f"refused what the node sent: {self.wire.faults}")
        counts = self.wire.counts | self.person.counts
        done("frames and letters: " + ", ".join(f"{n} {name}" for name, n in counts.items()))

    async def everything(self):
        await self.connected()
        await self.talk()
        await self.answer()
        await self.kem_steps()
        await self.lose_and_return()
        await self.repair()
        await self.compare()
        self.report()
