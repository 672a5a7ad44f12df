//! A whole node: started in order, stopped in order.
//!
//! Home and store, then the engine's thread, then an account if there is none, then the network
//! under the device's key, then the first input of the run, and the local API last: whoever reaches
//! it finds a node that works.

use crate::clock::{self, Clock};
use crate::config::Config;
use crate::disk::Watermark;
use crate::home::{Home, HomeError};
use crate::keyfile;
use crate::outside::Outside;
use crate::runtime::{Ended, Engine, EngineError, EngineHandle, Setup};
use crate::store::{Disk, Place, SledStore};
use crate::tokens::Tokens;
use std::io;
use waxwing_protocol::engine;
use waxwing_protocol::id::peer_to_text;
use waxwing_protocol::input::{Command, Input};
use waxwing_protocol::output::Refusal;
use waxwing_protocol::query::{self, Me};

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another node runs in this home.
    #[error("another node is running in this home")]
    Locked,
    /// The home has no account yet, and no name was given for a new one.
    #[error("there is no account in this home yet: give a name to make one")]
    NeedsName,
    /// The name, or something else of the account, was refused.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// The data key is wrapped and no passphrase was given.
    #[error("passphrase needed")]
    NeedsPassphrase,
    /// The passphrase does not open the data key.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// The passphrase file cannot be read.
    #[error("the passphrase file cannot be read: {0}")]
    PassphraseFile(io::Error),
    /// A newer version of Waxwing wrote this home.
    #[error("this home was written by a newer version of Waxwing (schema {0})")]
    NewerSchema(u32),
    /// A part of the home is missing or damaged; the sentence says what to do.
    #[error("{0}")]
    Damaged(String),
    /// No space left to start with.
    #[error("the disk is full")]
    DiskFull,
    /// The home cannot be used.
    #[error("the home cannot be used: {0}")]
    Home(io::Error),
    /// The store or the engine failed.
    #[error("{0}")]
    Store(String),
    /// The network did not start.
    #[error("the network did not start: {0}")]
    Network(String),
    /// Figures could not be served.
    #[error("figures cannot be served: {0}")]
    Metrics(String),
    /// The local API did not start.
    #[error("the local API did not start: {0}")]
    Api(String),
}

impl StartError {
    /// What to try, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Locked => Some("stop the other node, or choose another home with --home"),
            Self::NeedsName => Some("--name NAME"),
            Self::NeedsPassphrase => Some("--passphrase-file FILE"),
            Self::NewerSchema(_) => Some("install the newer version"),
            Self::DiskFull => Some("free some space on the disk of the home"),
            _ => None,
        }
    }
}

impl From<HomeError> for StartError {
    fn from(error: HomeError) -> Self {
        match error {
            HomeError::Locked => Self::Locked,
            HomeError::NewerSchema(schema) => Self::NewerSchema(schema),
            HomeError::NeedsPassphrase => Self::NeedsPassphrase,
            HomeError::WrongPassphrase => Self::WrongPassphrase,
            HomeError::Damaged(what) => Self::Damaged(what),
            HomeError::Full => Self::DiskFull,
            HomeError::Store(what) => Self::Store(what),
            HomeError::Io(error) => Self::Home(error),
        }
    }
}

impl From<EngineError> for StartError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::ReadOnly => Self::DiskFull,
            EngineError::Gone => Self::Store("the engine gave no answer".into()),
            EngineError::Store(error) => Self::Store(error.to_string()),
        }
    }
}

/// What `up` prints once a node is ready.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ready {
    /// `wax1…`
    pub account: String,
    /// The device's libp2p peer id, `12D3…`.
    pub peer: String,
    /// Multiaddrs that the node listens on.
    pub listen: Vec<String>,
    /// `http://127.0.0.1:PORT`
    pub api: String,
    /// `waxwing-bridge:…`, if the node runs as a bridge.
    pub bridge: Option<String>,
    /// `http://ADDR:PORT/metrics`, if figures are served.
    pub metrics: Option<String>,
}

