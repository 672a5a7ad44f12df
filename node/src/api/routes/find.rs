//! Looking for a text in everything that was said.

use super::{Node, Reply, no_contact, no_message};
use crate::api::convert;
use crate::api::extract::{Params, mid};
use crate::api::model;
use crate::api::problem::Fault;
use crate::api::table::NoContactOrMessage;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use waxwing_protocol::limits::{READ_MAX, SEARCH_CHARS_MAX, SEARCH_DEFAULT};
use waxwing_protocol::query::{Hunt, Missing, Search};

/// What is looked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchParams {
    /// A part of the text, not of white space alone; case does not matter.
    #[param(min_length = 1, max_length = 256, pattern = r"\S")]
    text: String,
    /// In the conversation with this contact alone.
    #[serde(rename = "in")]
    #[param(rename = "in")]
    contact: Option<String>,
    /// So many at most; 50 if missing.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<usize>,
    /// Only what sorts before this message.
    #[param(value_type = Option<model::MessageId>)]
    before: Option<String>,
}

/// Messages that hold a text, newest first; marks nothing as read.
#[utoipa::path(
    get,
    path = "/v1/search",
    tag = "messages",
    params(SearchParams),
    responses((status = 200, body = model::MessageList), NoContactOrMessage)
)]
pub(super) async fn search(
    State(node): Node,
    Params(params): Params<SearchParams>,
) -> Reply<model::MessageList> {
    let limit = params.limit.unwrap_or(SEARCH_DEFAULT);
    if !(1..=READ_MAX).contains(&limit) {
        return Err(Fault::invalid(
            "invalid_limit",
            format!("`limit` is 1 to {READ_MAX}."),
        ));
    }
    if params.text.trim().is_empty() || params.text.chars().count() > SEARCH_CHARS_MAX {
        return Err(Fault::invalid(
            "invalid_text",
            format!("`text` is a part of a text, of at most {SEARCH_CHARS_MAX} characters."),
        ));
    }
    let hunt = Hunt {
        text: params.text,
        contact: params.contact,
        limit,
        before: params.before.as_deref().map(mid).transpose()?,
    };
    let begun = node.handle.query(move |store| Search::begin(store, &hunt));
    let mut search = begun.await?.map_err(|missing| match missing {
        Missing::Contact => no_contact(),
        Missing::Message => no_message(),
    })?;
    // Slice by slice: between two of them the engine does what else it is asked.
    loop {
        let slice = node.handle.query(move |store| {
            let done = search.step(store)?;
            Ok((search, done))
        });
        let (rest, done) = slice.await?;
        search = rest;
        if done {
            break;
        }
    }
    let messages = search.found().into_iter().map(convert::message).collect();
    Ok(Json(model::MessageList { messages }))
}
