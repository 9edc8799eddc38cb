//! What can be asked of a session: which rows, in which order, how many.

use super::reviewed::Reviewed;
use flow::filter::Filter;
use flow::time::WallNanos;
use std::sync::Arc;

/// A listing of flows.
#[derive(Clone, Debug)]
pub struct FlowQuery {
    pub filter: Filter,
    /// First key first; flows that are equal in all of them are in the order of their ids.
    pub sort: Vec<(FlowColumn, Order)>,
    pub limit: Option<u64>,
    pub offset: u64,
    /// What relative times in the filter are relative to.
    pub now: WallNanos,
    /// What people made of the session, for the rows and for the filter.
    pub reviewed: Arc<Reviewed>,
}

impl FlowQuery {
    /// Everything that matches, oldest first.
    pub fn all(filter: Filter, now: WallNanos) -> Self {
        let sort = vec![(FlowColumn::Time, Order::Ascending)];
        let reviewed = Arc::default();
        Self { filter, sort, limit: None, offset: 0, now, reviewed }
    }
}

/// A listing of destinations.
#[derive(Clone, Debug)]
pub struct DestinationQuery {
    pub by: GroupBy,
    /// Which flows count.
    pub filter: Filter,
    pub sort: Vec<(DestinationColumn, Order)>,
    pub limit: Option<u64>,
    pub offset: u64,
    pub now: WallNanos,
    /// What people made of the session, for the rows and for the filter.
    pub reviewed: Arc<Reviewed>,
}

impl DestinationQuery {
    /// Everything that matches, by host, the host's name in order.
    pub fn all(filter: Filter, now: WallNanos) -> Self {
        let sort = vec![(DestinationColumn::Key, Order::Ascending)];
        let (by, reviewed) = (GroupBy::Host, Arc::default());
        Self { by, filter, sort, limit: None, offset: 0, now, reviewed }
    }
}

/// Rows without a value come last in both orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    Ascending,
    Descending,
}

/// What destinations are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupBy {
    Host,
    Operator,
    Asn,
    /// The country on which nothing disagrees.
    Country,
    Address,
}

impl GroupBy {
    pub const ALL: [Self; 5] =
        [Self::Host, Self::Operator, Self::Asn, Self::Country, Self::Address];

    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Operator => "operator",
            Self::Asn => "asn",
            Self::Country => "country",
            Self::Address => "address",
        }
    }
}

/// Columns that flows can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowColumn {
    Id,
    Time,
    Device,
    App,
    Host,
    Port,
    Address,
    Treatment,
    Why,
    Distrust,
    Protocol,
    Method,
    Path,
    Status,
    RequestBytes,
    ResponseBytes,
    Type,
    Duration,
    Outcome,
    Country,
    Asn,
    AsName,
    Operator,
    OperatorCountry,
    /// Flagged flows last, or first when descending.
    Flags,
}

impl FlowColumn {
    pub const ALL: [Self; 25] = [
        Self::Id,
        Self::Time,
        Self::Device,
        Self::App,
        Self::Host,
        Self::Port,
        Self::Address,
        Self::Treatment,
        Self::Why,
        Self::Distrust,
        Self::Protocol,
        Self::Method,
        Self::Path,
        Self::Status,
        Self::RequestBytes,
        Self::ResponseBytes,
        Self::Type,
        Self::Duration,
        Self::Outcome,
        Self::Country,
        Self::Asn,
        Self::AsName,
        Self::Operator,
        Self::OperatorCountry,
        Self::Flags,
    ];

    /// The key of the row in exports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Time => "time",
            Self::Device => "device",
            Self::App => "app",
            Self::Host => "host",
            Self::Port => "port",
            Self::Address => "address",
            Self::Treatment => "treatment",
            Self::Why => "why",
            Self::Distrust => "distrust",
            Self::Protocol => "protocol",
            Self::Method => "method",
            Self::Path => "path",
            Self::Status => "status",
            Self::RequestBytes => "request_bytes",
            Self::ResponseBytes => "response_bytes",
            Self::Type => "type",
            Self::Duration => "duration",
            Self::Outcome => "outcome",
            Self::Country => "country",
            Self::Asn => "asn",
            Self::AsName => "as_name",
            Self::Operator => "operator",
            Self::OperatorCountry => "operator_country",
            Self::Flags => "flags",
        }
    }
}

/// Columns that destinations can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DestinationColumn {
    /// What they are grouped by, such as the host.
    Key,
    Country,
    Asn,
    Operator,
    OperatorCountry,
    Contact,
    OperatorLevel,
    LocationLevel,
    ContentLevel,
    /// Number of flags.
    Flags,
    FirstSeen,
    LastSeen,
    Flows,
    BytesUp,
    BytesDown,
}

impl DestinationColumn {
    pub const ALL: [Self; 15] = [
        Self::Key,
        Self::Country,
        Self::Asn,
        Self::Operator,
        Self::OperatorCountry,
        Self::Contact,
        Self::OperatorLevel,
        Self::LocationLevel,
        Self::ContentLevel,
        Self::Flags,
        Self::FirstSeen,
        Self::LastSeen,
        Self::Flows,
        Self::BytesUp,
        Self::BytesDown,
    ];

    /// The key of the row in exports; `key` for what the rows are grouped by.
    pub fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Country => "country",
            Self::Asn => "asn",
            Self::Operator => "operator",
            Self::OperatorCountry => "operator_country",
            Self::Contact => "contact",
            Self::OperatorLevel => "operator_level",
            Self::LocationLevel => "location_level",
            Self::ContentLevel => "content_level",
            Self::Flags => "flags",
            Self::FirstSeen => "first_seen",
            Self::LastSeen => "last_seen",
            Self::Flows => "flows",
            Self::BytesUp => "bytes_up",
            Self::BytesDown => "bytes_down",
        }
    }
}
