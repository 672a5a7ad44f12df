"""A person with one device: what 02 to 04 and 06 of docs/spec ask of a node, kept in memory.

Frames go in with the network key that brought them; frames for the contact's connection come out.
"""

import os
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from . import frames, handshake, identity, invite, mailbox, messages, ratchet, schema
from .cbor import Refused, encode
from .crypto import H, ed_public, x_public
from .text import key_of_peer_id

FIRST_FLIGHT_LETTERS_MAX = 11
FIRST_TEXT_BODY_MAX = 544
WINDOW_LETTERS = 900
RECEIPT_MIDS_MAX = 64
RECEIPT_REPEAT_MS = 4000
PEER_IDS_LIFE_S = 30 * 86400


def now_ms():
    return time.time_ns() // 1_000_000


@dataclass
class Pairing:
    """A session of a device pair with what the handshake left behind."""

    ratchet: ratchet.Session
    born: int
    th2: bytes
    k_exp: bytes
    k_mbx: bytes
    initiator: bool
    first: tuple = None
    """(pb, eid) that every letter is wrapped in until the first reply."""
    broken: bool = False

    @property
    def order(self):
        """The greatest sends: greatest born, then smaller th2."""
        return self.born, bytes(255 - byte for byte in self.th2)


@dataclass
class Item:
    kind: int
    body: object
    """The body's map, or a function that makes it when it is sealed."""
    clock: int = None
    letter: list = None
    pairing: Pairing = None


@dataclass
class Message:
    author: bytes
    mid: bytes
    clock: int
    text: str
    answers: bytes = None


@dataclass
class Contact:
    account: bytes
    known: identity.Known = None
    device: dict = None
    bundle: list = None
    name: str = None
    link: invite.Link = None
    connected: bool = False
    """Both sides know: the first letter on an existing session opened, or we let them in."""
    asked: bool = False
    pairings: list = field(default_factory=list)
    outbox: OrderedDict = field(default_factory=OrderedDict)
    receipts: list = field(default_factory=list)
    seen: dict = field(default_factory=dict)
    """hash16 of a letter: its mid if it is receipted, and when that was last said."""
    messages: dict = field(default_factory=dict)
    reactions: dict = field(default_factory=dict)
    states: dict = field(default_factory=dict)
    receipted: set = field(default_factory=set)
    """Every mid that the other side named in a receipt."""
    clock: int = 0
    peer: bytes = None
    addresses: list = field(default_factory=list)
    bridges: list = field(default_factory=list)
    """Signed descriptors of the bridges at which it keeps a mailbox."""
    bridges_said: int = 0
    bodies: list = field(default_factory=list)
    """Types of bodies in the order in which they were opened."""

    @property
    def sending(self):
        whole = [one for one in self.pairings if not one.broken]
        return max(whole, key=lambda one: one.order) if whole else None

    def conversation(self):
        """Texts in canonical order."""
        return sorted(
            self.messages.values(),
            key=lambda one: messages.canonical_order(one.clock, one.author, one.mid),
        )


