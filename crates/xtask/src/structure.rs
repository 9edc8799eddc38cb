//! Rules about the shape of the project that neither the compiler nor clippy knows.

mod banned;
mod files;
mod graph;
mod imports;
mod licences;
mod metadata;
mod rust_paths;
mod sockets;
mod text;

use std::path::Path;

/// Checks every rule; prints what breaks one. True when nothing does.
pub(crate) fn check(root: &Path) -> Result<bool, String> {
    let metadata = metadata::Metadata::read(root)?;
    let sources = text::tree(root)?;
    let checks = [
        ("top-level entries", files::top_level(root)?),
        ("file sizes and names", files::sizes_and_names(&sources)),
        ("machine paths", files::machine_paths(&sources)),
        ("links between documents", files::broken_links(root, &sources)),
        ("arrows between crates", graph::problems(&metadata)),
        ("circles of imports", imports::problems(root)?),
        ("who opens sockets", sockets::problems(&sources)),
        ("licences", licences::problems(&metadata)),
        ("banned crates", banned::problems(root)?),
    ];
    let mut sound = true;
    for (name, problems) in checks {
        println!("{name}: {}", if problems.is_empty() { "ok" } else { "NOT OK" });
        for problem in &problems {
            println!("  {problem}");
        }
        sound &= problems.is_empty();
    }
    Ok(sound)
}
