//! Doors and diallers against one another, with real certificates over real sockets.

use super::*;
use crate::http;
use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, Version};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use plimsoll_tests::certificates::{Authority, Issued, PEER_NAME};
use plimsoll_tests::http::Http;
use plimsoll_tests::wait::wait_until;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::codegen::Service;

const PATH: &str = "/plimsoll.v1.Peer/Hello";
const SOON: Duration = Duration::from_secs(10);

/// Certificates of a cluster in a folder, and settings that name them.
struct Files {
    folder: tempfile::TempDir,
    clients: Authority,
    nodes: Authority,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files =
            Self { folder, clients: Authority::new("clients' CA"), nodes: Authority::new("nodes' CA") };
        files.clients.issue(&["127.0.0.1", "localhost"]).write(files.path(), "node");
        files.nodes.issue(&[PEER_NAME]).write(files.path(), "peer");
        fs::write(files.path().join("ca.pem"), files.nodes.pem()).expect("a folder of ours");
        files
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn settings(&self, public: bool, peers: bool) -> Settings {
        let mut settings = Settings::default();
        let named = |on: bool, name: &str| on.then(|| self.path().join(name));
        let tls = &mut settings.tls;
        (tls.cert, tls.key) = (named(public, "node.pem"), named(public, "node.key"));
        (tls.peer_cert, tls.peer_key) = (named(peers, "peer.pem"), named(peers, "peer.key"));
        tls.peer_ca = named(peers, "ca.pem");
        settings
    }

    fn access(&self, public: bool, peers: bool) -> Access {
        Access::open(&self.settings(public, peers)).expect("good files")
    }

    /// A node that believes the same CA and shows another certificate.
    fn with_certificate(&self, issued: &Issued) -> Result<Access, Error> {
        let other = tempfile::tempdir().expect("a temporary folder");
        let mut settings = self.settings(false, true);
        let (cert, key) = issued.write(other.path(), "other");
        (settings.tls.peer_cert, settings.tls.peer_key) = (Some(cert), Some(key));
        Access::open(&settings)
    }
}

/// A server behind `door`; it ends with the value.
struct Server {
    address: SocketAddr,
    _stop: watch::Sender<bool>,
}

impl Server {
    async fn start(access: &Access, door: Door) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of loopback");
        let address = listener.local_addr().expect("it is bound");
        let access = access.clone();
        let answer = move |request: Request| std::future::ready(hello(&access, &request));
        let router = Router::new().route(PATH, post(answer));
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(http::serve(listener, door, router, stopping));
        Self { address, _stop: stop }
    }
}

/// The guard's decision about a peer, and the protocol in use.
fn hello(access: &Access, request: &Request) -> Response {
    let caller = request.extensions().get::<Caller>();
    match access.admit(Need::Peer, caller, Some("any token"), Arc::default, 0) {
        Ok(Who::Peer) if request.version() == Version::HTTP_2 => "h2".into_response(),
        Ok(Who::Peer) => "http/1.1".into_response(),
        Ok(_) => StatusCode::IM_A_TEAPOT.into_response(),
        Err(refused) => (StatusCode::FORBIDDEN, refused.to_string()).into_response(),
    }
}

/// Calls the peer at `to` as `from`; the status, or why there is no answer.
async fn call(from: &Access, to: SocketAddr) -> Result<StatusCode, String> {
    let mut channel = from.peer_channel(&to.to_string()).expect("an address");
    std::future::poll_fn(|context| channel.poll_ready(context)).await.map_err(|e| chain(&e))?;
    let request = axum::http::Request::post(PATH).body(tonic::body::Body::empty()).expect("a request");
    channel.call(request).await.map(|answer| answer.status()).map_err(|e| chain(&e))
}

fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(e) = source {
        text = format!("{text}: {e}");
        source = e.source();
    }
    text
}

