//! The works: what is done through each subject, how much of it, and what Landfall should cost.

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    KeepAliveH1,
    KeepAliveH2,
    SameHost,
    FreshHosts,
    Download,
    Upload,
    FirstByte,
    Idle,
}

impl Work {
    pub(crate) const ALL: [Self; 8] = [
        Self::KeepAliveH1,
        Self::KeepAliveH2,
        Self::SameHost,
        Self::FreshHosts,
        Self::Download,
        Self::Upload,
        Self::FirstByte,
        Self::Idle,
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|work| work.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::KeepAliveH1 => "h1",
            Self::KeepAliveH2 => "h2",
            Self::SameHost => "same-host",
            Self::FreshHosts => "fresh-hosts",
            Self::Download => "download",
            Self::Upload => "upload",
            Self::FirstByte => "first-byte",
            Self::Idle => "idle",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::KeepAliveH1 => "HTTP/1.1 keep-alive, 50 connections, 1 KiB",
            Self::KeepAliveH2 => "HTTP/2, 4 connections of 32 streams, 1 KiB",
            Self::SameHost => "fresh connection to one host",
            Self::FreshHosts => "fresh connection to a fresh host",
            Self::Download => "download of 1 GiB",
            Self::Upload => "upload of 512 MiB",
            Self::FirstByte => "first byte of 1 MiB, keep-alive",
            Self::Idle => "1,000 idle connections, one exchange behind each",
        }
    }

    /// What is counted.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::KeepAliveH1 | Self::KeepAliveH2 | Self::FirstByte => "request",
            Self::SameHost | Self::FreshHosts | Self::Idle => "connection",
            Self::Download | Self::Upload => "MiB",
        }
    }

    /// The unit of what is measured beside rate and processor time.
    pub(crate) fn value_unit(self) -> Option<&'static str> {
        match self {
            Self::FirstByte => Some("us"),
            Self::Idle => Some("KiB each"),
            _ => None,
        }
    }

    /// Done through recorders of other people too, to compare rates.
    pub(crate) fn has_rivals(self) -> bool {
        matches!(self, Self::KeepAliveH1 | Self::KeepAliveH2 | Self::SameHost | Self::FreshHosts)
    }

    /// Units of one round.
    pub(crate) fn units(self, quick: bool) -> usize {
        let whole = match self {
            Self::KeepAliveH1 => 40_000,
            Self::KeepAliveH2 => 60_000,
            Self::SameHost => 1_500,
            Self::FreshHosts => 1_000,
            Self::Download => 1_024,
            Self::Upload => 512,
            Self::FirstByte => 100,
            Self::Idle => 1_000,
        };
        if quick { whole / 10 } else { whole }
    }

    /// nginx may keep its connections to the upstream.
    pub(crate) fn keepalive(self) -> bool {
        !matches!(self, Self::SameHost | Self::FreshHosts)
    }

    /// What is to be reached, in words.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::KeepAliveH1 => "<= 1.8 x nginx, aim 1.4; >= 40 x mitmdump's rate",
            Self::KeepAliveH2 => "<= 1.2 x nginx, aim 0.9",
            Self::SameHost => "<= 0.8 x nginx, aim 0.65; >= 12 x mitmdump's rate",
            Self::FreshHosts => "< 120 MiB at its peak",
            Self::Download | Self::Upload => "<= 1.6 x nginx, aim 1.3; < 60 MiB at its peak",
            Self::FirstByte => "within 2 ms of direct",
            Self::Idle => "<= 50 KiB each",
        }
    }
}
