//! A configuration profile with the certificate as a root (Apple, *Configuration Profile
//! Reference*, payload `com.apple.security.root`). Installing it does not yet make the device trust
//! it for TLS: that takes a second step in the settings.

use crate::fingerprint;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The profile as a property list. Its identifiers follow from the certificate, so that installing
/// it again replaces it.
pub(super) fn profile(name: &str, der: &[u8]) -> String {
    let print = fingerprint::sha256(der);
    let short = fingerprint::hex(print.get(..8).unwrap_or_default());
    TEMPLATE
        .replace("{name}", &escaped(name))
        .replace("{short}", &short)
        .replace("{profile-uuid}", &uuid("profile", &print))
        .replace("{root-uuid}", &uuid("root", &print))
        .replace("{data}", &STANDARD.encode(der))
}

/// A UUID made of a hash (RFC 9562 section 5.8, version 8).
fn uuid(label: &str, print: &[u8; 32]) -> String {
    let hash = digest(&SHA256, &[b"landfall mobileconfig ", label.as_bytes(), print].concat());
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = fingerprint::hex(&bytes).to_ascii_uppercase();
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

fn escaped(text: &str) -> String {
    // A control character has no place in XML, not even escaped.
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    clean.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const TEMPLATE: &str = include_str!("profile.plist");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_follow_from_the_certificate() {
        let one = profile("A <b> & c", b"one");
        assert_eq!(one, profile("A <b> & c", b"one"));
        assert!(
            one.contains("<string>A &lt;b&gt; &amp; c</string>") && !one.contains('{'),
            "{one}"
        );
        assert_ne!(uuid("root", &[1; 32]), uuid("root", &[2; 32]));
        assert_ne!(uuid("root", &[1; 32]), uuid("profile", &[1; 32]));
        let text = uuid("root", &[1; 32]);
        assert_eq!((text.len(), text.get(14..15)), (36, Some("8")), "{text}");
    }
}
