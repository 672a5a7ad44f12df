//! `waxwing config`, and what `up` makes of a wrong file.

use super::{command, ended, finish, run};
use serde_json::{Value, json};
use std::fs;

fn lines(out: &str) -> Vec<Value> {
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_wrong_file_is_named_by_check_and_refused_by_up_in_the_same_words() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    fs::write(&file, "name = \"alice\"\n  lisen = []\n").unwrap();
    let said = format!("{}:2:3: there is no setting lisen", file.display());

    let (code, out, err) = run(home.path(), &["config", "check"]);
    assert_eq!(code, 2, "{err}");
    assert_eq!(out, format!("{said}\n  hint: did you mean listen?\n"));
    let (code, out, err) = run(home.path(), &["config", "check", "--json"]);
    assert_eq!(code, 2);
    let at = format!("{}:2:3", file.display());
    let expected = json!({
        "at": at, "key": "lisen", "code": "unknown_key",
        "message": "there is no setting lisen", "hint": "did you mean listen?",
    });
    assert_eq!(lines(&out), [expected]);
    assert!(err.starts_with(r#"{"error":{"code":"config","#), "{err}");

    for words in [&["up"][..], &["config", "show"]] {
        let (code, out, err) = run(home.path(), words);
        assert_eq!((code, out.as_str()), (2, ""));
        assert_eq!(err, format!("error: {said}\nhint: did you mean listen?\n"));
    }
    assert!(!home.path().join("db").exists());

    // One file alone; and one that is not there.
    let other = home.path().join("other.toml");
    fs::write(&other, "name = \"alice\"\n").unwrap();
    let (code, _, err) = run(home.path(), &["config", "check", other.to_str().unwrap()]);
    assert_eq!((code, err), (0, format!("{} is right\n", other.display())));
    assert_eq!(run(home.path(), &["config", "check", "/none"]).0, 3);
    // A directory in its place cannot be read.
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert_eq!(run(home.path(), &["config", "check"]).0, 1);
}

#[test]
fn every_setting_is_shown_with_its_origin() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    fs::write(&file, "read-receipts = false\nname = \"bob\"\n").unwrap();
    let words = ["config", "show", "--origin", "--json", "--name", "alice"];
    let mut command = command(home.path(), &words);
    command.env("WAXWING_DISK_FREE_MIN", "1GiB");
    let (code, out, err) = ended(finish(command.spawn().unwrap()));
    assert_eq!((code, err.as_str()), (0, ""));
    let place = format!("{}:1:1", file.display());
    let expected = [
        json!({ "key": "name", "value": "alice", "origin": "flag", "at": "--name" }),
        json!({ "key": "listen", "value": [], "origin": "default", "at": null }),
        json!({ "key": "relay", "value": [], "origin": "default", "at": null }),
        json!({ "key": "upnp", "value": true, "origin": "default", "at": null }),
        json!({ "key": "role", "value": [], "origin": "default", "at": null }),
        json!({ "key": "api", "value": "127.0.0.1:0", "origin": "default", "at": null }),
        json!({ "key": "passphrase-file", "value": null, "origin": "default", "at": null }),
        json!({ "key": "read-receipts", "value": false, "origin": "file", "at": place }),
        json!({ "key": "disk-free-min", "value": 1 << 30, "origin": "env", "at": "WAXWING_DISK_FREE_MIN" }),
        json!({ "key": "log-level", "value": "info", "origin": "default", "at": null }),
    ];
    assert_eq!(lines(&out), expected);
}

#[test]
fn ones_own_file_counts_only_for_the_home_that_nobody_had_to_name() {
    let user = tempfile::tempdir().unwrap();
    let dir = user.path().join("waxwing");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("config.toml"), "name = \"alice\"\n").unwrap();
    let named = |is_named: bool| {
        let mut command = command(user.path(), &["config", "show", "--json"]);
        command.env("XDG_CONFIG_HOME", user.path());
        command.env("XDG_DATA_HOME", user.path().join("data"));
        if !is_named {
            command.env_remove("WAXWING_HOME");
        }
        let (code, out, _) = ended(finish(command.spawn().unwrap()));
        assert_eq!(code, 0);
        lines(&out)[0]["value"].clone()
    };
    assert_eq!(named(true), Value::Null);
    assert_eq!(named(false), "alice");
}
