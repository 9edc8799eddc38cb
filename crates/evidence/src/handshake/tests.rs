use super::*;
use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustls::{SupportedProtocolVersion, version};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// A handshake between two peers that share a process.
struct Taken {
    up: Vec<u8>,
    down: Vec<u8>,
    key_log: String,
    leaf: Vec<u8>,
    roots: RootCertStore,
}

struct Peers {
    versions: [&'static SupportedProtocolVersion; 1],
    server: CryptoProvider,
    key: KeyPair,
    asks_for_certificate: bool,
}

impl Peers {
    fn new(version: &'static SupportedProtocolVersion) -> Self {
        let key = KeyPair::generate().unwrap();
        let server = aws_lc_rs::default_provider();
        Self { versions: [version], server, key, asks_for_certificate: false }
    }

    fn handshake(self) -> Taken {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let leaf = CertificateParams::new(["a.example".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&self.key, &root).unwrap().der().to_vec();
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let chain = vec![CertificateDer::from(leaf.clone())];
        let server = ServerConfig::builder_with_provider(Arc::new(self.server))
            .with_protocol_versions(&self.versions)
            .unwrap();
        let server = if self.asks_for_certificate {
            let verifier = WebPkiClientVerifier::builder_with_provider(
                Arc::new(roots.clone()),
                Arc::new(aws_lc_rs::default_provider()),
            );
            let verifier = verifier.allow_unauthenticated().build().unwrap();
            server.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap()
        } else {
            server.with_no_client_auth().with_single_cert(chain, key).unwrap()
        };
        let lines = Arc::new(Lines::default());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        client.key_log = Arc::<Lines>::clone(&lines);
        let name = "a.example".try_into().unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        let (mut up, mut down) = (Vec::new(), Vec::new());
        while client.is_handshaking() || server.is_handshaking() {
            let mut sent = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut sent).unwrap();
            }
            up.extend_from_slice(&sent);
            server.read_tls(&mut sent.as_slice()).unwrap();
            server.process_new_packets().unwrap();
            let mut sent = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut sent).unwrap();
            }
            down.extend_from_slice(&sent);
            client.read_tls(&mut sent.as_slice()).unwrap();
            client.process_new_packets().unwrap();
        }
        let key_log = lines.0.lock().unwrap().concat();
        Taken { up, down, key_log, leaf, roots }
    }
}

#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines")
    }
}

impl rustls::KeyLog for Lines {
    fn log(&self, label: &str, random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        self.0.lock().unwrap().push(format!("{label} {} {}\n", hex(random), hex(secret)));
    }
}

impl Taken {
    fn prove(&self) -> Result<Proof, Unproven> {
        self.prove_with(&self.key_log)
    }

    fn prove_with(&self, key_log: &str) -> Result<Proof, Unproven> {
        let secrets = KeyLog::read(key_log.as_bytes()).unwrap();
        prove(Kept { up: &self.up, down: &self.down }, &secrets)
    }
}

#[track_caller]
fn check(peers: Peers, version: u16) -> Taken {
    let taken = peers.handshake();
    let proof = taken.prove().unwrap();
    assert_eq!(proof.version, version);
    assert_eq!(proof.server_name.as_deref(), Some("a.example"));
    assert_eq!(proof.chain, [Bytes::from(taken.leaf.clone())]);
    taken
}

#[test]
fn every_suite_of_tls_1_3_is_opened() {
    for suite in aws_lc_rs::ALL_CIPHER_SUITES.iter().filter(|suite| suite.tls13().is_some()) {
        let mut peers = Peers::new(&version::TLS13);
        peers.server.cipher_suites = vec![*suite];
        check(peers, TLS13);
    }
}

#[test]
fn every_kind_of_key_signs() {
    let kinds = [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
        &rcgen::PKCS_RSA_SHA256,
    ];
    for kind in kinds {
        for (version, code) in [(&version::TLS12, TLS12), (&version::TLS13, TLS13)] {
            let mut peers = Peers::new(version);
            peers.key = KeyPair::generate_for(kind).unwrap();
            check(peers, code);
        }
    }
}

