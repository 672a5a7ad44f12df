//! Everything that the engine wants done, performed only after the commit is durable.

pub use crate::feed::view::State;
use crate::id::{AccountId, B32, Mid, Peer};
pub use crate::identity::contact::ContactState;
use crate::time::{Millis, Secs};
use alloc::string::String;
use alloc::vec::Vec;

/// One thing to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// The answer to a command.
    Reply {
        /// As in the command.
        reply_to: u64,
        /// What came of it.
        result: Result<Answer, Refusal>,
    },
    /// Write a frame to a connected peer; if that cannot be done, say
    /// [`crate::input::Input::Undelivered`].
    Send {
        /// To whom.
        to: Peer,
        /// Names this send.
        id: u64,
        /// One whole frame.
        bytes: Vec<u8>,
    },
    /// Connect to a peer, unless connected; if no address leads there, say
    /// [`crate::input::Input::DialFailed`].
    Dial {
        /// Whom.
        peer: Peer,
        /// Multiaddrs to try.
        addrs: Vec<String>,
    },
    /// The change log grew up to this cursor.
    Notify {
        /// Newest cursor.
        cursor: u64,
    },
    /// Wake the engine at this time at the latest; only a hint.
    WakeAt(Millis),
    /// A peer sent nonsense or asked for costly work: charge its budget.
    Penalty {
        /// Whom.
        peer: Peer,
        /// 2 for a stranger's valid request, 10 for nonsense.
        points: u32,
    },
}

/// What came of a command.
#[derive(Clone, PartialEq, Eq, Debug, minicbor::Encode, minicbor::Decode)]
pub enum Answer {
    /// The account that was made or renamed.
    #[n(0)]
    Account {
        /// Its id.
        #[n(0)]
        account: AccountId,
    },
    /// An invite.
    #[n(1)]
    Invite {
        /// `waxwing:…`
        #[n(0)]
        link: String,
        /// Unix seconds.
        #[n(1)]
        expires: Secs,
        /// How often it can be used.
        #[n(2)]
        uses: u8,
    },
    /// A contact was added, accepted, declined or blocked.
    #[n(2)]
    Contact {
        /// Its petname.
        #[n(0)]
        name: String,
        /// Its account.
        #[n(1)]
        account: AccountId,
        /// Where it stands now.
        #[n(2)]
        state: ContactState,
    },
    /// A message, or a reaction to it.
    #[n(3)]
    Message {
        /// Its id.
        #[n(0)]
        id: Mid,
        /// Its state now.
        #[n(1)]
        state: State,
    },
    /// So many messages were marked as read.
    #[n(4)]
    Marked {
        /// How many.
        #[n(0)]
        count: u64,
    },
    /// A contact was removed.
    #[n(7)]
    Removed {
        /// The petname it had.
        #[n(0)]
        name: String,
        /// `wax1…`
        #[n(1)]
        address: String,
    },
    /// What came of messages that were to be taken in.
    #[n(10)]
    Imported {
        /// So many are here now.
        #[n(0)]
        added: u32,
        /// So many were here already.
        #[n(1)]
        there: u32,
        /// Those that no home can hold.
        #[n(2)]
        refused: Vec<Unfit>,
    },
    /// A bridge was added or given up.
    #[n(11)]
    Bridge {
        /// Its id.
        #[n(0)]
        bridge: B32,
        /// Who runs it.
        #[n(1)]
        operator: String,
        /// ISO 3166-1 alpha-2.
        #[n(2)]
        country: String,
    },
    /// Nothing more to say.
    #[n(5)]
    Done,
    /// After which time messages disappear now.
    #[n(6)]
    Timer {
        /// Seconds; 0: they stay.
        #[n(0)]
        secs: Secs,
        /// The message that says so; `None` if it was so before.
        #[n(1)]
        id: Option<Mid>,
    },
}

/// A message that was not taken in.
#[derive(Clone, PartialEq, Eq, Debug, minicbor::Encode, minicbor::Decode)]
pub struct Unfit {
    /// Which of those in the command.
    #[n(0)]
    pub index: u32,
    /// Snake-case word.
    #[n(1)]
    pub code: String,
    /// One sentence.
    #[n(2)]
    pub message: String,
}

/// Why a command was refused; decides the exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum RefusalKind {
    /// The command's words are wrong.
    #[n(0)]
    Invalid,
    /// No such contact, message, request.
    #[n(1)]
    NotFound,
    /// It clashes with what is there.
    #[n(2)]
    Conflict,
    /// A rule or a limit forbids it.
    #[n(3)]
    Policy,
}

/// A refusal: a stable code for programs, a sentence and a hint for people.
#[derive(Clone, PartialEq, Eq, Debug, minicbor::Encode, minicbor::Decode)]
pub struct Refusal {
    /// What kind.
    #[n(0)]
    pub kind: RefusalKind,
    /// Snake-case word, such as `not_found` or `text_too_long`.
    #[n(1)]
    pub code: String,
    /// One sentence.
    #[n(2)]
    pub message: String,
    /// What to try.
    #[n(3)]
    pub hint: Option<String>,
}
