//! Probe files: written, checked with another program, changed at every byte, and made up by somebody
//! who has a key.

use super::*;
use crate::fixture::at;
use crate::record::review::tests::sorted;
use crate::record::session::{Tool, VantageShape};
use crate::record::value::Base64;
use crate::record::value::{Count, Spelled, Wall};
use crate::signer::Signer;
use flow::physics::Vantage;
use flow::round_trip::ChainRoots;
use proptest::prelude::*;
use std::process::Command;
use std::sync::LazyLock;

/// One key for all tests: making one waits for the disk.
static SIGNER: LazyLock<Signer> = LazyLock::new(new_signer);

fn new_signer() -> Signer {
    Signer::load_or_create(tempfile::tempdir().unwrap().path()).unwrap()
}

pub(crate) fn probe() -> ProbeShape {
    let sample = SampleShape {
        at: Wall(at(2).wall),
        certificate: Some("ab".repeat(32)),
        chain: Spelled(ChainRoots::Public),
        connect_ns: Some(Count(3_000_000)),
        retried: false,
        signature_ns: Count(4_000_000),
    };
    let address = |address: &str, samples| AddressShape {
        address: Spelled(address.parse().unwrap()),
        error: None,
        samples,
        simulated: false,
    };
    ProbeShape {
        began: Wall(at(1).wall),
        ended: Wall(at(3).wall),
        format: ProbeFormat::LandfallProbe,
        hosts: vec![HostShape {
            addresses: vec![address("192.0.2.7", vec![sample; 3]), address("2001:db8::1", vec![])],
            host: Spelled("a.example".parse().unwrap()),
            lookup: None,
            port: 443,
        }],
        key: [0; 32].into(),
        name: None,
        network: NetworkShape { uplink: None, upstream_proxy: false },
        tool: Tool { sha256: None, version: "0".to_owned() },
        v: VERSION,
        vantage: VantageShape::from(Vantage::new(1.3521, -103.8198, 25.0).unwrap()),
    }
}

/// What signs any text as a probe, whatever it says.
fn signed(text: &str) -> String {
    let signature = serde_json::to_string(&Base64(SIGNER.sign(text.as_bytes()).into())).unwrap();
    format!("{{\"probe\":{text},\"signature\":{signature}}}\n")
}

#[test]
fn a_probe_is_read_as_it_was_signed() {
    let file = ProbeFile::sign(probe(), &SIGNER).unwrap();
    let read = ProbeFile::parse(file.text().as_bytes()).unwrap();
    assert_eq!(read, file);
    assert_eq!(read.key(), PublicKey(SIGNER.public_key()));
    assert_eq!(read.probe(), &ProbeShape { key: SIGNER.public_key().into(), ..probe() });
    let value: serde_json::Value = serde_json::from_str(file.text()).unwrap();
    assert_eq!(sorted(&value) + "\n", file.text(), "keys are in order");
    assert!(!read.probe().is_simulated());
}

/// The commands of `docs/FORMAT.md`, in its own words.
#[test]
fn openssl_checks_a_probe_as_the_documentation_says() {
    let temp = tempfile::tempdir().unwrap();
    let file = ProbeFile::sign(probe(), &SIGNER).unwrap();
    let format = include_str!("../../../../docs/FORMAT.md");
    let (_, section) = format.split_once("\n## Probes\n").unwrap();
    let (_, commands) = section.split_once("\n```\n").unwrap();
    let (commands, _) = commands.split_once("\n```\n").unwrap();
    assert!(commands.contains("openssl pkeyutl -verify"), "{commands}");
    let run = |text: &str| {
        std::fs::write(temp.path().join("probe.json"), text).unwrap();
        let output = Command::new("sh").args(["-e", "-c", commands]).current_dir(&temp).output();
        output.unwrap()
    };
    let good = run(file.text());
    assert!(good.status.success(), "{good:?}");
    assert!(String::from_utf8_lossy(&good.stdout).contains("Verified Successfully"), "{good:?}");
    assert!(!run(&file.text().replacen("4000000", "4000001", 1)).status.success());
}

#[test]
fn every_changed_byte_is_noticed() {
    let whole = ProbeFile::sign(probe(), &SIGNER).unwrap().text().as_bytes().to_vec();
    for at in 0..whole.len() {
        for flip in [1, 0x20] {
            let mut changed = whole.clone();
            changed[at] ^= flip;
            assert!(ProbeFile::parse(&changed).is_err(), "byte {at}");
        }
        assert!(ProbeFile::parse(&whole[..at]).is_err(), "cut at {at}");
    }
    let twice = [&whole[..], &whole[..]].concat();
    assert!(ProbeFile::parse(&twice).is_err());
    let other = ProbeFile::sign(probe(), &new_signer()).unwrap();
    let key = |file: &[u8]| {
        let value: serde_json::Value = serde_json::from_slice(file).unwrap();
        value["probe"]["key"].as_str().unwrap().to_owned()
    };
    let text = String::from_utf8(whole.clone()).unwrap();
    let stolen = text.replace(&key(&whole), &key(other.text().as_bytes()));
    assert!(matches!(ProbeFile::parse(stolen.as_bytes()), Err(ProbeError::Signature)));
}

