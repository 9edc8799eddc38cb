//! Why a file is no probe, each with what can be done about it.

use super::bounds::{MOST_BYTES, VERSION};
use std::fmt;
use std::str::Utf8Error;

/// Why a file is not taken for a probe.
#[derive(Debug)]
pub enum ProbeError {
    TooLarge,
    NoText(Utf8Error),
    /// No JSON, or of another form from the beginning.
    NoProbe(serde_json::Error),
    /// Another format version.
    Version(u64),
    /// The key is not 32 bytes.
    Key,
    /// It is not signed by the key that it names.
    Signature,
    /// Signed, and not of the shape of its version.
    Shape(serde_json::Error),
    /// Signed, and not the one spelling of what it says.
    NotCanonical,
    /// What it says of its vantage is no place.
    Vantage,
    /// It ends before it began.
    Times,
    /// Its name of the vantage is too long or holds control characters.
    Name,
}

impl ProbeError {
    /// What to do about it, as one sentence without a full stop.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge => "measure fewer hosts, or with fewer samples, in one probe",
            Self::NoText(_) | Self::NoProbe(_) => {
                "name a file that `landfall probe` wrote, as it came"
            }
            Self::Version(_) => "read it with the version of Landfall that wrote it",
            Self::Signature => {
                "fetch the file again: it was changed on the way, or is not what was measured"
            }
            Self::Name => "take a name of at most 100 bytes on one line",
            Self::Key | Self::Shape(_) | Self::NotCanonical | Self::Vantage | Self::Times => {
                "ask whoever signed it what wrote it: `landfall probe` did not"
            }
        }
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "a probe has at most {MOST_BYTES} bytes"),
            Self::NoText(_) | Self::NoProbe(_) => f.write_str("this is no probe"),
            Self::Version(version) => write!(
                f,
                "the probe has format version {version}; this program reads version {VERSION}"
            ),
            Self::Key => f.write_str("the probe's key is no Ed25519 key"),
            Self::Signature => f.write_str("the probe is not signed by the key that it names"),
            Self::Shape(_) => f.write_str("the probe is signed, and not of the form of a probe"),
            Self::NotCanonical => f.write_str("the probe is not in canonical form"),
            Self::Vantage => f.write_str("the probe's vantage is no place"),
            Self::Times => f.write_str("the probe ends before it began"),
            Self::Name => f.write_str("the name of the probe's vantage is too long or odd"),
        }
    }
}

impl std::error::Error for ProbeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoText(source) => Some(source),
            Self::NoProbe(source) | Self::Shape(source) => Some(source),
            _ => None,
        }
    }
}
