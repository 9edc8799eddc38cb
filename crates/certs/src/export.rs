//! The forms in which the authority's certificate is handed to devices. None of them holds a key.
//! Equal certificates give equal bytes. Where they are written to or served is the callers'.

mod android;
mod magisk;
mod mobileconfig;
mod p12;

use crate::authority::Authority;
use crate::error::Error;

/// A form of the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// PEM (RFC 7468).
    Pem,
    /// DER, which phones and Windows open.
    Der,
    /// PKCS #12 (RFC 7292) with the certificate alone, under a password.
    P12 { password: &'a str },
    /// A configuration profile for iOS, iPadOS and macOS.
    Mobileconfig,
    /// A file of Android's system store, whose name is a hash of the subject.
    Android,
    /// A module for Magisk, KernelSU or APatch that puts it into Android's system store.
    Magisk,
}

/// What to write into a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The name that the file should have; with the Android form it must have this one.
    pub file_name: String,
    /// Registered or customary media type.
    pub media_type: &'static str,
    pub bytes: Vec<u8>,
}

impl Authority {
    /// The certificate in this form.
    ///
    /// # Errors
    /// The certificate cannot be read, which an authority that was loaded rules out.
    pub fn export(&self, form: Form<'_>) -> Result<Exported, Error> {
        let der = self.certificate_der();
        let pem = self.certificate_pem();
        let exported = |file_name: &str, media_type, bytes| Exported {
            file_name: file_name.to_owned(),
            media_type,
            bytes,
        };
        Ok(match form {
            Form::Pem => {
                exported("landfall-ca.pem", "application/x-pem-file", pem.as_bytes().to_vec())
            }
            Form::Der => exported("landfall-ca.cer", "application/x-x509-ca-cert", der.to_vec()),
            Form::P12 { password } => exported(
                "landfall-ca.p12",
                "application/x-pkcs12",
                p12::file(self.name(), &der, password),
            ),
            Form::Mobileconfig => exported(
                "landfall-ca.mobileconfig",
                "application/x-apple-aspen-config",
                mobileconfig::profile(self.name(), &der).into_bytes(),
            ),
            Form::Android => {
                let name = android::file_name(self.subject_der());
                exported(&name, "application/octet-stream", pem.as_bytes().to_vec())
            }
            Form::Magisk => {
                let store_name = android::file_name(self.subject_der());
                let module = magisk::module(self.name(), &store_name, pem)?;
                exported("landfall-ca-magisk.zip", "application/zip", module)
            }
        })
    }
}
