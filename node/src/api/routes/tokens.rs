//! Tokens of programs.

use super::{Node, Reply, no_contact};
use crate::api::caller::Caller;
use crate::api::convert;
use crate::api::extract::{Body, Which};
use crate::api::model;
use crate::api::problem::Fault;
use crate::api::server::Shared;
use crate::api::span;
use crate::api::table::{Beyond, DiskFull, NoContact, NoToken};
use crate::files;
use crate::tokens::{Rate, TOKEN_NAME_BYTES_MAX, TOKENS_MAX, Token, TokenError, Wish};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use std::collections::BTreeMap;
use std::sync::Arc;
use waxwing_protocol::id::{AccountId, Fixed};
use waxwing_protocol::query;
use waxwing_protocol::time::{DAY_MS, MINUTE_MS, Millis};

/// Longest life of a token that does not live for good.
const LIFE_MS_MAX: Millis = 3_660 * DAY_MS;

/// Makes a token for a program.
///
/// Its text is in the answer and nowhere else: it cannot be shown again, so no key makes this happen
/// once. A token makes only tokens that are allowed no more than itself; when it is revoked, they are
/// too.
#[utoipa::path(
    post,
    path = "/v1/tokens",
    tag = "tokens",
    request_body = model::TokenRequest,
    responses((status = 201, body = model::NewToken), Beyond, NoContact, DiskFull)
)]
pub(in crate::api) async fn create(
    State(node): Node,
    caller: Caller,
    Body(body): Body<model::TokenRequest>,
) -> Result<(StatusCode, Json<model::NewToken>), Fault> {
    let contact = match body.contact {
        Some(name) => Some(
            node.handle
                .query(move |store| query::contact(store, &name))
                .await?
                .ok_or_else(no_contact)?
                .account,
        ),
        None => None,
    };
    let wish = Wish {
        name: body.name.as_deref().map(fit_name).transpose()?,
        scope: body.scope,
        contact,
        life: body.expires.as_deref().map(life).transpose()?,
        rate: match body.rate {
            Some(text) => Rate::parse(&text).ok_or_else(|| {
                Fault::invalid("invalid_rate", "`rate` is no rate.")
                    .hint("write it as 20/s or 100/m, at most 10000/s")
            })?,
            None => default_rate(&caller),
        },
    };
    let tokens = Arc::clone(&node.tokens);
    let (token, text) = blocking(move || tokens.create(wish, caller.token())).await?;
    let about = tell(&node, std::slice::from_ref(&token)).await?;
    let about = about.into_iter().next().ok_or_else(Fault::unexpected)?;
    let token = text.to_string();
    Ok((StatusCode::CREATED, Json(model::NewToken { token, about })))
}

/// All tokens of programs, without their secrets.
#[utoipa::path(
    get,
    path = "/v1/tokens",
    tag = "tokens",
    responses((status = 200, body = model::TokenList))
)]
pub(in crate::api) async fn list(State(node): Node) -> Reply<model::TokenList> {
    let tokens = tell(&node, &node.tokens.list()).await?;
    Ok(Json(model::TokenList { tokens }))
}

/// Ends a token, and those that it made.
///
/// At once, also for event streams that are open.
#[utoipa::path(
    post,
    path = "/v1/tokens/{token}/revoke",
    tag = "tokens",
    params(Which),
    responses((status = 200, body = model::Revoked), NoToken, DiskFull)
)]
pub(in crate::api) async fn revoke(State(node): Node, Which(id): Which) -> Reply<model::Revoked> {
    let tokens = Arc::clone(&node.tokens);
    blocking(move || tokens.revoke(&id)).await?;
    Ok(Json(model::Revoked {
        id: id.to_text(),
        revoked: true,
    }))
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, TokenError> + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(act).await;
    Ok(done.map_err(|_| Fault::unexpected())??)
}

/// Nobody is given more than the usual, nor more than they have themselves.
fn default_rate(caller: &Caller) -> Rate {
    match caller.token() {
        Some(token) => token.rate.min(Rate::DEFAULT),
        None => Rate::DEFAULT,
    }
}

fn fit_name(name: &str) -> Result<String, Fault> {
    let name = name.trim();
    let fine = !name.is_empty()
        && name.len() <= TOKEN_NAME_BYTES_MAX
        && !name.chars().any(char::is_control);
    fine.then(|| name.to_owned()).ok_or_else(|| {
        Fault::invalid(
            "invalid_name",
            format!(
                "A token's name has 1 to {TOKEN_NAME_BYTES_MAX} bytes and no control characters."
            ),
        )
    })
}

fn life(text: &str) -> Result<Millis, Fault> {
    let life = span::parse(text).and_then(|span| Millis::try_from(span.as_millis()).ok());
    life.filter(|life| (MINUTE_MS..=LIFE_MS_MAX).contains(life))
        .ok_or_else(|| {
            Fault::invalid("invalid_duration", "`expires` is no life of a token.")
                .hint("write it as 12h or 30d, from one minute to ten years")
        })
}

/// Tokens as they are shown, with their contacts' names of today.
async fn tell(node: &Shared, tokens: &[Arc<Token>]) -> Result<Vec<model::Token>, Fault> {
    let accounts: Vec<AccountId> = tokens.iter().filter_map(|token| token.contact).collect();
    let names: BTreeMap<AccountId, String> = if accounts.is_empty() {
        BTreeMap::new()
    } else {
        node.handle
            .query(move |store| {
                let name = |account: AccountId| {
                    let view = query::contact_of(store, &account)?;
                    Ok((
                        account,
                        view.map_or_else(|| account.to_text(), |view| view.name),
                    ))
                };
                accounts.into_iter().map(name).collect()
            })
            .await?
    };
    let now = node.tokens.now();
    let one = |token: &Arc<Token>| model::Token {
        id: token.id.to_text(),
        name: token.name.clone(),
        scope: token.scope,
        contact: token.contact.map(|account| match names.get(&account) {
            Some(name) => name.clone(),
            None => Fixed::to_text(&account),
        }),
        created: convert::rfc3339(token.created),
        expires: token.expires.map(convert::rfc3339),
        expired: token.is_over(now),
        last_used: token.used().map(convert::rfc3339),
        rate: token.rate.to_string(),
    };
    Ok(tokens.iter().map(one).collect())
}

impl From<TokenError> for Fault {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::TooMany => Self::new(
                StatusCode::FORBIDDEN,
                "too_many_tokens",
                format!("There are {TOKENS_MAX} tokens already."),
            )
            .hint("`waxwing token revoke` ends those that nobody needs"),
            TokenError::Unknown => Self::new(
                StatusCode::NOT_FOUND,
                "no_such_token",
                "There is no token with that id.",
            )
            .hint("`waxwing token list` shows them"),
            TokenError::Beyond => Self::new(
                StatusCode::FORBIDDEN,
                "beyond_own_power",
                "A token makes no token that is allowed more than itself.",
            )
            .hint("that is for the owner: over the socket in the home, or with `api-token`"),
            TokenError::Io(error) if files::is_full(&error) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "disk_full",
                "The disk is full: the list of tokens could not be written.",
            )
            .hint(
                "free some space; a token that was to be revoked is, until the node starts again",
            ),
            // What the disk said may name paths: it stays here.
            TokenError::Io(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "not_written",
                "The list of tokens could not be written.",
            )
            .hint("a token that was to be revoked is, until the node starts again"),
        }
    }
}
