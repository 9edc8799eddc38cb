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
    let again = again(&args, mode);
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
    let text = if args.undo { format!("{UNDO}{}", rules.undo()) } else { rules.set_up() };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(|error| Error::output(&error))?;
    if !context.quiet && !args.undo {
        notes(mode, &listen, except, &again).iter().for_each(|note| {
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

/// The command once more, without what depends on the configuration.
fn again(args: &TransparentArgs, mode: TransparentMode) -> String {
    let mut command = "landfall setup transparent".to_owned();
    if mode != TransparentMode::default() {
        command.push_str(&format!(" --mode {}", mode.word()));
    }
    command.extend(args.interface.iter().map(|name| format!(" --interface {name}")));
    command.extend(args.listen.iter().map(|at| format!(" --listen {}", quoted(*at))));
    command.extend(args.uid.map(|uid| format!(" --uid {uid}")));
    command.extend(args.mark.map(|mark| format!(" --mark {mark:#x}")));
    command
}

/// Brackets mean something to some shells.
fn quoted(address: SocketAddr) -> String {
    if address.is_ipv6() { format!("'{address}'") } else { address.to_string() }
}

fn notes(
    mode: TransparentMode,
    listen: &[SocketAddr],
    except: Option<Except>,
    again: &str,
) -> Vec<String> {
    let mut notes = vec![format!("note: nothing was changed; to do it: {again} | sudo sh")];
    if !cfg!(target_os = "linux") {
        notes.push("note: the commands are for Linux, which this machine does not run".into());
    }
    let arguments: String =
        listen.iter().map(|at| format!(" --transparent {}", quoted(*at))).collect();
    let mark = match except {
        Some(Except::Mark(mark)) => format!(" --transparent-mark {mark:#x}"),
        _ => String::new(),
    };
    let mode_argument = match mode {
        TransparentMode::Redirect => String::new(),
        TransparentMode::Tproxy => format!(" --transparent-mode {}", mode.word()),
    };
    notes.push(format!("note: then: landfall run{arguments}{mode_argument}{mark}"));
    notes.push(match (except, mode) {
        (Some(Except::User(uid)), _) => format!(
            "note: run it as the user {uid} and run the apps as another: this user's connections \
             are not taken, or Landfall would meet itself"
        ),
        (Some(Except::Mark(_)), _) | (None, TransparentMode::Tproxy) => {
            "note: run it as root or with CAP_NET_ADMIN, which marks and tproxy take".to_owned()
        }
        (None, TransparentMode::Redirect) => {
            "note: any user may run it: this machine's own connections, Landfall's among them, are \
             not taken"
                .to_owned()
        }
    });
    notes.push(
        "note: devices with public addresses, as is usual with IPv6, need --allow NETWORK".into(),
    );
    for (is_v4, name) in [(true, "IPv4"), (false, "IPv6")] {
        if port(listen, is_v4).is_none() {
            notes.push(format!(
                "note: {name} is not taken and passes Landfall by: no address of it is listened on"
            ));
        }
    }
    notes.push(format!("note: to take it back: {again} --undo | sudo sh"));
    notes
}

const UNDO: &str =
    "# Takes back what `landfall setup transparent` set up. For root, on the gateway.\n";
/// Where Landfall listens unless it is told otherwise.
const DEFAULT_LISTEN: [SocketAddr; 2] = [
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8081),
    SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), 8081),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn told(mode: TransparentMode, listen: &[&str], except: Option<Except>) -> String {
        let listen: Vec<_> = listen.iter().map(|at| at.parse().unwrap()).collect();
        notes(mode, &listen, except, "landfall setup transparent").join("\n")
    }

    #[test]
    fn the_notes_say_who_runs_it_what_passes_by_and_how_it_is_taken_back() {
        let both = ["0.0.0.0:8081", "[::]:8081"];
        let text = told(TransparentMode::Redirect, &both, None);
        assert!(text.contains("--transparent 0.0.0.0:8081 --transparent '[::]:8081'\n"), "{text}");
        assert!(
            text.contains("any user may run it") && text.contains("--undo | sudo sh"),
            "{text}"
        );
        assert!(!text.contains("passes Landfall by"), "{text}");
        let text = told(TransparentMode::Tproxy, &both[..1], None);
        assert!(text.contains("IPv6 is not taken") && text.contains("CAP_NET_ADMIN"), "{text}");
        let text = told(TransparentMode::Redirect, &both, Some(Except::User(1000)));
        assert!(text.contains("as the user 1000"), "{text}");
        let text = told(TransparentMode::Redirect, &both, Some(Except::Mark(7)));
        assert!(text.contains(" --transparent-mark 0x7\n"), "{text}");
    }
}
