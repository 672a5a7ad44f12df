//! Taking a conversation along.

use super::{Node, Reply, command, no_contact};
use crate::api::extract::{Body, IdemKey, Name, Params};
use crate::api::model;
use crate::api::past;
use crate::api::problem::Fault;
use crate::api::table::{Forbidden, NoContact};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use waxwing_protocol::feed::view::ORDER_BYTES;
use waxwing_protocol::id::{from_base32, to_base32};
use waxwing_protocol::input::Command;
use waxwing_protocol::limits::IMPORT_MAX;
use waxwing_protocol::output::Answer;
use waxwing_protocol::query;

/// Which part of a history.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryParams {
    /// `next` of the page before; missing for the first one.
    #[param(pattern = "^[a-z2-7]{40}$")]
    page: Option<String>,
}

/// A conversation from its beginning, some hundred messages a page, as `import` takes it in.
#[utoipa::path(
    get,
    path = "/v1/contacts/{name}/history",
    tag = "messages",
    params(Name, HistoryParams),
    responses((status = 200, body = model::HistoryPage), NoContact)
)]
pub(super) async fn history(
    State(node): Node,
    Name(name): Name,
    Params(params): Params<HistoryParams>,
) -> Reply<model::HistoryPage> {
    let place = |text: &str| {
        let place = from_base32(text).filter(|place| place.len() == ORDER_BYTES);
        let wrong = "`page` is not what a page before gave as `next`.";
        place.ok_or_else(|| Fault::invalid("invalid_page", wrong))
    };
    let place = params.page.as_deref().map(place).transpose()?;
    let found = node
        .handle
        .query(move |store| query::history(store, &name, place.as_deref()))
        .await?;
    let (messages, next) = found.ok_or_else(no_contact)?;
    Ok(Json(model::HistoryPage {
        messages: messages.into_iter().map(past::write).collect(),
        next: next.as_deref().map(to_base32),
    }))
}

/// Takes messages of the past in. Those that are there already are left as they are.
///
/// Nothing is sent, nothing is counted as unread. What no home can hold is refused by itself, and
/// the rest is taken in.
#[utoipa::path(
    post,
    path = "/v1/contacts/{name}/history",
    tag = "messages",
    params(Name, IdemKey),
    request_body = model::ImportRequest,
    responses((status = 200, body = model::Imported), Forbidden, NoContact)
)]
pub(super) async fn import(
    State(node): Node,
    Name(contact): Name,
    IdemKey(key): IdemKey,
    Body(body): Body<model::ImportRequest>,
) -> Reply<model::Imported> {
    if body.messages.len() > IMPORT_MAX {
        let detail = format!("At most {IMPORT_MAX} messages are taken in at once.");
        return Err(Fault::invalid("too_many", detail));
    }
    let mut refused = Vec::new();
    let (mut messages, mut indexes) = (Vec::new(), Vec::new());
    for (index, message) in (0u32..).zip(body.messages) {
        match past::read(message) {
            Ok(past) => {
                messages.push(past);
                indexes.push(index);
            }
            Err((code, message)) => refused.push(model::Unfit {
                index,
                code: code.to_owned(),
                message: message.to_owned(),
            }),
        }
    }
    let wish = Command::Import { contact, messages };
    let Answer::Imported {
        added,
        there,
        refused: unfit,
    } = command(&node, key, wish).await?
    else {
        return Err(Fault::unexpected());
    };
    for one in unfit {
        let place = usize::try_from(one.index).ok();
        let index = place.and_then(|place| indexes.get(place)).copied();
        refused.push(model::Unfit {
            index: index.ok_or_else(Fault::unexpected)?,
            code: one.code,
            message: one.message,
        });
    }
    refused.sort_by_key(|one| one.index);
    Ok(Json(model::Imported {
        added,
        there,
        refused,
    }))
}
