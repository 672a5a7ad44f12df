//! Kinds of text that the objects hold: how they look, for the API's document alone; and how a
//! number is read.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
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
    /// A bridge's id: 32 bytes in lower-case base32.
    BridgeId: |text| text.pattern(Some("^[a-z2-7]{51}[aq]$"));
    /// The address of an account.
    Account: |text| text.pattern(Some("^wax1[a-z2-7]{106}$"));
    /// A libp2p PeerId of an Ed25519 key.
    PeerId: |text| text.pattern(Some("^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$"));
}

/// A whole number. `29.0` is one too: JSON, and with it JSON Schema, knows numbers by their value.
struct Whole<T>(T);

impl<'a, T: TryFrom<u64>> Deserialize<'a> for Whole<T> {
    fn deserialize<D: Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);

        impl<T: TryFrom<u64>> Visitor<'_> for Visit<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let bits = 8 * size_of::<T>();
                write!(f, "a whole number of at most {bits} bits, without a sign")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
                let wrong = |_| E::invalid_value(Unexpected::Unsigned(number), &self);
                T::try_from(number).map_err(wrong)
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
                if number.fract() == 0.0 && (0.0..BEYOND).contains(&number) {
                    // Exact: whole, and in range.
                    self.visit_u64(number as u64)
                } else {
                    Err(E::invalid_value(Unexpected::Float(number), &self))
                }
            }
        }

        from.deserialize_any(Visit(PhantomData)).map(Self)
    }
}

/// The first whole number of more than 64 bits. Every whole float below it is exact.
const BEYOND: f64 = 18_446_744_073_709_551_616.0;

/// A whole number of a request.
pub(super) fn whole<'a, D: Deserializer<'a>, T: TryFrom<u64>>(from: D) -> Result<T, D::Error> {
    Whole::deserialize(from).map(|whole| whole.0)
}

/// The same where there may be none.
pub(super) fn maybe_whole<'a, D: Deserializer<'a>, T: TryFrom<u64>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<Whole<T>>::deserialize(from)?.map(|whole| whole.0))
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
