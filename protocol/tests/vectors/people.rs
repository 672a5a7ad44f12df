//! Alice and bob of the vectors, and their keys as JSON.

use crate::common::persona::Persona;
use crate::dice::Dice;
use crate::json::{J, hex, object};

/// When they were made, unix seconds.
pub const NOW: u64 = 1_800_000_000;

/// The account whose keys come from the stream `name`.
pub fn person(name: &'static str) -> Persona {
    Persona::new(name, NOW, &mut Dice::new(name))
}

/// The private keys of a person.
pub fn keys(who: &Persona) -> J {
    object([
        ("root_seed", hex(who.root.seed().expose())),
        ("spare_seed", hex(who.spare.seed().expose())),
        ("ask_seed", hex(who.own.ask.seed().expose())),
        ("ak_seed", hex(who.own.ak.seed().expose())),
        ("dsk_seed", hex(who.own.dsk.seed().expose())),
        ("dik_private", hex(who.own.dik.secret().expose())),
        ("account_id", hex(who.own.account)),
        ("device_id", hex(who.own.device)),
        ("spk_private", hex(who.prekeys.spk.secret().expose())),
        ("pq_seed", hex(who.prekeys.pq.seed().expose())),
    ])
}
