//! The home: whose it is, who may read it, and whether a node could open it.

use super::Check;
use crate::config::Config;
use crate::home::SCHEMA;
use crate::keyfile::{self, Kept};
use crate::{files, offline};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Permission bits of anybody but the owner.
const OTHERS: u32 = 0o077;
const SMALL_BYTES_MAX: u64 = 4096;

pub(super) fn checks(config: &Config) -> Vec<Check> {
    let home = &config.home;
    match fs::metadata(home) {
        Ok(meta) if meta.is_dir() => vec![
            directory(home, &meta),
            lock(home),
            schema(home),
            key(config),
            damage(home),
        ],
        Ok(_) => vec![
            Check::fail("home", format!("{} is no directory", home.display()))
                .hint("choose another home with --home"),
        ],
        Err(error) if error.kind() == io::ErrorKind::NotFound => vec![
            Check::warn("home", format!("there is none at {} yet", home.display()))
                .hint("`waxwing up --name NAME` makes it"),
        ],
        Err(error) => vec![Check::fail(
            "home",
            format!("{} cannot be looked at: {error}", home.display()),
        )],
    }
}

fn directory(home: &Path, meta: &fs::Metadata) -> Check {
    const NAME: &str = "home";
    let me = rustix::process::geteuid().as_raw();
    let shown = home.display();
    if meta.uid() != me {
        let what = format!(
            "{shown} belongs to user {}, and this is user {me}",
            meta.uid()
        );
        return Check::fail(NAME, what).hint("run waxwing as the user of the home");
    }
    let mode = meta.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Check::warn(NAME, format!("{shown} is open to others (mode {mode:o})"))
            .hint("the next start tightens it; `chmod 700` does it now");
    }
    Check::ok(NAME, format!("{shown}, private to its user"))
}

fn lock(home: &Path) -> Check {
    const NAME: &str = "lock";
    match offline::is_free(home) {
        Ok(true) => Check::ok(NAME, "free: no node runs in this home"),
        Ok(false) => Check::ok(NAME, "held by the node that runs"),
        Err(error) => Check::fail(NAME, format!("the home cannot be locked: {error}"))
            .hint("keep the home on a disk that knows locks"),
    }
}

fn schema(home: &Path) -> Check {
    const NAME: &str = "schema";
    let text = match files::read_small(&home.join("version"), SMALL_BYTES_MAX) {
        Ok(Some(text)) => text,
        Ok(None) if home.join("db").exists() => {
            return Check::warn(NAME, "the first start did not come to its end")
                .hint("the next start finishes it");
        }
        Ok(None) => return Check::skipped(NAME, "no node ran in this home yet"),
        Err(error) => return Check::fail(NAME, format!("`version` cannot be read: {error}")),
    };
    let text = String::from_utf8_lossy(&text);
    match text.trim().parse::<u32>() {
        Ok(schema) if schema > SCHEMA => {
            let what = format!("{schema}, and this version knows up to {SCHEMA}");
            Check::fail(NAME, what).hint("install the version that wrote this home")
        }
        Ok(_) if !home.join("db").is_dir() => Check::fail(NAME, "the database is missing")
            .hint("put back a copy of the home, if you made one"),
        Ok(schema) => Check::ok(NAME, schema.to_string()),
        Err(_) => Check::fail(NAME, "the file `version` holds no number")
            .hint("put back a copy of the home, if you made one"),
    }
}

fn key(config: &Config) -> Check {
    const NAME: &str = "data_key";
    let path = config.home.join("data-key");
    let kept = match keyfile::kept(&path) {
        Ok(Some(kept)) => kept,
        Ok(None) if config.home.join("db").exists() => {
            return Check::fail(NAME, "it is missing: nothing in this home can be read")
                .hint("put back a copy of the home, if you made one");
        }
        Ok(None) => return Check::skipped(NAME, "no node ran in this home yet"),
        Err(error) => {
            return Check::fail(NAME, error.to_string())
                .hint("put back a copy of the home, if you made one");
        }
    };
    if is_open(&path) {
        return Check::warn(NAME, "others may read its file")
            .hint("the next start tightens it; consider who has read it");
    }
    match (kept, &config.passphrase_file) {
        (Kept::Plain, None) => Check::ok(
            NAME,
            "without a passphrase: whoever has the disk has everything in it",
        ),
        (Kept::Plain, Some(_)) => Check::ok(NAME, "the next start wraps it under the passphrase"),
        (Kept::Wrapped, None) => Check::ok(NAME, "under a passphrase")
            .hint("`up` needs --passphrase-file, or `passphrase-file` in its settings"),
        (Kept::Wrapped, Some(file)) => match keyfile::passphrase(file) {
            Err(error) => Check::fail(NAME, format!("{} cannot be read: {error}", file.display()))
                .hint("`up` cannot start without it"),
            Ok(_) if is_open(file) => {
                Check::warn(NAME, format!("others may read {}", file.display()))
                    .hint("`chmod 600` keeps it to yourself")
            }
            Ok(_) => Check::ok(NAME, format!("under the passphrase in {}", file.display())),
        },
    }
}

fn is_open(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & OTHERS != 0)
}

/// Databases that were put aside.
fn damage(home: &Path) -> Check {
    const NAME: &str = "damage";
    let entries = fs::read_dir(home).into_iter().flatten().flatten();
    let mut aside: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("db.damaged-"))
        .collect();
    aside.sort();
    if aside.is_empty() {
        Check::ok(NAME, "no database was ever put aside")
    } else {
        Check::warn(
            NAME,
            format!("a damaged database was put aside: {}", aside.join(", ")),
        )
        .hint("put back a copy of the home, if you made one; then delete it")
    }
}
