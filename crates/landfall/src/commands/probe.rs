//! `landfall probe`: measures from this machine what handshakes with hosts take, and writes it signed,
//! for others to import. It concludes nothing and asks no server for anything.

use super::lookup;
use super::measuring::{Asked, announce, measuring, runtime};
use crate::args::ProbeArgs;
use crate::clock::{self, SystemClock};
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::names;
use crate::output::escape::printable;
use crate::run::tool;
use flow::address::Host;
use flow::assessment::NoStatement;
use flow::dns::{Lookup, Sake};
use flow::physics::Vantage;
use flow::uplink::Uplink;
use geoip::Databases;
use geoip::digest::sha256;
use proxy::{Handshaken, Measuring, read_uplink};
use recorder::probe::{
    AddressShape, HostShape, NetworkShape, ProbeFile, ProbeFormat, ProbeShape, SampleShape,
    VERSION, is_name,
};
use recorder::record::session::Tool;
use recorder::record::value::{Count, Spelled, Wall};
use resolver::NameResolver;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::runtime::Runtime;

/// Measures, signs and writes.
pub(crate) fn run(context: &Context, args: &ProbeArgs) -> Result<Exit, Error> {
    context.no_rows()?;
    let vantage = vantage(context, args)?;
    let name = name(args)?;
    let asked = asked(&args.hosts)?;
    if args.out.exists() {
        return Err(Error::runtime("there is such a file already, which is not written over")
            .at(args.out.display())
            .hint("name another file with -o, or - for stdout"));
    }
    let signer = context.signer()?;
    let prober = Prober::new(context, args.samples)?;
    let began = now();
    let hosts: Vec<Found> = prober.look_up(asked, context);
    let addresses = hosts.iter().map(|host| host.addresses.len() as u64).sum::<u64>();
    if addresses.saturating_mul(args.samples) > MOST_HANDSHAKES {
        return Err(Error::usage(format!("these are more than {MOST_HANDSHAKES} handshakes"))
            .hint("ask for fewer hosts at once, or lower --samples"));
    }
    let hosts: Vec<HostShape> = hosts.into_iter().map(|host| prober.measure(host)).collect();
    let measured = hosts.iter().flat_map(|host| &host.addresses).any(|a| !a.samples.is_empty());
    let program = tool::facts();
    let file = ProbeFile::sign(
        ProbeShape {
            began,
            ended: now().max(began),
            format: ProbeFormat::LandfallProbe,
            hosts,
            key: signer.public_key().into(),
            name,
            network: NetworkShape {
                uplink: prober.uplink.as_ref().map(Into::into),
                upstream_proxy: prober.proxied,
            },
            tool: Tool { sha256: program.binary_sha256, version: program.version },
            v: VERSION,
            vantage: vantage.into(),
        },
        &signer,
    )?;
    write(&args.out, file.text())?;
    tell(context, &prober, &file);
    Ok(if measured { Exit::Ok } else { Exit::Runtime })
}

struct Prober {
    runtime: Runtime,
    measuring: Measuring,
    names: NameResolver,
    samples: u64,
    /// How the machine was connected when it began.
    uplink: Option<Uplink>,
    proxied: bool,
}

/// A host with the addresses to measure.
struct Found {
    asked: Asked,
    lookup: Option<Lookup>,
    addresses: Vec<IpAddr>,
}

impl Prober {
    fn new(context: &Context, samples: u64) -> Result<Self, Error> {
        let settings = &context.settings;
        let databases = Arc::new(Databases::open(&settings.geoip)?);
        let measuring = measuring(context, &databases)?;
        let clock = Arc::new(SystemClock::start());
        Ok(Self {
            runtime: runtime()?,
            names: names::resolver(settings, &settings.limits, clock, None)?,
            samples,
            uplink: read_uplink(measuring.mark),
            proxied: settings.upstream_proxy.is_some(),
            measuring,
        })
    }

    /// The addresses of all hosts, before any of them is contacted.
    fn look_up(&self, asked: Vec<Asked>, context: &Context) -> Vec<Found> {
        let found = |asked: Asked| {
            let name = match &asked.host {
                Host::Name(name) => name,
                Host::Ip(address) => {
                    let addresses = vec![address.to_canonical()];
                    return Found { asked, lookup: None, addresses };
                }
            };
            let lookup = self.runtime.block_on(self.names.look_up(name, Sake::Landfall));
            let mut addresses: Vec<IpAddr> = Vec::new();
            for address in lookup.addresses().map(|address| address.to_canonical()) {
                if !addresses.contains(&address) && addresses.len() < MOST_ADDRESSES {
                    addresses.push(address);
                }
            }
            if addresses.is_empty() {
                let error = Error::runtime(lookup::outcome(&lookup.outcome)).at(name);
                context.warn(&error.hint(lookup::remedy(&lookup.outcome)));
            }
            Found { lookup: Some(lookup), asked, addresses }
        };
        asked.into_iter().map(found).collect()
    }

    fn measure(&self, found: Found) -> HostShape {
        let Found { asked, lookup, addresses } = found;
        HostShape {
            addresses: addresses.into_iter().map(|a| self.address(&asked, a)).collect(),
            host: Spelled(asked.host),
            lookup: lookup.as_ref().map(Into::into),
            port: asked.port,
        }
    }

