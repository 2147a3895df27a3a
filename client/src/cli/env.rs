use super::{Global, Outcome, exit::Exit, output};

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll env prometheus >> /etc/prometheus/prometheus.yml
  plimsoll env prometheus --url http://10.0.0.1:7777";

/// Arguments of `env`.
#[derive(clap::Args, Clone, Debug)]
pub struct Env {
    /// The program to connect.
    #[arg(value_enum)]
    target: Target,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Target {
    /// `remote_write` for prometheus.yml
    Prometheus,
}

impl Env {
    pub(super) fn run(self, global: &Global) -> Outcome {
        let client = global.client()?;
        match self.target {
            Target::Prometheus => output::say(&prometheus(client.url(), global.token.is_some()))?,
        }
        Ok(Exit::Ok)
    }
}

/// The token itself is not printed: it would end up in shell histories and in version control.
fn prometheus(url: &str, with_token: bool) -> String {
    let url = serde_json::Value::from(format!("{url}/api/v1/write"));
    let mut out = format!("remote_write:\n  - url: {url}\n");
    if with_token {
        out.push_str("    authorization:\n      credentials_file: /etc/prometheus/plimsoll.token\n");
    }
    out.push_str("    queue_config:\n      max_samples_per_send: 5000\n      retry_on_http_429: true\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snippet_for_prometheus_names_the_node() {
        let expected = "\
remote_write:
  - url: \"http://127.0.0.1:7777/api/v1/write\"
    queue_config:
      max_samples_per_send: 5000
      retry_on_http_429: true
";
        assert_eq!(prometheus("http://127.0.0.1:7777", false), expected);
        assert!(prometheus("http://127.0.0.1:7777", true).contains("credentials_file"));
    }
}
