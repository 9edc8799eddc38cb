//! What all that is known of a destination adds up to: a level on each of four axes with the records
//! that support it, what round-trip times exclude, verdict words, caveats, answers to statements.
//! Values only: how they come about is `geoip::assess`'s business.

use crate::claim::{Confidence, Country, NotACountry};
use crate::id::RecordSeq;
use crate::physics::{DecidingVantage, Exclusion, ExclusionStrength, Vantage};
use crate::time::WallNanos;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Did the device talk to it? Judged on the device's leg only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Contact {
    /// The name alone is known, from a list.
    NameOnly,
    /// The name was looked up.
    NameAsked,
    /// A connection was asked for.
    ConnectionAsked,
    /// The device completed a TLS handshake.
    TlsCompleted,
    /// The device sent application bytes.
    BytesSent,
    /// Their plaintext was seen.
    PlaintextSeen,
    /// The plaintext held a planted value.
    PlantedValueSeen,
}

impl Contact {
    /// `C0` to `C6`.
    pub fn code(self) -> &'static str {
        match self {
            Self::NameOnly => "C0",
            Self::NameAsked => "C1",
            Self::ConnectionAsked => "C2",
            Self::TlsCompleted => "C3",
            Self::BytesSent => "C4",
            Self::PlaintextSeen => "C5",
            Self::PlantedValueSeen => "C6",
        }
    }
}

/// Who runs it?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OperatorLevel {
    /// A name hints at somebody, often the customer.
    NameHint,
    /// The holder of the origin AS is known.
    OriginAs,
    /// A curated list names the operator.
    Curated,
    /// The name is an alias into a zone of the operator's own.
    OwnZone,
}

impl OperatorLevel {
    /// `O0` to `O3`.
    pub fn code(self) -> &'static str {
        match self {
            Self::NameHint => "O0",
            Self::OriginAs => "O1",
            Self::Curated => "O2",
            Self::OwnZone => "O3",
        }
    }
}

/// Where is the machine that ended the session?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LocationLevel {
    /// A country of registration, or somebody's own statement.
    Hint,
    /// One database, or several that are not all of one answer.
    OneDatabase,
    /// All databases asked answer, and agree.
    AllDatabases,
    /// Measurements from several vantage points leave one of the countries in question.
    Bounded,
}

impl LocationLevel {
    /// `G0` to `G3`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Hint => "G0",
            Self::OneDatabase => "G1",
            Self::AllDatabases => "G2",
            Self::Bounded => "G3",
        }
    }
}

/// What was sent?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContentLevel {
    /// Nothing that could be looked at.
    Opaque,
    /// Sizes and times.
    SizesAndTimes,
    /// A known endpoint or tracker.
    KnownEndpoint,
    /// Decoded fields: at least a request's head.
    Decoded,
    /// A planted value, with the chain of decodings that leads to it.
    PlantedValue,
}

impl ContentLevel {
    /// `P0` to `P4`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Opaque => "P0",
            Self::SizesAndTimes => "P1",
            Self::KnownEndpoint => "P2",
            Self::Decoded => "P3",
            Self::PlantedValue => "P4",
        }
    }
}

/// A level, and the records that support it, in ascending order and each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supported<L> {
    pub level: L,
    pub records: Vec<RecordSeq>,
}

/// Round-trip times to one address, seen from one vantage within one epoch of the network there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundTrips {
    pub from: MeasuredFrom,
    /// From our ClientHello to a server signature that verified under a publicly trusted chain: the
    /// only time that may refute anything.
    pub signature: Option<Samples>,
    /// From SYN to SYN-ACK, as connecting took. Shown beside it: NATs and helpers answer it, too.
    pub connect: Option<Samples>,
    /// The least round-trip time that the kernel saw on the connection (`tcpi_min_rtt`).
    pub kernel: Option<Samples>,
    pub records: Vec<RecordSeq>,
}

/// Where round trips were measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeasuredFrom {
    /// The machine that recorded the session, at its declared place.
    Here(Vantage),
    /// Another machine, whose signed measurements were imported.
    Probe(Arc<Probe>),
}