    fn address(&self, asked: &Asked, address: IpAddr) -> AddressShape {
        let not_measured = |why: String| AddressShape {
            address: Spelled(address),
            error: Some(bounded(&why)),
            samples: Vec::new(),
            simulated: false,
        };
        let socket = SocketAddr::new(address, asked.port);
        if self.proxied {
            return not_measured(NoStatement::UpstreamProxy.to_string());
        }
        if let Err(why) = self.measuring.allowed(&asked.host, socket) {
            return not_measured(why.to_string());
        }
        if !self.measuring.simulated_times.contains_key(&address) {
            announce(asked, socket, self.samples);
        }
        let measured = self.measuring.measure(&asked.host, socket, self.samples);
        let measured = self.runtime.block_on(measured);
        // All of a probe is of one epoch of the network.
        if self.uplink != read_uplink(self.measuring.mark) {
            return not_measured("the network of this machine changed".to_owned());
        }
        AddressShape {
            address: Spelled(address),
            error: measured.failed.map(|why| bounded(&why.to_string())),
            samples: measured.handshakes.iter().map(sample).collect(),
            simulated: measured.simulated,
        }
    }
}

fn sample(handshake: &Handshaken) -> SampleShape {
    let nanos = |time: Duration| Count(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    SampleShape {
        at: Wall(handshake.at.wall),
        certificate: handshake.leaf.as_deref().map(sha256),
        chain: Spelled(handshake.chain),
        connect_ns: handshake.connect.map(nanos),
        retried: handshake.retried,
        signature_ns: nanos(handshake.signature),
    }
}

/// Where this machine stands: without that, no time says anything to anybody.
fn vantage(context: &Context, args: &ProbeArgs) -> Result<Vantage, Error> {
    let given = args.vantage.map(|text| text.0).or(context.settings.vantage);
    given.ok_or_else(|| {
        Error::usage("nobody says where this machine stands")
            .hint("write --vantage LAT,LON,KM, or [vantage] in landfall.toml")
    })
}

fn name(args: &ProbeArgs) -> Result<Option<String>, Error> {
    match args.name.as_deref() {
        Some(name) if !is_name(name) => Err(Error::usage("a vantage cannot be called so")
            .at("--name")
            .hint("take at most 100 bytes on one line")),
        name => Ok(name.map(str::to_owned)),
    }
}

/// What the words ask about, each once.
fn asked(words: &[String]) -> Result<Vec<Asked>, Error> {
    let mut all = Vec::new();
    for word in words {
        let asked = lookup::asked(word, true)
            .map_err(|hint| Error::usage("not an address or host name").at(word).hint(hint))?;
        if !all.contains(&asked) {
            all.push(asked);
        }
    }
    match all.len() {
        0..=MOST_HOSTS => Ok(all),
        _ => Err(Error::usage(format!("these are more than {MOST_HOSTS} hosts"))
            .hint("ask for the others in another probe")),
    }
}

/// For nobody else to read: the file says whom somebody is looking at, and from where.
fn write(out: &Path, text: &str) -> Result<(), Error> {
    if out == Path::new("-") {
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        return written.map_err(|error| Error::output(&error));
    }
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(out);
    let written = file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| {
        Error::runtime("the probe could not be written")
            .at(out.display())
            .because(&error)
            .hint("name a new file in a directory that you can write to, or - for stdout")
    })
}

/// Says what came of it, and what whoever imports it should know.
fn tell(context: &Context, prober: &Prober, file: &ProbeFile) {
    for host in &file.probe().hosts {
        for address in &host.addresses {
            let (of, port) = (address.address.0, host.port);
            let socket = SocketAddr::new(of, port);
            let least = address.samples.iter().map(|sample| sample.signature_ns.0).min();
            let least = least.map(|nanos| flow::physics::RoundTrip(Duration::from_nanos(nanos)));
            let took = least.map_or_else(String::new, |least| {
                format!(": {} samples, a signature took {least} at least", address.samples.len())
            });
            let failed = address.error.as_ref().map_or_else(String::new, |e| format!(": {e}"));
            let line = format!("{socket} as {}{took}{failed}", host.host.0);
            context.say(&printable(&line));
        }
    }
    let tunnel = prober.uplink.as_ref().map(|uplink| uplink.tunnel());
    let silent = match tunnel {
        None => Some(NoStatement::NetworkUnknown),
        Some(tunnel) => tunnel.map(|name| NoStatement::Tunnel(name.to_owned())),
    };
    if let Some(why) = silent {
        let error = Error::runtime(format!("nothing will follow from these times: {why}"));
        context.warn(&error.hint("measure where the network is reached without a tunnel"));
    }
    let key = file.key();
    context.say(&format!(
        "Signed with the key {key}: tell it to whoever imports the file, by another way than the file"
    ));
}

fn now() -> Wall {
    Wall(clock::wall(SystemTime::now()))
}

fn bounded(text: &str) -> String {
    text.chars().take(LONGEST_ERROR).collect()
}

const MOST_HOSTS: usize = 100;
/// Of one host.
const MOST_ADDRESSES: usize = 32;
/// With all addresses together: what fits a file.
const MOST_HANDSHAKES: u64 = 10_000;
/// Characters of what an address's failure is told in.
const LONGEST_ERROR: usize = 500;
