//! The assessment in sentences. Each goes no further than the level on its axis, and names the
//! records that it rests on.

use flow::assessment::{
    Answered, Assessment, Caveat, Contact, ContentLevel, CountryExclusion, Deciding, KeyStanding,
    LocationLevel, MeasuredFrom, OperatedBy, OperatorLevel, OpinionChange, ProbedWhen, Stay, Word,
};
use flow::claim::{Confidence, Country};
use flow::id::RecordSeq;
use flow::physics::{DecidingVantage, ExclusionStrength, RoundTrip, Vantage};
use std::time::Duration;

/// What a sentence is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum About {
    Contact,
    Operator,
    Location,
    Content,
    Verdict,
    Exclusion,
    Decision,
    Statement,
    Caveat,
}

impl About {
    pub fn word(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Operator => "operator",
            Self::Location => "location",
            Self::Content => "content",
            Self::Verdict => "verdict",
            Self::Exclusion => "exclusion",
            Self::Decision => "would decide",
            Self::Statement => "statement",
            Self::Caveat => "caveat",
        }
    }
}

/// One sentence without its full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    pub about: About,
    pub text: String,
    /// The records that it rests on; of a caveat mostly none.
    pub records: Vec<RecordSeq>,
    /// Those of the review log.
    pub reviewed: Vec<RecordSeq>,
}

/// All sentences, in the order in which they are read.
pub fn sentences(assessment: &Assessment) -> Vec<Sentence> {
    let mut sentences = levels(assessment);
    let say = |about, text, records: &[RecordSeq]| Sentence {
        about,
        text,
        records: records.into(),
        reviewed: Vec::new(),
    };
    sentences.extend(
        assessment.words.iter().map(|word| say(About::Verdict, verdict(word), &rests_on(word))),
    );
    sentences.extend(assessment.exclusions.iter().map(|e| Sentence {
        reviewed: imported(&e.from),
        ..say(About::Exclusion, exclusion(e), &e.records)
    }));
    sentences.extend(assessment.deciding.iter().map(|d| say(About::Decision, deciding(d), &[])));
    sentences
        .extend(assessment.answers.iter().map(|a| say(About::Statement, statement(a), &a.records)));
    sentences.extend(
        assessment
            .caveats
            .iter()
            .map(|c| Sentence { reviewed: of_caveat(c), ..say(About::Caveat, caveat(c), &[]) }),
    );
    sentences
}

/// The record of the review log with what was measured elsewhere.
fn imported(from: &MeasuredFrom) -> Vec<RecordSeq> {
    match from {
        MeasuredFrom::Here(_) => Vec::new(),
        MeasuredFrom::Probe(probe) => vec![probe.record],
    }
}

fn of_caveat(caveat: &Caveat) -> Vec<RecordSeq> {
    match caveat {
        Caveat::ImportedProbe { record, .. }
        | Caveat::ProbedAtAnotherTime { record, .. }
        | Caveat::ProbeSaysNothing { record, .. } => vec![*record],
        _ => Vec::new(),
    }
}

fn levels(assessment: &Assessment) -> Vec<Sentence> {
    let axis = |about, code: &str, text: &str, records: &[RecordSeq]| Sentence {
        about,
        text: format!("{code} {text}"),
        records: records.into(),
        reviewed: Vec::new(),
    };
    let unknown = |about| Sentence {
        about,
        text: "nothing is known".to_owned(),
        records: Vec::new(),
        reviewed: Vec::new(),
    };
    vec![
        assessment.contact.as_ref().map_or_else(
            || unknown(About::Contact),
            |held| axis(About::Contact, held.level.code(), contact(held.level), &held.records),
        ),
        assessment.operator.as_ref().map_or_else(
            || unknown(About::Operator),
            |held| axis(About::Operator, held.level.code(), operator(held.level), &held.records),
        ),
        assessment.location.as_ref().map_or_else(
            || unknown(About::Location),
            |held| Sentence {
                reviewed: bounds(assessment, held.level),
                ..axis(About::Location, held.level.code(), location(held.level), &held.records)
            },
        ),
        assessment.content.as_ref().map_or_else(
            || unknown(About::Content),
            |held| axis(About::Content, held.level.code(), content(held.level), &held.records),
        ),
    ]
}

