//! A user's wishes.

use super::{
    Outcome, admit, amend, answers, contacts, draft, erase, import, invites, pack, refuse, timers,
};
use crate::agenda;
use crate::discovery::invite::{self, BadLink, Invite};
use crate::feed::body::{Body, Receipt, Text, TypedBody, kind};
use crate::feed::changes::ChangeKind;
use crate::feed::gone;
use crate::feed::view::{self, MessageRow, State};
use crate::id::Mid;
use crate::identity::account::parse_address;
use crate::identity::contact::{self, ContactRow, ContactState, clean_name};
use crate::identity::device;
use crate::input::{Command, Moment};
use crate::limits::{
    CONTACTS_MAX, INVITE_LIFE_S, NAME_BYTES_MAX, OUTBOX_PER_CONTACT_MAX, PENDING_MESSAGES_MAX,
    READ_MAX, RECEIPT_MIDS_MAX, TEXT_BYTES_MAX,
};
use crate::outbox::{self, Cx, What};
use crate::output::{Answer, Refusal, RefusalKind};
use crate::store::{StoreError, Tx};
use crate::time::secs;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Unwraps a refusal inside a function that returns an [`Outcome`].
macro_rules! allowed {
    ($outcome:expr) => {
        match $outcome {
            Ok(value) => value,
            Err(refusal) => return Ok(Err(refusal)),
        }
    };
}
pub(super) use allowed;

/// Makes the account.
pub(super) fn create(
    tx: &mut Tx<'_>,
    at: &mut Moment<'_>,
    name: &str,
    key: Option<String>,
    command: &Command,
) -> Outcome<Answer> {
    let name = allowed!(fit_name(name));
    if let Some(key) = &key {
        allowed!(answers::fit_key(key));
    }
    let own = device::create(tx, name, secs(at.now), at.rng)?;
    let answer = Answer::Account {
        account: own.account,
    };
    if let Some(key) = key {
        answers::keep(tx, at.now, &key, answers::mark(command), &answer);
    }
    Ok(Ok(answer))
}

/// Acts once for a key and gives the same answer to every repetition.
pub(super) fn answer(
    cx: &mut Cx<'_, '_, '_>,
    key: Option<String>,
    command: Command,
) -> Outcome<Answer> {
    let Some(key) = key else {
        return act(cx, command);
    };
    allowed!(answers::fit_key(&key));
    let mark = answers::mark(&command);
    if let Some(answer) = allowed!(answers::given(cx.tx, &key, &mark)?) {
        return Ok(Ok(answer));
    }
    let result = act(cx, command)?;
    if let Ok(answer) = &result {
        answers::keep(cx.tx, cx.at.now, &key, mark, answer);
    }
    Ok(result)
}

fn act(cx: &mut Cx<'_, '_, '_>, command: Command) -> Outcome<Answer> {
    match command {
        Command::Create { .. } => Ok(Err(refuse(
            RefusalKind::Conflict,
            "account_exists",
            "this home has an account already",
            None,
        ))),
        Command::Rename { name } => rename(cx, &name),
        Command::Invite { uses, life } => invites::make(cx, uses, life.unwrap_or(INVITE_LIFE_S)),
        Command::Add { link, name, note } => add(cx, &link, name, note),
        Command::Accept { name } => accept(cx, &name),
        Command::Decline { name } => decline(cx, &name),
        Command::Block { name } => block(cx, &name),
        Command::NameContact { name, new } => contacts::name(cx, &name, &new),
        Command::Mute { name, mute } => contacts::mute(cx, &name, mute),
        Command::Clear { name } => erase::clear(cx, &name),
        Command::Remove { name } => erase::remove(cx, &name),
        Command::Verify { name, compared } => contacts::verify(cx, &name, compared),
        Command::Send { to, text, reply_to } => send(cx, &to, text, reply_to),
        Command::React { to, emoji } => amend::react(cx, to, emoji),
        Command::Edit { of, text } => amend::edit(cx, of, text),
        Command::Delete { of } => amend::delete(cx, of),
        Command::Disappear { name, secs } => timers::set(cx, &name, secs),
        Command::Draft { name, text } => draft::keep(cx, &name, text),
        Command::SendDraft { name } => draft::send_it(cx, &name),
        Command::Import { contact, messages } => import::import(cx, &contact, messages),
        Command::MarkRead { name, upto } => mark_read(cx, &name, upto),
        Command::WordsWritten => {
            device::erase_words(cx.tx);
            Ok(Ok(Answer::Done))
        }
    }
}

