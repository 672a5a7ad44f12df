//! Engines that are wrong on purpose: the real one with one thing spoiled at its door.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use waxwing_protocol::frame::Frame;
use waxwing_protocol::id::{AccountId, Fixed, Mid};
use waxwing_protocol::input::{BridgeSettings, Command, Input, Moment};
use waxwing_protocol::mailbox::blocks::Held;
use waxwing_protocol::mailbox::talk::{Ask, Tell};
use waxwing_protocol::output::{Answer, ContactState, Output, State};
use waxwing_protocol::private::Bytes;
use waxwing_protocol::query::{
    Change, ChangeView, Changes, ContactView, Hunt, Me, MessageView, Page, RequestView, StatusView,
};
use waxwing_protocol::store::{Key, Read, StoreError, Table, Tx};
use waxwing_protocol::wire::codec::{decode, encode};
use waxwing_tests::engine::{Engine, Real};
use waxwing_tests::frames;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    AnswersTwice,
    AnswersNot,
    BelievesGarbage,
    CannotQuery,
    ChangesTheOrderForOne,
    ChangesTheText,
    ChokesOnGarbage,
    CountsUnreadWrong,
    DropsTheLog,
    FloodsOutputs,
    ForgetsKeys,
    ForgetsEdits,
    ForgetsReactions,
    HidesEditsOfOthers,
    GivesOwnNames,
    KeepsDeleted,
    KeepsErased,
    KeepsDisappearing,
    HidesDisappearing,
    ForgetsTimers,
    ForgetsTimersForOne,
    ForgetsReading,
    GivesOneIdTwice,
    HidesReactionsOfOthers,
    HidesTheirMessages,
    HoardsRows,
    Invents,
    KeepsAwake,
    KeepsTheOutbox,
    ListsContactsTwice,
    MovesStatesBack,
    NeverConnects,
    NeverNotifies,
    NeverShowsReceipts,
    OverlooksOne,
    PenalisesFriends,
    RepeatsTheLog,
    ReusesChainPlaces,
    ReusesKeys,
    SaysItSent,
    SendsTooMuch,
    ShowsTwice,
    StuttersInTheList,
    RollsItsOwnDice,
    AcknowledgesUnread,
    DropsAtBridges,
    DropsAtNorth,
    MarksBlocks,
    OverfillsBridges,
    TagsBlocksAlike,
    TellsBridges,
}

/// The real engine with a fault.
pub struct Wrong {
    pub fault: Fault,
    pub calls: Cell<u32>,
    /// Messages that were shown once.
    kept: RefCell<BTreeMap<(String, Mid), MessageView>>,
    /// Somebody's account.
    told: RefCell<Option<AccountId>>,
}

thread_local! {
    /// Counts engines: survives from one run to the next, as no engine's state may.
    static OWN_DICE: Cell<u32> = const { Cell::new(0) };
}

