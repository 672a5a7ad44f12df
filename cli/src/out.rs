//! Where words go: objects and answers to stdout, notes and errors to stderr.

use crate::error::{CliError, Kind};
use crate::text;
use clap::ColorChoice;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// How this command speaks.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    json: bool,
    quiet: bool,
    /// Stdout takes colour: a terminal whose owner did not refuse it, or whoever asked for it.
    color: bool,
}

impl Out {
    /// By flags and by what stdout is. A flag wins over `NO_COLOR`; JSON is never coloured.
    pub fn new(json: bool, quiet: bool, color: ColorChoice) -> Self {
        let wanted = match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                // https://no-color.org: any value but an empty one.
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                !refused && !dumb && io::stdout().is_terminal()
            }
        };
        Self {
            json,
            quiet,
            color: wanted && !json,
        }
    }

    /// One object a line.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Answers only.
    pub fn is_quiet(self) -> bool {
        self.quiet
    }

    /// An object in JSON mode, otherwise what `plain` makes of it.
    ///
    /// # Errors
    /// [`CliError`] if stdout cannot be written.
    pub fn object<T: Serialize>(
        self,
        object: &T,
        plain: impl FnOnce() -> String,
    ) -> Result<(), CliError> {
        if self.json {
            let line = serde_json::to_string(object)
                .map_err(|error| CliError::failed("output", error.to_string()))?;
            self.line(&line)
        } else {
            self.line(&plain())
        }
    }

    /// A line on stdout as it is, at once.
    ///
    /// # Errors
    /// [`CliError`] if stdout cannot be written.
    pub fn line(self, line: &str) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{line}")?;
        stdout.flush()?;
        Ok(())
    }

    /// A whole document on stdout as it is.
    ///
    /// # Errors
    /// [`CliError`] if stdout cannot be written.
    pub fn bytes(self, bytes: &[u8]) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()?;
        Ok(())
    }

    /// A remark for people on stderr; none with `--quiet` or `--json`.
    pub fn note(self, line: &str) {
        if !self.quiet && !self.json {
            // A remark that nobody can read is not worth failing for.
            let _ = writeln!(io::stderr().lock(), "{line}");
        }
    }

    /// How far something is: stderr, also in JSON mode; none with `--quiet`.
    pub fn progress(self, line: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr().lock(), "{line}");
        }
    }

    /// A narration: stdout, or stderr in JSON mode; none with `--quiet`.
    ///
    /// # Errors
    /// [`CliError`] if stdout cannot be written.
    pub fn narrate(self, line: &str) -> Result<(), CliError> {
        if self.quiet {
            Ok(())
        } else if self.json {
            let _ = writeln!(io::stderr().lock(), "{line}");
            Ok(())
        } else {
            self.line(line)
        }
    }

    /// The end of a failed command, on stderr.
    pub fn error(self, error: &CliError) {
        if error.kind == Kind::Closed {
            return;
        }
        let mut stderr = io::stderr().lock();
        if self.json {
            let _ = writeln!(stderr, "{}", error.to_json());
            return;
        }
        if error.kind == Kind::Interrupted {
            let _ = writeln!(stderr);
            return;
        }
        // A message may quote a name that somebody else chose.
        let _ = writeln!(stderr, "error: {}", text::line(&error.message));
        if let Some(hint) = &error.hint {
            let _ = writeln!(stderr, "hint: {}", text::line(hint));
        }
    }

    /// Less important words.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// More important words.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Speaks in plain words without colour; for tests.
    pub const fn plain() -> Self {
        Self {
            json: false,
            quiet: false,
            color: false,
        }
    }
}
