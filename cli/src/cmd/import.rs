//! `waxwing import`

use super::Context;
use crate::client::{Key, segment};
use crate::error::{CliError, Kind};
use crate::history::{Bad, In, next_line, parse};
use crate::text;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use waxwing_node::api::model::{HistoryMessage, Id, ImportRequest, Imported};
use waxwing_protocol::identity::account::parse_address;
use waxwing_protocol::limits::IMPORT_MAX;

/// Bytes of lines that go to the node at once, unless one is longer.
const BATCH_BYTES: usize = 128 * 1024;
/// Bad lines that are named; further ones are counted.
const BAD_SHOWN: u64 = 100;
/// Between two words about how far it is.
const TELL_EVERY: u64 = 10_000;
/// Accounts that the file names and that are no contacts here: kept to be told.
const STRANGERS_MAX: usize = 1_000;

/// Take in what was said elsewhere: a file that `export` wrote.
///
/// Messages go into the conversations with your contacts, at their places. Those that are there
/// already stay as they are, so a file may be taken in twice. Messages with people who are not
/// your contacts are passed over: add them first, then import again. Nothing is sent and nothing
/// counts as unread. A line that makes no sense is named and passed over; the rest is taken in.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing import history.jsonl
  zcat history.jsonl.gz | waxwing import -")]
pub struct Import {
    /// The file, or - for stdin
    file: PathBuf,
    /// The file is the history of another account: what its owner said becomes yours
    #[arg(long)]
    other_account: bool,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Summary {
    added: u64,
    there: u64,
    skipped: u64,
    refused: u64,
    strangers: Vec<Stranger>,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Stranger {
    account: String,
    name: Option<String>,
    messages: u64,
}

struct Reader<'a> {
    context: &'a Context,
    summary: Summary,
    strangers: BTreeMap<String, Stranger>,
    names: BTreeMap<String, String>,
    /// With whom the batch was said.
    contact: String,
    batch: Vec<HistoryMessage>,
    lines: Vec<u64>,
    bytes: usize,
    told: u64,
}

/// # Errors
/// [`CliError`] if the file is not there or of another account, the node is not there, or lines
/// were refused.
pub async fn run(args: Import, context: &Context) -> Result<(), CliError> {
    let mut from: Box<dyn BufRead> = if args.file == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let file = File::open(&args.file).map_err(|error| unreadable(&args.file, &error))?;
        Box::new(BufReader::new(file))
    };
    let mut reader = Reader {
        context,
        summary: Summary::default(),
        strangers: BTreeMap::new(),
        names: BTreeMap::new(),
        contact: String::new(),
        batch: Vec::new(),
        lines: Vec::new(),
        bytes: 0,
        told: 0,
    };
    let (mut line, mut number, mut whole, mut begun) = (Vec::new(), 0, false, false);
    loop {
        let read =
            next_line(&mut from, &mut line).map_err(|error| unreadable(&args.file, &error))?;
        let Some(read) = read else { break };
        number += 1;
        let said = read.and_then(|()| {
            let text = std::str::from_utf8(&line);
            let text = text.map_err(|_| ("no_text", "it is no UTF-8 text".to_owned()))?;
            parse(text)
        });
        if !begun {
            header(said, args.other_account, context).await?;
            begun = true;
            continue;
        }
        match said {
            Ok(In::Message(contact, message)) => {
                reader.take(number, line.len(), contact, *message).await?
            }
            Ok(In::Contact(account, name)) => {
                if reader.names.len() < STRANGERS_MAX {
                    reader.names.insert(account, name);
                }
            }
            Ok(In::Header(_)) => {
                let words = "there is a header before it".to_owned();
                reader.refuse(number, &("bad_line", words));
            }
            Ok(In::End) => whole = true,
            Err(bad) => reader.refuse(number, &bad),
        }
    }
    if !begun {
        return Err(no_history("the file is empty"));
    }
    reader.flush().await?;
    reader.tell(whole)
}

fn unreadable(path: &Path, error: &io::Error) -> CliError {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => Kind::NotFound,
        _ => Kind::Failed,
    };
    CliError::new(
        kind,
        "input",
        format!("cannot read {}: {error}", path.display()),
    )
}

fn no_history(why: &str) -> CliError {
    CliError::new(
        Kind::Usage,
        "no_history",
        format!("this is no history: {why}"),
    )
    .hint("`waxwing export` writes one")
}

