//! What the simulator needs of an engine: the door and the queries.
//!
//! A trait only so that the checks themselves can be tested: against engines that are wrong on
//! purpose.

use waxwing_protocol::id::Mid;
use waxwing_protocol::input::{Input, Moment};
use waxwing_protocol::output::Output;
use waxwing_protocol::query::{
    self, Changes, ContactView, Hunt, Me, MessageView, Page, RequestView, StatusView,
};
use waxwing_protocol::store::{Read, StoreError, Tx};

/// An engine and its queries; each method is the function of the same name in `waxwing-protocol`.
#[allow(missing_docs, reason = "documented where they are defined")]
pub trait Engine {
    fn handle(
        &self,
        tx: &mut Tx<'_>,
        at: &mut Moment<'_>,
        input: Input,
    ) -> Result<Vec<Output>, StoreError>;
    fn me(&self, store: &dyn Read) -> Result<Option<Me>, StoreError>;
    fn contacts(&self, store: &dyn Read) -> Result<Vec<ContactView>, StoreError>;
    fn requests(&self, store: &dyn Read) -> Result<Vec<RequestView>, StoreError>;
    fn messages(
        &self,
        store: &dyn Read,
        name: &str,
        page: &Page,
    ) -> Result<Option<Vec<MessageView>>, StoreError>;
    fn message(&self, store: &dyn Read, id: &Mid) -> Result<Option<MessageView>, StoreError>;
    fn changes(&self, store: &dyn Read, after: u64, limit: usize) -> Result<Changes, StoreError>;
    fn status(&self, store: &dyn Read) -> Result<StatusView, StoreError>;
    /// A whole [`query::Search`]; nothing if it cannot begin.
    fn search(&self, store: &dyn Read, hunt: &Hunt) -> Result<Vec<MessageView>, StoreError>;
}

/// The engine that nodes run.
#[derive(Clone, Copy, Debug)]
pub struct Real;

impl Engine for Real {
    fn handle(
        &self,
        tx: &mut Tx<'_>,
        at: &mut Moment<'_>,
        input: Input,
    ) -> Result<Vec<Output>, StoreError> {
        waxwing_protocol::engine::handle(tx, at, input)
    }

    fn me(&self, store: &dyn Read) -> Result<Option<Me>, StoreError> {
        query::me(store)
    }

    fn contacts(&self, store: &dyn Read) -> Result<Vec<ContactView>, StoreError> {
        query::contacts(store)
    }

    fn requests(&self, store: &dyn Read) -> Result<Vec<RequestView>, StoreError> {
        query::requests(store)
    }

    fn messages(
        &self,
        store: &dyn Read,
        name: &str,
        page: &Page,
    ) -> Result<Option<Vec<MessageView>>, StoreError> {
        query::messages(store, name, page)
    }

    fn message(&self, store: &dyn Read, id: &Mid) -> Result<Option<MessageView>, StoreError> {
        query::message(store, id)
    }

    fn changes(&self, store: &dyn Read, after: u64, limit: usize) -> Result<Changes, StoreError> {
        query::changes(store, after, limit)
    }

    fn status(&self, store: &dyn Read) -> Result<StatusView, StoreError> {
        query::status(store)
    }

    fn search(&self, store: &dyn Read, hunt: &Hunt) -> Result<Vec<MessageView>, StoreError> {
        let Ok(mut search) = query::Search::begin(store, hunt)? else {
            return Ok(Vec::new());
        };
        while !search.step(store)? {}
        Ok(search.found())
    }
}
