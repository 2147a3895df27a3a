//! Which series a data point belongs to: found by a hash of raw bytes, written out only when it is new.

use super::names::Naming;
use super::{OtlpOptions, attributes};
use crate::ingest::key::{Format, Keys};
use crate::ingest::{DecodeError, Limits, RawLabels, Refusal};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;

const SERVICE: &[u8] = b"service.name";
const NAMESPACE: &[u8] = b"service.namespace";
const INSTANCE: &[u8] = b"service.instance.id";

/// What all data points of a scope have in common. All texts are raw: they are read for new series alone.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) options: &'a OtlpOptions,
    pub(super) limits: &'a Limits,
    /// A `Resource`.
    pub(super) resource: &'a [u8],
    /// An `InstrumentationScope`.
    pub(super) scope: &'a [u8],
    pub(super) scope_schema: &'a [u8],
}

/// What a metric says of itself.
#[derive(Clone, Copy, Default)]
pub(super) struct Head<'a> {
    pub(super) name: &'a [u8],
    pub(super) unit: &'a [u8],
    pub(super) description: &'a [u8],
    /// It only rises.
    pub(super) counter: bool,
    /// A plain value.
    pub(super) gauge: bool,
}

/// One of the series of a data point.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// The value itself.
    Value,
    Count,
    Sum,
    /// Upper bound of a bucket.
    Bucket(f64),
    Quantile(f64),
}

impl Role {
    fn suffix(self) -> &'static str {
        match self {
            Self::Value | Self::Quantile(_) => "",
            Self::Count => "_count",
            Self::Sum => "_sum",
            Self::Bucket(_) => "_bucket",
        }
    }

    fn label(self) -> Option<(&'static str, f64)> {
        match self {
            Self::Bucket(bound) => Some(("le", bound)),
            Self::Quantile(q) => Some(("quantile", q)),
            _ => None,
        }
    }

    fn key(self, keys: &Keying) -> u128 {
        let (kind, bits) = match self {
            Self::Value => return 0,
            Self::Count => return keys.count,
            Self::Sum => return keys.sum,
            Self::Bucket(v) => (3, v.to_bits()),
            Self::Quantile(v) => (4, v.to_bits()),
        };
        let mut raw = [kind; 9];
        raw[1..].copy_from_slice(&bits.to_le_bytes());
        keys.keys.of(&raw)
    }
}

/// Makes keys: sums of secret hashes, each times a secret odd factor, as remote write 2.0 does.
pub(super) struct Keying {
    keys: Keys,
    attributes: u128,
    count: u128,
    sum: u128,
}

impl Keying {
    pub(super) fn new(seed: u64) -> Self {
        let keys = Keys::new(seed, Format::Otlp);
        let of = |what: &[u8]| keys.of(what);
        Self { attributes: of(b"attributes") | 1, count: of(b"count"), sum: of(b"sum"), keys }
    }

    /// The part of a key that all points of a resource and a scope share.
    pub(super) fn origin(&self, origin: &Origin<'_>) -> u128 {
        let scope = if origin.options.scope_labels {
            [self.keys.of(origin.scope), self.keys.of(origin.scope_schema)]
        } else {
            [0, 0]
        };
        self.mix(&[self.keys.of(origin.resource), scope[0], scope[1]], 0)
    }

    /// The key of a resource's `target_info`.
    pub(super) fn info(&self, resource: &[u8]) -> u128 {
        self.mix(&[self.keys.of(resource), self.keys.of(b"target_info"), 0], 4)
    }

    /// The part of a key that all points of a metric share.
    pub(super) fn metric(&self, origin: u128, head: &Head<'_>) -> u128 {
        let kind = u8::from(head.counter) | u8::from(head.gauge) << 1;
        self.mix(&[origin, self.keys.of(head.name), self.keys.of(head.unit)], kind)
    }

    /// The part of a key that all series of a data point share.
    #[inline]
    pub(super) fn point(&self, metric: u128, attributes: &[u8]) -> u128 {
        metric.wrapping_add(self.keys.of(attributes).wrapping_mul(self.attributes))
    }

    pub(super) fn series(&self, point: u128, role: Role) -> u128 {
        point.wrapping_add(role.key(self))
    }