/// The imported records that a location level rests on.
fn bounds(assessment: &Assessment, level: LocationLevel) -> Vec<RecordSeq> {
    let mut records: Vec<_> = match level {
        LocationLevel::Bounded => {
            assessment.exclusions.iter().flat_map(|e| imported(&e.from)).collect()
        }
        _ => Vec::new(),
    };
    records.sort_unstable();
    records.dedup();
    records
}

/// What a contact level says.
pub fn contact(level: Contact) -> &'static str {
    match level {
        Contact::NameOnly => "the name alone is known, from a list",
        Contact::NameAsked => "the device asked for the name",
        Contact::ConnectionAsked => "the device asked for a connection",
        Contact::TlsCompleted => "the device completed a TLS handshake",
        Contact::BytesSent => "the device sent application bytes",
        Contact::PlaintextSeen => "the device sent what was seen in plaintext",
        Contact::PlantedValueSeen => "the device sent a planted value, seen in plaintext",
    }
}

/// What an operator level says.
pub fn operator(level: OperatorLevel) -> &'static str {
    match level {
        OperatorLevel::NameHint => "only a name hints at who runs it",
        OperatorLevel::OriginAs => "the holder of the announcing AS is known",
        OperatorLevel::Curated => "a curated list names who runs it, with its source",
        OperatorLevel::OwnZone => "the name is an alias into the operator's own zone",
    }
}

/// What a location level says.
pub fn location(level: LocationLevel) -> &'static str {
    match level {
        LocationLevel::Hint => "only a registration or a statement of somebody's own",
        LocationLevel::OneDatabase => "one database, or databases that do not all agree",
        LocationLevel::AllDatabases => "all databases asked agree, which is no proof",
        LocationLevel::Bounded => {
            "all databases asked agree, and measurements from several vantage points refute the \
             other countries in question"
        }
    }
}

/// What a content level says.
pub fn content(level: ContentLevel) -> &'static str {
    match level {
        ContentLevel::Opaque => "nothing could be looked at",
        ContentLevel::SizesAndTimes => "sizes and times only",
        ContentLevel::KnownEndpoint => "a known endpoint or tracker",
        ContentLevel::Decoded => "decoded fields",
        ContentLevel::PlantedValue => "a planted value, with the decodings that lead to it",
    }
}

/// A word for what the facts add up to, in full.
fn verdict(word: &Word) -> String {
    let group = |group: &str, confidence: &Confidence| {
        let possibly = if *confidence == Confidence::C { "possibly " } else { "" };
        format!("{possibly}operated by {group} (confidence {})", confidence.as_str())
    };
    match word {
        Word::LocatedIn { country, by } => format!("located in {country} {by}"),
        Word::OperatedFromElsewhere { group: name, headquarters, confidence, located } => format!(
            "{}, a group headquartered in {headquarters}, located elsewhere: {located}",
            group(name, confidence)
        ),
        Word::OperatedBy { group: name, headquarters, confidence } => {
            format!("{}, a group headquartered in {headquarters}", group(name, confidence))
        }
        Word::DatabasesDisagree => "databases disagree on where it is".to_owned(),
        Word::NotDeterminableAnycast => {
            "where it is cannot be determined: the address is anycast".to_owned()
        }
        Word::NotDeterminableEdge(countries) => {
            let countries: Vec<&str> = countries.iter().map(Country::as_str).collect();
            format!(
                "where it is cannot be determined: databases place its addresses in {}",
                countries.join(" and ")
            )
        }
        Word::PhysicsExcludes { country, strength: ExclusionStrength::PhysicallyImpossible } => {
            format!("physics excludes {country}")
        }
        Word::PhysicsExcludes { country, .. } => {
            format!("physics excludes {country}, over ordinary silica fibre")
        }
        Word::PlacedElsewhereLater => {
            "databases that were asked later place it elsewhere".to_owned()
        }
        Word::LocationMoved(stays) => moved(stays),
    }
}

/// The records of a word, where no level has them.
fn rests_on(word: &Word) -> Vec<RecordSeq> {
    match word {
        Word::LocationMoved(stays) => {
            stays.iter().flat_map(|stay| stay.records.iter().copied()).collect()
        }
        _ => Vec::new(),
    }
}

