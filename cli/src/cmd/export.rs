//! `waxwing export`

use super::Context;
use crate::client::segment;
use crate::error::{CliError, Kind};
use crate::history::{FORMAT, Out, VERSION};
use crate::text;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use waxwing_node::api::convert;
use waxwing_node::api::model::{Contact, ContactList, HistoryPage, Id};

/// Between two words about how far it is.
const TELL_EVERY: u64 = 10_000;

/// Write what was said to a file, as JSON Lines.
///
/// Everything with everybody, or with one contact: texts, times, states, reactions, edits,
/// answers. No keys and nothing that could be used to write in your name. The file is not
/// encrypted: whoever has it reads it. It appears under its name once it is complete, and only
/// you may read it. What it looks like stands in docs/guide/history.md.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing export --output history.jsonl
  waxwing export bob | jq -r 'select(.type == \"message\") | .text'")]
pub struct Export {
    /// Only what was said with this contact
    name: Option<String>,
    /// The file to write, in place of what is there; stdout if missing
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// # Errors
/// [`CliError`] if there is no such contact, the node is not there, or the file cannot be written.
pub async fn run(args: Export, context: &Context) -> Result<(), CliError> {
    let Some(path) = args.output.filter(|path| path != Path::new("-")) else {
        let mut stdout = BufWriter::new(io::stdout());
        write(args.name, context, &mut stdout).await?;
        return Ok(stdout.flush()?);
    };
    let failed = |error: io::Error| failed(&path, &error);
    if path.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    let dir = match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    // Private from the first byte, and gone with us if we are stopped before the last.
    let whole = NamedTempFile::new_in(dir).map_err(failed)?;
    let mut file = BufWriter::new(whole);
    let count = write(args.name, context, &mut file).await?;
    let whole = file
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    whole.as_file().sync_all().map_err(failed)?;
    whole.persist(&path).map_err(|error| failed(error.error))?;
    let sync = std::fs::File::open(dir).and_then(|dir| dir.sync_all());
    sync.map_err(failed)?;
    let done = serde_json::json!({ "file": path, "messages": count });
    context.out.object(&done, || {
        format!("{count} messages are in {}.", path.display())
    })
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::failed(
        "output",
        format!("cannot write {}: {error}", path.display()),
    )
}

/// Writes all lines and says how many were of messages.
async fn write(
    name: Option<String>,
    context: &Context,
    to: &mut impl Write,
) -> Result<u64, CliError> {
    let client = &context.client;
    let me: Id = client.get("/v1/id").await?;
    let contacts = match &name {
        Some(name) => vec![
            client
                .get(&format!("/v1/contacts/{}", segment(name)))
                .await?,
        ],
        None => client.get::<ContactList>("/v1/contacts").await?.contacts,
    };
    let now = jiff::Timestamp::now().as_millisecond();
    let header = Out::Header {
        format: FORMAT,
        version: VERSION,
        account: &me.account,
        name: &me.name,
        made_at: &convert::rfc3339(u64::try_from(now).unwrap_or(0)),
    };
    line(to, &header)?;
    let mut count = 0;
    for contact in contacts {
        count += conversation(&contact, context, to).await?;
    }
    line(to, &Out::End { messages: count })?;
    Ok(count)
}

async fn conversation(
    contact: &Contact,
    context: &Context,
    to: &mut impl Write,
) -> Result<u64, CliError> {
    let (account, name) = (&contact.account, &contact.name);
    line(to, &Out::Contact { account, name })?;
    let base = format!("/v1/contacts/{}/history", segment(name));
    let mut path = base.clone();
    let mut count = 0;
    loop {
        let page: HistoryPage = match context.client.get(&path).await {
            // Renamed or removed while it was read: what was written so far is not all of it.
            Err(error) if error.kind == Kind::NotFound && count > 0 => {
                return Err(error.hint("the contact changed meanwhile: export again"));
            }
            page => page?,
        };
        for message in &page.messages {
            count += 1;
            line(
                to,
                &Out::Message {
                    contact: account,
                    message,
                },
            )?;
            if count % TELL_EVERY == 0 {
                context
                    .out
                    .note(&format!("{}: {count} messages so far", text::line(name)));
            }
        }
        match page.next {
            Some(next) => path = format!("{base}?page={}", segment(&next)),
            None => break,
        }
    }
    context
        .out
        .note(&format!("{}: {count} messages", text::line(name)));
    Ok(count)
}

fn line(to: &mut impl Write, line: &Out<'_>) -> Result<(), CliError> {
    serde_json::to_writer(&mut *to, line).map_err(io::Error::from)?;
    Ok(to.write_all(b"\n")?)
}
