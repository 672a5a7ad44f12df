"""Letters and strangers at the edge of what the pages allow, and what a node makes of each."""

import asyncio
import os

from . import frames, handshake, identity, invite, messages, ratchet
from .cbor import decode, encode
from .crypto import H, ed_public, hash16, kem_public, sign_object, x_public
from .libp2p.node import dial
from .person import now_ms
from .scene import done, must, until
from .text import base32

DAY_S = 86400
PAUSE_S = 0.1


# ---- letters on a session ----


def letters(clock):
    """(what it is, kind, encoded body, changes of the plaintext, receipted, shown as).

    Shown as None is what nobody sees, as "?" what needs a newer version.
    """

    def text(words):
        return encode({1: words})

    mid = os.urandom(16)
    junk = encode({1: [b"", bytes(64)], 2: [b"", bytes(64)]})
    return [
        ("an extension key", 1, text("a"), {64: [1]}, True, "a"),
        ("an extension key in the body", 1, encode({1: "b", 99: b"x"}), {}, True, "b"),
        ("an unknown user message", 20, encode({1: 1}), {}, True, "?"),
        ("a reserved user message", 9, encode({}), {}, True, "?"),
        ("a timer that is off", 6, encode({1: 0}), {}, True, "?"),
        ("a timer of four seconds", 6, encode({1: 4}), {}, True, None),
        ("an unknown type", 33, encode({}), {}, True, None),
        ("an unknown type of a later range", 64, encode({}), {}, True, None),
        ("a private type", 0xF000, encode({}), {}, True, None),
        ("a clock where none belongs", 33, encode({}), {4: bytes(32), 5: 1}, True, None),
        ("no conversation", 1, text("no"), {4: None}, False, None),
        ("no clock", 1, text("no"), {5: None}, False, None),
        ("another conversation", 1, text("no"), {4: bytes(32)}, False, None),
        ("a clock a day ahead", 1, text("no"), {5: clock + 25 * 3600 * 1000}, False, None),
        ("an unknown key below 64", 1, text("no"), {10: 1}, False, None),
        ("custody that is none", 1, text("no"), {7: 5}, False, None),
        ("custody", 1, text("c"), {7: [[bytes(32), bytes(32), 1, 2]] * 9, 8: 60}, True, "c"),
        ("another list of the sender", 1, text("d"), {1: [7, 9, mid]}, True, "d"),
        ("a text too long", 1, text("x" * 32769), {}, True, None),
        ("the longest text", 1, text("y" * 32768), {}, True, "y" * 32768),
        ("a text without text", 1, encode({2: mid}), {}, True, None),
        ("an empty text", 1, text(""), {}, True, ""),
        ("a body that is no CBOR", 1, b"\xff", {}, True, None),
        ("a receipt of a third kind", 5, encode({1: [mid], 2: 3}), {}, True, None),
        ("a receipt of 65 ids", 5, encode({1: [mid] * 65, 2: 1}), {}, True, None),
        ("a receipt", 5, encode({1: [mid], 2: 1}), {}, False, None),
        ("a receipt of reading", 5, encode({1: [mid], 2: 2}), {}, True, None),
        ("lists that do not verify", 32, junk, {}, True, None),
        ("a reaction without a target", 4, encode({1: mid, 2: "👍"}), {}, True, None),
        ("a request for the bundle", 39, encode({}), {}, True, None),
        ("an old list of the reader", 1, text("e"), {2: [0, bytes(16)]}, True, "e"),
    ]


