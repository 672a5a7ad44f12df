//! The command line of Waxwing: one binary that runs a node and talks to it.
//!
//! It knows commands, words and exit codes. It does not know that there is a network: every
//! command but `up` asks the node in the home through its local API.

pub mod args;
pub mod client;
pub mod cmd;
pub mod error;
pub mod events;
pub mod history;
pub mod out;
mod secret;
pub mod settings;
pub mod show;
pub mod sse;
mod sure;
pub mod text;
pub mod when;

use args::{Args, Command};
use clap::{ColorChoice, CommandFactory, FromArgMatches};
use client::Client;
use cmd::{Context, bridge};
use error::CliError;
use out::Out;
use std::ffi::OsString;
use std::process::ExitCode;

/// A node allocates many small rows on one thread and frees them on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs one command line, program name first, and says how it ended.
pub fn run(line: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line: Vec<OsString> = line.into_iter().collect();
    // Help and usage errors are coloured too, and they come before anything is parsed.
    let command = Args::command().color(args::color(&line));
    let parsed = command
        .try_get_matches_from(&line)
        .and_then(|matches| Args::from_arg_matches(&matches));
    let args = match parsed {
        Ok(args) => args,
        Err(error) => return usage(&error, &line),
    };
    let out = Out::new(args.global.json, args.global.quiet, args.global.color);
    let result = start(args, out);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn start(args: Args, out: Out) -> Result<(), CliError> {
    // A client waits for one thing at a time; only a node has work for several threads.
    let mut builder = match args.command {
        Command::Up(_)
        | Command::Bridge(bridge::Args {
            wish: bridge::Wish::Up(_),
        }) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = builder
        .worker_threads(network_threads())
        .enable_all()
        .build()
        .map_err(|error| CliError::failed("runtime", format!("cannot start: {error}")))?;
    let result = runtime.block_on(dispatch(args, out));
    // A thread that waits for a line of input must not keep the process alive.
    runtime.shutdown_background();
    result
}

/// Threads for the network and the API: half of the machine. The engine and its store have their
/// own, and threads that hand each other every frame make each slower.
fn network_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).clamp(1, 8)
}

async fn dispatch(args: Args, out: Out) -> Result<(), CliError> {
    match args.command {
        Command::Completions(args) => return cmd::completions::run(&args, out),
        Command::Man(args) => return cmd::man::run(&args, out),
        _ => {}
    }
    let home = args.global.home()?;
    match args.command {
        Command::Up(up) => return cmd::up::run(*up, home, &args.global, out).await,
        Command::Bridge(bridge::Args {
            wish: bridge::Wish::Up(up),
        }) => return bridge::up(*up, &home, &args.global, out).await,
        Command::Bridge(bridge::Args {
            wish: bridge::Wish::Config(config),
        }) => return bridge::config(config, &home, &args.global, out),
        Command::Config(words) => return cmd::config::run(words, &home, &args.global, out),
        Command::Demo(demo) => return cmd::demo::run(demo, out).await,
        Command::Doctor(_) => {
            return tokio::select! {
                result = cmd::doctor::run(&home, &args.global, out) => result,
                () = cmd::interrupt() => Err(CliError::interrupted()),
            };
        }
        Command::Passphrase(args) => {
            return tokio::select! {
                result = cmd::passphrase::run(args, &home, out) => result,
                () = cmd::interrupt() => Err(CliError::interrupted()),
            };
        }
        _ => {}
    }
    let client = Client::locate(&home, args.global.api.as_deref())?;
    let context = Context { client, out, home };
    // The command comes first: one that was interrupted while it waited still says where it
    // stands before it ends.
    tokio::select! {
        biased;
        result = cmd::run(args.command, &context) => result,
        () = cmd::interrupt() => Err(CliError::interrupted()),
    }
}

/// What clap has to say: help and version are answers, everything else a usage error.
fn usage(error: &clap::Error, line: &[OsString]) -> ExitCode {
    use clap::error::ErrorKind;
    let json = line.iter().any(|word| word == "--json");
    let answer = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if answer || !json {
        // Nothing can be done about a closed terminal.
        let _ = error.print();
        return ExitCode::from(if answer { 0 } else { 2 });
    }
    let problem = CliError::from_clap(error);
    Out::new(true, false, ColorChoice::Never).error(&problem);
    ExitCode::from(problem.exit_code())
}
