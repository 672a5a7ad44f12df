//! Invite links, and the objects that a link's holder may ask for.

use crate::crypto::derive::{self, expand};
use crate::crypto::seal::{open_x, seal_x};
use crate::id::{AccountId, B32, Fixed, InviteId, from_base64url, to_base64url};
use crate::identity::account::{SUITE, Signed};
use crate::identity::bundle::NumberedKey;
use crate::identity::contact::fit_addrs;
use crate::limits::{INVITE_BRIDGES_MAX, INVITE_OBJECT_BYTES, INVITE_USES_MAX, LINK_CHARS_MAX};
use crate::private::Secret;
use crate::store::{Key, ReadExt, StoreError, Table, Tx};
use crate::time::{Millis, Secs};
use crate::wire::codec::{Blob, decode, decode_closed, encode};
use crate::wire::pad::{pad, unpad};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;

const SCHEME: &str = "waxwing:";

/// The least that an inviter's list must be: `[epoch, version, suite]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Floor {
    /// Epoch.
    #[n(0)]
    pub epoch: u32,
    /// Version.
    #[n(1)]
    pub version: u32,
    /// Suite.
    #[n(2)]
    pub suite: u8,
}

/// A bridge: `[bridge_id, [addr]]`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct BridgeRef {
    /// Signing key.
    #[n(0)]
    pub bridge: B32,
    /// Multiaddrs, at most four.
    #[n(1)]
    pub addrs: Vec<String>,
}

/// What a link holds.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Invite {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// The inviter.
    #[n(1)]
    pub account: AccountId,
    /// Its address key.
    #[n(2)]
    pub ak: B32,
    /// Least list.
    #[n(3)]
    pub floor: Floor,
    /// Where its objects are kept.
    #[n(4)]
    pub bridges: Vec<BridgeRef>,
    /// Where the inviting device is: multiaddrs with `/p2p/`.
    #[n(5)]
    pub addrs: Vec<String>,
    /// 1: accepted by itself.
    #[n(6)]
    pub uses: u8,
    /// Unix seconds.
    #[n(7)]
    pub expires: Secs,
    /// Everything secret in the link comes from this.
    #[n(8)]
    pub seed: Secret<32>,
}

/// Why a link cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadLink {
    /// It does not begin with `waxwing:`.
    #[error("not an invite link")]
    Scheme,
    /// It was cut or changed.
    #[error("damaged invite link")]
    Malformed,
    /// It needs a newer version.
    #[error("invite link of a newer version")]
    Version,
}

impl Invite {
    /// The link.
    pub fn to_link(&self) -> String {
        format!("{SCHEME}{}", to_base64url(&encode(self)))
    }

    /// Reads a link; white space around it does not matter.
    ///
    /// # Errors
    /// [`BadLink`].
    pub fn from_link(link: &str) -> Result<Self, BadLink> {
        let link = link.trim();
        let text = link.strip_prefix(SCHEME).ok_or(BadLink::Scheme)?;
        if text.len() > LINK_CHARS_MAX {
            return Err(BadLink::Malformed);
        }
        let bytes = from_base64url(text).ok_or(BadLink::Malformed)?;
        let invite: Self = decode_closed(&bytes).map_err(|_| BadLink::Malformed)?;
        if invite.version != 1 || invite.floor.suite > SUITE {
            return Err(BadLink::Version);
        }
        let bounded = (1..=INVITE_USES_MAX).contains(&invite.uses)
            && invite.bridges.len() <= INVITE_BRIDGES_MAX
            && invite
                .bridges
                .iter()
                .all(|b| b.addrs.len() <= 4 && fit_addrs(&b.addrs))
            && fit_addrs(&invite.addrs);
        if bounded {
            Ok(invite)
        } else {
            Err(BadLink::Malformed)
        }
    }
}

/// Names an invite.
pub fn id(seed: &Secret<32>) -> InviteId {
    let id: Secret<16> = expand(seed.expose(), &[derive::INVITE_ID.bytes()]);
    Fixed(*id.expose())
}

/// The pre-shared key of the handshake that takes an invite up.
pub fn psk(seed: &Secret<32>) -> Secret<32> {
    expand(seed.expose(), &[derive::INVITE_PSK.bytes()])
}

fn card_key(seed: &Secret<32>) -> Secret<32> {
    expand(seed.expose(), &[derive::INVITE_CARD.bytes()])
}

/// Asks for an invite's objects: `[1, inv_id]`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct InviteGet {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// Which.
    #[n(1)]
    pub id: InviteId,
}

/// An invite's objects, sealed under a key that comes from the link: `[1, inv_id, nonce, ct]`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct InviteObjects {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// Which.
    #[n(1)]
    pub id: InviteId,
    /// Random.
    #[n(2)]
    pub nonce: Fixed<24>,
    /// XChaCha20-Poly1305; the whole object is 4,096 bytes.
    #[n(3)]
    pub ct: Blob,
}

/// What the sealed objects hold.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct InvitePlain {
    /// Genesis.
    #[n(1)]
    pub genesis: Signed,
    /// RootStatement.
    #[n(2)]
    pub statement: Signed,
    /// DeviceList.
    #[n(3)]
    pub list: Signed,
    /// Bundle of the inviting device.
    #[n(4)]
    pub bundle: Signed,
    /// One-time prekey, if the link is for one use.
    #[n(5)]
    pub opk: Option<NumberedKey>,
}