/// Where the host was, one after the other.
fn moved(stays: &[Stay]) -> String {
    let told = |(index, stay): (usize, &Stay)| {
        let countries: Vec<_> = stay.countries.iter().map(Country::as_str).collect();
        let place = countries.join(" and ");
        let Stay { from, until, .. } = stay;
        match index {
            0 => format!("{place} until {until}"),
            last if last + 1 == stays.len() => format!("{place} from {from}"),
            _ => format!("{place} from {from} until {until}"),
        }
    };
    let told: Vec<String> = match stays.len().checked_sub(MOST_STAYS) {
        None | Some(0) => stays.iter().enumerate().map(told).collect(),
        Some(more) => {
            let first = stays.iter().enumerate().take(MOST_STAYS - 1).map(told);
            let between = format!("and {more} more");
            let last = stays.iter().enumerate().next_back().map(told);
            first.chain([between]).chain(last).collect()
        }
    };
    format!("the location changed, by databases: {}", told.join(", "))
}

/// Stays that a sentence names.
const MOST_STAYS: usize = 8;

/// What round trips to an address say of a country.
pub(super) fn exclusion(found: &CountryExclusion) -> String {
    format!("{}: {}", found.address, physics(found))
}

/// The same without the address.
fn physics(found: &CountryExclusion) -> String {
    let exclusion = &found.exclusion;
    let (land, limits) = (&exclusion.nearest, &exclusion.limits);
    let from = match &found.from {
        MeasuredFrom::Here(vantage) => format!("from {}", place(vantage)),
        MeasuredFrom::Probe(probe) => {
            let name = probe.name.as_deref().map_or_else(String::new, |name| format!("{name} at "));
            let record = probe.record.0;
            format!("from {name}{}, by the probe in review record {record}", place(&probe.vantage))
        }
    };
    let measured = format!(
        "a verified signature took {} at least ({} samples) {from}",
        exclusion.min_rtt, found.samples.count
    );
    let nearest = format!(
        "the nearest land of {}, {} at {}, is {} away, at least {} with all allowances",
        exclusion.country, land.lies_on, land.point, land.distance, limits.d_low
    );
    match exclusion.strength {
        ExclusionStrength::PhysicallyImpossible => format!(
            "{} is physically impossible: {measured}; {nearest}, a round trip of {} \
             for light in vacuum",
            exclusion.country, limits.vacuum
        ),
        ExclusionStrength::NotOverFibre => format!(
            "{} is not possible over ordinary silica fibre: {measured}; {nearest}, a \
             round trip of {} over fibre",
            exclusion.country, limits.fibre
        ),
        ExclusionStrength::NotExcluded => format!(
            "cannot tell whether it is in {}: {measured}; {nearest}, a round trip of {} over fibre",
            exclusion.country, limits.fibre
        ),
    }
}

fn deciding(deciding: &Deciding) -> String {
    let Deciding { supposed, excluded, vantages } = deciding;
    let limits = |vantage: &DecidingVantage| match vantage.decides() {
        ExclusionStrength::PhysicallyImpossible => format!(
            "from {} under {} beyond argument, under {} over fibre",
            vantage.city, vantage.limits.vacuum, vantage.limits.fibre
        ),
        _ => format!("from {} under {} over fibre", vantage.city, vantage.limits.fibre),
    };
    if vantages.is_empty() {
        return format!("no vantage can exclude {excluded} for a machine in {supposed}");
    }
    let from: Vec<String> = vantages.iter().map(limits).collect();
    format!("a signature would exclude {excluded} {}", from.join("; "))
}

fn place(vantage: &Vantage) -> String {
    format!("{} (within {})", vantage.position, vantage.uncertainty)
}

fn statement(answered: &Answered) -> String {
    let level = answered.level.map_or_else(String::new, |level| format!(" at {level}"));
    format!(
        "{}{level} \u{201c}{}\u{201d}: {}",
        answered.answer.word(),
        answered.statement.text,
        answered.why
    )
}

