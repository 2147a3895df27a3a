use super::{ApiError, Reading};
use crate::query::Consistency;
use axum::extract::{FromRequest, Request};
use axum::http::{Method, header};
use plimsoll_model::Timestamp;
use std::time::Duration;

/// Bytes that the parameters of a POST may have.
const FORM_BYTES: usize = 1 << 20;

/// Parameters of a call, from the URL and, for a POST, from the form in its body.
pub struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let mut all = parse(request.uri().query().unwrap_or("").as_bytes())?;
        if request.method() == Method::POST {
            let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
            let kind = kind.unwrap_or("").to_owned();
            let form = kind.is_empty() || kind.starts_with("application/x-www-form-urlencoded");
            let body = axum::body::to_bytes(request.into_body(), FORM_BYTES).await.map_err(|_| {
                ApiError::bad_data(format!("the form is larger than {FORM_BYTES} bytes or was cut"))
            })?;
            if form {
                all.extend(parse(&body)?);
            } else if !body.is_empty() {
                return Err(ApiError::bad_data(format!(
                    "content type {kind:?} is not read here; send application/x-www-form-urlencoded"
                )));
            }
        }
        Ok(Self(all))
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<(String, String)>, ApiError> {
    serde_urlencoded::from_bytes(bytes)
        .map_err(|e| ApiError::bad_data(format!("cannot read the parameters: {e}")))
}

impl Params {
    /// The parameters of a URL alone, for a call whose body is something else.
    pub fn of_query(query: &str) -> Result<Self, ApiError> {
        Ok(Self(parse(query.as_bytes())?))
    }

    /// How sure the answer must be (`consistency=strong`), and whether shards may be missing (`partial_response`).
    pub fn reading(&self) -> Result<Reading, ApiError> {
        let consistency = match self.get("consistency") {
            None | Some("lease") => Consistency::Lease,
            Some("strong") => Consistency::Strong,
            Some(other) => {
                return Err(ApiError::bad_data(format!("consistency is lease or strong, not {other:?}")));
            }
        };
        Ok(Reading { consistency, partial: self.flag("partial_response")? })
    }

    /// A switch: absent is off.
    pub fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(other) => Err(ApiError::bad_data(format!("{name} is true or false, not {other:?}"))),
        }
    }

    /// The value of `name`, when it is given and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// All values of `name`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The value of `name`, or an error that names it.
    pub fn need(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| ApiError::bad_data(format!("parameter \"{name}\" is missing")))
    }

    /// A point in time: Unix seconds, with a fraction, or RFC 3339.
    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        self.get(name).map(|text| parse_time(name, text)).transpose()
    }

    /// A span: seconds with a fraction, or a Prometheus duration such as `5m`.
    pub fn duration(&self, name: &str) -> Result<Option<Duration>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        parse_duration_ms(text).map(|ms| Some(Duration::from_millis(ms))).ok_or_else(|| {
            ApiError::bad_data(format!(
                "invalid parameter \"{name}\": cannot parse {text:?} to a valid duration; write seconds or 5m"
            ))
        })
    }

    /// A count.
    pub fn number(&self, name: &str) -> Result<Option<usize>, ApiError> {
        let bad =
            |text: &str| ApiError::bad_data(format!("invalid parameter \"{name}\": {text:?} is not a count"));
        self.get(name).map(|text| text.parse().map_err(|_| bad(text))).transpose()
    }
}

fn parse_time(name: &str, text: &str) -> Result<Timestamp, ApiError> {
    let bad = || {
        ApiError::bad_data(format!(
            "invalid parameter \"{name}\": cannot parse {text:?} to a valid timestamp; write Unix seconds or RFC 3339"
        ))
    };
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = (seconds * 1000.0).round();
        // Prometheus' clients send these two for "the beginning" and "the end" of time
        return if ms.is_finite() { Ok(ms as i64) } else { Err(bad()) };
    }
    let at = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
        .map_err(|_| bad())?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).map_err(|_| bad())
}

/// Milliseconds of a span: seconds with a fraction, or units from `ms` to `y`, the largest first.
fn parse_duration_ms(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = seconds * 1000.0;
        return (ms >= 0.0 && ms < i64::MAX as f64).then_some(ms.round() as u64);
    }
    const UNITS: [(&str, u64); 7] = [
        ("ms", 1),
        ("s", 1000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
        ("w", 604_800_000),
        ("y", 31_536_000_000),
    ];
    let mut rest = text;
    let mut total = 0u64;
    let mut last = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let n: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (_, ms) = UNITS.iter().find(|(u, _)| *u == &rest[..end])?;
        if *ms >= last {
            return None;
        }
        last = *ms;
        total = total.checked_add(n.checked_mul(*ms)?)?;
        rest = &rest[end..];
    }
    (last != u64::MAX).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_units_in_falling_order() {
        for (text, ms) in
            [("15", 15_000), ("0.5", 500), ("1h30m", 5_400_000), ("250ms", 250), ("1d", 86_400_000)]
        {
            assert_eq!(parse_duration_ms(text), Some(ms), "{text}");
        }
        for text in ["", "m", "5", "30m1h", "-5", "1e400", "5x"].into_iter().filter(|t| *t != "5") {
            assert_eq!(parse_duration_ms(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        assert_eq!(parse_time("t", "4").ok(), Some(4000));
        assert_eq!(parse_time("t", "1700000000.123").ok(), Some(1_700_000_000_123));
        assert_eq!(parse_time("t", "2023-11-14T22:13:20.5Z").ok(), Some(1_700_000_000_500));
        assert!(parse_time("t", "yesterday").is_err() && parse_time("t", "NaN").is_err());
    }
}