    fn mix(&self, parts: &[u128; 3], kind: u8) -> u128 {
        let mut raw = [kind; 49];
        for (at, part) in parts.iter().enumerate() {
            raw[16 * at..16 * (at + 1)].copy_from_slice(&part.to_le_bytes());
        }
        self.keys.of(&raw)
    }
}

/// The labels of a series, to be read when it is new.
pub(super) struct PointLabels<'a> {
    pub(super) origin: &'a Origin<'a>,
    pub(super) head: &'a Head<'a>,
    /// Attribute fields one after another, and their number.
    pub(super) attributes: &'a [u8],
    pub(super) field: u32,
    pub(super) role: Role,
    pub(super) spent: &'a Spent,
}

/// What the labels of new series take. A histogram writes the labels of its point once a bucket, so that bytes of a
/// request become many more bytes of labels.
#[derive(Default)]
pub(super) struct Spent {
    bytes: Cell<usize>,
    /// Labels were read: then the metric may be new as well.
    pub(super) read: Cell<bool>,
}

/// Bytes of labels that a request may become, times its own limit.
const GROWTH: usize = 4;

impl Spent {
    fn add(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes);
    }

    /// Fails when the labels of the request's new series have become too many.
    pub(super) fn check(&self, limits: &Limits) -> Result<(), DecodeError> {
        let (size, limit) = (self.bytes.get(), limits.decoded_bytes.saturating_mul(GROWTH));
        if size > limit { Err(DecodeError::TooLarge { size: size as u64, limit }) } else { Ok(()) }
    }
}

impl RawLabels for PointLabels<'_> {
    fn visit(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Refusal> {
        self.spent.read.set(true);
        self.spent.check(self.origin.limits).map_err(|_| Refusal::TooManyLabels)?;
        let mut name = self.head.family(self.origin.options.naming)?;
        if !name.is_empty() {
            name.push_str(self.role.suffix());
        }
        visit(b"__name__", name.as_bytes());
        let naming = self.origin.options.naming;
        let mut own = Gathered::new(naming, self.origin.limits);
        attributes::each(self.attributes, self.field, |key, value| own.add(key, &attributes::text(value)?))?;
        let mut labels = own.labels;
        self.origin.common(&mut labels)?;
        if let Some((label, bound)) = self.role.label() {
            labels.insert(label.into(), bound_text(bound).into_bytes());
        }
        for (name, value) in &labels {
            self.spent.add(name.len() + value.len());
            visit(name.as_bytes(), value);
        }
        Ok(())
    }

    fn limits(&self) -> &Limits {
        self.origin.limits
    }
}

impl Head<'_> {
    /// The name without what tells its series apart.
    pub(super) fn family(&self, naming: Naming) -> Result<String, Refusal> {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Refusal::NotUtf8);
        Ok(naming.metric(text(self.name)?, text(self.unit)?, self.counter, self.gauge))
    }
}

/// Upper bounds and quantiles as Prometheus writes them: no exponent, `+Inf`.
fn bound_text(bound: f64) -> String {
    if bound == f64::INFINITY { "+Inf".to_owned() } else { format!("{bound}") }
}

type Pairs = BTreeMap<String, Vec<u8>>;

/// Attributes under the names of labels. Two that become the same label are joined with a semicolon.
struct Gathered<'a> {
    naming: Naming,
    limits: &'a Limits,
    labels: Pairs,
}

impl<'a> Gathered<'a> {
    fn new(naming: Naming, limits: &'a Limits) -> Self {
        Self { naming, limits, labels: Pairs::new() }
    }

    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), Refusal> {
        if key.is_empty() || value.is_empty() {
            return Ok(());
        }
        let key = std::str::from_utf8(key).map_err(|_| Refusal::NotUtf8)?;
        let label = self.naming.label(key);
        let full = self.labels.len() > self.limits.labels_per_series;
        match self.labels.get_mut(&*label) {
            Some(before) if before.len() <= self.limits.label_value_bytes => {
                before.push(b';');
                before.extend_from_slice(value);
            }
            Some(_) => return Err(Refusal::LabelValueTooLong),
            None if full => return Err(Refusal::TooManyLabels),
            None => {
                self.labels.insert(label.into_owned(), value.to_vec());
            }
        }
        Ok(())
    }
}

