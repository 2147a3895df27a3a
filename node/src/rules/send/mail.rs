use super::Failure;
use lettre::message::header::ContentType;
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncTransport, Message, Tokio1Executor};
use plimsoll_rules::notify::config::Email;

/// The port on which TLS begins at once.
const SMTPS: u16 = 465;

/// Hands a mail to its server.
pub(super) async fn send(target: &Email, subject: &str, text: String) -> Result<(), Failure> {
    let never = |e: &dyn std::fmt::Display| Failure::Never(format!("the mail cannot be made: {e}"));
    let mut mail = Message::builder().from(target.from.parse().map_err(|e| never(&e))?).subject(subject);
    for to in target.to.split(',').map(str::trim).filter(|to| !to.is_empty()) {
        mail = mail.to(to.parse().map_err(|e| never(&e))?);
    }
    let mail = mail.header(ContentType::TEXT_PLAIN).body(text).map_err(|e| never(&e))?;
    let transport = transport(target).map_err(|e| never(&e))?;
    match transport.send(mail).await {
        Ok(_) => Ok(()),
        Err(e) if e.is_permanent() => Err(Failure::Never(e.to_string())),
        Err(e) => Err(Failure::Again(e.to_string())),
    }
}

fn transport(target: &Email) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let (host, port) = target.smarthost.rsplit_once(':').ok_or("the smarthost is HOST:PORT")?;
    let port: u16 = port.parse().map_err(|_| "the smarthost is HOST:PORT")?;
    let parameters = || TlsParameters::new(host.to_owned()).map_err(|e| e.to_string());
    let tls = match (port, target.require_tls) {
        (SMTPS, _) => Tls::Wrapper(parameters()?),
        (_, true) => Tls::Required(parameters()?),
        (_, false) => Tls::Opportunistic(parameters()?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host).port(port).tls(tls);
    if let Some(hello) = &target.hello {
        builder = builder.hello_name(ClientId::Domain(hello.clone()));
    }
    if let Some((user, password)) = &target.auth {
        builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
    }
    Ok(builder.build())
}
