//! `landfall run`: puts the parts together, serves until it is told to stop, and takes them down in
//! order. The one place that knows both the proxy and the recorder.

mod banner;
mod identities;
mod line;
mod live;
pub(crate) mod origin;
mod signals;
mod stage;
pub(crate) mod tool;
pub(crate) mod trust;

use crate::args::LiveFormat;
use crate::authority;
use crate::clock::{self, SystemClock};
use crate::config;
use crate::config::settings::Settings;
use crate::config::{OnFull, OnMalformed, TransparentMode, Wire};
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::interfaces;
use crate::names;
use certs::{Authority, LeafMinter};
use demo::phone::Played;
use flow::time::SharedClock;
use geoip::Databases;
use live::Live;
use proxy::{Epochs, Listener, Outgoing, Watch};
use recorder::read::{FlowQuery, Session};
use recorder::review::Reviews;
use recorder::{Entropy, Recording, Sources, Summary, ToolFacts};
use signals::Signals;
use stage::Stage;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

/// Serves and records until a signal, the end of `--duration`, or a failure of the recording.
pub(crate) fn run(context: &Context, output: Option<LiveFormat>) -> Result<Exit, Error> {
    within_runtime(serve(context, output, None))
}

/// The same around a simulated phone and its servers. Without `--duration` it ends with the phone.
pub(crate) fn demo(mut context: Context, output: Option<LiveFormat>) -> Result<Exit, Error> {
    within_runtime(async move {
        let stage = Stage::set(&mut context.settings).await?;
        serve(&context, output, Some(&stage)).await
    })
}

fn within_runtime(work: impl Future<Output = Result<Exit, Error>>) -> Result<Exit, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::runtime("the runtime did not start").because(&error))?;
    let exit = runtime.block_on(work);
    // What still runs was asked to stop and did not, or must not be waited for.
    runtime.shutdown_background();
    exit
}

async fn serve(
    context: &Context,
    output: Option<LiveFormat>,
    stage: Option<&Stage>,
) -> Result<Exit, Error> {
    let settings = &context.settings;
    let mut signals = Signals::listen()?;
    let tool = tool::facts();
    let clock: SharedClock = Arc::new(SystemClock::start());
    // Until the end of the run: devices are shown leaves of this authority.
    let _hold = authority::enter(context)?;
    let (folder, key) = (settings.data.authority(), settings.authority_key);
    let authority = Arc::new(Authority::load_or_create(&folder, key, SystemTime::now())?);
    let databases = Arc::new(Databases::open(&settings.geoip)?);
    let setup = Arc::new(proxy_setup(settings, &authority, &clock, &databases, stage)?);
    let own_key = settings.signing_key.as_deref();
    for report in recorder::recover_all(settings.data.path(), own_key, &clock, &tool)? {
        banner::recovered(context, &report);
    }
    let listeners = listeners(settings).await?;
    let (events, received) = feed::channel(settings.limits.events_in_flight_bytes);
    let recording = recorder::start(recorder_setup(settings, tool, &clock, &databases)?, received)?;
    let name = recording.directory().name();
    let live = Live::start(recording.notices(), context.colour, output, settings.simulates())?;
    let address = announced(context, &authority, &listeners, &name);
    let stop = CancellationToken::new();
    let serving = tokio::spawn(proxy::serve(listeners, setup, events, stop.clone()));
    let mut ended = tokio::spawn(recording_end(recording));
    let mut time_is_over = Box::pin(elapsed(settings.duration));
    let why = tokio::select! {
        () = signals.stop() => Why::Asked,
        () = &mut time_is_over => Why::Elapsed,
        played = played(stage, address, &authority, settings.duration) => Why::Played(played),
        early = &mut ended => Why::Failed(early),
    };
    let word = why.word();
    let (narration, early) = why.left();
    let live = if let Some(Ok(Err(error))) = &early {
        let stays = error.is_full() && settings.on_full == OnFull::Refuse && stage.is_none();
        banner::stopped(error, &name, stays);
        live.stopped(error).await;
        if stays {
            // The proxy refuses by itself what cannot be recorded.
            tokio::select! {
                () = signals.stop() => {}
                () = &mut time_is_over => {}
            }
        }
        None
    } else {
        banner::stopping(context, word, settings.limits.shutdown_grace);
        Some(live)
    };
    stop.cancel();
    let (refused, recorded) = tokio::select! {
        both = taken_down(serving, ended, early) => both,
        () = signals.stop() => return Ok(Exit::Interrupted),
    };
    let Some(live) = live else { return Err(banner::cut_short(&name, refused?)) };
    let summary = recorded?;
    // After the lines that it is about.
    live.finish().await;
    banner::played(context, &narration);
    banner::summary(context, &summary);
    refused?;
    fail_on(context, &summary.directory)
}

