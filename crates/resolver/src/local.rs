//! Names that are answered without asking a server: the overrides, the system's hosts file, and
//! `localhost`.

use crate::config::Override;
use crate::resolved::Resolved;
use flow::address::DnsName;
use flow::dns::{Answer, AnswerData, Dnssec, Edns, LookupOutcome, Resolver};
use hickory_resolver::Hosts;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The names that this machine knows by itself.
pub(crate) struct Local {
    pub(crate) overrides: BTreeMap<DnsName, Override>,
    /// `None` when the hosts file is not to be consulted.
    pub(crate) hosts: Option<Hosts>,
}

impl Local {
    /// The answer to `name`, or `None` when a server must be asked.
    pub(crate) fn resolve(&self, name: &DnsName) -> Option<Resolved> {
        if let Some(given) = self.overrides.get(name) {
            return Some(answer(name, Resolver::Override, &given.cnames, &given.addresses));
        }
        let from_file = self.in_hosts_file(name);
        if !from_file.is_empty() {
            return Some(answer(name, Resolver::HostsFile, &[], &from_file));
        }
        // RFC 6761 section 6.3: such names never leave the machine, and nobody answers for them.
        name.is_within("localhost").then(|| {
            let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            answer(name, Resolver::Unknown, &[], &loopback)
        })
    }

    fn in_hosts_file(&self, name: &DnsName) -> Vec<IpAddr> {
        let Some(hosts) = &self.hosts else { return Vec::new() };
        let Ok(name) = Name::from_labels(name.as_str().split('.').map(str::as_bytes)) else {
            return Vec::new();
        };
        [RecordType::A, RecordType::AAAA]
            .into_iter()
            .filter_map(|kind| hosts.lookup_static_host(&Query::query(name.clone(), kind)))
            .flat_map(|found| {
                let addresses = found.answers().iter().filter_map(|record| record.data.ip_addr());
                addresses.collect::<Vec<_>>()
            })
            .collect()
    }
}

/// An answer that no server gave, with TTL 0: whoever asks again gets the present one.
fn answer(
    name: &DnsName,
    resolver: Resolver,
    cnames: &[DnsName],
    addresses: &[IpAddr],
) -> Resolved {
    let chain: Vec<DnsName> = [name].into_iter().chain(cnames).cloned().collect();
    let aliases = chain.iter().zip(cnames).map(|(owner, target)| Answer {
        owner: owner.clone(),
        ttl_seconds: 0,
        data: AnswerData::Cname(target.clone()),
    });
    let end = cnames.last().unwrap_or(name);
    let addresses = addresses.iter().map(|address| Answer {
        owner: end.clone(),
        ttl_seconds: 0,
        data: AnswerData::Address(*address),
    });
    let outcome = match addresses.len() {
        0 => LookupOutcome::NoAddresses,
        _ => LookupOutcome::Found,
    };
    let answers = aliases.chain(addresses).collect();
    let (dnssec, edns) = (Dnssec::NotAsked, Edns::NotAsked);
    Resolved { resolver, chain, answers, outcome, lifetime: Duration::ZERO, dnssec, edns }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(hosts: &str) -> Local {
        let mut file = Hosts::default();
        file.read_hosts_conf(hosts.as_bytes()).unwrap();
        Local { overrides: BTreeMap::new(), hosts: Some(file) }
    }

    #[track_caller]
    fn check(hosts: &str, name: &str, expected: Option<(Resolver, &[&str])>) {
        let resolved = local(hosts).resolve(&name.parse().unwrap());
        let got = resolved.map(|resolved| {
            let addresses = resolved.answers.iter().filter_map(|answer| match answer.data {
                AnswerData::Address(address) => Some(address.to_string()),
                AnswerData::Cname(_) => None,
            });
            (resolved.resolver.clone(), addresses.collect::<Vec<_>>())
        });
        let expected = expected.map(|(resolver, addresses)| {
            (resolver, addresses.iter().map(|&address| address.to_owned()).collect::<Vec<_>>())
        });
        assert_eq!(got, expected, "{name}");
    }

    #[test]
    fn the_hosts_file_and_localhost_need_no_server() {
        let hosts = "192.0.2.1 printer.lan Printer # the one upstairs\n2001:db8::1 printer.lan\n";
        let file = Resolver::HostsFile;
        check(hosts, "printer.lan", Some((file.clone(), &["192.0.2.1", "2001:db8::1"])));
        check(hosts, "printer", Some((file.clone(), &["192.0.2.1"])));
        check(hosts, "www.printer.lan", None);
        let nobody = Resolver::Unknown;
        check(hosts, "localhost", Some((nobody.clone(), &["127.0.0.1", "::1"])));
        check(hosts, "app.localhost", Some((nobody, &["127.0.0.1", "::1"])));
        check(hosts, "notlocalhost", None);
        check("127.0.0.9 localhost\n", "localhost", Some((file, &["127.0.0.9"])));
        check("garbage\n\u{feff}\n 1.2.3.4\n", "garbage", None);
    }
}
