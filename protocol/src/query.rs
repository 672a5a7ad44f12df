//! Reading: what a person or a program sees. Pure functions of the store.

use crate::feed::body::Body;
use crate::feed::changes::{self, ChangeKind, ChangeRow};
use crate::feed::view::{self, MessageRow, Trail};
use crate::id::{AccountId, DeviceId, Mid, Peer};
use crate::identity::account::{Genesis, address};
use crate::identity::contact::{self, ContactNo, ContactRow, INVITER};
use crate::identity::device::{self, OwnRow, account_key};
use crate::identity::list::AccountRow;
use crate::identity::safety;
use crate::input::{DialError, Reach};
use crate::limits::{READ_DEFAULT, READ_MAX};
use crate::outbox::{self, DialRow, DialWhat};
use crate::output::{ContactState, State};
use crate::private::Secret;
use crate::store::{Key, Read, ReadExt, StoreError, Table};
use crate::time::{Millis, Secs};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// This account and device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Me {
    /// Account id.
    pub account: AccountId,
    /// `wax1…`
    pub address: String,
    /// Self-declared name.
    pub name: String,
    /// This device.
    pub device: DeviceId,
    /// This device's libp2p key.
    pub peer: Peer,
    /// Unix seconds.
    pub created: Secs,
    /// The recovery words are still in the home.
    pub words_kept: bool,
    /// How often the store was opened.
    pub starts: u64,
}

/// A contact as `contacts` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContactView {
    /// Petname.
    pub name: String,
    /// Account id.
    pub account: AccountId,
    /// `wax1…`
    pub address: String,
    /// Where it stands.
    pub state: ContactState,
    /// Safety numbers were compared.
    pub verified: bool,
    /// `None`: away.
    pub reach: Option<Reach>,
    /// Last time anything of theirs was opened.
    pub last_seen: Option<Millis>,
    /// Received and not yet read.
    pub unread: u64,
    /// Their device's libp2p key, if known.
    pub peer: Option<Peer>,
}

/// A contact request as `requests` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestView {
    /// Petname it would get.
    pub name: String,
    /// Account id.
    pub account: AccountId,
    /// `wax1…`
    pub address: String,
    /// What they wrote.
    pub note: String,
    /// When it came.
    pub received_at: Millis,
    /// 60 digits, in groups of five.
    pub safety_number: String,
}

/// A reaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReactionView {
    /// Petname, or our own name.
    pub from: String,
    /// It was ours.
    pub mine: bool,
    /// The emoji.
    pub emoji: String,
}

/// A message as `read` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageView {
    /// Its id.
    pub id: Mid,
    /// Whose conversation: petname.
    pub contact: String,
    /// The contact's account.
    pub account: AccountId,
    /// Petname, or our own name.
    pub from: String,
    /// It was ours.
    pub mine: bool,
    /// The text; `None` if this version cannot show the body ("needs a newer version").
    pub text: Option<String>,
    /// Canonical clock.
    pub clock: Millis,
    /// When its author sent it, by the author's clock.
    pub sent_at: Millis,
    /// When it came to this device; `None` for our own.
    pub received_at: Option<Millis>,
    /// State of our own; `Delivered` or `Read` of theirs.
    pub state: State,
    /// Arrived after one that sorts behind it.
    pub late: bool,
    /// The message it answers.
    pub reply_to: Option<Mid>,
    /// Reactions, ours first.
    pub reactions: Vec<ReactionView>,
    /// It was edited.
    pub edited: bool,
    /// When it disappears.
    pub expires_at: Option<Millis>,
}

/// One change, as `watch` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeView {
    /// Its number.
    pub cursor: u64,
    /// When.
    pub at: Millis,
    /// What.
    pub change: Change,
}