#[test]
fn a_second_client_hello_is_part_of_the_transcript() {
    let mut peers = Peers::new(&version::TLS13);
    peers.server.kx_groups = vec![aws_lc_rs::kx_group::SECP384R1];
    let taken = check(peers, TLS13);
    let mut server = Messages::new(&taken.down, Side::Server);
    let first = server.next_of(messages::SERVER_HELLO).unwrap();
    assert!(Hello::of_server(&first).unwrap().is_retry());
}

#[test]
fn a_server_that_asks_for_a_certificate_is_proven_too() {
    for (version, code) in [(&version::TLS12, TLS12), (&version::TLS13, TLS13)] {
        let mut peers = Peers::new(version);
        peers.asks_for_certificate = true;
        check(peers, code);
    }
}

#[test]
fn no_changed_byte_up_to_the_signature_proves_the_same() {
    for version in [&version::TLS12, &version::TLS13] {
        let taken = Peers::new(version).handshake();
        let proof = taken.prove().unwrap();
        let (roots, now) = (Roots::new(taken.roots.clone()), now());
        for at in 0..taken.down.len() {
            let mut down = taken.down.clone();
            down[at] ^= 1;
            let changed = Taken {
                up: taken.up.clone(),
                down,
                key_log: taken.key_log.clone(),
                leaf: taken.leaf.clone(),
                roots: taken.roots.clone(),
            };
            // The version of a record is under no signature. In TLS 1.2 extensions, suite and
            // certificate are not under this one: another certificate with the same key is found out
            // by its chain.
            if let Ok(other) = changed.prove() {
                let led = roots.check(&other.chain, "a.example", now);
                assert!(other == proof || led != ChainCheck::Leads, "byte {at}");
            }
        }
        let mut up = taken.up.clone();
        up[RANDOM_AT] ^= 1;
        let changed = Taken { up, ..taken };
        let wanted = match version.version {
            rustls::ProtocolVersion::TLSv1_2 => Unproven::WrongSignature,
            _ => Unproven::NoSecret,
        };
        assert_eq!(changed.prove(), Err(wanted));
    }
}

#[test]
fn another_handshake_of_the_same_server_does_not_pass_for_this_one() {
    let key = KeyPair::generate().unwrap();
    let same = || KeyPair::from_pem(&key.serialize_pem()).unwrap();
    let handshake = || {
        let mut peers = Peers::new(&version::TLS13);
        peers.key = same();
        peers.handshake()
    };
    let (mut one, other) = (handshake(), handshake());
    one.down = other.down;
    assert_eq!(one.prove(), Err(Unproven::WrongSecret));
}

#[test]
fn without_its_secret_nothing_is_proven() {
    let taken = Peers::new(&version::TLS13).handshake();
    assert_eq!(taken.prove_with(""), Err(Unproven::NoSecret));
    let other = taken.key_log.replace("SERVER_HANDSHAKE", "SOME_OTHER");
    assert_eq!(taken.prove_with(&other), Err(Unproven::NoSecret));
}

#[test]
fn cut_bytes_are_incomplete() {
    let taken = Peers::new(&version::TLS13).handshake();
    let secrets = KeyLog::read(taken.key_log.as_bytes()).unwrap();
    for end in 0..taken.down.len() / 2 {
        let kept = Kept { up: &taken.up, down: &taken.down[..end] };
        assert_eq!(prove(kept, &secrets), Err(Unproven::Incomplete), "{end}");
    }
}

#[test]
fn a_chain_leads_to_its_root_for_its_name_and_in_its_time() {
    let taken = Peers::new(&version::TLS13).handshake();
    let chain = taken.prove().unwrap().chain;
    let (roots, now) = (Roots::new(taken.roots), now());
    assert_eq!(roots.check(&chain, "a.example", now), ChainCheck::Leads);
    for (name, at) in [("b.example", now), ("a.example", Duration::ZERO), ("no name", now)] {
        assert!(matches!(roots.check(&chain, name, at), ChainCheck::DoesNot(_)), "{name}");
    }
    let none = Roots::new(RootCertStore::empty());
    assert_eq!(none.check(&chain, "a.example", now), ChainCheck::NoRoots);
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

/// Record header, message header, version.
const RANDOM_AT: usize = 5 + 4 + 2;
