//! What a stolen disk may show. Values are sealed and scopes blinded by the shell; the suffix of a
//! key lies there as it is, so nothing that names or keys a person may be in one.

use waxwing_protocol::limits::TEXT_BYTES_MAX;
use waxwing_protocol::query;
use waxwing_protocol::time::SECOND_MS;
use waxwing_tests::step::Step;
use waxwing_tests::world::World;

const ALICE: usize = 0;
const BOB: usize = 1;
const NAMES: [&str; 2] = [
    "alice-planted-name-0123456789",
    "bob-planted-name-0123456789",
];
const TEXTS: [&str; 2] = [
    "planted text of alice, long enough",
    "planted text of bob, long enough",
];
/// Any shorter run of bytes may be there by chance.
const NEEDLE_BYTES: usize = 16;

/// Two friends who used everything there is.
fn scene() -> World {
    let mut world = World::scene(1, &NAMES);
    assert!(world.meet(ALICE, BOB));
    let one = world.say(ALICE, BOB, TEXTS[0]).unwrap();
    world.run_for(SECOND_MS);
    world.reply(BOB, ALICE, TEXTS[1]).unwrap();
    world.react(BOB, one, "👍").unwrap();
    world.act(Step::Read { by: BOB, of: ALICE });
    world.say(ALICE, BOB, &"x".repeat(TEXT_BYTES_MAX)).unwrap();
    // Letters that wait, invites that are open, a request that is not answered.
    world.act(Step::Sleep {
        who: BOB,
        span_ms: 3_600_000,
    });
    world.say(ALICE, BOB, "waits").unwrap();
    world.act(Step::Invite {
        by: ALICE,
        guest: ALICE,
        uses: 3,
    });
    world.run_for(10 * SECOND_MS);
    world
}

/// What must not be seen: names, texts, accounts, keys, recovery words.
fn planted(world: &World) -> Vec<(&'static str, Vec<u8>)> {
    let mut planted = Vec::new();
    for person in &world.people {
        let me = query::me(&person.store).unwrap().unwrap();
        planted.push(("an account id", me.account.0.to_vec()));
        planted.push(("an address", me.address.into_bytes()));
        planted.push(("a peer", me.peer.0.to_vec()));
        planted.push(("a device", me.device.0.to_vec()));
        let seed = query::network_seed(&person.store).unwrap().unwrap();
        planted.push(("a secret key", seed.expose().to_vec()));
        let words = query::words(&person.store).unwrap().unwrap();
        planted.push(("recovery words", words.into_bytes()));
    }
    planted.extend(NAMES.map(|name| ("a name", name.as_bytes().to_vec())));
    planted.extend(TEXTS.map(|text| ("a text", text.as_bytes().to_vec())));
    planted.retain(|(_, bytes)| bytes.len() >= NEEDLE_BYTES);
    planted
}

fn holds(hay: &[u8], needle: &[u8]) -> bool {
    needle
        .windows(NEEDLE_BYTES)
        .any(|part| hay.windows(NEEDLE_BYTES).any(|window| window == part))
}

#[test]
fn no_suffix_of_a_key_names_anybody() {
    let world = scene();
    let planted = planted(&world);
    for person in &world.people {
        for (key, _) in person.store.iter() {
            for (what, bytes) in &planted {
                let table = key.table();
                assert!(
                    !holds(key.suffix(), bytes),
                    "{what} in a suffix of {table:?}"
                );
            }
        }
    }
}

#[test]
fn what_is_looked_for_would_be_found() {
    let world = scene();
    let planted = planted(&world);
    // Every planted thing is in some value: the rows are there, and the search finds them.
    for name in ["an account id", "a name", "a text", "a device", "a peer"] {
        let found = world.people.iter().any(|person| {
            person.store.iter().any(|(_, value)| {
                planted
                    .iter()
                    .any(|(what, bytes)| *what == name && holds(value, bytes))
            })
        });
        assert!(found, "{name} is in no value");
    }
    let row = [b"key of ".as_slice(), NAMES[0].as_bytes()].concat();
    assert!(holds(&row, NAMES[0].as_bytes()));
}

#[test]
fn no_frame_shows_a_name_or_a_text() {
    let world = scene();
    for frame in world.people.iter().flat_map(|person| &person.recent) {
        for secret in NAMES.iter().chain(&TEXTS) {
            assert!(!holds(frame, secret.as_bytes()), "in a frame");
        }
    }
}
