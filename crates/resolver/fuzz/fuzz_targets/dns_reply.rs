//! What a DNS server sends, read as the answers of both families to the question for `a.example`.

#![no_main]

use flow::address::DnsName;
use flow::dns::AnswerData;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::RecordType;
use libfuzzer_sys::fuzz_target;
use resolver::reply::{MAX_CHAIN, Reply, Verdict};
use std::time::Duration;

fuzz_target!(|input: &[u8]| {
    let (Ok(message), Ok(name)) = (Message::from_vec(input), "a.example".parse::<DnsName>()) else {
        return;
    };
    for kind in [RecordType::A, RecordType::AAAA] {
        if let Ok(reply) = Reply::read(&name, kind, &message) {
            check(&name, kind, &message, &reply);
        }
    }
});

fn check(name: &DnsName, kind: RecordType, message: &Message, reply: &Reply) {
    assert_eq!(reply.chain.first(), Some(name));
    assert!(reply.chain.len() <= MAX_CHAIN, "an alias chain without a bound");
    let links: Vec<_> = reply.chain.windows(2).collect();
    let (aliases, addresses) = reply.answers.split_at(links.len());
    for (alias, link) in aliases.iter().zip(links) {
        assert_eq!((&alias.owner, &alias.data), (&link[0], &AnswerData::Cname(link[1].clone())));
    }
    for answer in addresses {
        let AnswerData::Address(address) = answer.data else { panic!("{answer:?} after the end") };
        assert_eq!(Some(&answer.owner), reply.chain.last(), "an address of another name");
        assert_eq!(address.is_ipv4(), kind == RecordType::A);
    }
    assert_eq!(reply.verdict == Verdict::Found, !addresses.is_empty());
    for answer in &reply.answers {
        let ttl_seconds = if answer.ttl_seconds > i32::MAX as u32 { 0 } else { answer.ttl_seconds };
        assert!(reply.lifetime <= Duration::from_secs(ttl_seconds.into()), "kept for too long");
    }
    assert!(message.answers.len() >= reply.answers.len());
}
