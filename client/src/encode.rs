//! `application/x-www-form-urlencoded`, for query strings and form bodies.

/// Parameters in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(String);

impl Params {
    pub(crate) fn add(&mut self, name: &str, value: &str) -> &mut Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        escape(&mut self.0, name);
        self.0.push('=');
        escape(&mut self.0, value);
        self
    }

    pub(crate) fn add_if(&mut self, name: &str, value: Option<impl ToString>) -> &mut Self {
        if let Some(v) = value {
            self.add(name, &v.to_string());
        }
        self
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Appends `text` percent-encoded: all but the unreserved characters of RFC 3986.
pub(crate) fn escape(out: &mut String, text: &str) {
    for &b in text.as_bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(b as char);
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(HEX[usize::from(b >> 4)] as char);
            out.push(HEX[usize::from(b & 15)] as char);
        }
    }
}

/// A label's name as a path segment of the Prometheus API: names beyond `[a-zA-Z_][a-zA-Z0-9_]*` travel in
/// the `U__` escaping, which proxies leave alone.
pub(crate) fn label_segment(name: &str) -> String {
    let mut out = String::new();
    escape(&mut out, &plimsoll_proto::escape::escape_name(name));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_characters_and_utf8_are_escaped() {
        let mut p = Params::default();
        p.add("query", "sum(x{a=\"é b\"}) + 1").add("match[]", "up").add_if("limit", Some(5));
        p.add_if("none", None::<u8>);
        assert_eq!(p.as_str(), "query=sum%28x%7Ba%3D%22%C3%A9%20b%22%7D%29%20%2B%201&match%5B%5D=up&limit=5");
    }

    #[test]
    fn label_names_beyond_the_old_charset_travel_escaped() {
        let cases = [
            ("job", "job"),
            ("__name__", "__name__"),
            ("http.status", "U__http_2E_status"),
            ("a/b_c", "U__a_2F_b__c"),
            ("été", "U___E9_t_E9_"),
            ("U__x", "U__U____x"),
        ];
        for (name, segment) in cases {
            assert_eq!(label_segment(name), segment);
        }
    }
}