/// Asks over HTTP/1.1 as a client that believes `ca`.
async fn ask(url: String, ca: Option<String>) -> Result<(u16, String), String> {
    let asked = tokio::task::spawn_blocking(move || {
        let http = match &ca {
            Some(ca) => Http::secure(url, ca),
            None => Http::new(url),
        };
        http.post(PATH, &[], b"").map(|answer| (answer.status, answer.text())).map_err(|e| e.to_string())
    });
    asked.await.expect("the client does not panic")
}

#[tokio::test]
async fn without_certificates_peers_and_clients_share_a_plain_port() {
    let access = Access::open(&Settings::default()).expect("no files");
    let server = Server::start(&access, access.public_door()).await;
    assert_eq!(call(&access, server.address).await, Ok(StatusCode::OK));
    assert_eq!(ask(format!("http://{}", server.address), None).await, Ok((200, "http/1.1".to_owned())));
}

#[tokio::test]
async fn a_node_that_shows_its_certificate_is_a_peer_at_either_port() {
    let files = Files::new();
    let access = files.access(true, true);
    for door in [access.public_door(), access.peer_door()] {
        let server = Server::start(&access, door).await;
        assert_eq!(call(&access, server.address).await, Ok(StatusCode::OK));
    }
}

#[tokio::test]
async fn a_client_at_the_same_port_sees_the_certificate_for_clients_and_is_no_peer() {
    let files = Files::new();
    let access = files.access(true, true);
    let server = Server::start(&access, access.public_door()).await;
    let url = format!("https://{}", server.address);
    let (status, said) = ask(url.clone(), Some(files.clients.pem())).await.expect("an answer");
    assert_eq!(status, 403);
    assert!(said.contains("tls.peer_ca") && said.contains("a token does not replace it"), "{said}");
    // who believes another CA does not talk to it at all
    let said = ask(url, Some(files.nodes.pem())).await.expect_err("not its CA");
    assert!(said.to_lowercase().contains("certificate"), "{said}");
}

#[tokio::test]
async fn http_in_the_clear_at_a_port_of_tls_is_told_so() {
    let files = Files::new();
    let access = files.access(true, false);
    let server = Server::start(&access, access.public_door()).await;
    let (status, said) = ask(format!("http://{}", server.address), None).await.expect("an answer");
    assert_eq!((status, said.as_str()), (400, "this port speaks TLS: use an https url\n"));
}

#[tokio::test]
async fn certificates_of_another_authority_expired_or_for_another_name_open_nothing() {
    let files = Files::new();
    let access = files.access(true, true);
    let server = Server::start(&access, access.peer_door()).await;
    let stranger = Authority::new("a stranger's CA").issue(&[PEER_NAME]);
    let stranger = files.with_certificate(&stranger).expect("it can be read");
    let said = call(&stranger, server.address).await.expect_err("not the nodes' CA");
    assert!(!said.is_empty());
    let expired = files.with_certificate(&files.nodes.issue_expired(&[PEER_NAME])).expect("it can be read");
    assert!(call(&expired, server.address).await.is_err());
    // one of the same CA that is not made out to a node: refused where it would be used, and where it is shown
    let mail = files.nodes.issue(&["mail.example.org"]);
    let said = files.with_certificate(&mail).err().expect("not a node's").to_string();
    assert!(said.contains("plimsoll-peer"), "{said}");
    assert_eq!(call(&access, server.address).await, Ok(StatusCode::OK), "the right one still opens");
}

#[tokio::test]
async fn a_node_does_not_talk_to_a_server_that_is_no_node() {
    let (ours, theirs) = (Files::new(), Files::new());
    let (access, other) = (ours.access(false, true), theirs.access(true, true));
    let server = Server::start(&other, other.peer_door()).await;
    let said = call(&access, server.address).await.expect_err("not our CA");
    assert!(said.contains("TLS with the peer"), "{said}");
    let plain = Access::open(&Settings::default()).expect("no files");
    let server = Server::start(&plain, plain.public_door()).await;
    assert!(call(&access, server.address).await.is_err(), "and never in the clear");
}

