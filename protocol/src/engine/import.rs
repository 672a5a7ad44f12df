//! Taking in messages of another home: put into their places, and nothing else comes of it.

use super::commands::{allowed, known};
use super::{Outcome, amend, pack, refuse};
use crate::feed::changes::ChangeKind;
use crate::feed::past::Past;
use crate::feed::view;
use crate::identity::contact::{self, ContactState};
use crate::limits::IMPORT_MAX;
use crate::outbox::Cx;
use crate::output::{Answer, RefusalKind, Unfit};
use alloc::format;
use alloc::vec::Vec;

pub(super) fn import(cx: &mut Cx<'_, '_, '_>, name: &str, messages: Vec<Past>) -> Outcome<Answer> {
    if messages.len() > IMPORT_MAX {
        let message = format!("at most {IMPORT_MAX} messages are taken in at once");
        return Ok(Err(refuse(
            RefusalKind::Invalid,
            "too_many",
            &message,
            None,
        )));
    }
    let mut contact = allowed!(known(cx, name)?);
    if matches!(
        contact.state,
        ContactState::Requested | ContactState::Declined
    ) {
        return Ok(Err(refuse(
            RefusalKind::Policy,
            "not_accepted",
            "this is a request that you have not accepted",
            Some("`waxwing accept NAME` first"),
        )));
    }
    let (own, now) = (cx.own.account, cx.at.now);
    let (mut added, mut there) = (0, 0);
    let mut refused = Vec::new();
    for (index, past) in (0u32..).zip(messages) {
        if let Err((code, message)) = past.fit(now) {
            refused.push(Unfit {
                index,
                code: code.into(),
                message: message.into(),
            });
            continue;
        }
        let row = past.into_row(now);
        // What was erased here may come back from a copy; nothing else brings it back.
        view::forget_erased(cx.tx, contact.no, &row.mid, row.mine)?;
        let Some((order, mut row)) = view::insert(cx.tx, &mut contact, &own, row)? else {
            there += 1;
            continue;
        };
        // It came late by intent.
        row.late = false;
        view::put(cx.tx, contact.no, &order, &row);
        if row.deleted_at.is_some() {
            amend::bury(cx, contact.no, &order);
        }
        added += 1;
    }
    if added > 0 {
        pack::many_came(cx, &contact)?;
        contact::put(cx.tx, &contact);
        cx.log(ChangeKind::Contact { no: contact.no })?;
    }
    Ok(Ok(Answer::Imported {
        added,
        there,
        refused,
    }))
}
