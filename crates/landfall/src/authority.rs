//! Before the authority is used: takes a share in it, and says what an interrupted rotation had left
//! and what became of it. What is done about it is `certs`' business.

use crate::context::Context;
use crate::error::Error;
use crate::output::escape::printable;
use certs::{Hold, Settled};

/// A share in the authority: until it is dropped, nobody replaces or removes it.
///
/// # Errors
/// It is being replaced or removed, or cannot be put right.
pub(crate) fn enter(context: &Context) -> Result<Hold, Error> {
    let (hold, settled) = certs::enter(&context.settings.data.authority())?;
    say_settled(context, settled.as_ref());
    Ok(hold)
}

/// What was done about an interruption, if there was one.
pub(crate) fn say_settled(context: &Context, settled: Option<&Settled>) {
    let Some(settled) = settled else { return };
    context.say(&printable(&text(settled)));
}

fn text(settled: &Settled) -> String {
    match settled {
        Settled::Finished { old: Some(old), new } => format!(
            "A rotation of the authority had been interrupted; it is finished now: {} is replaced \
             by {new}, its key destroyed",
            old.name
        ),
        Settled::Finished { old: None, new } => format!(
            "A rotation of the authority had been interrupted; it is finished now: the authority \
             is {new}"
        ),
        Settled::TakenBack => "A rotation of the authority had been interrupted before anything \
                               was replaced; what it had prepared is destroyed"
            .to_owned(),
        Settled::OldKeyDestroyed(old) => format!(
            "A rotation of the authority had been interrupted; it is finished now: the key of {}, \
             which was still there, is destroyed, and a new authority is made when it is needed",
            old.name
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_which_authority_counts() {
        let new = "Landfall 0000 0001".to_owned();
        assert!(text(&Settled::Finished { old: None, new }).ends_with("is Landfall 0000 0001"));
        assert!(text(&Settled::TakenBack).contains("before anything was replaced"));
    }
}
