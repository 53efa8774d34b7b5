//! The HTTPS certificate: the user's own, or one minted for this host on the first run and used until it expires.

use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, bail};
use axum_server::tls_rustls::RustlsConfig;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tracing::info;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::files;
use crate::network::host_addresses;
use crate::options::CertificateFiles;

/// Browsers refuse certificates that last longer than 398 days.
const VALIDITY: Duration = Duration::from_secs(397 * 24 * 3600);

/// Clocks differ: a certificate is valid from an hour before it was minted.
const BACKDATED: Duration = Duration::from_secs(3600);

/// Loads the certificate that `files` names, minting it first if it is the relay's to mint.
pub(crate) fn load(files: &CertificateFiles) -> anyhow::Result<RustlsConfig> {
    match files {
        CertificateFiles::Own { cert, key } => configure(cert, key),
        CertificateFiles::Minted(folder) => {
            let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
            if is_due(&cert, &key)? {
                mint(folder, &cert, &key)?;
            }
            configure(&cert, &key)
        }
    }
}

/// Which of the user's own files cannot be used, and why.
#[derive(Debug)]
pub(crate) enum Unfit {
    Certificate(anyhow::Error),
    Key(anyhow::Error),
}

/// Whether the user's own certificate can be used.
pub(crate) fn check(cert: &Path, key: &Path) -> Result<(), Unfit> {
    let chain = read_certificates(cert).map_err(Unfit::Certificate)?;
    let expires = expiry(&chain[0], cert).map_err(Unfit::Certificate)?;
    if expires <= SystemTime::now() {
        let expired = anyhow!("{} has expired: renew it, or choose another", cert.display());
        return Err(Unfit::Certificate(expired));
    }
    configure(cert, key).map(|_| ()).map_err(Unfit::Key)
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) expires: SystemTime,
    /// The names and addresses that it is for.
    pub(crate) names: Vec<String>,
}

/// Reads what a certificate says of itself.
pub(crate) fn describe(cert: &Path) -> anyhow::Result<Description> {
    let chain = read_certificates(cert)?;
    let parsed = x509_cert::Certificate::from_der(&chain[0])
        .with_context(|| format!("Failed to read the certificate in {}", cert.display()))?;
    let names = parsed.tbs_certificate().get_extension::<SubjectAltName>().ok().flatten();
    let names = names.map(|(_, SubjectAltName(names))| names).unwrap_or_default();
    let expires = parsed.tbs_certificate().validity().not_after.to_system_time();
    Ok(Description { expires, names: names.iter().filter_map(name).collect() })
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(octets) => match octets.as_bytes() {
            [a, b, c, d] => Some(IpAddr::from([*a, *b, *c, *d]).to_string()),
            bytes => <[u8; 16]>::try_from(bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
        },
        _ => None,
    }
}

/// Whether there is nothing to use in the folder yet, or what there is has expired.
fn is_due(cert: &Path, key: &Path) -> anyhow::Result<bool> {
    match (exists(cert)?, exists(key)?) {
        (false, false) => Ok(true),
        (true, true) => Ok(expiry(&read_certificates(cert)?[0], cert)? <= SystemTime::now()),
        (true, false) => bail!(
            "{} is missing beside {}: put it back, or delete both to have them minted anew",
            key.display(),
            cert.display()
        ),
        (false, true) => bail!(
            "{} is missing beside {}: put it back, or delete both to have them minted anew",
            cert.display(),
            key.display()
        ),
    }
}

fn exists(path: &Path) -> anyhow::Result<bool> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| {
            format!(
                "Failed to look for {}; make its folder readable, or choose another with --certs",
                path.display()
            )
        }),
    }
}

fn mint(folder: &Path, cert: &Path, key: &Path) -> anyhow::Result<()> {
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), host];
    names.extend(host_addresses().iter().map(ToString::to_string));
    names.sort();
    names.dedup();

    let mut params = CertificateParams::new(names.clone())
        .with_context(|| format!("Failed to mint a certificate for {}", names.join(", ")))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Soundport on this machine");
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    let now = SystemTime::now();
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + VALIDITY).into();
    let key_pair = KeyPair::generate().context("Failed to draw a key")?;
    let certificate = params.self_signed(&key_pair).context("Failed to mint a certificate")?;

    fs::create_dir_all(folder).with_context(|| {
        format!("Failed to make the folder {}; choose another with --certs", folder.display())
    })?;
    write(key, &key_pair.serialize_pem(), 0o600)?;
    write(cert, &certificate.pem(), 0o644)?;
    info!(file = %cert.display(), names = names.join(", "), "Certificate minted");
    Ok(())
}

fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    files::write(path, text.as_bytes(), mode).with_context(|| {
        format!(
            "Failed to write {}; make its folder writable, or choose another with --certs",
            path.display()
        )
    })
}

fn configure(cert: &Path, key: &Path) -> anyhow::Result<RustlsConfig> {
    let chain = read_certificates(cert)?;
    let key_der = PrivateKeyDer::from_pem_file(key).with_context(|| {
        format!("Failed to read a private key (PEM) from {}; choose another with --key", key.display())
    })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("Failed to set up TLS")?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .with_context(|| {
            format!(
                "{} and {} do not belong together; name the key of this certificate",
                cert.display(),
                key.display()
            )
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(RustlsConfig::from_config(Arc::new(config)))
}

fn read_certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let failed = || {
        format!(
            "Failed to read a certificate (PEM) from {}; make it readable, or choose another with --cert",
            path.display()
        )
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .with_context(failed)?
        .collect::<Result<_, _>>()
        .with_context(failed)?;
    if chain.is_empty() {
        bail!("{} holds no certificate (PEM): choose another with --cert", path.display());
    }
    Ok(chain)
}

fn expiry(certificate: &CertificateDer<'_>, path: &Path) -> anyhow::Result<SystemTime> {
    let parsed = x509_cert::Certificate::from_der(certificate)
        .with_context(|| format!("Failed to read the certificate in {}", path.display()))?;
    Ok(parsed.tbs_certificate().validity().not_after.to_system_time())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_minted_certificate_is_used_again_and_its_key_kept_private() {
        let folder = std::env::temp_dir().join(format!("soundport-certs-{}", std::process::id()));
        let files = CertificateFiles::Minted(folder.clone());
        load(&files).unwrap();
        let first = fs::read(folder.join("cert.pem")).unwrap();
        assert_eq!(fs::metadata(folder.join("key.pem")).unwrap().permissions().mode() & 0o777, 0o600);
        load(&files).unwrap();
        assert_eq!(fs::read(folder.join("cert.pem")).unwrap(), first);

        fs::remove_file(folder.join("key.pem")).unwrap();
        assert!(load(&files).unwrap_err().to_string().contains("key.pem is missing"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
