//! As much of CDDL (RFC 8610) as `waxwing.cddl` uses: enough to hold real bytes against it.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::vec::IntoIter;

/// A CBOR item.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    Uint(u64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Item>),
    Map(Vec<(Item, Item)>),
    Bool,
    Other,
}

/// Reads one item of deterministic CBOR; `None` if it is none.
pub fn read(bytes: &[u8]) -> Option<Item> {
    let mut rest = bytes;
    let item = item(&mut rest)?;
    rest.is_empty().then_some(item)
}

fn item(rest: &mut &[u8]) -> Option<Item> {
    let (&first, tail) = rest.split_first()?;
    let width = match first & 0x1f {
        n @ 0..=23 => {
            *rest = tail;
            return content(first >> 5, n.into(), rest);
        }
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let (number, tail) = tail.split_at_checked(width)?;
    *rest = tail;
    let value = number.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
    content(first >> 5, value, rest)
}

fn content(major: u8, value: u64, rest: &mut &[u8]) -> Option<Item> {
    let mut take = |count: u64| {
        let (head, tail) = rest.split_at_checked(usize::try_from(count).ok()?)?;
        *rest = tail;
        Some(head.to_vec())
    };
    Some(match major {
        0 => Item::Uint(value),
        2 => Item::Bytes(take(value)?),
        3 => Item::Text(String::from_utf8(take(value)?).ok()?),
        4 => Item::Array((0..value).map(|_| item(rest)).collect::<Option<_>>()?),
        5 => Item::Map(
            (0..value)
                .map(|_| Some((item(rest)?, item(rest)?)))
                .collect::<Option<_>>()?,
        ),
        7 if matches!(value, 20 | 21) => Item::Bool,
        1 | 7 => Item::Other,
        _ => return None,
    })
}

#[derive(Clone, Debug)]
enum Type {
    Range(u64, u64),
    Name(String),
    /// Bytes, text or a number of so many bytes.
    Size(Box<Type>, u64, u64),
    Cbor(Box<Type>),
    Array(Vec<Entry>),
    Map(Vec<Entry>),
    Choice(Vec<Type>),
}

#[derive(Clone, Debug)]
struct Entry {
    least: usize,
    most: usize,
    key: Option<Type>,
    value: Type,
}

/// A whole specification.
pub struct Cddl {
    types: BTreeMap<String, Type>,
    groups: BTreeMap<String, Vec<Entry>>,
}

const PRELUDE: [&str; 5] = ["uint", "bytes", "tstr", "bool", "any"];

fn tokens(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = line.split(';').next().unwrap_or("");
        let mut word = String::new();
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            if c.is_alphanumeric() || matches!(c, '-' | '.' | '_') {
                word.push(c);
                continue;
            }
            out.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            if c == '=' && chars.peek() == Some(&'>') {
                chars.next();
                out.push("=>".into());
            } else if !c.is_whitespace() {
                out.push(c.into());
            }
        }
        out.extend((!word.is_empty()).then_some(word));
    }
    out
}

struct Parser(Peekable<IntoIter<String>>);

impl Parser {
    fn next(&mut self) -> String {
        self.0.next().expect("the file ends within a rule")
    }

    fn peek(&mut self) -> &str {
        self.0.peek().map_or("", String::as_str)
    }

    fn skip(&mut self, token: &str) -> bool {
        let found = self.peek() == token;
        if found {
            self.next();
        }
        found
    }

    fn choice(&mut self) -> Type {
        let mut types = vec![self.controlled()];
        while self.skip("/") {
            types.push(self.controlled());
        }
        match types.len() {
            1 => types.remove(0),
            _ => Type::Choice(types),
        }
    }

    fn controlled(&mut self) -> Type {
        let base = self.simple();
        if self.skip(".size") {
            let round = self.skip("(");
            let Type::Range(low, high) = self.simple() else {
                panic!(".size takes a number or a range")
            };
            assert!(!round || self.skip(")"));
            Type::Size(Box::new(base), low, high)
        } else if self.skip(".cbor") {
            Type::Cbor(Box::new(self.simple()))
        } else {
            base
        }
    }

    fn simple(&mut self) -> Type {
        let token = self.next();
        match token.as_str() {
            "[" => Type::Array(self.group("]")),
            "{" => Type::Map(self.group("}")),
            _ => match token.split_once("..") {
                Some((low, high)) => Type::Range(low.parse().unwrap(), high.parse().unwrap()),
                None => match token.parse() {
                    Ok(number) => Type::Range(number, number),
                    Err(_) => Type::Name(token),
                },
            },
        }
    }

    fn group(&mut self, end: &str) -> Vec<Entry> {
        let mut entries = Vec::new();
        while !self.skip(end) {
            entries.push(self.entry());
            self.skip(",");
        }
        entries
    }

