//! Every number that bounds what a peer, a user or a clock can make us do.
//!
//! A length, count or time that somebody else chooses has its bound here and nowhere else. The
//! assertions at the end state how the numbers depend on each other.

use crate::time::{DAY_MS, DAY_S, HOUR_MS, HOUR_S, MINUTE_MS, MINUTE_S, Millis, SECOND_MS, Secs};

// ---- wire ----

/// Largest frame in bytes.
pub const FRAME_BYTES_MAX: usize = 72 * 1024;
/// Deepest nesting of CBOR arrays and maps.
pub const CBOR_DEPTH_MAX: usize = 8;
/// An init with everything in it, before padding: the frame `[2, init]` in a 4 KiB intro block.
pub const INIT_FRAME_BYTES_MAX: usize = 4_092;
/// The same when it travels in an envelope (bucket − 64, less the length prefix).
pub const INIT_ENVELOPE_BYTES_MAX: usize = 4_028;
/// Exact size of the invite-objects frame's padded plaintext holder.
pub const INVITE_OBJECT_BYTES: usize = 4_096;
/// Plaintext of one letter: the longest text, with room for its header.
pub const PLAIN_BYTES_MAX: usize = 40 * 1024;

// ---- identity ----

/// Devices in one account's list.
pub const DEVICES_MAX: usize = 10;
/// Revoked devices that a list names.
pub const REVOKED_LISTED_MAX: usize = 32;
/// Revoked devices remembered per account and epoch.
pub const REVOKED_KEPT_MAX: usize = 1_000;
/// A device list is valid this long after it was issued.
pub const LIST_LIFE_S: Secs = 30 * DAY_S;
/// A device list is issued anew after this long.
pub const LIST_REFRESH_S: Secs = 7 * DAY_S;
/// An expired list of a pinned contact is still accepted, with a warning, this long.
pub const LIST_GRACE_S: Secs = 14 * DAY_S;
/// A bundle is valid this long after it was issued.
pub const BUNDLE_LIFE_S: Secs = 14 * DAY_S;
/// Signed prekeys are replaced after this long.
pub const PREKEY_ROTATE_S: Secs = 7 * DAY_S;
/// Private halves of prekeys outlive their bundle by this (letter life + 1 d).
pub const PREKEY_KEEP_S: Secs = 31 * DAY_S;
/// How far a peer's clock may be ahead of ours in first contact.
pub const CLOCK_SKEW_S: Secs = 10 * MINUTE_S;

// ---- names and texts ----

/// A name, self-declared or given, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 128;
/// Text of one message in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 32 * 1024;
/// First text that may ride in an init.
pub const FIRST_TEXT_BYTES_MAX: usize = 512;
/// A note in a contact request.
pub const NOTE_BYTES_MAX: usize = 512;
/// A reaction: one emoji, however many code points it takes.
pub const REACTION_BYTES_MAX: usize = 32;
/// A reaction, edit or deletion that arrived before its target waits this long.
pub const WAITING_REACTION_MS: Millis = 35 * DAY_MS;
/// Messages that something waits for, per contact.
pub const WAITING_REACTIONS_MAX: usize = 256;
/// A deleted message leaves a tombstone this long, so that no late duplicate brings it back.
pub const TOMBSTONE_KEEP_MS: Millis = 65 * DAY_MS;
/// An idempotency key in bytes.
pub const KEY_BYTES_MAX: usize = 128;
/// Answers to idempotency keys are kept this long.
pub const KEY_KEEP_MS: Millis = 24 * HOUR_MS;

// ---- invites ----

/// Uses of a counted invite.
pub const INVITE_USES_MAX: u8 = 100;
/// Default life of an invite.
pub const INVITE_LIFE_S: Secs = 7 * DAY_S;
/// Longest life of an invite.
pub const INVITE_LIFE_S_MAX: Secs = 30 * DAY_S;
/// What an invite leaves behind (psk, one-time prekey) is kept this long after it expired.
pub const INVITE_KEEP_S: Secs = 31 * DAY_S;
/// Open invites per account.
pub const INVITES_MAX: usize = 200;
/// Addresses in one invite, and addresses kept per contact device.
pub const ADDRS_MAX: usize = 8;
/// Addresses that we put into a link: people copy links by hand.
pub const INVITE_ADDRS: usize = 4;
/// Bytes of addresses that fit a first flight beside everything else.
pub const FIRST_ADDRS_BYTES: usize = 240;
/// One address in bytes: one of the longest kind, through a relay over IPv6, and room for a name.
pub const ADDR_BYTES_MAX: usize = 240;
/// Bridges in one invite.
pub const INVITE_BRIDGES_MAX: usize = 3;
/// An invite link in characters.
pub const LINK_CHARS_MAX: usize = 4_096;

