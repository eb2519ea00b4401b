//! Who may speak to whom: certificates of one cluster's own authority.
//!
//! A replica's certificate names `replica-I.taraflow`, a client's `client.taraflow`. Both ends of a
//! link show one, and nobody outside the cluster's authority can make one.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::error::Error;
use crate::settings::TlsFiles;
use crate::types::ReplicaId;

/// The name in a client's certificate.
pub const CLIENT: &str = "client.taraflow";

/// The name in a replica's certificate.
#[must_use]
pub fn name_of(replica: ReplicaId) -> String {
    format!("replica-{replica}.taraflow")
}

/// How this end accepts links.
#[derive(Clone, Debug)]
pub struct Accepting(pub(super) Arc<ServerConfig>);

/// How this end dials one peer.
#[derive(Clone, Debug)]
pub struct Dialling {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

/// The keys of one end.
#[derive(Clone, Debug)]
pub struct Tls {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub fn load(files: &TlsFiles) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&files.ca)? {
            roots.add(certificate).map_err(|error| unusable(&files.ca, error))?;
        }
        let roots = Arc::new(roots);
        let chain = certificates(&files.cert)?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|error| unusable(&files.key, error))?;
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider.clone())
                .build()
                .map_err(|error| unusable(&files.ca, error))?;
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .and_then(|builder| {
                builder
                    .with_client_cert_verifier(verifier)
                    .with_single_cert(chain.clone(), key.clone_key())
            })
            .map_err(|error| unusable(&files.key, error))?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .and_then(|builder| {
                builder.with_root_certificates(roots).with_client_auth_cert(chain, key)
            })
            .map_err(|error| unusable(&files.key, error))?;
        Ok(Self { client: Arc::new(client), server: Arc::new(server) })
    }

    /// To accept links with.
    #[must_use]
    pub fn accepting(&self) -> Accepting {
        Accepting(Arc::clone(&self.server))
    }

    /// To dial `replica` with.
    #[must_use]
    pub fn dialling(&self, replica: ReplicaId) -> Dialling {
        let name = ServerName::try_from(name_of(replica)).expect("a DNS name by its form");
        Dialling { config: Arc::clone(&self.client), name }
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| unusable(file, error))?;
    if certificates.is_empty() {
        return Err(unusable(file, "it holds no certificate"));
    }
    Ok(certificates)
}

fn unusable(file: &Path, why: impl std::fmt::Display) -> Error {
    Error::Usage(format!("cannot use {}: {why}", file.display()))
}

/// Whether a certificate, already verified, names `name`.
pub(super) fn is_for(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let Ok(name) = ServerName::try_from(name) else { return false };
    ParsedCertificate::try_from(certificate)
        .is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, &name).is_ok())
}