impl Wrong {
    pub fn new(fault: Fault) -> Self {
        OWN_DICE.set(OWN_DICE.get() + 1);
        Self {
            fault,
            calls: Cell::new(0),
            kept: RefCell::default(),
            told: RefCell::default(),
        }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn spoil(&self, input: &Input, at: &Moment<'_>, out: &mut Vec<Output>) {
        let last_send = out.iter().find_map(|output| match output {
            Output::Send { to, bytes, .. } if frames::letter(bytes).is_some() => {
                Some((*to, bytes.clone()))
            }
            _ => None,
        });
        match self.fault {
            Fault::AnswersTwice => {
                let replies = out.iter().filter(|o| matches!(o, Output::Reply { .. }));
                let replies: Vec<_> = replies.cloned().collect();
                out.extend(replies);
            }
            Fault::AnswersNot if is_send(input) => {
                out.retain(|output| !matches!(output, Output::Reply { .. }));
            }
            Fault::GivesOneIdTwice if is_send(input) => {
                for output in out {
                    if let Output::Reply {
                        result: Ok(Answer::Message { id, .. }),
                        ..
                    } = output
                    {
                        *id = Fixed([7; 16]);
                    }
                }
            }
            Fault::FloodsOutputs => {
                out.extend((0..5_000).map(|n| Output::WakeAt(at.now + 1_000_000 + n)));
            }
            Fault::KeepsAwake => out.push(Output::WakeAt(at.now)),
            Fault::NeverNotifies => out.retain(|o| !matches!(o, Output::Notify { .. })),
            Fault::PenalisesFriends => {
                if let Input::Frame { from, .. } = input {
                    out.push(Output::Penalty {
                        peer: *from,
                        points: 10,
                    });
                }
            }
            Fault::RollsItsOwnDice => {
                if let Input::Frame { from, .. } = input {
                    out.push(Output::Penalty {
                        peer: *from,
                        points: OWN_DICE.get() % 9,
                    });
                }
            }
            Fault::ReusesKeys => {
                if let Some((to, mut bytes)) = last_send {
                    if let Some(byte) = bytes.last_mut() {
                        *byte ^= 1;
                    }
                    out.push(Output::Send { to, id: 0, bytes });
                }
            }
            Fault::ReusesChainPlaces => {
                if let Some((to, mut bytes)) = last_send {
                    let salt = frames::letter(&bytes).unwrap().salt;
                    let place = bytes.windows(16).position(|w| w == salt).unwrap();
                    bytes[place] ^= 1;
                    out.push(Output::Send { to, id: 0, bytes });
                }
            }
            Fault::SendsTooMuch => {
                if let Some((to, _)) = last_send {
                    out.push(Output::Send {
                        to,
                        id: 0,
                        bytes: vec![0; 80 * 1024],
                    });
                }
            }
            _ => {}
        }
    }
}

fn is_send(input: &Input) -> bool {
    matches!(
        input,
        Input::Command {
            command: Command::Send { .. },
            ..
        }
    )
}

impl Engine for Wrong {
    fn handle(
        &self,
        tx: &mut Tx<'_>,
        at: &mut Moment<'_>,
        mut input: Input,
    ) -> Result<Vec<Output>, StoreError> {
        self.calls.set(self.calls.get() + 1);
        if self.is(Fault::ForgetsKeys)
            && let Input::Command { key, .. } = &mut input
        {
            *key = None;
        }
        let clears = matches!(
            &input,
            Input::Command {
                command: Command::Clear { .. },
                ..
            }
        );
        if (self.is(Fault::SaysItSent) && is_send(&input))
            || (self.is(Fault::KeepsErased) && clears)
        {
            // Everything is answered, nothing is kept.
            let mut nowhere = Tx::new(&*tx);
            return Real.handle(&mut nowhere, at, input);
        }
        if let Some(out) = self.with_bridges(tx, at, &input)? {
            return Ok(out);
        }
        if self.is(Fault::HoardsRows) {
            let row = Key::new(Table::Online, *b"hoard", self.calls.get().to_be_bytes());
            tx.put(row, &1u8);
        }
        let garbage = matches!(&input, Input::Frame { bytes, .. } if !is_frame(bytes));
        if garbage && self.is(Fault::ChokesOnGarbage) {
            return Err(StoreError::Damaged(Table::Meta));
        }
        let mut out = Real.handle(tx, at, input.clone())?;
        if garbage && self.is(Fault::BelievesGarbage) {
            let command = Command::Rename {
                name: format!("renamed {}", self.calls.get()),
            };
            let rename = Input::Command {
                reply_to: 0,
                key: None,
                command,
            };
            let done = Real.handle(tx, at, rename)?;
            out.extend(
                done.into_iter()
                    .filter(|o| matches!(o, Output::Notify { .. })),
            );
        }
        self.spoil(&input, at, &mut out);
        Ok(out)
    }

    fn me(&self, store: &dyn Read) -> Result<Option<Me>, StoreError> {
        Real.me(store)
    }

