//! The commands, one file each. Here is only which verb leads to which.

mod ca;
mod ca_end;
mod ca_export;
mod completions;
mod dest;
mod dest_names;
mod doctor;
mod export;
mod flow;
mod flow_body;
mod flow_messages;
mod flow_page;
mod flow_tls;
mod flow_wire;
mod geo;
mod geo_prune;
mod geo_update;
mod geo_verify;
mod levels;
mod lookup;
mod lookup_rtt;
mod measuring;
mod probe;
mod reobserve;
mod review;
mod second_opinion;
mod session;
mod session_compare;
mod session_import;
mod setup;
mod transparent_rules;
mod verify;

use crate::args::{
    CaVerb, Cli, DestVerb, FlowVerb, GeoVerb, RunArgs, SessionVerb, SetupVerb, Verb,
};
use crate::context::{Context, with_databases};
use crate::error::{Error, Exit};
use geoip::{Doubts, Pruning};
use recorder::read::Respects;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Runs what the command line asks for.
///
/// # Errors
/// The command's, with the exit code that it leads to.
pub(crate) fn run(cli: Cli) -> Result<Exit, Error> {
    let Cli { global, output: before, verb } = cli;
    let plain = |global, before| Context::new(global, before, RunArgs::default());
    match verb {
        Verb::Ca(verb) => of_authority(&plain(global, before)?, verb),
        Verb::Lookup { what, rtt, allow_local, geoip, databases, output } => {
            let run = RunArgs { allow_local, ..with_databases(geoip, databases) };
            lookup::run(&Context::new(global, before, run)?, &what, rtt, output)
        }
        Verb::Probe(args) => {
            let run = RunArgs { allow_local: args.allow_local, ..RunArgs::default() };
            probe::run(&Context::new(global, before, run)?, &args)
        }
        Verb::Geo(GeoVerb::Status { sets, strict, geoip, output }) => {
            let context = Context::new(global, before, with_databases(geoip, None))?;
            match sets {
                true => geo::sets(&context, output),
                false => geo::status(&context, strict, output),
            }
        }
        Verb::Geo(GeoVerb::Update { only, force, output }) => {
            let doubts = if force { Doubts::SetAside } else { Doubts::Refuse };
            geo_update::run(&plain(global, before)?, &only, doubts, output)
        }
        Verb::Geo(GeoVerb::Prune { keep, dry_run, output }) => {
            let pruning = if dry_run { Pruning::Dry } else { Pruning::Real };
            geo_prune::run(&plain(global, before)?, keep, pruning, output)
        }
        Verb::Geo(GeoVerb::Verify { files, output }) => {
            geo_verify::run(&plain(global, before)?, &files, output)
        }
        Verb::Doctor { listen, output } => {
            let run = RunArgs { listen, ..RunArgs::default() };
            doctor::run(&Context::new(global, before, run)?, output)
        }
        Verb::Session(verb) => of_session(&plain(global, before)?, verb),
        Verb::Flow(verb) => of_flow(&plain(global, before)?, verb),
        Verb::Dest(DestVerb::List { by, filter, output }) => {
            dest::list(&plain(global, before)?, by.into(), &filter, output)
        }
        Verb::Dest(DestVerb::Show { name, also_with, output }) => {
            dest::show(&plain(global, before)?, &name, also_with, output)
        }
        Verb::Review(verb) => review::run(&plain(global, before)?, verb),
        Verb::Export(args) => export::run(&plain(global, before)?, &args),
        Verb::Verify(args) => verify::run(&plain(global, before)?, &args),
        Verb::Run(args) => {
            let output = args.output;
            let context = Context::new(global, before, args)?;
            crate::run::run(&context, output.or(context.live_format()?))
        }
        Verb::Demo(args) => {
            let output = args.output;
            let context = Context::new(global, before, for_demo(args))?;
            let output = output.or(context.live_format()?);
            crate::run::demo(context, output)
        }
        Verb::Setup(SetupVerb::Transparent(args)) => {
            setup::transparent(&plain(global, before)?, args)
        }
        Verb::Completions { shell } => completions::print(shell),
    }
}

fn of_authority(context: &Context, verb: CaVerb) -> Result<Exit, Error> {
    match verb {
        CaVerb::Create { key } => ca::create(context, key),
        CaVerb::Show { output } => ca::show(context, output),
        CaVerb::Export { form, out, password } => ca_export::run(context, form, &out, &password),
        CaVerb::Rotate { key } => ca_end::rotate(context, key),
        CaVerb::Remove { yes } => ca_end::remove(context, yes),
    }
}

fn of_session(context: &Context, verb: SessionVerb) -> Result<Exit, Error> {
    match verb {
        SessionVerb::List { output } => session::list(context, output),
        SessionVerb::Show { session, output } => session::show(context, session.as_deref(), output),
        SessionVerb::Reindex { session } => session::reindex(context, session.as_deref()),
        SessionVerb::Reobserve { session, output } => {
            reobserve::run(context, session.as_deref(), output)
        }
        SessionVerb::Import { session, files, trust, reviewer } => {
            session_import::run(context, &session, &files, &trust, reviewer)
        }
        SessionVerb::Compare { a, b, filter, no_traffic, output } => {
            let respects = if no_traffic { Respects::Claims } else { Respects::ClaimsAndTraffic };
            session_compare::run(context, [&a, &b], &filter, respects, output)
        }
    }
}

fn of_flow(context: &Context, verb: FlowVerb) -> Result<Exit, Error> {
    match verb {
        FlowVerb::List { filter, output } => flow::list(context, &filter, output),
        FlowVerb::Show { id, output } => flow::show(context, id, output),
        FlowVerb::Messages { id, output } => flow_messages::run(context, id, output),
        FlowVerb::Body { id, part, decoded } => flow_body::run(context, id, part, decoded),
        FlowVerb::Wire { id, leg, part } => flow_wire::run(context, id, leg, part),
    }
}

/// The file's `listen` is for real devices: only the command line's opens the demonstration to them.
fn for_demo(args: RunArgs) -> RunArgs {
    RunArgs { listen: args.listen.or(Some(DEMO_LISTEN)), ..args }
}

/// Where the demonstration listens unless told otherwise: any free port, for this machine alone.
const DEMO_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::OutputArgs;
    use clap::Parser;

    #[test]
    fn the_demonstration_is_for_this_machine_unless_the_command_line_says_otherwise() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("landfall.toml");
        std::fs::write(&file, "listen = \"0.0.0.0:8080\"").unwrap();
        let listen = |args: RunArgs| {
            let global =
                Cli::parse_from(["landfall", "--data", &data.path().to_string_lossy(), "run"])
                    .global;
            let context = Context::new(global, OutputArgs::default(), for_demo(args)).unwrap();
            context.settings.listen.to_string()
        };
        assert_eq!(listen(RunArgs::default()), "127.0.0.1:0");
        let asked = Some(SocketAddr::from(([0, 0, 0, 0], 9)));
        assert_eq!(listen(RunArgs { listen: asked, ..RunArgs::default() }), "0.0.0.0:9");
    }
}