impl MeasuredFrom {
    pub fn vantage(&self) -> Vantage {
        match self {
            Self::Here(vantage) => *vantage,
            Self::Probe(probe) => probe.vantage,
        }
    }
}

/// A measurement that was imported, as far as conclusions depend on whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// As the operator of the probe calls the vantage.
    pub name: Option<String>,
    pub vantage: Vantage,
    /// The Ed25519 public key that signed, base64.
    pub key: String,
    pub standing: KeyStanding,
    /// The record of the review log that holds it.
    pub record: RecordSeq,
    pub when: ProbedWhen,
    /// Why its times say nothing, whatever they are.
    pub silence: Option<NoStatement>,
}

/// What whoever imported a probe knew of the key that signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyStanding {
    /// They named it as one that they know.
    Named,
    /// It is that of the installation that imported it.
    Own,
    /// Nothing.
    Unknown,
}

/// When a probe was made, seen from the time in which the session saw an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProbedWhen {
    Meanwhile,
    Before(Duration),
    After(Duration),
}

/// The least of some measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Samples {
    pub least: Duration,
    pub count: u64,
}

/// Why round-trip times say nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoStatement {
    /// Nobody declared where the machine stands.
    NoVantage,
    /// The default route leads into a tunnel; the interface.
    Tunnel(String),
    /// The system did not tell how the machine is connected.
    NetworkUnknown,
    /// Connections leave through another proxy.
    UpstreamProxy,
    /// No signature under a publicly trusted chain was timed.
    NotMeasured,
    /// Fewer samples than it takes within one epoch of the network.
    TooFewSamples(u64),
    /// It was measured from elsewhere, where an address that many machines have may be another one.
    AnycastElsewhere,
    /// It was measured from elsewhere, and no one machine can have answered so soon at both places.
    AnotherMachine,
}

impl fmt::Display for NoStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVantage => f.write_str("no vantage is declared"),
            Self::Tunnel(interface) => {
                write!(f, "the default route leads into a tunnel ({interface})")
            }
            Self::NetworkUnknown => f.write_str("how the machine is connected could not be read"),
            Self::UpstreamProxy => f.write_str("connections leave through an upstream proxy"),
            Self::NotMeasured => {
                f.write_str("no server signature under a publicly trusted chain was timed")
            }
            Self::TooFewSamples(count) => {
                write!(f, "{count} of at least {MIN_SAMPLES} samples within one network epoch")
            }
            Self::AnycastElsewhere => f.write_str(
                "the address is anycast, so that another machine answers at another place",
            ),
            Self::AnotherMachine => f.write_str(
                "no one machine can have answered so soon at all the places that it was measured \
                 from",
            ),
        }
    }
}

/// Samples that it takes within one epoch of the network before a time may refute anything.
pub const MIN_SAMPLES: u64 = 3;

/// What round trips to one address say of one country.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountryExclusion {
    pub address: IpAddr,
    pub from: MeasuredFrom,
    pub samples: Samples,
    /// The bounds and what followed; also where nothing is excluded.
    pub exclusion: Exclusion,
    pub records: Vec<RecordSeq>,
}

/// From where a measurement would decide whether a machine that is supposed to be in one country is
/// in another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deciding {
    pub supposed: Country,
    pub excluded: Country,
    /// Those that could decide, the best first; empty when none realistically can.
    pub vantages: Vec<DecidingVantage>,
}

/// A short judgement-free word for what the facts add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// All sources that answer place the machine in this country, and no measurement refutes it.
    LocatedIn { country: Country, by: PlacedBy },
    /// The operator's group has its headquarters in another country than the machine's.
    OperatedFromElsewhere {
        group: String,
        headquarters: Country,
        confidence: Confidence,
        located: Country,
    },
    /// The operator's group has its headquarters here; where the machine is, is either the same or
    /// not known.
    OperatedBy { group: String, headquarters: Country, confidence: Confidence },
    /// Location sources contradict one another about an address.
    DatabasesDisagree,
    /// One address stands for many machines.
    NotDeterminableAnycast,
    /// Databases place the host's addresses in different countries.
    NotDeterminableEdge(Vec<Country>),
    /// Round-trip times refute the country for every address, at least this strongly.
    PhysicsExcludes { country: Country, strength: ExclusionStrength },
    /// Databases that were asked later place an address elsewhere.
    PlacedElsewhereLater,
    /// The host was at addresses in one country and then at others elsewhere; the stays in the order
    /// of time, at least two.
    LocationMoved(Vec<Stay>),
}

