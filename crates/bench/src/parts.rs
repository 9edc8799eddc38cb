//! Parts of Landfall in isolation, on one core each: what is known of destinations, observers, record log
//! with index, the index made anew. No sockets: a conversation is made once, in memory.

mod conversation;
mod destinations;

use crate::arguments::{Arguments, Verb};
use crate::problem::Problem;
use crate::process::Cost;
use conversation::{Passed, http1, http2};
use flow::event::{Closed, Event, Ingress, Opened, Timings};
use flow::id::ConnectionId;
use flow::limits::Limits;
use flow::stream::{Chunk, Leg, StreamKey};
use flow::time::{Clock, MonoNanos, Stamp, WallNanos};
use flow::treatment::{Outcome, PlaintextWhy, Treatment};
use observe::Observer;
use recorder::directory::SessionDir;
use recorder::{Entropy, Setup, Sources, ToolFacts};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) fn run(arguments: &Arguments) -> Result<(), Problem> {
    let scale = if arguments.quick { 10 } else { 1 };
    let beside = std::env::current_exe()?;
    let parent = beside.parent().ok_or("the program lies nowhere")?;
    let directory = tempfile::Builder::new().prefix("bench").tempdir_in(parent)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let exchanges = 20_000 / scale;
    let show = |what: &str, value: f64, unit: &str| {
        if arguments.json {
            println!("{}", json!({ "part": what, "value": value, "unit": unit }));
        } else {
            println!("{what:<52} {value:>12.0} {unit}");
        }
    };
    // First, while nothing else is resident.
    destinations::run(arguments, directory.path(), &show)?;
    if matches!(arguments.verb, Verb::Destinations) {
        return Ok(());
    }
    let http1 = http1(exchanges);
    let http2 = runtime.block_on(http2(exchanges))?;
    for (name, passed, protocol) in
        [("http1", &http1, Protocol::Http1), ("http2", &http2, Protocol::Http2)]
    {
        let (took, bytes) = observe(passed, protocol);
        let seconds = took.as_secs_f64();
        show(&format!("{name} observer"), bytes as f64 / 1_048_576.0 / seconds, "MiB/s");
        show(&format!("{name} observer, of 1 KiB each"), exchanges as f64 / seconds, "exchanges/s");
    }
    let databases = Arc::new(geoip::Databases::open(&geoip::Config {
        data_dir: directory.path().to_owned(),
        set: geoip::SetChoice::Active,
        extra_mmdb: Vec::new(),
        overrides: Vec::new(),
        policies: geoip::policy::Policies::default(),
    })?);
    show("address look-up, all sources", look_ups(&databases, 100_000 / scale), "ns");

    let events: Vec<Event> = exchanged(&http1, 100_000 / scale);
    let recorded = runtime.block_on(record(directory.path(), databases, events))?;
    show("records, logged and indexed", recorded.records / recorded.seconds, "records/s");
    show("exchanges, logged and indexed", recorded.exchanges / recorded.seconds, "exchanges/s");
    let cpu_us = recorded.cpu.as_secs_f64() * 1e6 / recorded.exchanges;
    show("CPU of it", cpu_us * 1e3, "ns/exchange");
    let (begun, before) = (Instant::now(), Cost::of_this());
    recorder::index::reindex(&recorded.directory)?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = Cost::of_this().cpu.saturating_sub(before.cpu);
    show("index made from the log, one core", recorded.exchanges / seconds, "exchanges/s");
    let cpu_us = cpu.as_secs_f64() * 1e6 / recorded.exchanges;
    show("CPU of it", cpu_us * 1e3, "ns/exchange");
    Ok(())
}

#[derive(Clone, Copy)]
enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    fn observer(self) -> Observer {
        match self {
            Self::Http1 => Observer::http1(CONNECTION, &Limits::default()),
            Self::Http2 => Observer::http2(CONNECTION, &Limits::default()),
        }
    }
}

