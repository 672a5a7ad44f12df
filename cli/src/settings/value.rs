//! Values of settings: what is taken for one, and how it is written.

use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use waxwing_node::roles::{Role, Roles};
use waxwing_node::{logs, net};
use waxwing_protocol::limits::NAME_BYTES_MAX;

/// Units of a size, each 1,024 of the one before.
const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
/// Those in which disks are sold, each 1,000 of the one before.
const SOLD: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
/// Roles that a node can be given. The directory is not among them yet.
pub const ROLES: [Role; 3] = [Role::Relay, Role::Mailbox, Role::Forward];
/// Least that a bridge's mailboxes may hold.
const QUOTA_BYTES_MIN: u64 = 64 << 20;
/// Most: more than any disk, and far from where sums overflow.
const QUOTA_BYTES_MAX: u64 = 1 << 50;
/// Public addresses of a bridge: what its descriptor has room for.
const PUBLIC_MAX: usize = 8;

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
    /// A list of multiaddrs at which others reach the node.
    Public,
    /// Any address with a port.
    Socket,
    /// Two letters of ISO 3166-1.
    Country,
    /// A number of bytes that a bridge may fill.
    Quota,
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
            Self::Name
            | Self::Loopback
            | Self::Socket
            | Self::File
            | Self::Level
            | Self::Country => "a string",
            Self::Addresses | Self::Relays | Self::Roles | Self::Public => "an array of strings",
            Self::Switch => "true or false",
            Self::Size | Self::Quota => "a string such as \"64MiB\", or a number of bytes",
        }
    }
}

/// The value of a setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A name, a log level or a country.
    Text(String),
    /// Addresses or roles.
    List(Vec<String>),
    /// Where the API, or what else is served, listens.
    Socket(SocketAddr),
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
            Takes::Loopback => Self::Socket(loopback(text)?),
            Takes::File => Self::File(text.into()),
            Takes::Switch => Self::Switch(switch(text)?),
            Takes::Size => Self::Size(size(text)?),
            Takes::Socket => Self::Socket(socket(text)?),
            Takes::Country => Self::Text(country(text)?),
            Takes::Quota => Self::Size(quota(text)?),
            Takes::Addresses | Takes::Relays | Takes::Roles | Takes::Public => {
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
            Self::Socket(addr) => json!(addr.to_string()),
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

/// # Errors
/// What would be an address to serve at.
pub fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "an address looks like 127.0.0.1:9464".to_owned())
}

/// Two letters, upper case.
///
/// # Errors
/// What would be a country.
pub fn country(text: &str) -> Result<String, String> {
    if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        Ok(text.to_ascii_uppercase())
    } else {
        Err("a country is two letters of ISO 3166: MY".to_owned())
    }
}

/// A number of bytes, with a unit of `UNITS` or `SOLD` or without.
///
/// # Errors
/// What would be a size.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || {
        "a size is a number of bytes, or of KiB, MiB, GiB, TiB, or of kB, MB, GB, TB: 64MiB"
            .to_owned()
    };
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
    let among = |units: [&str; 5]| units.iter().position(|known| *known == unit);
    let (base, power) = match (among(UNITS), among(SOLD)) {
        (Some(power), _) => (1_024, power),
        (None, Some(power)) => (1_000, power),
        (None, None) => return Err(wrong()),
    };
    let bytes = (0..power).try_fold(number, |bytes, _| bytes.checked_mul(base));
    bytes.ok_or_else(wrong)
}

/// Bytes that a bridge may fill.
///
/// # Errors
/// What would be a quota.
pub fn quota(text: &str) -> Result<u64, String> {
    enough(size(text)?)
}

/// # Errors
/// How much a quota has to be.
pub(super) fn enough(bytes: u64) -> Result<u64, String> {
    if (QUOTA_BYTES_MIN..=QUOTA_BYTES_MAX).contains(&bytes) {
        Ok(bytes)
    } else {
        let (least, most) = (sized(QUOTA_BYTES_MIN), sized(QUOTA_BYTES_MAX));
        Err(format!("a quota is at least {least} and at most {most}"))
    }
}

