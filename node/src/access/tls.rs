//! TLS settings of both sides, made of PEM files.
//!
//! The cryptography is ring's and named everywhere: rustls chooses none by itself when a process holds two.

use super::Error;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Every certificate of a node is made out to this name, whatever its address: addresses change, and to be a node is
/// what matters. It is also what a node asks for at a port that clients use too.
pub(super) const PEER_NAME: &str = "plimsoll-peer";

/// Both protocols at one port.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// TLS between nodes: as the one that is called, and as the one that calls.
pub(super) struct PeerTls {
    pub server: Arc<ServerConfig>,
    pub client: Arc<ClientConfig>,
}

/// `tls.cert` and `tls.key`.
pub(super) fn public(files: &[(&Path, Vec<u8>)]) -> Result<Arc<ServerConfig>, Error> {
    let [cert, key] = files else { unreachable!("two files were named") };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(cert, e))?;
    let mut config = builder
        .with_no_client_auth()
        .with_single_cert(chain(cert)?, private_key(key)?)
        .map_err(|e| unusable(cert, format!("is of no use with the key {}: {e}", key.0.display())))?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}

/// `tls.peer_ca`, `tls.peer_cert` and `tls.peer_key`.
pub(super) fn peers(files: &[(&Path, Vec<u8>)]) -> Result<PeerTls, Error> {
    let [ca, cert, key] = files else { unreachable!("three files were named") };
    let mut roots = RootCertStore::empty();
    for certificate in chain(ca)? {
        roots.add(certificate).map_err(|e| unusable(ca, e))?;
    }
    let roots = Arc::new(roots);
    let own = chain(cert)?;
    if !is_made_out_to_a_peer(&own[0]) {
        return Err(unusable(cert, format!("is not made out to the DNS name `{PEER_NAME}`")));
    }
    // Who shows no certificate gets in as far as the guard, which answers in words; TLS could only hang up.
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider())
        .allow_unauthenticated()
        .build()
        .map_err(|e| unusable(ca, e))?;
    let wrong_pair = |e| unusable(cert, format!("is of no use with the key {}: {e}", key.0.display()));
    let mut server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(cert, e))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(own.clone(), private_key(key)?)
        .map_err(wrong_pair)?;
    server.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    // A resumed session is not verified again: an expired certificate would live on in it.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    let mut client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(cert, e))?
        .with_root_certificates(roots)
        .with_client_auth_cert(own, private_key(key)?)
        .map_err(wrong_pair)?;
    client.alpn_protocols = vec![PROTOCOLS[0].to_vec()];
    client.resumption = Resumption::disabled();
    Ok(PeerTls { server: Arc::new(server), client: Arc::new(client) })
}

/// Whether a certificate, which someone else has verified, is that of a node.
pub(super) fn is_made_out_to_a_peer(certificate: &CertificateDer<'_>) -> bool {
    let Ok(parsed) = ParsedCertificate::try_from(certificate) else { return false };
    rustls::client::verify_server_name(&parsed, &peer_name()).is_ok()
}

/// [`PEER_NAME`] as rustls wants it.
pub(super) fn peer_name() -> ServerName<'static> {
    ServerName::try_from(PEER_NAME).expect("the constant is a DNS name")
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn chain(file: &(&Path, Vec<u8>)) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates = CertificateDer::pem_slice_iter(&file.1).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|e| unusable(file, format!("is not PEM: {e}")))?;
    if certificates.is_empty() {
        return Err(unusable(file, "holds no certificate (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(certificates)
}

fn private_key(file: &(&Path, Vec<u8>)) -> Result<PrivateKeyDer<'static>, Error> {
    let no_key = |e| unusable(file, format!("holds no private key (-----BEGIN PRIVATE KEY-----): {e}"));
    PrivateKeyDer::from_pem_slice(&file.1).map_err(no_key)
}

fn unusable(file: &(&Path, Vec<u8>), reason: impl ToString) -> Error {
    Error::Unusable { path: PathBuf::from(file.0), reason: reason.to_string() }
}