// ---- contacts ----

/// Contacts in one home.
pub const CONTACTS_MAX: usize = 10_000;
/// Contact requests waiting for the user's word.
pub const REQUESTS_MAX: usize = 200;
/// Letters of a requester that wait for the user's word.
pub const STRANGER_LETTERS_MAX: usize = 11;
/// Messages that wait for somebody whose node was never reached.
pub const PENDING_MESSAGES_MAX: u64 = 1_000;
/// Contacts that one agenda step tells, dials or sweeps.
pub const CONTACTS_STEP: usize = 64;
/// Shortest time for which a contact is muted.
pub const MUTE_S_MIN: Secs = MINUTE_S;
/// Longest time for which a contact is muted, other than for good.
pub const MUTE_S_MAX: Secs = 366 * DAY_S;
/// Notices kept with a conversation; the newest stay.
pub const NOTICES_MAX: usize = 64;

// ---- sessions ----

/// Sessions kept per device pair.
pub const SESSIONS_MAX: usize = 5;
/// A session that is no longer the sending one is kept this long.
pub const SESSION_KEEP_MS: Millis = 35 * DAY_MS;
/// Letters sealed before the peer's first reply.
pub const FIRST_FLIGHT_LETTERS_MAX: u32 = 11;
/// Keys skipped in one chain step.
pub const SKIP_MAX: u32 = 1_000;
/// Keys stored per contact account.
pub const SKIPPED_PER_ACCOUNT_MAX: u32 = 2_000;
/// Keys stored per device.
pub const SKIPPED_TOTAL_MAX: u32 = 20_000;
/// Steps a chain may advance at once after waiting in vain.
pub const ADVANCE_MAX: u32 = 20_000;
/// How long a letter beyond [`SKIP_MAX`] waits for the ones before it.
pub const ADVANCE_AFTER_MS: Millis = 60 * SECOND_MS;
/// Skipped keys, duplicates and closed chains are remembered this long.
pub const SEEN_KEEP_MS: Millis = 35 * DAY_MS;
/// Letters of one session between ML-KEM proposals.
pub const PQ_LETTERS: u32 = 50;
/// Time between ML-KEM proposals on a quiet session.
pub const PQ_EVERY_MS: Millis = 24 * HOUR_MS;
/// First messages remembered, for strangers and for known accounts each.
pub const INIT_SEEN_MAX: u32 = 50_000;
/// Repairs per device pair and day.
pub const REPAIRS_PER_DAY_MAX: usize = 3;
/// Repairs per device pair in thirty days.
pub const REPAIRS_PER_MONTH_MAX: usize = 10;
/// A failed letter is held this long before a repair begins.
pub const REPAIR_HOLD_MS: Millis = 60 * SECOND_MS;
/// A repair may use a bundle this long after it expired (its private half still lives).
pub const REPAIR_BUNDLE_GRACE_S: Secs = 30 * DAY_S;

// ---- outbox ----

/// Letters in flight to a device; the rest waits unsealed.
pub const WINDOW_LETTERS: u32 = 900;
/// Letters sent again at once when a peer comes up.
pub const RESEND_LETTERS_MAX: usize = 256;
/// A letter lives this long from sealing.
pub const LETTER_LIFE_MS: Millis = 30 * DAY_MS;
/// Waiting times between tries; the last one repeats.
pub const RETRY_MS: [Millis; 6] = [
    5 * SECOND_MS,
    30 * SECOND_MS,
    2 * MINUTE_MS,
    10 * MINUTE_MS,
    HOUR_MS,
    HOUR_MS,
];
/// A duplicate has its receipt sent again at most this often on one connection.
pub const RECEIPT_REPEAT_MS: Millis = 4 * SECOND_MS;
/// The same for one that came from a mailbox.
pub const MAIL_RECEIPT_REPEAT_MS: Millis = HOUR_MS;
/// Receipts for a device leave together at multiples of this: whoever writes faster gets fewer
/// of them, and the ratchet turns less often.
pub const RECEIPT_GATHER_MS: Millis = 5;
/// Message ids in one receipt.
pub const RECEIPT_MIDS_MAX: usize = 64;
/// Messages that wait for one contact.
pub const OUTBOX_PER_CONTACT_MAX: u64 = 100_000;
/// Dial attempts remembered per contact, for the custody story.
pub const DIALS_KEPT_MAX: u32 = 32;

// ---- conversation ----

/// A message whose clock is further ahead than this is refused.
pub const CLOCK_AHEAD_MS: Millis = 24 * HOUR_MS;
/// Newest messages that one read returns, by default and at most.
pub const READ_DEFAULT: usize = 50;
/// Most messages that one read returns.
pub const READ_MAX: usize = 10_000;
/// Messages that one search returns by default; at most as many as one read.
pub const SEARCH_DEFAULT: usize = 50;
/// Characters of what is searched for.
pub const SEARCH_CHARS_MAX: usize = 256;