async def odd_letters(scene):
    """Sends them on a session that stands, and looks at receipts and at what is shown."""
    person, contact = scene.person, scene.contact
    said, shown = {}, {}
    asked = len(contact.bodies)
    for name, kind, body, changes, receipted, seen in letters(now_ms()):
        mid = os.urandom(16)
        contact.clock = max(now_ms(), contact.clock + 1)
        plain = person.plain(contact, mid, kind, body, contact.clock)
        plain = {key: value for key, value in (plain | changes).items() if value is not None}
        said[mid] = name, receipted
        if seen is not None:
            shown[base32(mid)] = None if seen == "?" else seen
        frame = person.odd_letter(contact, encode(plain))
        await scene.wire.connection.write_frame(frame)
    twice = os.urandom(16)
    for words in ("the first body", "another body"):
        plain = person.plain(contact, twice, messages.TEXT, encode({1: words}), contact.clock)
        await scene.wire.connection.write_frame(person.odd_letter(contact, encode(plain)))
    shown[base32(twice)] = "the first body"
    said[twice] = "a mid used twice", True
    wanted = {mid for mid, (_, receipted) in said.items() if receipted}
    await until(lambda: wanted <= contact.receipted, "receipts of odd letters")
    for mid, (name, receipted) in said.items():
        must(receipted == (mid in contact.receipted), f"a receipt where none belongs: {name}")
    for kind in (messages.BUNDLE, messages.LISTS):
        await until(lambda: kind in contact.bodies[asked:], f"an answer of type {kind}")
    ids = {base32(mid) for mid in said}
    there = await scene.node.conversation(scene.name)
    there = {one["id"]: one["text"] for one in there if one["id"] in ids}
    must(there == shown, "what is shown of odd letters")
    must(not scene.wire.faults, f"refused what the node sent: {scene.wire.faults}")
    done(f"{len(said)} odd letters: receipted and shown as the pages say")


# ---- strangers ----


def account(now, epoch=1, version=1, issued=None, life=30 * DAY_S, **odd):
    """An account with something odd about it."""
    issued = now if issued is None else issued
    root, spare, ask, ak, dsk, network, dik, spk = (os.urandom(32) for _ in range(8))
    pq, device_id = os.urandom(64), os.urandom(16)
    spare_hash = H(ed_public(spare)) if odd.get("spare") else bytes(32)
    genesis = {1: 1, 2: ed_public(root), 3: spare_hash, 4: now, 5: os.urandom(16)}
    genesis = sign_object("genesis", root, encode(genesis))
    who = identity.account_id(genesis[0])
    statement = {1: who, 2: epoch, 3: ed_public(ask), 4: ed_public(ak), 5: now}
    if odd.get("spare") or odd.get("no_spare"):
        statement[6] = ed_public(spare)
    signer = spare if 6 in statement else root
    statement = sign_object("root-statement", signer, encode(statement))
    listed = x_public(os.urandom(32) if odd.get("other_dik") else dik)
    device = {1: device_id, 2: ed_public(dsk), 3: listed, 4: now, 5: 1}
    devices = {
        1: who,
        2: epoch,
        3: version,
        4: issued,
        5: issued + life,
        6: [device] * (2 if odd.get("twice") else 1),
        7: [device_id] if odd.get("revoked") else [],
        8: bytes(16),
    }
    devices = sign_object("device-list", ask, encode(devices))
    bundle = {1: 1, 2: who, 3: device_id, 4: x_public(dik), 5: [1, x_public(spk)]}
    bundle |= {6: [1, kem_public(pq)], 7: now, 8: now + 14 * DAY_S}
    bundle = sign_object("bundle", dsk, encode(bundle))
    keys = dsk, dik, network, spk, pq
    return identity.Own(
        device_id, *keys, genesis, statement, devices, bundle, who, ed_public(ak)
    )


