//! The raw tables: their columns, and a file of rows being written.
//!
//! A row is a slice of [`Value`]s in the order of [`Table::columns`]; rows are gathered into batches
//! and streamed out, so that memory does not grow with the number of users.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Int32Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::parquet::schema::types::ColumnPath;

const BATCH_ROWS: usize = 32_768;
const ROW_GROUP_ROWS: usize = 1 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Table {
    Users,
    Contents,
    VideoEvents,
    PageViews,
    Logins,
    Newsletters,
    Searches,
}

pub const TABLES: [Table; 7] = [
    Table::Users,
    Table::Contents,
    Table::VideoEvents,
    Table::PageViews,
    Table::Logins,
    Table::Newsletters,
    Table::Searches,
];

/// What a column holds, and so how it is encoded.
#[derive(Clone, Copy)]
enum Kind {
    /// Grows from row to row: kept as differences.
    Number,
    /// Nearly never the same twice.
    Time,
    /// The time of a load: a few values, many times over.
    Stamp,
    Int,
    Text,
    Bool,
}

pub enum Value<'a> {
    Number(i64),
    /// Microseconds since 1970, UTC.
    Time(i64),
    Int(Option<i32>),
    Text(Option<&'a str>),
    Bool(Option<bool>),
}

impl Table {
    pub fn name(self) -> &'static str {
        match self {
            Table::Users => "users",
            Table::Contents => "contents",
            Table::VideoEvents => "video_events",
            Table::PageViews => "page_views",
            Table::Logins => "logins",
            Table::Newsletters => "newsletter_events",
            Table::Searches => "searches",
        }
    }

    /// The table of a name, for the command line.
    pub fn parse(name: &str) -> Result<Self, String> {
        let found = TABLES.into_iter().find(|table| table.name() == name);
        found.ok_or_else(|| format!("the tables are {}", TABLES.map(Table::name).join(", ")))
    }

    fn columns(self) -> &'static [(&'static str, Kind)] {
        use Kind::*;
        match self {
            Table::Users => &[
                ("user_id", Text),
                ("region", Text),
                ("birth_year", Int),
                ("signup_source", Text),
                ("signup_ts", Time),
                ("marketing_consent", Bool),
                ("loaded_at", Stamp),
            ],
            Table::Contents => &[
                ("content_id", Text),
                ("title", Text),
                ("content_type", Text),
                ("category", Text),
                ("sub_category", Text),
                ("duration_seconds", Int),
                ("sport", Text),
                ("competition", Text),
                ("published_at", Time),
                ("loaded_at", Stamp),
            ],
            Table::VideoEvents => &[
                ("event_id", Number),
                ("user_id", Text),
                ("content_id", Text),
                ("event_ts", Time),
                ("watch_seconds", Int),
                ("device", Text),
                ("session_id", Number),
                ("loaded_at", Stamp),
            ],
            Table::PageViews => &[
                ("event_id", Number),
                ("user_id", Text),
                ("page", Text),
                ("event_ts", Time),
                ("device", Text),
                ("session_id", Number),
                ("loaded_at", Stamp),
            ],
            Table::Logins => &[
                ("event_id", Number),
                ("user_id", Text),
                ("event_ts", Time),
                ("device", Text),
                ("success", Bool),
                ("loaded_at", Stamp),
            ],
            Table::Newsletters => &[
                ("event_id", Number),
                ("user_id", Text),
                ("newsletter", Text),
                ("action", Text),
                ("event_ts", Time),
                ("loaded_at", Stamp),
            ],
            Table::Searches => &[
                ("event_id", Number),
                ("user_id", Text),
                ("query", Text),
                ("result_count", Int),
                ("clicked_content_id", Text),
                ("event_ts", Time),
                ("device", Text),
                ("session_id", Number),
                ("loaded_at", Stamp),
            ],
        }
    }

    fn schema(self) -> SchemaRef {
        let field = |&(name, kind): &(&str, Kind)| {
            let data_type = match kind {
                Kind::Number => DataType::Int64,
                Kind::Time | Kind::Stamp => {
                    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
                }
                Kind::Int => DataType::Int32,
                Kind::Text => DataType::Utf8,
                Kind::Bool => DataType::Boolean,
            };
            Field::new(name, data_type, true)
        };
        Arc::new(Schema::new(
            self.columns().iter().map(field).collect::<Vec<_>>(),
        ))
    }

    fn properties(self) -> Result<WriterProperties> {
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(12)?))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS));
        for &(name, kind) in self.columns() {
            let encoding = match kind {
                Kind::Number | Kind::Time => Encoding::DELTA_BINARY_PACKED,
                Kind::Stamp | Kind::Int | Kind::Text | Kind::Bool => continue,
            };
            let column = ColumnPath::from(name);
            properties = properties
                .set_column_dictionary_enabled(column.clone(), false)
                .set_column_encoding(column, encoding);
        }
        Ok(properties.build())
    }
}

