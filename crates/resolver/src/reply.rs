//! What a DNS message says about the addresses of a name: the alias chain, the addresses at its
//! end, the outcome, and for how long it holds. Pure, and fed by servers that may lie.

use crate::exchange::Failure;
use flow::address::DnsName;
use flow::dns::{Answer, AnswerData, ClientSubnet, Dnssec, Edns};
use flow::network::Network;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::time::Duration;

pub use crate::resolved::MAX_CHAIN;

/// What one message, or the two of both families, say of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub verdict: Verdict,
    /// The asked name, then the aliases it leads to; at most [`MAX_CHAIN`].
    pub chain: Vec<DnsName>,
    /// The aliases of the chain and the addresses of its end. Records of other owners and types are
    /// left out: they answer another question, and a liar could have put them there.
    pub answers: Vec<Answer>,
    /// For how long it may be kept; zero when the server does not say.
    pub lifetime: Duration,
    pub dnssec: Dnssec,
    pub edns: Edns,
}

/// How a conclusive answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Found,
    NoAddresses,
    NoSuchName,
}

impl Reply {
    /// Reads the answer to a question of `kind` (A or AAAA) about `name`. Follows the aliases within
    /// the message; a recursive server has followed them to the end (RFC 1034 section 5.2.2).
    ///
    /// # Errors
    /// [`Failure::Server`]: another RCODE than NOERROR and NXDOMAIN, an alias chain that loops or has
    /// more than [`MAX_CHAIN`] names, an alias that is no host name.
    pub fn read(name: &DnsName, kind: RecordType, message: &Message) -> Result<Self, Failure> {
        let code = message.metadata.response_code;
        if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
            return Err(Failure::Server(mnemonic(code)));
        }
        let records = of_hosts(&message.answers);
        let (chain, mut answers) = follow(name, &records)?;
        let end = chain.last().unwrap_or(name);
        let addresses = records.iter().filter(|(owner, record)| {
            code == ResponseCode::NoError && owner == end && record.data.record_type() == kind
        });
        let aliases = answers.len();
        answers.extend(addresses.filter_map(|(owner, record)| {
            let address = record.data.ip_addr()?;
            Some(answer(owner, record, AnswerData::Address(address)))
        }));
        let verdict = match code {
            ResponseCode::NXDomain => Verdict::NoSuchName,
            _ if answers.len() > aliases => Verdict::Found,
            _ => Verdict::NoAddresses,
        };
        let shortest = answers.iter().map(|answer| lifetime(answer.ttl_seconds)).min();
        let lifetime = match verdict {
            Verdict::Found => shortest.unwrap_or_default(),
            Verdict::NoAddresses | Verdict::NoSuchName => {
                let negative = negative_lifetime(message);
                shortest.map_or(negative, |shortest| shortest.min(negative))
            }
        };
        Ok(Self { verdict, chain, answers, lifetime, dnssec: dnssec(message), edns: edns(message) })
    }

    /// Puts the answers of the two families together. One family's addresses are enough; that there
    /// are none is only said when both families say so.
    pub(crate) fn merge(
        v4: Result<Self, Failure>,
        v6: Result<Self, Failure>,
    ) -> Result<Self, Failure> {
        match (v4, v6) {
            (Ok(v4), Ok(v6)) => Ok(Self::union(v4, v6)),
            (Ok(half), Err(failure)) | (Err(failure), Ok(half)) => match half.verdict {
                // Half an answer is soon asked for again.
                Verdict::Found => Ok(Self { lifetime: half.lifetime.min(HALF), ..half }),
                Verdict::NoAddresses | Verdict::NoSuchName => Err(failure),
            },
            (Err(v4), Err(v6)) => Err(if v6.weight() > v4.weight() { v6 } else { v4 }),
        }
    }

    fn union(v4: Self, v6: Self) -> Self {
        let verdict = match (v4.verdict, v6.verdict) {
            (Verdict::Found, _) | (_, Verdict::Found) => Verdict::Found,
            (Verdict::NoSuchName, Verdict::NoSuchName) => Verdict::NoSuchName,
            _ => Verdict::NoAddresses,
        };
        let lifetime = match verdict {
            // A missing family seldom appears within the life of the other's addresses, so what says
            // that it is missing does not shorten it.
            Verdict::Found => [&v4, &v6]
                .into_iter()
                .filter(|reply| reply.verdict == Verdict::Found)
                .map(|reply| reply.lifetime)
                .min()
                .unwrap_or_default(),
            Verdict::NoAddresses | Verdict::NoSuchName => v4.lifetime.min(v6.lifetime),
        };
        let chain = match v4.verdict == Verdict::Found || v6.verdict != Verdict::Found {
            true => v4.chain,
            false => v6.chain,
        };
        let mut answers = v4.answers;
        for answer in v6.answers {
            // The aliases come first, and only they can be in both.
            let known = |other: &Answer| other.owner == answer.owner && other.data == answer.data;
            if !answers.iter().take(MAX_CHAIN).any(known) {
                answers.push(answer);
            }
        }
        // The whole is validated when both halves are.
        let dnssec = v4.dnssec.min(v6.dnssec);
        let edns = if v6.edns.subnet().is_some() { v6.edns } else { v4.edns };
        Self { verdict, chain, answers, lifetime, dnssec, edns }
    }
}

