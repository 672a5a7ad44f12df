use super::*;
use crate::home::Home;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn found(config: &Config) -> impl Fn(&str) -> Check {
    let checks = examine(config, None);
    move |name| {
        let mut named = checks.iter().filter(|check| check.check == name);
        let check = named.next().unwrap_or_else(|| panic!("no check {name}"));
        assert!(named.next().is_none(), "{name} twice");
        check.clone()
    }
}

fn made(root: &Path) -> Config {
    let home = Home::open(root).unwrap();
    let place = home.place(home.data_key(None).unwrap());
    drop(home.store(&place).unwrap());
    Config::new(root)
}

#[test]
fn a_home_that_is_not_there_is_no_failure_and_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::new(dir.path().join("home"));
    let check = found(&config);
    assert_eq!(check("home").state, State::Warn);
    assert_eq!(check("disk_sync").state, State::Skipped);
    assert!(!config.home.exists());
}

#[test]
fn a_sound_home_is_found_sound() {
    let dir = tempfile::tempdir().unwrap();
    let config = made(&dir.path().join("home"));
    let check = found(&config);
    for name in [
        "clock",
        "home",
        "lock",
        "schema",
        "data_key",
        "damage",
        "core_dumps",
    ] {
        assert_eq!(check(name).state, State::Ok, "{:?}", check(name));
    }
    assert_eq!(check("ports").state, State::Skipped);
    let _held = Home::open(&config.home).unwrap();
    assert!(found(&config)("lock").detail.contains("held"));
}

#[test]
fn whatever_is_wrong_with_a_home_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("home");
    let mut config = made(&root);
    let mode =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();

    mode(&root, 0o755);
    assert_eq!(found(&config)("home").state, State::Warn);
    mode(&root, 0o700);
    mode(&root.join("data-key"), 0o644);
    assert_eq!(found(&config)("data_key").state, State::Warn);
    mode(&root.join("data-key"), 0o600);

    fs::write(root.join("version"), "2\n").unwrap();
    assert_eq!(found(&config)("schema").state, State::Fail);
    fs::write(root.join("version"), "x").unwrap();
    assert_eq!(found(&config)("schema").state, State::Fail);
    fs::write(root.join("version"), "1\n").unwrap();

    fs::create_dir(root.join("db.damaged-7")).unwrap();
    let damage = found(&config)("damage");
    assert!(damage.state == State::Warn && damage.detail.contains("db.damaged-7"));

    let phrase = dir.path().join("phrase");
    fs::write(&phrase, "right\n").unwrap();
    mode(&phrase, 0o600);
    let passphrase = crate::passphrase::Passphrase::from_file(&phrase).unwrap();
    crate::passphrase::set(&root, &passphrase).unwrap();
    assert!(found(&config)("data_key").hint.is_some());
    config.passphrase_file = Some(phrase.clone());
    assert_eq!(found(&config)("data_key").state, State::Ok);
    mode(&phrase, 0o644);
    assert_eq!(found(&config)("data_key").state, State::Warn);
    fs::remove_file(&phrase).unwrap();
    assert_eq!(found(&config)("data_key").state, State::Fail);

    config.disk_free_min_bytes = u64::MAX;
    assert_eq!(found(&config)("disk_room").state, State::Fail);
    fs::rename(root.join("db"), root.join("gone")).unwrap();
    assert_eq!(found(&config)("schema").state, State::Fail);
    fs::remove_file(root.join("data-key")).unwrap();
    assert_eq!(found(&config)("data_key").state, State::Skipped);
}

#[test]
fn bytes_have_fitting_units() {
    for (count, text) in [
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_024, "1 KiB"),
        (3 << 30, "3 GiB"),
    ] {
        assert_eq!(bytes(count), text);
    }
}