pub(super) fn fit_name(name: &str) -> Result<String, Refusal> {
    clean_name(name).ok_or_else(|| {
        let message = format!("a name has 1 to {NAME_BYTES_MAX} bytes and no control characters");
        refuse(RefusalKind::Invalid, "bad_name", &message, None)
    })
}

fn rename(cx: &mut Cx<'_, '_, '_>, name: &str) -> Outcome<Answer> {
    let name = allowed!(fit_name(name));
    let account = cx.own.account;
    if cx.own.name != name {
        cx.own.name = name;
        device::save(cx.tx, &cx.own);
        super::upkeep::tell(cx, kind::PROFILE, 0)?;
    }
    Ok(Ok(Answer::Account { account }))
}

/// A contact by petname or address.
pub(super) fn known(cx: &Cx<'_, '_, '_>, name: &str) -> Outcome<ContactRow> {
    Ok(contact::named(cx.tx, name)?.ok_or_else(|| {
        refuse(
            RefusalKind::NotFound,
            "no_such_contact",
            "there is no contact of that name",
            Some("`waxwing contacts` and `waxwing requests` list the names"),
        )
    }))
}

pub(super) fn contact_answer(contact: &ContactRow) -> Answer {
    Answer::Contact {
        name: contact.name.clone(),
        account: contact.account,
        state: contact.state,
    }
}

fn add(
    cx: &mut Cx<'_, '_, '_>,
    link: &str,
    name: Option<String>,
    note: Option<String>,
) -> Outcome<Answer> {
    if parse_address(link.trim()).is_some() {
        return Ok(Err(refuse(
            RefusalKind::Policy,
            "needs_link",
            "an address alone cannot be added yet: nobody keeps its card for you",
            Some("ask for an invite link: they make one with `waxwing invite`"),
        )));
    }
    let invite = allowed!(Invite::from_link(link).map_err(|bad| {
        let hint = match bad {
            BadLink::Version => "a newer version of waxwing can use it",
            _ => "a link begins with `waxwing:`; copy all of it",
        };
        refuse(
            RefusalKind::Invalid,
            "bad_link",
            &format!("{bad}"),
            Some(hint),
        )
    }));
    if invite.account == cx.own.account {
        let hint = Some("send it to somebody else");
        return Ok(Err(refuse(
            RefusalKind::Invalid,
            "own_link",
            "this is your own link",
            hint,
        )));
    }
    if secs(cx.at.now) > invite.expires {
        let hint = Some("ask for a new one");
        return Ok(Err(refuse(
            RefusalKind::Policy,
            "link_expired",
            "this link has expired",
            hint,
        )));
    }
    let name = match name {
        Some(name) => Some(allowed!(fit_name(&name))),
        None => None,
    };
    if note
        .as_ref()
        .is_some_and(|note| note.len() > crate::limits::NOTE_BYTES_MAX)
    {
        let message = format!("a note has at most {} bytes", crate::limits::NOTE_BYTES_MAX);
        return Ok(Err(refuse(
            RefusalKind::Policy,
            "note_too_long",
            &message,
            None,
        )));
    }
    let id = invite::id(&invite.seed);
    let row = match contact::by_account(cx.tx, &invite.account)? {
        // The link that made it a contact says nothing new. Another one may be the way back to
        // somebody who has forgotten us, which nothing here could show.
        Some(row) if row.state == ContactState::Connected && row.came_by == Some(id) => {
            return Ok(Ok(contact_answer(&row)));
        }
        Some(row) if row.state == ContactState::Requested => {
            // They asked us, we take up their link: both want it.
            return accept(cx, &row.name);
        }
        Some(row) if row.state == ContactState::Blocked => {
            return Ok(Err(blocked(RefusalKind::Conflict)));
        }
        known => known,
    };
    let count = contact::count(cx.tx)?;
    if row.is_none() && count >= CONTACTS_MAX as u64 {
        let message = format!("a home has at most {CONTACTS_MAX} contacts");
        return Ok(Err(refuse(
            RefusalKind::Policy,
            "too_many_contacts",
            &message,
            None,
        )));
    }
    let contact = invites::take_up(cx, row, &invite, name, note)?;
    Ok(contact.map(|contact| contact_answer(&contact)))
}

