"""Two real bridges, and a person who is never there together with the node's."""

import asyncio
import os
import pathlib
import time

from . import mailbox, schema
from .cbor import decode
from .crypto import ed_public
from .frames import read_frame, write_frame
from .libp2p.node import dial
from .mailbox import (
    ACK,
    ASK,
    BLOCKS,
    CHALLENGE,
    COOKIE,
    ENVELOPE,
    FETCH,
    FORWARD,
    HELD,
    HELLO,
    KEYS,
    KEYS_OF,
    KEYS_PLEASE,
    KNOW,
    NEW,
    NOT_HERE,
    NOT_QUEUED,
    OVER,
    OVER_FORWARD,
    OVER_KEYS,
    OVER_REPLY,
    QUEUED,
    REGISTER,
    REPLY,
    RESULT,
    TELL,
    UNOPENED,
)
from .scene import WAIT_S, Node, Scene, done, must, until

OK, PROOF, UNTIL, UNKNOWN_BRIDGE, MALFORMED, CLOSED = 0, 2, 4, 5, 7, 8
TTL_S = 29 * 86_400


def now_s():
    return int(time.time())


class Talk:
    """A connection to a bridge, as a peer of its own."""

    def __init__(self, bridge, address):
        self.bridge, self.address = bridge, address
        self.connection, self.read = None, []

    async def begin(self):
        self.connection = await dial(os.urandom(32), self.address)

    async def end(self):
        await self.connection.end()

    async def say(self, kind, content):
        await self.connection.write_frame(write_frame(kind, content))

    async def hear(self, kind, *numbers):
        """The next frame of a kind whose content has one of the numbers; others wait."""
        end = time.monotonic() + WAIT_S
        while True:
            for i, (of, content) in enumerate(self.read):
                if of == kind and content[0] in numbers:
                    return self.read.pop(i)[1]
            left = end - time.monotonic()
            must(left > 0, f"the bridge did not say {numbers} of {kind}")
            async with asyncio.timeout(left):
                frame = await self.connection.frames.get()
            must(frame is not None, "the bridge hung up")
            self.read.append(read_frame(frame))

    async def result(self, *content):
        """What comes of an ask that has a result."""
        await self.say(ASK, list(content))
        number, why = (await self.hear(TELL, RESULT))[1:]
        must(number == content[0], "a result of what was asked")
        return why

    async def keys(self):
        """The bridge's own keys of the day."""
        await self.say(OVER, [KEYS_PLEASE])
        signed = (await self.hear(OVER, OVER_KEYS))[1]
        return mailbox.read_keys(signed, self.bridge)


