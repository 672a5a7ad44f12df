"""What moves a session: docs/spec/03-sessions.md, "The ratchet" and "Letters"."""

import copy

from . import schema
from .cbor import Refused, encode
from .crypto import HKDF, HMAC, X, ZEROS32, Dice, expand, hash16, kem_decaps, kem_public
from .crypto import label, open_, seal, u8, x_public

SKIP_MAX = 1000
ADVANCE_MAX = 20_000
ADVANCE_AFTER_MS = 60_000
SKIPPED_KEPT_MAX = 2000
PQ_LETTERS = 50
PQ_EVERY_MS = 24 * 3600 * 1000


class Broken(Refused):
    """A letter that this session cannot have sealed."""


class Duplicate(Refused):
    """A letter that was seen."""


class Used(Refused):
    """A letter whose key is gone."""


class NotYet(Refused):
    """A letter too far ahead: dropped, to be repeated by its sender."""


def kdf_rk(rk, dh, ss=None):
    """(new RK, CK)."""
    okm = HKDF(rk, dh + (ss or ZEROS32), label("wx1/DR/root") + u8(1 if ss else 0), 64)
    return okm[:32], okm[32:]


def message_key(ck):
    """(mk, next CK)."""
    return HMAC(ck, b"\x01"), HMAC(ck, b"\x02")


def letter_key(mk, salt):
    """(key, nonce) of one letter."""
    okm = expand(mk, label("wx1/DR/msg") + salt, 44)
    return okm[:32], okm[32:]


def read_header(letter):
    try:
        hdr = schema.read(schema.dr_hdr, letter[0])
    except Refused as why:
        raise Broken(str(why)) from None
    if 5 in hdr and 6 in hdr:
        raise Broken("an answer and a proposal in one chain")
    return hdr


def letter_hash(letter):
    return hash16(encode(letter))


class Session:
    """The state table of the page, by its names, and the memory of one session."""

    def __init__(self, rk, sid, ad, now, dice=Dice()):
        self.rk, self.sid, self.ad, self.dice = rk, sid, ad, dice
        self.dhs = self.dhr = self.cks = self.ckr = self.ek_r = self.dk = None
        self.ns = self.nr = self.pn = self.since = 0
        self.last_pq = now
        self.skipped = {}
        self.closed = set()
        self.seen = {}
        self.dhs_public = self.field5 = self.field6 = None
        self.waiting_since = None
        self.proposals_answered = {"ours": 0, "theirs": 0}

    @classmethod
    def initiator(cls, rk, sid, ad, spk_public, now, dice=Dice()):
        session = cls(rk, sid, ad, now, dice)
        session.dhr = spk_public
        return session

    @classmethod
    def responder(cls, rk, sid, ad, spk_private, now, dice=Dice()):
        session = cls(rk, sid, ad, now, dice)
        session.dhs = spk_private
        return session

    # ---- sealing ----

    def seal(self, plain, now):
        """The letter `[hdr, ct]` of a plaintext."""
        if self.cks is None:
            self._begin_chain(now)
        mk, self.cks = message_key(self.cks)
        salt = self.dice.salt()
        hdr = {1: self.sid, 2: self.dhs_public, 3: self.pn, 4: self.ns, 7: salt}
        if self.field5 is not None:
            hdr[5] = self.field5
        if self.field6 is not None:
            hdr[6] = self.field6
        hdr = encode(hdr)
        key, nonce = letter_key(mk, salt)
        self.ns += 1
        self.since += 1
        return [hdr, seal(key, nonce, plain, self.ad + hdr)]

    def _begin_chain(self, now):
        self.dhs = self.dice.x25519()
        self.dhs_public = x_public(self.dhs)
        dh = X(self.dhs, self.dhr)
        ss = self.field5 = self.field6 = None
        if self.ek_r is not None:
            self.field5, ss = self.dice.encaps(self.ek_r)
            self.ek_r, self.since, self.last_pq = None, 0, now
            self.proposals_answered["theirs"] += 1
        elif self.dk is None and (
            self.since >= PQ_LETTERS or now - self.last_pq >= PQ_EVERY_MS
        ):
            self.dk = self.dice.kem_seed()
            self.field6 = kem_public(self.dk)
        self.rk, self.cks = kdf_rk(self.rk, dh, ss)
        self.pn, self.ns = self.ns, 0

    # ---- opening ----

    def open(self, letter, now):
        """The plaintext. Raises Broken, Duplicate, Used or NotYet, and then nothing has changed."""
        hdr = read_header(letter)
        if hdr[1] != self.sid:
            raise Broken("of another session")
        mark = letter_hash(letter)
        if mark in self.seen:
            raise Duplicate("seen")
        trial = copy.copy(self)
        trial.skipped, trial.closed = dict(self.skipped), set(self.closed)
        trial.proposals_answered = dict(self.proposals_answered)
        try:
            mk = trial._key_for(hdr, now)
        except NotYet:
            if self.waiting_since is None:
                self.waiting_since = now
            raise
        key, nonce = letter_key(mk, hdr[7])
        try:
            plain = open_(key, nonce, letter[1], self.ad + letter[0])
        except Refused:
            raise Broken("does not open") from None
        trial.since += 1
        trial.waiting_since = None
        while len(trial.skipped) > SKIPPED_KEPT_MAX:
            del trial.skipped[next(iter(trial.skipped))]
        self.__dict__.update(trial.__dict__)
        self.seen[mark] = None
        return plain

    def _key_for(self, hdr, now):
        dh_public, n = hdr[2], hdr[4]
        if (dh_public, n) in self.skipped:
            return self.skipped.pop((dh_public, n))
        if dh_public == self.dhr and self.ckr is not None:
            if n < self.nr:
                raise Used("passed in this chain")
            return self._advance(n, now)
        if dh_public in self.closed:
            raise Used("of a closed chain")
        self._new_chain(hdr, now)
        return self._advance(n, now)

    def _advance(self, n, now):
        self._skip_to(n, now)
        mk, self.ckr = message_key(self.ckr)
        self.nr += 1
        return mk

    def _new_chain(self, hdr, now):
        if self.ckr is not None:
            self._skip_to(hdr[3], now)
        if self.dhs is None:
            raise Broken("answers no chain of ours")
        try:
            dh = X(self.dhs, hdr[2])
        except Refused as why:
            raise Broken(str(why)) from None
        if (5 in hdr) != (self.dk is not None):
            raise Broken("an answer that was not asked for, or none where one was")
        ss = None
        if 5 in hdr:
            ss = kem_decaps(self.dk, hdr[5])
            self.dk, self.since, self.last_pq = None, 0, now
            self.proposals_answered["ours"] += 1
        self.ek_r = hdr.get(6, self.ek_r)
        self.rk, self.ckr = kdf_rk(self.rk, dh, ss)
        if self.dhr is not None:
            self.closed.add(self.dhr)
        self.dhr, self.nr = hdr[2], 0
        self.cks = self.dhs = None

    def _skip_to(self, n, now):
        distance = n - self.nr
        if distance > ADVANCE_MAX:
            raise Broken("too far ahead")
        if distance > SKIP_MAX:
            waited = self.waiting_since is not None and now - self.waiting_since >= ADVANCE_AFTER_MS
            if not waited:
                raise NotYet("too far ahead")
        while self.nr < n:
            mk, self.ckr = message_key(self.ckr)
            if n - self.nr <= SKIP_MAX:
                self.skipped[self.dhr, self.nr] = mk
            self.nr += 1
