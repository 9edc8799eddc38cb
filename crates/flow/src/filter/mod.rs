//! The one filter language of the command line, the API and the review pages: text to a syntax
//! tree and back. It does not know any row or table; whoever holds rows compiles the tree.
//!
//! # Grammar
//! ```text
//! filter = [ any ]                       nothing at all matches everything
//! any    = all { "or" all }
//! all    = unary { [ "and" ] unary }     side by side means and
//! unary  = "not" unary | "(" any ")" | term
//! term   = [ key ":" ] value { "," value }    a comma means any of
//! ```
//! A value runs up to white space, a parenthesis or a comma; `"…"` takes what it holds literally,
//! with `\"` and `\\` inside. A term without a key searches host, path and operator.
//!
//! # Texts
//! `*` stands for any characters, none among them. Case is ignored (ASCII). `host`, `device`,
//! `app`, `method`, `protocol`, `flag` and `flag-now` compare the whole text. `path`, `type`, `operator`, `why` and
//! terms without a key find the text anywhere; once they hold a `*`, all but the last of these
//! compare the whole text.

mod ast;
mod error;
mod key;
mod lexer;
mod moment;
mod parser;
mod pattern;
mod span;
mod value;

pub use ast::{Filter, Has, Place, Term, TreatmentKind};
pub use error::{FilterError, Problem};
pub use key::Key;
pub use moment::{Moment, Period};
pub use parser::{MAX_FILTER_BYTES, MAX_FILTER_DEPTH, MAX_FILTER_VALUES};
pub use pattern::{Pattern, Piece};
pub use span::Span;

