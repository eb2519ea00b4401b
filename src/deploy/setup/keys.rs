//! The keys of a cluster: an authority of its own, and what it signs.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

use crate::model::error::Error;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TEN_YEARS: Duration = Duration::from_secs(3653 * 24 * 60 * 60);

/// Signs the certificates of one cluster. Replicas trust nobody else, so those of another cluster
/// are strangers.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key, as PEM.
pub(super) struct Signed {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    /// The authority of the cluster with this number.
    pub fn new(cluster: u64) -> Result<Self, Error> {
        let mut params = params(Vec::new(), &format!("taraflow cluster {cluster:016x}"))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self(CertifiedIssuer::self_signed(params, key()?).map_err(failed)?))
    }

    pub fn certificate(&self) -> String {
        self.0.pem()
    }

    pub fn key(&self) -> String {
        self.0.key().serialize_pem()
    }

    /// A certificate for either end of a link. The name is what the other end looks at.
    pub fn sign(&self, name: &str) -> Result<Signed, Error> {
        let key = key()?;
        let mut params = params(vec![name.to_owned()], name)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.0).map_err(failed)?;
        Ok(Signed { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

fn key() -> Result<KeyPair, Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)
}

/// Valid from yesterday, since the clocks of other machines may be behind this one's.
fn params(names: Vec<String>, common_name: &str) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(names).map_err(failed)?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, common_name);
    let now = SystemTime::now();
    params.not_before = (now - DAY).into();
    params.not_after = (now + TEN_YEARS).into();
    Ok(params)
}

fn failed(error: rcgen::Error) -> Error {
    Error::Keys(error.to_string())
}
