use super::*;
use std::fs;
use tempfile::TempDir;

const START: Millis = 1_800_000_000_000;

/// A home's tokens under a clock that stands until it is moved.
struct Home {
    dir: TempDir,
    clock: Arc<AtomicU64>,
}

impl Home {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Arc::new(AtomicU64::new(START)),
        }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("api-tokens")
    }

    fn open(&self) -> Tokens {
        self.open_under(7)
    }

    fn open_under(&self, key: u8) -> Tokens {
        let clock = Arc::clone(&self.clock);
        let now = Box::new(move || clock.load(Ordering::Relaxed));
        Tokens::open(self.file(), &Secret::new([key; 32]), now).unwrap()
    }

    fn pass(&self, ms: Millis) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
    }
}

fn wish(scope: TokenScope) -> Wish {
    Wish {
        name: Some("bot".to_owned()),
        scope,
        contact: None,
        life: None,
        rate: Rate::DEFAULT,
    }
}

fn good(tokens: &Tokens, text: &str) -> bool {
    matches!(tokens.judge(text.as_bytes()), Shown::Good(_))
}

#[test]
fn a_token_opens_until_it_is_revoked_over_every_start() {
    let home = Home::new();
    let tokens = home.open();
    assert!(tokens.list().is_empty());
    let (token, text) = tokens.create(wish(TokenScope::Send), None).unwrap();
    assert!(good(&tokens, &text));

    let again = home.open();
    let Shown::Good(known) = again.judge(text.as_bytes()) else {
        panic!("forgotten");
    };
    assert_eq!(
        known.keep(),
        Kept {
            used: Some(START),
            ..token.keep()
        }
    );
    let ended = known.ended();
    again.revoke(&token.id).unwrap();
    assert!(*ended.borrow());
    assert!(!good(&again, &text));
    assert!(matches!(again.revoke(&token.id), Err(TokenError::Unknown)));
    assert!(!good(&home.open(), &text));
}

#[test]
fn only_the_whole_text_opens() {
    let home = Home::new();
    let tokens = home.open();
    let (one, text) = tokens.create(wish(TokenScope::Read), None).unwrap();
    let (_, other) = tokens.create(wish(TokenScope::Admin), None).unwrap();
    let (id, secret) = text[4..].split_once('_').unwrap();
    let (_, others) = other[4..].split_once('_').unwrap();
    assert_eq!((id, secret.len()), (one.id.to_text().as_str(), 52));
    for wrong in [
        String::new(),
        "wxt_".to_owned(),
        format!("wxt_{id}_"),
        format!("wxt_{id}_{others}"),
        format!("wxt_{id}_{}", &secret[..51]),
        format!("wxt_{id}_{secret}a"),
        format!("wxt_{secret}_{id}"),
        text.to_uppercase(),
        text[4..].to_owned(),
    ] {
        assert!(
            matches!(tokens.judge(wrong.as_bytes()), Shown::Unknown),
            "{wrong}"
        );
    }
    assert!(matches!(tokens.judge(b"wxt_\xff"), Shown::Unknown));
    assert!(good(&tokens, &text));
}

#[test]
fn the_file_holds_no_secret_no_name_and_nothing_in_the_clear() {
    let home = Home::new();
    let (_, text) = home.open().create(wish(TokenScope::Send), None).unwrap();
    let (id, secret) = text[4..].split_once('_').unwrap();
    let bytes = fs::read(home.file()).unwrap();
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(has(b"wx1toke1"));
    assert!(!has(id.as_bytes()) && !has(b"bot") && !has(b"send"));
    assert!(!has(secret.as_bytes()));
    // Nor is the secret inside the seal.
    let key = kept::key(&Secret::new([7; 32]));
    let list = kept::load(&home.file(), &key).unwrap();
    let inside = serde_json::to_string(&list).unwrap();
    assert!(inside.contains(id) && !inside.contains(secret));
}

#[test]
fn a_damaged_file_is_put_aside_and_opens_nothing() {
    let home = Home::new();
    let (_, text) = home.open().create(wish(TokenScope::Send), None).unwrap();
    assert!(!good(&home.open_under(8), &text));
    assert!(!home.file().exists());
    assert!(files_beside(&home).contains(&"api-tokens.damaged".to_owned()));
    fs::write(home.file(), vec![0; 1 << 20]).unwrap();
    let tokens = home.open();
    assert!(tokens.list().is_empty());
    tokens.create(wish(TokenScope::Send), None).unwrap();
    assert_eq!(home.open().list().len(), 1);
}

fn files_beside(home: &Home) -> Vec<String> {
    let names = fs::read_dir(home.dir.path()).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
    names.map(|entry| name(entry).unwrap()).collect()
}

