//! `landfall setup`: prints what a person runs, on stdout, and what to know about it, on stderr. It
//! changes nothing.

use super::transparent_rules::{Except, InterfaceName, Rules, port};
use crate::args::TransparentArgs;
use crate::config::TransparentMode;
use crate::context::Context;
use crate::error::{Error, Exit};
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;

/// Prints the rules of a gateway.
///
/// # Errors
/// Usage: options that do not go together, or a name that is none.
pub(super) fn transparent(context: &Context, args: TransparentArgs) -> Result<Exit, Error> {
    let configured = &context.settings.transparent;
    let mode = args.mode.unwrap_or(configured.mode);
    let mark = args.mark.map(NonZeroU32::get).or(configured.mark.filter(|_| args.uid.is_none()));
    let except = args.uid.map(Except::User).or(mark.map(Except::Mark));
    if mode == TransparentMode::Tproxy && (args.uid.is_some() || args.mark.is_some()) {
        return Err(Error::usage("tproxy cannot take this machine's own connections")
            .at(if args.uid.is_some() { "--uid" } else { "--mark" })
            .hint("take --mode redirect, or leave the option out"));
    }
    let interface = args.interface.as_deref().map(interface).transpose()?;
    let listen = [args.listen, configured.listen.clone(), DEFAULT_LISTEN.to_vec()];
    let listen = listen.into_iter().find(|listen| !listen.is_empty()).unwrap_or_default();
    if listen.iter().any(|address| address.port() == 0) {
        return Err(Error::usage("rules need a port that is known beforehand")
            .at("--listen")
            .hint("name a port, such as 0.0.0.0:8081"));
    }
    let (port_v4, port_v6) = (port(&listen, true), port(&listen, false));
    let rules = Rules { mode, interface, port_v4, port_v6, except };
    let text = if args.undo { rules.undo() } else { rules.set_up() };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(|error| Error::output(&error))?;
    if !context.quiet && !args.undo {
        notes(mode, &listen, mark).iter().for_each(|note| {
            // Without a stderr there is nobody to tell.
            drop(writeln!(std::io::stderr(), "{note}"));
        });
    }
    Ok(Exit::Ok)
}

fn interface(name: &str) -> Result<InterfaceName, Error> {
    InterfaceName::new(name).ok_or_else(|| {
        Error::usage(format!("{name:?} is no name of an interface"))
            .at("--interface")
            .hint("`ip link` lists the names")
    })
}

fn notes(mode: TransparentMode, listen: &[SocketAddr], mark: Option<u32>) -> Vec<String> {
    let mut notes =
        vec!["note: nothing was changed; the commands are for root: … | sudo sh".into()];
    if !cfg!(target_os = "linux") {
        notes.push("note: they are for Linux, which this machine does not run".into());
    }
    let listen: String = listen.iter().map(|at| format!(" --transparent {at}")).collect();
    let mark = mark.map(|mark| format!(" --transparent-mark {mark:#x}")).unwrap_or_default();
    let word = mode.word();
    notes.push(format!("note: then: landfall run{listen} --transparent-mode {word}{mark}"));
    if mode == TransparentMode::Tproxy || !mark.is_empty() {
        notes.push("note: for that, Landfall needs root or CAP_NET_ADMIN".into());
    }
    notes.push(
        "note: devices with public addresses, as is usual with IPv6, need --allow NETWORK".into(),
    );
    notes
}

/// Where Landfall listens unless it is told otherwise.
const DEFAULT_LISTEN: [SocketAddr; 2] = [
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8081),
    SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), 8081),
];