/// What changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A message came, was sent, or changed otherwise than in its state (a reaction).
    Message(MessageView),
    /// A message of ours moved to a state.
    State {
        /// Which.
        id: Mid,
        /// Petname.
        contact: String,
        /// The state it moved to then.
        state: State,
    },
    /// A contact is new or changed.
    Contact(ContactView),
    /// A request came.
    Request(RequestView),
    /// A contact came or went.
    Reach {
        /// Petname.
        contact: String,
        /// How it was reached then; `None`: away.
        reach: Option<Reach>,
    },
    /// Something the user should know.
    Notice {
        /// Petname, where it is about one.
        contact: Option<String>,
        /// Snake-case word, such as `link_used_twice`.
        code: String,
        /// One sentence.
        text: String,
    },
}

/// Changes after a cursor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Changes {
    /// In order; empty if there is nothing newer.
    Rows(Vec<ChangeView>),
    /// The cursor is older than the log: read everything anew from here.
    Gone {
        /// Oldest cursor still there.
        oldest: u64,
    },
}

/// What happened to a message, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WhyView {
    /// The message.
    pub id: Mid,
    /// Its state.
    pub state: State,
    /// Petname.
    pub to: String,
    /// What happened.
    pub steps: Vec<Step>,
    /// What happens next.
    pub next: Option<NextStep>,
}

/// One step of a message's custody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// When.
    pub at: Millis,
    /// What.
    pub what: What,
    /// Which of their devices.
    pub device: Option<DeviceId>,
    /// Why, or where: a sentence fragment such as `timed out at /ip4/…`.
    pub reason: Option<String>,
}

/// The words of `why`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// Encrypted for a device.
    Sealed,
    /// A connection was tried.
    Dialed,
    /// Written to a live connection.
    Sent,
    /// Durable at a bridge.
    Held,
    /// Passed on by a bridge.
    Forwarded,
    /// Their receipt came, or, for theirs, we stored it.
    Delivered,
    /// They read it, or we did.
    Read,
    /// A try failed.
    Failed,
    /// It was refused.
    Refused,
    /// It was sent again.
    Retried,
    /// We gave up.
    Expired,
}

/// What happens next to a message, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NextStep {
    /// When, if that is known.
    pub at: Option<Millis>,
    /// A sentence.
    pub what: String,
}

/// Figures for `status`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StatusView {
    /// Contacts of any state but declined.
    pub contacts: u64,
    /// Contacts reached right now.
    pub connected: u64,
    /// Letters that wait for a receipt or a connection.
    pub outbox: u64,
    /// Requests waiting for the user's word.
    pub requests: u64,
    /// Newest cursor of the change log.
    pub cursor: u64,
}

/// Which messages of a conversation.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// The newest so many.
    pub limit: usize,
    /// Only those whose arrival has a cursor after this.
    pub after: Option<u64>,
    /// Only those that sort before this message.
    pub before: Option<Mid>,
}

/// Contacts that one scan reads.
const CONTACTS_PAGE: usize = 256;
/// Rows of the change log that one scan reads.
const CHANGES_PAGE: usize = 512;

/// This account, or `None` before `Command::Create`.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn me(store: &dyn Read) -> Result<Option<Me>, StoreError> {
    let Some(own) = device::load(store)? else {
        return Ok(None);
    };
    Ok(Some(Me {
        account: own.account,
        address: address(&own.account, &own.ak_public),
        name: own.name,
        device: own.device,
        peer: own.peer,
        created: own.created,
        words_kept: device::words(store)?.is_some(),
        starts: store.row(&Key::one(Table::Meta, *b"starts"))?.unwrap_or(0),
    }))
}

/// Seed of this device's libp2p key.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn network_seed(store: &dyn Read) -> Result<Option<Secret<32>>, StoreError> {
    Ok(device::load(store)?.map(|own| own.network.seed().clone()))
}

/// The 24 recovery words, while they are kept.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn words(store: &dyn Read) -> Result<Option<String>, StoreError> {
    Ok(device::words(store)?.map(|entropy| entropy.words()))
}