/// Where a host was, as databases place its addresses, from one answer to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    /// In alphabetical order; several at the same time are the places of several addresses.
    pub countries: Vec<Country>,
    pub from: WallNanos,
    pub until: WallNanos,
    pub records: Vec<RecordSeq>,
}

/// On whose word a machine is in a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlacedBy {
    /// Of the databases asked, so many answered, all alike.
    Databases { answered: usize, asked: usize },
    /// The analyst's own correction.
    Override,
}

impl fmt::Display for PlacedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Databases { answered, asked } => {
                write!(f, "according to {answered} of {asked} databases")
            }
            Self::Override => f.write_str("by the analyst's override"),
        }
    }
}

/// Something that a reader must know before drawing conclusions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caveat {
    /// Names or addresses were simulated: no finding on real traffic.
    Simulated,
    /// Databases agree; they share sources.
    AgreementIsNoProof,
    /// Round trips speak of the instance that was reached, of an address that many machines have.
    AnycastInstance,
    /// Round trips speak of the machine that ended this TLS session and of nothing behind it.
    NothingBehindTheEnd,
    /// The TLS time is much longer than the TCP time: something may stand between.
    PossibleMiddlebox { address: IpAddr, signature: Duration, connect: Duration },
    /// The proxy resolved the name, not the device.
    ResolvedByProxy,
    /// No answer of the session holds the address that was dialled.
    DialledWithoutLookup(IpAddr),
    /// The curated link to the operator has this confidence and basis.
    OperatorBasis { group: String, confidence: Confidence, basis: String },
    /// Public reporting alone links the network to a group.
    OnlyPossibleOperator { group: String, basis: String },
    /// An analyst's correction stands above the databases.
    Overridden,
    /// Why round-trip times say nothing here.
    NoPhysics(NoStatement),
    /// Times of an imported probe are in the exclusions: its word, on which they rest.
    ImportedProbe { record: RecordSeq, key: String, standing: KeyStanding },
    /// An imported probe was made long before or after the session saw the address.
    ProbedAtAnotherTime { record: RecordSeq, address: IpAddr, when: ProbedWhen },
    /// Why the times of an imported probe say nothing of an address.
    ProbeSaysNothing { record: RecordSeq, address: IpAddr, why: NoStatement },
    /// Databases were not asked about so many of its addresses: nothing is said of the whole.
    NotAsked(usize),
    /// Other databases were asked later and answer differently; the newest location database among
    /// them that answered is of this date.
    LaterOpinionDiffers { address: IpAddr, change: OpinionChange, built: Option<String> },
}

/// In which respect databases that were asked later say something else of an address. What nobody
/// says anything of is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpinionChange {
    /// The countries that the location sources answer, in alphabetical order.
    Location { then: Vec<Country>, later: Vec<Country> },
    /// The group that runs it, and where that has its headquarters.
    Operator { then: Option<OperatedBy>, later: Option<OperatedBy> },
    /// Where the address is registered.
    AddressRegistered { then: Option<Country>, later: Option<Country> },
    /// Where the AS is registered.
    AsRegistered { then: Option<Country>, later: Option<Country> },
}

/// A group by its name, with the country of its headquarters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatedBy {
    pub group: String,
    pub headquarters: Option<Country>,
}

impl fmt::Display for OperatedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.headquarters {
            Some(headquarters) => write!(f, "{} ({headquarters})", self.group),
            None => f.write_str(&self.group),
        }
    }
}

/// A statement under test, as somebody made it, and what it claims in terms that can be tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// In the words of whoever made it.
    pub text: String,
    pub says: Says,
}

/// What a statement claims of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    Located(Country),
    NotLocated(Country),
    /// Run by this group, as the curated lists call it.
    Operator(String),
    /// Run by a group with its headquarters here.
    OperatorCountry(Country),
    NotOperatorCountry(Country),
}

