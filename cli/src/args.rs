//! The words of the command line. The doc comments here are the help text.

use crate::cmd;
use crate::error::CliError;
use clap::{ColorChoice, Parser, Subcommand, ValueEnum};
use etcetera::BaseStrategy;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use waxwing_node::api::model::State;
use waxwing_node::api::span;

/// A messenger that nobody owns.
///
/// Every person runs a node; what you say to each other is end-to-end encrypted and travels from
/// node to node. `waxwing up` starts yours. The other commands talk to it.
#[derive(Debug, Parser)]
#[command(
    name = "waxwing",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "\
First steps:
  waxwing demo                     watch two nodes meet and talk
  waxwing up --name alice          start your node (leave it running)
  waxwing invite                   print a link; give it to a friend
  waxwing add waxwing:…            take up a friend's link
  waxwing send bob 'hello'         say something
  waxwing chat bob                 talk

Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 not authorised, 5 node unreachable,
6 timeout, 7 conflict, 8 refused by policy, 130 interrupted."
)]
pub struct Args {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, clap::Args)]
pub struct Global {
    /// The node's home [default: waxwing in your data directory]
    #[arg(
        long,
        value_name = "DIR",
        global = true,
        env = "WAXWING_HOME",
        hide_env_values = true
    )]
    pub home: Option<PathBuf>,
    /// Print one JSON object a line; errors too, on stderr
    #[arg(long, global = true)]
    pub json: bool,
    /// Print the answer and nothing else
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Log more, with `up`; twice for even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Colour what a terminal shows; auto heeds NO_COLOR
    #[arg(long, value_name = "WHEN", global = true, value_enum, default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,
    /// Ask the node at this address, with the home's token, instead of at its socket
    // Its id must not be `api`: `up` has a flag of that name.
    #[arg(
        id = "api_url",
        long = "api-url",
        value_name = "URL",
        global = true,
        env = "WAXWING_API",
        hide = true
    )]
    pub api: Option<String>,
}

impl Global {
    /// The home: as said, else `waxwing` in the user's data directory.
    ///
    /// # Errors
    /// [`CliError`] if the user has no home directory.
    pub fn home(&self) -> Result<PathBuf, CliError> {
        if let Some(home) = &self.home {
            return Ok(home.clone());
        }
        let base = etcetera::choose_base_strategy().map_err(|_| {
            CliError::failed("no_home", "you have no home directory")
                .hint("say where the node lives with --home")
        })?;
        Ok(base.data_dir().join("waxwing"))
    }
}

/// What to do. The help text of each stands at its own arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    Up(Box<cmd::up::Up>),
    Id(cmd::id::Id),
    Words(cmd::words::Words),
    Invite(cmd::invite::Invite),
    Add(cmd::add::Add),
    Contacts(cmd::contacts::Contacts),
    Requests(cmd::requests::Requests),
    Accept(cmd::requests::Accept),
    Decline(cmd::requests::Decline),
    Block(cmd::requests::Block),
    Verify(cmd::verify::Verify),
    Rename(cmd::keep::Rename),
    Mute(cmd::keep::Mute),
    Clear(cmd::clear::Clear),
    Send(cmd::send::Send),
    Reply(cmd::send::Reply),
    React(cmd::react::React),
    Edit(cmd::amend::Edit),
    Delete(cmd::amend::Delete),
    Disappear(cmd::disappear::Disappear),
    Read(cmd::read::Read),
    Draft(cmd::draft::Draft),
    Search(cmd::search::Search),
    Export(cmd::export::Export),
    Import(cmd::import::Import),
    Chat(cmd::chat::Chat),
    Watch(cmd::watch::Watch),
    Why(cmd::why::Why),
    Status(cmd::status::Status),
    Doctor(cmd::doctor::Doctor),
    Bridges(cmd::bridges::Bridges),
    Bridge(cmd::bridge::Args),
    Demo(cmd::demo::Demo),
    Config(cmd::config::Args),
    Stop(cmd::stop::Stop),
    Token(cmd::token::Args),
    LogLevel(cmd::log_level::LogLevel),
    Compact(cmd::compact::Compact),
    Passphrase(cmd::passphrase::Args),
    Completions(cmd::completions::Completions),
    Man(cmd::man::Man),
}

/// A state to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Wanted {
    /// Safe in this home
    Queued,
    /// Written to a connection of theirs
    Sent,
    /// Safe at a bridge
    Held,
    /// Confirmed by their device
    Delivered,
    /// They read it
    Read,
}

impl From<Wanted> for State {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Queued => Self::Queued,
            Wanted::Sent => Self::Sent,
            Wanted::Held => Self::Held,
            Wanted::Delivered => Self::Delivered,
            Wanted::Read => Self::Read,
        }
    }
}

