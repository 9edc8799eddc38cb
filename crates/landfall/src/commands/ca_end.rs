//! `landfall ca rotate` and `landfall ca remove`: the end of an authority, and what is left to do on
//! the devices that trust it.

use super::ca::fingerprint;
use crate::authority::say_settled;
use crate::config::AuthorityKey;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::escape::printable;
use certs::{ExclusiveHold, FormerAuthority};
use std::io::{BufRead, IsTerminal};
use std::time::SystemTime;

/// Makes a new authority in place of the old one.
pub(crate) fn rotate(context: &Context, key: Option<AuthorityKey>) -> Result<Exit, Error> {
    context.no_rows()?;
    let hold = ExclusiveHold::take(&context.settings.data.authority())?;
    let key = key.map_or(context.settings.authority_key, Into::into);
    say_settled(context, certs::settle(&hold)?.as_ref());
    let (old, new) = certs::rotate(&hold, key, SystemTime::now())?;
    context.say(&format!("The authority {} is replaced, its key destroyed", title(&old)));
    context.say(&format!("The new one is {} ({})", new.name(), new.key_text()));
    context.say(&format!("  SHA-256 {}", fingerprint(new.fingerprint_sha256())));
    context.say("Tell your devices to trust it, see `landfall ca show`, and remove the old one:");
    say_how_to_remove(context);
    Ok(Exit::Ok)
}

/// Destroys the authority.
pub(crate) fn remove(context: &Context, yes: bool) -> Result<Exit, Error> {
    context.no_rows()?;
    let hold = ExclusiveHold::take(&context.settings.data.authority())?;
    if !yes {
        confirm(context)?;
    }
    let Some(was) = certs::remove(&hold)? else {
        context.say("There is no authority, and no key is left of one");
        return Ok(Exit::Ok);
    };
    context.say(&format!("The authority {} is removed, its key destroyed", title(&was)));
    context.say("Devices trust its certificate until you remove it there as well:");
    say_how_to_remove(context);
    Ok(Exit::Ok)
}

/// Asks whoever sits at the terminal; without one nothing is destroyed.
fn confirm(context: &Context) -> Result<(), Error> {
    let unasked = || {
        Error::usage("the authority is removed only when that is confirmed")
            .hint("type `yes`, or give --yes")
    };
    if !std::io::stdin().is_terminal() {
        return Err(unasked());
    }
    context.say("This destroys the authority's key: devices that trust it can no longer be read.");
    context.say("Type `yes` to go on:");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    match read.is_ok() && answer.trim() == "yes" {
        true => Ok(()),
        false => Err(unasked()),
    }
}

fn title(authority: &FormerAuthority) -> String {
    printable(&authority.name).into_owned()
}

fn say_how_to_remove(context: &Context) {
    HOW_TO_REMOVE.iter().for_each(|line| context.say(line));
}

const HOW_TO_REMOVE: [&str; 8] = [
    "  iOS      Settings > General > VPN & Device Management: remove the profile",
    "  Android  Settings > Security > Encryption & credentials > User credentials, or Trusted",
    "           credentials > User; from the system's store: remove the module, or the file",
    "  Firefox  Settings > Privacy & Security > View Certificates > Authorities: delete",
    "  macOS    Keychain Access, or `security delete-certificate -c NAME`",
    "  Windows  certmgr.msc > Trusted Root Certification Authorities, or `certutil -delstore root`",
    "  Linux    the file below /usr/local/share/ca-certificates, then update-ca-certificates",
    "  Java     keytool -delete from the key store that it was imported into",
];