/// Contacts in order of name, without requests and declined ones.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn contacts(store: &dyn Read) -> Result<Vec<ContactView>, StoreError> {
    let mut views = Vec::new();
    for_each_contact(store, |row| {
        if !matches!(row.state, ContactState::Requested | ContactState::Declined) {
            views.push(contact_view(store, row)?);
        }
        Ok(())
    })?;
    views.sort_by_key(|view: &ContactView| view.name.to_lowercase());
    Ok(views)
}

/// One contact by petname, whatever its state.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn contact(store: &dyn Read, name: &str) -> Result<Option<ContactView>, StoreError> {
    contact::by_name(store, name)?
        .map(|row| contact_view(store, &row))
        .transpose()
}

/// Requests in order of arrival.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn requests(store: &dyn Read) -> Result<Vec<RequestView>, StoreError> {
    let mut views = Vec::new();
    for_each_contact(store, |row| {
        if row.state == ContactState::Requested {
            views.push(request_view(store, row)?);
        }
        Ok(())
    })?;
    views.sort_by_key(|view: &RequestView| view.received_at);
    Ok(views)
}

fn for_each_contact(
    store: &dyn Read,
    mut look: impl FnMut(&ContactRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut from = 0;
    loop {
        let page = contact::list(store, from, CONTACTS_PAGE)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        from = last.no + 1;
        page.iter().try_for_each(&mut look)?;
    }
}

/// How a contact is reached: the best of its devices; and one of its peers.
fn reach(store: &dyn Read, row: &ContactRow) -> Result<(Option<Reach>, Option<Peer>), StoreError> {
    let (mut best, mut peer) = (None, None);
    for id in outbox::targets(row) {
        let Some(known) = contact::device(store, row.no, &id)?.peer else {
            continue;
        };
        peer = peer.or(Some(known));
        let reach = outbox::reach_of(store, &known)?;
        best = match (best, reach) {
            (Some(a), Some(b)) => Some(core::cmp::min(a, b)),
            (a, b) => a.or(b),
        };
    }
    Ok((best, peer))
}

fn contact_view(store: &dyn Read, row: &ContactRow) -> Result<ContactView, StoreError> {
    let (reach, peer) = reach(store, row)?;
    Ok(ContactView {
        name: row.name.clone(),
        account: row.account,
        address: address(&row.account, &row.ak),
        state: row.state,
        verified: row.verified,
        reach: reach.filter(|_| row.state == ContactState::Connected),
        last_seen: row.last_seen,
        unread: row.unread,
        peer,
    })
}

fn request_view(store: &dyn Read, row: &ContactRow) -> Result<RequestView, StoreError> {
    Ok(RequestView {
        name: row.name.clone(),
        account: row.account,
        address: address(&row.account, &row.ak),
        note: row.note.clone(),
        received_at: row.added_at,
        safety_number: safety_number(store, row)?.unwrap_or_default(),
    })
}

/// The safety number of us and a contact; `None` until its Genesis is known.
fn safety_number(store: &dyn Read, row: &ContactRow) -> Result<Option<String>, StoreError> {
    let Some(own) = device::load(store)? else {
        return Ok(None);
    };
    let root = |account: &AccountId| -> Result<Option<crate::id::B32>, StoreError> {
        let objects: Option<AccountRow> = store.row(&account_key(account))?;
        Ok(objects
            .and_then(|o| o.genesis.peek::<Genesis>().ok())
            .map(|g| g.root))
    };
    Ok(match (root(&own.account)?, root(&row.account)?) {
        (Some(mine), Some(theirs)) => Some(safety::number(
            (&own.account, &mine),
            (&row.account, &theirs),
        )),
        _ => None,
    })
}

/// Messages of a contact in canonical order, oldest first; `None`: no such contact.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn messages(
    store: &dyn Read,
    name: &str,
    page: &Page,
) -> Result<Option<Vec<MessageView>>, StoreError> {
    let Some(row) = contact::by_name(store, name)? else {
        return Ok(None);
    };
    let own = device::load(store)?.ok_or(StoreError::Damaged(Table::Own))?;
    let limit = if page.limit == 0 {
        READ_DEFAULT
    } else {
        page.limit.min(READ_MAX)
    };
    let before = match &page.before {
        Some(mid) => view::places(store, mid)?
            .into_iter()
            .find(|place| place.no == row.no),
        None => None,
    };
    let before = before.as_ref().map(|place| &place.order[..]);
    let rows = match page.after {
        Some(after) => arrived_after(store, row.no, after, before, limit)?,
        None => view::newest(store, row.no, before, limit)?,
    };
    Ok(Some(
        rows.iter()
            .map(|message| message_view(&own, &row, message))
            .collect(),
    ))
}