/// A running node.
pub struct Node {
    home: Home,
    engine: Engine,
    outside: Outside,
    ready: Ready,
}

impl Node {
    /// Starts a node. Takes up to a second where a passphrase has to be stretched.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let opening = config.clone();
        let opened = tokio::task::spawn_blocking(move || open(&opening)).await;
        let (home, setup, tokens) =
            opened.map_err(|_| StartError::Store("opening the home met a bug".into()))??;
        let engine = Engine::spawn(setup).map_err(StartError::Home)?;
        match surround(&home, &config, &engine.handle, tokens).await {
            Ok((outside, me, bridge)) => {
                clock::mark(home.root());
                Ok(Self {
                    ready: Ready {
                        account: me.address,
                        peer: peer_to_text(&me.peer),
                        listen: outside.listen(),
                        api: outside.api_url(),
                        bridge,
                        metrics: outside.metrics_url(),
                    },
                    home,
                    engine,
                    outside,
                })
            }
            Err(error) => {
                engine.stop().await;
                Err(error)
            }
        }
    }

    /// How tasks talk to the engine.
    pub fn handle(&self) -> EngineHandle {
        self.engine.handle.clone()
    }

    /// Who this node is and where it is reached.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The home that this node runs in.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Resolves if the engine fails, with one sentence to print; the node is then of no use. It
    /// never resolves for a node that was shut down.
    pub fn failed(&self) -> impl Future<Output = String> + Send + 'static {
        let ended = self.engine.ended();
        async move {
            match ended.await {
                Ended::Failed(why) => why,
                Ended::Stopped => std::future::pending().await,
            }
        }
    }

    /// Resolves once a client of the local API has asked the node to end. The node goes on until
    /// [`Node::shutdown`].
    pub fn asked_to_end(&self) -> impl Future<Output = ()> + Send + 'static {
        let end = self.outside.end();
        async move { end.notified().await }
    }

    /// Stops the API and the network, lets the engine finish what it was asked, closes the store
    /// and gives the home free.
    pub async fn shutdown(self) {
        self.outside.shutdown().await;
        clock::mark(self.home.root());
        self.engine.stop().await;
    }
}

/// Opens home and store. Blocks: a passphrase is stretched on purpose.
fn open(config: &Config) -> Result<(Home, Setup, Tokens), StartError> {
    let passphrase = match &config.passphrase_file {
        Some(path) => Some(keyfile::passphrase(path).map_err(StartError::PassphraseFile)?),
        None => None,
    };
    let home = Home::open(&config.home)?;
    let data_key = home.data_key(passphrase.as_ref())?;
    let place = home.place(data_key);
    let mut disk = Watermark::new(
        home.root(),
        home.path("reserve"),
        config.disk_free_min_bytes,
    );
    disk.look(None).map_err(StartError::Home)?;
    let store = open_store(&home, &place, &mut disk)?;
    let clock = Clock::start();
    let now = Box::new(move || clock.now());
    let tokens = Tokens::open(home.path("api-tokens"), &place.data_key, now);
    let tokens = tokens.map_err(StartError::Home)?;
    let again = home.clone();
    let setup = Setup {
        store: Box::new(store),
        reopen: Box::new(move || match again.store(&place) {
            Ok(store) => Ok(Box::new(store) as Box<dyn Disk>),
            Err(error) => Err(error.to_string()),
        }),
        disk,
        settings: config.settings.clone(),
        door: engine::handle,
        keep: Box::new(home.clone()),
    };
    Ok((home, setup, tokens))
}

/// Opens the store. On a full disk even that needs room: the reserve gives it.
pub(crate) fn open_store(
    home: &Home,
    place: &Place,
    disk: &mut Watermark,
) -> Result<SledStore, HomeError> {
    match home.store(place) {
        Err(HomeError::Full) => {
            disk.ran_out();
            home.store(place)
        }
        opened => opened,
    }
}

