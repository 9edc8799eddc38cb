//! What is written into the two kinds of certificate (RFC 5280): the authority's and a leaf's.
//! Decides contents and life only; keys and signing are the callers'.

use crate::error::Error;
use crate::key_kind::KeyKind;
use aws_lc_rs::digest::{SHA256, digest};
use flow::address::Host;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyIdMethod, KeyUsagePurpose, SanType, SerialNumber,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;

/// The authority's name: `Landfall` and the first four bytes of the SHA-256 of its public key
/// (the DER of its SubjectPublicKeyInfo), such as `Landfall 3F2A 9C71`. Two installations thus
/// never share a name, and a device's list of authorities shows which one it trusts.
pub(crate) fn authority_name(public_key_info: &[u8]) -> String {
    let print: Vec<String> = digest(&SHA256, public_key_info)
        .as_ref()
        .chunks(2)
        .take(2)
        .map(|pair| pair.iter().map(|byte| format!("{byte:02X}")).collect())
        .collect();
    format!("Landfall {}", print.join(" "))
}

/// The contents of the authority's own certificate: it signs leaves and revocation lists, and no
/// further authority (path length 0).
pub(crate) fn authority(
    public_key_info: &[u8],
    now: SystemTime,
) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    params.not_before = calendar(seconds(now)?.saturating_sub(BACKDATED))?;
    params.not_after = calendar(seconds(now)? + AUTHORITY_LIFE)?;
    params.serial_number = Some(serial()?);
    params.distinguished_name = common_name(authority_name(public_key_info));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.key_identifier_method = KeyIdMethod::Sha256;
    Ok(params)
}

/// When a certificate is valid, both ends included, whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
}

impl Validity {
    /// The life of a leaf that is minted `now`: 31 days, of which one lies behind, so that a device
    /// whose clock is late accepts it too; never outside the authority's own life.
    pub(crate) fn of_leaf(now: SystemTime, authority: Self) -> Result<Self, Error> {
        let begin = seconds(now)?.saturating_sub(BACKDATED);
        // Both ends count (RFC 5280 section 4.1.2.5), hence the second less.
        let end = begin + LEAF_LIFE - Duration::from_secs(1);
        Ok(Self {
            not_before: (UNIX_EPOCH + begin).max(authority.not_before),
            not_after: (UNIX_EPOCH + end).min(authority.not_after),
        })
    }

    /// That of a certificate that is there.
    pub(crate) fn of_certificate(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self {
            not_before: system_time(validity.not_before.timestamp()),
            not_after: system_time(validity.not_after.timestamp()),
        }
    }

    pub(crate) fn contains(self, now: SystemTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Whether `now` is in the first half, in which a certificate is used without being renewed.
    pub(crate) fn is_fresh(self, now: SystemTime) -> bool {
        let life = self.not_after.duration_since(self.not_before).unwrap_or_default();
        self.not_before <= now && now < self.not_before + life / 2
    }
}

/// The contents of a leaf for one host. The name asked for is the only one in it: names copied from
/// the upstream's certificate would let a self-signed upstream have any name certified by us.
pub(crate) fn leaf(
    host: &Host,
    key: KeyKind,
    validity: Validity,
) -> Result<CertificateParams, Error> {
    let (text, alternative_name) = match host {
        Host::Name(name) => {
            let ascii = name.as_str().try_into().map_err(|source| Error::Sign { source })?;
            (name.as_str().to_owned(), SanType::DnsName(ascii))
        }
        Host::Ip(ip) => (ip.to_string(), SanType::IpAddress(*ip)),
    };
    let mut params = CertificateParams::default();
    params.not_before = calendar(seconds(validity.not_before)?)?;
    params.not_after = calendar(seconds(validity.not_after)?)?;
    params.serial_number = Some(serial()?);
    // Only old clients read the common name, and it has an upper bound; without it the subject is
    // empty and the alternative name critical, as RFC 5280 section 4.2.1.6 has it.
    params.distinguished_name = match text.len() <= MAX_COMMON_NAME {
        true => common_name(text),
        false => DistinguishedName::new(),
    };
    params.subject_alt_names = vec![alternative_name];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = match key {
        KeyKind::P256 => vec![KeyUsagePurpose::DigitalSignature],
        // The clients that need it may still want the key exchange of their time allowed.
        KeyKind::Rsa2048 => {
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment]
        }
    };
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn common_name(text: String) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

/// A random serial number: positive, without leading zeros, always 16 bytes (RFC 5280 section
/// 4.1.2.2 allows 20).
fn serial() -> Result<SerialNumber, Error> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_unspecified| Error::Random)?;
    let [first, ..] = &mut bytes;
    *first = (*first & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// Whole seconds since 1970.
fn seconds(time: SystemTime) -> Result<Duration, Error> {
    let since = time.duration_since(UNIX_EPOCH).map_err(|_before| Error::Clock)?;
    Ok(Duration::from_secs(since.as_secs()))
}

fn calendar(since_1970: Duration) -> Result<OffsetDateTime, Error> {
    let seconds = i64::try_from(since_1970.as_secs()).map_err(|_overflow| Error::Clock)?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_range| Error::Clock)
}

fn system_time(timestamp: i64) -> SystemTime {
    let distance = Duration::from_secs(timestamp.unsigned_abs());
    match timestamp < 0 {
        true => UNIX_EPOCH.checked_sub(distance),
        false => UNIX_EPOCH.checked_add(distance),
    }
    .unwrap_or(UNIX_EPOCH)
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How far certificates begin in the past, for devices whose clock is late.
const BACKDATED: Duration = DAY;

/// Short enough for every limit that clients announced for leaves (47 days from 2029; Chromium 200
/// days under a root of Android's system store).
const LEAF_LIFE: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Five years: longer than a study, short enough that a forgotten authority dies.
const AUTHORITY_LIFE: Duration = Duration::from_secs(5 * 365 * 24 * 60 * 60);

/// `ub-common-name` of RFC 5280 appendix A.1.
const MAX_COMMON_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_is_named_after_its_key() {
        // SHA-256 of "abc" begins ba7816bf (FIPS 180-2 appendix B.1).
        assert_eq!(authority_name(b"abc"), "Landfall BA78 16BF");
    }

    #[test]
    fn a_leaf_lives_31_days_within_the_life_of_the_authority() {
        let day = |n: u32| UNIX_EPOCH + DAY * n;
        let second = Duration::from_secs(1);
        let long = Validity { not_before: day(0), not_after: day(10_000) };
        let leaf = Validity::of_leaf(day(100), long).unwrap();
        assert_eq!(leaf.not_before, day(99));
        assert_eq!(leaf.not_after + second, day(130));
        assert!(leaf.is_fresh(day(114)) && !leaf.is_fresh(day(115)) && leaf.contains(day(115)));
        assert!(!leaf.is_fresh(day(98)), "a clock that was set back");

        let short = Validity { not_before: day(100), not_after: day(110) };
        assert_eq!(Validity::of_leaf(day(100), short).unwrap(), short);
    }

    #[test]
    fn impossible_clocks_are_errors() {
        let before = UNIX_EPOCH - DAY;
        assert!(matches!(authority(b"key", before), Err(Error::Clock)));
        let far = UNIX_EPOCH + DAY * 4_000_000;
        assert!(matches!(authority(b"key", far), Err(Error::Clock)));
    }

    #[test]
    fn serials_are_positive_and_differ() {
        let first = serial().unwrap().to_bytes();
        assert_eq!(first.len(), 16);
        assert!(first.first().unwrap() & 0x80 == 0);
        assert_ne!(first, serial().unwrap().to_bytes());
    }
}