/// Heads and fixed fields of [`InviteObjects`] around its ciphertext.
const OBJECT_OVERHEAD: usize = 1 + 1 + 17 + 26 + 3;

/// Seals an invite's objects; `None` if they do not fit, which bounded lists exclude.
pub fn seal_objects(
    seed: &Secret<32>,
    plain: &InvitePlain,
    rng: &mut dyn CryptoRng,
) -> Option<InviteObjects> {
    let id = id(seed);
    let nonce = Fixed::random(rng);
    let room = INVITE_OBJECT_BYTES - OBJECT_OVERHEAD - crate::crypto::seal::TAG_BYTES;
    let padded = pad(&encode(plain), room)?;
    let ct = seal_x(&card_key(seed), &nonce.0, &padded, &id.0);
    Some(InviteObjects {
        version: 1,
        id,
        nonce,
        ct: Blob(ct),
    })
}

/// Opens an invite's objects; `None` if they are not what the link's seed sealed.
pub fn open_objects(seed: &Secret<32>, objects: &InviteObjects) -> Option<InvitePlain> {
    if objects.version != 1 || objects.id != id(seed) {
        return None;
    }
    let padded = open_x(
        &card_key(seed),
        &objects.nonce.0,
        &objects.ct,
        &objects.id.0,
    )
    .ok()?;
    decode(unpad(&padded)?).ok()
}

/// An invite that we gave out.
#[derive(Clone, Debug, Encode, Decode)]
pub struct InviteRow {
    /// Erased once it is used up or expired; the psk lives on for late first letters.
    #[n(0)]
    pub seed: Option<Secret<32>>,
    /// Pre-shared key.
    #[n(1)]
    pub psk: Secret<32>,
    /// How often it can be used.
    #[n(2)]
    pub uses: u8,
    /// How often it was.
    #[n(3)]
    pub used: u8,
    /// Unix seconds.
    #[n(4)]
    pub expires: Secs,
    /// Number of its one-time prekey.
    #[n(5)]
    pub opk: Option<u32>,
    /// The owner was told that somebody else tried it too.
    #[n(6)]
    pub told_twice: bool,
    /// When it was made.
    #[n(7)]
    pub made_at: Millis,
}

/// Where an invite is stored.
pub fn key(id: &InviteId) -> Key {
    Key::one(Table::Invite, id.0)
}

/// Where a one-time prekey is stored.
pub fn one_time_key(number: u32) -> Key {
    Key::one(Table::OneTime, number.to_be_bytes())
}

fn index_key() -> Key {
    Key::one(Table::Own, *b"invites")
}

/// Every invite that is stored, open or remembered: id and expiry.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn index(store: &(impl ReadExt + ?Sized)) -> Result<Vec<(InviteId, Secs)>, StoreError> {
    Ok(store.row(&index_key())?.unwrap_or_default())
}

/// Writes the index back.
pub fn put_index(tx: &mut Tx<'_>, index: &Vec<(InviteId, Secs)>) {
    tx.put(index_key(), index);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn invite() -> Invite {
        Invite {
            version: 1,
            account: Fixed([1; 32]),
            ak: Fixed([2; 32]),
            floor: Floor {
                epoch: 1,
                version: 1,
                suite: 1,
            },
            bridges: vec![],
            addrs: vec![],
            uses: 1,
            expires: 1_800_000_000,
            seed: Secret::new([3; 32]),
        }
    }

    #[test]
    fn links_go_there_and_back() {
        let link = invite().to_link();
        assert!(link.starts_with("waxwing:"));
        let back = Invite::from_link(&format!("  {link}\n")).unwrap();
        assert_eq!(back.account, Fixed([1; 32]));
        assert_eq!(back.to_link(), link);
        let bare = encode(&Invite {
            floor: Floor {
                epoch: 1,
                version: 300,
                suite: 1,
            },
            ..invite()
        });
        assert_eq!(bare.len(), 118);
    }

    #[test]
    fn damaged_links_are_refused() {
        let link = invite().to_link();
        assert_eq!(Invite::from_link("https://x/").err(), Some(BadLink::Scheme));
        assert_eq!(
            Invite::from_link(&link[..link.len() - 4]).err(),
            Some(BadLink::Malformed)
        );
        assert_eq!(
            Invite::from_link(&format!("{link}AA")).err(),
            Some(BadLink::Malformed)
        );
        assert_eq!(
            Invite::from_link("waxwing:").err(),
            Some(BadLink::Malformed)
        );
        let newer = Invite {
            version: 2,
            ..invite()
        }
        .to_link();
        assert_eq!(Invite::from_link(&newer).err(), Some(BadLink::Version));
        for bad in [
            Invite {
                uses: 0,
                ..invite()
            },
            Invite {
                uses: 101,
                ..invite()
            },
            Invite {
                addrs: vec!["/ip4/127.0.0.1".into(); 9],
                ..invite()
            },
            Invite {
                addrs: vec!["x".repeat(crate::limits::ADDR_BYTES_MAX + 1)],
                ..invite()
            },
        ] {
            assert_eq!(
                Invite::from_link(&bad.to_link()).err(),
                Some(BadLink::Malformed)
            );
        }
    }
}