/// Shortest time after which messages disappear.
pub const TIMER_S_MIN: Secs = 5;
/// Longest time after which messages disappear.
pub const TIMER_S_MAX: Secs = 365 * DAY_S;
/// A disappearing message that stays unread this long counts as read from then on.
pub const TIMER_UNREAD_MS: Millis = 30 * DAY_MS;
/// Messages that one command takes in from another home.
pub const IMPORT_MAX: usize = 256;

// ---- mailbox ----

/// Exact sizes of an envelope, in bytes.
pub const BLOCK_BYTES: [usize; 4] = [1_024, 4_096, 16_384, 65_536];
/// What a box adds to the padded size of a block, before its authentication tag.
pub const BOX_EXTRA_BYTES: usize = 512;
/// Padded size of the answer to a box.
pub const ANSWER_BYTES: usize = 512;
/// Exact size of that answer, sealed.
pub const REPLY_BYTES: usize = 24 + ANSWER_BYTES + 16;
/// A bridge's keys of a day, signed.
pub const FORWARD_KEYS_BYTES_MAX: usize = 1_536;
/// Longest a block is held.
pub const BLOCK_LIFE_S: Secs = 30 * DAY_S;
/// A mailbox is erased this long after its device was last there.
pub const MAILBOX_KEEP_S: Secs = 45 * DAY_S;
/// Bytes of blocks in one mailbox.
pub const MAILBOX_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Blocks in one mailbox.
pub const MAILBOX_BLOCKS_MAX: u64 = 20_000;
/// Blocks under one tag: a tag lives a day.
pub const TAG_BLOCKS_MAX: u32 = 4_096;
/// Bytes of blocks under one tag.
pub const TAG_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Tags in one registration: fewer are padded with random ones.
pub const TAG_BATCH: usize = 512;
/// Tags of one mailbox.
pub const TAGS_PER_MAILBOX_MAX: u64 = 1_000_000;
/// Tags are registered from this many days ago.
pub const TAG_DAYS_BACK: u32 = 2;
/// Tags are registered up to this many days ahead.
pub const TAG_DAYS_AHEAD: u32 = 35;
/// Tags are registered anew when fewer days than this lie ahead.
pub const TAG_DAYS_RENEW: u32 = 28;
/// Envelopes are looked for under tags of this many days ago.
pub const TAG_DAYS_READ: u32 = 32;
/// How much later than a bridge's own clock a registration may end.
pub const TAG_UNTIL_S_MAX: Secs = 40 * DAY_S;
/// Bytes that a device may leave at its bridge.
pub const COOKIE_BYTES_MAX: usize = 128;
/// Single numbers in one acknowledgement.
pub const ACK_IDS_MAX: usize = 64;
/// Blocks in one answer.
pub const FETCH_BLOCKS_MAX: u32 = 64;
/// A challenge may be answered this long.
pub const CHALLENGE_S: Secs = 600;
/// A box may be handed on this long after it was sealed.
pub const FORWARD_LIFE_S: Secs = 23 * HOUR_S;
/// How far ahead the end of a box may lie for whoever takes it.
pub const FORWARD_AHEAD_S: Secs = 25 * HOUR_S;
/// Boxes are sealed to the keys of a day for this much longer at either end of it.
pub const FORWARD_DAY_SLACK_MS: Millis = HOUR_MS;
/// A box is still opened this long after its end.
pub const FORWARD_GRACE_S: Secs = HOUR_S;
/// Private keys of a day are erased this long after it began.
pub const FORWARD_KEY_KEEP_S: Secs = 51 * HOUR_S;
/// Days for which opened boxes are remembered, today included: at least 52 hours.
pub const OPENED_DAYS: u32 = 4;
/// Boxes that wait to be handed on, for one mailbox.
pub const QUEUED_PER_MAILBOX_MAX: u32 = 4_096;
/// Boxes that wait to be handed on to one bridge.
pub const QUEUED_PER_BRIDGE_MAX: u64 = 100_000;
/// Boxes under way to one bridge at once.
pub const FORWARDS_FLYING_MAX: u32 = 256;
/// A box that was handed on is remembered this long.
pub const FORWARD_KEEP_MS: Millis = 7 * DAY_MS;
/// A descriptor is valid this long after it was issued.
pub const DESCRIPTOR_LIFE_S: Secs = 30 * DAY_S;
/// A descriptor is issued anew after this long.
pub const DESCRIPTOR_REFRESH_S: Secs = 7 * DAY_S;
/// A descriptor in characters.
pub const DESCRIPTOR_CHARS_MAX: usize = 4_096;
/// Roles in one descriptor.
pub const ROLES_MAX: usize = 8;
/// Bridges at which a home keeps a mailbox.
pub const BRIDGES_MAX: usize = 4;
/// Bridges that a contact's device names.
pub const CONTACT_BRIDGES_MAX: usize = 4;
/// Other bridges that one bridge knows.
pub const BRIDGES_KNOWN_MAX: u64 = 10_000;
/// Letters to one device that are on their way to bridges at once.
pub const DEPOSITS_FLYING_MAX: usize = 64;
/// A bridge is tried when a connection has not come up after this long.
pub const DEPOSIT_AFTER_MS: Millis = 1_500;
/// A letter goes to a bridge that holds it again after this long.
pub const HELD_AGAIN_MS: Millis = 72 * HOUR_MS;
/// After a bridge had no room for a letter, at first; doubles up to [`FULL_AGAIN_MS_MAX`].
pub const FULL_AGAIN_MS: Millis = HOUR_MS;
/// Longest wait after a bridge had no room.
pub const FULL_AGAIN_MS_MAX: Millis = 12 * HOUR_MS;
/// An open mailbox is asked for what it holds this often, whatever its bridge says by itself.
pub const BRIDGE_POLL_MS: Millis = HOUR_MS;
/// A mailbox at which its device was not for so long begins anew.
pub const MAILBOX_STALE_MS: Millis = 40 * DAY_MS;
/// A bridge that was given up is still read this long.
pub const LEAVING_MS: Millis = 35 * DAY_MS;