#[test]
fn a_token_ends_at_its_time_and_is_forgotten_later() {
    let home = Home::new();
    let tokens = home.open();
    let short = Wish {
        life: Some(MINUTE_MS),
        ..wish(TokenScope::Read)
    };
    let (token, text) = tokens.create(short, None).unwrap();
    let ended = token.ended();
    home.pass(MINUTE_MS - 1);
    tokens.tend();
    assert!(good(&tokens, &text) && !*ended.borrow());
    home.pass(1);
    assert!(matches!(tokens.judge(text.as_bytes()), Shown::Over));
    tokens.tend();
    assert!(*ended.borrow());
    assert_eq!(tokens.list().len(), 1);
    assert!(matches!(home.open().judge(text.as_bytes()), Shown::Over));
    home.pass(EXPIRED_KEEP_MS);
    tokens.tend();
    assert!(tokens.list().is_empty() && home.open().list().is_empty());
}

#[test]
fn uses_are_written_now_and_then() {
    let home = Home::new();
    let tokens = home.open();
    let (_, text) = tokens.create(wish(TokenScope::Read), None).unwrap();
    let written = || home.open().list()[0].used();
    home.pass(5);
    assert!(good(&tokens, &text));
    tokens.tend();
    assert_eq!(
        (tokens.list()[0].used(), written()),
        (Some(START + 5), None)
    );
    home.pass(USES_WRITTEN_MS);
    tokens.tend();
    assert_eq!(written(), Some(START + 5));
    home.pass(1);
    assert!(good(&tokens, &text));
    tokens.write_uses(0);
    assert_eq!(written(), Some(START + 6 + USES_WRITTEN_MS));
    // Nothing new: the file is left alone.
    fs::remove_file(home.file()).unwrap();
    home.pass(USES_WRITTEN_MS);
    tokens.tend();
    assert!(!home.file().exists());
}

#[test]
fn a_token_makes_none_that_may_more_and_takes_its_own_along() {
    let home = Home::new();
    let tokens = home.open();
    let carol = AccountId::from_slice(&[3; 32]);
    let limited = Wish {
        contact: carol,
        life: Some(DAY_MS),
        rate: Rate::per_second(10),
        ..wish(TokenScope::Send)
    };
    let (maker, _) = tokens.create(limited.clone(), None).unwrap();
    for beyond in [
        Wish {
            scope: TokenScope::Admin,
            ..limited.clone()
        },
        Wish {
            contact: None,
            ..limited.clone()
        },
        Wish {
            contact: AccountId::from_slice(&[4; 32]),
            ..limited.clone()
        },
        Wish {
            life: None,
            ..limited.clone()
        },
        Wish {
            life: Some(DAY_MS + 1),
            ..limited.clone()
        },
        Wish {
            rate: Rate::per_second(11),
            ..limited.clone()
        },
    ] {
        let refused = tokens.create(beyond.clone(), Some(&maker));
        assert!(matches!(refused, Err(TokenError::Beyond)), "{beyond:?}");
    }
    let (child, text) = tokens.create(limited.clone(), Some(&maker)).unwrap();
    let (_, grandchild) = tokens.create(limited.clone(), Some(&child)).unwrap();
    let (_, stranger) = tokens.create(limited.clone(), None).unwrap();
    // The list knows who made whom also after a start.
    let tokens = home.open();
    tokens.revoke(&maker.id).unwrap();
    assert!(!good(&tokens, &text) && !good(&tokens, &grandchild));
    assert!(good(&tokens, &stranger));
    let refused = tokens.create(limited, Some(&child));
    assert!(matches!(refused, Err(TokenError::Beyond)));
}

#[test]
fn there_is_a_bound_and_a_failed_write_makes_no_token() {
    let home = Home::new();
    let tokens = home.open();
    for _ in 0..TOKENS_MAX {
        tokens.create(wish(TokenScope::Read), None).unwrap();
    }
    let refused = tokens.create(wish(TokenScope::Read), None);
    assert!(matches!(refused, Err(TokenError::TooMany)));
    assert!(fs::metadata(home.file()).unwrap().len() < 1024 * TOKENS_MAX as u64);

    let first = tokens.list()[0].id;
    tokens.revoke(&first).unwrap();
    fs::remove_file(home.file()).unwrap();
    fs::create_dir_all(home.file().join("in the way")).unwrap();
    let refused = tokens.create(wish(TokenScope::Read), None);
    assert!(matches!(refused, Err(TokenError::Io(_))));
    assert_eq!(tokens.list().len(), TOKENS_MAX - 1);
    // Revoking works all the same, here and now.
    let second = tokens.list()[0].id;
    assert!(matches!(tokens.revoke(&second), Err(TokenError::Io(_))));
    assert_eq!(tokens.list().len(), TOKENS_MAX - 2);
}

#[test]
fn debug_shows_no_secret() {
    let home = Home::new();
    let tokens = home.open();
    let (token, text) = tokens.create(wish(TokenScope::Read), None).unwrap();
    let (_, secret) = text[4..].split_once('_').unwrap();
    assert!(!format!("{token:?}").contains(secret));
}