/// Says at which ports the proxy is; the first of them.
fn announced(
    context: &Context,
    authority: &Authority,
    listeners: &[Listener],
    session: &str,
) -> SocketAddr {
    let bound = |listener: &Listener| listener.local_addr().ok();
    let address = listeners.first().and_then(bound).unwrap_or(context.settings.listen);
    let taken: Vec<_> = listeners.iter().skip(1).filter_map(bound).collect();
    banner::welcome(context, authority, address, &taken, session);
    banner::ready(address, &taken, session);
    address
}

/// Waits for the proxy, which drops its sender of events, and for the recording, which ends with that
/// unless it has ended before: how many connections were refused, and what was recorded.
async fn taken_down(
    serving: JoinHandle<u64>,
    ended: JoinHandle<Result<Summary, recorder::Error>>,
    early: Option<RecordingEnd>,
) -> (Result<u64, Error>, Result<Summary, Error>) {
    let refused =
        serving.await.map_err(|error| Error::runtime("the proxy ended abnormally").because(&error));
    let recorded = match early {
        Some(early) => early,
        None => ended.await,
    };
    (refused, joined(recorded))
}

/// Why the run comes to its end.
enum Why {
    Asked,
    Elapsed,
    /// The demonstration's phone has played all its apps.
    Played(Vec<Played>),
    /// The recording ended by itself.
    Failed(RecordingEnd),
}

impl Why {
    /// What is left of it: how the demonstration went, and what a recording that ended by itself ended
    /// with.
    fn left(self) -> (Vec<Played>, Option<RecordingEnd>) {
        match self {
            Self::Played(played) => (played, None),
            Self::Failed(early) => (Vec::new(), Some(early)),
            Self::Asked | Self::Elapsed => (Vec::new(), None),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Asked => "Stopping",
            Self::Elapsed => "The time is over",
            Self::Played(_) => "The demonstration is over",
            Self::Failed(_) => "The recording ended",
        }
    }
}

/// The recording's result, or a panic of its task.
type RecordingEnd = Result<Result<Summary, recorder::Error>, JoinError>;

async fn recording_end(recording: Recording) -> Result<Summary, recorder::Error> {
    recording.finish().await
}

fn joined(ended: RecordingEnd) -> Result<Summary, Error> {
    match ended {
        Ok(result) => Ok(result?),
        Err(error) => Err(Error::runtime("the recording ended abnormally").because(&error)),
    }
}

