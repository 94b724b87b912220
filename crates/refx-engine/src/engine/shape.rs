//! Tables of which only the columns are known: what a query is checked against.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::datasource::empty::EmptyTable;

use super::{Error, Kind, Name, Session};

impl Session {
    /// Makes columns without rows readable under a name.
    pub fn register_shape(&self, name: &Name, shape: SchemaRef) -> Result<(), Error> {
        self.register_table(name, Arc::new(EmptyTable::new(shape)))
    }

    /// The columns of what is registered under a name.
    pub async fn shape(&self, name: &Name) -> Result<SchemaRef, Error> {
        let provider = self
            .context
            .table_provider(super::session::reference(name))
            .await?;
        Ok(provider.schema())
    }

    /// Columns declared by name and SQL type, all of them nullable.
    pub fn declared_shape(&self, columns: &[(String, String)]) -> Result<SchemaRef, Error> {
        let declared = self.declared(columns)?;
        let fields = declared
            .into_iter()
            .map(|(name, data_type)| Field::new(name, data_type, true));
        Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }
}

/// A shape as text that [`read_shape`] reads: Arrow's own form of a schema, in hexadecimal digits.
pub fn write_shape(shape: &Schema) -> Result<String, Error> {
    use datafusion::arrow::ipc::convert::IpcSchemaEncoder;
    let encoded = IpcSchemaEncoder::new().schema_to_fb(shape);
    let bytes = encoded.finished_data();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The shape of a text of [`write_shape`].
pub fn read_shape(text: &str) -> Result<SchemaRef, Error> {
    use datafusion::arrow::ipc::{convert::fb_to_schema, root_as_schema};
    let broken = || Error::new(Kind::Io, "a remembered shape is broken");
    let digit = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(digit).collect();
    let bytes = bytes.ok_or_else(broken)?;
    let encoded = root_as_schema(&bytes).map_err(|_| broken())?;
    Ok(Arc::new(fb_to_schema(encoded)))
}
