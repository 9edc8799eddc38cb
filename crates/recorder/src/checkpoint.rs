//! Checkpoints: a statement "the log of this session has N records and this root", as a C2SP
//! tlog-checkpoint in a C2SP signed note. Who signs is [`crate::signer`]'s business.

use crate::merkle::Hash;
use crate::signer::Signer;
use aws_lc_rs::digest;
use aws_lc_rs::signature::{ED25519 as ED25519_ALGORITHM, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flow::id::SessionId;

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Names the log, and the key in the signature line: `landfall/<session id>`.
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

impl Checkpoint {
    pub fn new(session: SessionId, size: u64, root: Hash) -> Self {
        Self { origin: format!("landfall/{session}"), size, root }
    }

    /// Of the review log, whose origin is another: no checkpoint of one log passes for the other's.
    pub fn of_review(session: SessionId, size: u64, root: Hash) -> Self {
        Self { origin: format!("landfall/{session}/review"), size, root }
    }

    /// The text that is signed: origin, size and root, a line each.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.as_bytes()))
    }

    /// The signed note: the text, an empty line and the signature line.
    pub(crate) fn sign(&self, signer: &Signer) -> String {
        let text = self.text();
        let mut signed = key_id(&self.origin, &signer.public_key()).to_vec();
        signed.extend_from_slice(&signer.sign(text.as_bytes()));
        format!("{text}\n\u{2014} {} {}\n", self.origin, STANDARD.encode(signed))
    }

    /// Whether `note` is this checkpoint, signed by the holder of `key` (Ed25519).
    pub fn is_signed(&self, note: &str, key: &[u8; 32]) -> bool {
        let prefix = format!("{}\n\u{2014} {} ", self.text(), self.origin);
        let signed = note
            .strip_prefix(&prefix)
            .and_then(|rest| rest.strip_suffix('\n'))
            .and_then(|base64| STANDARD.decode(base64).ok());
        let Some((id, signature)) = signed.as_deref().and_then(|s| s.split_at_checked(4)) else {
            return false;
        };
        let verifier = UnparsedPublicKey::new(&ED25519_ALGORITHM, key);
        id == key_id(&self.origin, key)
            && verifier.verify(self.text().as_bytes(), signature).is_ok()
    }

    /// Reads the text of a signed note. Its signature is not looked at.
    pub fn parse(note: &str) -> Option<Self> {
        let (text, _signatures) = note.split_once("\n\n")?;
        let mut lines = text.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let root: [u8; 32] = STANDARD.decode(root).ok()?.try_into().ok()?;
        let checkpoint =
            Self { origin: origin.to_owned(), size: size.parse().ok()?, root: Hash::from(root) };
        // A text has one spelling; extension lines are not written, so none is expected.
        (checkpoint.text().strip_suffix('\n') == Some(text)).then_some(checkpoint)
    }
}

/// The first four bytes of `SHA-256(name || 0x0A || 0x01 || key)`; 0x01 says Ed25519.
fn key_id(name: &str, key: &[u8; 32]) -> [u8; 4] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(name.as_bytes());
    context.update(&[b'\n', ED25519]);
    context.update(key);
    let hash = Hash::from_digest(&context.finish());
    let [a, b, c, d, ..] = *hash.as_bytes();
    [a, b, c, d]
}

const ED25519: u8 = 0x01;

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    fn checkpoint() -> Checkpoint {
        Checkpoint::new(SessionId([0xab; 16]), 23, Hash::of_leaf(b"x"))
    }

    /// A program other than ours must find the signature good, and a changed text bad.
    #[test]
    fn openssl_verifies_the_note() {
        let temp = tempfile::tempdir().unwrap();
        let signer = Signer::load_or_create(temp.path()).unwrap();
        let note = checkpoint().sign(&signer);
        let (text, signature) = note.split_once("\n\n").unwrap();
        let fields: Vec<_> = signature.trim_end().split(' ').collect();
        assert_eq!(fields[..2], ["\u{2014}", "landfall/abababababababababababababababab"]);
        let signature = STANDARD.decode(fields[2]).unwrap();
        assert_eq!(signature[..4], key_id(fields[1], &signer.public_key()));

        let file = |name: &str, bytes: &[u8]| {
            let path = temp.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        // A SubjectPublicKeyInfo for Ed25519 (RFC 8410 section 4), as docs/FORMAT.md shows it.
        let prefix = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
        let key = file("key.der", &[&prefix[..], &signer.public_key()].concat());
        let signature = file("signature", &signature[4..]);
        let text = file("text", format!("{text}\n").as_bytes());
        assert!(openssl_accepts(&key, &signature, &text));
        let other = file("other", b"landfall/abababababababababababababababab\n24\n");
        assert!(!openssl_accepts(&key, &signature, &other));
    }

    fn openssl_accepts(key: &Path, signature: &Path, text: &Path) -> bool {
        let output = Command::new("openssl")
            .args(["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin", "-inkey"])
            .arg(key)
            .arg("-sigfile")
            .arg(signature)
            .arg("-in")
            .arg(text)
            .output()
            .unwrap();
        output.status.success()
    }

    #[test]
    fn a_note_is_signed_by_its_key_and_for_its_log_alone() {
        let (temp, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let signer = Signer::load_or_create(temp.path()).unwrap();
        let stranger = Signer::load_or_create(other.path()).unwrap();
        let (capture, note) = (checkpoint(), checkpoint().sign(&signer));
        let review = Checkpoint::of_review(SessionId([0xab; 16]), 23, Hash::of_leaf(b"x"));
        let key = signer.public_key();
        assert!(capture.is_signed(&note, &key) && review.is_signed(&review.sign(&signer), &key));
        assert!(
            !review.is_signed(&note, &key) && !capture.is_signed(&note, &stranger.public_key())
        );
        assert!(!capture.is_signed(&checkpoint().sign(&stranger), &key));
        assert!(
            !capture.is_signed(&note.replace("23", "24"), &key) && !capture.is_signed("", &key)
        );
    }

    #[test]
    fn notes_are_read_back() {
        let temp = tempfile::tempdir().unwrap();
        let note = checkpoint().sign(&Signer::load_or_create(temp.path()).unwrap());
        assert_eq!(Checkpoint::parse(&note), Some(checkpoint()));
        for wrong in ["", "a\n1\nb\n\n", &note.replace("23", "023"), &note.replace("23", "+23")] {
            assert_eq!(Checkpoint::parse(wrong), None, "{wrong}");
        }
    }
}