/// The newest messages of a conversation that the log names after a cursor.
fn arrived_after(
    store: &dyn Read,
    no: ContactNo,
    after: u64,
    before: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<MessageRow>, StoreError> {
    let mut keys = BTreeSet::new();
    let mut cursor = after;
    loop {
        let page = changes::after(store, cursor, CHANGES_PAGE)?;
        let Some((last, _)) = page.last() else { break };
        cursor = *last;
        for (_, row) in page {
            match row.kind {
                ChangeKind::Message { no: whose, key }
                    if whose == no && before.is_none_or(|before| &key[..] < before) =>
                {
                    keys.insert(key);
                    if keys.len() > limit {
                        keys.pop_first();
                    }
                }
                _ => {}
            }
        }
    }
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys {
        rows.extend(view::get(store, no, &key)?);
    }
    Ok(rows)
}

fn message_view(own: &OwnRow, contact: &ContactRow, row: &MessageRow) -> MessageView {
    let who = |mine| {
        if mine {
            own.name.clone()
        } else {
            contact.name.clone()
        }
    };
    let (text, reply_to) = match row.open_body() {
        Body::Text(text) => (Some(text.text), text.reply_to),
        _ => (None, None),
    };
    let reactions = row
        .reactions
        .iter()
        .filter(|reaction| !reaction.emoji.is_empty())
        .map(|reaction| ReactionView {
            from: who(reaction.mine),
            mine: reaction.mine,
            emoji: reaction.emoji.clone(),
        })
        .collect();
    MessageView {
        id: row.mid,
        contact: contact.name.clone(),
        account: contact.account,
        from: who(row.mine),
        mine: row.mine,
        text,
        clock: row.clock,
        sent_at: row.sent,
        received_at: (!row.mine).then_some(row.at),
        state: row.state,
        late: row.late,
        reply_to,
        reactions,
        edited: false,
        expires_at: None,
    }
}

/// A message by id with its conversation; our own first if somebody reused its id.
fn by_id(
    store: &dyn Read,
    id: &Mid,
) -> Result<Option<(OwnRow, ContactRow, MessageRow)>, StoreError> {
    let mut places = view::places(store, id)?;
    places.sort_by_key(|place| !place.mine);
    let Some(place) = places.first() else {
        return Ok(None);
    };
    let Some(own) = device::load(store)? else {
        return Ok(None);
    };
    let contact = contact::must(store, place.no)?;
    let row = view::get(store, place.no, &place.order)?;
    Ok(row.map(|row| (own, contact, row)))
}

/// One message by id.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn message(store: &dyn Read, id: &Mid) -> Result<Option<MessageView>, StoreError> {
    let found = by_id(store, id)?;
    Ok(found.map(|(own, contact, row)| message_view(&own, &contact, &row)))
}

/// Changes after a cursor (0: from the oldest), at most `limit`.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn changes(store: &dyn Read, after: u64, limit: usize) -> Result<Changes, StoreError> {
    let oldest = changes::oldest(store)?;
    if after.saturating_add(1) < oldest {
        return Ok(Changes::Gone { oldest });
    }
    let Some(own) = device::load(store)? else {
        return Ok(Changes::Rows(Vec::new()));
    };
    let mut views = Vec::new();
    for (cursor, row) in changes::after(store, after, limit)? {
        let at = row.at;
        if let Some(change) = change_view(store, &own, row)? {
            views.push(ChangeView { cursor, at, change });
        }
    }
    Ok(Changes::Rows(views))
}

