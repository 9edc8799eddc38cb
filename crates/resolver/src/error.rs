//! Why no resolver could be set up: always a matter of this machine's configuration. What goes
//! wrong during a look-up is no error but its outcome ([`flow::dns::LookupOutcome`]).

use crate::server::Server;
use flow::address::DnsName;
use hickory_resolver::net::NetError;
use std::fmt;
use std::io;

/// Why no resolver could be set up. [`Error::hint`] says what the operator can do.
#[derive(Debug)]
pub enum Error {
    /// The system's DNS configuration could not be read or understood.
    SystemConfiguration { source: NetError },
    /// The system's hosts file could not be read.
    HostsFile { source: io::Error },
    /// A name of an override's chain occurs in it twice.
    OverrideLoops { name: DnsName },
    /// An override's chain has more names than any resolver follows.
    OverrideTooLong { name: DnsName },
    /// TLS cannot be set up for a server.
    Tls { server: Box<Server>, source: Box<rustls::Error> },
}

impl Error {
    /// What the operator can do about it, as a sentence without a full stop.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::SystemConfiguration { .. } | Self::HostsFile { .. } => {
                "name the DNS servers to ask in the configuration; the system's are then not read"
            }
            Self::Tls { .. } => "name a server that is asked in the clear, such as 192.0.2.53",
            Self::OverrideLoops { .. } => "name each alias of the override once",
            Self::OverrideTooLong { .. } => "shorten the override's chain to 15 aliases",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SystemConfiguration { .. } => {
                f.write_str("the system's DNS configuration cannot be read")
            }
            Self::HostsFile { .. } => f.write_str("the system's hosts file cannot be read"),
            Self::OverrideLoops { name } => {
                write!(f, "the override of {name} names an alias twice")
            }
            Self::OverrideTooLong { name } => write!(f, "the override of {name} is too long"),
            Self::Tls { server, .. } => write!(f, "TLS cannot be used with {server}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::SystemConfiguration { source } => Some(source),
            Self::HostsFile { source } => Some(source),
            Self::Tls { source, .. } => Some(&**source),
            Self::OverrideLoops { .. } | Self::OverrideTooLong { .. } => None,
        }
    }
}
