//! `GET /v1/search`: a text in everything that was said.

use super::convert;
use super::extract::{Params, mid};
use super::model;
use super::problem::Fault;
use super::routes::{Node, Reply, no_contact, no_message};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use waxwing_protocol::limits::{READ_MAX, SEARCH_BYTES_MAX, SEARCH_DEFAULT};
use waxwing_protocol::query::{Hunt, Missing, Search};

#[derive(Deserialize)]
pub(super) struct SearchParams {
    text: String,
    #[serde(rename = "in")]
    contact: Option<String>,
    limit: Option<usize>,
    before: Option<String>,
}

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
    if params.text.trim().is_empty() || params.text.len() > SEARCH_BYTES_MAX {
        return Err(Fault::invalid(
            "invalid_text",
            format!("`text` is a part of a text, of at most {SEARCH_BYTES_MAX} bytes."),
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
