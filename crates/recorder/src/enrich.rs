//! Asks the databases about the addresses of a session: once for each address and set of names,
//! within a bound. Each answer gets a number, by which connections cite it.

use crate::record::session::SourceShape;
use flow::address::DnsName;
use flow::annotation::Annotation;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Whom a session asks about addresses, and what its first record says of them.
pub struct Sources {
    pub(crate) ask: Ask,
    /// Answers depend on the port.
    pub(crate) by_port: bool,
    pub(crate) databases: Vec<SourceShape>,
}

impl Sources {
    /// Asks these databases.
    pub fn new(databases: Arc<geoip::Databases>) -> Self {
        let shapes = databases.status().into_iter().map(SourceShape::from).collect();
        let by_port = databases.policies().by_port();
        let ask =
            Box::new(move |address, names: &_, port| databases.annotate(address, names, port));
        Self { ask, by_port, databases: shapes }
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("databases", &self.databases).finish_non_exhaustive()
    }
}

/// What the databases said about an address.
#[derive(Debug)]
pub struct Assessed {
    /// From 1, in the order of asking.
    pub number: u64,
    pub names: Vec<DnsName>,
    /// Where the answer depends on it.
    pub port: Option<u16>,
    pub annotation: Arc<Annotation>,
}

/// An answer, and whether the databases were asked for it now.
pub enum Answer {
    Fresh(Arc<Assessed>),
    Known(Arc<Assessed>),
}

/// The databases with a memory.
pub struct Annotator {
    ask: Ask,
    by_port: bool,
    known: HashMap<Question, Arc<Assessed>>,
    /// The questions in `known`, the oldest first.
    order: VecDeque<Question>,
    next_number: u64,
    /// Answers remembered; past it the oldest is forgotten, and asked and recorded again when
    /// needed.
    most: usize,
}

/// Asks the databases: an address, the host with its CNAME chain, and the port.
pub(crate) type Ask = Box<dyn Fn(IpAddr, &[DnsName], Option<u16>) -> Annotation + Send>;

type Question = (IpAddr, Vec<DnsName>, Option<u16>);

impl fmt::Debug for Annotator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Annotator").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Annotator {
    /// Remembers this many answers.
    pub fn new(sources: Sources, most: usize) -> Self {
        let Sources { ask, by_port, databases: _ } = sources;
        let (known, order) = (HashMap::new(), VecDeque::new());
        Self { ask, by_port, known, order, next_number: 1, most }
    }

    /// What the databases say of an address, asked with the host and its CNAME chain; from memory where
    /// they were asked before.
    pub fn assess(&mut self, address: IpAddr, names: &[DnsName], port: u16) -> Answer {
        let port = self.by_port.then_some(port);
        let question = (address.to_canonical(), names.to_vec(), port);
        if let Some(assessed) = self.known.get(&question) {
            return Answer::Known(Arc::clone(assessed));
        }
        let annotation = Arc::new((self.ask)(question.0, &question.1, question.2));
        let names = question.1.clone();
        let assessed = Arc::new(Assessed { number: self.next_number, names, port, annotation });
        self.next_number += 1;
        if self.order.len() >= self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(question.clone());
        self.known.insert(question, Arc::clone(&assessed));
        Answer::Fresh(assessed)
    }
}

#[cfg(test)]
mod tests {
    const KNOWN: usize = 100;

    use super::*;

    fn annotator() -> Annotator {
        by_port(false)
    }

    fn by_port(by_port: bool) -> Annotator {
        let ask: Ask = Box::new(|address, _names, _port| Annotation::unknown(address));
        Annotator::new(Sources { ask, by_port, databases: Vec::new() }, KNOWN)
    }

    #[test]
    fn an_address_is_asked_about_once_for_each_set_of_names() {
        let mut annotator = annotator();
        let name: DnsName = "a.example".parse().unwrap();
        let mut ask = |address: &str, names: &[DnsName]| match annotator.assess(
            address.parse().unwrap(),
            names,
            443,
        ) {
            Answer::Fresh(assessed) => (assessed.number, true),
            Answer::Known(assessed) => (assessed.number, false),
        };
        assert_eq!(ask("192.0.2.1", &[]), (1, true));
        assert_eq!(ask("192.0.2.1", std::slice::from_ref(&name)), (2, true));
        assert_eq!(ask("::ffff:192.0.2.1", &[]), (1, false));
        assert_eq!(ask("192.0.2.1", &[name]), (2, false));
    }

    #[test]
    fn ports_are_told_apart_where_a_policy_asks_for_them() {
        let fresh = |annotator: &mut Annotator, port| {
            matches!(annotator.assess(IpAddr::V4(1.into()), &[], port), Answer::Fresh(_))
        };
        let (mut by_port, mut plain) = (by_port(true), annotator());
        assert!(fresh(&mut by_port, 443) && fresh(&mut by_port, 80) && !fresh(&mut by_port, 443));
        assert!(fresh(&mut plain, 443) && !fresh(&mut plain, 80));
    }

    #[test]
    fn memory_is_bounded() {
        let mut annotator = annotator();
        for number in 0..KNOWN as u32 + 10 {
            annotator.assess(IpAddr::V4(number.into()), &[], 443);
        }
        assert_eq!((annotator.known.len(), annotator.order.len()), (KNOWN, KNOWN));
        assert!(matches!(annotator.assess(IpAddr::V4(0.into()), &[], 443), Answer::Fresh(_)));
    }
}
