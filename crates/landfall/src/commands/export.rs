//! `landfall export`: a session in a form that other programs read.

use super::Context;
use crate::args::{ExportArgs, ExportFormat};
use crate::error::{Error, Exit};
use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes the export. A file is complete or not there: it is written beside its place first.
pub(crate) fn run(context: &Context, args: &ExportArgs) -> Result<Exit, Error> {
    context.no_rows()?;
    let session = context.session(args.session.as_deref())?;
    let notices = geoip::Databases::open(&context.settings.geoip)?.attributions();
    let write = |out: &mut dyn Write| match args.format {
        ExportFormat::Jsonl => evidence::flows::write_jsonl(&session, out),
        ExportFormat::Csv => evidence::flows::write_csv(&session, out),
        ExportFormat::Har => evidence::har::write(&session, &notices, out),
    };
    if args.out == Path::new("-") {
        let mut out = BufWriter::new(std::io::stdout().lock());
        write(&mut out)?;
        out.flush().map_err(|error| Error::output(&error))?;
        return Ok(Exit::Ok);
    }
    let mut partial = args.out.clone().into_os_string();
    partial.push(".part");
    let partial = Path::new(&partial);
    let failed = |error: std::io::Error| {
        Error::runtime("the export could not be written").at(args.out.display()).because(&error)
    };
    // Captured traffic is private: nobody else may read it.
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(partial)
        .map_err(failed)?;
    let mut out = BufWriter::new(file);
    let written = write(&mut out)
        .map_err(Error::from)
        .and_then(|()| out.flush().map_err(failed))
        .and_then(|()| std::fs::rename(partial, &args.out).map_err(failed));
    if written.is_err() {
        // The error that matters is the first one.
        drop(std::fs::remove_file(partial));
    }
    written.map(|()| Exit::Ok)
}
