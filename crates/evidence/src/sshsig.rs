//! Signatures of files in OpenSSH's form (PROTOCOL.sshsig), which `ssh-keygen -Y verify` checks. Keys
//! are Ed25519. Whose key it is, whoever checks has to know from elsewhere.

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// A signature of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshSignature {
    /// The signer's Ed25519 key.
    pub key: [u8; 32],
    signature: [u8; 64],
}

impl SshSignature {
    /// Signs a file's bytes; `sign` signs a message with the private half of `key`.
    pub fn make<E>(
        key: [u8; 32],
        bytes: &[u8],
        sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
    ) -> Result<Self, E> {
        Ok(Self { key, signature: sign(&signed(bytes))? })
    }

    /// Whether it is one of these bytes.
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        let verifier = UnparsedPublicKey::new(&ED25519, self.key);
        verifier.verify(&signed(bytes), &self.signature).is_ok()
    }

    /// The armoured form, as `ssh-keygen -Y sign` writes it.
    pub fn armoured(&self) -> String {
        let base64 = STANDARD.encode(self.blob());
        let mut text = format!("{BEGIN}\n");
        let mut rest = base64.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at_checked(LINE).unwrap_or((rest, ""));
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text + END + "\n"
    }

    /// Reads the armoured form; `None` of all others, and of other kinds of keys and namespaces.
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix(BEGIN)?.strip_prefix('\n')?;
        let body = body.strip_suffix('\n')?.strip_suffix(END)?;
        let blob = STANDARD.decode(body.replace('\n', "")).ok()?;
        let key_at = MAGIC.len() + 4 + 4 + 4 + KIND.len() + 4;
        let key = blob.get(key_at..)?.first_chunk().copied()?;
        let signature = blob.last_chunk().copied()?;
        let found = Self { key, signature };
        // One form alone says it.
        (found.armoured() == text).then_some(found)
    }

    fn blob(&self) -> Vec<u8> {
        let mut blob = MAGIC.to_vec();
        blob.extend_from_slice(&1_u32.to_be_bytes());
        string(&mut blob, &public_key(&self.key));
        string(&mut blob, NAMESPACE.as_bytes());
        string(&mut blob, b"");
        string(&mut blob, HASH.as_bytes());
        let mut signature = Vec::new();
        string(&mut signature, KIND.as_bytes());
        string(&mut signature, &self.signature);
        string(&mut blob, &signature);
        blob
    }
}

/// The line of an `allowed_signers` file that trusts this key to sign for `principal`.
pub fn allowed_signer(principal: &str, key: &[u8; 32]) -> String {
    let key = STANDARD.encode(public_key(key));
    format!("{principal} namespaces=\"{NAMESPACE}\" {KIND} {key}\n")
}

/// The Ed25519 keys in a file of OpenSSH's: an `allowed_signers` file, or public keys of one line each.
/// Lines of other kinds of keys and comments are left out.
pub fn keys(text: &str) -> Vec<[u8; 32]> {
    let key = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip_while(|word| *word != KIND);
        let key = STANDARD.decode(words.nth(1)?).ok()?;
        let found = key.last_chunk().copied()?;
        (public_key(&found) == key).then_some(found)
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(key).collect()
}

/// The fingerprint of a key, as `ssh-keygen -l` prints it.
pub fn fingerprint(key: &[u8; 32]) -> String {
    let hash = digest(&SHA256, &public_key(key));
    format!("SHA256:{}", STANDARD_NO_PAD.encode(hash))
}

/// What the signature is over, in place of the file.
fn signed(bytes: &[u8]) -> Vec<u8> {
    let mut message = MAGIC.to_vec();
    string(&mut message, NAMESPACE.as_bytes());
    string(&mut message, b"");
    string(&mut message, HASH.as_bytes());
    string(&mut message, digest(&SHA512, bytes).as_ref());
    message
}

/// A key in SSH's wire form (RFC 8709 section 4).
fn public_key(key: &[u8; 32]) -> Vec<u8> {
    let mut blob = Vec::new();
    string(&mut blob, KIND.as_bytes());
    string(&mut blob, key);
    blob
}

/// A string of RFC 4251 section 5.
fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// What the signature is for: no signature of another purpose passes for one of a bundle.
pub const NAMESPACE: &str = "landfall";
const MAGIC: &[u8] = b"SSHSIG";
const KIND: &str = "ssh-ed25519";
const HASH: &str = "sha512";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const LINE: usize = 70;

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use std::fs::File;
    use std::process::{Command, Stdio};

    fn signature(bytes: &[u8]) -> SshSignature {
        let pair = Ed25519KeyPair::generate().unwrap();
        let key = pair.public_key().as_ref().try_into().unwrap();
        let sign = |message: &[u8]| pair.sign(message).as_ref().try_into();
        SshSignature::make(key, bytes, sign).unwrap()
    }

    #[test]
    fn openssh_finds_it_good_and_another_file_bad() {
        let temp = tempfile::tempdir().unwrap();
        let path = |name: &str| temp.path().join(name);
        let made = signature(b"what is signed\n");
        std::fs::write(path("file.sig"), made.armoured()).unwrap();
        std::fs::write(path("allowed"), allowed_signer("lab@example", &made.key)).unwrap();
        let check = |content: &str, expected: bool| {
            std::fs::write(path("file"), content).unwrap();
            let status = Command::new("ssh-keygen")
                .args(["-Y", "verify", "-I", "lab@example", "-n", NAMESPACE, "-f"])
                .arg(path("allowed"))
                .arg("-s")
                .arg(path("file.sig"))
                .stdin(File::open(path("file")).unwrap())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            assert_eq!(status.success(), expected, "{content}");
        };
        check("what is signed\n", true);
        check("what is not\n", false);
        let allowed = std::fs::read_to_string(path("allowed")).unwrap();
        assert_eq!(keys(&format!("# who\n{allowed}\nssh-rsa AAAA x\n")), [made.key]);
    }

    #[test]
    fn every_changed_character_is_refused_or_found_out() {
        let made = signature(b"bytes");
        let text = made.armoured();
        assert_eq!(SshSignature::parse(&text), Some(made.clone()));
        assert!(made.is_of(b"bytes") && !made.is_of(b"byte"));
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            let good = SshSignature::parse(&changed).is_some_and(|found| found.is_of(b"bytes"));
            assert!(!good, "{at}");
        }
    }
}