/// The first line says whose history it is.
async fn header(said: Result<In, Bad>, other: bool, context: &Context) -> Result<(), CliError> {
    let account = match said {
        Ok(In::Header(account)) => account,
        Ok(_) => return Err(no_history("line 1 is no header")),
        Err((_, why)) => return Err(no_history(&format!("line 1: {why}"))),
    };
    let me: Id = context.client.get("/v1/id").await?;
    if account != me.account && !other {
        let words = "this is the history of another account";
        return Err(CliError::new(Kind::Conflict, "other_account", words)
            .hint("if it was yours too, say --other-account: what its owner said becomes yours"));
    }
    Ok(())
}

impl Reader<'_> {
    async fn take(
        &mut self,
        line: u64,
        bytes: usize,
        contact: String,
        message: HistoryMessage,
    ) -> Result<(), CliError> {
        let full = self.batch.len() >= IMPORT_MAX || self.bytes + bytes > BATCH_BYTES;
        if full || contact != self.contact {
            self.flush().await?;
            self.contact = contact;
        }
        self.batch.push(message);
        self.lines.push(line);
        self.bytes += bytes;
        Ok(())
    }

    /// Has the node take in what was gathered.
    async fn flush(&mut self) -> Result<(), CliError> {
        let messages = std::mem::take(&mut self.batch);
        let lines = std::mem::take(&mut self.lines);
        self.bytes = 0;
        if messages.is_empty() {
            return Ok(());
        }
        let count = lines.len() as u64;
        if let Some(stranger) = self.strangers.get_mut(&self.contact) {
            stranger.messages += count;
            self.summary.skipped += count;
            return Ok(());
        }
        let path = format!("/v1/contacts/{}/history", segment(&self.contact));
        let wish = ImportRequest { messages };
        // A petname in place of an address would lead to whoever bears it here.
        let answer = if parse_address(&self.contact).is_some() {
            self.context.client.post(&path, &wish, Key::Fresh).await
        } else {
            Err(CliError::new(
                Kind::NotFound,
                "no_such_contact",
                "no address",
            ))
        };
        let imported: Imported = match answer {
            Err(error) if error.kind == Kind::NotFound => {
                self.summary.skipped += count;
                if self.strangers.len() < STRANGERS_MAX {
                    let stranger = Stranger {
                        account: self.contact.clone(),
                        name: self.names.get(&self.contact).cloned(),
                        messages: count,
                    };
                    self.strangers.insert(self.contact.clone(), stranger);
                }
                return Ok(());
            }
            answer => answer?,
        };
        self.summary.added += u64::from(imported.added);
        self.summary.there += u64::from(imported.there);
        for unfit in imported.refused {
            let line = usize::try_from(unfit.index)
                .ok()
                .and_then(|index| lines.get(index));
            self.refuse(line.copied().unwrap_or(0), &(&unfit.code, unfit.message));
        }
        let done = self.summary.added + self.summary.there;
        if done >= self.told + TELL_EVERY {
            self.told = done;
            self.context.out.note(&format!("{done} messages so far"));
        }
        Ok(())
    }

    /// Names a line that is passed over.
    fn refuse(&mut self, line: u64, (code, words): &(impl AsRef<str>, String)) {
        self.summary.refused += 1;
        if self.summary.refused > BAD_SHOWN {
            return;
        }
        let code = code.as_ref();
        if self.context.out.is_json() {
            let error = json!({ "code": code, "line": line, "message": words });
            eprintln!("{}", json!({ "error": error }));
        } else {
            eprintln!("line {line}: {}", text::line(words));
        }
    }

    fn tell(mut self, whole: bool) -> Result<(), CliError> {
        let out = self.context.out;
        self.summary.strangers = self.strangers.into_values().collect();
        let summary = &self.summary;
        for stranger in &summary.strangers {
            let account = crate::show::brief(&stranger.account);
            let name = stranger
                .name
                .as_deref()
                .map_or_else(String::new, text::line);
            let count = stranger.messages;
            out.note(&format!(
                "{count} messages with {name} ({account}) are passed over: no contact of yours."
            ));
        }
        if !summary.strangers.is_empty() {
            out.note("Add them with an invite link, then import again.");
        }
        if !whole {
            out.note("The file has no last line: it may have been cut short.");
        }
        out.object(summary, || {
            format!(
                "{} messages taken in, {} were here already, {} passed over, {} lines refused.",
                summary.added, summary.there, summary.skipped, summary.refused
            )
        })?;
        if summary.refused > 0 {
            let words = format!(
                "{} lines were refused; the others are taken in",
                summary.refused
            );
            return Err(CliError::failed("lines_refused", words));
        }
        Ok(())
    }
}
