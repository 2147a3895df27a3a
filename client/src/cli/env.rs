use super::{Global, Outcome, exit::Exit, output};

pub(super) const EXAMPLES: &str = "\
Examples:
  eval \"$(plimsoll env claude)\"                      # then: claude
  eval \"$(plimsoll env otel)\"                        # any program with an OpenTelemetry SDK
  plimsoll env codex >> ~/.codex/config.toml
  plimsoll env gemini                                 # for ~/.gemini/settings.json
  plimsoll env prometheus --url http://10.0.0.1:7777 >> /etc/prometheus/prometheus.yml";

/// Arguments of `env`.
#[derive(clap::Args, Clone, Debug)]
pub struct Env {
    /// The program to connect.
    #[arg(value_enum)]
    target: Target,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Target {
    /// Variables for any OpenTelemetry SDK, to be evaluated by a shell
    Otel,
    /// Variables for Claude Code, to be evaluated by a shell
    Claude,
    /// A section for Codex's config.toml
    Codex,
    /// A section for Gemini CLI's settings.json
    Gemini,
    /// `remote_write` for prometheus.yml
    Prometheus,
}

impl Env {
    pub(super) fn run(self, global: &Global) -> Outcome {
        let client = global.client()?;
        let (url, with_token) = (client.url(), global.token.is_some());
        output::say(&match self.target {
            Target::Otel => otel(url, with_token),
            Target::Claude => claude(url, with_token),
            Target::Codex => codex(url, with_token),
            Target::Gemini => gemini(url),
            Target::Prometheus => prometheus(url, with_token),
        })?;
        if matches!(self.target, Target::Gemini) && with_token {
            eprint!(
                "its settings take no headers; set this as well:\n{}",
                headers("OTEL_EXPORTER_OTLP_HEADERS")
            );
        }
        Ok(Exit::Ok)
    }
}

/// A text that a POSIX shell takes for nothing but text.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The token itself is not printed: it would end up in shell histories and in version control.
fn headers(variable: &str) -> String {
    let token = "${PLIMSOLL_TOKEN:?set it to a token with the role write}";
    format!("export {variable}=\"Authorization=Bearer%20{token}\"\n")
}

/// Metrics alone go to the node: traces and logs stay where they are.
fn otel(url: &str, with_token: bool) -> String {
    let mut out = "export OTEL_METRICS_EXPORTER=otlp\n".to_owned();
    out.push_str("export OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf\n");
    let endpoint = quoted(&format!("{url}/v1/metrics"));
    out.push_str(&format!("export OTEL_EXPORTER_OTLP_METRICS_ENDPOINT={endpoint}\n"));
    if with_token {
        out.push_str(&headers("OTEL_EXPORTER_OTLP_METRICS_HEADERS"));
    }
    out
}

fn claude(url: &str, with_token: bool) -> String {
    let mut out = "export CLAUDE_CODE_ENABLE_TELEMETRY=1\nexport OTEL_METRICS_EXPORTER=otlp\n".to_owned();
    out.push_str("export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\n");
    out.push_str(&format!("export OTEL_EXPORTER_OTLP_ENDPOINT={}\n", quoted(url)));
    // a minute is long for somebody who waits for the first dollar
    out.push_str("export OTEL_METRIC_EXPORT_INTERVAL=10000\n");
    if with_token {
        out.push_str(&headers("OTEL_EXPORTER_OTLP_HEADERS"));
    }
    out
}

/// Without this section Codex sends its metrics elsewhere.
fn codex(url: &str, with_token: bool) -> String {
    let endpoint = serde_json::Value::from(format!("{url}/v1/metrics"));
    let mut out =
        format!("[otel.metrics_exporter.otlp-http]\nendpoint = {endpoint}\nprotocol = \"binary\"\n");
    if with_token {
        out.push_str("headers = { \"authorization\" = \"Bearer ${PLIMSOLL_TOKEN}\" }\n");
    }
    out
}

fn gemini(url: &str) -> String {
    let telemetry = serde_json::json!({
        "enabled": true,
        "target": "local",
        "otlpEndpoint": url,
        "otlpProtocol": "http",
        "logPrompts": false,
    });
    format!("{:#}\n", serde_json::json!({ "telemetry": telemetry }))
}

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

    const URL: &str = "http://127.0.0.1:7777";

    #[test]
    fn the_snippet_for_prometheus_names_the_node() {
        let expected = "\
remote_write:
  - url: \"http://127.0.0.1:7777/api/v1/write\"
    queue_config:
      max_samples_per_send: 5000
      retry_on_http_429: true
";
        assert_eq!(prometheus(URL, false), expected);
        assert!(prometheus(URL, true).contains("credentials_file"));
    }

    #[test]
    fn a_shell_evaluates_the_variables_and_learns_of_no_token_by_them() {
        let run = |snippet: &str, token: Option<&str>| {
            let mut command = std::process::Command::new("sh");
            command.env_clear().arg("-c").arg(format!("{snippet}/usr/bin/env"));
            if let Some(token) = token {
                command.env("PLIMSOLL_TOKEN", token);
            }
            let out = command.output().expect("a shell");
            (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned())
        };
        let (done, seen) = run(&otel(URL, false), None);
        assert!(
            done && seen.contains("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://127.0.0.1:7777/v1/metrics\n"),
            "{seen}"
        );
        let (done, seen) = run(&claude("http://x/'$(false)", true), Some("secret"));
        assert!(done && seen.contains("CLAUDE_CODE_ENABLE_TELEMETRY=1\n"), "{seen}");
        assert!(seen.contains("OTEL_EXPORTER_OTLP_ENDPOINT=http://x/'$(false)\n"), "{seen}");
        assert!(seen.contains("OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20secret\n"), "{seen}");
        assert!(!run(&claude(URL, true), None).0, "without a token there is nothing to send");
    }

    #[test]
    fn codex_and_gemini_get_sections_of_their_files() {
        assert_eq!(
            codex(URL, true),
            "[otel.metrics_exporter.otlp-http]\nendpoint = \"http://127.0.0.1:7777/v1/metrics\"\nprotocol = \"binary\"\n\
             headers = { \"authorization\" = \"Bearer ${PLIMSOLL_TOKEN}\" }\n"
        );
        let gemini: serde_json::Value = serde_json::from_str(&gemini(URL)).expect("JSON");
        assert_eq!(gemini["telemetry"]["otlpEndpoint"], URL);
    }
}
