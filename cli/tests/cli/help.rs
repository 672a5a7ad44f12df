//! The help text, page for page, and what is made of it.

use super::run;
use clap::CommandFactory;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use waxwing::args::Args;

/// Words of every command, those within others too: `passphrase set`.
fn commands() -> Vec<String> {
    fn within(command: &clap::Command, before: &str, names: &mut Vec<String>) {
        for command in command.get_subcommands() {
            let words = format!("{before}{}", command.get_name());
            names.push(words.clone());
            within(command, &format!("{words} "), names);
        }
    }
    let mut names = Vec::new();
    within(&Args::command(), "", &mut names);
    names
}

fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help")
}

/// Every page as it was when somebody last read it. `BLESS=1` writes them anew.
#[test]
fn help_reads_as_it_did() {
    let home = tempfile::tempdir().unwrap();
    let bless = std::env::var_os("BLESS").is_some();
    let mut expected = BTreeSet::new();
    let mut changed = Vec::new();
    for words in std::iter::once(String::new()).chain(commands()) {
        let args: Vec<&str> = words.split_whitespace().chain(["--help"]).collect();
        let (code, help, err) = run(home.path(), &args);
        let name = match words.as_str() {
            "" => "waxwing".to_owned(),
            words => words.replace(' ', "-"),
        };
        assert_eq!((code, err.as_str()), (0, ""), "{name}");
        assert!(!help.contains('\x1b'), "{name}");
        let path = pages().join(format!("{name}.txt"));
        if bless {
            fs::create_dir_all(pages()).unwrap();
            fs::write(&path, &help).unwrap();
        } else if fs::read_to_string(&path).ok().as_deref() != Some(&help) {
            changed.push(name);
        }
        expected.insert(path);
    }
    assert!(changed.is_empty(), "{changed:?}: read, then BLESS=1");
    for entry in fs::read_dir(pages()).unwrap() {
        let path = entry.unwrap().path();
        if bless && !expected.contains(&path) {
            fs::remove_file(&path).unwrap();
        } else {
            assert!(
                expected.contains(&path),
                "{} is of no command",
                path.display()
            );
        }
    }
}

#[test]
fn colour_is_as_asked_for() {
    let home = tempfile::tempdir().unwrap();
    for (args, painted) in [
        (&["--color=always", "--help"][..], true),
        (&["--help", "--color", "never"], false),
        (&["--color", "always", "send"], true),
        (&["send"], false),
    ] {
        let (_, out, err) = run(home.path(), args);
        assert_eq!((out + &err).contains('\x1b'), painted, "{args:?}");
    }
    let (code, ..) = run(home.path(), &["--color", "red", "id"]);
    assert_eq!(code, 2);
}

#[test]
fn every_shell_is_told_every_command() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (code, script, err) = run(home.path(), &["completions", shell]);
        assert_eq!((code, err.as_str()), (0, ""), "{shell}");
        for name in commands() {
            let last = name.split(' ').next_back().unwrap();
            assert!(script.contains(last), "{shell}: {name}");
        }
    }
    assert_eq!(run(home.path(), &["completions", "tea"]).0, 2);
}

#[test]
fn every_command_has_its_page() {
    let home = tempfile::tempdir().unwrap();
    let (code, page, _) = run(home.path(), &["man"]);
    assert_eq!(code, 0);
    assert!(page.contains(".TH waxwing 1"), "{page}");
    let dir = home.path().join("man1");
    let (code, out, _) = run(home.path(), &["man", dir.to_str().unwrap(), "--json"]);
    assert_eq!(code, 0);
    assert_eq!(out.lines().count(), commands().len() + 1);
    for name in commands().iter().map(|words| words.replace(' ', "-")) {
        let page = fs::read_to_string(dir.join(format!("waxwing-{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH waxwing-{name} 1")), "{page}");
    }
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(run(home.path(), &["man", file.to_str().unwrap()]).0, 1);
}
