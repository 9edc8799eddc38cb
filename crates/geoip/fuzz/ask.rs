//! Checks a file and asks it about addresses of each kind.

use geoip::{SigningKey, check_and_ask};
use std::io::Write;

pub fn file(bytes: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a directory for temporary files");
    file.write_all(bytes).expect("room for a small file");
    let key = SigningKey::of_ipfire().expect("the key is built in");
    let addresses = ["0.0.0.0", "1.2.3.4", "223.5.5.5", "::", "240e::1", "2001:db8::1", "ffff::"];
    let addresses = addresses.map(|address| address.parse().expect("an address"));
    if let Ok(answers) = check_and_ask(file.path(), &addresses, &key) {
        assert_eq!(answers.len(), addresses.len());
        for claim in answers.iter().flatten() {
            assert!(!claim.matched.is_empty());
        }
    }
}
