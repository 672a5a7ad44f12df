//! A contact as its owner keeps it: the mark that says it is verified.

use super::commands::{allowed, contact_answer, known};
use super::{Outcome, refuse};
use crate::feed::changes::ChangeKind;
use crate::identity::contact;
use crate::identity::safety;
use crate::outbox::Cx;
use crate::output::{Answer, RefusalKind};
use alloc::string::String;

/// Marks a contact as verified by the safety number that was compared, or takes the mark back.
pub(super) fn verify(
    cx: &mut Cx<'_, '_, '_>,
    name: &str,
    compared: Option<String>,
) -> Outcome<Answer> {
    let mut contact = allowed!(known(cx, name)?);
    let verified = compared.is_some();
    if let Some(compared) = compared {
        let Some([mine, theirs]) = safety::roots(cx.tx, &contact.account)? else {
            return Ok(Err(refuse(
                RefusalKind::Conflict,
                "keys_unknown",
                "this contact's keys are not known yet",
                Some("they come when your nodes meet for the first time"),
            )));
        };
        let number = safety::number((&mine.0, &mine.1), (&theirs.0, &theirs.1));
        // Somebody else may have come to this name between the look and the word.
        if !same_digits(&compared, &number) {
            return Ok(Err(refuse(
                RefusalKind::Conflict,
                "safety_number_differs",
                "that is not the safety number of you and this contact",
                Some("if they read it to you, somebody may stand between you: do not go on here"),
            )));
        }
    }
    let changed = contact.verified != verified;
    contact.verified = verified;
    if contact.doubted.take().is_some() || changed {
        contact::put(cx.tx, &contact);
        cx.log(ChangeKind::Contact { no: contact.no })?;
    }
    if changed {
        let (code, text) = if verified {
            ("verified", "you compared safety numbers: verified")
        } else {
            ("unverified", "you took the verified mark back")
        };
        cx.notice(Some(contact.no), code, text)?;
    }
    Ok(Ok(contact_answer(&contact)))
}

/// Spaces do not matter.
fn same_digits(a: &str, b: &str) -> bool {
    let digits = |text: &str| -> String { text.split_whitespace().collect() };
    digits(a) == digits(b)
}
