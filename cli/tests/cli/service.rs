//! A bridge under a service manager: what it tells, and that its unit is sound.

use super::{PATIENCE, command};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Instant;

/// Killed with the test.
struct Bridge(Child);

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn heard(manager: &UnixDatagram) -> String {
    let mut bytes = [0; 512];
    let length = manager.recv(&mut bytes).expect("a word in time");
    String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
}

#[test]
fn a_service_manager_hears_when_it_is_ready_well_and_ending() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let node = home.path().join("node");
    let words = ["bridge", "up", "--country", "MY", "--operator", "Library"];
    let listen = ["--listen", "/ip4/127.0.0.1/tcp/0"];
    let mut up = command(&node, &[&words[..], &listen].concat());
    up.env("NOTIFY_SOCKET", &socket);
    up.env("WATCHDOG_USEC", "400000");
    let mut bridge = Bridge(up.spawn().unwrap());
    assert_eq!(heard(&manager), "READY=1");
    // Again and again, as long as it runs.
    assert_eq!(heard(&manager), "WATCHDOG=1");
    assert_eq!(heard(&manager), "WATCHDOG=1");
    let pid = bridge.0.id().to_string();
    let sent = Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(sent.unwrap().success());
    while heard(&manager) != "STOPPING=1" {}
    let since = Instant::now();
    let status = loop {
        if let Some(status) = bridge.0.try_wait().unwrap() {
            break status;
        }
        assert!(since.elapsed() < PATIENCE, "it does not end");
        std::thread::sleep(super::POLL);
    };
    assert_eq!(status.code(), Some(0));
}

fn packaged(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/packaging");
    dir.join(name)
}

/// What `systemd-analyze` says, or nothing where there is none.
fn analyze(args: &[&str]) -> Option<(bool, String)> {
    match Command::new("systemd-analyze").args(args).output() {
        Ok(said) => {
            let text = [said.stdout, said.stderr].concat();
            Some((said.status.success(), String::from_utf8_lossy(&text).into()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("SKIPPED: there is no systemd-analyze here (apt install systemd)");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_unit_is_sound() {
    let unit = fs::read_to_string(packaged("waxwing-bridge.service")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("waxwing-bridge.service");
    // It names a program that need not be installed here.
    let program = env!("CARGO_BIN_EXE_waxwing");
    fs::write(&path, unit.replace("/usr/local/bin/waxwing", program)).unwrap();
    if let Some((good, said)) = analyze(&["verify", path.to_str().unwrap()]) {
        // It says what it does not understand, and goes on.
        assert_eq!((good, said.trim()), (true, ""));
    }
}

#[test]
fn the_unit_leaves_a_bridge_little_to_do_harm_with() {
    let unit = packaged("waxwing-bridge.service");
    let score = |unit: &Path, most: &str| {
        let threshold = format!("--threshold={most}");
        let path = unit.to_str().unwrap();
        analyze(&["security", "--offline=true", "--no-pager", &threshold, path])
    };
    // In tenths: 2.0.
    if let Some((good, said)) = score(&unit, "20") {
        assert!(good, "{said}");
        // The scale can tell good from bad.
        let dir = tempfile::tempdir().unwrap();
        let bare = dir.path().join("bare.service");
        fs::write(&bare, "[Service]\nExecStart=/bin/true\n").unwrap();
        assert!(!score(&bare, "20").unwrap().0);
    }
}

/// What the example of an environment file sets is known, and right.
#[test]
fn the_example_of_an_environment_is_right() {
    let home = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(packaged("bridge.env")).unwrap();
    let mut show = command(home.path(), &["config", "show", "--origin", "--json"]);
    let mut set = 0;
    // Those in comments are offered, and have to be right too.
    for line in text.lines().map(|line| line.trim_start_matches('#')) {
        if let Some((name, value)) = line.split_once('=')
            && name.starts_with("WAXWING_")
        {
            show.env(name, value);
            set += 1;
        }
    }
    let (code, out, err) = super::ended(super::finish(show.spawn().unwrap()));
    assert_eq!((code, err.as_str()), (0, ""));
    let from_it = out.lines().filter(|line| line.contains(r#""env""#));
    assert_eq!(from_it.count(), set);
    assert!(set >= 6);
}
