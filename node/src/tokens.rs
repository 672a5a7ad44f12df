//! Tokens of programs: what each may do, until when, how fast.
//!
//! A token is `wxt_`, an id of 80 bits and a secret of 256. It is shown once, when it is made; what
//! is kept is the secret's SHA-256. A plain hash will do: nobody guesses 256 random bits, however
//! fast each guess is. The list lies in one small file of the home, sealed under the data key
//! (`docs/spec/07-storage.md`), because it names contacts; it is written whole or not at all.
//!
//! A token that was revoked, or whose time has come, ends at once, also for streams that are open.

pub(crate) mod bucket;
mod kept;

pub(crate) use bucket::{Bucket, Rate};

use crate::api::model::TokenScope;
use crate::dice;
use kept::Kept;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use subtle::ConstantTimeEq;
use tokio::sync::{Semaphore, watch};
use waxwing_protocol::crypto::hash::sha256;
use waxwing_protocol::id::{AccountId, B32, Fixed, from_base32, to_base32};
use waxwing_protocol::private::Secret;
use waxwing_protocol::time::{DAY_MS, MINUTE_MS, Millis};
use zeroize::Zeroizing;

/// What every token of a program begins with, so that it is known when it lies about.
const PREFIX: &str = "wxt_";
/// Tokens of one home.
pub(crate) const TOKENS_MAX: usize = 256;
/// A token's name in bytes.
pub(crate) const TOKEN_NAME_BYTES_MAX: usize = 64;
/// Event streams of one token at once: there are 256 connections for all.
const STREAMS_MAX: usize = 8;
/// A token that has expired is still listed this long.
const EXPIRED_KEEP_MS: Millis = 30 * DAY_MS;
/// Uses are written down this often at most: not one write of the disk for each.
const USES_WRITTEN_MS: Millis = MINUTE_MS;

/// Names a token; no secret.
pub(crate) type TokenId = Fixed<10>;

/// A token to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wish {
    pub(crate) name: Option<String>,
    pub(crate) scope: TokenScope,
    /// Only what concerns this contact.
    pub(crate) contact: Option<AccountId>,
    /// Milliseconds from now on; for good without.
    pub(crate) life: Option<Millis>,
    pub(crate) rate: Rate,
}

/// A token that is known.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) id: TokenId,
    pub(crate) name: Option<String>,
    pub(crate) scope: TokenScope,
    pub(crate) contact: Option<AccountId>,
    pub(crate) created: Millis,
    pub(crate) expires: Option<Millis>,
    pub(crate) rate: Rate,
    /// The token that made it, if no owner did.
    pub(crate) by: Option<TokenId>,
    hash: B32,
    /// Zero: never.
    used: AtomicU64,
    /// What it may still ask right now.
    bucket: Mutex<Bucket>,
    /// Event streams that it may still open.
    pub(crate) streams: Arc<Semaphore>,
    ended: watch::Sender<bool>,
}

