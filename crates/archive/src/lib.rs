//! ZIP archives of one form (PKWARE APPNOTE 6.3): files that are stored, not compressed, sorted by
//! name, with fixed times, one behind the other. Equal contents give equal bytes, and the reader takes
//! nothing but the bytes that the writer would have written: an archive cannot say one thing to one
//! program and another thing to the next, hides nothing between its files, and cannot be a bomb.
//! What the files say is for others.

mod error;
mod layout;
mod name;
mod reader;
mod writer;

pub use error::{Error, Fault};
pub use name::{BadName, Name};
pub use reader::{Archive, Contents, Entry};
pub use writer::Writer;