async fn elapsed(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// Lets the demonstration's phone play; never returns where there is none, or where a duration says
/// how long to go on.
async fn played(
    stage: Option<&Stage>,
    proxy: SocketAddr,
    authority: &Authority,
    duration: Option<Duration>,
) -> Vec<Played> {
    match (stage, duration) {
        (Some(stage), None) => stage.play(proxy, authority.certificate_der()).await,
        (Some(stage), Some(_)) => {
            stage.play(proxy, authority.certificate_der()).await;
            std::future::pending().await
        }
        (None, _) => std::future::pending().await,
    }
}

fn proxy_setup(
    settings: &Settings,
    authority: &Arc<Authority>,
    clock: &SharedClock,
    databases: &Arc<Databases>,
    stage: Option<&Stage>,
) -> Result<proxy::Setup, Error> {
    let limits = settings.limits.clone();
    Ok(proxy::Setup {
        authority: Arc::clone(authority),
        leaves: LeafMinter::new(Arc::clone(authority), limits.leaf_cache_entries)?,
        names: names::resolver(settings, &limits, Arc::clone(clock), stage.map(Stage::root))?,
        watch: settings.watch.then(|| Watch::new(&limits)),
        trust: trust::load(
            &settings.upstream_ca,
            stage.map(Stage::root),
            settings.upstream_verify,
        )?,
        rules: settings.rules.clone(),
        credentials: config::credentials::load(&settings.users, &settings.credentials_files)?,
        origin_of: origin::of(databases),
        identities: identities::load(&settings.client_certificates)?,
        memory: Arc::new(proxy::Memory::new(&limits)),
        machine: interfaces::addresses(),
        dial: settings.dial.clone(),
        epochs: Epochs::new({
            let mark = settings.transparent.mark;
            move || proxy::read_uplink(mark)
        }),
        simulated_times: settings.simulated_times.clone(),
        outgoing: outgoing(settings)?,
        limits,
        on_malformed: match settings.on_malformed {
            OnMalformed::Relay => proxy::OnMalformed::Relay,
            OnMalformed::Close => proxy::OnMalformed::Close,
        },
        wire: match settings.wire {
            Wire::Handshake => proxy::KeptWire::Handshake,
            Wire::Full => proxy::KeptWire::Full,
        },
        clock: Arc::clone(clock),
    })
}

fn recorder_setup(
    settings: &Settings,
    tool: ToolFacts,
    clock: &SharedClock,
    databases: &Arc<Databases>,
) -> Result<recorder::Setup, Error> {
    Ok(recorder::Setup {
        data_dir: settings.data.path().to_owned(),
        key: settings.signing_key.clone(),
        name: settings.session.clone(),
        case: settings.case.clone(),
        device: settings.device.clone(),
        operator: None,
        tool,
        effective_config: config::canonical(settings)?,
        simulated: settings.simulates(),
        vantage: settings.vantage,
        statements: settings.statements.clone(),
        limits: settings.limits.clone(),
        clock: Arc::clone(clock),
        databases: Sources::new(Arc::clone(databases)),
        entropy: Entropy::draw()?,
    })
}

fn outgoing(settings: &Settings) -> Result<Outgoing, Error> {
    let mark = settings.transparent.mark;
    let outgoing = Outgoing { proxy: settings.upstream_proxy.clone(), mark };
    outgoing.check().map_err(|error| {
        let hint = "run Landfall as root or with CAP_NET_ADMIN, or leave the mark out";
        Error::usage("outgoing connections cannot be marked").because(&error).hint(hint)
    })?;
    Ok(outgoing)
}

/// All ports, that of the proxy first.
async fn listeners(settings: &Settings) -> Result<Vec<Listener>, Error> {
    let listen = settings.listen;
    let proxy = Listener::proxy(listen).await.map_err(|error| not_bound(listen, &error))?;
    let mode = match settings.transparent.mode {
        TransparentMode::Redirect => proxy::TransparentMode::Redirect,
        TransparentMode::Tproxy => proxy::TransparentMode::Tproxy,
    };
    let mut listeners = vec![proxy];
    for &listen in &settings.transparent.listen {
        let listener = Listener::transparent(listen, mode);
        listeners.push(listener.map_err(|error| not_taken(listen, mode, &error))?);
    }
    Ok(listeners)
}

/// What to do about a port for taken connections that cannot be opened.
fn not_taken(listen: SocketAddr, mode: proxy::TransparentMode, error: &io::Error) -> Error {
    let hint = match (error.kind(), mode) {
        (ErrorKind::Unsupported, _) => "connections can be taken transparently on Linux alone",
        (ErrorKind::PermissionDenied, proxy::TransparentMode::Tproxy) => {
            "tproxy needs CAP_NET_ADMIN: run Landfall as root, or take --transparent-mode redirect"
        }
        _ => return not_bound(listen, error),
    };
    Error::new(Exit::CannotBind, "cannot listen").at(listen).because(error).hint(hint)
}

/// What to do about a port that cannot be opened.
fn not_bound(listen: SocketAddr, error: &io::Error) -> Error {
    let hint = match error.kind() {
        ErrorKind::AddrInUse => format!(
            "port {} is used by another program, perhaps another landfall: stop it, or choose \
                 another port with --listen",
            listen.port()
        ),
        ErrorKind::PermissionDenied => {
            format!("port {} needs privileges: choose one above 1023 with --listen", listen.port())
        }
        ErrorKind::AddrNotAvailable => {
            format!("this machine has no address {}: `landfall doctor` lists them", listen.ip())
        }
        _ => "choose another address with --listen".to_owned(),
    };
    Error::new(Exit::CannotBind, "cannot listen").at(listen).because(error).hint(hint)
}

/// Whether a recorded flow meets the condition; if so, which one is told.
fn fail_on(context: &Context, directory: &Path) -> Result<Exit, Error> {
    let Some(condition) = &context.settings.fail_on else { return Ok(Exit::Ok) };
    let session = Session::open(directory)?;
    // Somebody may have reviewed while it was recorded.
    let reviewed = Arc::new(Reviews::read(session.directory(), session.id()?)?.reviewed());
    let all = FlowQuery::all(condition.clone(), clock::wall(SystemTime::now()));
    let (mut first, mut flows) = (None, 0_u64);
    session.for_each_flow(&FlowQuery { reviewed, ..all }, |row| {
        first.get_or_insert(row.id);
        flows += 1;
        ControlFlow::Continue(())
    })?;
    let Some(first) = first else { return Ok(Exit::Ok) };
    banner::condition_met(context, first, flows);
    Ok(Exit::Condition)
}