/// Whether a server says that it does not know EDNS (RFC 6891 section 7).
pub(crate) fn refuses_edns(message: &Message) -> bool {
    let code = message.metadata.response_code;
    matches!(code, ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS)
}

fn dnssec(message: &Message) -> Dnssec {
    match message.metadata.authentic_data {
        true => Dnssec::SaidToBeValidated,
        false => Dnssec::NotSaid,
    }
}

fn edns(message: &Message) -> Edns {
    let Some(edns) = &message.edns else { return Edns::Unanswered };
    let subnet = match edns.option(EdnsCode::Subnet) {
        Some(EdnsOption::Subnet(subnet)) => {
            let network = Network::containing(subnet.addr(), subnet.source_prefix());
            network.map(|network| ClientSubnet { network, scope: subnet.scope_prefix() })
        }
        _ => None,
    };
    Edns::Answered { subnet }
}

/// The records of the internet class whose owner is a host name, with that name.
fn of_hosts(records: &[Record]) -> Vec<(DnsName, &Record)> {
    let ours = records.iter().filter(|record| record.dns_class == DNSClass::IN);
    ours.filter_map(|record| Some((host_name(&record.name)?, record))).collect()
}

/// The alias chain from `name`, and its records.
fn follow(
    name: &DnsName,
    records: &[(DnsName, &Record)],
) -> Result<(Vec<DnsName>, Vec<Answer>), Failure> {
    let mut chain = vec![name.clone()];
    let mut answers = Vec::new();
    let mut end = name.clone();
    while let Some((owner, record, target)) = alias_of(&end, records) {
        let Some(target) = host_name(target) else {
            return Err(Failure::Server("CNAME to an invalid name".to_owned()));
        };
        if chain.contains(&target) {
            return Err(Failure::Server("CNAME loop".to_owned()));
        }
        if chain.len() == MAX_CHAIN {
            return Err(Failure::Server("CNAME chain too long".to_owned()));
        }
        answers.push(answer(owner, record, AnswerData::Cname(target.clone())));
        chain.push(target.clone());
        end = target;
    }
    Ok((chain, answers))
}

fn alias_of<'a>(
    name: &DnsName,
    records: &'a [(DnsName, &Record)],
) -> Option<(&'a DnsName, &'a Record, &'a Name)> {
    records.iter().find_map(|(owner, record)| match &record.data {
        RData::CNAME(target) if owner == name => Some((owner, *record, &target.0)),
        _ => None,
    })
}

fn answer(owner: &DnsName, record: &Record, data: AnswerData) -> Answer {
    Answer { owner: owner.clone(), ttl_seconds: record.ttl, data }
}

