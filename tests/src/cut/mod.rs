//! The real store on a real disk, with the power going at any instant.
//!
//! A process writes batches through the store of a home and says on a pipe which ones were
//! acknowledged. In the middle of it the process is killed ([`kill`]), or the disk under it is cut
//! off without a flush ([`power`]). Then another process opens what is left and compares every row
//! with the [`book`]: everything acknowledged is there, each batch wholly or not at all, and
//! nothing else. The same store goes on in the next round.
//!
//! Only [`child`] knows the store, and only through the core's trait: another way to commit is held
//! to the same.

pub mod book;
pub mod child;
pub mod disk;
pub mod shelf;

use crate::dice::{Dice, Purpose};
use crate::process::{PATIENCE, Said, finish};
use disk::Disk;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// A writer lives at most so many milliseconds after its first word …
pub const LIFE_MS: u64 = 400;
/// … and one in so many only so many after its start: the end comes while the store is opened.
const EARLY: u64 = 4;
const EARLY_MS: (u64, u64) = (0, 80);
/// Batches that a new store is given in peace before a control.
const PEACE: u64 = 20;

/// What to run.
pub struct Plan {
    /// The `crash` executable.
    pub program: PathBuf,
    /// How often.
    pub rounds: u64,
    /// Decides contents and instants.
    pub seed: u64,
    /// How long a writer lives at most; [`LIFE_MS`] is plenty.
    pub life_ms: u64,
}

/// How the rounds went.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Figures {
    /// Rounds run.
    pub rounds: u64,
    /// Batches acknowledged over all rounds.
    pub acknowledged: u64,
    /// Rounds that ended while the store was being opened.
    pub opening: u64,
    /// Batches that were there though their acknowledgement had not been heard.
    pub unheard: u64,
    /// Rounds after which something acknowledged was missing or changed.
    pub lost: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "rounds {}, acknowledged {}, ended while opening {}, kept though unheard {}, rounds with a loss {}",
            self.rounds, self.acknowledged, self.opening, self.unheard, self.lost
        )
    }
}

/// How far the store is known to be.
#[derive(Clone, Copy, Default)]
struct Known {
    /// The newest batch that was acknowledged or found.
    acknowledged: u64,
    /// The newest batch that was begun.
    begun: u64,
}

/// Kills the writer, again and again.
///
/// # Errors
/// A sentence that says what was lost, and the seed.
pub fn kill(plan: &Plan) -> Result<Figures, String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let home = dir.path().join("home");
    rounds(plan, &home, || Ok(|_: &mut Writer| Ok(())))
}

/// Cuts the disk off, again and again. `None` where no disk can be mounted; that was said.
///
/// # Errors
/// A sentence that says what was lost, and the seed.
pub fn power(plan: &Plan) -> Result<Option<Figures>, String> {
    let Some(disk) = Disk::mount()? else {
        return Ok(None);
    };
    let home = disk.path().join("home");
    let figures = rounds(plan, &home, || cutting(&disk))?;
    Ok(Some(figures))
}

/// The same with every sync of the writer turned into nothing: rounds with a loss are counted, and
/// a harness that finds none of them finds nothing. Ends after the first `enough` losses.
///
/// # Errors
/// A sentence if the control itself does not work.
pub fn control(plan: &Plan, enough: u64) -> Result<Option<Figures>, String> {
    let Some(disk) = Disk::mount()? else {
        return Ok(None);
    };
    let Some(shim) = disk::no_sync(disk.beside())? else {
        return Ok(None);
    };
    let home = disk.path().join("home");
    let mut figures = Figures::default();
    for round in 0..plan.rounds {
        if figures.lost >= enough {
            break;
        }
        // A store that lost something is of no more use: each round has its own.
        let _ = std::fs::remove_dir_all(&home);
        let mut peace = command(plan, "write", &home);
        peace.arg(PEACE.to_string());
        said(peace)?;
        let mut writing = command(plan, "write", &home);
        writing.env("LD_PRELOAD", &shim);
        let mut known = Known {
            acknowledged: PEACE,
            begun: PEACE,
        };
        let mut dice = dice(plan, round);
        let before = known.acknowledged;
        let written = run(writing, &mut dice, plan.life_ms, cutting(&disk)?)?;
        written.count(&mut known, &mut figures);
        let found = look(plan, &home);
        figures.rounds += 1;
        figures.acknowledged += known.acknowledged - before;
        if !matches!(found, Ok(at) if at >= known.acknowledged) {
            figures.lost += 1;
        }
    }
    Ok(Some(figures))
}

/// Cuts a disk off under a writer, ends the writer, and gives the disk its power back.
fn cutting(disk: &Disk) -> Result<impl FnOnce(&mut Writer) -> Result<(), String>, String> {
    let cutter = disk.cutter()?;
    Ok(move |writer: &mut Writer| cutter.blackout(|| writer.end()))
}

