//! What a resolver is told: whom to ask, and what not to ask. Says nothing of bounds, which are
//! in [`flow::limits::Limits`].

use crate::error::Error;
use crate::resolved::MAX_CHAIN;
use crate::server::Server;
use flow::address::DnsName;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Whom to ask for names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// DNS servers, in order of preference. Empty means the system's configuration: its servers and
    /// its hosts file.
    pub servers: Vec<Server>,
    /// Names that are answered from here, without asking anybody.
    pub overrides: BTreeMap<DnsName, Override>,
    /// The mark of the sockets that ask (Linux `SO_MARK`), by which packet filter rules know them.
    pub mark: Option<u32>,
}

/// A given answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Override {
    /// The CNAME chain after the name itself, for tests and simulations; may be empty.
    pub cnames: Vec<DnsName>,
    /// The addresses at the end of the chain; without any the name has no addresses.
    pub addresses: Vec<IpAddr>,
}

impl Config {
    /// Whether a server needs roots to be verified by.
    pub fn is_encrypted(&self) -> bool {
        self.servers.iter().any(Server::is_encrypted)
    }

    /// Refuses overrides whose chain no server could have answered with.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for (name, given) in &self.overrides {
            let chain: BTreeSet<&DnsName> = given.cnames.iter().chain([name]).collect();
            if chain.len() != given.cnames.len() + 1 {
                return Err(Error::OverrideLoops { name: name.clone() });
            }
            if chain.len() > MAX_CHAIN {
                return Err(Error::OverrideTooLong { name: name.clone() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cnames: &[String], expected: fn(&Result<(), Error>) -> bool) {
        let cnames = cnames.iter().map(|name| name.parse().unwrap()).collect();
        let given = Override { cnames, addresses: Vec::new() };
        let overrides = BTreeMap::from([("a.example".parse().unwrap(), given)]);
        let result = Config { overrides, ..Config::default() }.check();
        assert!(expected(&result), "{result:?}");
    }

    #[test]
    fn overrides_are_chains() {
        let numbered = |count| (0..count).map(|n| format!("h{n}.example")).collect::<Vec<_>>();
        check(&[], Result::is_ok);
        check(&numbered(MAX_CHAIN - 1), Result::is_ok);
        check(&numbered(MAX_CHAIN), |r| matches!(r, Err(Error::OverrideTooLong { .. })));
        let looping = ["b.example".to_owned(), "a.example".to_owned()];
        check(&looping, |r| matches!(r, Err(Error::OverrideLoops { .. })));
    }
}
