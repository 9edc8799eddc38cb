//! `landfall export`: a session in a form that other programs read.

use super::review::Desk;
use crate::args::{ExportArgs, ExportFormat};
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::safe_text::SafeText;
use evidence::bundle::bag::Sink;
use recorder::read::{Reviewed, Session};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What writes a form, of a session and what people made of it.
type Form = fn(&Session, &Arc<Reviewed>, &mut dyn Write) -> Result<(), evidence::Error>;

/// Writes the export. A file is complete or not there: it is written beside its place first.
pub(crate) fn run(context: &Context, args: &ExportArgs) -> Result<Exit, Error> {
    context.no_rows()?;
    let session = context.session(args.session.as_deref())?;
    let form: Form = match args.format {
        ExportFormat::Jsonl => evidence::flows::write_jsonl,
        ExportFormat::Csv => evidence::flows::write_csv,
        ExportFormat::Har => evidence::har::write,
        ExportFormat::Pcapng => |session, _, out| evidence::pcapng::write(session, out),
        ExportFormat::Dns => |session, _, out| evidence::lookups::write_jsonl(session, out),
        ExportFormat::Bundle => return bundle(context, &session, args),
    };
    if args.dir {
        return Err(Error::usage("only a bundle can be a directory").hint("say --format bundle"));
    }
    let reviewed = Desk::or_without(context, &session)?.reviewed();
    let write = |out: &mut dyn Write| -> Result<(), Error> { Ok(form(&session, &reviewed, out)?) };
    if args.out == Path::new("-") {
        to_stdout(write)?;
    } else {
        // Before the export: what the licences ask for is never missing beside it.
        let shows_databases = matches!(args.format, ExportFormat::Jsonl | ExportFormat::Csv);
        if shows_databases {
            write_attributions(&evidence::attributions(&session)?, &args.out)?;
        }
        to_file(&args.out, buffered(write))?;
    }
    Ok(Exit::Ok)
}

/// Writes a bundle, signed with the installation's key.
fn bundle(context: &Context, session: &Session, args: &ExportArgs) -> Result<Exit, Error> {
    let path = &args.out;
    if path == Path::new("-") {
        return Err(Error::usage("a bundle cannot be written to stdout").hint("name a file"));
    }
    let signer = context.signer()?;
    if !args.dir {
        to_file(path, |file| Ok(evidence::bundle::write(session, &signer, Sink::archive(file))?))?;
        return Ok(Exit::Ok);
    }
    let failed = |error: io::Error| not_written(path, &error);
    if path.symlink_metadata().is_ok() {
        return Err(Error::usage("there is something already").at(path.display()));
    }
    let partial = partial(path);
    match std::fs::remove_dir_all(&partial) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    DirBuilder::new().mode(0o700).create(&partial).map_err(failed)?;
    let written = evidence::bundle::write(session, &signer, Sink::directory(&partial))
        .map_err(Error::from)
        .and_then(|()| std::fs::rename(&partial, path).map_err(failed));
    if written.is_err() {
        // The error that matters is the first one.
        drop(std::fs::remove_dir_all(&partial));
    }
    written.map(|()| Exit::Ok)
}

/// A terminal gets no control characters; a pipe gets the export as a file would.
fn to_stdout(write: impl FnOnce(&mut dyn Write) -> Result<(), Error>) -> Result<(), Error> {
    let stdout = io::stdout();
    let is_terminal = stdout.is_terminal();
    let mut out = BufWriter::new(stdout.lock());
    if is_terminal {
        let mut safe = SafeText::new(out);
        write(&mut safe)?;
        return safe.finish().map_err(|error| Error::output(&error));
    }
    write(&mut out)?;
    out.flush().map_err(|error| Error::output(&error))
}

/// The notices that the databases' licences ask for, in a file beside an export that has no place
/// for them.
fn write_attributions(notices: &[String], export: &Path) -> Result<(), Error> {
    if notices.is_empty() {
        return Ok(());
    }
    let mut path = export.to_owned().into_os_string();
    path.push(".attribution.txt");
    let text = notices.iter().map(|notice| format!("{notice}\n")).collect::<String>();
    let text =
        |out: &mut dyn Write| out.write_all(text.as_bytes()).map_err(|error| Error::output(&error));
    to_file(Path::new(&path), buffered(text))
}

/// Writes a file through a buffer, to its end.
fn buffered(
    write: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> impl FnOnce(File) -> Result<(), Error> {
    |file| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        let synced = out.flush().and_then(|()| out.get_ref().sync_all());
        synced.map_err(|error| Error::output(&error))
    }
}

fn not_written(path: &Path, error: &io::Error) -> Error {
    Error::runtime("the export could not be written").at(path.display()).because(error)
}

fn to_file(path: &Path, write: impl FnOnce(File) -> Result<(), Error>) -> Result<(), Error> {
    let failed = |error: io::Error| not_written(path, &error);
    let partial = partial(path);
    // What an export left that was killed. Nothing is written into a file that is there already:
    // it could be another's, or lead elsewhere.
    match std::fs::remove_file(&partial) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    // Captured traffic is private: nobody else may read it.
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)
        .map_err(failed)?;
    let written = write(file).and_then(|()| std::fs::rename(&partial, path).map_err(failed));
    if written.is_err() {
        // The error that matters is the first one.
        drop(std::fs::remove_file(&partial));
    }
    written
}

fn partial(path: &Path) -> PathBuf {
    let mut partial = path.to_owned().into_os_string();
    partial.push(".part");
    PathBuf::from(partial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn hello(out: &mut dyn Write) -> Result<(), Error> {
        out.write_all(b"hello").map_err(|error| Error::output(&error))
    }

    #[test]
    fn a_link_in_the_place_of_the_partial_file_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("x"), directory.path().join("other"));
        fs::write(&other, "precious").unwrap();
        symlink(&other, partial(&path)).unwrap();
        to_file(&path, buffered(hello)).unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
        assert_eq!(fs::read_to_string(&path).unwrap(), "hello");
        assert!(!partial(&path).exists() && !path.is_symlink());
    }

    #[test]
    fn a_stale_partial_file_is_replaced_and_its_mode_does_not_stay() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        fs::write(partial(&path), "much longer than the export").unwrap();
        fs::set_permissions(partial(&path), fs::Permissions::from_mode(0o666)).unwrap();
        to_file(&path, buffered(hello)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "hello");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn notices_stand_in_a_file_of_their_own_beside_the_export() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flows.csv");
        write_attributions(&[], &path).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        write_attributions(&["by A".to_owned(), "by B".to_owned()], &path).unwrap();
        let beside = directory.path().join("flows.csv.attribution.txt");
        assert_eq!(fs::read_to_string(beside).unwrap(), "by A\nby B\n");
    }

    #[test]
    fn a_failed_export_leaves_the_earlier_one_and_no_partial_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        fs::write(&path, "earlier").unwrap();
        to_file(&path, |_| Err(Error::runtime("no"))).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "earlier");
        assert!(!partial(&path).exists());
    }
}