/// The best of some times that an observer needs for the conversation, and its bytes.
fn observe(passed: &Passed, protocol: Protocol) -> (Duration, usize) {
    let bytes = passed.iter().map(|(_, bytes)| bytes.len()).sum();
    let once = |_| {
        let mut observer = protocol.observer();
        let mut events = Vec::new();
        let begun = Instant::now();
        for (direction, bytes) in passed {
            observer.feed(*direction, STAMP, bytes, &mut events);
            events.clear();
        }
        begun.elapsed()
    };
    ((0..5).map(once).min().unwrap_or_default(), bytes)
}

/// Nanoseconds of an annotation, of addresses all over the Internet.
fn look_ups(databases: &geoip::Databases, count: usize) -> f64 {
    let begun = Instant::now();
    for number in (0_u32..).take(count) {
        // A step that is prime visits all networks in turn.
        let address = IpAddr::V4(Ipv4Addr::from(number.wrapping_mul(2_654_435_761)));
        std::hint::black_box(databases.annotate(address, &[], None));
    }
    begun.elapsed().as_secs_f64() * 1e9 / count as f64
}

/// The events of a connection on which the conversation passes until there are enough exchanges.
fn exchanged(passed: &Passed, exchanges: usize) -> Vec<Event> {
    let device = flow::address::DeviceAddr((Ipv4Addr::LOCALHOST, 1).into());
    let (connection, at) = (CONNECTION, STAMP);
    let listener = (Ipv4Addr::LOCALHOST, 2).into();
    let ingress = Ingress::Connect;
    let treatment = Treatment::Plaintext(PlaintextWhy::Http);
    let mut events = vec![
        Event::Opened(Opened {
            connection,
            at,
            device,
            listener,
            ingress,
            app: None,
            over_tls: false,
            forwarded_by: None,
        }),
        Event::Treated { connection, at, treatment },
    ];
    let mut observer = Protocol::Http1.observer();
    for (direction, bytes) in passed.iter().cycle().take(2 * exchanges) {
        let stream = StreamKey { connection, leg: Leg::Relay, direction: *direction };
        events.push(Event::Chunk(Chunk { stream, at, bytes: bytes.clone() }));
        observer.feed(*direction, at, bytes, &mut events);
    }
    let (outcome, timings) = (Outcome::Completed, Timings::default());
    events.push(Event::Closed(Closed { connection, at, outcome, timings }));
    events
}

struct Recorded {
    directory: SessionDir,
    records: f64,
    exchanges: f64,
    seconds: f64,
    cpu: Duration,
}

async fn record(
    data_dir: &Path,
    databases: Arc<geoip::Databases>,
    events: Vec<Event>,
) -> Result<Recorded, Problem> {
    let limits = Limits::default();
    let (sender, receiver) = feed::channel(limits.events_in_flight_bytes);
    let setup = Setup {
        data_dir: data_dir.to_owned(),
        key: None,
        name: None,
        case: None,
        device: None,
        operator: None,
        tool: ToolFacts { version: "bench".to_owned(), binary_sha256: None },
        effective_config: String::new(),
        simulated: true,
        vantage: None,
        statements: Vec::new(),
        limits,
        clock: Arc::new(SystemClock(Instant::now())),
        databases: Sources::new(databases),
        entropy: Entropy::draw()?,
    };
    let recording = recorder::start(setup, receiver)?;
    let directory = recording.directory().clone();
    let before = Cost::of_this();
    let begun = Instant::now();
    for event in events {
        sender.send(event).await?;
    }
    drop(sender);
    let summary = recording.finish().await?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = Cost::of_this().cpu.saturating_sub(before.cpu);
    let (records, exchanges) = (summary.records as f64, summary.exchanges as f64);
    Ok(Recorded { directory, records, exchanges, seconds, cpu })
}

struct SystemClock(Instant);

impl Clock for SystemClock {
    fn now(&self) -> Stamp {
        let mono = u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Stamp { wall: WallNanos(STAMP.wall.0.saturating_add(mono)), mono: MonoNanos(mono) }
    }
}

const CONNECTION: ConnectionId = ConnectionId(1);
const STAMP: Stamp = Stamp { wall: WallNanos(1_795_173_185_000_000_000), mono: MonoNanos(1) };