/// The name as a host name, if it is one. Each label is looked at by itself, because a label may hold
/// any byte, a dot included.
fn host_name(name: &Name) -> Option<DnsName> {
    let mut text = String::new();
    for label in name.iter() {
        if !label.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_') {
            return None;
        }
        text.push_str(std::str::from_utf8(label).ok()?);
        text.push('.');
    }
    text.parse().ok()
}

/// A TTL with the first bit set means zero (RFC 2181 section 8).
fn lifetime(ttl_seconds: u32) -> Duration {
    match i32::try_from(ttl_seconds) {
        Ok(_) => Duration::from_secs(u64::from(ttl_seconds)),
        Err(_) => Duration::ZERO,
    }
}

/// For how long a negative answer holds: the SOA's own TTL or its minimum, whichever is shorter
/// (RFC 2308 section 5); without an SOA not at all.
fn negative_lifetime(message: &Message) -> Duration {
    let soa = message.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(lifetime(record.ttl).min(lifetime(soa.minimum))),
        _ => None,
    });
    soa.unwrap_or_default().min(NEGATIVE)
}

/// The mnemonic of RFC 6895 section 2.3, or the number.
fn mnemonic(code: ResponseCode) -> String {
    let text = match code {
        ResponseCode::FormErr => "FORMERR",
        ResponseCode::ServFail => "SERVFAIL",
        ResponseCode::NotImp => "NOTIMP",
        ResponseCode::Refused => "REFUSED",
        ResponseCode::YXDomain => "YXDOMAIN",
        ResponseCode::YXRRSet => "YXRRSET",
        ResponseCode::NXRRSet => "NXRRSET",
        ResponseCode::NotAuth => "NOTAUTH",
        ResponseCode::NotZone => "NOTZONE",
        other => return format!("RCODE {}", u16::from(other)),
    };
    text.to_owned()
}

/// How long half an answer is kept, when one family's addresses could not be had.
const HALF: Duration = Duration::from_secs(30);

