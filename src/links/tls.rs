//! TLS between replicas: certificates of one cluster's own authority.
//!
//! A replica's certificate names `replica-I.taraflow`, a client's `client.taraflow`. Both ends of a
//! link show one, and nobody outside the cluster's authority can make one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::model::error::Error;
use crate::model::types::ReplicaId;

/// The name in a client's certificate.
pub const CLIENT: &str = "client.taraflow";

/// The name in a replica's certificate.
pub fn name_of(replica: ReplicaId) -> String {
    format!("replica-{replica}.taraflow")
}

/// The TLS settings for links that are accepted.
#[derive(Clone, Debug)]
pub struct Accepting(pub(super) Arc<ServerConfig>);

/// The TLS settings for a link that is dialled, and the name of its other end.
#[derive(Clone, Debug)]
pub struct Dialling {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

/// The keys of one end.
#[derive(Clone, Debug)]
pub struct Tls {
    own: CertificateDer<'static>,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

/// The files a link proves with who it is. All are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate that signs those of all replicas.
    pub ca: PathBuf,
    /// The node's certificate.
    pub cert: PathBuf,
    /// The node's private key.
    pub key: PathBuf,
}

/// A file of keys that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unusable {
    /// The setting that names the file.
    pub setting: &'static str,
    /// What is wrong with it, the file's name included.
    pub why: String,
}

impl From<Unusable> for Error {
    fn from(unusable: Unusable) -> Self {
        Self::Invalid(unusable.why)
    }
}

impl Tls {
    /// Reads the files, and makes sure that they belong together.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub fn load(files: &TlsFiles) -> Result<Self, Unusable> {
        let ca = Named { setting: "tls.ca", path: &files.ca };
        let cert = Named { setting: "tls.cert", path: &files.cert };
        let key = Named { setting: "tls.key", path: &files.key };
        let mut roots = RootCertStore::empty();
        for certificate in ca.certificates()? {
            roots.add(certificate).map_err(|error| ca.unusable(error))?;
        }
        let roots = Arc::new(roots);
        let chain = cert.certificates()?;
        signed(&chain, &roots).map_err(|error| cert.not_signed(&ca, &error))?;
        let private = key.private()?;
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider.clone())
                .build()
                .map_err(|error| ca.unusable(error))?;
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .and_then(|builder| {
                builder
                    .with_client_cert_verifier(verifier)
                    .with_single_cert(chain.clone(), private.clone_key())
            })
            .map_err(|error| key.does_not_fit(&cert, &error))?;
        let own = chain[0].clone();
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .and_then(|builder| {
                builder.with_root_certificates(roots).with_client_auth_cert(chain, private)
            })
            .map_err(|error| key.does_not_fit(&cert, &error))?;
        Ok(Self { own, client: Arc::new(client), server: Arc::new(server) })
    }

    /// Whether this end's own certificate names `name`.
    pub fn names(&self, name: &str) -> bool {
        is_for(&self.own, name)
    }

    /// To accept links with.
    pub fn accepting(&self) -> Accepting {
        Accepting(Arc::clone(&self.server))
    }

    /// To dial `replica` with.
    pub fn dialling(&self, replica: ReplicaId) -> Dialling {
        let name = ServerName::try_from(name_of(replica)).expect("a DNS name by its form");
        Dialling { config: Arc::clone(&self.client), name }
    }
}

/// One of the files, for messages about it.
struct Named<'a> {
    setting: &'static str,
    path: &'a Path,
}

impl Named<'_> {
    fn refuse(&self, why: String) -> Unusable {
        Unusable { setting: self.setting, why }
    }

    fn unusable(&self, why: impl fmt::Display) -> Unusable {
        self.refuse(format!("cannot use {}: {why}", self.path.display()))
    }

    fn read(&self) -> Result<Vec<u8>, Unusable> {
        let path = self.path.display();
        std::fs::read(self.path)
            .map_err(|error| self.refuse(format!("cannot read {path}: {error}")))
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Unusable> {
        let text = self.read()?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        match read {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            _ => Err(self.unusable("it holds no certificate in PEM form")),
        }
    }

    fn private(&self) -> Result<PrivateKeyDer<'static>, Unusable> {
        let key = PrivateKeyDer::from_pem_slice(&self.read()?);
        key.map_err(|_| self.unusable("it holds no private key in PEM form"))
    }

    fn not_signed(&self, ca: &Self, error: &rustls::Error) -> Unusable {
        use rustls::CertificateError::{Expired, ExpiredContext, UnknownIssuer};
        let (path, ca) = (self.path.display(), ca.path.display());
        self.refuse(match error {
            rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. }) => {
                format!("the certificate {path} has expired")
            }
            rustls::Error::InvalidCertificate(UnknownIssuer) => {
                format!("the certificate {path} was not signed by the authority in {ca}")
            }
            error => format!("the certificate {path} cannot be used with {ca}: {error}"),
        })
    }

    fn does_not_fit(&self, cert: &Self, error: &rustls::Error) -> Unusable {
        let (path, cert) = (self.path.display(), cert.path.display());
        match error {
            rustls::Error::InconsistentKeys(_) => {
                self.refuse(format!("the key {path} does not belong to the certificate {cert}"))
            }
            error => self.unusable(error),
        }
    }
}

/// Whether one of `roots` has signed the first of `chain`, and it is valid today.
fn signed(chain: &[CertificateDer<'_>], roots: &RootCertStore) -> Result<(), rustls::Error> {
    let (own, between) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
    let algorithms = ring::default_provider().signature_verification_algorithms;
    verify_server_cert_signed_by_trust_anchor(
        &ParsedCertificate::try_from(own)?,
        roots,
        between,
        UnixTime::now(),
        algorithms.all,
    )
}

/// Whether a certificate, already verified, names `name`.
pub(super) fn is_for(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let Ok(name) = ServerName::try_from(name) else { return false };
    ParsedCertificate::try_from(certificate)
        .is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, &name).is_ok())
}