    fn contacts(&self, store: &dyn Read) -> Result<Vec<ContactView>, StoreError> {
        let mut contacts = Real.contacts(store)?;
        match self.fault {
            Fault::CannotQuery => return Err(StoreError::Damaged(Table::Contact)),
            Fault::ListsContactsTwice => contacts.extend(contacts.clone()),
            Fault::NeverConnects => {
                contacts
                    .iter_mut()
                    .for_each(|c| c.state = ContactState::Pending);
            }
            Fault::GivesOwnNames => {
                let named = contacts.iter_mut().filter(|c| c.name.contains(' '));
                named.for_each(|c| c.name = "somebody".into());
            }
            Fault::ForgetsTimers => contacts.iter_mut().for_each(|c| c.disappear_s = None),
            Fault::ForgetsTimersForOne => contacts
                .iter_mut()
                .filter(|c| c.name == "bob")
                .for_each(|c| c.disappear_s = None),
            Fault::CountsUnreadWrong => contacts.iter_mut().for_each(|c| c.unread += 1),
            _ => {}
        }
        Ok(contacts)
    }

    fn requests(&self, store: &dyn Read) -> Result<Vec<RequestView>, StoreError> {
        Real.requests(store)
    }

    fn messages(
        &self,
        store: &dyn Read,
        name: &str,
        page: &Page,
    ) -> Result<Option<Vec<MessageView>>, StoreError> {
        let Some(mut list) = Real.messages(store, name, page)? else {
            return Ok(None);
        };
        match self.fault {
            Fault::HidesTheirMessages => list.retain(|m| m.mine),
            Fault::StuttersInTheList => list.extend(list.clone()),
            Fault::ChangesTheOrderForOne if name == "bob" => list.reverse(),
            Fault::ChangesTheText => {
                list.iter_mut()
                    .filter(|m| !m.mine)
                    .for_each(|m| m.text = Some("x".into()));
            }
            Fault::Invents => {
                let mut other = list.first().cloned();
                other.iter_mut().for_each(|m| {
                    m.id = Fixed([9; 16]);
                    m.text = Some("never said".into());
                });
                list.extend(other);
            }
            Fault::NeverShowsReceipts => {
                list.iter_mut()
                    .filter(|m| m.mine)
                    .for_each(|m| m.state = State::Sent);
            }
            Fault::ForgetsReading => {
                list.iter_mut()
                    .filter(|m| !m.mine)
                    .for_each(|m| m.state = State::Delivered);
            }
            Fault::ForgetsEdits => list.iter_mut().filter(|m| m.edited).for_each(|m| {
                m.text = Some("one".into());
                m.edited = false;
            }),
            Fault::HidesEditsOfOthers => {
                let others = list.iter_mut().filter(|m| !m.mine && m.edited);
                others.for_each(|m| m.edited = false);
            }
            Fault::KeepsDeleted => {
                let deleted = list.iter_mut().filter(|m| m.state == State::Deleted);
                deleted.for_each(|m| m.state = State::Delivered);
            }
            Fault::KeepsDisappearing => {
                let mut kept = self.kept.borrow_mut();
                for message in list.drain(..) {
                    kept.insert((name.to_owned(), message.id), message);
                }
                list.extend(
                    kept.iter()
                        .filter(|((n, _), _)| n == name)
                        .map(|(_, m)| m.clone()),
                );
                list.sort_by_key(|m| m.clock);
            }
            Fault::HidesDisappearing => list.retain(|m| m.disappear_s.is_none()),
            Fault::ForgetsReactions => list.iter_mut().for_each(|m| m.reactions.clear()),
            Fault::HidesReactionsOfOthers => {
                list.iter_mut().for_each(|m| m.reactions.retain(|r| r.mine));
            }
            _ => {}
        }
        Ok(Some(list))
    }

    fn message(&self, store: &dyn Read, id: &Mid) -> Result<Option<MessageView>, StoreError> {
        Real.message(store, id)
    }

    fn changes(&self, store: &dyn Read, after: u64, limit: usize) -> Result<Changes, StoreError> {
        let back = match self.fault {
            Fault::RepeatsTheLog => after.saturating_sub(1),
            Fault::DropsTheLog if after > 0 => return Ok(Changes::Gone { oldest: after + 1 }),
            _ => after,
        };
        let Changes::Rows(mut rows) = Real.changes(store, back, limit)? else {
            return Real.changes(store, back, limit);
        };
        for row in &mut rows {
            self.spoil_change(store, row)?;
        }
        Ok(Changes::Rows(rows))
    }

