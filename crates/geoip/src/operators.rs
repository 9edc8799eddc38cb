//! Who runs an AS or a DNS zone, by the two curated lists `operators.csv` and
//! `cname-suffixes.csv`. They are parsed strictly: a list that flags operators of one country must
//! not say something else by a slipped comma.

use crate::error::Error;
use flow::address::DnsName;
use flow::claim::{Asn, Claim, Confidence, Country, Operator, Source, Statement};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::sync::Arc;

/// Both lists.
#[derive(Debug)]
pub(crate) struct Operators {
    by_asn: List<Asn>,
    by_suffix: List<Box<str>>,
}

impl Operators {
    /// Parses the files' contents, each with the source that its claims will name.
    pub(crate) fn parse(
        (operators, operators_source): (&[u8], Arc<Source>),
        (suffixes, suffixes_source): (&[u8], Arc<Source>),
    ) -> Result<Self, Error> {
        Ok(Self {
            by_asn: List::parse(operators, operators_source, AsRow::read)?,
            by_suffix: List::parse(suffixes, suffixes_source, SuffixRow::read)?,
        })
    }

    /// The claim for an AS.
    pub(crate) fn of_as(&self, asn: Asn) -> Option<Claim> {
        self.by_asn.claim(&asn, &asn)
    }

    /// The claim for a host name or alias: the longest suffix of whole labels that is listed.
    pub(crate) fn of_name(&self, name: &DnsName) -> Option<Claim> {
        suffixes(name.as_str()).find_map(|suffix| self.by_suffix.claim(suffix, name))
    }

    /// Where a group has its headquarters, if either list has a group of exactly that name.
    pub(crate) fn headquarters(&self, group: &str) -> Option<Country> {
        let listed = self.by_asn.operators.values().chain(self.by_suffix.operators.values());
        listed.filter(|operator| operator.group == group).find_map(|o| o.headquarters)
    }
}

/// A name and all its parents: `a.b.c`, `b.c`, `c`.
fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.split_once('.').map(|(_label, rest)| rest))
}

/// One list, by what it is looked up with.
#[derive(Debug)]
struct List<K> {
    operators: HashMap<K, Operator>,
    source: Arc<Source>,
}

impl<K: Hash + Eq> List<K> {
    fn parse<R: DeserializeOwned>(
        text: &[u8],
        source: Arc<Source>,
        read: impl Fn(R) -> Result<(K, Operator), String>,
    ) -> Result<Self, Error> {
        let broken = |fault| Error::Bundle { file: format!("{}.csv", source.name), fault };
        let mut operators = HashMap::new();
        for row in csv::Reader::from_reader(text).deserialize() {
            let (key, operator) =
                row.map_err(|e| e.to_string()).and_then(&read).map_err(&broken)?;
            let matched = operator.matched.clone();
            if operators.insert(key, operator).is_some() {
                return Err(broken(format!("{matched} appears twice")));
            }
        }
        Ok(Self { operators, source })
    }

    fn claim<Q: Hash + Eq + ?Sized>(&self, key: &Q, matched: &dyn Display) -> Option<Claim>
    where
        K: Borrow<Q>,
    {
        let operator = self.operators.get(key)?;
        Some(Claim {
            source: Arc::clone(&self.source),
            statement: Statement::Operator(operator.clone()),
            matched: matched.to_string(),
        })
    }
}

/// A row of `operators.csv`. The columns that no claim carries are still parsed: they are what a
/// reader checks the link by, and a shifted column must not pass.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AsRow {
    asn: u32,
    #[serde(rename = "as_name_libloc_20260822")]
    _as_name_libloc: String,
    #[serde(rename = "as_name_asncsv_20260617")]
    _as_name_asncsv: String,
    operator_group: String,
    group_hq_country: String,
    #[serde(rename = "group_hq_city")]
    _group_hq_city: String,
    #[serde(rename = "as_registration_country_iptoasn")]
    _as_registration_country: String,
    #[serde(rename = "announced_ipv4_asncsv")]
    _announced_ipv4: u64,
    #[serde(rename = "pct_ipv4_geolocated_CN_dbip202610")]
    _percent_located_in_cn: Option<f64>,
    role: String,
    confidence: String,
    source: String,
}

