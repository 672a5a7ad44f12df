//! A contact as its owner keeps it: its name, its silence, the mark that says it is verified.

use super::commands::{allowed, contact_answer, fit_name, known};
use super::{Outcome, refuse};
use crate::agenda::{self, Job};
use crate::feed::changes::ChangeKind;
use crate::identity::contact::{self, ContactNo, Muted};
use crate::identity::safety;
use crate::input::Mute;
use crate::limits::{MUTE_S_MAX, MUTE_S_MIN};
use crate::outbox::Cx;
use crate::output::{Answer, RefusalKind};
use crate::store::StoreError;
use crate::time::{DAY_S, HOUR_S, MINUTE_S, SECOND_MS, Secs};
use alloc::format;
use alloc::string::String;

/// Gives a contact the petname that the user chose.
pub(super) fn name(cx: &mut Cx<'_, '_, '_>, name: &str, new: &str) -> Outcome<Answer> {
    let mut contact = allowed!(known(cx, name)?);
    let new = allowed!(fit_name(new));
    if contact::by_name(cx.tx, &new)?.is_some_and(|other| other.no != contact.no) {
        return Ok(Err(refuse(
            RefusalKind::Conflict,
            "name_taken",
            "somebody else has that name here",
            Some("take another one, or rename them first"),
        )));
    }
    if contact.name != new || !contact.name_given {
        contact::rename(cx.tx, &mut contact, &new)?;
        contact.name_given = true;
        contact::put(cx.tx, &contact);
        cx.log(ChangeKind::Contact { no: contact.no })?;
    }
    Ok(Ok(contact_answer(&contact)))
}

/// Says whether clients notify of what a contact writes. Everything else stays as it is.
pub(super) fn mute(cx: &mut Cx<'_, '_, '_>, name: &str, mute: Mute) -> Outcome<Answer> {
    let mut contact = allowed!(known(cx, name)?);
    let (muted, code, text) = match mute {
        Mute::Off => (None, "unmuted", String::from("you hear them again")),
        Mute::Always => {
            let muted = Muted { until: None };
            let text = "you muted them until you say otherwise";
            (Some(muted), "muted", String::from(text))
        }
        Mute::For(span) if (MUTE_S_MIN..=MUTE_S_MAX).contains(&span) => {
            let until = Some(cx.at.now + span * SECOND_MS);
            let text = format!("you muted them for {}", words(span));
            (Some(Muted { until }), "muted", text)
        }
        Mute::For(_) => {
            let message = "a contact is muted for a minute to a year, or for good";
            return Ok(Err(refuse(RefusalKind::Invalid, "bad_span", message, None)));
        }
    };
    if contact.muted == muted {
        return Ok(Ok(contact_answer(&contact)));
    }
    let no = contact.no;
    let ends = |muted: Option<Muted>| muted.and_then(|muted| muted.until);
    if let Some(old) = ends(contact.muted) {
        agenda::cancel(cx.tx, old, &Job::Unmute { no });
    }
    if let Some(new) = ends(muted) {
        agenda::at(cx.tx, new, &Job::Unmute { no });
    }
    contact.muted = muted;
    contact::put(cx.tx, &contact);
    cx.log(ChangeKind::Contact { no })?;
    cx.notice(Some(no), code, &text)?;
    Ok(Ok(contact_answer(&contact)))
}

/// The time is over for which a contact was muted.
pub(super) fn unmute(cx: &mut Cx<'_, '_, '_>, no: ContactNo) -> Result<(), StoreError> {
    let Some(mut contact) = contact::get(cx.tx, no)? else {
        return Ok(());
    };
    let until = contact.muted.and_then(|muted| muted.until);
    if until.is_some_and(|until| until <= cx.at.now) {
        contact.muted = None;
        contact::put(cx.tx, &contact);
        cx.log(ChangeKind::Contact { no })?;
    }
    Ok(())
}

/// A span as people say it, in the largest unit that it is a whole number of.
fn words(span: Secs) -> String {
    let units = [
        (DAY_S, "day"),
        (HOUR_S, "hour"),
        (MINUTE_S, "minute"),
        (1, "second"),
    ];
    let whole = units
        .into_iter()
        .find(|(unit, _)| span.is_multiple_of(*unit));
    let (unit, word) = whole.unwrap_or((1, "second"));
    match span / unit {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    }
}

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

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn spans_are_said_in_their_largest_unit() {
        for (span, said) in [
            (60, "1 minute"),
            (90, "90 seconds"),
            (5_400, "90 minutes"),
            (8 * 3_600, "8 hours"),
            (86_400, "1 day"),
            (7 * 86_400, "7 days"),
        ] {
            assert_eq!(words(span), said);
        }
    }
}
