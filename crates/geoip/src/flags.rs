//! The default flag policy: what about an address makes a person look at it. Reasons are kept
//! apart and none is weighed against another; a flag is no verdict.

use crate::source_name;
use flow::annotation::{Flag, FlagReason};
use flow::claim::{Asn, Claim, Country, Source, Statement};

/// The policy `mainland-china`: *located*, *operated* or *registered* in mainland China. Hong Kong,
/// Macao and Taiwan have codes of their own and are never counted.
///
/// `asked` is the number of location databases that were asked.
pub(crate) fn mainland_china(claims: &[Claim], asked: usize) -> Option<Flag> {
    let mut saying = 0;
    let mut overridden = false;
    let mut reasons = Vec::new();
    let mut further = Vec::new();
    for claim in claims {
        let is_override = claim.source.name == source_name::OVERRIDE;
        match &claim.statement {
            Statement::Located(FLAGGED) if is_override => overridden = true,
            // A database answers once.
            Statement::Located(FLAGGED) => saying += 1,
            Statement::Operator(operator) if operator.headquarters == Some(FLAGGED) => {
                further.push(FlagReason::Operated {
                    country: FLAGGED,
                    group: operator.group.clone(),
                    confidence: operator.confidence,
                });
            }
            Statement::AddressRegistered(FLAGGED) => {
                further.push(FlagReason::AddressRegistered { country: FLAGGED });
            }
            Statement::AsRegistered(FLAGGED) => {
                let asn = origin_by(claims, &claim.source);
                further.push(FlagReason::AsRegistered { country: FLAGGED, asn });
            }
            _ => {}
        }
    }
    if overridden {
        reasons.push(FlagReason::LocatedByOverride { country: FLAGGED });
    }
    if saying > 0 {
        reasons.push(FlagReason::Located { country: FLAGGED, saying, asked });
    }
    further.sort_by_key(reason_rank);
    for reason in further {
        // Two names in one zone, or two sources with one answer, are one reason.
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    (!reasons.is_empty()).then(|| Flag { policy: POLICY.to_owned(), reasons })
}

/// The AS that a source names. Sources can differ in it, and then in what they say of it.
fn origin_by(claims: &[Claim], source: &Source) -> Option<Asn> {
    claims.iter().find_map(|claim| match claim.statement {
        Statement::OriginAs { asn, .. } if *claim.source == *source => Some(asn),
        _ => None,
    })
}

/// Operated before registered, the better founded first.
fn reason_rank(reason: &FlagReason) -> u8 {
    match reason {
        FlagReason::LocatedByOverride { .. } | FlagReason::Located { .. } => 0,
        FlagReason::Operated { confidence, .. } => 1 + *confidence as u8,
        FlagReason::AddressRegistered { .. } => 4,
        FlagReason::AsRegistered { .. } => 5,
    }
}

const POLICY: &str = "mainland-china";
const FLAGGED: Country = Country::CN;