/// How long a negative answer is kept at most: a name that appears is found soon.
const NEGATIVE: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::op::{OpCode, Query};
    use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, SOA};
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn record(owner: &str, ttl: u32, data: RData) -> Record {
        Record::from_rdata(Name::from_ascii(owner).unwrap(), ttl, data)
    }

    fn a(owner: &str, ttl: u32, last: u8) -> Record {
        record(owner, ttl, RData::A(A(Ipv4Addr::new(192, 0, 2, last))))
    }

    fn cname(owner: &str, ttl: u32, target: &str) -> Record {
        record(owner, ttl, RData::CNAME(CNAME(Name::from_ascii(target).unwrap())))
    }

    fn soa(ttl: u32, minimum: u32) -> Record {
        let name = || Name::from_ascii("example.").unwrap();
        record("example.", ttl, RData::SOA(SOA::new(name(), name(), 1, 2, 3, 4, minimum)))
    }

    fn message(code: ResponseCode, answers: Vec<Record>, authorities: Vec<Record>) -> Message {
        let mut message = Message::response(1, OpCode::Query);
        message.metadata.response_code = code;
        message.add_query(Query::query(Name::from_ascii("a.example.").unwrap(), RecordType::A));
        message.add_answers(answers);
        message.add_authorities(authorities);
        message
    }

    fn read(message: &Message) -> Result<Reply, Failure> {
        Reply::read(&"a.example".parse().unwrap(), RecordType::A, message)
    }

    /// Expects a verdict, the chain's names, the texts of the answers, and seconds of life.
    #[track_caller]
    fn check(message: &Message, verdict: Verdict, chain: &str, answers: &[&str], lifetime: u64) {
        let reply = read(message).unwrap();
        assert_eq!(reply.verdict, verdict);
        let names: Vec<_> = reply.chain.iter().map(ToString::to_string).collect();
        assert_eq!(names.join(" "), chain);
        let texts = reply.answers.iter().map(|answer| match &answer.data {
            AnswerData::Address(ip) => format!("{} {} {ip}", answer.owner, answer.ttl_seconds),
            AnswerData::Cname(to) => format!("{} {} {to}", answer.owner, answer.ttl_seconds),
        });
        assert_eq!(texts.collect::<Vec<_>>(), answers);
        assert_eq!(reply.lifetime, Duration::from_secs(lifetime));
    }

    use ResponseCode::{NXDomain, NoError};

    #[test]
    fn addresses_at_the_end_of_the_chain_count_whatever_the_order() {
        let records = vec![
            a("c.cdn.example.", 20, 1),
            cname("B.Example.", 60, "c.cdn.example."),
            a("c.cdn.example.", 30, 2),
            cname("a.example.", 300, "b.example."),
        ];
        check(
            &message(NoError, records, vec![]),
            Verdict::Found,
            "a.example b.example c.cdn.example",
            &[
                "a.example 300 b.example",
                "b.example 60 c.cdn.example",
                "c.cdn.example 20 192.0.2.1",
                "c.cdn.example 30 192.0.2.2",
            ],
            20,
        );
    }

    #[test]
    fn records_that_nobody_asked_for_are_left_out() {
        let mut chaos = a("a.example.", 5, 9);
        chaos.dns_class = DNSClass::CH;
        let records = vec![
            a("victim.example.", 5, 1),
            record("a.example.", 5, RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))),
            cname("victim.example.", 5, "evil.example."),
            chaos,
            a("a.example.", 60, 2),
        ];
        let found = message(NoError, records, vec![]);
        check(&found, Verdict::Found, "a.example", &["a.example 60 192.0.2.2"], 60);
    }

    #[test]
    fn negative_answers_live_as_long_as_the_soa_says() {
        let nodata = |authorities| message(NoError, vec![], authorities);
        check(&nodata(vec![]), Verdict::NoAddresses, "a.example", &[], 0);
        check(&nodata(vec![soa(60, 90)]), Verdict::NoAddresses, "a.example", &[], 60);
        check(&nodata(vec![soa(90, 60)]), Verdict::NoAddresses, "a.example", &[], 60);
        check(&nodata(vec![soa(9_000, 9_000)]), Verdict::NoAddresses, "a.example", &[], 300);
        let chain = || vec![cname("a.example.", 7, "b.example."), a("b.example.", 9, 1)];
        check(
            &message(NXDomain, chain(), vec![soa(60, 60)]),
            Verdict::NoSuchName,
            "a.example b.example",
            &["a.example 7 b.example"],
            7,
        );
    }

    #[test]
    fn a_ttl_with_the_first_bit_set_is_recorded_and_not_believed() {
        let huge = message(NoError, vec![a("a.example.", u32::MAX, 1)], vec![]);
        check(&huge, Verdict::Found, "a.example", &["a.example 4294967295 192.0.2.1"], 0);
    }

    #[test]
    fn broken_chains_are_failures() {
        let failure = |records| match read(&message(NoError, records, vec![])) {
            Err(Failure::Server(text)) => text,
            other => panic!("{other:?}"),
        };
        let pair = vec![
            cname("a.example.", 1, "b.example."),
            cname("b.example.", 1, "A.example."),
            a("a.example.", 1, 1),
        ];
        assert_eq!(failure(pair), "CNAME loop");
        assert_eq!(failure(vec![cname("a.example.", 1, "a.example.")]), "CNAME loop");
        let mut long = vec![cname("a.example.", 1, "n1.example.")];
        for n in 1..MAX_CHAIN {
            long.push(cname(&format!("n{n}.example."), 1, &format!("n{}.example.", n + 1)));
        }
        assert_eq!(failure(long.clone()), "CNAME chain too long");
        long.truncate(MAX_CHAIN - 1);
        assert_eq!(read(&message(NoError, long, vec![])).unwrap().chain.len(), MAX_CHAIN);

        for labels in [vec!["a.b", "example"], vec!["sp ace", "example"], vec![]] {
            let target = Name::from_labels(labels.iter().map(|label| label.as_bytes())).unwrap();
            let alias = record("a.example.", 1, RData::CNAME(CNAME(target)));
            assert_eq!(failure(vec![alias]), "CNAME to an invalid name", "{labels:?}");
        }
    }

    #[test]
    fn other_codes_are_failures_with_their_mnemonic() {
        for (code, text) in [
            (ResponseCode::ServFail, "SERVFAIL"),
            (ResponseCode::Refused, "REFUSED"),
            (ResponseCode::from(0, 14), "RCODE 14"),
        ] {
            let answer = message(code, vec![a("a.example.", 1, 1)], vec![]);
            assert_eq!(read(&answer), Err(Failure::Server(text.to_owned())));
        }
    }

    #[test]
    fn two_families_are_one_answer() {
        let reply = |verdict, lifetime| {
            Ok(Reply {
                verdict,
                chain: vec!["a.example".parse().unwrap()],
                answers: Vec::new(),
                lifetime: Duration::from_secs(lifetime),
                dnssec: Dnssec::NotSaid,
                edns: Edns::Unanswered,
            })
        };
        let failure = |failure| Err::<Reply, _>(failure);
        let merged = |v4, v6| Reply::merge(v4, v6).map(|r| (r.verdict, r.lifetime.as_secs()));
        use Verdict::{Found, NoAddresses, NoSuchName};
        assert_eq!(merged(reply(Found, 50), reply(Found, 40)), Ok((Found, 40)));
        assert_eq!(merged(reply(Found, 50), reply(NoAddresses, 0)), Ok((Found, 50)));
        assert_eq!(merged(reply(NoSuchName, 5), reply(NoSuchName, 9)), Ok((NoSuchName, 5)));
        assert_eq!(merged(reply(NoSuchName, 5), reply(NoAddresses, 9)), Ok((NoAddresses, 5)));
        assert_eq!(merged(failure(Failure::TimedOut), reply(Found, 50)), Ok((Found, 30)));
        let servfail = || Failure::Server("SERVFAIL".to_owned());
        assert_eq!(merged(reply(NoAddresses, 50), failure(servfail())), Err(servfail()));
        assert_eq!(merged(failure(Failure::TimedOut), failure(servfail())), Err(servfail()));
    }

    proptest! {
        #[test]
        fn any_message_is_read_without_a_panic_and_within_bounds(
            code in 0u8..12,
            records in proptest::collection::vec((0u8..24, 0u8..24, any::<bool>(), any::<u32>()), 0..60),
        ) {
            let name = |n: u8| match n {
                0 => "a.example.".to_owned(),
                n => format!("n{n}.example."),
            };
            let records = records.into_iter().map(|(owner, target, alias, ttl)| match alias {
                true => cname(&name(owner), ttl, &name(target)),
                false => a(&name(owner), ttl, target),
            });
            let answer = message(ResponseCode::from_low(code), records.collect(), vec![]);
            if let Ok(reply) = read(&answer) {
                prop_assert!(reply.chain.len() <= MAX_CHAIN);
                prop_assert_eq!(reply.chain.first().unwrap().as_str(), "a.example");
                let end = reply.chain.last().unwrap();
                for answer in &reply.answers {
                    match &answer.data {
                        AnswerData::Address(_) => prop_assert_eq!(&answer.owner, end),
                        AnswerData::Cname(target) => prop_assert!(reply.chain.contains(target)),
                    }
                }
            }
        }

        #[test]
        fn any_damage_to_a_message_is_read_without_a_panic(
            damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..12),
        ) {
            let records = vec![
                cname("a.example.", 300, "b.example."),
                a("b.example.", 20, 1),
                record("b.example.", 5, RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))),
            ];
            let mut bytes = message(NoError, records, vec![soa(60, 60)]).to_vec().unwrap();
            for (place, byte) in damage {
                let place = place % bytes.len();
                *bytes.get_mut(place).unwrap() = byte;
            }
            if let Ok(message) = Message::from_vec(&bytes) {
                drop(read(&message));
            }
        }
    }
}