/// A caveat in full.
fn caveat(caveat: &Caveat) -> String {
    match caveat {
        Caveat::Simulated => {
            "names, addresses or times were simulated: no finding on real traffic".to_owned()
        }
        Caveat::AgreementIsNoProof => {
            "databases share sources, so that their agreement is no proof".to_owned()
        }
        Caveat::AnycastInstance => {
            "the address is anycast: times speak of the instance that was reached, only".to_owned()
        }
        Caveat::NothingBehindTheEnd => {
            "times speak of the machine that ended this TLS session, and of nothing behind it"
                .to_owned()
        }
        Caveat::PossibleMiddlebox { address, signature, connect } => format!(
            "{address}: the signature took {} and connecting {}: possibly a middlebox",
            RoundTrip(*signature),
            RoundTrip(*connect)
        ),
        Caveat::ResolvedByProxy => {
            "the name was resolved by the proxy, not by the device".to_owned()
        }
        Caveat::DialledWithoutLookup(address) => {
            format!("no look-up of this session answered {address}")
        }
        Caveat::OperatorBasis { group, confidence, basis } => {
            format!("{group}, confidence {}: {basis}", confidence.as_str())
        }
        Caveat::OnlyPossibleOperator { group, basis } => {
            format!("possibly {group}, by public reporting alone: {basis}")
        }
        Caveat::NotAsked(count) => format!(
            "databases were not asked about {count} of its addresses: nothing is said of where and \
             whose the whole is"
        ),
        Caveat::Overridden => "the analyst's correction stands above the databases".to_owned(),
        Caveat::NoPhysics(why) => format!("round-trip times make no statement: {why}"),
        Caveat::ImportedProbe { record, key, standing } => imported_probe(*record, key, *standing),
        Caveat::ProbedAtAnotherTime { record, address, when } => {
            format!("the probe in review record {} was made {} {address}", record.0, probed(*when))
        }
        Caveat::ProbeSaysNothing { record, address, why } => {
            format!("the probe in review record {} says nothing of {address}: {why}", record.0)
        }
        Caveat::LaterOpinionDiffers { address, change, built } => {
            let built = built.as_ref().map_or_else(String::new, |date| format!(" of {date}"));
            format!("{address}: databases{built} later said {}", differs(change))
        }
    }
}

/// What was said later, and what had been said.
fn differs(change: &OpinionChange) -> String {
    let text = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
    let country = |country: &Option<Country>| text(country.map(|country| country.to_string()));
    let places = |countries: &[Country]| {
        let countries: Vec<String> = countries.iter().map(Country::to_string).collect();
        text((!countries.is_empty()).then(|| countries.join(" and ")))
    };
    let group = |operator: &Option<OperatedBy>| text(operator.as_ref().map(OperatedBy::to_string));
    match change {
        OpinionChange::Location { then, later } => {
            format!("{}, not {}", places(later), places(then))
        }
        OpinionChange::Operator { then, later } => {
            format!("operator {}, not {}", group(later), group(then))
        }
        OpinionChange::AddressRegistered { then, later } => {
            format!("address registered in {}, not {}", country(later), country(then))
        }
        OpinionChange::AsRegistered { then, later } => {
            format!("AS registered in {}, not {}", country(later), country(then))
        }
    }
}

/// Whose word the times of a probe are, and that they are no more than that.
fn imported_probe(record: RecordSeq, key: &str, standing: KeyStanding) -> String {
    let whose = match standing {
        KeyStanding::Named => "which whoever imported it named as known to them",
        KeyStanding::Own => "which is that of the installation that imported it",
        KeyStanding::Unknown => "which is not known to be anybody's",
    };
    format!(
        "the probe in review record {} was signed with the key {key}, {whose}: its times and its \
         vantage are the word of whoever made it, weaker than the records of this session, and hold \
         only if the machine that answered it is the one that answered the session",
        record.0
    )
}

/// How long before or after the session saw an address.
fn probed(when: ProbedWhen) -> String {
    let told = |time: Duration| match time.as_secs() / 3_600 {
        hours if hours >= 48 => format!("{} days", hours / 24),
        hours => format!("{hours} hours"),
    };
    match when {
        ProbedWhen::Meanwhile => "while the session saw".to_owned(),
        ProbedWhen::Before(time) => format!("{} before the session first saw", told(time)),
        ProbedWhen::After(time) => format!("{} after the session last saw", told(time)),
    }
}
