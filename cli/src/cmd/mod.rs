//! One file per command.

pub mod add;
pub mod amend;
pub mod bridge;
pub mod bridges;
pub mod chat;
pub mod clear;
pub mod compact;
pub mod completions;
pub mod config;
pub mod contacts;
pub mod demo;
pub mod disappear;
pub mod doctor;
pub mod draft;
pub mod export;
pub mod id;
pub mod import;
pub mod invite;
pub mod keep;
pub mod log_level;
pub mod man;
pub mod passphrase;
pub mod react;
pub mod read;
pub mod requests;
pub mod search;
pub mod send;
mod service;
pub mod status;
pub mod stop;
pub mod token;
pub mod up;
pub mod verify;
pub mod watch;
pub mod why;
pub mod words;

use crate::args::Command;
use crate::client::Client;
use crate::error::CliError;
use crate::out::Out;
use std::path::PathBuf;

/// What every command needs.
pub struct Context {
    /// The node.
    pub client: Client,
    /// The reader.
    pub out: Out,
    /// The home.
    pub home: PathBuf,
}

/// Runs a command that talks to the node.
///
/// # Errors
/// [`CliError`] as the command says.
pub async fn run(command: Command, context: &Context) -> Result<(), CliError> {
    match command {
        // These need no node, or bring their own, and never come here.
        Command::Up(_)
        | Command::Config(_)
        | Command::Demo(_)
        | Command::Doctor(_)
        | Command::Passphrase(_)
        | Command::Completions(_)
        | Command::Man(_) => Ok(()),
        Command::Id(args) => id::run(args, context).await,
        Command::Words(args) => words::run(args, context).await,
        Command::Invite(args) => invite::run(args, context).await,
        Command::Add(args) => add::run(args, context).await,
        Command::Contacts(args) => contacts::run(args, context).await,
        Command::Requests(args) => requests::run(args, context).await,
        Command::Accept(args) => requests::accept(args, context).await,
        Command::Decline(args) => requests::decline(args, context).await,
        Command::Block(args) => requests::block(args, context).await,
        Command::Rename(args) => keep::rename(args, context).await,
        Command::Mute(args) => keep::mute(args, context).await,
        Command::Clear(args) => clear::run(args, context).await,
        Command::Verify(args) => verify::run(args, context).await,
        Command::Send(args) => send::run(args, context).await,
        Command::Reply(args) => send::reply(args, context).await,
        Command::React(args) => react::run(args, context).await,
        Command::Edit(args) => amend::edit(args, context).await,
        Command::Delete(args) => amend::delete(args, context).await,
        Command::Compact(args) => compact::run(args, context).await,
        Command::Disappear(args) => disappear::run(args, context).await,
        Command::Read(args) => read::run(args, context).await,
        Command::Search(args) => search::run(args, context).await,
        Command::Draft(args) => draft::run(args, context).await,
        Command::Export(args) => export::run(args, context).await,
        Command::Import(args) => import::run(args, context).await,
        Command::Chat(args) => chat::run(args, context).await,
        Command::Watch(args) => watch::run(args, context).await,
        Command::Why(args) => why::run(args, context).await,
        Command::Status(args) => status::run(args, context).await,
        Command::Bridges(args) => bridges::run(args, context).await,
        Command::Bridge(args) => bridge::run(args, context).await,
        Command::Stop(args) => stop::run(args, context).await,
        Command::Token(args) => token::run(args, context).await,
        Command::LogLevel(args) => log_level::run(args, context).await,
    }
}

/// Ends at Ctrl-C, and never where the system cannot tell.
pub async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waited {
    /// What was waited for is there.
    Met,
    /// It can no longer come.
    Never,
    /// It took too long.
    Timeout,
    /// Ctrl-C.
    Interrupted,
}

/// Who lives in a home whose node does not run; `None` if that cannot be told.
fn offline_id(home: &std::path::Path) -> Option<waxwing_node::api::model::Id> {
    let me = waxwing_node::offline::me(home).ok().flatten()?;
    Some(waxwing_node::api::convert::id(&me))
}
