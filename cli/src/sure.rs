//! Asking once more before something goes for good.

use crate::error::{CliError, Kind};
use std::io::{self, BufRead, IsTerminal, Read, Write};

/// Longest answer that is read.
const LINE_BYTES_MAX: u64 = 256;

/// Asks on the terminal; anything but a yes is a no.
///
/// # Errors
/// [`CliError`] of kind `Usage` where there is no terminal to ask at, of kind `Failed` for a no.
pub async fn ask(question: &str) -> Result<(), CliError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(CliError::new(
            Kind::Usage,
            "not_confirmed",
            "this goes for good, and there is no terminal to ask at",
        )
        .hint("say --yes if you are sure"));
    }
    {
        let mut stderr = io::stderr().lock();
        write!(stderr, "{question} [y/N] ")?;
        stderr.flush()?;
    }
    let line = tokio::task::spawn_blocking(read_line).await;
    let line = line.map_err(|_| CliError::failed("internal", "the input could not be read"))??;
    if is_yes(&line) {
        Ok(())
    } else {
        Err(CliError::failed("not_confirmed", "nothing was changed"))
    }
}

fn read_line() -> io::Result<String> {
    let mut line = Vec::new();
    let stdin = io::stdin().lock();
    stdin.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn is_yes(line: &str) -> bool {
    let line = line.trim();
    line.eq_ignore_ascii_case("y") || line.eq_ignore_ascii_case("yes")
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_a_yes_is_a_yes() {
        for yes in ["y\n", "Y", " yes ", "YES\n"] {
            assert!(super::is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n", "no", "yess", "j"] {
            assert!(!super::is_yes(no), "{no:?}");
        }
    }
}