enum Column {
    Number(Int64Builder),
    Time(TimestampMicrosecondBuilder),
    Int(Int32Builder),
    Text(StringBuilder),
    Bool(BooleanBuilder),
}

impl Column {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Number => Column::Number(Int64Builder::new()),
            Kind::Time | Kind::Stamp => {
                Column::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC"))
            }
            Kind::Int => Column::Int(Int32Builder::new()),
            Kind::Text => Column::Text(StringBuilder::new()),
            Kind::Bool => Column::Bool(BooleanBuilder::new()),
        }
    }

    fn push(&mut self, value: &Value) {
        match (self, value) {
            (Column::Number(column), Value::Number(value)) => column.append_value(*value),
            (Column::Time(column), Value::Time(value)) => column.append_value(*value),
            (Column::Int(column), Value::Int(value)) => column.append_option(*value),
            (Column::Text(column), Value::Text(value)) => column.append_option(*value),
            (Column::Bool(column), Value::Bool(value)) => column.append_option(*value),
            _ => unreachable!("the row does not have the columns of its table"),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Column::Number(column) => Arc::new(column.finish()),
            Column::Time(column) => Arc::new(column.finish()),
            Column::Int(column) => Arc::new(column.finish()),
            Column::Text(column) => Arc::new(column.finish()),
            Column::Bool(column) => Arc::new(column.finish()),
        }
    }
}

/// One Parquet file being written.
pub struct Rows {
    schema: SchemaRef,
    columns: Vec<Column>,
    waiting: usize,
    written: u64,
    file: ArrowWriter<File>,
}

impl Rows {
    pub fn create(table: Table, path: &Path) -> Result<Self> {
        let schema = table.schema();
        let file =
            File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Rows {
            columns: table
                .columns()
                .iter()
                .map(|&(_, kind)| Column::new(kind))
                .collect(),
            waiting: 0,
            written: 0,
            file: ArrowWriter::try_new(file, schema.clone(), Some(table.properties()?))?,
            schema,
        })
    }

    pub fn push(&mut self, row: &[Value]) -> Result<()> {
        for (column, value) in self.columns.iter_mut().zip(row) {
            column.push(value);
        }
        self.waiting += 1;
        if self.waiting == BATCH_ROWS {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<()> {
        let arrays = self.columns.iter_mut().map(Column::finish).collect();
        self.file
            .write(&RecordBatch::try_new(self.schema.clone(), arrays)?)?;
        self.written += self.waiting as u64;
        self.waiting = 0;
        Ok(())
    }

    /// Closes the file and says how many rows it holds.
    pub fn close(mut self) -> Result<u64> {
        self.flush()?;
        self.file.close()?;
        Ok(self.written)
    }
}

/// Makes the folder of each table, and removes what an earlier run wrote for this day: files of
/// another number of users would otherwise be read beside the new ones.
pub fn prepare(out: &Path, day: u32, tables: &[Table]) -> Result<()> {
    let stem = format!("day-{day:04}");
    for table in tables {
        let folder = out.join(table.name());
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if name.starts_with(&stem) && name.ends_with(".parquet") {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
    }
    Ok(())
}