/// A change with its object; `None` if the object is gone.
fn change_view(
    store: &dyn Read,
    own: &OwnRow,
    row: ChangeRow,
) -> Result<Option<Change>, StoreError> {
    let name = |no: ContactNo| Ok::<_, StoreError>(contact::must(store, no)?.name);
    Ok(Some(match row.kind {
        ChangeKind::Message { no, key } => {
            let contact = contact::must(store, no)?;
            match view::get(store, no, &key)? {
                Some(message) => Change::Message(message_view(own, &contact, &message)),
                None => return Ok(None),
            }
        }
        ChangeKind::State { no, mid, state } => Change::State {
            id: mid,
            contact: name(no)?,
            state,
        },
        ChangeKind::Contact { no } => {
            Change::Contact(contact_view(store, &contact::must(store, no)?)?)
        }
        ChangeKind::Request { no } => {
            Change::Request(request_view(store, &contact::must(store, no)?)?)
        }
        ChangeKind::Reach { no, reach } => Change::Reach {
            contact: name(no)?,
            reach,
        },
        ChangeKind::Notice { no, code, text } => Change::Notice {
            contact: no.map(name).transpose()?,
            code,
            text,
        },
    }))
}

/// Figures.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn status(store: &dyn Read) -> Result<StatusView, StoreError> {
    let mut status = StatusView {
        cursor: changes::newest(store)?,
        ..StatusView::default()
    };
    for_each_contact(store, |row| {
        match row.state {
            ContactState::Declined => {}
            ContactState::Requested => status.requests += 1,
            _ => {
                status.contacts += 1;
                if row.state == ContactState::Connected && reach(store, row)?.0.is_some() {
                    status.connected += 1;
                }
                for device in outbox::targets(row) {
                    status.outbox += outbox::state(store, row.no, &device)?.waiting;
                }
            }
        }
        Ok(())
    })?;
    Ok(status)
}

/// The custody story of a message.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn why(store: &dyn Read, id: &Mid, now: Millis) -> Result<Option<WhyView>, StoreError> {
    let Some((own, contact, row)) = by_id(store, id)? else {
        return Ok(None);
    };
    let mut view = WhyView {
        id: *id,
        state: row.state,
        to: if row.mine {
            contact.name.clone()
        } else {
            own.name
        },
        steps: Vec::new(),
        next: None,
    };
    if row.mine {
        our_story(store, &contact, &row, now, &mut view)?;
    } else {
        let step = |at, what, reason: &str| Step {
            at,
            what,
            device: Some(own.device),
            reason: Some(reason.to_string()),
        };
        view.steps
            .push(step(row.at, What::Delivered, "stored on this device"));
        view.steps.extend(
            row.read_at
                .map(|at| step(at, What::Read, "read on this device")),
        );
    }
    view.steps.sort_by_key(|step| step.at);
    Ok(Some(view))
}

fn our_story(
    store: &dyn Read,
    contact: &ContactRow,
    row: &MessageRow,
    now: Millis,
    view: &mut WhyView,
) -> Result<(), StoreError> {
    for trail in &row.trails {
        trail_steps(trail, &mut view.steps);
    }
    // Until the first write the story is that of reaching the contact at all.
    let first_sent = row.trails.iter().filter_map(|trail| trail.sent_at).min();
    let waiting = first_sent.is_none() || row.state < State::Delivered;
    let until = if waiting {
        Millis::MAX
    } else {
        first_sent.unwrap_or(Millis::MAX)
    };
    for dial in outbox::dials(store, contact.no)? {
        if dial.at >= row.at && dial.at <= until {
            view.steps.extend(dial_step(&dial));
        }
    }
    match row.state {
        State::Expired => view.steps.push(ending(row, contact, What::Expired)),
        State::Refused => view.steps.push(ending(row, contact, What::Refused)),
        _ => {}
    }
    view.next = next_step(store, contact, row, now)?;
    Ok(())
}

