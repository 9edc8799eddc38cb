//! Reads sessions back: running ones, closed ones, and those whose process is gone. Everything is
//! typed; what is not known is absent. It writes nothing but the index, which is derived.

pub(crate) mod annotations;
mod bytes;
mod compare;
mod condition;
mod destination;
mod detail;
mod error;
mod facts;
mod flags_now;
mod groups;
mod history;
mod index_file;
mod listing;
mod names;
mod order;
mod passage;
mod query;
mod records;
mod reviewed;
mod round_trips;
mod rows;
mod session;
mod sessions;
pub(crate) mod stretch;
#[cfg(test)]
mod tests;
mod unfinished;

pub use compare::{Compared, Difference, DifferenceKind, Respects, compare};
pub use destination::{AddressSeen, DestinationKey, DestinationRow, Held};
pub use detail::{ConnectionDetail, ExchangeDetail, FlowDetail, Recorded};
pub use error::{Part, ReadError};
pub use facts::Questions;
pub use history::{AddressAnswered, NameChange, NameHistory, Stretch};
pub use names::NameCounts;
pub use passage::{Committed, Passage};
pub use query::{DestinationColumn, DestinationQuery, FlowColumn, FlowQuery, GroupBy, Order};
pub use reviewed::{Judged, Reviewed};
pub use round_trips::LeastTimes;
pub use rows::{Ending, FlowRow, SessionState, SessionSummary, located};
pub use session::Session;
pub use sessions::{Listed, Sessions};
