//! The words before the colon.

/// The keys of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    Host,
    Path,
    Type,
    Device,
    App,
    Method,
    Protocol,
    Why,
    Outcome,
    ConnectionOutcome,
    Flag,
    Operator,
    Country,
    OperatorCountry,
    Registered,
    AsRegistered,
    Location,
    Confidence,
    Asn,
    Cname,
    Anycast,
    Address,
    Port,
    Treatment,
    Distrust,
    Status,
    Size,
    Up,
    Down,
    Time,
    Has,
    Connection,
    Id,
    Simulated,
}

impl Key {
    /// A word that begins with a key and `=`, `<` or `>`, as it was probably meant: `size>10` as
    /// `size:>10`.
    pub(super) fn before_operator(word: &str) -> Option<String> {
        let (key, rest) = word.split_at_checked(word.find(['=', '<', '>'])?)?;
        let key = Self::ALL.into_iter().find(|known| known.word().eq_ignore_ascii_case(key))?;
        Some(format!("{}:{}", key.word(), rest.strip_prefix('=').unwrap_or(rest)))
    }

    /// All keys, in the order in which completion offers them.
    pub const ALL: [Self; 34] = [
        Self::Host,
        Self::Path,
        Self::Type,
        Self::Device,
        Self::App,
        Self::Method,
        Self::Protocol,
        Self::Why,
        Self::Outcome,
        Self::ConnectionOutcome,
        Self::Flag,
        Self::Operator,
        Self::Country,
        Self::OperatorCountry,
        Self::Registered,
        Self::AsRegistered,
        Self::Location,
        Self::Confidence,
        Self::Asn,
        Self::Cname,
        Self::Anycast,
        Self::Address,
        Self::Port,
        Self::Treatment,
        Self::Distrust,
        Self::Status,
        Self::Size,
        Self::Up,
        Self::Down,
        Self::Time,
        Self::Has,
        Self::Connection,
        Self::Id,
        Self::Simulated,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Path => "path",
            Self::Type => "type",
            Self::Device => "device",
            Self::App => "app",
            Self::Method => "method",
            Self::Protocol => "protocol",
            Self::Why => "why",
            Self::Outcome => "outcome",
            Self::ConnectionOutcome => "connection-outcome",
            Self::Flag => "flag",
            Self::Operator => "operator",
            Self::Country => "country",
            Self::OperatorCountry => "operator-country",
            Self::Registered => "registered",
            Self::AsRegistered => "as-registered",
            Self::Location => "location",
            Self::Confidence => "confidence",
            Self::Asn => "asn",
            Self::Cname => "cname",
            Self::Anycast => "anycast",
            Self::Address => "address",
            Self::Port => "port",
            Self::Treatment => "treatment",
            Self::Distrust => "distrust",
            Self::Status => "status",
            Self::Size => "size",
            Self::Up => "up",
            Self::Down => "down",
            Self::Time => "time",
            Self::Has => "has",
            Self::Connection => "connection",
            Self::Id => "id",
            Self::Simulated => "simulated",
        }
    }
}