    fn status(&self, store: &dyn Read) -> Result<StatusView, StoreError> {
        let mut status = Real.status(store)?;
        if self.is(Fault::KeepsTheOutbox) {
            status.outbox += 1;
        }
        Ok(status)
    }

    fn search(&self, store: &dyn Read, hunt: &Hunt) -> Result<Vec<MessageView>, StoreError> {
        let mut found = Real.search(store, hunt)?;
        if self.is(Fault::OverlooksOne) {
            found.pop();
        }
        Ok(found)
    }
}

impl Wrong {
    fn spoil_change(&self, store: &dyn Read, row: &mut ChangeView) -> Result<(), StoreError> {
        let Change::State { id, state, .. } = &mut row.change else {
            return Ok(());
        };
        match self.fault {
            Fault::MovesStatesBack if *state == State::Read => *state = State::Queued,
            Fault::ShowsTwice => {
                if let Some(message) = Real.message(store, id)? {
                    row.change = Change::Message(message);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Wrong {
    /// What is wrong with bridges, or with those who use them.
    fn with_bridges(
        &self,
        tx: &mut Tx<'_>,
        at: &mut Moment<'_>,
        input: &Input,
    ) -> Result<Option<Vec<Output>>, StoreError> {
        let Some(bridge) = at.settings.bridge.clone() else {
            return self.as_device(tx, input);
        };
        match self.fault {
            Fault::OverfillsBridges => {
                let mut settings = at.settings.clone();
                settings.bridge = Some(BridgeSettings {
                    quota_bytes: u64::MAX,
                    ..bridge
                });
                let mut at = Moment {
                    now: at.now,
                    rng: at.rng,
                    settings: &settings,
                };
                return Real.handle(tx, &mut at, input.clone()).map(Some);
            }
            Fault::TellsBridges => {
                if let Some(account) = &*self.told.borrow() {
                    tx.put(Key::one(Table::Meta, *b"gossip"), account);
                }
                return Ok(None);
            }
            Fault::DropsAtNorth if bridge.operator != "north" => return Ok(None),
            Fault::DropsAtNorth
            | Fault::DropsAtBridges
            | Fault::MarksBlocks
            | Fault::TagsBlocksAlike => {}
            _ => return Ok(None),
        }
        let mut inner = Tx::new(&*tx);
        let out = Real.handle(&mut inner, at, input.clone())?;
        let mut batch = inner.into_batch();
        let new =
            |(key, value): &(&Key, &Option<Bytes>)| key.table() == Table::Block && value.is_some();
        let keys: Vec<Key> = batch
            .iter()
            .filter(new)
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            let value = batch[&key].as_ref().unwrap();
            let mut held: Held = decode(value).unwrap();
            // An answer is no letter.
            if held.block[1] != 1 {
                continue;
            }
            match self.fault {
                Fault::MarksBlocks => held.block.0[21..45].fill(7),
                Fault::TagsBlocksAlike => held.block.0[3..19].fill(7),
                _ => {
                    batch.remove(&key);
                    continue;
                }
            }
            batch.insert(key, Some(Bytes::new(encode(&held))));
        }
        tx.absorb(batch);
        Ok(Some(out))
    }

    fn as_device(&self, tx: &Tx<'_>, input: &Input) -> Result<Option<Vec<Output>>, StoreError> {
        match (self.fault, input) {
            (Fault::TellsBridges, _) => {
                if let Some(me) = Real.me(tx)? {
                    *self.told.borrow_mut() = Some(me.account);
                }
            }
            (Fault::AcknowledgesUnread, Input::Frame { from, bytes }) => {
                if let Ok(Frame::Tell(Tell::Blocks(blocks, _))) = Frame::open(bytes)
                    && let Some((last, _)) = blocks.last()
                {
                    let ack = Frame::Ask(Ask::Ack(*last, Vec::new()));
                    return Ok(Some(vec![Output::Send {
                        to: *from,
                        id: u64::MAX,
                        bytes: ack.to_bytes(),
                    }]));
                }
            }
            _ => {}
        }
        Ok(None)
    }
}

fn is_frame(bytes: &[u8]) -> bool {
    matches!(bytes, [0x82, 1..=9, ..])
}
