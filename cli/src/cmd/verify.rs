//! `waxwing verify`

use super::Context;
use crate::client::{Key, segment};
use crate::error::{CliError, Kind};
use crate::out::Out;
use crate::text;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use waxwing_node::api::model::{Contact, Safety, VerifyRequest};

/// Groups of five digits in a line: three lines of four read well aloud.
const GROUPS_A_LINE: usize = 4;

/// Find out whether a contact is who they say, by comparing safety numbers.
///
/// Both of you run this and compare the sixty digits, in person or in a call where you know the
/// voice; or scan each other's picture. They are the same on both sides, or somebody stands between
/// you. Once you have compared them, `--confirmed` marks the contact as verified.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing verify bob
  waxwing verify bob --confirmed
  waxwing verify bob --scanned waxwing-safety:…")]
pub struct Verify {
    /// Whom
    name: String,
    /// The numbers are the same: mark the contact as verified
    #[arg(long, conflicts_with_all = ["undo", "scanned"])]
    confirmed: bool,
    /// What a scanner read from their screen: mark the contact as verified if it is the same
    #[arg(long, value_name = "TEXT", conflicts_with = "undo")]
    scanned: Option<String>,
    /// Take the mark back
    #[arg(long)]
    undo: bool,
}

/// # Errors
/// [`CliError`] if there is no such contact, its keys are not known yet, what was scanned differs,
/// or the node is not there.
pub async fn run(args: Verify, context: &Context) -> Result<(), CliError> {
    let out = context.out;
    let path = format!("/v1/contacts/{}", segment(&args.name));
    if args.undo {
        let done: Contact = context
            .client
            .post(
                &format!("{path}/unverify"),
                &serde_json::json!({}),
                Key::Fresh,
            )
            .await?;
        return marked(context, &done).await;
    }
    let safety: Safety = context.client.get(&format!("{path}/safety")).await?;
    if let Some(scanned) = &args.scanned
        && scanned.trim() != safety.code
    {
        return Err(CliError::new(
            Kind::Conflict,
            "safety_number_differs",
            "what was scanned is not the code of you and this contact",
        )
        .hint("scan what `waxwing verify` shows on their screen; if it still differs, somebody may stand between you"));
    }
    if args.confirmed || args.scanned.is_some() {
        let wish = VerifyRequest {
            safety_number: safety.safety_number,
        };
        let done: Contact = context
            .client
            .post(&format!("{path}/verify"), &wish, Key::Fresh)
            .await?;
        return marked(context, &done).await;
    }
    out.object(&safety, || page(&safety, out))?;
    out.note(
        "Compare with what they see: in person, or in a call where you know the voice.\n\
         The same on both sides? Then `waxwing verify NAME --confirmed`.",
    );
    Ok(())
}

/// Says how a contact stands after its mark was changed.
async fn marked(context: &Context, contact: &Contact) -> Result<(), CliError> {
    let path = format!("/v1/contacts/{}/safety", segment(&contact.name));
    let safety: Safety = context.client.get(&path).await?;
    context.out.object(&safety, || {
        let name = text::line(&safety.name);
        if safety.verified {
            format!("{name} is verified.\n{}", digits(&safety.safety_number))
        } else {
            format!("{name} is not verified.")
        }
    })
}

fn page(safety: &Safety, out: Out) -> String {
    let name = out.bold(&text::line(&safety.name));
    let state = match (safety.verified, safety.verify_again) {
        (true, _) => "verified",
        (false, true) => "was verified; compare again, something has changed since",
        (false, false) => "not verified",
    };
    let mut page = format!("{name}: {state}\n{}", digits(&safety.safety_number));
    if let Some(picture) = qr(&safety.code) {
        page.push_str("\n\n");
        page.push_str(&picture);
    }
    page
}

fn digits(number: &str) -> String {
    let groups: Vec<&str> = number.split(' ').collect();
    let lines = groups.chunks(GROUPS_A_LINE);
    let lines: Vec<String> = lines.map(|line| format!("  {}", line.join(" "))).collect();
    lines.join("\n")
}

fn qr(code: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(code, EcLevel::L).ok()?;
    Some(code.render::<Dense1x2>().build())
}

#[cfg(test)]
mod tests {
    #[test]
    fn digits_stand_in_three_lines_of_four_groups() {
        let number = ["01234"; 12].join(" ");
        let lines = super::digits(&number);
        assert_eq!(lines.lines().count(), 3);
        assert_eq!(lines.lines().next(), Some("  01234 01234 01234 01234"));
    }

    #[test]
    fn a_code_fits_a_terminal() {
        let code = format!("waxwing-safety:{}", "a".repeat(171));
        let picture = super::qr(&code).unwrap();
        let width = picture.lines().map(|line| line.chars().count()).max();
        assert!(width.unwrap() <= 80, "{width:?}");
    }
}
