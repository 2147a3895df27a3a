//! Certificates for tests: an authority of one's own, and what it signs.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use std::fs;
use std::path::{Path, PathBuf};

/// The name that every node's certificate for other nodes is made out to.
pub const PEER_NAME: &str = "plimsoll-peer";

/// Signs certificates.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
pub struct Issued {
    /// The certificate.
    pub cert: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// An authority of this name.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names, none wrong");
        // with rcgen's default name for both, issuer and subject would be one
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = key();
        let certificate = params.self_signed(&key).expect("a key of our own");
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Its own certificate, which those that believe it are given.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for a server and client of these names (DNS names or IP addresses).
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.sign(params(names))
    }

    /// As [`issue`](Self::issue), and over since 2021.
    pub fn issue_expired(&self, names: &[&str]) -> Issued {
        let mut params = params(names);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Issued {
        let key = key();
        let cert = params.signed_by(&key, &self.issuer).expect("keys of our own");
        Issued { cert: cert.pem(), key: key.serialize_pem() }
    }
}

impl Issued {
    /// Writes `<name>.pem` and `<name>.key` into `folder`, each in one step, as an operator's tool should.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let put = |file: String, text: &str| {
            let (path, new) = (folder.join(&file), folder.join(file + ".new"));
            fs::write(&new, text).expect("a folder of ours");
            fs::rename(&new, &path).expect("a folder of ours");
            path
        };
        (put(format!("{name}.pem"), &self.cert), put(format!("{name}.key"), &self.key))
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    let mut params = CertificateParams::new(names).expect("names of tests are names");
    params.distinguished_name.push(DnType::CommonName, "a node of a test");
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("the system has random numbers")
}