/// They are of version 0, too, and stay readable with it.
#[test]
fn the_seeds_of_the_fuzz_target_are_probes() {
    let file = ProbeFile::parse(include_bytes!("../../fuzz/seeds/probe/file")).unwrap();
    assert!(file.probe().is_simulated());
    let signed = include_str!("../../fuzz/seeds/probe/signed");
    assert_eq!(&ProbeShape::parse(signed).unwrap(), file.probe());
    let every_key = include_str!("../../fuzz/seeds/probe/every_key");
    assert!(ProbeShape::parse(every_key).unwrap().network.upstream_proxy);
}

#[test]
fn what_is_signed_and_no_probe_is_refused() {
    let file = ProbeFile::sign(probe(), &SIGNER).unwrap();
    let (_, text) = file.text().split_once("{\"probe\":").unwrap();
    let (text, _) = text.rsplit_once(",\"signature\"").unwrap();
    assert_eq!(signed(text), file.text());
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        ProbeFile::parse(signed(&text.replacen(from, to, 1)).as_bytes()).unwrap_err()
    };
    assert!(matches!(refused("\"v\":0", "\"v\":1"), ProbeError::Version(1)));
    assert!(matches!(refused("landfall-probe", "landfall-prune"), ProbeError::NoProbe(_)));
    assert!(matches!(refused(":443", ": 443"), ProbeError::NotCanonical));
    assert!(matches!(refused("192.0.2.7", "::ffff:192.0.2.7x"), ProbeError::Shape(_)));
    assert!(matches!(refused("\"port\":443", "\"port\":443,\"x\":1"), ProbeError::Shape(_)));
    assert!(matches!(refused("\"port\":443", "\"port\":443,\"port\":443"), ProbeError::Shape(_)));
    assert!(matches!(refused("\"public\"", "\"published\""), ProbeError::Shape(_)));
    assert!(matches!(refused("1.352100", "91.352100"), ProbeError::Vantage));
    assert!(matches!(refused("25000", "20040001"), ProbeError::Vantage));
    assert!(matches!(refused("4000000", "-1"), ProbeError::Shape(_)));
    let began = Wall(at(1).wall).to_string();
    assert!(matches!(refused(&began, &Wall(at(9).wall).to_string()), ProbeError::Times));
    for name in ["", "a\\nb", &"x".repeat(101)] {
        let to = format!(",\"name\":\"{name}\",\"network\"");
        assert!(matches!(refused(",\"network\"", &to), ProbeError::Name), "{name}");
    }
    let large = " ".repeat(MOST_BYTES + 1);
    assert!(matches!(ProbeFile::parse(large.as_bytes()), Err(ProbeError::TooLarge)));
    assert!(matches!(ProbeFile::parse(b"\xff"), Err(ProbeError::NoText(_))));
    let deep = "[".repeat(1 << 20);
    assert!(matches!(ProbeFile::parse(deep.as_bytes()), Err(ProbeError::NoProbe(_))));
}

proptest! {
    #[test]
    fn whatever_is_signed_has_one_spelling(
        name in proptest::option::of("\\PC{1,20}"),
        error in proptest::option::of(".{0,40}"),
        port: u16, nanos in 0..(1_u64 << 53), retried: bool, simulated: bool, proxied: bool,
    ) {
        let mut probe = probe();
        probe.name = name;
        probe.network.upstream_proxy = proxied;
        let host = &mut probe.hosts[0];
        host.port = port;
        host.addresses[1].error = error;
        host.addresses[0].simulated = simulated;
        host.addresses[0].samples[1].signature_ns = Count(nanos);
        host.addresses[0].samples[2].retried = retried;
            let file = ProbeFile::sign(probe.clone(), &SIGNER).unwrap();
        let key = SIGNER.public_key().into();
        prop_assert_eq!(file.probe(), &ProbeShape { key, ..probe });
        let value: serde_json::Value = serde_json::from_str(file.text()).unwrap();
        prop_assert_eq!(sorted(&value) + "\n", file.text());
        prop_assert_eq!(file.probe().is_simulated(), simulated);
    }
}
