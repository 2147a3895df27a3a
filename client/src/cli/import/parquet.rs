//! Parquet files: those of an export, and others with a row a sample.

use super::super::csv;
use super::super::exit::Problem;
use super::super::piece::Piece;
use super::source::{Chunk, Lines};
use parquet::basic::{LogicalType, TimeUnit};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// The rows of a file. A position is a number of rows.
pub(super) struct ParquetRows {
    rows: RowIter<'static>,
    columns: Vec<Column>,
    total: u64,
    at: u64,
    chunk_bytes: usize,
    /// The pairs of the row before, and its labels: rows of a series follow each other.
    last: (Vec<(String, String)>, Labels),
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    Series,
    Labels,
    /// With how many of its units make a millisecond.
    Timestamp {
        per_ms: i64,
    },
    Value,
    Histogram,
    Label(String),
}

impl ParquetRows {
    pub fn open(path: &Path, from: u64, chunk_bytes: usize) -> Result<Self, Problem> {
        let file =
            File::open(path).map_err(|e| Problem::usage(format!("cannot open {}: {e}", path.display())))?;
        let reader = SerializedFileReader::new(file)?;
        let metadata = reader.metadata().file_metadata();
        let total = u64::try_from(metadata.num_rows()).unwrap_or(0);
        let fields = metadata.schema_descr().root_schema().get_fields().to_vec();
        let columns: Vec<Column> = fields.iter().map(|field| column(field)).collect();
        let timestamp = columns.iter().any(|c| matches!(c, Column::Timestamp { .. }));
        if !timestamp || !columns.iter().any(|c| matches!(c, Column::Value | Column::Histogram)) {
            let names: Vec<_> = fields.iter().map(|f| f.name()).collect();
            return Err(Problem::usage(format!("the file has the columns {}", names.join(", "))).next(
                "a Parquet file of samples has the columns timestamp and value, and metric and labels, series, or a column a label",
            ));
        }
        if from > total {
            return Err(Problem::usage(format!(
                "--from-offset lies beyond the end of the file ({total} rows)"
            )));
        }
        let mut rows = RowIter::from_file_into(Box::new(reader));
        for _ in 0..from {
            rows.next().transpose()?;
        }
        let last = (Vec::new(), Labels::default());
        Ok(Self { rows, columns, total, at: from, chunk_bytes, last })
    }

    pub fn rows(&self) -> u64 {
        self.total
    }

    pub fn next(&mut self) -> Result<Option<Chunk>, Problem> {
        let mut lines = Lines::default();
        let mut piece = Piece::default();
        // A series is cut too, so that one with many samples does not stand in memory as a whole.
        while lines.len() + 20 * piece.len() < self.chunk_bytes {
            let Some(row) = self.rows.next().transpose()? else { break };
            self.at += 1;
            let number = self.at;
            let sample = self.read(row).map_err(|why| Problem::fail(format!("row {number}: {why}")))?;
            if self.last.1 != piece.labels {
                lines.add(std::mem::replace(
                    &mut piece,
                    Piece { labels: self.last.1.clone(), ..Piece::default() },
                ));
            }
            match sample {
                (at, Some(value), _) => piece.floats.push((at, value)),
                (at, None, Some(object)) => piece.histograms.push((at, histogram(&object)?)),
                (_, None, None) => {}
            }
        }
        lines.add(piece);
        Ok((lines.len() > 0).then(|| lines.take(self.at)))
    }

    /// The sample of a row; its labels are in `last` then.
    fn read(&mut self, row: Row) -> Result<(Timestamp, Option<f64>, Option<String>), String> {
        let (mut pairs, mut at, mut value, mut histogram) = (Vec::new(), None, None, None);
        for ((name, field), column) in row.into_columns().into_iter().zip(&self.columns) {
            let wrong = || format!("the column {name:?} has another type than expected");
            match (column, field) {
                (_, Field::Null) => {}
                (Column::Series, Field::Str(text)) => pairs.extend(csv::series(&text)?),
                (Column::Labels, Field::MapInternal(map)) => {
                    for entry in map.entries() {
                        let (Field::Str(name), Field::Str(value)) = entry else { return Err(wrong()) };
                        pairs.push((name.clone(), value.clone()));
                    }
                }
                (Column::Timestamp { .. }, Field::TimestampMillis(ms)) => at = Some(ms),
                (Column::Timestamp { .. }, Field::TimestampMicros(us)) => at = Some(us.div_euclid(1000)),
                (Column::Timestamp { per_ms }, Field::Long(units)) => {
                    at = Some(units.div_euclid((*per_ms).max(1)))
                }
                (Column::Value, field) => value = Some(number(&field).ok_or_else(wrong)?),
                (Column::Histogram, Field::Str(object)) => histogram = Some(object),
                (Column::Histogram, Field::Bytes(object)) => {
                    histogram = Some(String::from_utf8_lossy(object.data()).into_owned());
                }
                (Column::Label(name), Field::Str(value)) => pairs.push((name.clone(), value)),
                _ => return Err(wrong()),
            }
        }
        if self.last.0 != pairs || self.last.1.is_empty() {
            let labels = Labels::from_pairs(pairs.iter().map(|(n, v)| (n, v))).map_err(|e| e.to_string())?;
            if labels.get(METRIC_NAME).is_none() {
                return Err("there is no name of a metric".into());
            }
            self.last = (pairs, labels);
        }
        Ok((at.ok_or("there is no timestamp")?, value, histogram))
    }
}

fn column(field: &parquet::schema::types::Type) -> Column {
    match field.name() {
        "series" => Column::Series,
        "labels" => Column::Labels,
        "timestamp" | "timestamp_ms" | "time" => {
            let per_ms = match field.get_basic_info().logical_type_ref() {
                Some(LogicalType::Timestamp(kind)) if kind.unit == TimeUnit::NANOS => 1_000_000,
                Some(LogicalType::Timestamp(kind)) if kind.unit == TimeUnit::MICROS => 1_000,
                _ => 1,
            };
            Column::Timestamp { per_ms }
        }
        "value" => Column::Value,
        "histogram" => Column::Histogram,
        "metric" => Column::Label(METRIC_NAME.to_owned()),
        name => Column::Label(name.to_owned()),
    }
}

fn number(field: &Field) -> Option<f64> {
    Some(match field {
        Field::Double(v) => *v,
        Field::Float(v) => f64::from(*v),
        Field::Int(v) => f64::from(*v),
        Field::Long(v) => *v as f64,
        Field::UInt(v) => f64::from(*v),
        Field::ULong(v) => *v as f64,
        _ => return None,
    })
}

/// A histogram from the object that JSON lines have for it.
fn histogram(object: &str) -> Result<Arc<plimsoll_model::Histogram>, Problem> {
    let line = format!("{{\"metric\":{{\"__name__\":\"h\"}},\"histograms\":[{object}]}}");
    let piece = Piece::parse(line.as_bytes()).map_err(Problem::fail)?;
    let histogram = piece.histograms.into_iter().next();
    histogram.map(|(_, h)| h).ok_or_else(|| Problem::fail("a histogram is none"))
}