/// What a command line says about colour, before it is known to be one: the last `--color WHEN` or
/// `--color=WHEN` ahead of `--`.
pub fn color(line: &[OsString]) -> ColorChoice {
    let mut choice = ColorChoice::Auto;
    let mut words = line.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next().filter(|word| word != "--") {
        let when = match word.strip_prefix("--color") {
            Some("") => words.next().unwrap_or_default(),
            Some(rest) => rest.strip_prefix('=').unwrap_or_default().to_owned().into(),
            None => continue,
        };
        choice = when.parse().unwrap_or(choice);
    }
    choice
}

/// A span such as `30s 10m 24h 7d`, for clap.
///
/// # Errors
/// A sentence if it is none.
pub fn duration(text: &str) -> Result<Duration, String> {
    span::parse(text)
        .ok_or_else(|| "a duration is a number and a unit: 30s, 10m, 24h, 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn global_flags_stand_anywhere() {
        let args = Args::try_parse_from(["waxwing", "contacts", "--json", "--home", "/x"]);
        let global = args.unwrap().global;
        assert!(global.json);
        assert_eq!(global.home(), Ok(PathBuf::from("/x")));
    }

    #[test]
    fn colour_is_found_before_the_words_are_parsed() {
        let found = |line: &str| color(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(found("waxwing id"), ColorChoice::Auto);
        assert_eq!(found("waxwing --color never id"), ColorChoice::Never);
        assert_eq!(found("waxwing id --color=always"), ColorChoice::Always);
        assert_eq!(found("waxwing --color"), ColorChoice::Auto);
        assert_eq!(
            found("waxwing send bob -- --color always"),
            ColorChoice::Auto
        );
    }

    #[test]
    fn every_command_is_understood() {
        for line in [
            "up --name alice --listen /ip4/127.0.0.1/tcp/0 --api 127.0.0.1:0 --read-receipts off",
            "id",
            "words --written-down",
            "invite --uses 3 --expires 7d",
            "add waxwing:x --name bob --note hi --wait 30s",
            "contacts",
            "requests",
            "accept bob",
            "decline bob",
            "block bob",
            "send bob hi --wait delivered --timeout 30s --key k",
            "reply m1 hi",
            "react m1 x",
            "edit m1 hello",
            "delete m1",
            "disappear bob",
            "disappear bob 1d",
            "disappear bob off",
            "compact",
            "compact --passphrase-file f",
            "read bob --limit 5 --after 7 --before m1 --peek",
            "search hello --in bob --limit 5 --before m1",
            "draft bob hi",
            "draft bob --send",
            "draft bob --clear",
            "export bob --output f",
            "import f --other-account",
            "chat bob",
            "watch --after 7",
            "why m1",
            "status",
            "doctor",
            "demo --color never",
            "config check config.toml",
            "config show --origin --name alice",
            "stop --timeout 5s",
            "bridges",
            "bridges list",
            "bridges add waxwing-bridge:x",
            "bridges remove Library",
            "bridge up --country MY --operator Library --quota 10GB --role relay,mailbox --role forward",
            "bridge up --public-addr /dns4/bridge.example/tcp/4711 --metrics 127.0.0.1:9464",
            "bridge status",
            "bridge config check",
            "token create --scope send --contact bob --expires 30d --name bot --rate 5/s",
            "token list",
            "token revoke r4zw6ztp5hkfcvqj",
            "log-level",
            "log-level debug",
            "passphrase set --new-passphrase-file f",
            "passphrase change --passphrase-file f --new-passphrase-file g",
            "passphrase remove",
            "completions zsh",
            "man pages",
        ] {
            let words = std::iter::once("waxwing").chain(line.split(' '));
            let args = Args::try_parse_from(words);
            assert!(args.is_ok(), "{line}: {args:?}");
        }
    }

    #[test]
    fn wrong_words_are_usage_errors() {
        for line in [
            &["waxwing", "send", "bob"][..],
            &["waxwing", "send", "bob", "hi", "--wait", "soon"],
            &["waxwing", "send", "bob", "hi", "--timeout", "30"],
            &["waxwing", "read", "bob", "--limit", "0"],
            &["waxwing", "read", "bob", "--limit", "10001"],
            &["waxwing", "invite", "--uses", "101"],
            &["waxwing", "token", "create"],
            &["waxwing", "token", "create", "--scope", "owner"],
            &["waxwing", "disappear", "bob", "soon"],
            &["waxwing", "bridge", "up", "--country", "MYS"],
            &["waxwing", "bridge", "up", "--role", "dht"],
            &["waxwing", "bridge", "up", "--quota", "1MiB"],
            &["waxwing", "bridge", "up", "--public-addr", "here"],
            &["waxwing", "bridge", "up", "--metrics", "9464"],
            &["waxwing", "dance"],
        ] {
            let error = Args::try_parse_from(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line:?}");
        }
    }
}
