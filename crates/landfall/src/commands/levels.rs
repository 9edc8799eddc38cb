//! The evidence levels in words. A sentence never goes further than the level that is held.

use crate::output::page::Page;
use recorder::read::{Contact, ContentLevel, DestinationRow, LocationLevel, OperatorLevel};

/// The four axes of a destination, each with its own level.
pub(super) fn fill(page: &mut Page, row: &DestinationRow) {
    page.section("Evidence levels");
    page.line("contact", format_args!("{} {}", row.contact.code(), contact(row.contact)));
    page.line(
        "operator",
        match row.operator_level {
            Some(level) => format!("{} {}", level.code(), operator(level)),
            None => NOTHING.to_owned(),
        },
    );
    page.line(
        "location",
        match row.location_level {
            Some(level) => format!("{} {}", level.code(), location(level)),
            None => NOTHING.to_owned(),
        },
    );
    page.line(
        "content",
        format_args!("{} {}", row.content_level.code(), content(row.content_level)),
    );
}

fn contact(level: Contact) -> &'static str {
    match level {
        Contact::NameOnly => "the name alone is known, from a list",
        Contact::NameAsked => "the device asked for the name",
        Contact::ConnectionAsked => "the device asked for a connection",
        Contact::TlsCompleted => "the device completed a TLS handshake",
        Contact::BytesSent => "the device sent application bytes",
        Contact::PlaintextSeen => "the device sent what was seen in plaintext",
    }
}

fn operator(level: OperatorLevel) -> &'static str {
    match level {
        OperatorLevel::NameHint => "only a name hints at who runs it",
        OperatorLevel::OriginAs => "the holder of the announcing AS is known",
        OperatorLevel::Curated => "a curated list names who runs it, with its source",
        OperatorLevel::OwnZone => "the name is an alias into the operator's own zone",
    }
}

fn location(level: LocationLevel) -> &'static str {
    match level {
        LocationLevel::Hint => "only a registration or a statement of somebody's own",
        LocationLevel::OneDatabase => "one database, or databases that do not all agree",
        LocationLevel::AllDatabases => "all databases asked agree, which is no proof",
    }
}

fn content(level: ContentLevel) -> &'static str {
    match level {
        ContentLevel::Opaque => "nothing could be looked at",
        ContentLevel::SizesAndTimes => "sizes and times only",
        ContentLevel::KnownEndpoint => "a known endpoint or tracker",
        ContentLevel::Decoded => "decoded fields",
    }
}

const NOTHING: &str = "nothing is known";
