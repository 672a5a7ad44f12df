//! `waxwing compact`

use super::Context;
use super::status::bytes;
use crate::client::Key;
use crate::error::{CliError, Kind};
use crate::out::Out;
use crate::when;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use waxwing_node::api::convert;
use waxwing_node::api::model::Compaction;
use waxwing_node::offline;
use waxwing_node::passphrase::Passphrase;

/// How often to look whether it is through.
const POLL: Duration = Duration::from_millis(50);
/// How often to say how far it is.
const SAY: Duration = Duration::from_secs(1);

/// Copy the database into a new, small one, without what was deleted.
///
/// What was deleted or has disappeared stays in the file of the database, sealed, until this or the
/// next start of a large home. It works while the node runs, which answers on meanwhile, and in a
/// home whose node does not run. It needs as much free space as the database takes.
#[derive(Debug, clap::Args)]
pub struct Compact {
    /// File whose first line is the passphrase, for a home whose node does not run
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// # Errors
/// [`CliError`] if there is no home, no room for a copy, or the disk failed; the database is then
/// as it was.
pub async fn run(args: Compact, context: &Context) -> Result<(), CliError> {
    let out = context.out;
    let begun = context
        .client
        .post::<_, Compaction>("/v1/compact", &json!({}), Key::None)
        .await;
    let state = match begun {
        Ok(state) => wait(state, context).await?,
        Err(error) if error.kind == Kind::Unreachable => {
            let home = context.home.clone();
            let file = args.passphrase_file;
            let done = tokio::task::spawn_blocking(move || alone(&home, file.as_deref(), out));
            done.await
                .map_err(|_| CliError::failed("compact", "compacting met a bug"))??
                .ok_or(error)?
        }
        Err(error) => return Err(error),
    };
    if let Some(why) = state.failed {
        return Err(CliError::failed(
            "not_compacted",
            format!("the database is as it was: {why}"),
        ));
    }
    let line = json!({
        "before_bytes": state.before_bytes,
        "after_bytes": state.after_bytes,
        "took_ms": state.took_ms,
    });
    out.object(&line, || {
        let size = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), bytes);
        let took = Duration::from_millis(state.took_ms.unwrap_or(0));
        format!(
            "Compacted in {}: {} before, {} now.",
            when::span(took),
            size(state.before_bytes),
            size(state.after_bytes),
        )
    })
}

/// Waits for the running node.
async fn wait(mut state: Compaction, context: &Context) -> Result<Compaction, CliError> {
    let mut said = Instant::now();
    while state.running {
        if said.elapsed() >= SAY {
            said = Instant::now();
            context.out.progress(&format!("{} rows copied", state.rows));
        }
        sleep(POLL).await;
        state = context.client.get("/v1/compact").await?;
    }
    Ok(state)
}

/// Compacts a home whose node does not run. `None`: there is none.
fn alone(home: &Path, file: Option<&Path>, out: Out) -> Result<Option<Compaction>, CliError> {
    waxwing_node::harden();
    let passphrase = match file {
        Some(path) => Some(Passphrase::from_file(path).map_err(|error| {
            super::up::explain(waxwing_node::StartError::PassphraseFile(error))
        })?),
        None => None,
    };
    if home.join("db").is_dir() {
        out.note("No node runs here; its database is opened for this.");
    }
    let done = offline::compact(home, passphrase.as_ref()).map_err(super::up::explain)?;
    Ok(done.map(convert::compaction))
}
