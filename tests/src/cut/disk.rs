//! A disk that can lose its power: an ext4 image behind a loop device. Needs root.
//!
//! The cut is `EXT4_IOC_SHUTDOWN` without a flush of the journal: from then on nothing reaches the
//! image, and what lay in memory is gone. A few lines of Python make the call, which Rust has only
//! as `unsafe`.

use crate::process::{PATIENCE, POLL};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Instant;
use tempfile::TempDir;

/// Size of the image; it is sparse.
const IMAGE_BYTES: u64 = 1 << 30;
/// Waits for a line, then cuts. `_IOR('X', 125, __u32)`, and `EXT4_GOING_FLAGS_NOLOGFLUSH`.
const CUT: &str = "\
import fcntl, os, struct, sys
disk = os.open(sys.argv[1], os.O_RDONLY)
print('ready', flush=True)
if sys.stdin.readline():
    fcntl.ioctl(disk, 0x8004587d, struct.pack('I', 2))
    print('cut', flush=True)
";
/// A writer under this has no way to make anything durable.
const NO_SYNC: &str = "\
int fsync(int file) { (void)file; return 0; }
int fdatasync(int file) { (void)file; return 0; }
";

/// A mounted disk; unmounted when dropped.
pub struct Disk {
    dir: TempDir,
}

/// Whoever cuts, ready to do it at once.
pub struct Cutter<'a> {
    disk: &'a Disk,
    child: Child,
    stdin: ChildStdin,
    answers: BufReader<std::process::ChildStdout>,
}

impl Disk {
    /// Makes and mounts one. `None`, loudly, where that is not possible.
    ///
    /// # Errors
    /// A sentence if the image cannot be made.
    pub fn mount() -> Result<Option<Self>, String> {
        let dir = tempfile::Builder::new().prefix("waxwing-cut-").tempdir();
        let disk = Self {
            dir: dir.map_err(|error| error.to_string())?,
        };
        let image = File::create(disk.image()).and_then(|file| file.set_len(IMAGE_BYTES));
        image
            .and_then(|()| std::fs::create_dir(disk.path()))
            .map_err(|error| error.to_string())?;
        let made = quiet(Command::new("mkfs.ext4").arg("-q").arg(disk.image()));
        if !made || !disk.attach() || !quiet(Command::new("python3").args(["-c", ""])) {
            eprintln!(
                "SKIPPED: no disk can be cut off here (needs root, loop devices, mkfs.ext4, python3)"
            );
            return Ok(None);
        }
        Ok(Some(disk))
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    /// A directory that no cut concerns.
    pub fn beside(&self) -> &Path {
        self.dir.path()
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    fn attach(&self) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop"]);
        quiet(mount.arg(self.image()).arg(self.path()))
    }

    fn detach(&self) -> Result<(), String> {
        let since = Instant::now();
        while !quiet(Command::new("umount").arg(self.path())) {
            if since.elapsed() > PATIENCE {
                return Err("the disk cannot be unmounted".to_owned());
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Somebody who can cut the disk off at once.
    ///
    /// # Errors
    /// A sentence if that is not possible.
    pub fn cutter(&self) -> Result<Cutter<'_>, String> {
        let mut child = Command::new("python3")
            .args(["-c", CUT])
            .arg(self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let stdin = child.stdin.take().ok_or("no pipe")?;
        let stdout = child.stdout.take().ok_or("no pipe")?;
        let mut cutter = Cutter {
            disk: self,
            child,
            stdin,
            answers: BufReader::new(stdout),
        };
        cutter.expect("ready")?;
        Ok(cutter)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Not mounted, if it could not be made.
        quiet(Command::new("umount").arg("-l").arg(self.path()));
    }
}

impl Cutter<'_> {
    /// Cuts the disk off, has whoever uses it ended, and gives it its power back.
    ///
    /// # Errors
    /// A sentence if the disk cannot be cut off or does not come back.
    pub fn blackout(mut self, end: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        let told = self.stdin.write_all(b"\n");
        told.map_err(|error| error.to_string())?;
        self.expect("cut")?;
        end()?;
        let disk = self.disk;
        // It holds the disk too.
        drop(self);
        disk.detach()?;
        if disk.attach() {
            Ok(())
        } else {
            Err("the disk does not come back".to_owned())
        }
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        match read {
            Ok(_) if line.trim() == word => Ok(()),
            _ => Err("the disk cannot be cut off".to_owned()),
        }
    }
}

impl Drop for Cutter<'_> {
    fn drop(&mut self) {
        // It has done its one thing, or never will.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A library that, preloaded, makes every sync do nothing. `None`, loudly, without a C compiler.
///
/// # Errors
/// A sentence if the disk fails.
pub(super) fn no_sync(dir: &Path) -> Result<Option<PathBuf>, String> {
    let (source, library) = (dir.join("no-sync.c"), dir.join("no-sync.so"));
    std::fs::write(&source, NO_SYNC).map_err(|error| error.to_string())?;
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]);
    if quiet(cc.arg(&library).arg(&source)) {
        return Ok(Some(library));
    }
    eprintln!("SKIPPED: no C compiler for the control");
    Ok(None)
}

fn quiet(command: &mut Command) -> bool {
    let ended = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ended.is_ok_and(|status| status.success())
}
