//! Kinds of text that the objects hold: how they look, for the API's document alone.

use std::borrow::Cow;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident: $build:expr;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let build: fn(ObjectBuilder) -> ObjectBuilder = $build;
                let doc = [$($doc.trim()),+].join(" ");
                build(ObjectBuilder::new().schema_type(Type::String).description(Some(doc))).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )+};
}

kinds! {
    /// RFC 3339, UTC, with milliseconds.
    Time: |text| text
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .pattern(Some(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"))
        .examples(["2026-11-23T10:00:00.123Z"]);
    /// A message's id: 16 bytes in lower-case base32.
    MessageId: |text| text
        .pattern(Some("^[a-z2-7]{25}[aeimquy4]$"))
        .examples(["z3dr3p3lp5u33m5mur4hrgk7ye"]);
    /// A device's id: 16 bytes in lower-case base32.
    DeviceId: |text| text.pattern(Some("^[a-z2-7]{25}[aeimquy4]$"));
    /// A token's id: 10 bytes in lower-case base32.
    TokenId: |text| text.pattern(Some("^[a-z2-7]{16}$"));
    /// The address of an account.
    Account: |text| text.pattern(Some("^wax1[a-z2-7]{106}$"));
    /// A libp2p PeerId of an Ed25519 key.
    PeerId: |text| text.pattern(Some("^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$"));
}