impl Says {
    /// The country that it names.
    pub fn country(&self) -> Option<Country> {
        match self {
            Self::Located(country)
            | Self::NotLocated(country)
            | Self::OperatorCountry(country)
            | Self::NotOperatorCountry(country) => Some(*country),
            Self::Operator(_) => None,
        }
    }
}

impl fmt::Display for Says {
    /// As [`Says::from_str`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Located(country) => write!(f, "located:{country}"),
            Self::NotLocated(country) => write!(f, "not-located:{country}"),
            Self::Operator(group) => write!(f, "operator:{group}"),
            Self::OperatorCountry(country) => write!(f, "operator-country:{country}"),
            Self::NotOperatorCountry(country) => write!(f, "not-operator-country:{country}"),
        }
    }
}

impl FromStr for Says {
    type Err = NotAStatement;

    /// `located:SG`, `not-located:CN`, `operator:Baishan Cloud`, `operator-country:CN` or
    /// `not-operator-country:CN`.
    fn from_str(text: &str) -> Result<Self, NotAStatement> {
        let (key, value) = text.split_once(':').ok_or(NotAStatement::Key)?;
        let value = value.trim();
        let country = || value.parse().map_err(|_other: NotACountry| NotAStatement::Country);
        Ok(match key.trim() {
            "located" => Self::Located(country()?),
            "not-located" => Self::NotLocated(country()?),
            "operator-country" => Self::OperatorCountry(country()?),
            "not-operator-country" => Self::NotOperatorCountry(country()?),
            "operator" if !value.is_empty() => Self::Operator(value.to_owned()),
            "operator" => return Err(NotAStatement::Empty),
            _ => return Err(NotAStatement::Key),
        })
    }
}

/// Why a text claims nothing that can be tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAStatement {
    Key,
    Country,
    Empty,
}

impl fmt::Display for NotAStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => {
                "begins with none of located:, not-located:, operator:, operator-country: and \
                 not-operator-country:"
            }
            Self::Country => "names no country by its two-letter code",
            Self::Empty => "names no operator",
        })
    }
}

impl std::error::Error for NotAStatement {}

/// The answer to a statement, at the level that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub statement: Statement,
    pub answer: Answer,
    /// Why, in a sentence that goes no further than the level.
    pub why: String,
    /// The code of the level on which the answer rests, such as `G2`; `None` where it cannot be
    /// told.
    pub level: Option<&'static str>,
    pub records: Vec<RecordSeq>,
}

/// What the facts do to a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Supports,
    Contradicts,
    CannotTell,
}

impl Answer {
    /// The words for people and for files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Supports => "supports",
            Self::Contradicts => "contradicts",
            Self::CannotTell => "cannot tell",
        }
    }
}

/// Everything that the facts about a destination add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// Of the rules that made it.
    pub version: &'static str,
    /// `None` on an axis: nothing is known.
    pub contact: Option<Supported<Contact>>,
    pub operator: Option<Supported<OperatorLevel>>,
    pub location: Option<Supported<LocationLevel>>,
    pub content: Option<Supported<ContentLevel>>,
    /// For each address, vantage and country in question.
    pub exclusions: Vec<CountryExclusion>,
    /// For each country that policies ask about and that nothing refutes yet.
    pub deciding: Vec<Deciding>,
    pub words: Vec<Word>,
    pub caveats: Vec<Caveat>,
    pub answers: Vec<Answered>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_read_as_it_is_written() {
        for text in [
            "located:SG",
            "not-located:CN",
            "operator:Baishan Cloud",
            "operator-country:CN",
            "not-operator-country:US",
        ] {
            assert_eq!(text.parse::<Says>().unwrap().to_string(), text);
        }
        assert_eq!("located: sg".parse::<Says>().unwrap().to_string(), "located:SG");
        for (text, error) in [
            ("located:Singapore", NotAStatement::Country),
            ("location:SG", NotAStatement::Key),
            ("SG", NotAStatement::Key),
            ("operator: ", NotAStatement::Empty),
        ] {
            assert_eq!(text.parse::<Says>(), Err(error), "{text}");
        }
    }
}
