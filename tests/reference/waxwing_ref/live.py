"""A real node and people of this package: python -m waxwing_ref.live --waxwing PROGRAM

One node runs. Bob takes up its link and dials it, the node takes up carol's link and dials her, and
dave asks by a link for several. Then two bridges run, and erin and the node's person are never there
together. All of it on loopback TCP, in a directory that is removed.
"""

import argparse
import asyncio
import os
import pathlib
import sys
import tempfile
import time

from . import mailroom, odd
from .cbor import Refused
from .libp2p.node import ENDINGS, dial
from .libp2p.varint import fields
from .scene import WAIT_S, Failed, Node, Scene, done, must, until

LIMIT_S = 100


async def identified(connection, key):
    """identify says the protocol version, and no listening addresses."""
    said = fields(await asyncio.wait_for(connection.identify(), WAIT_S))
    numbers = dict(said)
    must(numbers[5] == b"/waxwing/1" and numbers[6].startswith(b"waxwing/"), "identify")
    must(2 not in numbers and numbers[1][4:] == key, "identify tells no listening addresses")


async def guest(node):
    print("bob takes up the node's link")
    scene = Scene(node, "bob", 1)
    try:
        await scene.take_up(1)
        await identified(scene.wire.connection, scene.wire.connection.peer)
        await scene.everything()
        await used_up(scene)
    finally:
        await scene.close()


async def used_up(scene):
    """A second person with the same link gets no word."""
    connection = await dial(os.urandom(32), scene.address)
    try:
        await connection.write_frame(scene.contact.link.get_frame())
        await connection.probe()
        await until(lambda: connection.signs, "a sign of life")
        must(connection.frames.empty(), "silence about a link that is used up")
    finally:
        await connection.end()
    done("the used link opens nothing any more")


async def host(node):
    print("the node takes up carol's link")
    scene = Scene(node, "carol", 2)
    try:
        await scene.be_taken_up()
        await scene.everything()
        await odd.odd_letters(scene)
    finally:
        await scene.close()


async def asker(node):
    print("dave asks by a link for several")
    scene = Scene(node, "dave", 3)
    try:
        await scene.take_up(5)

        async def asked():
            await scene.wire.release()
            return await node.run("requests")

        requests = await until(asked, "a request")
        must(len(requests) == 1 and not scene.contact.connected, "nothing before the user's word")
        must(scene.person.counts["opened"] == 0, "nothing is said before the user's word")
        await node.run("accept", "dave")
        await scene.connected()
        await scene.settled()
        await scene.compare()
        scene.report()
    finally:
        await scene.close()


async def run(program):
    with tempfile.TemporaryDirectory(prefix="waxwing-reference-") as directory:
        node = Node(program, str(pathlib.Path(directory) / "home"))
        try:
            async with asyncio.timeout(LIMIT_S):
                await node.start()
                await guest(node)
                await host(node)
                await asker(node)
                await odd.odd_strangers(node)
                await mailroom.mailroom(node, program, directory)
        finally:
            await node.stop()


def main():
    arguments = argparse.ArgumentParser(prog="waxwing_ref.live")
    arguments.add_argument("--waxwing", required=True, help="the node's program")
    program = os.path.abspath(arguments.parse_args().waxwing)
    began = time.monotonic()
    try:
        asyncio.run(run(program))
    except TimeoutError:
        print("failed: out of time")
        return 1
    except (Failed, Refused, *ENDINGS) as why:
        print(f"failed: {type(why).__name__}: {why}")
        return 1
    print(f"all of it in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
