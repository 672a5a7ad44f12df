//! A file of settings: TOML, read with places, so that a mistake can be pointed at.

use super::value::{self, Takes, Value};
use super::{Mistake, Origin, Place, SETTINGS, Setting};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Far more than all settings need.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// An unknown key that differs from a known one in more letters than this was not meant so.
const NEAR_MAX: usize = 3;

/// What a file sets: the setting, its value, its place.
pub type Set = Vec<(&'static Setting, Value, Place)>;

/// Reads a file. One that is not there sets nothing.
pub fn read(path: &Path) -> (Set, Vec<Mistake>) {
    let text = match contents(path) {
        Ok(Some(text)) => text,
        Ok(None) => return (Set::new(), Vec::new()),
        Err(error) => return (Set::new(), vec![unreadable(path, &error)]),
    };
    parse(path, &text)
}

fn contents(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("longer than such a file may be"));
    }
    Ok(Some(text))
}

fn unreadable(path: &Path, error: &io::Error) -> Mistake {
    Mistake {
        origin: Origin::Default,
        key: None,
        code: "unreadable",
        message: format!("{} cannot be read: {error}", path.display()),
        hint: None,
    }
}

/// Reads the text of a file. Everything that is wrong is named, and what is right is set.
pub fn parse(path: &Path, text: &str) -> (Set, Vec<Mistake>) {
    let place = |span: &Range<usize>| at(path, text, span.start);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut mistakes: Vec<Mistake> = errors
        .iter()
        .map(|error| Mistake {
            origin: Origin::File(place(&error.span().unwrap_or_default())),
            key: None,
            code: "syntax",
            message: error.message().trim().replace('\n', ", "),
            hint: None,
        })
        .collect();
    let mut set = Set::new();
    for (key, value) in table.get_ref() {
        let name = key.get_ref().as_ref();
        let mistake = |span: &Range<usize>, code, message, hint| Mistake {
            origin: Origin::File(place(span)),
            key: Some(name.to_owned()),
            code,
            message,
            hint,
        };
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == name) else {
            // After a syntax error the rest may be anything.
            if errors.is_empty() {
                mistakes.push(unknown(name, |message, hint| {
                    mistake(&key.span(), "unknown_key", message, hint)
                }));
            }
            continue;
        };
        match typed(setting.takes, value, path) {
            Ok(typed) => set.push((setting, typed, place(&key.span()))),
            Err(Wrong::Type) => {
                let message = format!(
                    "{name} takes {}, and this is {}",
                    setting.takes.in_file(),
                    article(value.get_ref().type_str())
                );
                mistakes.push(mistake(&value.span(), "wrong_type", message, None));
            }
            Err(Wrong::Value(span, what)) => {
                let message = format!("{name}: {what}");
                mistakes.push(mistake(&span, "wrong_value", message, None));
            }
        }
    }
    mistakes.sort_by_key(|mistake| match &mistake.origin {
        Origin::File(place) => (place.line, place.column),
        _ => (0, 0),
    });
    (set, mistakes)
}

fn unknown(name: &str, make: impl FnOnce(String, Option<String>) -> Mistake) -> Mistake {
    let far = |setting: &&Setting| strsim::damerau_levenshtein(setting.key, name);
    let nearest = SETTINGS.iter().min_by_key(far);
    let near = nearest.filter(|setting| far(setting) <= NEAR_MAX.min(setting.key.len() / 2));
    let hint = match near {
        Some(setting) => format!("did you mean {}?", setting.key),
        None => {
            let keys: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
            format!("known are {}", keys.join(", "))
        }
    };
    make(format!("there is no setting {name}"), Some(hint))
}

enum Wrong {
    Type,
    Value(Range<usize>, String),
}

/// A value of a file as the setting takes it. Paths are relative to the file.
fn typed(takes: Takes, value: &Spanned<DeValue<'_>>, path: &Path) -> Result<Value, Wrong> {
    let wrong = |what| Wrong::Value(value.span(), what);
    match (takes, value.get_ref()) {
        (Takes::Switch, DeValue::Boolean(on)) => Ok(Value::Switch(*on)),
        (Takes::Size, DeValue::Integer(number)) => {
            let bytes = u64::from_str_radix(number.as_str(), number.radix());
            let bytes = bytes.map_err(|_| wrong("that is no number of bytes".to_owned()))?;
            Ok(Value::Size(bytes))
        }
        (Takes::Addresses | Takes::Relays | Takes::Roles, DeValue::Array(items)) => {
            let mut list = Vec::new();
            for item in items.iter() {
                let DeValue::String(text) = item.get_ref() else {
                    return Err(Wrong::Type);
                };
                let one = text.as_ref().to_owned();
                value::fit(takes, std::slice::from_ref(&one))
                    .map_err(|what| Wrong::Value(item.span(), what))?;
                list.push(one);
            }
            value::fit(takes, &list).map_err(wrong)?;
            Ok(Value::List(list))
        }
        (Takes::File, DeValue::String(text)) => {
            let beside = path.parent().unwrap_or(path);
            Ok(Value::File(beside.join(text.as_ref())))
        }
        (Takes::Switch | Takes::Addresses | Takes::Relays | Takes::Roles, _) => Err(Wrong::Type),
        (_, DeValue::String(text)) => Value::read(takes, text).map_err(wrong),
        _ => Err(Wrong::Type),
    }
}

fn article(kind: &str) -> String {
    match kind {
        "array" | "integer" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

fn at(path: &Path, text: &str, byte: usize) -> Place {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place {
        path: path.to_owned(),
        line: 1 + before.matches('\n').count(),
        column: 1 + before[line_start..].chars().count(),
    }
}
