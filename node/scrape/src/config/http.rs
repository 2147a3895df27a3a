//! How a server is reached: who asks, and whom it believes.

use super::problem::Part;
use super::written::{self, HttpKeys};
use std::fmt;
use std::path::PathBuf;

/// Text that nothing prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// Where a text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It stands in the document.
    Inline(Secret),
    /// It is the content of a file, on each node that scrapes, without blanks around it.
    File(PathBuf),
}

/// How a server is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpClient {
    /// What is shown to the server.
    pub authorization: Option<Authorization>,
    /// More headers of each request.
    pub headers: Vec<(String, Secret)>,
    /// Certificates.
    pub tls: Tls,
    /// Whether to go where the server sends on to.
    pub follow_redirects: bool,
}

/// What is shown to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// `Authorization: Basic ...`
    Basic(BasicAuth),
    /// `Authorization: KIND CREDENTIALS`
    Other {
        /// `Bearer` where nothing is said.
        kind: String,
        /// What follows it.
        credentials: Source,
    },
}

/// A name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicAuth {
    /// The name.
    pub username: Source,
    /// The password; none is an empty one.
    pub password: Option<Source>,
}

/// Certificates and what they are checked against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM of who signs the server's certificate; without it the system's own.
    pub ca: Option<Source>,
    /// PEM of the certificate that is shown to the server.
    pub cert: Option<Source>,
    /// PEM of its key.
    pub key: Option<Source>,
    /// The name that the server's certificate must be made out to, where it is not that of the url.
    pub server_name: Option<String>,
    /// Whether any certificate will do.
    pub insecure_skip_verify: bool,
    /// Whether TLS 1.2 is too old.
    pub only_tls13: bool,
}

impl HttpClient {
    /// Every file whose content this client uses.
    pub fn files(&self) -> Vec<PathBuf> {
        self.clone().paths_mut().into_iter().map(|path| path.clone()).collect()
    }

    pub(super) fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        let mut sources: Vec<&mut Source> = Vec::new();
        match &mut self.authorization {
            Some(Authorization::Basic(basic)) => {
                sources.push(&mut basic.username);
                sources.extend(&mut basic.password);
            }
            Some(Authorization::Other { credentials, .. }) => sources.push(credentials),
            None => {}
        }
        let tls = &mut self.tls;
        sources.extend([&mut tls.ca, &mut tls.cert, &mut tls.key].into_iter().flatten());
        let file = |source| match source {
            &mut Source::File(ref mut path) => Some(path),
            Source::Inline(_) => None,
        };
        sources.into_iter().filter_map(file).collect()
    }

    pub(super) fn new(keys: HttpKeys, problems: &mut Part<'_>) -> Self {
        if keys.proxy_from_environment == Some(true) {
            problems.add("proxy_from_environment", "is not supported: let the target be reached directly");
        }
        let mut headers = Vec::new();
        for (name, header) in keys.http_headers.unwrap_or_default() {
            if !is_header_name(&name) {
                problems.add("http_headers", format!("`{name}` is no name of a header"));
            }
            let values = header.values.into_iter().chain(header.secrets).flatten();
            headers.extend(values.map(|value| (name.clone(), Secret(value))));
        }
        let given = [
            keys.basic_auth.is_some(),
            keys.authorization.is_some(),
            keys.bearer_token.is_some(),
            keys.bearer_token_file.is_some(),
        ];
        if given.iter().filter(|there| **there).count() > 1 {
            problems.add(
                "",
                "at most one of basic_auth, authorization, bearer_token and bearer_token_file may be set",
            );
        }
        let bearer = source(keys.bearer_token, keys.bearer_token_file, "bearer_token", problems);
        let bearer =
            bearer.map(|credentials| Authorization::Other { kind: "Bearer".to_owned(), credentials });
        let authorization = match (keys.basic_auth, keys.authorization) {
            (Some(basic), _) => basic_auth(basic, &mut problems.within("basic_auth")),
            (None, Some(other)) => authorization(other, &mut problems.within("authorization")),
            (None, None) => bearer,
        };
        Self {
            authorization,
            headers,
            tls: tls(keys.tls_config.unwrap_or_default(), &mut problems.within("tls_config")),
            follow_redirects: keys.follow_redirects.unwrap_or(true),
        }
    }
}

fn source(
    inline: Option<String>,
    file: Option<String>,
    key: &str,
    problems: &mut Part<'_>,
) -> Option<Source> {
    let (inline, file) = (inline.filter(|t| !t.is_empty()), file.filter(|f| !f.is_empty()));
    if inline.is_some() && file.is_some() {
        problems.add(key, format!("at most one of {key} and {key}_file may be set"));
    }
    inline.map(|text| Source::Inline(Secret(text))).or(file.map(|path| Source::File(path.into())))
}

fn basic_auth(basic: written::BasicAuth, problems: &mut Part<'_>) -> Option<Authorization> {
    let username = source(basic.username, basic.username_file, "username", problems);
    let password = source(basic.password, basic.password_file, "password", problems);
    let username = username.unwrap_or_else(|| Source::Inline(Secret(String::new())));
    Some(Authorization::Basic(BasicAuth { username, password }))
}

fn authorization(other: written::Authorization, problems: &mut Part<'_>) -> Option<Authorization> {
    let credentials = source(other.credentials, other.credentials_file, "credentials", problems);
    let kind = other.kind.map(|kind| kind.trim().to_owned()).filter(|kind| !kind.is_empty());
    let kind = kind.unwrap_or_else(|| "Bearer".to_owned());
    if kind.eq_ignore_ascii_case("basic") {
        problems.add("type", "`Basic` is written as basic_auth with username and password");
    }
    if credentials.is_none() {
        problems.add("", "needs credentials or credentials_file");
    }
    Some(Authorization::Other { kind, credentials: credentials? })
}

fn tls(written: written::TlsConfig, problems: &mut Part<'_>) -> Tls {
    let only_tls13 = match written.min_version.as_deref() {
        None | Some("TLS10" | "TLS11" | "TLS12") => false,
        Some("TLS13") => true,
        Some(other) => {
            problems.add("min_version", format!("`{other}` should be TLS10, TLS11, TLS12 or TLS13"));
            false
        }
    };
    if let Some(version) = written.max_version.as_deref().filter(|version| *version != "TLS13") {
        problems.add("max_version", format!("`{version}` is not supported: leave it out"));
    }
    let tls = Tls {
        ca: source(written.ca, written.ca_file, "ca", problems),
        cert: source(written.cert, written.cert_file, "cert", problems),
        key: source(written.key, written.key_file, "key", problems),
        server_name: written.server_name.filter(|name| !name.is_empty()),
        insecure_skip_verify: written.insecure_skip_verify.unwrap_or(false),
        only_tls13,
    };
    if tls.cert.is_some() != tls.key.is_some() {
        problems.add(
            "",
            "a certificate needs its key, and a key its certificate: set cert and key, or their files",
        );
    }
    tls
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