// ---- change log and agenda ----

/// Rows of the change log.
pub const CHANGES_MAX: u64 = 1_000_000;
/// Age of the oldest row of the change log.
pub const CHANGES_KEEP_MS: Millis = 30 * DAY_MS;
/// Rows that one call of the engine may sweep away.
pub const SWEEP_ROWS: usize = 256;
/// Agenda rows that one wake performs.
pub const AGENDA_STEP: usize = 64;

const _: () = {
    assert!(INIT_ENVELOPE_BYTES_MAX < INIT_FRAME_BYTES_MAX);
    assert!(TEXT_BYTES_MAX + 2_048 < PLAIN_BYTES_MAX);
    assert!(PLAIN_BYTES_MAX + 4_096 < FRAME_BYTES_MAX);
    assert!(WINDOW_LETTERS < SKIP_MAX);
    assert!(SKIP_MAX <= SKIPPED_PER_ACCOUNT_MAX);
    assert!(SKIPPED_PER_ACCOUNT_MAX <= SKIPPED_TOTAL_MAX);
    assert!(FIRST_FLIGHT_LETTERS_MAX as usize <= STRANGER_LETTERS_MAX);
    assert!(PREKEY_ROTATE_S < BUNDLE_LIFE_S);
    assert!(LIST_REFRESH_S < LIST_LIFE_S);
    assert!(INVITE_LIFE_S <= INVITE_LIFE_S_MAX);
    assert!(INVITE_ADDRS <= ADDRS_MAX);
    assert!(ADDR_BYTES_MAX <= FIRST_ADDRS_BYTES);
    assert!(RECEIPT_REPEAT_MS < RETRY_MS[0]);
    assert!(LETTER_LIFE_MS + WAITING_REACTION_MS <= TOMBSTONE_KEEP_MS);
    assert!(TIMER_S_MIN < TIMER_S_MAX);
    // The largest box fits a frame, with its heads and its ML-KEM ciphertext.
    assert!(BLOCK_BYTES[3] + BOX_EXTRA_BYTES + 2_048 < FRAME_BYTES_MAX);
    // The longest letter fits the largest envelope.
    assert!(PLAIN_BYTES_MAX + 8_192 < BLOCK_BYTES[3]);
    assert!(FORWARD_LIFE_S + FORWARD_GRACE_S < FORWARD_AHEAD_S);
    assert!(FORWARD_AHEAD_S + FORWARD_GRACE_S + DAY_S <= FORWARD_KEY_KEEP_S);
    assert!(FORWARD_KEY_KEEP_S < (OPENED_DAYS as Secs - 1) * DAY_S);
    assert!(TAG_DAYS_RENEW < TAG_DAYS_AHEAD);
    assert!(MAILBOX_STALE_MS < MAILBOX_KEEP_S * SECOND_MS);
    assert!(TAG_DAYS_AHEAD as Millis * DAY_MS < MAILBOX_STALE_MS);
    assert!(DESCRIPTOR_REFRESH_S < DESCRIPTOR_LIFE_S);
};

/// Waiting time after so many tries.
pub fn retry_ms(tries: u32) -> Millis {
    RETRY_MS[(tries as usize).min(RETRY_MS.len() - 1)]
}