fn accept(cx: &mut Cx<'_, '_, '_>, name: &str) -> Outcome<Answer> {
    let mut contact = allowed!(known(cx, name)?);
    match contact.state {
        ContactState::Connected => {}
        ContactState::Pending => {
            return Ok(Err(refuse(
                RefusalKind::Conflict,
                "not_a_request",
                "you asked them; there is nothing to accept",
                Some("it completes by itself when you meet"),
            )));
        }
        ContactState::Requested | ContactState::Blocked | ContactState::Declined => {
            let blocked = contact.state == ContactState::Blocked;
            contact.state = ContactState::Connected;
            let held = contact::held::take(cx.tx, &mut contact)?;
            contact::put(cx.tx, &contact);
            admit::welcome(cx, &contact)?;
            if blocked {
                let text = "you took the block back";
                cx.notice(Some(contact.no), "unblocked", text)?;
            }
            for letter in held {
                super::letters::take_in_held(cx, contact.no, &letter)?;
            }
            contact = contact::must(cx.tx, contact.no)?;
        }
    }
    Ok(Ok(contact_answer(&contact)))
}

fn decline(cx: &mut Cx<'_, '_, '_>, name: &str) -> Outcome<Answer> {
    let mut contact = allowed!(known(cx, name)?);
    if contact.state != ContactState::Requested {
        return Ok(Err(refuse(
            RefusalKind::Conflict,
            "not_a_request",
            "there is no request of theirs to decline",
            Some("`waxwing block NAME` ends a contact"),
        )));
    }
    contact.state = ContactState::Declined;
    contact::held::forget(cx.tx, &mut contact);
    contact::put(cx.tx, &contact);
    cx.log(ChangeKind::Contact { no: contact.no })?;
    Ok(Ok(contact_answer(&contact)))
}

fn block(cx: &mut Cx<'_, '_, '_>, name: &str) -> Outcome<Answer> {
    let mut contact = allowed!(known(cx, name)?);
    if contact.state != ContactState::Blocked {
        contact.state = ContactState::Blocked;
        contact::held::forget(cx.tx, &mut contact);
        contact.pending = None;
        contact::put(cx.tx, &contact);
        for device in outbox::targets(&contact) {
            outbox::attend_now(cx, contact.no, &device)?;
        }
        cx.log(ChangeKind::Contact { no: contact.no })?;
        let text = "you blocked them: nothing of theirs is shown from here on";
        cx.notice(Some(contact.no), "blocked", text)?;
    }
    Ok(Ok(contact_answer(&contact)))
}

fn blocked(kind: RefusalKind) -> Refusal {
    refuse(
        kind,
        "blocked",
        "this contact is blocked",
        Some("`waxwing accept NAME` takes the block back"),
    )
}

/// A contact to whom something may be said.
pub(super) fn addressee(cx: &Cx<'_, '_, '_>, name: &str) -> Outcome<ContactRow> {
    let contact = allowed!(known(cx, name)?);
    let refusal = match contact.state {
        ContactState::Pending | ContactState::Connected => return Ok(Ok(contact)),
        ContactState::Blocked => blocked(RefusalKind::Policy),
        ContactState::Requested | ContactState::Declined => refuse(
            RefusalKind::Policy,
            "not_accepted",
            "this is a request that you have not accepted",
            Some("`waxwing accept NAME` first"),
        ),
    };
    Ok(Err(refusal))
}

/// The outbox of a contact has room for one more.
pub(super) fn has_room(cx: &Cx<'_, '_, '_>, contact: &ContactRow) -> Outcome<()> {
    let known = !contact.devices.is_empty();
    let most = if known {
        OUTBOX_PER_CONTACT_MAX
    } else {
        PENDING_MESSAGES_MAX
    };
    for device in outbox::targets(contact) {
        if outbox::state(cx.tx, contact.no, &device)?.waiting >= most {
            let message = format!("{most} messages wait for this contact already");
            let hint = Some("they leave when the contact comes back");
            return Ok(Err(refuse(
                RefusalKind::Policy,
                "outbox_full",
                &message,
                hint,
            )));
        }
    }
    Ok(Ok(()))
}

pub(super) fn no_such_message() -> Refusal {
    refuse(
        RefusalKind::NotFound,
        "no_such_message",
        "there is no message with that id",
        None,
    )
}

