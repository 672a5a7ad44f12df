//! `waxwing invite`

use super::Context;
use crate::args;
use crate::client::Key;
use crate::error::CliError;
use crate::when;
use jiff::Zoned;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use std::io::{self, IsTerminal};
use std::time::Duration;
use waxwing_node::api::model;

/// Make a link for a friend.
///
/// Give it to one person, over a way that you trust. Whoever takes it up first becomes your
/// contact. A link for several people (`--uses`) only lets them ask: they wait in `requests`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing invite                       one friend, seven days
  waxwing invite --uses 20 --expires 24h
  waxwing invite | wl-copy             only the link goes to stdout")]
pub struct Invite {
    /// How many people may use it
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..=100))]
    uses: u8,
    /// How long it is good for, at most 30d [default: 7d]
    #[arg(long, value_name = "DURATION", value_parser = args::duration)]
    expires: Option<Duration>,
}

/// # Errors
/// [`CliError`] if the node is not there or refuses.
pub async fn run(args: Invite, context: &Context) -> Result<(), CliError> {
    let wish = model::InviteRequest {
        uses: Some(args.uses),
        expires: args.expires.map(|life| format!("{}s", life.as_secs())),
    };
    let invite: model::Invite = context
        .client
        .post("/v1/invites", &wish, Key::Fresh)
        .await?;
    context.out.object(&invite, || invite.link.clone())?;
    if io::stdout().is_terminal()
        && io::stderr().is_terminal()
        && let Some(picture) = qr(&invite.link)
    {
        context.out.note(&picture);
    }
    let until = when::date_clock(&invite.expires, &Zoned::now());
    let uses = match invite.uses {
        1 => "one person".to_owned(),
        uses => format!("{uses} people, who then wait in `waxwing requests`"),
    };
    context.out.note(&format!(
        "For {uses}, until {until}. Taken up with `waxwing add`."
    ));
    Ok(())
}

/// The link as a picture; none if it is too long for one.
fn qr(link: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(link, EcLevel::L).ok()?;
    Some(code.render::<Dense1x2>().build())
}