/// In the largest unit that leaves nothing over; where both kinds do, in the smaller number.
fn sized(bytes: u64) -> String {
    let within = |base: u64, units: [&'static str; 5]| {
        let (mut number, mut unit) = (bytes, 0);
        while number > 0 && number.is_multiple_of(base) && unit + 1 < units.len() {
            number /= base;
            unit += 1;
        }
        (number, units[unit])
    };
    let (binary, sold) = (within(1_024, UNITS), within(1_000, SOLD));
    let (number, unit) = if sold.0 < binary.0 { sold } else { binary };
    format!("{number}{unit}")
}

/// Whether a list is one of what a setting takes.
///
/// # Errors
/// What would be one.
pub(super) fn fit(takes: Takes, list: &[String]) -> Result<(), String> {
    match takes {
        Takes::Roles => list.iter().try_for_each(|one| role(one).map(|_| ())),
        Takes::Public if list.len() > PUBLIC_MAX => {
            Err(format!("a bridge names at most {PUBLIC_MAX} addresses"))
        }
        Takes::Public => list.iter().try_for_each(|one| public(one).map(|_| ())),
        Takes::Relays => {
            net::check_relays(list).map_err(|error| format!("{error}: {}", error.hint()))
        }
        _ => net::check(list).map_err(|error| format!("{error}: {}", error.hint())),
    }
}

/// # Errors
/// What would be a relay's address.
pub fn relay(text: &str) -> Result<String, String> {
    let one = text.to_owned();
    fit(Takes::Relays, std::slice::from_ref(&one))?;
    Ok(one)
}

/// # Errors
/// What would be a role.
pub fn role(text: &str) -> Result<String, String> {
    let known: Vec<&str> = ROLES.into_iter().map(Role::name).collect();
    match text.parse::<Role>() {
        Ok(role) if ROLES.contains(&role) => Ok(text.to_owned()),
        Ok(_) => Err(format!(
            "no node can be given `{text}` yet; there are {}",
            known.join(", ")
        )),
        Err(()) => Err(format!(
            "`{text}` is no role; there are {}",
            known.join(", ")
        )),
    }
}

/// The roles of a list that fits.
pub fn roles(list: &[String]) -> Roles {
    let known = list.iter().filter_map(|role| role.parse::<Role>().ok());
    known.fold(Roles::default(), Roles::with)
}

/// # Errors
/// What would be an address at which others reach a node.
pub fn public(text: &str) -> Result<String, String> {
    match net::reaches(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(format!(
            "`{text}` is no address to be reached at: write /ip4/ADDRESS/udp/PORT/quic-v1 or \
             /dns4/NAME/tcp/PORT (ip6, dns6 likewise)"
        )),
    }
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
            ("10GB", 10_000_000_000),
            ("2 kB", 2_000),
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
    fn a_country_is_two_letters_and_a_quota_has_bounds() {
        assert_eq!(country("my"), Ok("MY".to_owned()));
        for bad in ["", "M", "MYS", "M1", "é"] {
            assert!(country(bad).is_err(), "{bad}");
        }
        assert_eq!(quota("64MiB"), Ok(64 << 20));
        assert_eq!(
            quota("1MiB").unwrap_err(),
            "a quota is at least 64MiB and at most 1024TiB"
        );
        assert!(quota("1025TiB").is_err());
    }

    #[test]
    fn a_role_that_does_nothing_yet_is_refused() {
        assert_eq!(role("forward"), Ok("forward".to_owned()));
        let refused = role("dht").unwrap_err();
        assert_eq!(
            refused,
            "no node can be given `dht` yet; there are relay, mailbox, forward"
        );
        assert!(role("bridge").is_err());
        let list = ["mailbox".to_owned(), "relay".to_owned()];
        assert_eq!(roles(&list).names(), ["relay", "mailbox"]);
    }

    #[test]
    fn one_is_reached_at_an_address_with_or_without_a_peer() {
        let peer = "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq";
        for good in [
            "/ip4/9.9.9.9/udp/4001/quic-v1",
            "/dns4/bridge.example/tcp/4001",
            &format!("/ip6/2620:fe::fe/tcp/4001/p2p/{peer}"),
        ] {
            assert!(public(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "bridge.example",
            "/ip4/9.9.9.9",
            "/ip4/9.9.9.9/udp/1",
            "/ip4/0.0.0.0/tcp/4001",
            "/ip4/9.9.9.9/tcp/0",
        ] {
            assert!(public(bad).is_err(), "{bad}");
        }
        let many = vec!["/ip4/9.9.9.9/tcp/1".to_owned(); 9];
        assert!(fit(Takes::Public, &many).is_err());
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
