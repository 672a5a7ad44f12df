"""multistream-select 1.0: which protocol a channel speaks."""

from ..cbor import Refused
from .varint import read_uvarint, uvarint

HEADER = "/multistream/1.0.0"
LINE_BYTES_MAX = 1024
PROPOSALS_MAX = 16


def _line(text):
    data = text.encode() + b"\n"
    return uvarint(len(data)) + data


async def _read_line(channel):
    size = await read_uvarint(channel.read_exactly)
    if not 0 < size <= LINE_BYTES_MAX:
        raise Refused("a multistream line out of bounds")
    data = await channel.read_exactly(size)
    if data[-1:] != b"\n":
        raise Refused("a multistream line without its end")
    return data[:-1].decode("utf-8", "replace")


async def propose(channel, protocol):
    """Dialer's side; Refused if the other side does not speak it."""
    await channel.write(_line(HEADER) + _line(protocol))
    if await _read_line(channel) != HEADER:
        raise Refused("not multistream")
    if await _read_line(channel) != protocol:
        raise Refused(f"{protocol} is not spoken")


async def choose(channel, protocols):
    """Listener's side: the first proposed protocol that is among these."""
    if await _read_line(channel) != HEADER:
        raise Refused("not multistream")
    await channel.write(_line(HEADER))
    for _ in range(PROPOSALS_MAX):
        proposal = await _read_line(channel)
        if proposal in protocols:
            await channel.write(_line(proposal))
            return proposal
        await channel.write(_line("na"))
    raise Refused("too many proposals")