    fn entry(&mut self) -> Entry {
        let (mut least, mut most) = (1, 1);
        if self.skip("?") {
            least = 0;
        } else {
            // "*", "2*4": a number before a star is a bound, any other is a value.
            let mut ahead = self.0.clone();
            let first = ahead.next().unwrap_or_default();
            let bound = first.parse().ok();
            let star = first == "*" || (bound.is_some() && ahead.next().as_deref() == Some("*"));
            if star {
                if bound.is_some() {
                    self.next();
                }
                self.next();
                least = bound.unwrap_or(0);
                most = match self.peek().parse() {
                    Ok(number) => {
                        self.next();
                        number
                    }
                    Err(_) => usize::MAX,
                };
            }
        }
        let value = self.choice();
        if self.skip("=>") {
            let key = Some(value);
            let value = self.choice();
            return Entry {
                least,
                most,
                key,
                value,
            };
        }
        Entry {
            least,
            most,
            key: None,
            value,
        }
    }
}

impl Cddl {
    pub fn parse(text: &str) -> Self {
        let mut parser = Parser(tokens(text).into_iter().peekable());
        let (mut types, mut groups) = (BTreeMap::new(), BTreeMap::new());
        while !parser.peek().is_empty() {
            let name = parser.next();
            assert!(parser.skip("="), "{name} is not followed by =");
            let twice = if parser.skip("(") {
                groups.insert(name.clone(), parser.group(")")).is_some()
            } else {
                types.insert(name.clone(), parser.choice()).is_some()
            };
            assert!(!twice, "{name} is defined twice");
        }
        Self { types, groups }
    }

    /// Names that are used and not defined, and rules that nothing uses.
    pub fn loose_ends(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let mut used = BTreeSet::new();
        self.types.values().for_each(|t| names(t, &mut used));
        self.groups
            .values()
            .flatten()
            .for_each(|e| entry_names(e, &mut used));
        let defined: BTreeSet<String> = self
            .types
            .keys()
            .chain(self.groups.keys())
            .cloned()
            .collect();
        let missing = used
            .iter()
            .filter(|name| !defined.contains(*name) && !PRELUDE.contains(&name.as_str()))
            .cloned()
            .collect();
        (missing, defined.difference(&used).cloned().collect())
    }

    /// Whether the bytes are of the rule.
    pub fn allows(&self, rule: &str, bytes: &[u8]) -> bool {
        assert!(self.types.contains_key(rule), "no rule {rule}");
        let name = Type::Name(rule.into());
        read(bytes).is_some_and(|item| self.fits(&name, &item))
    }

    fn fits(&self, wanted: &Type, item: &Item) -> bool {
        match (wanted, item) {
            (Type::Choice(types), _) => types.iter().any(|t| self.fits(t, item)),
            (Type::Range(low, high), Item::Uint(n)) => (low..=high).contains(&n),
            (Type::Name(name), _) => match (name.as_str(), item) {
                ("any", _) => true,
                ("uint", Item::Uint(_)) => true,
                ("bytes", Item::Bytes(_)) => true,
                ("tstr", Item::Text(_)) => true,
                ("bool", Item::Bool) => true,
                _ => self.types.get(name).is_some_and(|t| self.fits(t, item)),
            },
            (Type::Size(base, low, high), _) => {
                let sized = match item {
                    Item::Uint(n) => *high >= 8 || *n < 1 << (8 * high),
                    Item::Bytes(b) => (*low..=*high).contains(&(b.len() as u64)),
                    Item::Text(t) => (*low..=*high).contains(&(t.len() as u64)),
                    _ => false,
                };
                sized && self.fits(base, item)
            }
            (Type::Cbor(inner), Item::Bytes(bytes)) => {
                read(bytes).is_some_and(|item| self.fits(inner, &item))
            }
            (Type::Array(entries), Item::Array(items)) => self.array(entries, items),
            (Type::Map(entries), Item::Map(pairs)) => self.map(entries, pairs),
            _ => false,
        }
    }

    fn array(&self, entries: &[Entry], items: &[Item]) -> bool {
        let mut left = items;
        for entry in entries {
            let fitting = left
                .iter()
                .take(entry.most)
                .take_while(|item| self.fits(&entry.value, item))
                .count();
            if fitting < entry.least {
                return false;
            }
            left = &left[fitting..];
        }
        left.is_empty()
    }

    fn map(&self, entries: &[Entry], pairs: &[(Item, Item)]) -> bool {
        let mut known = 0;
        let mut flat = Vec::new();
        for entry in entries {
            match &entry.value {
                Type::Name(name) if entry.key.is_none() => flat.extend(&self.groups[name]),
                _ => flat.push(entry),
            }
        }
        for entry in flat {
            let Some(key) = &entry.key else { return false };
            let mut count = 0;
            for (_, value) in pairs.iter().filter(|(k, _)| self.fits(key, k)) {
                if !self.fits(&entry.value, value) {
                    return false;
                }
                count += 1;
            }
            if count < entry.least || count > entry.most {
                return false;
            }
            known += count;
        }
        known == pairs.len()
    }
}

fn names(of: &Type, out: &mut BTreeSet<String>) {
    match of {
        Type::Name(name) => {
            out.insert(name.clone());
        }
        Type::Size(inner, ..) | Type::Cbor(inner) => names(inner, out),
        Type::Choice(types) => types.iter().for_each(|t| names(t, out)),
        Type::Array(entries) | Type::Map(entries) => {
            entries.iter().for_each(|e| entry_names(e, out));
        }
        Type::Range(..) => {}
    }
}

fn entry_names(entry: &Entry, out: &mut BTreeSet<String>) {
    entry.key.iter().for_each(|key| names(key, out));
    names(&entry.value, out);
}