/// A text that may be said.
pub(super) fn fit_text(text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        let hint = Some("write something");
        return Err(refuse(
            RefusalKind::Invalid,
            "empty_text",
            "the text is empty",
            hint,
        ));
    }
    if text.len() > TEXT_BYTES_MAX {
        let message = format!(
            "the text has {} bytes; at most {TEXT_BYTES_MAX} fit",
            text.len()
        );
        let hint = Some("send it in parts");
        return Err(refuse(RefusalKind::Policy, "text_too_long", &message, hint));
    }
    Ok(())
}

pub(super) fn send(
    cx: &mut Cx<'_, '_, '_>,
    to: &str,
    text: String,
    reply_to: Option<Mid>,
) -> Outcome<Answer> {
    let contact = allowed!(addressee(cx, to)?);
    allowed!(fit_text(&text));
    if let Some(target) = &reply_to
        && !view::places(cx.tx, target)?
            .iter()
            .any(|place| place.no == contact.no)
    {
        return Ok(Err(no_such_message()));
    }
    allowed!(has_room(cx, &contact)?);
    let body = Body::Text(Text { text, reply_to }).to_typed();
    let id = say(cx, contact, body)?;
    let state = match view::places(cx.tx, &id)?.first() {
        Some(place) => view::get(cx.tx, place.no, &place.order)?.map(|row| row.state),
        None => None,
    };
    Ok(Ok(Answer::Message {
        id,
        state: state.unwrap_or(State::Queued),
    }))
}

/// Puts a message of ours into the conversation and queues it.
pub(super) fn say(
    cx: &mut Cx<'_, '_, '_>,
    mut contact: ContactRow,
    body: TypedBody,
) -> Result<Mid, StoreError> {
    let mid = Mid::random(cx.at.rng);
    let now = cx.at.now;
    let clock = now.max(contact.clock + 1);
    let mut row = MessageRow::new(mid, true, body, clock, now);
    row.timer = gone::carried(&row.open_body(), contact.disappear());
    let own = cx.own.account;
    let (order, _) = view::insert_new(cx.tx, &mut contact, &own, row)?;
    pack::came(cx, &contact)?;
    contact::put(cx.tx, &contact);
    let key = crate::wire::codec::Blob(order);
    cx.log(ChangeKind::Message {
        no: contact.no,
        key: key.clone(),
    })?;
    cx.fresh = Some(mid);
    for device in outbox::targets(&contact) {
        let what = What::Message { order: key.clone() };
        outbox::enqueue(cx, contact.no, &device, mid, what)?;
        outbox::pump(cx, contact.no, &device)?;
    }
    Ok(mid)
}

fn mark_read(cx: &mut Cx<'_, '_, '_>, name: &str, upto: Option<Mid>) -> Outcome<Answer> {
    let mut contact = allowed!(known(cx, name)?);
    let last = match upto {
        None => None,
        Some(mid) => {
            let places = view::places(cx.tx, &mid)?;
            match places.into_iter().find(|place| place.no == contact.no) {
                Some(place) => Some(place.order),
                None => return Ok(Err(no_such_message())),
            }
        }
    };
    let mut mids = Vec::new();
    for order in view::unread(cx.tx, contact.no, READ_MAX)? {
        if last.as_ref().is_some_and(|last| order > *last) {
            continue;
        }
        if let Some(mut message) = view::get(cx.tx, contact.no, &order)? {
            view::clear_unread(cx.tx, &mut contact, &mut message);
            let now = cx.at.now;
            let from = gone::read_at(&message, now);
            if let Some(at) = gone::count(&mut message, from, now) {
                agenda::expire(cx.tx, at, contact.no, &order);
            }
            message.read_at = Some(now);
            message.advance(State::Read);
            view::put(cx.tx, contact.no, &order, &message);
            mids.push(message.mid);
        }
    }
    contact::put(cx.tx, &contact);
    if !mids.is_empty() {
        cx.log(ChangeKind::Contact { no: contact.no })?;
    }
    if cx.at.settings.read_receipts && contact.state == ContactState::Connected {
        for chunk in mids.chunks(RECEIPT_MIDS_MAX) {
            let receipt = Receipt {
                mids: chunk.to_vec(),
                kind: Receipt::READ,
            };
            let body = Body::Receipt(receipt).to_typed();
            for device in outbox::targets(&contact) {
                let mid = Mid::random(cx.at.rng);
                let what = What::Body {
                    body: body.clone(),
                    clock: None,
                };
                outbox::enqueue(cx, contact.no, &device, mid, what)?;
                outbox::pump(cx, contact.no, &device)?;
            }
        }
    }
    Ok(Ok(Answer::Marked {
        count: mids.len() as u64,
    }))
}