/// Reads a filter.
///
/// # Errors
/// [`FilterError`] names the byte where reading stopped and what was expected there.
pub fn parse(text: &str) -> Result<Filter, FilterError> {
    parser::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::{Asn, Confidence, Country};
    use crate::id::{ConnectionId, ExchangeId, FlowId};
    use crate::network::Network;
    use crate::time::WallNanos;
    use crate::verdict::Verdict;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::net::IpAddr;

    /// `text` parses, and is `canonical` when written out.
    #[track_caller]
    fn check(text: &str, canonical: &str) {
        let filter = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(filter.to_string(), canonical, "{text}");
        assert_eq!(parse(canonical).as_ref(), Ok(&filter), "{canonical}");
    }

    /// `text` is refused at `position` with a message that holds `part`.
    #[track_caller]
    fn refused(text: &str, position: usize, part: &str) {
        let error = parse(text).expect_err(text);
        let shown = format!("{error}\n{}", error.hint());
        assert!(shown.contains(part), "{text}: {shown}");
        assert_eq!(error.position, position, "{text}: {error}");
    }

    #[test]
    fn every_key_of_the_language() {
        check(
            "host:*.example.com country:CN,HK operator:\"Alibaba\" operator-country:cn asn:AS45102 \
             flag:mainland-china treatment:passthrough status:4xx method:POST type:json \
             size:>10kB time:-10m has:identifier not(host:x) a or b",
            "host:*.example.com country:CN,HK operator:Alibaba operator-country:CN asn:AS45102 \
             flag:mainland-china treatment:passthrough status:4xx method:POST type:json \
             size:>10kB time:-10m has:identifier not(host:x) a or b",
        );
        check("status:404,400-499,>=500,<300", "status:404,4xx,>499,<300");
        check("address:10.1.2.3/8,::ffff:1.2.3.4,[::1]", "address:10.0.0.0/8,1.2.3.4,::1");
        check("address:0.0.0.0/0 port:443,8000-8999", "address:0.0.0.0/0 port:443,8000-8999");
        check("up:1KiB..2KiB down:<1MB", "up:1KiB..2KiB down:<1MB");
        check("connection:c12 id:c12,c12.3", "connection:c12 id:c12,c12.3");
        check("registered:SG as-registered:CN", "registered:SG as-registered:CN");
        check("location:agreed,CN,disagreed,unknown", "location:agreed,CN,disagreed,unknown");
        check(
            "cname:*.AliCDN.com,b.example anycast:true",
            "cname:alicdn.com,b.example anycast:yes",
        );
        check("simulated:true confidence:a,b", "simulated:yes confidence:A,B");
        check("time:2026-05-01T10:00:00Z..-1h", "time:2026-05-01T10:00:00Z..-1h");
        check("device:10.0.0.* why:pinned path:/v1/*", "device:10.0.0.* why:pinned path:/v1/*");
        check("HOST:x Protocol:h2", "host:x protocol:h2");
        check("flag-now:mainland* has:verdict", "flag-now:mainland* has:verdict");
        check("verdict:Concern,needs-more", "verdict:concern,needs-more");
    }

    #[test]
    fn connectives_and_precedence() {
        check("", "");
        check("  \t ", "");
        check("a b or c and not d", "a b or c not(d)");
        check("a (b or c)", "a (b or c)");
        check("((a b)) c", "a b c");
        check("(a or b) or c", "a or b or c");
        check("not not a", "not(not(a))");
        check("not (a b)", "not(a b)");
        check("A OR b", "A or b");
        check("\"or\" \"NOT\"", "\"or\" \"NOT\"");
        check("android nothing", "android nothing");
    }

    #[test]
    fn quotes_take_everything_literally() {
        check("\"host:x\"", "\"host:x\"");
        check("host:\"a b\"*", "host:\"a b\"*");
        check("host:\"*\"", "host:\"*\"");
        check("host:**x**", "host:*x*");
        check("path:\"a\\\"b\\\\c\"", "path:\"a\\\"b\\\\c\"");
        check("a,b \"c,d\"", "a,b \"c,d\"");
        check("path:/q?x=1&y='%_", "path:/q?x=1&y='%_");
    }

    #[test]
    fn refusals_name_place_and_remedy() {
        refused("a contry:CN", 2, "did you mean \"country\"?");
        refused("http://x", 0, "quote a text that holds a colon");
        refused("treatment:pasthrough", 10, "did you mean \"passthrough\"?");
        refused("verdict:no-concerns", 8, "did you mean \"no-concern\"?");
        refused("country:China", 8, "two-letter country code");
        refused("country:CN,", 11, "expected a value");
        refused("host:", 5, "expected a value");
        refused("host:\"\"", 5, "expected a value");
        refused("a (b", 2, "not closed");
        refused("a) b", 1, "none is open");
        refused("a or", 4, "expected a term, `not` or `(`");
        refused("()", 1, "expected a term");
        refused("not", 3, "expected a term");
        refused("host:\"abc", 5, "quote is not closed");
        refused("path:/a(b)", 7, "quotes around it");
        refused("status:4x", 7, "4xx");
        refused("status:1000", 7, "4xx");
        refused("status:9xx", 7, "4xx");
        refused("a treatment=failed", 2, "write treatment:failed, or quotes");
        refused("SIZE>=10", 0, "write size:>=10");
        check("\"size>10\" sizes=1 a=b", "\"size>10\" sizes=1 a=b");
        refused("size:10kk", 5, "size such as");
        refused("address:1.2.3.4/33", 8, "network");
        refused("asn:4294967296", 4, "AS number");
        refused("simulated:yes,no", 14, "one value");
        refused("time:yesterday", 5, "RFC 3339");
    }

    #[test]
    fn length_depth_and_values_are_bounded() {
        let deep = |levels: usize| format!("{}a{}", "(".repeat(levels), ")".repeat(levels));
        check(&deep(MAX_FILTER_DEPTH), "a");
        refused(&deep(MAX_FILTER_DEPTH + 1), MAX_FILTER_DEPTH, "levels");
        assert!(parse(&format!("{}a", "not ".repeat(MAX_FILTER_DEPTH))).is_ok());
        assert!(parse(&format!("{}a", "not ".repeat(MAX_FILTER_DEPTH + 1))).is_err());
        assert!(parse(&vec!["a"; MAX_FILTER_VALUES].join(" ")).is_ok());
        assert!(parse(&vec!["a"; MAX_FILTER_VALUES + 1].join(",")).is_err());
        refused(&"a".repeat(MAX_FILTER_BYTES + 1), MAX_FILTER_BYTES, "longer than");
        // Short as written, too long once each date is a pair of times.
        let dates = format!("time:{}", vec!["2026-05-01"; 250].join(","));
        assert!(dates.len() <= MAX_FILTER_BYTES);
        refused(&dates, MAX_FILTER_BYTES, "longer than");
    }

    fn pattern() -> impl Strategy<Value = Pattern> {
        let piece = prop_oneof![
            "\\PC{1,6}".prop_map(Piece::Literal),
            "[a-z:,()\\\\\"* \n\u{0}]{1,4}".prop_map(Piece::Literal),
            "(?i)and|or|not".prop_map(Piece::Literal),
            Just(Piece::Any),
        ];
        vec(piece, 1..4).prop_filter_map("empty", Pattern::new)
    }

    fn span(most: u64) -> impl Strategy<Value = Span> {
        (0..=most, 0..=most, 0..4_u8).prop_map(move |(a, b, open)| match open {
            0 => Span { from: a, to: u64::MAX },
            1 => Span { from: 0, to: a },
            _ => Span { from: a.min(b), to: a.max(b) },
        })
    }

    fn term() -> impl Strategy<Value = Term> {
        let patterns = || vec(pattern(), 1..3);
        let countries = || {
            let country = "[A-D][F-M]".prop_filter_map("none", |c| c.parse::<Country>().ok());
            vec(country, 1..3)
        };
        let moment = || {
            prop_oneof![
                any::<u64>().prop_map(|nanos| Moment::At(WallNanos(nanos))),
                any::<u64>().prop_map(Moment::Ago),
            ]
        };
        let period = prop_oneof![
            moment().prop_map(|from| Period { from: Some(from), until: None }),
            moment().prop_map(|until| Period { from: None, until: Some(until) }),
            (moment(), moment())
                .prop_map(|(from, until)| Period { from: Some(from), until: Some(until) }),
        ];
        let id = (any::<u64>(), any::<Option<u32>>()).prop_map(|(connection, number)| {
            let connection = ConnectionId(connection);
            number.map_or(FlowId::Connection(connection), |number| {
                FlowId::Exchange(ExchangeId { connection, number })
            })
        });
        prop_oneof![
            patterns().prop_map(Term::Word),
            patterns().prop_map(Term::Host),
            patterns().prop_map(Term::Path),
            patterns().prop_map(Term::Flag),
            patterns().prop_map(Term::FlagNow),
            Just(Term::Verdict(vec![Verdict::Unclear, Verdict::NoConcern])),
            countries().prop_map(Term::Country),
            countries().prop_map(|c| Term::Location(c.into_iter().map(Place::Says).collect())),
            Just(Term::Location(vec![Place::Agreed, Place::Disagreed, Place::Unknown])),
            Just(Term::Confidence(vec![Confidence::A, Confidence::C])),
            vec(any::<u32>().prop_map(Asn), 1..3).prop_map(Term::Asn),
            vec(any::<IpAddr>(), 1..3).prop_map(|ips| {
                let whole = |ip: IpAddr| {
                    let address = ip.to_canonical();
                    let width = if address.is_ipv4() { 32 } else { 128 };
                    Network::containing(address, width).unwrap()
                };
                Term::Address(ips.into_iter().map(whole).collect())
            }),
            vec(span(999), 1..3).prop_map(Term::Status),
            vec(span(u64::MAX), 1..3).prop_map(Term::Size),
            vec(span(2_000_000), 1..3).prop_map(Term::Up),
            vec(period, 1..3).prop_map(Term::Time),
            vec(id, 1..3).prop_map(Term::Id),
            any::<bool>().prop_map(Term::Simulated),
            any::<bool>().prop_map(Term::Anycast),
            vec("[a-z]{1,3}(\\.[a-z0-9_-]{1,4}){0,2}", 1..3).prop_map(|names| {
                Term::Cname(names.iter().map(|name| name.parse().unwrap()).collect())
            }),
        ]
    }

    fn filter() -> impl Strategy<Value = Filter> {
        let flat = |parts: Vec<Filter>, or: bool| {
            let parts = parts.into_iter().flat_map(|part| match part {
                Filter::Or(inner) if or => inner,
                Filter::And(inner) if !or => inner,
                part => vec![part],
            });
            if or { Filter::Or(parts.collect()) } else { Filter::And(parts.collect()) }
        };
        term().prop_map(Filter::Term).prop_recursive(4, 24, 3, move |inner| {
            prop_oneof![
                inner.clone().prop_map(|filter| Filter::Not(Box::new(filter))),
                vec(inner.clone(), 2..4).prop_map(move |parts| flat(parts, true)),
                vec(inner, 2..4).prop_map(move |parts| flat(parts, false)),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_canonical_text_reads_back_as_the_same_tree(filter in filter()) {
            let text = filter.to_string();
            prop_assume!(text.len() <= MAX_FILTER_BYTES);
            prop_assert_eq!(parse(&text), Ok(filter), "{}", text);
        }

        #[test]
        fn any_text_is_read_or_refused_within_its_bounds(text in "\\PC{0,60}") {
            match parse(&text) {
                Ok(filter) => prop_assert_eq!(parse(&filter.to_string()), Ok(filter)),
                Err(error) => prop_assert!(error.position <= text.len()),
            }
        }

        #[test]
        fn texts_near_the_language_are_read_or_refused(
            parts in vec("host:|time:|status:|size:|address:|[a-z0-9*\"(),.<>\\\\ -]{1,4}|not|or|-5m", 0..20)
        ) {
            if let Ok(filter) = parse(&parts.concat()) {
                prop_assert_eq!(parse(&filter.to_string()), Ok(filter));
            }
        }
    }
}
