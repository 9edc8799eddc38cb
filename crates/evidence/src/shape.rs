//! The JSON shapes of rows, with stable keys: what `-o jsonl` prints and `flows.jsonl` holds. A key
//! is absent when its value is not known or its source is not built; it is never null. Times are
//! RFC 3339 in UTC, sizes bytes, countries ISO 3166-1 codes, AS numbers plain numbers.

mod address;
mod assessment;
mod claim;
mod destination;
mod detail;
mod difference;
mod flag;
mod flow;
mod judged;
mod known;
mod message;
mod name_history;
mod notice;
mod review;
mod round_trip;
mod session;

pub use address::AddressShape;
pub use assessment::AssessmentShape;
pub use claim::ClaimShape;
pub use destination::{DESTINATION_KEYS, DestinationShape};
pub use detail::FlowDetailShape;
pub use difference::DifferenceShape;
pub(crate) use flag::policies;
pub use flag::{FlagReasons, FlagShape};
pub use flow::{FLOW_KEYS, FlowShape};
pub(crate) use known::Countries;
pub use message::{MESSAGE_KEYS, MessageShape};
pub use name_history::NameHistoryShape;
pub use notice::NoticeShape;
pub use review::{ReviewRecordShape, ReviewShape, ReviewState};
pub use round_trip::{HandshakeShape, RoundTripsShape};
pub use session::SessionShape;

use serde::{Serialize, Serializer};

/// The version of the keys and their meaning, in every row. It grows when either changes.
pub const SCHEMA: u32 = 1;

/// A value by its text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<T>(pub T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// For `skip_serializing_if`: what is not the case needs no key.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}
