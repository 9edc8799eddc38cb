//! What it costs to know of destinations: opening the databases, an address that is new and one that is
//! known, the assessment of a host, distances to all countries, and a million look-ups by the program
//! itself. Each beside the bound that it is to keep.

use crate::arguments::Arguments;
use crate::problem::Problem;
use crate::process::Cost;
use flow::address::{DnsName, Host};
use flow::assessment::{Contact, ContentLevel, Supported};
use flow::claim::Country;
use flow::limits::Limits;
use flow::physics::{RoundTrip, Vantage};
use geoip::assess::{AddressFacts, Facts, assess};
use geoip::policy::Policies;
use geoip::{Config, Databases, Extent, SetChoice, Shapes, decide};
use recorder::{Annotator, Answer, Sources};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Prints a part: what it is, how much, and of what.
pub(super) type Show<'a> = &'a dyn Fn(&str, f64, &str);

/// Measures all of it, in a directory that has room for the databases.
pub(super) fn run(arguments: &Arguments, directory: &Path, show: Show<'_>) -> Result<(), Problem> {
    let scale = if arguments.quick { 10 } else { 1 };
    let data_dir = directory.join("destinations");
    let config = Config {
        data_dir: data_dir.clone(),
        set: SetChoice::Active,
        extra_mmdb: Vec::new(),
        overrides: Vec::new(),
        policies: Policies::default(),
    };
    // The first time unpacks.
    drop(Databases::open(&config)?);
    let before = Cost::of_this().resident_kib;
    let databases = opened(&config, show)?;
    let more = Cost::of_this().resident_kib.saturating_sub(before);
    show("databases, opened: more resident", more as f64, "KiB");
    let count = 100_000 / scale;
    let all_over = measured(count, |number| {
        std::hint::black_box(databases.annotate(address(number), &[], None));
    });
    show("an address, all sources, no names", all_over, "ns CPU");
    show("resident after them (bound 81,920)", Cost::of_this().resident_kib as f64, "KiB");
    addresses(databases, count, show)?;
    let (load, all, judged) = shapes(if arguments.quick { 20 } else { 100 })?;
    show("country shapes, loaded", load, "us");
    show("one vantage to all countries (bound 50,000)", all, "us");
    show("one round trip judged against CN", judged, "us");
    look_ups(
        &arguments.landfall,
        &data_dir,
        if arguments.quick { 100_000 } else { 1_000_000 },
        show,
    )
}

fn opened(config: &Config, show: Show<'_>) -> Result<Arc<Databases>, Problem> {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        drop(Databases::open(config)?);
        best = best.min(begun.elapsed());
    }
    show("databases, opened and checked (bound 150)", best.as_secs_f64() * 1e3, "ms");
    Ok(Arc::new(Databases::open(config)?))
}

/// Nanoseconds of processor time of one turn; the machine may be busy with other work.
fn measured(count: usize, mut turn: impl FnMut(u32)) -> f64 {
    let before = Cost::of_this().cpu;
    (0_u32..).take(count).for_each(&mut turn);
    let cpu = Cost::of_this().cpu.saturating_sub(before);
    cpu.as_secs_f64() * 1e9 / count as f64
}

/// Addresses all over the Internet: a step that is prime visits all networks in turn.
fn address(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(number.wrapping_mul(2_654_435_761)))
}

/// As the recorder asks about the addresses of connections, and remembers as many.
fn addresses(databases: Arc<Databases>, count: usize, show: Show<'_>) -> Result<(), Problem> {
    let names: [DnsName; 2] = ["www.example.com".parse()?, "www.example.com.edge.example".parse()?];
    let policies = databases.policies().clone();
    let most = Limits::default().assessment_cache_entries;
    let mut annotator = Annotator::new(Sources::new(Arc::clone(&databases)), most);
    let mut fresh = 0_usize;
    let mut ask = |number| {
        let answer = annotator.assess(address(number), &names, 443);
        fresh += usize::from(matches!(answer, Answer::Fresh(_)));
    };
    let new = measured(count, &mut ask);
    show("a new address: all sources, levels, flags (20,000)", new, "ns CPU");
    let known = u32::try_from(most.min(count))?;
    let last = u32::try_from(count)? - known;
    let again = measured(count * 10, |number| ask(last + number % known));
    show(&format!("a known one of {known} (bound 300)"), again, "ns CPU");
    let again = measured(count * 10, |number| ask(last + number % 10));
    show("a known one of ten (bound 300)", again, "ns CPU");
    if fresh != count {
        return Err("addresses were asked about twice, or not at all".into());
    }
    let (_, shapes) = Shapes::bundled()?;
    let host = measured(count / 100, |number| {
        let annotation = Arc::new(databases.annotate(address(number), &names, Some(443)));
        std::hint::black_box(assess(&facts(annotation, &names, &policies), &shapes));
    });
    show("a host assessed, with what would decide it", host / 1e3, "us CPU");
    Ok(())
}

