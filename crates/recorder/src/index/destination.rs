//! Records about names and addresses into the tables: look-ups, claims, assessments.

use super::cell::{InsertError, clean, execute, id, number, number_of_id};
use crate::record::destination::{Assessment, Claims, LocationShape, Says};
use crate::record::dns::Dns;
use rusqlite::{Connection, params};

pub(super) fn lookup(db: &Connection, dns: &Dns, seq: u64, at: i64) -> Result<(), InsertError> {
    let lookup = number_of_id(dns.lookup.0.0)?;
    let connection = dns.connection.as_ref().map(|connection| id(connection.0)).transpose()?;
    execute(
        db,
        "INSERT OR IGNORE INTO lookups (id, seq, connection, at, name, outcome, watch)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            lookup,
            number(seq),
            connection,
            at,
            dns.name.0.as_str(),
            clean(&dns.outcome),
            dns.is_watch()
        ],
    )?;
    if dns.is_watch() {
        return Ok(());
    }
    for (position, name) in dns.chain.iter().enumerate() {
        execute(
            db,
            "INSERT OR IGNORE INTO chain (lookup, position, name) VALUES (?1, ?2, ?3)",
            params![lookup, position as i64, name.0.as_str()],
        )?;
    }
    for (position, answer) in dns.answers.iter().enumerate() {
        execute(
            db,
            "INSERT OR IGNORE INTO answers (lookup, position, owner, ttl, address, cname)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                lookup,
                position as i64,
                answer.owner.0.as_str(),
                answer.ttl,
                answer.address.as_ref().map(|address| address.0.to_canonical().to_string()),
                answer.cname.as_ref().map(|name| name.0.as_str())
            ],
        )?;
    }
    Ok(())
}

pub(super) fn claims(db: &Connection, claims: &Claims, seq: u64) -> Result<(), InsertError> {
    let assessment = number_of_id(claims.assessment.0)?;
    execute(
        db,
        "INSERT INTO assessments (number, address, claims_seq) VALUES (?1, ?2, ?3)
         ON CONFLICT (number) DO NOTHING",
        params![assessment, claims.address.0.to_string(), number(seq)],
    )?;
    for (position, claim) in claims.claims.iter().enumerate() {
        let (about, country) = match &claim.says {
            Says::Located { country } => ("located", Some(country.0)),
            Says::AddressRegistered { country } => ("address-registered", Some(country.0)),
            Says::AsRegistered { country } => ("as-registered", Some(country.0)),
            Says::OriginAs { .. } => ("origin-as", None),
            Says::Operator { .. } => ("operator", None),
            Says::Anycast => ("anycast", None),
            Says::SpecialRange { .. } => ("special-range", None),
        };
        execute(
            db,
            "INSERT OR IGNORE INTO claims (assessment, position, about, source, matched, country)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                assessment,
                position as i64,
                about,
                clean(&claim.source.name),
                clean(&claim.matched),
                country.map(|country| country.to_string())
            ],
        )?;
    }
    Ok(())
}

pub(super) fn assessment(
    db: &Connection,
    assessment: &Assessment,
    seq: u64,
) -> Result<(), InsertError> {
    let key = number_of_id(assessment.assessment.0)?;
    let (location, country) = match &assessment.location {
        LocationShape::Unknown => ("unknown", None),
        LocationShape::Agreed { country, .. } => ("agreed", Some(country.0)),
        LocationShape::Disagreed { .. } => ("disagreed", None),
        LocationShape::Overridden { country } => ("overridden", Some(country.0)),
    };
    let operator = assessment.operator.as_ref();
    execute(
        db,
        "INSERT INTO assessments (number, address, assessment_seq, location, country, asn, as_name,
             operator, operator_country, operator_confidence, registered, as_registered, anycast,
             special_range)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
         ON CONFLICT (number) DO UPDATE SET assessment_seq = ?3, location = ?4, country = ?5,
             asn = ?6, as_name = ?7, operator = ?8, operator_country = ?9,
             operator_confidence = ?10, registered = ?11, as_registered = ?12, anycast = ?13,
             special_range = ?14
         WHERE assessment_seq IS NULL",
        params![
            key,
            assessment.address.0.to_string(),
            number(seq),
            location,
            country.map(|country| country.to_string()),
            assessment.asn,
            assessment.as_name.as_deref().map(clean),
            operator.map(|operator| clean(&operator.group)),
            operator.and_then(|operator| operator.headquarters.map(|at| at.0.to_string())),
            operator.map(|operator| clean(&operator.confidence)),
            assessment.address_registered.map(|country| country.0.to_string()),
            assessment.as_registered.map(|country| country.0.to_string()),
            assessment.anycast,
            assessment.special_range.as_deref().map(clean)
        ],
    )?;
    for (position, flag) in assessment.flags.iter().enumerate() {
        execute(
            db,
            "INSERT OR IGNORE INTO flags (assessment, position, policy) VALUES (?1, ?2, ?3)",
            params![key, position as i64, clean(&flag.policy)],
        )?;
    }
    Ok(())
}
