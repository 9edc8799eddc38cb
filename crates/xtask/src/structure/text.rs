//! The text files of the project: everything below the root except what is built or fetched.

use std::path::{Path, PathBuf};

/// A file that is UTF-8 text.
pub(crate) struct TextFile {
    /// Relative to the root, with `/` between its parts.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl TextFile {
    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }
}

/// Reads them all, in order of their paths.
pub(crate) fn tree(root: &Path) -> Result<Vec<TextFile>, String> {
    let mut files = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in entries(&directory)? {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if entry.is_symlink() || NOT_OURS.contains(&name.as_str()) {
                continue;
            }
            if entry.is_dir() {
                directories.push(entry);
            } else if let Ok(text) = std::fs::read_to_string(&entry) {
                let path = entry.strip_prefix(root).unwrap_or(&entry);
                let path = path.to_string_lossy().replace('\\', "/");
                files.push(TextFile { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The paths in a directory, in order.
pub(crate) fn entries(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let context = |error| format!("{}: {error}", directory.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(context)? {
        paths.push(entry.map_err(context)?.path());
    }
    paths.sort();
    Ok(paths)
}

const NOT_OURS: &[&str] = &["target", ".git", "__pycache__", "corpus", "artifacts"];
