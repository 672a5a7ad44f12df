//! Drafts: kept, forgotten, sent.

use super::commands::{allowed, contact_answer, fit_text, known, send};
use super::{Outcome, refuse};
use crate::feed::changes::ChangeKind;
use crate::feed::draft;
use crate::identity::contact;
use crate::outbox::Cx;
use crate::output::{Answer, RefusalKind};
use alloc::string::String;

/// Keeps a text for later, or, with none, forgets it.
pub(super) fn keep(cx: &mut Cx<'_, '_, '_>, name: &str, text: Option<String>) -> Outcome<Answer> {
    if let Some(text) = &text {
        allowed!(fit_text(text));
    }
    let mut contact = allowed!(known(cx, name)?);
    let before = draft::get(cx.tx, &contact)?.map(|draft| draft.text);
    if before != text {
        match text {
            Some(text) => draft::keep(cx.tx, &mut contact, text, cx.at.now),
            None => draft::forget(cx.tx, &mut contact),
        }
        contact::put(cx.tx, &contact);
        cx.log(ChangeKind::Contact { no: contact.no })?;
    }
    Ok(Ok(contact_answer(&contact)))
}

/// Sends the draft. It is gone in the transaction in which the message is there.
pub(super) fn send_it(cx: &mut Cx<'_, '_, '_>, name: &str) -> Outcome<Answer> {
    let mut contact = allowed!(known(cx, name)?);
    let Some(row) = draft::get(cx.tx, &contact)? else {
        return Ok(Err(refuse(
            RefusalKind::NotFound,
            "no_draft",
            "there is no draft to this contact",
            Some("`waxwing draft NAME TEXT` keeps one"),
        )));
    };
    let answer = allowed!(send(cx, &contact.name, row.text, None)?);
    contact = contact::must(cx.tx, contact.no)?;
    draft::forget(cx.tx, &mut contact);
    contact::put(cx.tx, &contact);
    cx.log(ChangeKind::Contact { no: contact.no })?;
    Ok(Ok(answer))
}
