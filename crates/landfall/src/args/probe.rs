//! Options of `landfall probe`, and how a vantage is written on the command line.

use flow::assessment::MIN_SAMPLES;
use flow::physics::{PositionError, Vantage};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What to measure from where.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ProbeArgs {
    /// Hosts to dial, on port 443 unless another is written.
    #[arg(required = true, value_name = "HOST[:PORT]")]
    pub(crate) hosts: Vec<String>,
    /// TLS handshakes with each address.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SAMPLES, value_parser = clap::value_parser!(u64).range(MIN_SAMPLES..=MOST_SAMPLES))]
    pub(crate) samples: u64,
    /// File to write, readable for you alone; one that is there already is not written over. `-` for
    /// stdout.
    #[arg(short = 'o', long = "out", value_name = "FILE", default_value = "-")]
    pub(crate) out: PathBuf,
    /// Where this machine stands: degrees north and east, and within how many kilometres [default:
    /// [vantage] of the configuration].
    #[arg(long, value_name = "LAT,LON,KM", allow_hyphen_values = true)]
    pub(crate) vantage: Option<VantageText>,
    /// What to call this vantage.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// Let loopback and link-local addresses be dialled (tests).
    #[arg(long)]
    pub(crate) allow_local: bool,
}

/// `LAT,LON,KM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VantageText(pub(crate) Vantage);

/// Why a text is no vantage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAVantage {
    Form,
    Place(PositionError),
}

impl fmt::Display for NotAVantage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("write three numbers, such as 1.3521,103.8198,25"),
            Self::Place(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for NotAVantage {}

impl FromStr for VantageText {
    type Err = NotAVantage;

    fn from_str(text: &str) -> Result<Self, NotAVantage> {
        let numbers: Result<Vec<f64>, _> = text.split(',').map(|n| n.trim().parse()).collect();
        let Ok([latitude, longitude, kilometres]) = numbers.as_deref() else {
            return Err(NotAVantage::Form);
        };
        let vantage = Vantage::new(*latitude, *longitude, *kilometres);
        vantage.map(Self).map_err(NotAVantage::Place)
    }
}

const DEFAULT_SAMPLES: u64 = 5;
/// More add nothing to the least of them.
const MOST_SAMPLES: u64 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vantage_is_three_numbers() {
        let read = |text: &str| text.parse::<VantageText>().map(|v| v.0.position.to_string());
        assert_eq!(read("-33.8688, 151.2093,25").unwrap(), "-33.8688, 151.2093");
        for form in ["", "1,2", "1,2,3,4", "north,2,3", "1;2;3"] {
            assert_eq!(read(form), Err(NotAVantage::Form), "{form}");
        }
        assert_eq!(read("91,0,1"), Err(NotAVantage::Place(PositionError::Latitude)));
        assert_eq!(read("1,0,NaN"), Err(NotAVantage::Place(PositionError::Distance)));
    }
}