/// A host with one address of which nothing was measured.
fn facts(
    annotation: Arc<flow::annotation::Annotation>,
    [host, _alias]: &[DnsName; 2],
    policies: &Policies,
) -> Facts {
    Facts {
        host: Host::Name(host.clone()),
        contact: Some(Supported { level: Contact::PlaintextSeen, records: Vec::new() }),
        content: Some(Supported { level: ContentLevel::Decoded, records: Vec::new() }),
        aliases: Vec::new(),
        addresses: vec![AddressFacts {
            annotation,
            records: Vec::new(),
            later: Vec::new(),
            looked_up: true,
            round_trips: Vec::new(),
        }],
        not_asked: 0,
        sightings: Vec::new(),
        no_statement: None,
        resolved_by_proxy: true,
        simulated: false,
        statements: Vec::new(),
        asked_about: policies.countries(),
    }
}

/// Microseconds to load the shapes of countries, to measure from a place to all of them, and to judge
/// a round trip; of places all over the globe.
fn shapes(count: u32) -> Result<(f64, f64, f64), Problem> {
    let begun = Instant::now();
    let (_, shapes) = Shapes::bundled()?;
    let load = begun.elapsed();
    let rtt = RoundTrip(Duration::from_millis(4));
    let (mut all, mut judged) = (Duration::ZERO, Duration::ZERO);
    for turn in 0..count {
        let turn = f64::from(turn);
        let vantage =
            Vantage::new((turn * 61.7) % 180.0 - 90.0, (turn * 137.5) % 360.0 - 180.0, 0.0)?;
        let begun = Instant::now();
        for country in shapes.countries() {
            let land = shapes.nearest(vantage.position, country, Extent::HeldOrClaimed);
            std::hint::black_box(land);
        }
        all += begun.elapsed();
        let begun = Instant::now();
        std::hint::black_box(decide(&shapes, vantage, Country::CN, rtt));
        judged += begun.elapsed();
    }
    let micros = |time: Duration, count: u32| time.as_secs_f64() * 1e6 / f64::from(count);
    Ok((micros(load, 1), micros(all, count), micros(judged, count)))
}

/// The program, with addresses all over the Internet on its standard input.
fn look_ups(program: &Path, data_dir: &Path, count: u32, show: Show<'_>) -> Result<(), Problem> {
    let list = data_dir.join("addresses.txt");
    let mut file = BufWriter::new(File::create(&list)?);
    for number in 0..count {
        writeln!(file, "{}", Ipv4Addr::from(number.wrapping_mul(2_654_435_761)))?;
    }
    file.flush()?;
    let before = Cost::of_this();
    let begun = Instant::now();
    let mut lookup = Command::new(program);
    lookup.args(["lookup", "-", "-o", "jsonl", "--data"]).arg(data_dir);
    let status = lookup.stdin(File::open(&list)?).stdout(Stdio::null()).status()?;
    let took = begun.elapsed();
    if !status.success() {
        return Err(format!("`landfall lookup` ended with {status}").into());
    }
    let cpu = Cost::of_this().cpu.saturating_sub(before.cpu);
    let what = format!("{count} look-ups by the program (bound 30,000 of 10^6)");
    show(&what, took.as_secs_f64() * 1e3, "ms");
    show("CPU of it", cpu.as_secs_f64() * 1e3, "ms");
    Ok(())
}