/// Everything after the engine's thread runs.
async fn surround(
    home: &Home,
    config: &Config,
    handle: &EngineHandle,
    tokens: Tokens,
) -> Result<(Outside, Me, Option<String>), StartError> {
    let me = account(config, handle).await?;
    let seed = handle
        .query(query::network_seed)
        .await?
        .ok_or_else(|| StartError::Damaged("this device's network key is missing".into()))?;
    let mut outside = Outside::network(home, config, seed, handle).await?;
    let start = Input::Start {
        listen: outside.advertise(),
    };
    let served = match handle.input(start).await {
        Ok(()) => {
            outside.open();
            serve(&mut outside, home, config, handle, tokens).await
        }
        Err(error) => Err(error.into()),
    };
    match served {
        Ok(bridge) => Ok((outside, me, bridge)),
        Err(error) => {
            outside.shutdown().await;
            Err(error)
        }
    }
}

/// Serves the local API, last of all. Gives the descriptor of a bridge.
async fn serve(
    outside: &mut Outside,
    home: &Home,
    config: &Config,
    handle: &EngineHandle,
    tokens: Tokens,
) -> Result<Option<String>, StartError> {
    // It was made by the first input of the run, which this query comes after.
    let bridge = match config.settings.bridge {
        Some(_) => handle.query(query::bridge).await?,
        None => None,
    };
    outside.api(home, config, handle, tokens).await?;
    Ok(bridge.map(|host| host.descriptor))
}

/// The account of the home: made if there is none, renamed if another name was given. That of a
/// bridge is called like its operator, unless somebody says otherwise.
async fn account(config: &Config, handle: &EngineHandle) -> Result<Me, StartError> {
    let operator = config.settings.bridge.as_ref().map(|it| &it.operator);
    let wish = match (handle.query(query::me).await?, &config.name) {
        (None, None) => match operator.cloned() {
            Some(name) => Command::Create { name },
            None => return Err(StartError::NeedsName),
        },
        (None, Some(name)) => Command::Create { name: name.clone() },
        (Some(me), Some(name)) if me.name != *name => Command::Rename { name: name.clone() },
        (Some(me), _) => return Ok(me),
    };
    handle
        .command(None, wish)
        .await?
        .map_err(StartError::Refused)?;
    handle
        .query(query::me)
        .await?
        .ok_or_else(|| StartError::Store("the account was not made".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_new_home_needs_a_name_and_is_free_again_after_the_refusal() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let refused = Node::start(Config::new(dir.path())).await;
            assert!(matches!(refused, Err(StartError::NeedsName)));
        }
        let _held = Home::open(dir.path()).unwrap();
        let refused = Node::start(Config::new(dir.path())).await;
        assert!(matches!(refused, Err(StartError::Locked)));
    }

    #[tokio::test]
    async fn a_passphrase_is_asked_for_once_it_was_given() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("phrase");
        let mut config = Config::new(dir.path().join("home"));
        config.passphrase_file = Some(file.clone());
        let missing = Node::start(config.clone()).await;
        assert!(matches!(missing, Err(StartError::PassphraseFile(_))));
        std::fs::write(&file, "right\n").unwrap();
        let opened = Node::start(config.clone()).await;
        assert!(matches!(opened, Err(StartError::NeedsName)));
        std::fs::write(&file, "wrong\n").unwrap();
        let wrong = Node::start(config.clone()).await;
        assert!(matches!(wrong, Err(StartError::WrongPassphrase)));
        config.passphrase_file = None;
        let none = Node::start(config).await;
        let Err(error) = none else {
            panic!("started without a passphrase");
        };
        assert!(matches!(error, StartError::NeedsPassphrase));
        assert!(error.hint().unwrap().contains("--passphrase-file"));
    }

    #[test]
    fn a_peer_is_written_as_libp2p_does() {
        use waxwing_protocol::id::{Fixed, peer_from_text};
        let key = libp2p::identity::Keypair::ed25519_from_bytes([7; 32]).unwrap();
        let bytes = key.public().try_into_ed25519().unwrap().to_bytes();
        let text = peer_to_text(&Fixed(bytes));
        assert_eq!(text, key.public().to_peer_id().to_string());
        assert_eq!(peer_from_text(&text), Some(Fixed(bytes)));
    }
}
