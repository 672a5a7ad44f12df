//! An account with every key in hand: what an adversary, or another program, can make.

use rand_core::CryptoRng;
use waxwing_protocol::crypto::agree::AgreeKey;
use waxwing_protocol::crypto::derive;
use waxwing_protocol::crypto::sign::SignKey;
use waxwing_protocol::id::{AccountId, B32, DeviceId, Fixed, Hash16, Mid};
use waxwing_protocol::identity::account::{Genesis, RootStatement, SUITE, Signed, account_id};
use waxwing_protocol::identity::bundle::{self, Bundle, PrekeyRow};
use waxwing_protocol::identity::device::OwnRow;
use waxwing_protocol::identity::list::{AccountRow, Device, DeviceList, ListRef};
use waxwing_protocol::limits::LIST_LIFE_S;
use waxwing_protocol::private::Secret;
use waxwing_protocol::session::Letter;
use waxwing_protocol::session::handshake::{Init, SessionKeys, Target, initiate};
use waxwing_protocol::session::ratchet::{FirstFlight, SessionRow};
use waxwing_protocol::time::Secs;
use waxwing_protocol::wire::codec::Blob;

/// One account with one device.
#[derive(Clone)]
pub struct Persona {
    pub root: SignKey,
    pub spare: SignKey,
    pub own: OwnRow,
    pub objects: AccountRow,
    pub list: DeviceList,
    pub prekeys: PrekeyRow,
}

impl Persona {
    /// A well-formed account made at `now`.
    pub fn new(name: &str, now: Secs, rng: &mut dyn CryptoRng) -> Self {
        let (root, spare) = (SignKey::random(rng), SignKey::random(rng));
        let (ask, ak) = (SignKey::random(rng), SignKey::random(rng));
        let (dsk, dik) = (SignKey::random(rng), AgreeKey::random(rng));
        let network = SignKey::random(rng);
        let genesis = Signed::make(
            derive::SIG_GENESIS,
            &root,
            &Genesis {
                suite: SUITE,
                root: root.public(),
                spare_hash: waxwing_protocol::crypto::hash::sha256(&spare.public().0),
                created: now,
                salt: Fixed::random(rng),
            },
        );
        let account = account_id(&genesis);
        let statement = Signed::make(
            derive::SIG_ROOT_STATEMENT,
            &root,
            &RootStatement {
                account,
                epoch: 1,
                ask: ask.public(),
                ak: ak.public(),
                created: now,
                spare: None,
            },
        );
        let device = Device {
            id: DeviceId::random(rng),
            dsk: dsk.public(),
            dik: dik.public(),
            added: now,
            caps: SUITE,
        };
        let list = DeviceList {
            account,
            epoch: 1,
            version: 1,
            issued: now,
            expires: now + LIST_LIFE_S,
            devices: vec![device.clone()],
            revoked: vec![],
            previous: Hash16::ZERO,
        };
        let signed = Signed::make(derive::SIG_DEVICE_LIST, &ask, &list);
        let prekeys = bundle::make(account, device.id, &dsk, dik.public(), 1, now, rng);
        let own = OwnRow {
            account,
            name: name.into(),
            created: now,
            device: device.id,
            list: ListRef {
                epoch: 1,
                version: 1,
                hash: signed.hash16(),
            },
            ak_public: ak.public(),
            peer: network.public(),
            backup: Secret::new([0; 32]),
            dsk,
            dik,
            ask,
            ak,
            network,
        };
        let objects = AccountRow {
            genesis,
            statement,
            list: signed,
            revoked: vec![],
        };
        Self {
            root,
            spare,
            own,
            objects,
            list,
            prekeys,
        }
    }

    pub fn account(&self) -> AccountId {
        self.own.account
    }

    /// Signs another device list.
    pub fn issue(&mut self, change: impl FnOnce(&mut DeviceList)) {
        change(&mut self.list);
        self.objects.list = Signed::make(derive::SIG_DEVICE_LIST, &self.own.ask, &self.list);
        self.own.list = ListRef {
            epoch: self.list.epoch,
            version: self.list.version,
            hash: self.objects.list.hash16(),
        };
    }

    /// Signs another statement with a key of choice.
    pub fn state(&mut self, key: &SignKey, epoch: u32, spare: Option<B32>) {
        let body = RootStatement {
            account: self.own.account,
            epoch,
            ask: self.own.ask.public(),
            ak: self.own.ak_public,
            created: self.own.created,
            spare,
        };
        self.objects.statement = Signed::make(derive::SIG_ROOT_STATEMENT, key, &body);
    }

    /// Signs another bundle.
    pub fn bundle(&self, change: impl FnOnce(&mut Bundle)) -> Signed {
        let mut body: Bundle = self.prekeys.bundle.peek().unwrap();
        change(&mut body);
        Signed::make(derive::SIG_BUNDLE, &self.own.dsk, &body)
    }

    /// Our side of a handshake, and a session to seal letters on.
    pub fn reach(&self, to: &Target<'_>, born: Secs, rng: &mut dyn CryptoRng) -> Reached {
        let made = initiate(
            &self.own,
            &self.objects,
            &self.prekeys.bundle,
            to,
            born,
            300,
            rng,
        )
        .unwrap();
        let first = FirstFlight {
            pb: Blob(made.pb.clone()),
            eid: Blob(made.eid.clone()),
            sealed: 0,
        };
        let spk = to.bundle.spk.key;
        let now = born * 1_000;
        let session = SessionRow::initiator(&made.keys, 1, to.bundle.device, spk, first, born, now);
        Reached {
            pb: made.pb,
            eid: made.eid,
            keys: made.keys,
            session,
        }
    }
}

/// A session as its initiator holds it.
pub struct Reached {
    pub pb: Vec<u8>,
    pub eid: Vec<u8>,
    pub keys: SessionKeys,
    pub session: SessionRow,
}

impl Reached {
    /// Wraps a letter as the first flight does.
    pub fn wrap(&self, letter: Letter) -> Init {
        Init {
            pb: Blob(self.pb.clone()),
            eid: Blob(self.eid.clone()),
            letter,
        }
    }
}

/// The plaintext of a body that belongs to no conversation.
pub fn plain_of(
    own: &OwnRow,
    body: &waxwing_protocol::feed::body::Body,
    rng: &mut dyn CryptoRng,
) -> Vec<u8> {
    use waxwing_protocol::feed::body::{NO_LIST, Plain};
    waxwing_protocol::wire::codec::encode(&Plain {
        sender_list: own.list,
        recipient_list: NO_LIST,
        mid: Mid::random(rng),
        conversation: None,
        clock: None,
        body: body.to_typed(),
        custody: None,
        timer: None,
        sent: None,
    })
}
