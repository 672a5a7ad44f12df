//! The nodes of the play: child processes of this executable in temporary homes.

use crate::client::Client;
use crate::error::CliError;
use crate::settings::SETTINGS;
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use waxwing_node::api::model::ReadyLine;

/// A node that takes longer to start than this has failed.
const START_TIME_MAX: Duration = Duration::from_secs(10);
/// The first line of `up --json`; addresses and names fit many times over.
const READY_BYTES_MAX: u64 = 64 * 1024;
/// A killed process is gone by then.
const REAP_TIME_MAX: Duration = Duration::from_secs(2);
/// Lines of a node's log that are quoted when something went wrong.
const LAST_WORDS: usize = 3;

/// Where the play is given.
pub(super) struct Stage {
    dir: TempDir,
    cast: Vec<Player>,
}

/// One node.
struct Player {
    name: &'static str,
    child: Child,
}

impl Stage {
    pub(super) fn new() -> Result<Self, CliError> {
        let dir = tempfile::Builder::new()
            .prefix("waxwing-demo-")
            .tempdir()
            .map_err(|error| {
                CliError::failed("no_temp", format!("no temporary directory: {error}"))
            })?;
        Ok(Self {
            dir,
            cast: Vec::new(),
        })
    }

    fn home(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.log"))
    }

    /// Talks to a node in the same words as every other command.
    pub(super) fn client(&self, name: &str) -> Client {
        Client::at_socket(self.home(name).join("api.sock"))
    }

    /// Starts a person's node and waits until it is ready.
    pub(super) async fn enter(&mut self, name: &'static str) -> Result<ReadyLine, CliError> {
        self.start(name, &["up", "--name", name]).await
    }

    /// Starts a bridge and waits until it is ready.
    pub(super) async fn open_bridge(
        &mut self,
        name: &'static str,
        country: &str,
        operator: &str,
    ) -> Result<ReadyLine, CliError> {
        let words = ["bridge", "up", "--country", country, "--operator", operator];
        self.start(name, &words).await
    }

    async fn start(&mut self, name: &'static str, words: &[&str]) -> Result<ReadyLine, CliError> {
        let failed = |error: std::io::Error| {
            CliError::failed("no_node", format!("{name}'s node cannot start: {error}"))
        };
        let program = std::env::current_exe().map_err(failed)?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(name))
            .map_err(failed)?;
        let mut command = Command::new(program);
        // What the user set for their own node is not for these.
        for setting in &SETTINGS {
            command.env_remove(setting.variable);
        }
        let mut child = command
            .args(words)
            .arg("--json")
            .arg("--home")
            .arg(self.home(name))
            .args(["--listen", "/ip4/127.0.0.1/udp/0/quic-v1"])
            .args(["--listen", "/ip4/127.0.0.1/tcp/0"])
            .args(["--api", "127.0.0.1:0"])
            .env_remove("WAXWING_HOME")
            .env_remove("WAXWING_API")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(log))
            // Ctrl-C in the terminal is ours to handle: we take the nodes down ourselves.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let stdout = child.stdout.take();
        self.cast.push(Player { name, child });
        let mut line = Vec::new();
        if let Some(stdout) = stdout {
            let mut reader = BufReader::new(stdout.take(READY_BYTES_MAX));
            let read = reader.read_until(b'\n', &mut line);
            match tokio::time::timeout(START_TIME_MAX, read).await {
                Ok(result) => result.map_err(failed)?,
                Err(_) => {
                    return Err(CliError::timeout(format!(
                        "{name}'s node does not get ready"
                    )));
                }
            };
        }
        serde_json::from_slice(&line)
            .map_err(|_| CliError::failed("no_node", format!("{name}'s node did not get ready")))
    }

    /// SIGKILL: no chance to save or say anything.
    pub(super) async fn kill(&mut self, name: &str) -> Result<(), CliError> {
        let Some(at) = self.cast.iter().position(|player| player.name == name) else {
            return Ok(());
        };
        let mut player = self.cast.swap_remove(at);
        let killed = tokio::time::timeout(REAP_TIME_MAX, player.child.kill()).await;
        match killed {
            Ok(Ok(())) => Ok(()),
            _ => Err(CliError::failed(
                "not_killed",
                format!("{name}'s node could not be killed"),
            )),
        }
    }

    /// What the nodes wrote last, for whoever looks into a failure.
    pub(super) fn last_words(&self) -> Option<String> {
        let mut words = Vec::new();
        for player in &self.cast {
            let log = std::fs::read_to_string(self.log(player.name)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(LAST_WORDS)..].join(" | ");
            if !tail.is_empty() {
                words.push(format!("{}'s node said: {tail}", player.name));
            }
        }
        (!words.is_empty()).then(|| words.join("; "))
    }

    /// Takes everything down: nodes first, then their homes.
    pub(super) async fn clear(mut self) {
        for player in &mut self.cast {
            // One that cannot be killed now is killed when it is dropped.
            let _ = tokio::time::timeout(REAP_TIME_MAX, player.child.kill()).await;
        }
        drop(self.cast);
        let _ = self.dir.close();
    }
}
