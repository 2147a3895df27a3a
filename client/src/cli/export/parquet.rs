//! Pieces as a Parquet file: a row a sample, the columns of [`SCHEMA`].
//!
//! Written in row groups of bounded size. A column goes through its encoder in small batches, so that what stands in
//! memory is what is encoded, not rows times labels.

use super::super::exit::Problem;
use super::super::piece::Piece;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use plimsoll_model::METRIC_NAME;
use std::io::Write;
use std::sync::Arc;

/// A histogram is the object that JSON lines have for it; a row has a value or a histogram.
const SCHEMA: &str = "
message plimsoll {
  required binary metric (STRING);
  required group labels (MAP) {
    repeated group key_value {
      required binary key (STRING);
      required binary value (STRING);
    }
  }
  required int64 timestamp (TIMESTAMP(MILLIS,true));
  optional double value;
  optional binary histogram (JSON);
}";

/// Rows of a group: some megabytes, enough for dictionaries to pay.
const GROUP_ROWS: usize = 256 << 10;

/// Rows that go through an encoder at a time.
const BATCH_ROWS: usize = 1024;

/// A file that is being written.
pub(super) struct File<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    pieces: Vec<Piece>,
    rows: usize,
}

impl From<ParquetError> for Problem {
    fn from(e: ParquetError) -> Self {
        match e {
            ParquetError::External(e) if e.is::<std::io::Error>() => match e.downcast::<std::io::Error>() {
                Ok(e) => (*e).into(),
                Err(e) => Self::fail(e.to_string()),
            },
            e => Self::fail(e.to_string()),
        }
    }
}