class Person:
    def __init__(self, name):
        self.name = name
        self.own = identity.Own.create(now_ms() // 1000)
        self.chain = self.own.chain()
        self.network_key = ed_public(self.own.network)
        self.addresses = []
        self.contacts = {}
        self.links = {}
        self.opks = {}
        self.first_messages = {}
        self.counts = dict.fromkeys(("opened", "duplicate", "used", "not yet"), 0)
        self.quiet = False
        """While set, nothing is sealed: what is to be said gathers."""

    # ---- invites ----

    def make_invite(self, addresses, life_s=3600):
        """A link of one use."""
        expires = now_ms() // 1000 + life_s
        floor = [self.chain.epoch, self.chain.version, 1]
        seed = os.urandom(32)
        link = invite.Link(self.own.account, self.own.ak, floor, addresses, 1, expires, seed)
        self.links[link.inv_id] = link
        self.opks[link.inv_id] = (len(self.opks) + 1, os.urandom(32))
        return link

    def take_up(self, link):
        """A contact to ask for, and frame 3."""
        if link.account == self.own.account or link.expires < now_ms() // 1000:
            raise Refused("our own link, or an expired one")
        contact = self.contacts.setdefault(link.account, Contact(link.account))
        contact.link, contact.asked = link, True
        return contact, link.get_frame()

    def _answer_invite(self, content):
        link = self.links.get(content[1])
        if link is None or link.uses == 0 or link.expires < now_ms() // 1000:
            return []
        opk_id, private = self.opks[link.inv_id]
        plain = {
            1: self.own.genesis,
            2: self.own.statement,
            3: self.own.devices,
            4: self.own.bundle,
            5: [opk_id, x_public(private)],
        }
        return [invite.seal_objects(link, encode(plain))]

    def _take_objects(self, content, peer):
        for contact in self.contacts.values():
            if contact.link and contact.link.inv_id == content[1] and not contact.pairings:
                break
        else:
            raise Refused("objects that nobody asked for")
        link, now = contact.link, now_ms()
        if peer not in [key_of_peer_id(one.rpartition("/")[2]) for one in link.addresses]:
            raise Refused("objects from a node that was not asked")
        objects = invite.open_objects(link, content, now // 1000, contact.known)
        contact.known, contact.device = objects.known, objects.device
        contact.bundle = objects.bundle
        self._initiate(contact, objects.opk, (link.psk, link.inv_id))
        self._introduce(contact)
        return self.flush(contact)

    # ---- sessions ----

    def _initiate(self, contact, opk, psk):
        now = now_ms()
        born = max([now // 1000] + [one.born + 1 for one in contact.pairings])
        made = handshake.initiate(self.own, contact.account, contact.bundle, born, opk, psk)
        keys = made.keys
        session = ratchet.Session.initiator(keys.rk, keys.sid, keys.ad, made.spk, now)
        pairing = Pairing(
            session, born, keys.th2, keys.k_exp, keys.k_mbx, True, (made.pb, made.eid)
        )
        contact.pairings.append(pairing)
        return pairing

    def repair(self, contact):
        """A new session that proves the old one; what was not receipted is sealed anew."""
        old = contact.sending
        old.broken = True
        waiting, contact.outbox = contact.outbox, OrderedDict()
        self._initiate(contact, None, handshake.repair_psk(old.k_exp))
        body = {1: old.ratchet.sid, 2: 0, 3: bytes(16)}
        contact.outbox[os.urandom(16)] = Item(messages.REPAIR, body)
        for mid, item in waiting.items():
            item.letter = item.pairing = None
            contact.outbox[mid] = item
        return self.flush(contact)

    def _introduce(self, contact):
        """The profile and the addresses: what a node says first."""
        contact.outbox[os.urandom(16)] = Item(messages.PROFILE, {1: self.name})
        contact.outbox[os.urandom(16)] = Item(messages.PEER_IDS, self._peer_ids)

    def _peer_ids(self):
        expires = now_ms() // 1000 + PEER_IDS_LIFE_S
        return {1: self.network_key, 2: self.addresses, 3: expires}

    def _take_init(self, content, peer):
        pb_bytes, eid, letter = content
        h = H(pb_bytes + eid)
        if h in self.first_messages:
            contact, pairing = self.first_messages[h]
            return self._open(contact, pairing, letter, peer)
        pb = schema.read(schema.hs_public, pb_bytes)
        psk, opk, link, known_as = self._look_up(pb)
        received = handshake.receive(self.own, pb_bytes, eid, psk, opk)
        ident, now = received.ident, now_ms()
        chain = identity.verify_chain(ident[4], ident[5], ident[6])
        if chain.account != ident[1] or chain.account == self.own.account:
            raise Refused("an identity that does not hang together")
        contact = self.contacts.get(chain.account)
        if link is None and (contact is None or not contact.connected):
            raise Refused("a stranger without an invite")
        if known_as not in (None, contact):
            raise Refused("a repair of somebody else's session")
        known = identity.learn(contact and contact.known, chain)
        device = known.effective(ident[2])
        if device[3] != ident[3]:
            raise Refused("another DIK than the list's")
        identity.check_age(chain, now // 1000, grace=True)
        if ident[9] > now // 1000 + identity.CLOCK_SKEW_S:
            raise Refused("born in the future")
        if link and (link.uses == 0 or ident[9] > link.expires):
            raise Refused("an invite that is used up")
        keys = received.keys()
        session = ratchet.Session.responder(keys.rk, keys.sid, keys.ad, self.own.spk, now)
        plain = session.open(letter, now)
        # Only from here on is anything kept.
        if contact is None:
            contact = self.contacts[chain.account] = Contact(chain.account)
        contact.known, contact.device = known, device
        pairing = Pairing(session, ident[9], keys.th2, keys.k_exp, keys.k_mbx, False)
        contact.pairings.append(pairing)
        self.first_messages[h] = contact, pairing
        if type(ident[7]) is list:
            contact.bundle = ident[7]
        if link:
            link.uses = 0
        if not contact.connected:
            contact.connected, contact.peer = True, peer
            self._introduce(contact)
        self._opened(contact, pairing, letter, plain, peer)
        return self.flush(contact)

    def _look_up(self, pb):
        """(psk, one-time prekey, link, contact of the repair) that a first message names."""
        if 9 not in pb:
            if 8 in pb:
                raise Refused("a one-time prekey without its invite")
            return None, None, None, None
        link = self.links.get(pb[9])
        if link is None:
            for contact in self.contacts.values():
                for pairing in contact.pairings:
                    psk, psk_id = handshake.repair_psk(pairing.k_exp)
                    if psk_id == pb[9] and 8 not in pb:
                        return psk, None, None, contact
            raise Refused("an unknown psk")
        if 8 not in pb:
            return link.psk, None, link, None
        opk_id, private = self.opks[link.inv_id]
        if opk_id != pb[8]:
            raise Refused("a one-time prekey of another invite")
        return link.psk, private, link, None

    # ---- frames in ----

    def take(self, frame, peer):
        """Frames to answer with. Raises Refused for what an honest node does not send."""
        kind, content = frames.read_frame(frame)
        if kind == frames.INVITE_GET:
            return self._answer_invite(content)
        if kind == frames.INVITE_OBJECTS:
            return self._take_objects(content, peer)
        if kind == frames.INIT:
            return self._take_init(content, peer)
        sid = ratchet.read_header(content)[1]
        for contact in self.contacts.values():
            for pairing in contact.pairings:
                if pairing.ratchet.sid == sid:
                    return self._open(contact, pairing, content, peer)
        raise Refused("a letter on an unknown session")

    def _open(self, contact, pairing, letter, peer):
        try:
            plain = pairing.ratchet.open(letter, now_ms())
        except ratchet.Duplicate:
            self.counts["duplicate"] += 1
            self._receipt_again(contact, ratchet.letter_hash(letter))
            return self.flush(contact)
        except ratchet.Used:
            self.counts["used"] += 1
            return []
        except ratchet.NotYet:
            self.counts["not yet"] += 1
            return []
        pairing.first = None
        contact.connected = True
        self._opened(contact, pairing, letter, plain, peer)
        return self.flush(contact)

    def _receipt_again(self, contact, mark):
        mid, said = contact.seen[mark]
        if mid is not None and now_ms() - said >= RECEIPT_REPEAT_MS:
            contact.seen[mark] = mid, now_ms()
            contact.receipts.append(mid)

    def _opened(self, contact, pairing, letter, data, peer):
        self.counts["opened"] += 1
        mark = ratchet.letter_hash(letter)
        contact.seen[mark] = None, 0
        conversation = messages.conversation_id(self.own.account, contact.account)
        plain = messages.read_plain(data, conversation, now_ms())
        body = messages.read_body(plain)
        kind, mid = plain[6][0], plain[3]
        contact.bodies.append(kind)
        if kind != messages.RECEIPT or body is None or body[2] == messages.READ:
            contact.seen[mark] = mid, now_ms()
            contact.receipts.append(mid)
        if body is not None:
            self._do(contact, kind, body, plain, peer)

    def _do(self, contact, kind, body, plain, peer):
        mid, clock = plain[3], plain.get(5)
        if messages.is_user_message(kind):
            contact.clock = max(contact.clock, clock)
        if kind == messages.TEXT and mid not in contact.messages:
            contact.messages[mid] = Message(contact.account, mid, clock, body[1], body.get(2))
        elif kind == messages.REACTION:
            self._react(contact, contact.account, body, clock, mid)
        elif kind == messages.RECEIPT:
            self._receipted(contact, body)
        elif kind == messages.PROFILE:
            contact.name = " ".join(body[1].split())
        elif kind == messages.PEER_IDS and body[1] == peer:
            contact.peer, contact.addresses = peer, body[2]
        elif kind == messages.BRIDGES and body[2] >= contact.bridges_said:
            contact.bridges_said = body[2]
            contact.bridges = [one for one in body[1] if mailbox.is_descriptor(one)]
        elif kind == messages.LISTS:
            chain = identity.verify_chain(contact.known.chain.genesis, body[1], body[2])
            identity.check_age(chain, now_ms() // 1000, grace=False)
            contact.known.merge(chain)
        elif kind == messages.REPAIR:
            self._repaired(contact, body)
        elif kind == messages.BUNDLE_REQUEST:
            contact.outbox[os.urandom(16)] = Item(messages.BUNDLE, {1: self.own.bundle})
        elif kind == messages.BUNDLE:
            now = now_ms() // 1000
            identity.verify_bundle(body[1], contact.account, contact.device, now)
            contact.bundle = body[1]

    def _receipted(self, contact, body):
        contact.receipted.update(body[1])
        for mid in body[1]:
            item = contact.outbox.pop(mid, None)
            if body[2] == messages.READ:
                contact.states[mid] = "read"
            elif item is not None:
                contact.states[mid] = "delivered"

    def _repaired(self, contact, body):
        for pairing in contact.pairings:
            if pairing.ratchet.sid == body[1]:
                pairing.broken = True
                for item in contact.outbox.values():
                    if item.pairing is pairing:
                        item.letter = item.pairing = None

    def _react(self, contact, author, body, clock, mid):
        key = body[1], author
        mine = clock, mid, body[2]
        contact.reactions[key] = max(contact.reactions.get(key, mine), mine)

    # ---- what the person does ----

    def _queue_message(self, contact, kind, body):
        mid = os.urandom(16)
        contact.clock = max(now_ms(), contact.clock + 1)
        contact.outbox[mid] = Item(kind, body, contact.clock)
        contact.states[mid] = "queued"
        return mid

    def say(self, contact, text, answers=None):
        body = {1: text} if answers is None else {1: text, 2: answers}
        mid = self._queue_message(contact, messages.TEXT, body)
        contact.messages[mid] = Message(self.own.account, mid, contact.clock, text, answers)
        return mid

    def react(self, contact, target, emoji):
        body = {1: target, 2: emoji}
        mid = self._queue_message(contact, messages.REACTION, body)
        self._react(contact, self.own.account, body, contact.clock, mid)
        return mid

    def has_read(self, contact, mids):
        """Says that the person has read these."""
        for at in range(0, len(mids), RECEIPT_MIDS_MAX):
            body = {1: mids[at : at + RECEIPT_MIDS_MAX], 2: messages.READ}
            contact.outbox[os.urandom(16)] = Item(messages.RECEIPT, body)

    # ---- frames out ----

    def flush(self, contact):
        """Seals what may be sealed now: receipts first, then what waits, within the window."""
        pairing = contact.sending
        if pairing is None or self.quiet:
            return []
        out = []
        while contact.receipts and not pairing.first:
            mids = contact.receipts[:RECEIPT_MIDS_MAX]
            del contact.receipts[:RECEIPT_MIDS_MAX]
            body = {1: mids, 2: messages.DELIVERED}
            item = Item(messages.RECEIPT, body)
            self._seal(contact, pairing, os.urandom(16), item)
            out.append(self._frame(item))
        window = FIRST_FLIGHT_LETTERS_MAX if pairing.first else WINDOW_LETTERS
        sealed = sum(1 for item in contact.outbox.values() if item.letter)
        for mid, item in contact.outbox.items():
            if item.letter:
                continue
            if sealed >= window:
                break
            body = item.body() if callable(item.body) else item.body
            if pairing.first and len(encode(body)) > FIRST_TEXT_BODY_MAX:
                break
            self._seal(contact, pairing, mid, item)
            out.append(self._frame(item))
            sealed += 1
        return out

    def _seal(self, contact, pairing, mid, item):
        body = item.body() if callable(item.body) else item.body
        plain = self.plain(contact, mid, item.kind, encode(body), item.clock)
        item.letter, item.pairing = pairing.ratchet.seal(encode(plain), now_ms()), pairing

    def plain(self, contact, mid, kind, body, clock=None):
        """The map of a plaintext to this contact."""
        theirs = contact.known.chain
        conversation = messages.conversation_id(self.own.account, contact.account)
        lists = self.chain.name, [theirs.version, theirs.hash]
        return messages.make_plain(*lists, mid, kind, body, conversation, clock)

    def odd_letter(self, contact, plain):
        """The frame of a letter with any plaintext, also one that no page allows."""
        return frames.write_frame(frames.LETTER, contact.sending.ratchet.seal(plain, now_ms()))

    def _frame(self, item):
        if item.pairing.first:
            return frames.write_frame(frames.INIT, [*item.pairing.first, item.letter])
        return frames.write_frame(frames.LETTER, item.letter)

    def again(self, contact):
        """Everything unreceipted, from the oldest on: what a new connection begins with."""
        out = [self._frame(item) for item in contact.outbox.values() if item.letter]
        return out + self.flush(contact)

    def lanes(self, contact, bridge):
        """(to the contact, from the contact): the lanes of the sending session at a bridge."""
        one = contact.sending
        out, back = (0, 1) if one.initiator else (1, 0)
        return mailbox.Lane(one.k_mbx, bridge, out), mailbox.Lane(one.k_mbx, bridge, back)

    def name_bridges(self, contact, descriptors):
        """Says at which bridges this device keeps a mailbox."""
        contact.outbox[os.urandom(16)] = Item(messages.BRIDGES, {1: descriptors, 2: now_ms()})

    def padding_letters(self, contact, count):
        """Letters that nobody answers: receipts of a message that the other side never sent."""
        out = []
        for _ in range(count):
            body = {1: [os.urandom(16)], 2: messages.DELIVERED}
            item = Item(messages.RECEIPT, body)
            self._seal(contact, contact.sending, os.urandom(16), item)
            out.append(self._frame(item))
        return out
