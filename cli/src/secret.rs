//! Asking for what nobody may read over a shoulder.

use crate::error::{CliError, Kind};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, Read, Write};
use waxwing_node::passphrase::Passphrase;
use zeroize::Zeroizing;

/// Longest line that is read, as of a passphrase file.
const LINE_BYTES_MAX: u64 = 4096;

/// The terminal does not show what is typed, until this goes.
struct Quiet(Termios);

impl Quiet {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        // The line's end is shown, so that what follows stands on a line of its own.
        quiet.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that has gone shows nothing anyway.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Asks for a passphrase on the terminal. Dropped while it waits, it leaves the terminal as it was.
///
/// # Errors
/// [`CliError`] of kind `Unauthorised` if there is no terminal, or nothing was typed; `hint` says
/// how else to give it.
pub async fn ask(question: &str, hint: &str) -> Result<Passphrase, CliError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let text = "a passphrase is needed, and there is no terminal to ask at";
        return Err(CliError::new(Kind::Unauthorised, "passphrase_needed", text).hint(hint));
    }
    {
        let mut stderr = io::stderr().lock();
        write!(stderr, "{question}: ")?;
        stderr.flush()?;
    }
    // Held here and not by the thread, which goes on waiting after Ctrl-C.
    let _quiet = Quiet::new()?;
    let line = tokio::task::spawn_blocking(read_line).await;
    let line = line.map_err(|_| CliError::failed("internal", "the input could not be read"))??;
    Passphrase::from_line(&line)
        .ok_or_else(|| CliError::new(Kind::Unauthorised, "passphrase_needed", "nothing was typed"))
}

fn read_line() -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::new());
    let stdin = io::stdin().lock();
    stdin.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    Ok(line)
}
