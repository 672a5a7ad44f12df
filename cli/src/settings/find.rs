//! Which of several wins.

use super::value::{self, Value};
use super::{Flags, Mistake, Origin, SETTINGS, Setting, file};
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use waxwing_node::FREE_MIN_BYTES;
use waxwing_node::config::Config;
use waxwing_protocol::input;

/// Name of a file of settings.
const FILE: &str = "config.toml";

/// A setting with the value that holds.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// Its key.
    pub key: &'static str,
    /// What holds; nothing where the default is to leave it open.
    pub value: Option<Value>,
    /// Who said so.
    pub origin: Origin,
}

/// All settings, in the order of [`SETTINGS`].
#[derive(Clone, PartialEq, Debug)]
pub struct Settings(pub Vec<Found>);

/// The files that count for a home, the stronger one first: the one in the home, and, for the home
/// that nobody had to name, the one among the user's settings.
pub fn files(home: &Path, is_named: bool) -> Vec<PathBuf> {
    let mut files = vec![home.join(FILE)];
    if !is_named && let Ok(base) = etcetera::choose_base_strategy() {
        use etcetera::BaseStrategy;
        files.push(base.config_dir().join("waxwing").join(FILE));
    }
    files
}

/// What holds for `up` with these flags, `verbose` times `-v`, this environment and these files,
/// the stronger one first.
///
/// # Errors
/// Everything that is wrong, wherever it stands.
pub fn find(
    flags: &Flags,
    verbose: u8,
    environment: impl Fn(&str) -> Option<OsString>,
    files: &[PathBuf],
) -> Result<Settings, Vec<Mistake>> {
    let mut wrong = Vec::new();
    let mut in_files = Vec::new();
    for path in files {
        let (set, mistakes) = file::read(path);
        wrong.extend(mistakes);
        in_files.extend(set);
    }
    let mut settings = Vec::new();
    for setting in &SETTINGS {
        let variable = from_environment(setting, &environment, &mut wrong);
        let in_file = in_files
            .iter()
            .find(|(known, ..)| known.key == setting.key)
            .map(|(_, value, place)| (value.clone(), Origin::File(place.clone())));
        let found = from_flags(setting, flags, verbose).or(variable).or(in_file);
        let (value, origin) = match found {
            Some((value, origin)) => (Some(value), origin),
            None => (otherwise(setting.key), Origin::Default),
        };
        settings.push(Found {
            key: setting.key,
            value,
            origin,
        });
    }
    if wrong.is_empty() {
        Ok(Settings(settings))
    } else {
        Err(wrong)
    }
}

/// What is wrong with the environment and these files.
pub fn mistakes(environment: impl Fn(&str) -> Option<OsString>, files: &[PathBuf]) -> Vec<Mistake> {
    find(&Flags::default(), 0, environment, files)
        .err()
        .unwrap_or_default()
}

fn from_flags(setting: &Setting, flags: &Flags, verbose: u8) -> Option<(Value, Origin)> {
    let value = match setting.key {
        "name" => flags.name.clone().map(Value::Text),
        "listen" => (!flags.listen.is_empty()).then(|| Value::List(flags.listen.clone())),
        "relay" => (!flags.relay.is_empty()).then(|| Value::List(flags.relay.clone())),
        "upnp" => flags.upnp.map(Value::Switch),
        "role" => (!flags.role.is_empty()).then(|| Value::List(flags.role.clone())),
        "api" => flags.api.map(Value::Loopback),
        "passphrase-file" => flags.passphrase_file.clone().map(Value::File),
        "read-receipts" => flags.read_receipts.map(Value::Switch),
        "disk-free-min" => flags.disk_free_min.map(Value::Size),
        "log-level" => match (&flags.log_level, verbose) {
            (Some(level), _) => Some(Value::Text(level.clone())),
            (None, 0) => None,
            (None, times) => {
                let level = if times == 1 { "debug" } else { "trace" };
                let value = Value::Text(level.to_owned());
                return Some((value, Origin::Flag("-v".to_owned())));
            }
        },
        _ => None,
    }?;
    Some((value, Origin::Flag(format!("--{}", setting.key))))
}

/// A variable that is empty sets nothing.
fn from_environment(
    setting: &Setting,
    environment: impl Fn(&str) -> Option<OsString>,
    wrong: &mut Vec<Mistake>,
) -> Option<(Value, Origin)> {
    let text = environment(setting.variable).filter(|text| !text.is_empty())?;
    let origin = Origin::Variable(setting.variable);
    let read = match text.to_str() {
        Some(text) => Value::read(setting.takes, text),
        None => Err("that is no text".to_owned()),
    };
    match read {
        Ok(value) => Some((value, origin)),
        Err(message) => {
            wrong.push(Mistake {
                origin,
                key: Some(setting.key.to_owned()),
                code: "wrong_value",
                message,
                hint: None,
            });
            None
        }
    }
}

fn otherwise(key: &str) -> Option<Value> {
    match key {
        "listen" | "relay" | "role" => Some(Value::List(Vec::new())),
        "upnp" => Some(Value::Switch(true)),
        "api" => Some(Value::Loopback(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))),
        "read-receipts" => Some(Value::Switch(input::Settings::default().read_receipts)),
        "disk-free-min" => Some(Value::Size(FREE_MIN_BYTES)),
        "log-level" => Some(Value::Text("info".to_owned())),
        _ => None,
    }
}

impl Settings {
    /// The value that holds.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let found = self.0.iter().find(|found| found.key == key);
        found.and_then(|found| found.value.as_ref())
    }

    /// What to log.
    pub fn log_level(&self) -> Option<&str> {
        match self.get("log-level") {
            Some(Value::Text(level)) => Some(level),
            _ => None,
        }
    }

    /// What a node in this home is started with.
    pub fn config(&self, home: &Path) -> Config {
        let mut config = Config::new(home);
        for found in &self.0 {
            match (found.key, found.value.clone()) {
                ("name", Some(Value::Text(name))) => config.name = Some(name),
                ("listen", Some(Value::List(listen))) => config.listen = listen,
                ("relay", Some(Value::List(relays))) => config.relays = relays,
                ("upnp", Some(Value::Switch(on))) => config.upnp = on,
                ("role", Some(Value::List(roles))) => config.roles = value::roles(&roles),
                ("api", Some(Value::Loopback(api))) => config.api = api,
                ("passphrase-file", Some(Value::File(path))) => config.passphrase_file = Some(path),
                ("read-receipts", Some(Value::Switch(on))) => config.settings.read_receipts = on,
                ("disk-free-min", Some(Value::Size(bytes))) => config.disk_free_min_bytes = bytes,
                _ => {}
            }
        }
        config
    }
}
