//! Durable deadlines: rows "at T do K". A wake-up is only a hint; these rows decide.

use crate::crypto::hash::hash16;
use crate::feed::erase::Rest;
use crate::id::{B32, DeviceId, Hash16, SessionId};
use crate::identity::contact::ContactNo;
use crate::store::{Key, ReadExt, Span, StoreError, Table, Tx, suffix_u64};
use crate::time::Millis;
use crate::wire::codec::{Blob, encode};
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// Something to do at a time. Jobs may fire late, twice or in vain: each looks at the rows anew.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Job {
    /// Look after a device: dial it, send again what it did not receipt.
    #[n(0)]
    Attend {
        /// Whose.
        #[n(0)]
        no: ContactNo,
        /// Which.
        #[n(1)]
        device: DeviceId,
    },
    /// Send the receipts that are due to a device.
    #[n(1)]
    Receipts {
        /// Whose.
        #[n(0)]
        no: ContactNo,
        /// Which.
        #[n(1)]
        device: DeviceId,
    },
    /// Reach for contacts after a start, some a step.
    #[n(8)]
    Greet {
        /// First contact of this step.
        #[n(0)]
        from: ContactNo,
    },
    /// Hourly: rotate, refresh, expire, trim.
    #[n(2)]
    Upkeep,
    /// Daily sweep of one contact's rows, and of those after it.
    #[n(3)]
    Sweep {
        /// First contact of this step.
        #[n(0)]
        from: ContactNo,
    },
    /// Sweep of what a session remembers.
    #[n(4)]
    SweepSession {
        /// Which.
        #[n(0)]
        session: SessionId,
        /// Continue after this suffix.
        #[n(1)]
        from: Option<crate::id::Hash16>,
    },
    /// Tell every contact something that changed, some contacts a step.
    #[n(5)]
    Tell {
        /// Type of the body, filled in when it is sealed.
        #[n(0)]
        kind: u16,
        /// First contact of this step.
        #[n(1)]
        from: ContactNo,
    },
    /// Replace a session that fails.
    #[n(6)]
    Repair {
        /// Whose.
        #[n(0)]
        no: ContactNo,
        /// Which device.
        #[n(1)]
        device: DeviceId,
        /// The session that failed.
        #[n(2)]
        session: SessionId,
        /// N of the letter that failed.
        #[n(3)]
        n: u32,
    },
    /// Erase what is remembered of first messages to an erased bundle.
    #[n(7)]
    ForgetInits {
        /// The bundle.
        #[n(0)]
        bundle: B32,
    },
    /// Erase more of a history.
    #[n(15)]
    Clear {
        /// Whose.
        #[n(0)]
        no: ContactNo,
    },
    /// Erase more of what is stored of a contact that was removed.
    #[n(13)]
    Remove {
        /// Its number.
        #[n(0)]
        no: ContactNo,
        /// Its devices whose outboxes may not be empty yet.
        #[n(1)]
        devices: Vec<DeviceId>,
        /// Where the outbox of the last of them goes on.
        #[n(2)]
        seq: u64,
        /// Where its conversation goes on.
        #[n(3)]
        rest: Rest,
    },
    /// Erase what a session that is gone remembers.
    #[n(14)]
    ForgetSession {
        /// Which.
        #[n(0)]
        session: SessionId,
        /// Continue from this suffix.
        #[n(1)]
        from: Option<crate::id::Hash16>,
    },
    /// A contact is no longer muted.
    #[n(11)]
    Unmute {
        /// Which.
        #[n(0)]
        no: ContactNo,
    },
    /// Remove the tombstone of a deleted message.
    #[n(9)]
    Forget {
        /// Whose conversation.
        #[n(0)]
        no: ContactNo,
        /// Order key.
        #[n(1)]
        order: Blob,
    },
    /// Erase a message whose time is up.
    #[n(12)]
    Expire {
        /// Whose conversation.
        #[n(0)]
        no: ContactNo,
        /// Order key.
        #[n(1)]
        order: Blob,
    },
    /// Pack what was said for search, some messages a step.
    #[n(10)]
    Pack,
    /// Give letters for a device that is away to its bridges.
    #[n(16)]
    Deposit {
        /// Whose.
        #[n(0)]
        no: ContactNo,
        /// Which.
        #[n(1)]
        device: DeviceId,
    },
    /// Give letters for everybody who is away to their bridges, some contacts a step.
    #[n(17)]
    Deposits {
        /// First contact of this step.
        #[n(0)]
        from: ContactNo,
    },
    /// Forget a box that was never answered.
    #[n(18)]
    ForgetBox {
        /// Which.
        #[n(0)]
        fid: Hash16,
    },
    /// Look after a bridge at which we keep a mailbox.
    #[n(19)]
    Bridge {
        /// Its place among ours.
        #[n(0)]
        bridge: u32,
    },
    /// Find whose tags are to be registered at a bridge, some contacts a step.
    #[n(20)]
    Lanes {
        /// Its place among ours.
        #[n(0)]
        bridge: u32,
        /// First contact of this step.
        #[n(1)]
        from: ContactNo,
    },
    /// Look at a mailbox that is kept here for somebody.
    #[n(21)]
    Mailbox {
        /// Which.
        #[n(0)]
        mailbox: B32,
    },
    /// Look after the boxes that are to be handed on to a bridge.
    #[n(22)]
    Queue {
        /// Which.
        #[n(0)]
        bridge: B32,
    },
    /// Forget who spoke to this bridge in an earlier run, some a step.
    #[n(23)]
    ForgetCallers {
        /// Which run.
        #[n(0)]
        run: u64,
    },
    /// Forget boxes that were opened or handed on long ago, some a step.
    #[n(24)]
    ForgetBoxes,
}

fn agenda_key(at: Millis, job: &Job) -> Key {
    // The hash keeps jobs of one instant apart and makes a repeated row the same row.
    let suffix = [&at.to_be_bytes()[..], &hash16(&encode(job)).0[..8]].concat();
    Key::new(Table::Agenda, Vec::new(), suffix)
}

/// Adds a job.
pub fn at(tx: &mut Tx<'_>, at: Millis, job: &Job) {
    tx.hint(at);
    tx.put(agenda_key(at, job), job);
}

/// Looks at a disappearing message at a time.
pub fn expire(tx: &mut Tx<'_>, at: Millis, no: ContactNo, order: &[u8]) {
    let order = Blob(order.to_vec());
    self::at(tx, at, &Job::Expire { no, order });
}

/// Takes a job back.
pub fn cancel(tx: &mut Tx<'_>, at: Millis, job: &Job) {
    tx.delete(agenda_key(at, job));
}

/// Takes the jobs due by `now`, earliest first, at most `limit`.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn take_due(
    tx: &mut Tx<'_>,
    now: Millis,
    limit: usize,
) -> Result<Vec<(Millis, Job)>, StoreError> {
    let until = now.saturating_add(1).to_be_bytes();
    let span = Span::all(Table::Agenda, Vec::new(), limit).until(until);
    let rows = tx.rows::<Job>(&span)?;
    let mut due = Vec::with_capacity(rows.len());
    for (suffix, job) in rows {
        let at = suffix_u64(&suffix);
        tx.delete(Key::new(Table::Agenda, Vec::new(), suffix));
        due.push((at, job));
    }
    Ok(due)
}

/// When the next job is due.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn next(store: &(impl ReadExt + ?Sized)) -> Result<Option<Millis>, StoreError> {
    let rows = store.scan(&Span::all(Table::Agenda, Vec::new(), 1))?;
    Ok(rows.first().map(|(suffix, _)| suffix_u64(suffix)))
}