class Mailbox(Talk):
    """A mailbox that a person keeps at a bridge."""

    def __init__(self, bridge, address):
        super().__init__(bridge, address)
        self.seed, self.after = os.urandom(32), 0

    async def prove(self):
        key = ed_public(self.seed)
        must(await self.result(FETCH, 0, 64) == PROOF, "no blocks without proof")
        await self.say(ASK, [HELLO, key])
        _, nonce, at, cookie = await self.hear(TELL, CHALLENGE)
        must(abs(at - now_s()) < 60 and cookie == b"", "a challenge")
        wrong = mailbox.auth(os.urandom(32), self.bridge, nonce, at)
        must(await self.result(*wrong) == PROOF, "another's signature proves nothing")
        right = mailbox.auth(self.seed, self.bridge, nonce, at)
        must(await self.result(*right) == OK, "the mailbox opens")

    async def register(self, lanes):
        tags, until_s = mailbox.batch(lanes, mailbox.day_of(now_s()))
        must(await self.result(REGISTER, tags, now_s() - 1) == UNTIL, "not for a time that is past")
        must(await self.result(REGISTER, tags, until_s) == OK, "tags are registered")
        must(await self.result(REGISTER, tags, until_s) == OK, "and once more, the same")

    async def fetch(self):
        await self.say(ASK, [FETCH, self.after, 64])
        _, blocks, more = await self.hear(TELL, BLOCKS)
        must([number for number, _ in blocks] == sorted({n for n, _ in blocks}), "in order, once")
        return blocks, more

    async def wait(self, wanted):
        """Blocks, once there is one that is wanted; not acknowledged yet."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            blocks, _ = await self.fetch()
            if any(wanted(block) for _, block in blocks):
                return blocks
            await self.hear(TELL, NEW)
        raise TimeoutError

    async def ack(self, blocks):
        self.after = max([self.after, *(number for number, _ in blocks)])
        await self.say(ASK, [ACK, self.after, []])
        must(await self.fetch() == ([], False), "nothing is left after the acknowledgement")


async def start(program, directory, operator):
    up = ("bridge", "up", "--country", "PT", "--operator", operator)
    node = Node(program, str(pathlib.Path(directory) / operator), *up)
    text = (await node.start())["bridge"]
    signed, said = mailbox.read_descriptor_text(text)
    must(said[9] == operator and said[3] == "PT", "the descriptor says who")
    must({"mailbox", "forward"} <= set(said[6]), "and what it does")
    return node, text, signed, said


def boxed(keys, lane, frame):
    """A frame in an envelope in a box: (box, block)."""
    block = lane.seal(mailbox.day_of(now_s()), frame)
    until_s = now_s() + mailbox.FORWARD_LIFE_S
    return mailbox.seal_box(keys, mailbox.deposit(block, TTL_S), until_s), block


def held(box, block, bridge, reply):
    answer = box.open_reply(reply)
    must(answer[0] == HELD, "held")
    custody = mailbox.read_custody(answer[1], bridge, block)
    must(custody[3] % 3600 == 0 and custody[4] > now_s() + 28 * 86_400, "the promise")


async def mailroom(node, program, directory):
    print("erin and the node's person are never there together")
    north = await start(program, directory, "north")
    try:
        south = await start(program, directory, "south")
        try:
            scene = Scene(node, "erin", 5)
            box = Mailbox(south[3][1], south[3][5][0])
            straight = Talk(north[3][1], north[3][5][0])
            try:
                await everything(scene, node, north, south, box, straight)
            finally:
                await scene.close()
                for talk in (box, straight):
                    if talk.connection:
                        await talk.end()
        finally:
            await south[0].stop()
    finally:
        await north[0].stop()


async def everything(scene, node, north, south, box, straight):
    await node.run("bridges", "add", north[1])
    await scene.take_up(1)
    await scene.connected()
    await until(lambda: scene.contact.bridges, "the node says where it keeps a mailbox")
    must(scene.contact.bridges == [north[2]], "at north, in north's own words")
    done("the node keeps a mailbox at north, and told erin")
    await keep(scene, south, box)
    await collect(scene, node, box)
    await by_way_of(scene, node, north, box)
    await directly(scene, node, north, straight)
    scene.wire.attach(await dial(scene.person.own.network, scene.address))
    await scene.wire.send(scene.person.again(scene.contact))
    await scene.settled()
    await scene.compare()


async def keep(scene, south, box):
    """Erin keeps a mailbox at south, and says so."""
    await box.begin()
    await box.prove()
    _, back = scene.person.lanes(scene.contact, south[3][1])
    await box.register([back])
    must(await box.result(COOKIE, bytes(128)) == OK, "a cookie of 128 bytes")
    must(await box.result(COOKIE, bytes(129)) == MALFORMED, "and none of 129")
    must(await box.fetch() == ([], False), "a new mailbox is empty")
    scene.person.name_bridges(scene.contact, [south[2]])
    await scene.settled()
    done("erin keeps one at south: proved, registered, told")


async def collect(scene, node, box):
    """The node writes while erin is away; north hands it to south; erin fetches it."""
    await scene.wire.detach()
    before = set(scene.contact.messages)
    await node.run("send", "erin", "by way of two bridges")

    async def at_bridge():
        return (await node.conversation("erin"))[-1]["state"] == "held"

    await until(at_bridge, "the node's message is held")
    lane = scene.person.lanes(scene.contact, box.bridge)[1]
    blocks = await box.wait(lambda block: decode(block)[0] == ENVELOPE)
    again, _ = await box.fetch()
    must(again[: len(blocks)] == blocks, "what was not acknowledged comes again")
    for _, block in again:
        today = mailbox.day_of(now_s())
        frame = lane.open(today, block) if decode(block)[1] == lane.tag(today) else None
        frame = frame or lane.open(today - 1, block)
        scene.person.quiet = True
        scene.person.take(frame, None)
        scene.person.quiet = False
    await box.ack(again)
    new = [one for mid, one in scene.contact.messages.items() if mid not in before]
    must([one.text for one in new] == ["by way of two bridges"], "the node's text came")
    done("the node's text was held at south, fetched, acknowledged and is gone there")


async def by_way_of(scene, node, north, box):
    """Receipt and answer: a box that south hands on to north, whose keys south is asked for."""
    target = north[3][1]
    must(await box.result(KNOW, north[2]) == OK, "south takes north's descriptor")
    nobody = os.urandom(32)
    must(await box.result(KEYS_OF, nobody) == UNKNOWN_BRIDGE, "and does not know others")
    await box.say(ASK, [KEYS_OF, target])
    keys = mailbox.read_keys((await box.hear(TELL, KEYS))[1], target)
    out = scene.person.lanes(scene.contact, target)[0]
    scene.person.say(scene.contact, "an answer by way of two bridges")
    sent = {}
    for frame in scene.person.flush(scene.contact):
        made, block = boxed(keys, out, frame)
        for _ in range(2):
            await box.say(ASK, [FORWARD, made.forward])
            promise = mailbox.read_queued((await box.hear(TELL, QUEUED))[1], box.bridge)
            must(promise == {1: made.fid, 2: made.forward[5]}, "queued, and again the same")
        sent[made.fid] = made, block
    late = dict(made.forward) | {5: now_s() + 26 * 3600}
    await box.say(ASK, [FORWARD, late])
    must((await box.hear(TELL, NOT_QUEUED))[2] == UNTIL, "not for longer than 25 hours")
    elsewhere = dict(made.forward) | {1: nobody}
    await box.say(ASK, [FORWARD, elsewhere])
    must((await box.hear(TELL, NOT_QUEUED))[2] == UNKNOWN_BRIDGE, "not for a bridge unknown")
    own = dict(made.forward) | {1: box.bridge}
    await box.say(ASK, [FORWARD, own])
    must((await box.hear(TELL, NOT_QUEUED))[2] == CLOSED, "not for itself")
    while sent:
        blocks = await box.wait(lambda block: decode(block)[0] == REPLY)
        for _, block in blocks:
            _, fid, reply = schema.read(schema.block, block)
            held(*sent.pop(fid), target, reply)
        await box.ack(blocks)
    await arrives(scene, node, "an answer by way of two bridges")
    done("erin's receipt and answer: queued at south, held at north, and with the node")


async def directly(scene, node, north, straight):
    """A box that erin brings to north herself."""
    await straight.begin()
    keys = await straight.keys()
    out = scene.person.lanes(scene.contact, straight.bridge)[0]
    scene.person.say(scene.contact, "brought by myself")
    [frame] = scene.person.flush(scene.contact)
    made, block = boxed(keys, out, frame)
    replies = []
    for _ in range(2):
        await straight.say(OVER, [OVER_FORWARD, made.forward])
        _, fid, reply = await straight.hear(OVER, OVER_REPLY)
        must(fid == made.fid, "the answer to this box")
        held(made, block, straight.bridge, reply)
        replies.append(reply)
    must(replies[0] == replies[1], "the same box has the same answer, to the byte")
    stray = mailbox.Lane(os.urandom(32), straight.bridge, 0)
    made, block = boxed(keys, stray, frame)
    await straight.say(OVER, [OVER_FORWARD, made.forward])
    answer = made.open_reply((await straight.hear(OVER, OVER_REPLY))[2])
    must(answer == [NOT_HERE], "nobody reads what comes under a stray tag")
    for bent in ({5: made.forward[5] + 1}, {5: now_s() - 3700}, {1: os.urandom(32)}):
        changed = dict(boxed(keys, out, frame)[0].forward) | bent
        await straight.say(OVER, [OVER_FORWARD, changed])
        fid = (await straight.hear(OVER, UNOPENED))[1]
        must(fid == mailbox.Box(changed, b"").fid, "a box that was bent does not open")
    await arrives(scene, node, "brought by myself")
    done("a box of erin's own: opened, answered the same twice, and not when it was bent")


async def arrives(scene, node, text):
    async def there():
        talk = await node.conversation(scene.name)
        mine = [one for one in talk if one["mine"]]
        return any(one["text"] == text for one in talk) and all(
            one["state"] in ("delivered", "read") for one in mine
        )

    await until(there, f"the node has '{text}', and every receipt")
