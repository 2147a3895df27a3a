//! One POST to an address of others, with the timeouts and the TLS of this client.

use crate::transport::Request;
use crate::{Client, Error};
use bytes::Bytes;
use std::time::Duration;

/// Posts `body` to `url`; anything but 2xx is an error. Asks nobody else and repeats nothing.
pub async fn post(
    url: &str,
    headers: &[(&'static str, String)],
    content_type: &'static str,
    body: Vec<u8>,
    timeout: Duration,
) -> Result<(), Error> {
    let bad = || Error::Config(format!("{url:?} is not an address such as https://host/path"));
    let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let mut builder = Client::builder().url(format!("{scheme}://{host}")).timeout(timeout).discover(false);
    for (name, value) in headers {
        builder = builder.header(*name, value.clone());
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let request = Request::post(&path, content_type, Bytes::from(body));
    builder.build()?.transport.send(&request).await.map(drop)
}
