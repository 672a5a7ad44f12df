use super::value::Value;
use super::*;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

const RELAY: &str =
    "/ip4/9.9.9.9/udp/4001/quic-v1/p2p/12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq";

fn parse(text: &str) -> (file::Set, Vec<String>) {
    let (set, mistakes) = file::parse(Path::new("c"), text);
    let shown = |mistake: &Mistake| match &mistake.hint {
        Some(hint) => format!("{mistake} ({hint})"),
        None => mistake.to_string(),
    };
    (set, mistakes.iter().map(shown).collect())
}

fn found(flags: &Flags, variables: &[(&str, &str)], texts: &[&str]) -> Settings {
    let dir = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let path = dir.path().join(number.to_string());
        fs::write(&path, text).unwrap();
        files.push(path);
    }
    let variables: BTreeMap<&str, OsString> = variables
        .iter()
        .map(|(name, value)| (*name, OsString::from(value)))
        .collect();
    find(flags, 0, |name| variables.get(name).cloned(), &files).unwrap()
}

#[test]
fn everything_can_be_set_in_a_file() {
    let text = "\
name = \"alice\"
listen = [
  \"/ip4/127.0.0.1/udp/4711/quic-v1\",
  \"/ip4/127.0.0.1/tcp/4711\",
]
relay = [\"RELAY\"]
upnp = false
role = [\"relay\"]
api = \"127.0.0.1:4712\"
passphrase-file = \"pass\"
read-receipts = false
disk-free-min = \"1GiB\"
log-level = \"waxwing_node=trace,libp2p_swarm=warn\"
";
    let text = &text.replace("RELAY", RELAY);
    let (set, mistakes) = parse(text);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    assert_eq!(set.len(), SETTINGS.len());
    let settings = found(&Flags::default(), &[], &[text]);
    assert!(settings.0.iter().all(|found| found.origin.word() == "file"));
    let config = settings.config(Path::new("/home"));
    assert_eq!(config.name.as_deref(), Some("alice"));
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.relays, [RELAY]);
    assert!(!config.upnp);
    assert_eq!(config.roles.names(), ["relay"]);
    assert_eq!(config.api.port(), 4712);
    assert!(!config.settings.read_receipts);
    assert_eq!(config.disk_free_min_bytes, 1 << 30);
    // Paths are relative to their file.
    assert!(config.passphrase_file.unwrap().is_absolute());
}

#[test]
fn a_flag_wins_over_a_variable_that_over_the_first_file_that_over_the_second() {
    let (first, second) = ("name = \"home\"", "name = \"user\"\nread-receipts = false");
    let name = |settings: &Settings| {
        let found = &settings.0[0];
        (found.value.clone().unwrap().to_toml(), found.origin.word())
    };
    let variables = [("WAXWING_NAME", "variable")];
    let flags = Flags {
        name: Some("flag".to_owned()),
        ..Flags::default()
    };
    let none = Flags::default();
    let both = [first, second];
    assert_eq!(
        name(&found(&flags, &variables, &both)),
        ("\"flag\"".to_owned(), "flag")
    );
    assert_eq!(
        name(&found(&none, &variables, &both)),
        ("\"variable\"".to_owned(), "env")
    );
    // An empty variable sets nothing.
    let empty = [("WAXWING_NAME", "")];
    let settings = found(&none, &empty, &both);
    assert_eq!(name(&settings), ("\"home\"".to_owned(), "file"));
    assert_eq!(settings.get("read-receipts"), Some(&Value::Switch(false)));
    assert_eq!(
        name(&found(&none, &[], &both[1..])),
        ("\"user\"".to_owned(), "file")
    );
    let settings = found(&none, &[], &[]);
    assert_eq!(settings.get("name"), None);
    assert!(
        settings
            .0
            .iter()
            .all(|found| found.origin == Origin::Default)
    );
}

#[test]
fn more_words_are_a_flag_too() {
    for (verbose, level, origin) in [
        (0, "info", None),
        (1, "debug", Some("-v")),
        (3, "trace", Some("-v")),
    ] {
        let settings = find(&Flags::default(), verbose, |_| None, &[]).unwrap();
        assert_eq!(settings.log_level(), Some(level));
        assert_eq!(settings.0[9].origin.at().as_deref(), origin);
    }
}

#[test]
fn a_mistake_is_named_with_its_place() {
    for (text, said) in [
        (
            "\n lisen = []",
            "c:2:2: there is no setting lisen (did you mean listen?)",
        ),
        (
            "read_receipts = true",
            "c:1:1: there is no setting read_receipts (did you mean read-receipts?)",
        ),
        (
            "colour = 1",
            "c:1:1: there is no setting colour (known are name, listen, relay, upnp, role, api, passphrase-file, read-receipts, disk-free-min, log-level)",
        ),
        (
            "[settings]\nname = \"alice\"",
            "c:1:2: there is no setting settings (known are name, listen, relay, upnp, role, api, passphrase-file, read-receipts, disk-free-min, log-level)",
        ),
        (
            "name = \"ä\"\nread-receipts = \"on\"",
            "c:2:17: read-receipts takes true or false, and this is a string",
        ),
        (
            "listen = \"/ip4/127.0.0.1/tcp/0\"",
            "c:1:10: listen takes an array of strings, and this is a string",
        ),
        (
            "listen = [\"/ip4/127.0.0.1/tcp/0\", \"here\"]",
            "c:1:35: listen: `here` is not an address to listen on: write /ip4/ADDRESS/udp/PORT/quic-v1 or /ip4/ADDRESS/tcp/PORT (ip6 likewise)",
        ),
        (
            "relay = [\"/ip4/9.9.9.9/udp/4001/quic-v1\"]",
            "c:1:10: relay: `/ip4/9.9.9.9/udp/4001/quic-v1` is not the address of a relay: write /ip4/ADDRESS/udp/PORT/quic-v1/p2p/PEER or /ip4/ADDRESS/tcp/PORT/p2p/PEER, as the relay's `waxwing status` shows it",
        ),
        (
            "role = [\"bridge\"]",
            "c:1:9: role: `bridge` is no role; there is relay",
        ),
        (
            "api = \"0.0.0.0:1\"",
            "c:1:7: api: the local API may only listen on a loopback address",
        ),
        (
            "name = 7",
            "c:1:8: name takes a string, and this is an integer",
        ),
        (
            "name = \"\"",
            "c:1:8: name: a name has 1 to 128 bytes and no control characters",
        ),
        (
            "disk-free-min = -1",
            "c:1:17: disk-free-min: that is no number of bytes",
        ),
        (
            "disk-free-min = \"64M\"",
            "c:1:17: disk-free-min: a size is a number of bytes, or of KiB, MiB, GiB, TiB: 64MiB",
        ),
        (
            "log-level = \"waxwing=loud\"",
            "c:1:13: log-level: `waxwing=loud` is no log level (off, error, warn, info, debug, trace)",
        ),
    ] {
        assert_eq!(parse(text).1, [said], "{text}");
    }
}

#[test]
fn every_mistake_is_named_at_once_in_order() {
    let (set, mistakes) = parse("nam = 1\nname = \"alice\"\napi = 1\nlog-levle = 2\n");
    assert_eq!(set.len(), 1);
    let lines: Vec<&str> = mistakes.iter().map(|said| &said[..6]).collect();
    assert_eq!(lines, ["c:1:1:", "c:3:7:", "c:4:1:"]);
}

#[test]
fn what_is_no_toml_is_pointed_at() {
    for (text, place) in [
        ("name = alice", "c:1:8: "),
        ("name = \"a\"\nname = \"b\"", "c:2:1: "),
        ("\n[", "c:2:"),
        ("name", "c:1:"),
    ] {
        let (_, mistakes) = parse(text);
        assert!(mistakes[0].starts_with(place), "{text}: {mistakes:?}");
        assert!(!mistakes[0].contains('\n'));
    }
}

#[test]
fn a_variable_can_be_wrong_too() {
    let wrong = |name: &str| (name == "WAXWING_READ_RECEIPTS").then(|| OsString::from("perhaps"));
    let mistakes = mistakes(wrong, &[]);
    assert_eq!(mistakes.len(), 1);
    assert_eq!(mistakes[0].to_string(), "WAXWING_READ_RECEIPTS: on or off");
}

#[test]
fn a_file_that_cannot_be_read_is_not_taken_for_none() {
    let dir = tempfile::tempdir().unwrap();
    let (_, mistakes) = file::read(dir.path());
    assert!(mistakes[0].is_unreadable());
    let long = dir.path().join("long");
    fs::write(&long, "#".repeat(70_000)).unwrap();
    assert!(file::read(&long).1[0].is_unreadable());
    let (set, mistakes) = file::read(&dir.path().join("none"));
    assert!(set.is_empty() && mistakes.is_empty());
}

#[test]
fn what_is_shown_can_be_put_into_a_file() {
    let text = "name = \"a \\\"b\\\"\"\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\ndisk-free-min = 1000\nread-receipts = false";
    let settings = found(&Flags::default(), &[], &[text]);
    let lines: Vec<String> = settings
        .0
        .iter()
        .filter_map(|found| {
            Some(format!(
                "{} = {}",
                found.key,
                found.value.as_ref()?.to_toml()
            ))
        })
        .collect();
    let again = found(&Flags::default(), &[], &[&lines.join("\n")]);
    let values = |settings: &Settings| {
        settings
            .0
            .iter()
            .map(|f| f.value.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(values(&again), values(&settings));
}

/// The table of the guide: key, flag, variable, what it takes, what holds otherwise.
#[test]
fn the_guide_lists_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/config.md");
    let guide = fs::read_to_string(path).unwrap();
    let rows: Vec<&str> = guide
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let expected: Vec<String> = SETTINGS
        .iter()
        .map(|setting| {
            let Setting {
                key,
                variable,
                takes,
                otherwise,
            } = setting;
            let takes = takes.in_file();
            format!("| `{key}` | `--{key}` | `{variable}` | {takes} | {otherwise} |")
        })
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn every_setting_is_a_flag_of_up() {
    use clap::Args as _;
    let command = Flags::augment_args(clap::Command::new("up"));
    let flags: Vec<&str> = command
        .get_arguments()
        .filter_map(clap::Arg::get_long)
        .collect();
    let keys: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
    assert_eq!(flags, keys);
}
