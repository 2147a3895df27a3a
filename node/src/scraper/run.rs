//! The task of one target: waits for its moments, asks, reads, hands on.

use super::Parts;
use super::Render;
use super::board::{Health, Shared};
use super::fetch::Door;
use super::inherit::Legacy;
use super::writer::Writer;
use plimsoll_model::Timestamp;
use plimsoll_proto::ingest::{self, Encoding, Limits};
use plimsoll_scrape::{Figures, Form, Rules, Sample, Scraped, Series, Target, accept_header, choose, report};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Larger bodies are read beside the tasks that wait for others.
const LARGE_BYTES: usize = 128 << 10;

/// How a target is asked.
#[derive(Clone)]
pub(super) enum Way {
    /// Over HTTP.
    Http(Arc<Door>),
    /// It is this node.
    Own(Render),
    /// It cannot be, with the reason.
    Not(Arc<str>),
}

impl Way {
    /// Whether this is the other way, too.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Http(a), Self::Http(b)) => Arc::ptr_eq(a, b),
            (Self::Own(_), Self::Own(_)) => true,
            (Self::Not(a), Self::Not(b)) => a == b,
            _ => false,
        }
    }
}

/// What a task is told.
#[derive(Clone)]
pub(super) enum Order {
    /// Scrape this: the same target with the same labels, perhaps in another way.
    Go(Arc<Target>, Way),
    /// Another node goes on: end without a word.
    Leave,
    /// The target is one no longer: end its series.
    End,
}

/// A body as it is to be read.
struct Body {
    bytes: bytes::Bytes,
    gzip: bool,
    form: Form,
}

/// Why a scrape failed, and the size to tell.
struct Failed {
    text: String,
    figures: Figures,
}

impl From<String> for Failed {
    fn from(text: String) -> Self {
        Self { text, figures: Figures::default() }
    }
}

impl Failed {
    /// The body was larger than allowed, or not.
    fn sized(text: String, too_large: bool) -> Self {
        Self { text, figures: Figures { body_bytes: if too_large { -1 } else { 0 }, ..Figures::default() } }
    }
}

pub(super) struct Task {
    pub parts: Arc<Parts>,
    pub writer: Writer,
    pub orders: watch::Receiver<Order>,
    pub status: Shared,
}

impl Task {
    /// Runs until it is told to end.
    pub async fn run(mut self) {
        let Order::Go(mut target, mut way) = self.orders.borrow_and_update().clone() else { return };
        let mut series = Series::default();
        let mut legacy = Legacy::default();
        loop {
            let due = target.schedule.next(crate::now_ms());
            tokio::select! {
                () = sleep_until(due) => {}
                told = self.orders.changed() => {
                    let order = self.orders.borrow_and_update().clone();
                    match order {
                        Order::Go(new, new_way) if told.is_ok() => {
                            if !new.same_job(&target) {
                                series.forget_meaning();
                            }
                            (target, way) = (new, new_way);
                            continue;
                        }
                        Order::End if told.is_ok() => return self.end(&target, &mut series).await,
                        _ => return,
                    }
                }
            }
            let at = target.schedule.timestamp(due, crate::now_ms());
            let asked = self.scrape(&target, &way, at, &mut series);
            // a target that is ours no longer is not waited for
            let samples = tokio::select! {
                biased;
                () = gone(self.orders.clone()) => None,
                samples = asked => Some(samples),
            };
            // without any the order to end is looked at above
            let Some(samples) = samples else { continue };
            self.writer.write(samples).await;
            // after the scrape: a cluster that is slow to answer must not make a gap
            if let Some(before) = legacy.series(&self.parts, &target, at).await {
                self.writer.write(series.succeed(before, at)).await;
            }
        }
    }

    /// Ends the series and what is told about them.
    async fn end(&self, target: &Target, series: &mut Series) {
        let at = crate::now_ms();
        let mut samples = series.end(at);
        samples.extend(report(target, at, None));
        self.writer.write(samples).await;
    }

    async fn scrape(
        &self,
        target: &Arc<Target>,
        way: &Way,
        at: Timestamp,
        series: &mut Series,
    ) -> Vec<Sample> {
        let began = Instant::now();
        let limit = Duration::from_millis(target.timeout.ms().unsigned_abs());
        let fetched = match tokio::time::timeout(limit, self.fetch(target, way)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(format!("no answer within the timeout of {}", target.timeout).into()),
        };
        let read = match fetched {
            Ok((body, room)) => {
                let read = self.read(target, body, at, series).await;
                drop(room);
                read
            }
            Err(failed) => Err(failed),
        };
        let seconds = began.elapsed().as_secs_f64();
        let (mut samples, error, figures) = match read {
            Ok((Scraped { scraped, kept, added, samples }, bytes)) => {
                let figures = Figures { up: true, seconds, scraped, kept, added, body_bytes: bytes as i64 };
                (samples, None, figures)
            }
            Err(failed) => (series.end(at), Some(failed.text), Figures { seconds, ..failed.figures }),
        };
        samples.extend(report(target, at, Some(&figures)));
        self.tell(at, &figures, error, series);
        samples
    }

