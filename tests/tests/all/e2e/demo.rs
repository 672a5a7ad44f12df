//! `waxwing demo`: does what it says, and leaves nothing behind.

use super::person;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};
use waxwing_tests::process::{finish, run, signal, until};

/// What the README promises; printed, and far exceeded before anything fails.
const PROMISED: Duration = Duration::from_secs(20);

/// Processes whose command line or working files name a directory.
fn processes_of(dir: &Path) -> usize {
    let Ok(all) = fs::read_dir("/proc") else {
        return 0;
    };
    let names = |path: &Path| {
        let line = fs::read(path.join("cmdline")).unwrap_or_default();
        let dir = dir.as_os_str().as_bytes();
        line.windows(dir.len()).any(|part| part == dir)
    };
    all.flatten().filter(|entry| names(&entry.path())).count()
}

fn assert_nothing_stays(dir: &Path) {
    let left: Vec<_> = fs::read_dir(dir).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    until("its processes are gone", || processes_of(dir) == 0);
}

#[test]
fn it_ends_well_and_leaves_nothing() {
    let nobody = person("nobody");
    let since = Instant::now();
    let said = run(nobody.command(["demo"]));
    let took = since.elapsed();
    eprintln!("demo took {took:?} of {PROMISED:?}");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("none lost, none doubled"), "{said:?}");
    assert!(said.out.contains("waits in this home"), "{said:?}");
    assert!(
        said.out.contains("Stored by Harbour Library")
            || said.out.contains("Stored by River Cooperative"),
        "{said:?}"
    );
    assert_nothing_stays(nobody.dir());

    let said = run(nobody.command(["demo", "--json"]));
    let done = said.ok();
    assert_eq!((&done["event"], &done["lost"]), (&"done".into(), &0.into()));
    assert!(said.err.contains("Alice"), "the story goes to stderr");
    assert_nothing_stays(nobody.dir());
}

#[test]
fn interrupted_in_the_middle_it_cleans_up_too() {
    for (name, code) in [("INT", 130), ("TERM", 130)] {
        let nobody = person("nobody");
        let mut demo = nobody.command(["demo"]).spawn().unwrap();
        let mut stdout = BufReader::new(demo.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("They talk") {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it ended early");
        }
        assert!(processes_of(nobody.dir()) > 0);
        signal(&demo, name);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(finish(demo).code, code, "{rest}");
        assert_nothing_stays(nobody.dir());
    }
}