impl Origin<'_> {
    /// Adds the labels that come from the resource and the scope. Attributes of the point win over promoted ones; `job` and
    /// `instance` are those of the resource.
    fn common(&self, labels: &mut Pairs) -> Result<(), Refusal> {
        let promoted = |key: &[u8]| self.options.promote.iter().any(|p| p.as_bytes() == key);
        let naming = self.options.naming;
        let mut identity = Identity::default();
        attributes::each(self.resource, 1, |key, value| {
            identity.take(key, value);
            if promoted(key) {
                let key = std::str::from_utf8(key).map_err(|_| Refusal::NotUtf8)?;
                let text = attributes::text(value)?.into_owned();
                labels.entry(naming.label(key).into_owned()).or_insert(text);
            }
            Ok(())
        })?;
        identity.put(labels)?;
        if self.options.scope_labels { self.scope(labels) } else { Ok(()) }
    }

    fn scope(&self, labels: &mut Pairs) -> Result<(), Refusal> {
        let mut put = |name: &str, value: &[u8]| {
            if !value.is_empty() {
                labels.insert(name.to_owned(), value.to_vec());
            }
        };
        put("otel_scope_schema_url", self.scope_schema);
        let mut fields = crate::ingest::wire::Fields::new(self.scope);
        while let Some((number, value)) = fields.next().map_err(|_| Refusal::MalformedLabels)? {
            match (number, value.bytes()) {
                (1, Ok(name)) => put("otel_scope_name", name),
                (2, Ok(version)) => put("otel_scope_version", version),
                _ => {}
            }
        }
        let mut own = Gathered::new(self.options.naming, self.limits);
        attributes::each(self.scope, 3, |key, value| own.add(key, &attributes::text(value)?))?;
        for (name, value) in own.labels {
            labels.entry(format!("otel_scope_{name}")).or_insert(value);
        }
        Ok(())
    }

    /// Whether the resource says who it is and something else about itself: only then it has a `target_info`.
    pub(super) fn has_info(&self) -> bool {
        let (mut identified, mut more) = (false, false);
        // what cannot be read is told by the series of the points
        let _ = attributes::each(self.resource, 1, |key, value| {
            let identifies = [SERVICE, NAMESPACE, INSTANCE].contains(&key);
            identified |= (key == SERVICE || key == INSTANCE) && !value.is_empty();
            more |= !identifies && !key.is_empty() && !value.is_empty();
            Ok(())
        });
        identified && more
    }
}

/// The attributes of a resource that say who it is.
#[derive(Default)]
struct Identity<'a> {
    service: &'a [u8],
    namespace: &'a [u8],
    instance: &'a [u8],
}

impl<'a> Identity<'a> {
    fn take(&mut self, key: &[u8], value: &'a [u8]) -> bool {
        match key {
            SERVICE => self.service = value,
            NAMESPACE => self.namespace = value,
            INSTANCE => self.instance = value,
            _ => return false,
        }
        true
    }

    fn put(&self, labels: &mut Pairs) -> Result<(), Refusal> {
        let service = attributes::text(self.service)?;
        if !service.is_empty() {
            let namespace = attributes::text(self.namespace)?;
            let job = match namespace.is_empty() {
                true => service.into_owned(),
                false => [&*namespace, b"/", &*service].concat(),
            };
            labels.insert("job".into(), job);
        }
        let instance: Cow<'_, [u8]> = attributes::text(self.instance)?;
        if !instance.is_empty() {
            labels.insert("instance".into(), instance.into_owned());
        }
        Ok(())
    }
}

/// The labels of a resource's `target_info`: all its attributes.
pub(super) struct InfoLabels<'a>(pub(super) &'a Origin<'a>);

impl RawLabels for InfoLabels<'_> {
    fn visit(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Refusal> {
        let Origin { options, limits, resource, .. } = self.0;
        let mut identity = Identity::default();
        let mut all = Gathered::new(options.naming, limits);
        attributes::each(resource, 1, |key, value| {
            if identity.take(key, value) { Ok(()) } else { all.add(key, &attributes::text(value)?) }
        })?;
        let mut labels = all.labels;
        identity.put(&mut labels)?;
        visit(b"__name__", b"target_info");
        labels.iter().for_each(|(name, value)| visit(name.as_bytes(), value));
        Ok(())
    }

    fn limits(&self) -> &Limits {
        self.0.limits
    }
}
