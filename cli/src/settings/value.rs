//! Values of settings: what is taken for one, and how it is written.

use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use waxwing_node::roles::{Role, Roles};
use waxwing_node::{logs, net};
use waxwing_protocol::limits::NAME_BYTES_MAX;

/// Units of a size, each 1,024 of the one before.
const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// What a setting takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// A name for people.
    Name,
    /// A list of multiaddrs.
    Addresses,
    /// A list of multiaddrs that end in a peer.
    Relays,
    /// A list of roles.
    Roles,
    /// A loopback address with a port.
    Loopback,
    /// A path.
    File,
    /// On or off.
    Switch,
    /// A number of bytes.
    Size,
    /// A log level, or a list of `target=level`.
    Level,
}

impl Takes {
    /// What a file has to hold.
    pub fn in_file(self) -> &'static str {
        match self {
            Self::Name | Self::Loopback | Self::File | Self::Level => "a string",
            Self::Addresses | Self::Relays | Self::Roles => "an array of strings",
            Self::Switch => "true or false",
            Self::Size => "a string such as \"64MiB\", or a number of bytes",
        }
    }
}

/// The value of a setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A name or a log level.
    Text(String),
    /// Addresses or roles.
    List(Vec<String>),
    /// Where the API listens.
    Loopback(SocketAddr),
    /// A path.
    File(PathBuf),
    /// On or off.
    Switch(bool),
    /// Bytes.
    Size(u64),
}

impl Value {
    /// Reads a value that is written in one string, as in the environment: a list is separated by
    /// commas.
    ///
    /// # Errors
    /// What would be one.
    pub fn read(takes: Takes, text: &str) -> Result<Self, String> {
        Ok(match takes {
            Takes::Name => Self::Text(name(text)?),
            Takes::Level => Self::Text(level(text)?),
            Takes::Loopback => Self::Loopback(loopback(text)?),
            Takes::File => Self::File(text.into()),
            Takes::Switch => Self::Switch(switch(text)?),
            Takes::Size => Self::Size(size(text)?),
            Takes::Addresses | Takes::Relays | Takes::Roles => {
                let list: Vec<String> = text.split(',').map(|one| one.trim().to_owned()).collect();
                fit(takes, &list)?;
                Self::List(list)
            }
        })
    }

    /// As JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => json!(text),
            Self::List(list) => json!(list),
            Self::Loopback(addr) => json!(addr.to_string()),
            Self::File(path) => json!(path.to_string_lossy()),
            Self::Switch(on) => json!(on),
            Self::Size(bytes) => json!(bytes),
        }
    }

    /// As a file would hold it. JSON's strings, arrays, numbers and truths are TOML's too.
    pub fn to_toml(&self) -> String {
        match self {
            Self::Size(bytes) => json!(sized(*bytes)).to_string(),
            other => other.to_json().to_string(),
        }
    }
}

/// # Errors
/// What would be a name.
pub fn name(text: &str) -> Result<String, String> {
    let fits = !text.trim().is_empty()
        && text.len() <= NAME_BYTES_MAX
        && !text.chars().any(char::is_control);
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "a name has 1 to {NAME_BYTES_MAX} bytes and no control characters"
        ))
    }
}

/// # Errors
/// What would be an address of the API.
pub fn loopback(text: &str) -> Result<SocketAddr, String> {
    let addr: SocketAddr = text
        .parse()
        .map_err(|_| "an address looks like 127.0.0.1:4711".to_owned())?;
    if addr.ip().is_loopback() {
        Ok(addr)
    } else {
        Err("the local API may only listen on a loopback address".to_owned())
    }
}

/// # Errors
/// What would be a switch.
pub fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".to_owned()),
    }
}

/// A number of bytes, with a unit of `UNITS` or without.
///
/// # Errors
/// What would be a size.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a size is a number of bytes, or of KiB, MiB, GiB, TiB: 64MiB".to_owned();
    let end = text
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let unit = match unit.trim_start() {
        "" => "B",
        unit => unit,
    };
    let power = UNITS.iter().position(|known| *known == unit);
    let power = power.ok_or_else(wrong)?;
    let bytes = (0..power).try_fold(number, |bytes, _| bytes.checked_mul(1_024));
    bytes.ok_or_else(wrong)
}

/// In the largest unit that leaves nothing over.
fn sized(bytes: u64) -> String {
    let mut number = bytes;
    let mut unit = 0;
    while number > 0 && number.is_multiple_of(1_024) && unit + 1 < UNITS.len() {
        number /= 1_024;
        unit += 1;
    }
    format!("{number}{}", UNITS[unit])
}

/// Whether a list is one of what a setting takes.
///
/// # Errors
/// What would be one.
pub fn fit(takes: Takes, list: &[String]) -> Result<(), String> {
    match takes {
        Takes::Relays => {
            net::check_relays(list).map_err(|error| format!("{error}: {}", error.hint()))
        }
        Takes::Roles => match list.iter().find(|role| *role != Role::Relay.name()) {
            Some(other) => Err(format!("`{other}` is no role; there is relay")),
            None => Ok(()),
        },
        _ => addresses(list),
    }
}

/// # Errors
/// What would be a relay's address.
pub fn relay(text: &str) -> Result<String, String> {
    let one = text.to_owned();
    fit(Takes::Relays, std::slice::from_ref(&one))?;
    Ok(one)
}

/// The roles of a list that fits.
pub fn roles(list: &[String]) -> Roles {
    let known = list.iter().filter_map(|role| role.parse::<Role>().ok());
    known.fold(Roles::default(), Roles::with)
}

/// # Errors
/// What would be addresses.
fn addresses(list: &[String]) -> Result<(), String> {
    net::check(list).map_err(|error| format!("{error}: {}", error.hint()))
}

fn level(text: &str) -> Result<String, String> {
    logs::check(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_stays_on_this_machine() {
        assert!(loopback("127.0.0.1:0").is_ok());
        assert!(loopback("[::1]:4711").is_ok());
        assert!(loopback("0.0.0.0:4711").is_err());
        assert!(loopback("localhost").is_err());
    }

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("17B", 17),
            ("64MiB", 64 << 20),
            ("3 GiB", 3 << 30),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
            assert_eq!(size(&sized(bytes)), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "MiB",
            "-1",
            "+1",
            "1.5GiB",
            "64M",
            "64mib",
            "18014398509481984KiB",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_is_separated_by_commas() {
        let two = "/ip4/127.0.0.1/tcp/0, /ip6/::1/tcp/0";
        let Ok(Value::List(list)) = Value::read(Takes::Addresses, two) else {
            panic!("no list");
        };
        assert_eq!(list, ["/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/0"]);
        assert!(Value::read(Takes::Addresses, "").is_err());
        assert!(Value::read(Takes::Addresses, "/ip4/127.0.0.1/tcp/0,x").is_err());
    }
}