fn dice(plan: &Plan, round: u64) -> Dice {
    let round = usize::try_from(round).unwrap_or(0);
    Dice::new(plan.seed, Purpose::Shell, round, 0)
}

/// `ready` prepares what ends the writer of a round, so that the end comes without delay.
fn rounds<E: FnOnce(&mut Writer) -> Result<(), String>>(
    plan: &Plan,
    home: &Path,
    ready: impl Fn() -> Result<E, String>,
) -> Result<Figures, String> {
    let mut figures = Figures::default();
    let mut known = Known::default();
    for round in 0..plan.rounds {
        let failed = |what: String| format!("seed {}, round {round}: {what}", plan.seed);
        let before = known.acknowledged;
        let writing = command(plan, "write", home);
        let written = run(writing, &mut dice(plan, round), plan.life_ms, ready()?);
        let written = written.map_err(failed)?;
        if let Some(at) = written.at
            && at != before
        {
            return Err(failed(format!("it begins at {at} instead of {before}")));
        }
        written.count(&mut known, &mut figures);
        // Whoever was cut off before the first batch has left no store, perhaps not even a home.
        let at = look(plan, home).map_err(failed)?;
        if at < known.acknowledged || at > known.begun {
            let (acknowledged, begun) = (known.acknowledged, known.begun);
            return Err(failed(format!(
                "batches 1 to {acknowledged} were acknowledged and {begun} was begun, {at} is the newest one there"
            )));
        }
        figures.rounds += 1;
        figures.acknowledged += known.acknowledged - before;
        figures.unheard += at - known.acknowledged;
        known.acknowledged = at;
        known.begun = at;
    }
    Ok(figures)
}

/// A writer at work.
struct Writer {
    child: Child,
    lines: Receiver<String>,
}

impl Writer {
    fn end(&mut self) -> Result<(), String> {
        // Fails only if it ended before.
        let _ = self.child.kill();
        self.child.wait().map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// What a writer said before its end.
struct Written {
    at: Option<u64>,
    begun: u64,
    acknowledged: u64,
}

impl Written {
    fn count(&self, known: &mut Known, figures: &mut Figures) {
        if self.at.is_none() {
            figures.opening += 1;
        }
        known.begun = known.begun.max(self.begun);
        known.acknowledged = known.acknowledged.max(self.acknowledged);
    }
}

/// Starts a writer, lets it live for a while, ends it, and gives what it said.
fn run(
    mut command: Command,
    dice: &mut Dice,
    life_ms: u64,
    end: impl FnOnce(&mut Writer) -> Result<(), String>,
) -> Result<Written, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let stdout = child.stdout.take().ok_or("no pipe")?;
    let mut stderr = child.stderr.take().ok_or("no pipe")?;
    let complaints = thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is all there is.
        let _ = stderr.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let (tell, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                break;
            }
        }
    });
    let mut written = Written {
        at: None,
        begun: 0,
        acknowledged: 0,
    };
    let mut writer = Writer { child, lines };
    let early = dice.below(EARLY) == 0;
    let life = Duration::from_millis(dice.between(if early { EARLY_MS } else { (0, life_ms) }));
    if !early && let Ok(line) = writer.lines.recv_timeout(PATIENCE) {
        written.hear(&line)?;
    }
    thread::sleep(life);
    if writer.child.try_wait().is_ok_and(|ended| ended.is_some()) {
        let complaints = complaints.join().unwrap_or_default();
        return Err(format!("the writer ended by itself: {complaints}"));
    }
    end(&mut writer)?;
    writer.end()?;
    // The pipe holds what was said up to the end.
    for line in &writer.lines {
        written.hear(&line)?;
    }
    Ok(written)
}

impl Written {
    fn hear(&mut self, line: &str) -> Result<(), String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = || rest.parse::<u64>().map_err(|_| line.to_owned());
        match word {
            "at" => self.at = Some(number()?),
            "begin" => self.begun = number()?,
            "done" => self.acknowledged = number()?,
            // The disk may fail a writer that is cut off, and then it says so and ends.
            "failed" => {}
            _ => return Err(format!("the writer said: {line}")),
        }
        Ok(())
    }
}

/// Opens what is left and compares it with the book: the newest batch that is there.
fn look(plan: &Plan, home: &Path) -> Result<u64, String> {
    let said = said(command(plan, "look", home))?;
    let number = said.out.trim().parse();
    number.map_err(|_| format!("{said:?}"))
}

fn said(mut command: Command) -> Result<Said, String> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let said = finish(child);
    if said.code == 0 {
        Ok(said)
    } else {
        Err(said.err.trim().to_owned())
    }
}

fn command(plan: &Plan, what: &str, home: &Path) -> Command {
    let mut command = Command::new(&plan.program);
    command.arg(what).arg(home).arg(plan.seed.to_string());
    command
}
