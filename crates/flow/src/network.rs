//! IP networks in CIDR notation: the one type for allow-lists, overrides and filters.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An IPv4 or IPv6 network; host bits are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of `prefix` bits that contains `address`; `None` when the prefix is too long.
    pub fn containing(address: IpAddr, prefix: u8) -> Option<Self> {
        let width = width(address);
        (prefix <= width).then(|| Self { address: mask(address, prefix), prefix })
    }

    pub fn address(self) -> IpAddr {
        self.address
    }

    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether `address` lies in it. The two families are never equal.
    pub fn contains(self, address: IpAddr) -> bool {
        width(address) == width(self.address) && mask(address, self.prefix) == self.address
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkError {
    NotAnAddress,
    BadPrefix,
    /// The address has bits set beyond the prefix: `10.0.0.1/8`.
    HostBits,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnAddress => "not an IP address or network such as 10.0.0.0/8",
            Self::BadPrefix => "the prefix length is no number of bits of such an address",
            Self::HostBits => "the address has bits set beyond the prefix",
        })
    }
}

impl std::error::Error for NetworkError {}

impl FromStr for Network {
    type Err = NetworkError;

    /// `10.0.0.0/8`, `2001:db8::/32`, or a single address.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_syntax| NetworkError::NotAnAddress)?;
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_range| NetworkError::BadPrefix)?
            }
            Some(_) => return Err(NetworkError::BadPrefix),
            None => width(address),
        };
        let network = Self::containing(address, prefix).ok_or(NetworkError::BadPrefix)?;
        if network.address != address {
            return Err(NetworkError::HostBits);
        }
        Ok(network)
    }
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn mask(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(ip) => {
            let keep = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4((u32::from(ip) & keep).into())
        }
        IpAddr::V6(ip) => {
            let keep = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::V6((u128::from(ip) & keep).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for text in ["0.0.0.0/0", "10.0.0.0/8", "192.0.2.1/32", "::/0", "2001:db8::/32"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        assert_eq!("10.0.0.1".parse::<Network>().unwrap().to_string(), "10.0.0.1/32");
        for (text, error) in [
            ("10.0.0.1/8", NetworkError::HostBits),
            ("10.0.0.0/33", NetworkError::BadPrefix),
            ("10.0.0.0/+8", NetworkError::BadPrefix),
            ("10.0.0.0/", NetworkError::BadPrefix),
            ("10.0.0/8", NetworkError::NotAnAddress),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{text}");
        }
        let ten: Network = "10.0.0.0/8".parse().unwrap();
        assert!(ten.contains("10.255.0.1".parse().unwrap()));
        assert!(!ten.contains("11.0.0.1".parse().unwrap()));
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("1.2.3.4".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
    }
}
