//! How a connection comes about: TCP, and TLS where the url and the features ask for it.

use crate::{Error, transport::Settings};
use hyper_util::client::legacy::connect::HttpConnector;

#[cfg(feature = "tls")]
pub(crate) type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "tls"))]
pub(crate) type Connector = HttpConnector;

fn tcp(settings: &Settings) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(settings.connect_timeout));
    // A request is one write; without this its tail waits for the peer's delayed acknowledgement.
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    tcp
}

#[cfg(not(feature = "tls"))]
pub(crate) fn connector(settings: &Settings) -> Result<Connector, Error> {
    Ok(tcp(settings))
}

#[cfg(feature = "tls")]
pub(crate) fn connector(settings: &Settings) -> Result<Connector, Error> {
    use hyper_rustls::ConfigBuilderExt;
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    use rustls::{ClientConfig, RootCertStore};

    // The provider is named: with two of them in one binary rustls would not choose.
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Config(format!("TLS cannot be set up: {e}")))?;
    let config = if let Some(pem) = &settings.ca_pem {
        let bad = |e: &dyn std::fmt::Display| Error::Config(format!("the CA certificate is not usable: {e}"));
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.map_err(|e| bad(&e))?).map_err(|e| bad(&e))?;
        }
        if roots.is_empty() {
            return Err(bad(&"no certificate in it"));
        }
        config.with_root_certificates(roots)
    } else if settings.urls.iter().any(|u| u.https) {
        let no_roots = |e| Error::Config(format!("no root certificates of the system: {e}; give a CA file"));
        config.with_native_roots().map_err(no_roots)?
    } else {
        // Reading the system's roots takes milliseconds; no url needs them.
        config.with_root_certificates(RootCertStore::empty())
    };
    let tls = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config.with_no_client_auth());
    Ok(tls.https_or_http().enable_http1().wrap_connector(tcp(settings)))
}