impl<W: Write + Send> File<W> {
    pub fn create(out: W) -> Result<Self, Problem> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let zstd = Compression::ZSTD(ZstdLevel::try_new(3)?);
        let column = |name: &str| ColumnPath::from(name);
        let version = KeyValue::new("plimsoll.format".to_owned(), "1".to_owned());
        let properties = WriterProperties::builder()
            .set_compression(zstd)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_column_dictionary_enabled(column("timestamp"), false)
            .set_column_encoding(column("timestamp"), Encoding::DELTA_BINARY_PACKED)
            .set_column_dictionary_enabled(column("value"), false)
            .set_column_dictionary_enabled(column("histogram"), false)
            .set_created_by(concat!("plimsoll ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(vec![version]))
            .build();
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
        Ok(Self { writer, pieces: Vec::new(), rows: 0 })
    }

    pub fn write(&mut self, piece: Piece) -> Result<(), Problem> {
        self.rows += piece.len();
        self.pieces.push(piece);
        if self.rows >= GROUP_ROWS { self.end_group() } else { Ok(()) }
    }

    pub fn close(mut self) -> Result<W, Problem> {
        self.end_group()?;
        Ok(self.writer.into_inner()?)
    }

    fn end_group(&mut self) -> Result<(), Problem> {
        let pieces = std::mem::take(&mut self.pieces);
        if std::mem::take(&mut self.rows) == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        write_names(&mut group, &pieces)?;
        write_label_parts(&mut group, &pieces, |(name, _)| name)?;
        write_label_parts(&mut group, &pieces, |(_, value)| value)?;
        write_timestamps(&mut group, &pieces)?;
        write_values(&mut group, &pieces)?;
        write_histograms(&mut group, &pieces)?;
        group.close()?;
        Ok(())
    }
}

type Group<'a, W> = SerializedRowGroupWriter<'a, W>;

/// Hands the next column's encoder to `write`.
fn column<W: Write + Send>(
    group: &mut Group<'_, W>,
    write: impl FnOnce(&mut ColumnWriter<'_>) -> Result<(), ParquetError>,
) -> Result<(), Problem> {
    let mut column = group.next_column()?.ok_or_else(|| Problem::fail("the schema has too few columns"))?;
    write(column.untyped())?;
    Ok(column.close()?)
}

fn other_type() -> ParquetError {
    ParquetError::General("a column has another type than its schema says".into())
}

fn write_names<W: Write + Send>(group: &mut Group<'_, W>, pieces: &[Piece]) -> Result<(), Problem> {
    column(group, |column| {
        let ColumnWriter::ByteArrayColumnWriter(column) = column else { return Err(other_type()) };
        for piece in pieces {
            let name = ByteArray::from(piece.labels.metric_name().unwrap_or_default());
            for rows in batches(piece.len()) {
                column.write_batch(&vec![name.clone(); rows], None, None)?;
            }
        }
        Ok(())
    })
}

fn write_label_parts<W: Write + Send>(
    group: &mut Group<'_, W>,
    pieces: &[Piece],
    part: impl for<'a> Fn((&'a str, &'a str)) -> &'a str,
) -> Result<(), Problem> {
    column(group, |column| {
        let ColumnWriter::ByteArrayColumnWriter(column) = column else { return Err(other_type()) };
        for piece in pieces {
            let labels = piece.labels.iter().filter(|(name, _)| *name != METRIC_NAME);
            let row: Vec<ByteArray> = labels.map(|label| ByteArray::from(part(label))).collect();
            // A row without labels has one entry, of definition level 0; the first of several begins the row.
            let (definitions, repetitions) = match row.len() {
                0 => (vec![0], vec![0]),
                n => (vec![1; n], (0..n).map(|i| i16::from(i > 0)).collect()),
            };
            for rows in batches(piece.len()) {
                let values: Vec<_> = std::iter::repeat_n(&row, rows).flatten().cloned().collect();
                column.write_batch(
                    &values,
                    Some(&definitions.repeat(rows)),
                    Some(&repetitions.repeat(rows)),
                )?;
            }
        }
        Ok(())
    })
}

fn write_timestamps<W: Write + Send>(group: &mut Group<'_, W>, pieces: &[Piece]) -> Result<(), Problem> {
    column(group, |column| {
        let ColumnWriter::Int64ColumnWriter(column) = column else { return Err(other_type()) };
        for piece in pieces {
            let floats = piece.floats.iter().map(|(at, _)| *at);
            let all: Vec<i64> = floats.chain(piece.histograms.iter().map(|(at, _)| *at)).collect();
            column.write_batch(&all, None, None)?;
        }
        Ok(())
    })
}

fn write_values<W: Write + Send>(group: &mut Group<'_, W>, pieces: &[Piece]) -> Result<(), Problem> {
    column(group, |column| {
        let ColumnWriter::DoubleColumnWriter(column) = column else { return Err(other_type()) };
        for piece in pieces {
            let values: Vec<f64> = piece.floats.iter().map(|(_, value)| *value).collect();
            let mut definitions = vec![1; values.len()];
            definitions.resize(piece.len(), 0);
            column.write_batch(&values, Some(&definitions), None)?;
        }
        Ok(())
    })
}

fn write_histograms<W: Write + Send>(group: &mut Group<'_, W>, pieces: &[Piece]) -> Result<(), Problem> {
    column(group, |column| {
        let ColumnWriter::ByteArrayColumnWriter(column) = column else { return Err(other_type()) };
        for piece in pieces {
            let objects: Vec<ByteArray> =
                piece.histograms.iter().map(|one| ByteArray::from(object(one))).collect();
            let mut definitions = vec![0; piece.floats.len()];
            definitions.resize(piece.len(), 1);
            column.write_batch(&objects, Some(&definitions), None)?;
        }
        Ok(())
    })
}

/// The object of a histogram as a line of JSON has it, with its timestamp.
fn object(histogram: &(i64, Arc<plimsoll_model::Histogram>)) -> Vec<u8> {
    let mut line = Vec::new();
    Piece { histograms: vec![histogram.clone()], ..Piece::default() }.write_line(&mut line);
    let begin = line.windows(2).position(|w| w == b"[{").map_or(0, |at| at + 1);
    // The line ends with `}]}` and a line end; the object ends with the first of these.
    line.truncate(line.len().saturating_sub(3));
    line.split_off(begin)
}

/// `rows` in batches.
fn batches(rows: usize) -> impl Iterator<Item = usize> {
    (0..rows).step_by(BATCH_ROWS).map(move |at| BATCH_ROWS.min(rows - at))
}
