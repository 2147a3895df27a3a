//! Messages of `plimsoll.v1` from and to the types of this crate.

use super::Block;
use crate::{
    Answer, Data, Error, HistogramValue, InstantSeries, RangeSeries, Sample, SampleValue, Value, Written,
};
use plimsoll_model::{Histogram, Labels};
use plimsoll_proto::{convert, v1};
use std::collections::HashMap;

/// Samples as a request; samples of one series are put together, in their order.
pub(super) fn write_request(samples: &[Sample]) -> v1::WriteRequest {
    let mut slot_of: HashMap<&Labels, usize> = HashMap::with_capacity(samples.len());
    let mut series: Vec<v1::Series> = Vec::new();
    for sample in samples {
        let slot = *slot_of.entry(&sample.labels).or_insert_with(|| {
            series
                .push(v1::Series { labels: v1::LabelSet::from(&sample.labels).labels, ..Default::default() });
            series.len() - 1
        });
        match &sample.value {
            SampleValue::Float(v) => {
                series[slot].timestamps.push(sample.timestamp);
                series[slot].values.push(*v);
            }
            SampleValue::Histogram(h) => series[slot].histograms.push(v1::HistogramSample {
                timestamp: sample.timestamp,
                histogram: Some(v1::Histogram::from(&**h)),
            }),
        }
    }
    v1::WriteRequest { series, metadata: Vec::new() }
}

/// What the node stored; an error when it refused a part, as over HTTP.
pub(super) fn written(response: v1::WriteResponse) -> Result<Written, Error> {
    let accepted = response.accepted.unwrap_or_default();
    let samples = accepted.floats + accepted.histograms;
    let Some(first) = response.refused.first() else { return Ok(Written { samples }) };
    let all: Vec<String> = response
        .refused
        .iter()
        .map(|r| format!("{}: {} samples ({})", r.reason, r.samples, r.example))
        .collect();
    Err(Error::Refused {
        status: 400,
        kind: Some(first.reason.clone()),
        message: all.join("; "),
        written: Some(samples),
    })
}

pub(super) fn answer(url: &str, response: v1::QueryResponse) -> Result<Answer, Error> {
    use v1::query_response::Value as Wire;
    let bad = |reason: String| Error::Answer { url: url.to_owned(), reason };
    let data = match response.value {
        Some(Wire::Scalar(s)) => Data::Scalar(s.timestamp, s.value),
        Some(Wire::Text(t)) => Data::String(t.timestamp, t.value),
        Some(Wire::Vector(v)) => {
            Data::Vector(v.series.into_iter().map(instant).collect::<Result<_, _>>().map_err(bad)?)
        }
        Some(Wire::Matrix(v)) => {
            Data::Matrix(v.series.into_iter().map(range).collect::<Result<_, _>>().map_err(bad)?)
        }
        None => return Err(bad("it holds no value".into())),
    };
    Ok(Answer { data, warnings: response.warnings, infos: response.infos })
}

pub(super) fn block(url: &str, block: v1::QueryBlock) -> Result<Block, Error> {
    let series: Result<_, String> = block.series.into_iter().map(range).collect();
    let series = series.map_err(|reason| Error::Answer { url: url.to_owned(), reason })?;
    Ok(Block { series, warnings: block.warnings, infos: block.infos })
}

fn instant(wire: v1::Series) -> Result<InstantSeries, String> {
    let series = range(wire)?;
    let labels = series.labels;
    if let Some((timestamp, v)) = series.floats.first() {
        return Ok(InstantSeries { labels, timestamp: *timestamp, value: Value::Float(*v) });
    }
    match series.histograms.into_iter().next() {
        Some((timestamp, h)) => Ok(InstantSeries { labels, timestamp, value: Value::Histogram(h) }),
        None => Err("a series of a vector has no sample".into()),
    }
}

fn range(wire: v1::Series) -> Result<RangeSeries, String> {
    if wire.timestamps.len() != wire.values.len() {
        return Err(format!("{} values at {} timestamps", wire.values.len(), wire.timestamps.len()));
    }
    let labels = convert::labels_of(&wire.labels).map_err(|e| e.to_string())?;
    let mut histograms = Vec::with_capacity(wire.histograms.len());
    for sample in &wire.histograms {
        let h = sample.histogram.as_ref().ok_or("a histogram sample holds no histogram")?;
        histograms.push((sample.timestamp, HistogramValue::from(&Histogram::try_from(h)?)));
    }
    let floats = wire.timestamps.into_iter().zip(wire.values).collect();
    Ok(RangeSeries { labels, floats, histograms })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(name: &str) -> Labels {
        Labels::from_pairs([("__name__", name)]).expect("labels")
    }

    #[test]
    fn samples_of_a_series_share_one_message_in_their_order() {
        let samples = [
            Sample::float(labels("a"), 2, 1.0),
            Sample::float(labels("b"), 1, 2.0),
            Sample::float(labels("a"), 1, 3.0),
            Sample::histogram(labels("b"), 5, Histogram::default()),
        ];
        let request = write_request(&samples);
        assert_eq!(request.series.len(), 2);
        assert_eq!(
            (&request.series[0].timestamps, &request.series[0].values),
            (&vec![2, 1], &vec![1.0, 3.0])
        );
        assert_eq!(request.series[1].histograms[0].timestamp, 5);
    }

    #[test]
    fn a_part_that_was_refused_is_an_error_with_the_reasons() {
        let response = v1::WriteResponse {
            accepted: Some(v1::Accepted { series: 1, floats: 3, histograms: 1 }),
            refused: vec![v1::Refused { reason: "too_old".into(), samples: 2, example: "up".into() }],
        };
        let e = written(response).expect_err("a part was refused");
        assert!(matches!(&e, Error::Refused { status: 400, written: Some(4), .. }), "{e:?}");
        assert!(e.to_string().contains("too_old: 2 samples (up)"), "{e}");
    }

    #[test]
    fn columns_of_different_lengths_are_refused() {
        let wire = v1::Series { timestamps: vec![1], ..Default::default() };
        assert!(range(wire).is_err());
    }
}