#[tokio::test]
async fn who_shows_no_certificate_at_the_port_of_peers_is_told_what_is_missing() {
    let files = Files::new();
    let access = files.access(false, true);
    let server = Server::start(&access, access.peer_door()).await;
    // made out to the address too, so that the client of the harness believes it
    files.nodes.issue(&[PEER_NAME, "127.0.0.1"]).write(files.path(), "peer");
    access.refresh();
    let (status, said) =
        ask(format!("https://{}", server.address), Some(files.nodes.pem())).await.expect("an answer");
    assert_eq!(status, 403);
    assert!(said.contains("made out to `plimsoll-peer`"), "{said}");
}

#[tokio::test]
async fn changed_certificates_hold_for_new_connections_and_broken_ones_do_not() {
    let files = Files::new();
    let access = files.access(true, true);
    let server = Server::start(&access, access.public_door()).await;
    let watcher = tokio::spawn(access.clone().watch());
    let url = format!("https://{}", server.address);
    let next = Authority::new("the next CA");
    assert!(ask(url.clone(), Some(next.pem())).await.is_err());
    fs::write(files.path().join("node.pem"), "no certificate").expect("a folder of ours");
    access.refresh();
    assert!(ask(url.clone(), Some(files.clients.pem())).await.is_ok(), "the old one stays in use");
    next.issue(&["127.0.0.1"]).write(files.path(), "node");
    let taken = tokio::task::spawn_blocking(move || {
        wait_until("the next certificate to be in use", SOON, || {
            Http::secure(url.clone(), &next.pem()).post(PATH, &[], b"").is_ok()
        });
    });
    taken.await.expect("it was taken up");
    watcher.abort();
    // a whole new authority for nodes: both sides follow
    let next = Authority::new("the next CA of nodes");
    next.issue(&[PEER_NAME]).write(files.path(), "peer");
    fs::write(files.path().join("ca.pem"), next.pem()).expect("a folder of ours");
    let before = files.with_certificate(&files.nodes.issue(&[PEER_NAME])).expect("it can be read");
    access.refresh();
    assert_eq!(call(&access, server.address).await, Ok(StatusCode::OK));
    assert!(call(&before, server.address).await.is_err(), "the old authority is believed no more");
}

#[test]
fn files_that_do_not_fit_are_named_at_the_start() {
    let files = Files::new();
    let refused = |change: &dyn Fn(&mut Settings)| {
        let mut settings = files.settings(true, true);
        change(&mut settings);
        Access::open(&settings).err().expect("it must be refused").to_string()
    };
    let at = |name: &str| Some(files.path().join(name));
    let said = refused(&|s| s.tls.key = at("peer.key"));
    assert!(said.contains("node.pem") && said.contains("peer.key"), "{said}");
    assert!(refused(&|s| s.tls.cert = at("missing.pem")).contains("missing.pem"));
    assert!(refused(&|s| s.tls.cert = at("node.key")).contains("holds no certificate"));
    assert!(refused(&|s| s.tls.key = at("node.pem")).contains("holds no private key"));
    assert!(refused(&|s| s.tls.peer_ca = at("peer.key")).contains("holds no certificate"));
}

#[test]
fn the_service_for_peers_is_no_way_around_the_tokens() {
    let admit = |tokens: bool, insecure: bool| {
        let mut settings = Settings::default();
        (settings.access.tokens, settings.node.insecure) = (tokens, insecure);
        let access = Access::open(&settings).expect("no files");
        access.admit(Need::Peer, None, None, Arc::default, 0)
    };
    assert_eq!(admit(false, false), Ok(Who::Peer));
    assert_eq!(admit(true, true), Ok(Who::Peer));
    assert_eq!(admit(true, false), Err(Refused::NotPeer { certificates: false }));
}
