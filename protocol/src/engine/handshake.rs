//! Our side of a handshake, for first contact and for repairs.

use super::bridges;
use crate::id::{B32, Hash16, SessionId};
use crate::identity::bundle::Bundle;
use crate::identity::contact::{ContactRow, DeviceRow, SessionRef};
use crate::identity::device;
use crate::outbox::Cx;
use crate::private::Secret;
use crate::session;
use crate::session::handshake::{Target, initiate};
use crate::session::ratchet::{FirstFlight, SessionRow};
use crate::store::StoreError;
use crate::time::secs;
use crate::wire::codec::Blob;

/// Room for the first letter when A decides whether its bundle fits into the init.
const FIRST_LETTER_BYTES: usize = 330;

/// Our side of HS towards a verified bundle. Adopts the session into `row`; the caller puts it.
pub(super) fn begin(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    row: &mut DeviceRow,
    bundle: &Bundle,
    bundle_hash: B32,
    opk: Option<(u32, B32)>,
    psk: Option<(Hash16, Secret<32>)>,
) -> Result<Option<SessionId>, StoreError> {
    let born = secs(cx.at.now).max(row.born + 1);
    let objects = device::objects(cx.tx, &cx.own)?;
    let own_bundle = device::current_bundle(cx.tx)?;
    let first_letter = FIRST_LETTER_BYTES + contact.note.len();
    let to = Target {
        bundle,
        bundle_hash,
        opk,
        psk,
    };
    let made = initiate(
        &cx.own,
        &objects,
        &own_bundle,
        &to,
        born,
        first_letter,
        cx.at.rng,
    );
    // Only a malformed key of theirs can fail here; there is nobody to tell.
    let Ok(made) = made else { return Ok(None) };
    let first = FirstFlight {
        pb: Blob(made.pb),
        eid: Blob(made.eid),
        sealed: 0,
    };
    let session = SessionRow::initiator(
        &made.keys,
        contact.no,
        bundle.device,
        bundle.spk.key,
        first,
        born,
        cx.at.now,
    );
    let new = SessionRef {
        id: made.keys.sid,
        born,
        th2: made.keys.th2,
        ready: true,
        broken: false,
        k_mbx: made.keys.k_mbx,
        k_exp: made.keys.k_exp,
        made_at: cx.at.now,
        initiator: Some(true),
    };
    session::adopt(cx.tx, row, &session, new);
    // Their answer may come through a bridge.
    bridges::lane(cx, contact.no, &bundle.device, &session.id)?;
    Ok(Some(session.id))
}