impl Token {
    fn new(kept: Kept) -> Self {
        Self {
            bucket: Mutex::new(Bucket::full(kept.rate)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            ended: watch::Sender::new(false),
            id: kept.id,
            name: kept.name,
            scope: kept.scope,
            contact: kept.contact,
            created: kept.created,
            expires: kept.expires,
            rate: kept.rate,
            by: kept.by,
            hash: kept.hash,
            used: AtomicU64::new(kept.used.unwrap_or(0)),
        }
    }

    fn keep(&self) -> Kept {
        Kept {
            id: self.id,
            hash: self.hash,
            name: self.name.clone(),
            scope: self.scope,
            contact: self.contact,
            created: self.created,
            expires: self.expires,
            used: self.used(),
            rate: self.rate,
            by: self.by,
        }
    }

    /// When it was used last.
    pub(crate) fn used(&self) -> Option<Millis> {
        Some(self.used.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }

    /// Its time has come.
    pub(crate) fn is_over(&self, now: Millis) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }

    /// Becomes true when it is revoked or has expired.
    pub(crate) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// Takes `cost` requests' worth; or says how many milliseconds to wait.
    pub(crate) fn take(&self, now: Millis, cost: u32) -> Result<(), Millis> {
        lock(&self.bucket).take(now, cost)
    }

    /// It may make a token that is allowed so much, until then.
    fn may_make(&self, wish: &Wish, expires: Option<Millis>) -> bool {
        let outlives = match (self.expires, expires) {
            (Some(own), Some(new)) => new > own,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let elsewhere = self.contact.is_some() && self.contact != wish.contact;
        wish.scope <= self.scope && wish.rate <= self.rate && !outlives && !elsewhere
    }
}

/// What somebody showed.
#[derive(Debug)]
pub(crate) enum Shown {
    /// A token that is good now.
    Good(Arc<Token>),
    /// One that was good once.
    Over,
    /// None that is known here.
    Unknown,
}

/// Why a token was not made or revoked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("there are too many tokens")]
    TooMany,
    #[error("there is no such token")]
    Unknown,
    #[error("a token makes no token that may more than itself")]
    Beyond,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The time in unix milliseconds; never goes back within a run.
pub(crate) type Now = Box<dyn Fn() -> Millis + Send + Sync>;

/// All tokens of a home.
pub(crate) struct Tokens {
    file: PathBuf,
    key: Secret<32>,
    now: Now,
    live: RwLock<BTreeMap<TokenId, Arc<Token>>>,
    /// Held while the file is written; when uses were written last.
    written: Mutex<Millis>,
    /// There are uses that are not written down.
    unwritten: AtomicBool,
}

impl Tokens {
    /// The tokens that the file keeps; none if there is no file. One that cannot be opened is put
    /// aside, and its tokens open nothing any more.
    pub(crate) fn open(file: PathBuf, data_key: &Secret<32>, now: Now) -> io::Result<Self> {
        let key = kept::key(data_key);
        let list = kept::load(&file, &key)?;
        let live = list
            .into_iter()
            .map(|kept| (kept.id, Arc::new(Token::new(kept))));
        Ok(Self {
            live: RwLock::new(live.collect()),
            written: Mutex::new(now()),
            unwritten: AtomicBool::new(false),
            file,
            key,
            now,
        })
    }

    pub(crate) fn now(&self) -> Millis {
        (self.now)()
    }

    /// In the order in which they were made.
    pub(crate) fn list(&self) -> Vec<Arc<Token>> {
        let mut list: Vec<_> = self.read().values().cloned().collect();
        list.sort_by_key(|token| (token.created, token.id));
        list
    }

    /// Makes a token; its text is given here and never again. Blocks on the disk.
    pub(crate) fn create(
        &self,
        wish: Wish,
        by: Option<&Token>,
    ) -> Result<(Arc<Token>, Zeroizing<String>), TokenError> {
        let now = self.now();
        let expires = wish.life.map(|life| now.saturating_add(life));
        if by.is_some_and(|maker| !maker.may_make(&wish, expires)) {
            return Err(TokenError::Beyond);
        }
        let secret = dice::secret::<32>();
        let kept = Kept {
            id: Fixed(dice::bytes()),
            hash: sha256(secret.expose()),
            name: wish.name,
            scope: wish.scope,
            contact: wish.contact,
            created: now,
            expires,
            used: None,
            rate: wish.rate,
            by: by.map(|maker| maker.id),
        };
        let secret = Zeroizing::new(to_base32(secret.expose()));
        let text = Zeroizing::new(format!("{PREFIX}{}_{}", kept.id.to_text(), *secret));
        let token = Arc::new(Token::new(kept));

        let mut written = lock(&self.written);
        let mut list = self.read().clone();
        // Its maker may have been revoked while it asked.
        if by.is_some_and(|maker| !list.contains_key(&maker.id)) {
            return Err(TokenError::Beyond);
        }
        if list.len() >= TOKENS_MAX {
            return Err(TokenError::TooMany);
        }
        list.insert(token.id, Arc::clone(&token));
        // Durable first: whoever has a token's text can rely on it.
        self.write(&list, &mut written)?;
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = list;
        Ok((token, text))
    }

    /// Ends a token and those that it made, at once. Blocks on the disk.
    ///
    /// If the disk fails, they have ended all the same, until the next start.
    pub(crate) fn revoke(&self, id: &TokenId) -> Result<(), TokenError> {
        let mut written = lock(&self.written);
        let list = {
            let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
            let mut gone = vec![*id];
            if !live.contains_key(id) {
                return Err(TokenError::Unknown);
            }
            while let Some(id) = gone.pop() {
                if let Some(token) = live.remove(&id) {
                    token.ended.send_replace(true);
                }
                gone.extend(live.values().filter(|t| t.by == Some(id)).map(|t| t.id));
            }
            live.clone()
        };
        self.unwritten.store(true, Ordering::Relaxed);
        Ok(self.write(&list, &mut written)?)
    }

    /// Whose token this is.
    pub(crate) fn judge(&self, shown: &[u8]) -> Shown {
        let Some((id, secret)) = parse(shown) else {
            return Shown::Unknown;
        };
        let found = self.read().get(&id).cloned();
        // A secret is hashed for an unknown id too: how long it takes says nothing.
        let hash = sha256(&secret);
        let Some(token) = found.filter(|token| bool::from(token.hash.0.ct_eq(&hash.0))) else {
            return Shown::Unknown;
        };
        let now = self.now();
        if token.is_over(now) {
            return Shown::Over;
        }
        token.used.store(now, Ordering::Relaxed);
        self.unwritten.store(true, Ordering::Relaxed);
        Shown::Good(token)
    }

    /// Ends what has expired, forgets what expired long ago, writes uses down. To be called now and
    /// then; blocks on the disk.
    pub(crate) fn tend(&self) {
        let now = self.now();
        let long_over = |token: &Token| {
            let end = token.expires.map(|end| end.saturating_add(EXPIRED_KEEP_MS));
            end.is_some_and(|end| end <= now)
        };
        for token in self.list().iter().filter(|token| token.is_over(now)) {
            token.ended.send_replace(true);
            if long_over(token) {
                let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
                live.remove(&token.id);
                self.unwritten.store(true, Ordering::Relaxed);
            }
        }
        self.write_uses(USES_WRITTEN_MS);
    }

    /// Writes uses down, if that was not done within `every` milliseconds.
    pub(crate) fn write_uses(&self, every: Millis) {
        let mut written = lock(&self.written);
        let due = self.now().saturating_sub(*written) >= every;
        if due && self.unwritten.load(Ordering::Relaxed) {
            let list = self.read().clone();
            if self.write(&list, &mut written).is_err() {
                tracing::warn!("the list of tokens could not be written");
            }
        }
    }

    fn write(&self, list: &BTreeMap<TokenId, Arc<Token>>, written: &mut Millis) -> io::Result<()> {
        // First of all: a use while the file is written is one for the next time.
        self.unwritten.store(false, Ordering::Relaxed);
        let list: Vec<Kept> = list.values().map(|token| token.keep()).collect();
        let result = kept::save(&self.file, &self.key, list);
        if result.is_err() {
            self.unwritten.store(true, Ordering::Relaxed);
        }
        *written = self.now();
        result
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<TokenId, Arc<Token>>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Id and secret of a token's text.
fn parse(text: &[u8]) -> Option<(TokenId, Zeroizing<Vec<u8>>)> {
    let text = std::str::from_utf8(text).ok()?;
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let secret = Zeroizing::new(from_base32(secret)?);
    (secret.len() == 32).then_some((TokenId::from_text(id)?, secret))
}

#[cfg(test)]
mod tests;
