//! Kinds of text that the objects hold: how they look, for the API's document alone; and how a
//! number is read.

use serde::{Deserialize, Deserializer, de::Error};
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

/// A small whole number, if any. `29.0` is one too: JSON, and with it JSON Schema, knows no other
/// difference between numbers than their value.
pub(super) fn whole<'a, D: Deserializer<'a>>(from: D) -> Result<Option<u8>, D::Error> {
    let Some(number) = Option::<f64>::deserialize(from)? else {
        return Ok(None);
    };
    if number.fract() == 0.0 && (0.0..=f64::from(u8::MAX)).contains(&number) {
        // Exact: whole, and in range.
        Ok(Some(number as u8))
    } else {
        Err(D::Error::custom("expected a whole number from 0 to 255"))
    }
}

#[cfg(test)]
mod tests {
    use crate::api::model::InviteRequest;

    #[test]
    fn a_number_is_whole_by_its_value() {
        let uses = |text: &str| {
            let body = format!(r#"{{"uses":{text}}}"#);
            let request = serde_json::from_str::<InviteRequest>(&body);
            request.ok().map(|request| request.uses)
        };
        for (text, number) in [
            ("1", 1),
            ("29.0", 29),
            ("2.9e1", 29),
            ("255", 255),
            ("0", 0),
        ] {
            assert_eq!(uses(text), Some(Some(number)), "{text}");
        }
        assert_eq!(uses("null"), Some(None));
        for bad in ["-1", "1.5", "256", "1e99", "\"1\"", "[1]", "true"] {
            assert_eq!(uses(bad), None, "{bad}");
        }
    }
}
