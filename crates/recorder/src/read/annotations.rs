//! Claims and assessments, from their records back to what the databases had said. The same
//! address comes up in many rows, so the last ones used are kept.

use super::error::ReadError;
use super::records::Records;
use crate::record::Body;
use crate::record::destination::{Assessment, ClaimShape, LocationShape, OperatorShape, Says};
use crate::record::flag::FlagShape;
use crate::record::session::SourceShape;
use flow::address::DnsName;
use flow::annotation::{Annotation, Location};
use flow::claim::{Asn, Claim, Confidence, Operator, Source, Statement};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// What is known of an address, asked with these names.
#[derive(Debug)]
pub(super) struct Assessed {
    pub(super) annotation: Arc<Annotation>,
    /// The host and the names of its CNAME chain.
    pub(super) names: Vec<DnsName>,
}

/// Reads assessments by their number.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    kept: RefCell<HashMap<i64, Option<Arc<Assessed>>>>,
}

impl Annotations {
    /// The assessment with this number; `None` when the log has none yet.
    pub(super) fn get(
        &self,
        records: &Records<'_>,
        number: i64,
    ) -> Result<Option<Arc<Assessed>>, ReadError> {
        if let Some(kept) = self.kept.borrow().get(&number) {
            return Ok(kept.clone());
        }
        let assessed = read(records, number)?.map(Arc::new);
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= KEPT {
            kept.clear();
        }
        // What is not there yet may come.
        if assessed.is_some() {
            kept.insert(number, assessed.clone());
        }
        Ok(assessed)
    }
}

fn read(records: &Records<'_>, number: i64) -> Result<Option<Assessed>, ReadError> {
    let Some((claims_seq, assessment_seq)) = records.of_assessment(number)? else {
        return Ok(None);
    };
    let claims = match records.get(claims_seq)?.body {
        Body::Claims(claims) => claims.claims,
        _ => return Err(ReadError::Record { seq: claims_seq, what: "claims" }),
    };
    let Body::Assessment(assessment) = records.get(assessment_seq)?.body else {
        return Err(ReadError::Record { seq: assessment_seq, what: "assessment" });
    };
    let what = |what| ReadError::Record { seq: assessment_seq, what };
    let annotation = annotation(&assessment, claims).ok_or(what("confidence"))?;
    let names = assessment.names.into_iter().map(|name| name.0).collect();
    Ok(Some(Assessed { annotation: Arc::new(annotation), names }))
}

/// `None` when a confidence is no letter that is known.
pub(crate) fn annotation(assessment: &Assessment, claims: Vec<ClaimShape>) -> Option<Annotation> {
    Some(Annotation {
        address: assessment.address.0,
        claims: claims.into_iter().map(claim).collect::<Option<_>>()?,
        location: location(&assessment.location),
        asn: assessment.asn.map(Asn),
        as_name: assessment.as_name.clone(),
        operator: match &assessment.operator {
            Some(shape) => Some(operator(shape)?),
            None => None,
        },
        address_registered: assessment.address_registered.map(|country| country.0),
        as_registered: assessment.as_registered.map(|country| country.0),
        anycast: assessment.anycast,
        special_range: assessment.special_range.clone(),
        flags: assessment.flags.iter().map(FlagShape::flag).collect::<Option<_>>()?,
    })
}

fn claim(shape: ClaimShape) -> Option<Claim> {
    let statement = match shape.says {
        Says::Located { country } => Statement::Located(country.0),
        Says::AddressRegistered { country } => Statement::AddressRegistered(country.0),
        Says::AsRegistered { country } => Statement::AsRegistered(country.0),
        Says::OriginAs { asn, name } => Statement::OriginAs { asn: Asn(asn), name },
        Says::Operator { operator: shape } => Statement::Operator(operator(&shape)?),
        Says::Anycast => Statement::Anycast,
        Says::SpecialRange { range } => Statement::SpecialRange(range),
    };
    let SourceShape { built, licence, name, sha256, .. } = shape.source;
    let source = Arc::new(Source { name, licence, built, sha256 });
    Some(Claim { source, statement, matched: shape.matched })
}

fn operator(shape: &OperatorShape) -> Option<Operator> {
    Some(Operator {
        group: shape.group.clone(),
        headquarters: shape.headquarters.map(|country| country.0),
        confidence: confidence(&shape.confidence)?,
        basis: shape.basis.clone(),
        matched: shape.matched.clone(),
    })
}

fn confidence(letter: &str) -> Option<Confidence> {
    [Confidence::A, Confidence::B, Confidence::C]
        .into_iter()
        .find(|confidence| confidence.as_str() == letter)
}

fn location(shape: &LocationShape) -> Location {
    let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    match shape {
        LocationShape::Unknown => Location::Unknown,
        LocationShape::Agreed { answered, asked, country } => Location::Agreed {
            country: country.0,
            answered: count(answered.0),
            asked: count(asked.0),
        },
        LocationShape::Disagreed { answers, asked } => Location::Disagreed {
            answers: answers.iter().map(|(name, country)| (name.clone(), country.0)).collect(),
            asked: count(asked.0),
        },
        LocationShape::Overridden { country } => Location::Overridden { country: country.0 },
    }
}

/// A session of a busy phone has fewer.
const KEPT: usize = 4_096;