def strangers(now):
    """(what it is, account, what is changed in ident, in pb, in the letter, let in)."""
    none = {}
    return [
        ("plain", account(now), none, none, False, True),
        ("version 0", account(now, version=0), none, none, False, False),
        ("a high epoch", account(now, epoch=5, version=9), none, none, False, True),
        ("a list without life", account(now, life=0), none, none, False, False),
        ("a list of 31 days", account(now, life=31 * DAY_S), none, none, False, False),
        ("a list 9 minutes ahead", account(now, issued=now + 540), none, none, False, True),
        ("a list 11 minutes ahead", account(now, issued=now + 660), none, none, False, False),
        ("a list in grace", account(now, issued=now - 31 * DAY_S), none, none, False, True),
        ("a list past grace", account(now, issued=now - 45 * DAY_S), none, none, False, False),
        ("a device twice", account(now, twice=True), none, none, False, False),
        ("revoked", account(now, revoked=True), none, none, False, False),
        ("a spare root", account(now, epoch=2**31, spare=True), none, none, False, True),
        ("a spare root, low epoch", account(now, spare=True), none, none, False, False),
        ("root 0, high epoch", account(now, epoch=2**31), none, none, False, False),
        ("no spare", account(now, epoch=2**31, no_spare=True), none, none, False, False),
        ("another DIK", account(now, other_dik=True), none, none, False, False),
        ("born 9 minutes ahead", account(now), {9: now + 540}, none, False, True),
        ("born 11 minutes ahead", account(now), {9: now + 660}, none, False, False),
        ("a bundle by its hash", account(now), {7: bytes(32)}, none, False, True),
        ("a bundle of junk", account(now), {7: [b"junk", bytes(64)]}, none, False, True),
        ("an extension in ident", account(now), {64: 7}, none, False, True),
        ("an unknown key in ident", account(now), {10: 7}, none, False, False),
        ("a bridge", account(now), {8: [[bytes(32), ["a"]]]}, none, False, True),
        ("three bridges", account(now), {8: [[bytes(32), ["a"]]] * 3}, none, False, False),
        ("an extension in pb", account(now), none, {64: 7}, False, True),
        ("an unknown key in pb", account(now), none, {10: 7}, False, False),
        ("suite 2", account(now), none, {1: 2}, False, False),
        ("another prekey id", account(now), none, {4: 99}, False, False),
        ("another device", account(now), none, {2: bytes(16)}, False, False),
        ("an unknown psk", account(now), none, {9: bytes(16)}, False, False),
        ("no psk", account(now), none, {9: None}, False, False),
        ("a damaged letter", account(now), none, none, True, False),
    ]


def _changed(data, changes):
    value = decode(data) | changes
    return encode({key: one for key, one in value.items() if one is not None})


def first_message(own, link, objects, name, now, ident, pb, damaged):
    """Frame 2 with changes that `handshake.initiate` does not make."""
    bundle = decode(objects.bundle[0])
    dice = ratchet.Dice()
    ek = dice.x25519()
    ct, ss = dice.encaps(bundle[6][1])
    public = handshake.public_part(
        bundle[3], x_public(ek), bundle, H(objects.bundle[0]), ct, None, link.inv_id
    )
    public = _changed(public, pb)
    said = _changed(handshake.identity_part(own, now), ident)
    s0 = link.psk if 9 in decode(public) else bytes(32)
    secrets = handshake.Secrets(own.dik, ek, bundle, None, ss, s0)
    eid, keys = handshake.finish(own, link.account, secrets, public, said)
    session = ratchet.Session.initiator(keys.rk, keys.sid, keys.ad, bundle[5][1], now_ms())
    devices, theirs = decode(own.devices[0]), objects.known.chain
    plain = messages.make_plain(
        [devices[2], devices[3], hash16(own.devices[0])],
        [theirs.version, theirs.hash],
        os.urandom(16),
        messages.PROFILE,
        encode({1: name}),
    )
    letter = session.seal(encode(plain), now_ms())
    if damaged:
        letter[1] = letter[1][:-1] + bytes([letter[1][-1] ^ 1])
    return frames.write_frame(frames.INIT, [public, eid, letter])


async def odd_strangers(node):
    """Each asks by the same link for many; the right ones must wait among the requests."""
    print("strangers, honest and odd")
    link = invite.read_link((await node.run("invite", "--uses", "100"))[0]["link"])
    now = now_ms() // 1000
    cases = strangers(now)
    last = ("last", account(now), {}, {}, False, True)
    for name, own, ident, pb, damaged, _ in [*cases, last]:
        connection = await dial(own.network, link.addresses[0])
        try:
            await connection.write_frame(link.get_frame())
            _, content = frames.read_frame(await asyncio.wait_for(connection.frames.get(), 5))
            objects = invite.open_objects(link, content, now)
            frame = first_message(own, link, objects, name, now, ident, pb, damaged)
            await connection.write_frame(frame)
            await asyncio.sleep(PAUSE_S)
            must(connection.frames.empty(), f"nothing is said to a stranger: {name}")
        finally:
            await connection.end()

    async def waiting():
        return {one["name"] for one in await node.run("requests")}

    wanted = {name for name, *_, let_in in cases if let_in} | {"last"}
    await until(lambda: _covers(waiting, wanted), "requests of those who are right")
    extra = await waiting() - wanted
    must(not extra, f"let in: {', '.join(sorted(extra))}")
    done(f"{len(wanted)} let in to wait, {len(cases) + 1 - len(wanted)} not")


async def _covers(waiting, wanted):
    return wanted <= await waiting()
