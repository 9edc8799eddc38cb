//! What the readers of messages find in a body. They know neither whose body it is nor who is told.

use flow::message::{MessageDefect, MessageEnd, MessageKind};
use flow::stream::Extent;

/// A message, as its reader found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: MessageKind,
    pub(crate) range: Extent,
    pub(crate) bytes: u64,
    pub(crate) end: MessageEnd,
    pub(crate) defect: Option<MessageDefect>,
}

/// Where in the body its messages can no longer be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) offset: u64,
    pub(crate) why: &'static str,
}
