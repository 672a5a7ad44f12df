//! Who asks, and whether a route is for them.

use super::extract::mid;
use super::model::TokenScope;
use super::problem::Fault;
use super::routes::no_message;
use crate::runtime::EngineHandle;
use crate::tokens::{Bucket, Rate, Token, Tokens};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use std::sync::{Arc, Mutex, PoisonError};
use waxwing_protocol::id::AccountId;
use waxwing_protocol::query;
use waxwing_protocol::time::Millis;

/// What one request of a dear route takes from its token.
const DEAR: u32 = 10;
/// Requests of dear routes that all programs together may make.
const DEAR_RATE: Rate = Rate::per_second(5);

/// What a caller has to be allowed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Scope {
    /// Looking, changing nothing.
    Read,
    /// Talking: send, react, edit, delete, mark as read.
    Send,
    /// Everything else that a program may do.
    Admin,
    /// Only the owner: what makes or gives away the account itself.
    Owner,
}

impl Scope {
    /// The word that a caller knows it by.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Send => "send",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// For a token of one contact too: the handler shows it what is that contact's, and no more.
    pub(super) const fn filtered(self) -> Needs {
        Needs {
            scope: self,
            filtered: true,
            dear: false,
        }
    }

    /// Costly: a program may ask it less often.
    pub(super) const fn dear(self) -> Needs {
        Needs {
            scope: self,
            filtered: false,
            dear: true,
        }
    }
}

impl From<TokenScope> for Scope {
    fn from(scope: TokenScope) -> Self {
        match scope {
            TokenScope::Read => Self::Read,
            TokenScope::Send => Self::Send,
            TokenScope::Admin => Self::Admin,
        }
    }
}

/// What a route needs of who asks.
///
/// A token of one contact passes where the path names that contact (`{name}`) or one of its
/// messages (`{id}`), and where the route says `filtered`; nowhere else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Needs {
    pub(super) scope: Scope,
    filtered: bool,
    pub(super) dear: bool,
}

impl From<Scope> for Needs {
    fn from(scope: Scope) -> Self {
        Self {
            scope,
            filtered: false,
            dear: false,
        }
    }
}

/// Who asks.
#[derive(Clone)]
pub(super) enum Caller {
    /// The node's own user.
    Owner,
    /// A program, by its token.
    Program(Arc<Program>),
}

/// A program that asks.
pub(super) struct Program {
    pub(super) token: Arc<Token>,
    pub(super) tokens: Arc<Tokens>,
    pub(super) node: EngineHandle,
    pub(super) limits: Arc<Limits>,
}

/// What all programs share.
pub(super) struct Limits {
    dear: Mutex<Bucket>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            dear: Mutex::new(Bucket::full(DEAR_RATE)),
        }
    }
}

/// The address of the one contact that a request is about, under a token of one contact: what it
/// was checked for is what is acted on, also if the contact is renamed in between.
#[derive(Clone)]
pub(super) struct OnlyAbout(pub(super) String);

impl Caller {
    /// The token, if it is a program.
    pub(super) fn token(&self) -> Option<&Token> {
        match self {
            Self::Owner => None,
            Self::Program(program) => Some(&program.token),
        }
    }

    /// The one contact that it may see; `None` for all.
    pub(super) fn only(&self) -> Option<AccountId> {
        self.token()?.contact
    }

    /// Nothing may be said to it any more.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Owner => false,
            Self::Program(program) => {
                *program.token.ended().borrow() || program.token.is_over(program.tokens.now())
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        // The guard says who asks; nobody means a mistake in this program, and no entry.
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(Fault::unexpected)
    }
}

/// Lets a request through to its route, or answers it.
pub(super) async fn allow(
    State(needs): State<Needs>,
    caller: Caller,
    params: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Result<Response, Fault> {
    let Caller::Program(program) = caller else {
        return Ok(next.run(request).await);
    };
    if Scope::from(program.token.scope) < needs.scope {
        return Err(too_small(needs.scope));
    }
    if needs.dear {
        let now = program.tokens.now();
        let mut all = program
            .limits
            .dear
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let taken = program
            .token
            .take(now, DEAR - 1)
            .and_then(|()| all.take(now, 1));
        taken.map_err(too_fast)?;
    }
    if let Some(account) = program.token.contact {
        let params = params.map_err(|_| {
            Fault::invalid("invalid_path", "The path holds a name that is no UTF-8.")
        })?;
        let only = about(&program, account, needs, &params).await?;
        if let Some(only) = only {
            request.extensions_mut().insert(only);
        }
    }
    Ok(next.run(request).await)
}

/// The path is about the one contact of a token; says its address if the path names it.
async fn about(
    program: &Program,
    account: AccountId,
    needs: Needs,
    params: &RawPathParams,
) -> Result<Option<OnlyAbout>, Fault> {
    let (mut only, mut checked) = (None, needs.filtered);
    for (key, value) in params {
        let value = value.to_owned();
        match key {
            "name" => {
                let found = program
                    .node
                    .query(move |store| query::contact(store, &value))
                    .await?;
                // Whether anybody else is there by that name is not for this token.
                let view = found
                    .filter(|view| view.account == account)
                    .ok_or_else(other_contact)?;
                only = Some(OnlyAbout(view.address));
            }
            "id" => {
                let id = mid(&value)?;
                let its = program
                    .node
                    .query(move |store| query::is_only_with(store, &id, &account))
                    .await?;
                if !its {
                    return Err(no_message());
                }
            }
            _ => return Err(whole_node()),
        }
        checked = true;
    }
    if checked { Ok(only) } else { Err(whole_node()) }
}

/// A request of a program that comes too fast.
pub(super) fn too_fast(wait: Millis) -> Fault {
    Fault::too_many("too_fast", "This token may not ask that often.", wait)
        .hint("wait as long as `Retry-After` says; `waxwing token create --rate` sets the rate")
}

fn too_small(needs: Scope) -> Fault {
    let forbidden = |detail: String| Fault::new(StatusCode::FORBIDDEN, "scope_too_small", detail);
    match needs {
        Scope::Owner => forbidden("This is for the owner alone, and no token's.".to_owned())
            .hint("ask with the token in `api-token`, or over the socket in the home"),
        needs => {
            let word = needs.word();
            forbidden(format!("This needs a token of scope `{word}`."))
                .hint(format!("`waxwing token create --scope {word}` makes one"))
        }
    }
}

fn other_contact() -> Fault {
    Fault::new(
        StatusCode::FORBIDDEN,
        "other_contact",
        "This token is for one contact, and this is another.",
    )
    .hint("`waxwing token create` without --contact makes one for all of them")
}

fn whole_node() -> Fault {
    Fault::new(
        StatusCode::FORBIDDEN,
        "whole_node",
        "This token is for one contact, and this is about more than that.",
    )
    .hint("`waxwing token create` without --contact makes one for the whole node")
}
