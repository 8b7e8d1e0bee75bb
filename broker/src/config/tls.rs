//! `tls` of a listener: where its certificate and key are. What they hold is not read here, since
//! most commands need neither.

use broker_client::server::TlsFiles;

use super::read::Section;

/// Reads `tls` of a section; `None` where the listener speaks plain HTTP.
pub(super) fn tls(section: &mut Section<'_>) -> Option<TlsFiles> {
    let is_wanted = section.has("tls");
    let mut tls = section.section("tls");
    let files = is_wanted.then(|| {
        let certificate = path(
            &mut tls,
            "certificate",
            "the file with the certificate, in PEM",
        );
        let key = path(&mut tls, "key", "the file with its private key, in PEM");
        Some(TlsFiles {
            certificate: certificate?.into(),
            key: key?.into(),
        })
    });
    tls.finish();
    files.flatten()
}

fn path(section: &mut Section<'_>, key: &'static str, hint: &str) -> Option<String> {
    let path: String = section.required(key, hint)?;
    if path.contains("-----") || path.is_empty() {
        // Else a later message would show a private key as the name of a file.
        section.problem(key, "must be the path of a file, not what is in it");
        return None;
    }
    Some(path)
}
