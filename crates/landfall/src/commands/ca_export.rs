//! `landfall ca export`: the certificate in the form that a device takes, never the key.

use crate::args::CertificateForm;
use crate::context::Context;
use crate::error::{Error, Exit};
use certs::Form;
use std::io::{IsTerminal, Write as _};
use std::path::Path;

/// Writes the certificate to a file, into a directory, or to standard output.
pub(crate) fn run(
    context: &Context,
    form: CertificateForm,
    out: &Path,
    password: &str,
) -> Result<Exit, Error> {
    context.no_rows()?;
    if password.len() > LONGEST_PASSWORD_BYTES || password.chars().any(char::is_control) {
        return Err(Error::usage("the password is too long or holds control characters")
            .hint("take a short word: it protects nothing secret"));
    }
    let to_stdout = out == Path::new("-");
    if to_stdout && is_binary(form) && std::io::stdout().is_terminal() {
        return Err(Error::usage(
            "this form of the certificate is binary, and stdout is a terminal",
        )
        .hint("name a file or a directory with -o, or pipe it into another program"));
    }
    let (_hold, authority) = super::ca::open(context)?;
    let file = authority.export(match form {
        CertificateForm::Pem => Form::Pem,
        CertificateForm::Der => Form::Der,
        CertificateForm::P12 => Form::P12 { password },
        CertificateForm::Mobileconfig => Form::Mobileconfig,
        CertificateForm::Android => Form::Android,
        CertificateForm::Magisk => Form::Magisk,
    })?;
    if to_stdout {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&file.bytes).map_err(|error| Error::output(&error))?;
        return Ok(Exit::Ok);
    }
    let path = if out.is_dir() { out.join(&file.file_name) } else { out.to_owned() };
    std::fs::write(&path, &file.bytes).map_err(|error| {
        Error::runtime("the certificate could not be written")
            .at(path.display())
            .because(&error)
            .hint("name a file in a directory that you can write to, or - for stdout")
    })?;
    context.say(&format!("Wrote {}", path.display()));
    if form == CertificateForm::Android && !path.ends_with(&file.file_name) {
        context.say(&format!("Android finds it only under the name {}", file.file_name));
    }
    Ok(Exit::Ok)
}

/// The others are text: PEM, and a profile is XML.
fn is_binary(form: CertificateForm) -> bool {
    match form {
        CertificateForm::Der | CertificateForm::P12 | CertificateForm::Magisk => true,
        CertificateForm::Pem | CertificateForm::Mobileconfig | CertificateForm::Android => false,
    }
}

const LONGEST_PASSWORD_BYTES: usize = 256;
