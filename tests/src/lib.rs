//! The simulator: many engines, one virtual clock, one seed.
//!
//! Nothing in it opens a socket, reads a wall clock or rolls dice that the seed does not decide.
//! A run is therefore a bug report: the same seed gives the same run, to the byte. People run
//! their engines by the rules of the real shell (inputs queue up, a group is one batch, outputs
//! leave after it), a reference model beside them knows what every acknowledged command must
//! finally lead to, and checks compare the two while the run goes on and once it has settled.
//!
//! Beside it stand [`process`] and [`http`]: real nodes, each a process with a home on a real disk,
//! for the few tests that need them, and for [`mod@bench`].
//! for the few tests that need them. [`cut`] is the store of such a home under power cuts.

pub mod address;
pub mod bench;
pub mod chart;
pub mod check;
pub mod cut;
pub mod dice;
pub mod engine;
pub mod fade;
pub mod frames;
pub mod garbage;
pub mod http;
pub mod link;
pub mod model;
pub mod net;
pub mod person;
pub mod process;
pub mod report;
pub mod rows;
pub mod scene;
pub mod secrets;
pub mod settle;
pub mod shell;
pub mod step;
pub mod storm;
pub mod talk;
pub mod traffic;
pub mod watch;
pub mod world;