    fn tell(&self, at: Timestamp, figures: &Figures, error: Option<String>, series: &Series) {
        let outcome = if figures.up { "up" } else { "down" };
        metrics::counter!("plimsoll_scrapes_total", "outcome" => outcome).increment(1);
        let mut status = self.status.lock();
        (status.at, status.seconds) = (at, figures.seconds);
        status.health = if figures.up { Health::Up } else { Health::Down };
        status.error = error.unwrap_or_default();
        if figures.up {
            status.samples = figures.kept;
            let meta = series.meta();
            let same = status.meta.len() == meta.len()
                && status.meta.iter().zip(meta).all(|(old, new)| Arc::ptr_eq(old, new));
            if !same {
                status.meta = meta.to_vec();
            }
        }
    }

    async fn fetch<'a>(&'a self, target: &Target, way: &Way) -> Result<(Body, impl Sized + use<'a>), Failed> {
        let door = match way {
            Way::Http(door) => door,
            Way::Own(render) => {
                let bytes = bytes::Bytes::from(render().await);
                return Ok((Body { bytes, gzip: false, form: Form::Text }, None));
            }
            Way::Not(why) => return Err(why.to_string().into()),
        };
        door.refresh().await;
        let job = &target.job;
        let accept = accept_header(&job.protocols);
        let seconds = (target.timeout.ms() as f64 / 1000.0).to_string();
        let headers = [
            ("accept", accept.as_str()),
            ("accept-encoding", if job.compression { "gzip" } else { "identity" }),
            ("x-prometheus-scrape-timeout-seconds", seconds.as_str()),
        ];
        let most = self.most_bytes(target);
        let mut answer = door
            .get(&target.url, &headers, most, &self.parts.bytes)
            .await
            .map_err(|e| Failed::sized(e.text, e.too_large))?;
        let form = choose(Some(&answer.content_type), job.fallback)?;
        let body = Body { bytes: std::mem::take(&mut answer.body), gzip: answer.gzip, form };
        Ok((body, Some(answer)))
    }

    fn most_bytes(&self, target: &Target) -> usize {
        let cap = self.parts.settings.body.bytes();
        target.job.limits.body_bytes.unwrap_or(cap).min(cap) as usize
    }

    /// Reads a body: here when it is small, beside the runtime when it is large.
    async fn read(
        &self,
        target: &Arc<Target>,
        body: Body,
        at: Timestamp,
        series: &mut Series,
    ) -> Result<(Scraped, usize), Failed> {
        let Ok(_turn) = self.parts.cores.acquire().await else {
            return Err("the node is stopping".to_owned().into());
        };
        let most = self.most_bytes(target);
        if body.bytes.len() < LARGE_BYTES {
            return read(&self.parts, target, &body, most, at, series);
        }
        let (parts, target, mut moved) = (self.parts.clone(), target.clone(), std::mem::take(series));
        let work = tokio::task::spawn_blocking(move || {
            let read = read(&parts, &target, &body, most, at, &mut moved);
            (read, moved)
        });
        match work.await {
            Ok((read, back)) => {
                *series = back;
                read
            }
            Err(e) => Err(format!("the body could not be read: {e}").into()),
        }
    }
}

fn read(
    parts: &Parts,
    target: &Target,
    body: &Body,
    most: usize,
    at: Timestamp,
    series: &mut Series,
) -> Result<(Scraped, usize), Failed> {
    let limits = Limits { decoded_bytes: most, ..parts.limits };
    let mut unpacked = Vec::new();
    let encoding = if body.gzip { Encoding::Gzip } else { Encoding::Identity };
    let bytes = ingest::decompress(encoding, &body.bytes, &limits, &mut unpacked).map_err(|e| {
        let too_large = matches!(e, ingest::DecodeError::TooLarge { .. });
        let text = if too_large {
            format!("the body has more than {most} bytes (body_size_limit)")
        } else {
            e.to_string()
        };
        Failed::sized(text, too_large)
    })?;
    let intern = |meta| parts.intern(meta);
    let rules = Rules {
        target: &target.labels,
        job: &target.job,
        limits: &parts.limits,
        seed: parts.seed,
        intern: &intern,
    };
    let scraped = series.take(bytes, body.form, at, &rules).map_err(
        |(why, Scraped { scraped, kept, added, .. })| {
            let body_bytes = bytes.len() as i64;
            let figures = Figures { scraped, kept, added, body_bytes, ..Figures::default() };
            Failed { text: why.to_string(), figures }
        },
    )?;
    Ok((scraped, bytes.len()))
}

/// Waits for a moment of the wall clock, which may be set meanwhile.
async fn sleep_until(due: Timestamp) {
    loop {
        let left = due - crate::now_ms();
        if left <= 0 {
            return;
        }
        // a clock that was set back must not keep a target waiting for long
        tokio::time::sleep(Duration::from_millis(left.unsigned_abs().min(60_000))).await;
    }
}

/// Resolves when the task is to end; a changed target can wait for the end of a scrape.
async fn gone(mut orders: watch::Receiver<Order>) {
    let over = |order: &Order| matches!(order, Order::Leave | Order::End);
    // the sender is gone: that is an end too
    let _ = orders.wait_for(over).await;
}