impl AsRow {
    fn read(self) -> Result<(Asn, Operator), String> {
        let asn = Asn(self.asn);
        if self.asn == 0 || self.role.is_empty() {
            return Err(format!("{asn} is no AS, or has no role"));
        }
        let operator = operator(
            asn.to_string(),
            self.operator_group,
            &self.group_hq_country,
            &self.confidence,
            self.source,
        )?;
        Ok((asn, operator))
    }
}

/// A row of `cname-suffixes.csv`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SuffixRow {
    suffix: String,
    operator_group: String,
    group_hq_country: String,
    role: String,
    confidence: String,
    source: String,
}

impl SuffixRow {
    fn read(self) -> Result<(Box<str>, Operator), String> {
        let suffix = self.suffix;
        // A whole top-level domain has no one operator.
        let canonical = suffix.parse::<DnsName>().is_ok_and(|name| name.as_str() == suffix);
        if !canonical || !suffix.contains('.') || self.role.is_empty() {
            return Err(format!("{suffix:?} is no suffix of two labels or has no role"));
        }
        let operator = operator(
            suffix.clone(),
            self.operator_group,
            &self.group_hq_country,
            &self.confidence,
            self.source,
        )?;
        Ok((suffix.into_boxed_str(), operator))
    }
}

fn operator(
    matched: String,
    group: String,
    headquarters: &str,
    confidence: &str,
    basis: String,
) -> Result<Operator, String> {
    let confidence = match confidence {
        "A" => Confidence::A,
        "B" => Confidence::B,
        "C" => Confidence::C,
        other => return Err(format!("{matched} has the confidence {other:?}")),
    };
    let headquarters: Country =
        headquarters.parse().map_err(|e| format!("{matched}: {headquarters:?} is {e}"))?;
    if group.is_empty() || basis.is_empty() {
        return Err(format!("{matched} has no group or no source"));
    }
    Ok(Operator { group, headquarters: Some(headquarters), confidence, basis, matched })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle;

    fn source(name: &str) -> Arc<Source> {
        Arc::new(Source {
            name: name.to_owned(),
            licence: "facts".to_owned(),
            built: None,
            sha256: None,
        })
    }

    fn parse(operators: &str, suffixes: &str) -> Result<Operators, Error> {
        Operators::parse(
            (operators.as_bytes(), source("operators")),
            (suffixes.as_bytes(), source("cname-suffixes")),
        )
    }

    fn bundled() -> Operators {
        parse(
            std::str::from_utf8(bundle::OPERATORS).unwrap(),
            std::str::from_utf8(bundle::CNAME_SUFFIXES).unwrap(),
        )
        .unwrap()
    }

    fn operator_of(claim: Claim) -> Operator {
        match claim.statement {
            Statement::Operator(operator) => operator,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_bundled_lists() {
        let operators = bundled();
        assert_eq!(operators.by_asn.operators.len(), 99);
        assert_eq!(operators.by_suffix.operators.len(), 88);
        let tencent = operator_of(operators.of_as(Asn(132_203)).unwrap());
        assert_eq!(tencent.headquarters, Some(Country::CN));
        assert_eq!((tencent.confidence, tencent.matched.as_str()), (Confidence::A, "AS132203"));
        assert_eq!(operators.of_as(Asn(15_169)), None);
        assert_eq!(operators.headquarters("Baishan Cloud"), Some(Country::CN));
        assert_eq!(operators.headquarters("Baishan"), None);
    }

    #[track_caller]
    fn check_name(name: &str, suffix: Option<&str>) {
        let claim = bundled().of_name(&name.parse().unwrap());
        if let Some(claim) = &claim {
            assert_eq!(claim.matched, name);
        }
        assert_eq!(claim.map(operator_of).map(|o| o.matched).as_deref(), suffix, "{name}");
    }

    #[test]
    fn suffixes_match_whole_labels_and_the_longest_wins() {
        check_name("alicdn.com", Some("alicdn.com"));
        check_name("img.alicdn.com", Some("alicdn.com"));
        check_name("notalicdn.com", None);
        check_name("alicdn.com.example.org", None);
        check_name("com", None);
        // Of these two, the list has the longer one only.
        check_name("a.tcdn.qq.com", Some("tcdn.qq.com"));
        check_name("qq.com", None);
        check_name("x.ccgslb.com.cn", Some("ccgslb.com.cn"));
        let both = "suffix,operator_group,group_hq_country,role,confidence,source\n\
                    b.example,Outer,US,cdn,B,s\na.b.example,Inner,CN,cdn,A,s\n";
        let operators = parse(AS_HEADER, both).unwrap();
        let group = |name: &str| {
            operators.of_name(&name.parse().unwrap()).map(|claim| operator_of(claim).group)
        };
        assert_eq!(group("x.a.b.example").as_deref(), Some("Inner"));
        assert_eq!(group("x.b.example").as_deref(), Some("Outer"));
    }

    const AS_HEADER: &str = "asn,as_name_libloc_20260822,as_name_asncsv_20260617,operator_group,\
        group_hq_country,group_hq_city,as_registration_country_iptoasn,announced_ipv4_asncsv,\
        pct_ipv4_geolocated_CN_dbip202610,role,confidence,source\n";
    const SUFFIX_HEADER: &str = "suffix,operator_group,group_hq_country,role,confidence,source\n";

    #[track_caller]
    fn check_rows(asn_rows: &str, suffix_rows: &str, fault: Option<&str>) {
        let operators = format!("{AS_HEADER}{asn_rows}");
        let suffixes = format!("{SUFFIX_HEADER}{suffix_rows}");
        match (parse(&operators, &suffixes), fault) {
            (Ok(_), None) => {}
            (Err(error), Some(fault)) => {
                assert!(error.to_string().contains(fault), "{error}");
            }
            (found, fault) => panic!("{found:?}, expected {fault:?}"),
        }
    }

    #[test]
    fn rows_are_parsed_strictly() {
        let row = "5,N,N,Group,CN,City,CN (100%),10,1.5,cloud,A,known\n";
        check_rows(row, "a.example,Group,CN,cdn,B,known\n", None);
        check_rows("5,N,N,Group,CN,City,,0,,cloud,C,known\n", "", None);
        check_rows(&format!("{row}{row}"), "", Some("AS5 appears twice"));
        check_rows("0,N,N,Group,CN,City,,0,,cloud,A,known\n", "", Some("AS0"));
        check_rows("5,N,N,Group,CN,City,,0,,cloud,D,known\n", "", Some("confidence \"D\""));
        check_rows("5,N,N,Group,EU,City,,0,,cloud,A,known\n", "", Some("EU"));
        check_rows("5,N,N,,CN,City,,0,,cloud,A,known\n", "", Some("no group"));
        check_rows("5,N,N,Group,CN,City,,0,,cloud,A,\n", "", Some("no source"));
        check_rows("5,N,N,Group,CN,City,,many,,cloud,A,known\n", "", Some("operators.csv"));
        check_rows("5,N,Group,CN,City,,0,,cloud,A,known\n", "", Some("fields"));
        for suffix in ["example", "A.example", ".a.example", "a..example", "a.example."] {
            let row = format!("{suffix},Group,CN,cdn,B,known\n");
            check_rows("", &row, Some("no suffix"));
        }
        check_rows("", "a.example,G,CN,cdn,B,s\na.example,H,US,cdn,B,s\n", Some("twice"));
        assert!(parse("asn\n5\n", SUFFIX_HEADER).is_err());
        assert!(parse(AS_HEADER, &SUFFIX_HEADER.replace("role", "rule")).is_ok());
    }
}
