//! What `up` can be told, and by whom: a flag wins over a variable of the environment, that over
//! a file, that over what holds otherwise.
//!
//! [`SETTINGS`] is the whole list; `docs/guide/config.md` says the same, and a test compares them.

pub mod file;
mod find;
pub mod value;

pub use find::{Found, Settings, files, find, mistakes};

use std::fmt;
use std::path::PathBuf;
use value::Takes;

/// One thing that can be set.
#[derive(Debug)]
pub struct Setting {
    /// Its name in a file; on the command line with two dashes in front.
    pub key: &'static str,
    /// Its variable of the environment.
    pub variable: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// What holds if nobody sets it, as people read it.
    pub otherwise: &'static str,
}

/// Everything that can be set.
pub static SETTINGS: [Setting; 10] = [
    Setting {
        key: "name",
        variable: "WAXWING_NAME",
        takes: Takes::Name,
        otherwise: "asked for at the first start",
    },
    Setting {
        key: "listen",
        variable: "WAXWING_LISTEN",
        takes: Takes::Addresses,
        otherwise: "QUIC and TCP everywhere, on remembered ports",
    },
    Setting {
        key: "relay",
        variable: "WAXWING_RELAY",
        takes: Takes::Relays,
        otherwise: "none",
    },
    Setting {
        key: "upnp",
        variable: "WAXWING_UPNP",
        takes: Takes::Switch,
        otherwise: "on",
    },
    Setting {
        key: "role",
        variable: "WAXWING_ROLE",
        takes: Takes::Roles,
        otherwise: "none",
    },
    Setting {
        key: "api",
        // `WAXWING_API` says where other commands find a node.
        variable: "WAXWING_API_LISTEN",
        takes: Takes::Loopback,
        otherwise: "127.0.0.1:0",
    },
    Setting {
        key: "passphrase-file",
        variable: "WAXWING_PASSPHRASE_FILE",
        takes: Takes::File,
        otherwise: "none",
    },
    Setting {
        key: "read-receipts",
        variable: "WAXWING_READ_RECEIPTS",
        takes: Takes::Switch,
        otherwise: "on",
    },
    Setting {
        key: "disk-free-min",
        variable: "WAXWING_DISK_FREE_MIN",
        takes: Takes::Size,
        otherwise: "64MiB",
    },
    Setting {
        key: "log-level",
        variable: "WAXWING_LOG",
        takes: Takes::Level,
        otherwise: "info",
    },
];

/// The flags of `up`: what a command line can set.
#[derive(Clone, Default, Debug, clap::Args)]
pub struct Flags {
    /// What others shall call you; for an existing account, a new name
    #[arg(long)]
    pub name: Option<String>,
    /// Listen here, repeatable [default: QUIC and TCP everywhere, on remembered ports]
    #[arg(long, value_name = "MULTIADDR")]
    pub listen: Vec<String>,
    /// Be reached through this relay where nothing more direct leads here, repeatable; two are used
    /// at a time
    #[arg(long, value_name = "MULTIADDR", value_parser = value::relay)]
    pub relay: Vec<String>,
    /// Ask the router for a port that leads here [default: on]
    #[arg(long, value_name = "on|off", value_parser = value::switch,
          action = clap::ArgAction::Set)]
    pub upnp: Option<bool>,
    /// What to do for others, repeatable; `relay` carries connections between nodes that cannot
    /// reach each other, which it cannot read
    #[arg(long, value_name = "ROLE", value_parser = ["relay"])]
    pub role: Vec<String>,
    /// Serve the local API here; loopback only, port 0 draws one [default: 127.0.0.1:0]
    #[arg(long, value_name = "ADDR:PORT", value_parser = value::loopback)]
    pub api: Option<std::net::SocketAddr>,
    /// File whose first line is the passphrase of this home
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Tell others when you have read their messages [default: on]
    #[arg(long, value_name = "on|off", value_parser = value::switch,
          action = clap::ArgAction::Set)]
    pub read_receipts: Option<bool>,
    /// Stop writing while less than this is free on the disk [default: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = value::size)]
    pub disk_free_min: Option<u64>,
    /// error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL",
          value_parser = ["error", "warn", "info", "debug", "trace"])]
    pub log_level: Option<String>,
}

/// Who set something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The command line; the flag.
    Flag(String),
    /// The environment; the variable.
    Variable(&'static str),
    /// A file.
    File(Place),
    /// Nobody.
    Default,
}

impl Origin {
    /// One word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Flag(_) => "flag",
            Self::Variable(_) => "env",
            Self::File(_) => "file",
            Self::Default => "default",
        }
    }

    /// Where exactly.
    pub fn at(&self) -> Option<String> {
        match self {
            Self::Flag(flag) => Some(flag.clone()),
            Self::Variable(name) => Some((*name).to_owned()),
            Self::File(place) => Some(place.to_string()),
            Self::Default => None,
        }
    }
}

/// A place in a file. Lines and columns count from 1, columns in characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

/// Something that is wrong with what was set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// Who set it.
    pub origin: Origin,
    /// The key it is about, as it was written.
    pub key: Option<String>,
    /// Snake-case word: `unknown_key`, `wrong_type`, `wrong_value`, `syntax`, `unreadable`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to try.
    pub hint: Option<String>,
}

impl Mistake {
    /// The file could not even be read.
    pub fn is_unreadable(&self) -> bool {
        self.code == "unreadable"
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin.at() {
            Some(at) => write!(f, "{at}: {}", self.message),
            None => write!(f, "{}", self.message),
        }
    }
}

#[cfg(test)]
mod tests;