fn ending(row: &MessageRow, contact: &ContactRow, what: What) -> Step {
    let reason = match what {
        What::Refused if contact.state == ContactState::Blocked => "you blocked this contact",
        What::Refused => "nothing may be sent to this contact",
        _ => "thirty days without a receipt",
    };
    let last = row
        .trails
        .iter()
        .filter_map(|trail| trail.last_sent_at)
        .max();
    Step {
        at: last.unwrap_or(row.at).max(row.at),
        what,
        device: None,
        reason: Some(reason.to_string()),
    }
}

fn trail_steps(trail: &Trail, steps: &mut Vec<Step>) {
    let step = |at, what, reason: Option<&str>| Step {
        at,
        what,
        device: trail.device,
        reason: reason.map(String::from),
    };
    steps.extend(trail.sealed_at.map(|at| step(at, What::Sealed, None)));
    steps.extend(trail.sent_at.map(|at| step(at, What::Sent, None)));
    if let (Some(at), true) = (trail.last_sent_at, trail.sends > 1) {
        let times = format!("sent {} times in all", trail.sends);
        steps.push(step(at, What::Retried, Some(&times)));
    }
    let failed = "the connection ended before it was written";
    steps.extend(
        trail
            .failed_at
            .map(|at| step(at, What::Failed, Some(failed))),
    );
    steps.extend(trail.delivered_at.map(|at| step(at, What::Delivered, None)));
    steps.extend(trail.read_at.map(|at| step(at, What::Read, None)));
}

fn dial_step(dial: &DialRow) -> Option<Step> {
    let device = (dial.device != INVITER).then_some(dial.device);
    let step = |what, reason| {
        Some(Step {
            at: dial.at,
            what,
            device,
            reason: Some(reason),
        })
    };
    match &dial.what {
        DialWhat::Dialed { addrs } => step(What::Dialed, addrs.join(", ")),
        DialWhat::Failed { why, addrs } => {
            let why = match why {
                DialError::Timeout => "nobody answered in time",
                DialError::Refused => "the connection was refused",
                DialError::Unreachable => "the network does not lead there",
                DialError::WrongPeer => "somebody else answered",
                DialError::NoTransport => "no transport that this node uses leads there",
                DialError::NoAddress => "no address is known",
                DialError::Other => "the connection failed",
            };
            let place = if addrs.is_empty() {
                String::new()
            } else {
                format!(" at {}", addrs.join(", "))
            };
            step(What::Failed, format!("{why}{place}"))
        }
        DialWhat::Down => step(What::Failed, "the connection was lost".to_string()),
        DialWhat::Up { .. } => None,
    }
}

fn next_step(
    store: &dyn Read,
    contact: &ContactRow,
    row: &MessageRow,
    now: Millis,
) -> Result<Option<NextStep>, StoreError> {
    let what = |what: &str| NextStep {
        at: None,
        what: what.to_string(),
    };
    match row.state {
        State::Delivered => {
            return Ok(Some(what("nothing more to do; a read receipt may come")));
        }
        State::Queued | State::Sent | State::Held => {}
        State::Expired | State::Refused | State::Read | State::Deleted => return Ok(None),
    }
    let mut at: Option<Millis> = None;
    for device in outbox::targets(contact) {
        let due = outbox::state(store, contact.no, &device)?.attend_at;
        at = match (at, due) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    let at = at.map(|at| at.max(now));
    let (online, _) = reach(store, contact)?;
    let what = match (contact.state, online) {
        (ContactState::Pending, None) => {
            "their node is away; the first contact completes when it is reached"
        }
        (ContactState::Pending, Some(_)) => "waiting for their node's first answer",
        (_, None) => "they are away; dial again, and send as soon as they are connected",
        (_, Some(_)) => "waiting for their device's receipt; send again if none comes",
    };
    Ok(Some(NextStep {
        at,
        what: what.to_string(),
    }))
}
