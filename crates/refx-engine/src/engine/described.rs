//! Sources and seeds as the project describes them, in the engine's terms.

use std::path::Path;

use super::{Format, Sample, SourceOptions, SourceTable};
use refx_core::manifest::{Seed, Source};
use refx_core::project::{self, Place, Spanned};

impl SourceTable {
    /// A source at its place; relative locations start at `root`, the project's folder.
    pub fn of(source: &Source, place: &Place, root: &Path) -> SourceTable {
        let options = &place.options;
        let mut columns: Vec<(String, String)> = source
            .common
            .columns
            .iter()
            .filter_map(|column| {
                let data_type = column.data_type.as_ref()?;
                Some((column.name.value.to_string(), data_type.value.clone()))
            })
            .collect();
        for (name, data_type) in options.types.iter().flatten() {
            columns.retain(|(known, _)| known != name);
            columns.push((name.clone(), data_type.value.clone()));
        }
        let locations = place.locations.iter();
        SourceTable {
            locations: locations.map(|location| path(root, location)).collect(),
            storage_options: place.storage_options.clone(),
            format: place.format.map(|format| match format {
                project::Format::Delta => Format::Delta,
                project::Format::Parquet => Format::Parquet,
                project::Format::Csv => Format::Csv,
                project::Format::Json => Format::Json,
            }),
            options: SourceOptions {
                delimiter: letter(&options.delimiter),
                header: options.header,
                quote: letter(&options.quote),
                escape: letter(&options.escape),
                comment: letter(&options.comment),
                null_values: options
                    .null_value
                    .iter()
                    .flat_map(|values| values.value.iter().map(|text| text.to_string()))
                    .collect(),
                compression: options.compression.as_ref().map(|word| word.value.clone()),
                sample: match &options.infer_rows {
                    Some(rows) => Sample::of_rows(rows.value),
                    None => Sample::default(),
                },
                date_format: options.date_format.as_ref().map(|word| word.value.clone()),
                timestamp_format: options
                    .timestamp_format
                    .as_ref()
                    .map(|word| word.value.clone()),
                columns,
                ..SourceOptions::default()
            },
            version: options
                .version
                .as_ref()
                // A version that no log can have is told as missing, and never read as the latest.
                .map(|version| i64::try_from(version.value).unwrap_or(i64::MAX)),
        }
    }

    /// A seed's file.
    pub fn of_seed(seed: &Seed, root: &Path) -> SourceTable {
        let config = &seed.config;
        let (columns, of_folder): (Vec<_>, Vec<_>) = (config.column_types.iter().flatten())
            .map(|(name, data_type)| (name.clone(), data_type.value.clone()))
            .partition(|(name, _)| seed.own_types.contains(name));
        SourceTable {
            options: SourceOptions {
                delimiter: letter(&config.delimiter),
                columns,
                columns_if_there: of_folder,
                sample: Sample::ALL,
                ..SourceOptions::default()
            },
            ..SourceTable::at(path(root, &seed.common.path))
        }
    }
}

fn letter(text: &Option<Spanned<String>>) -> Option<char> {
    match text.as_ref()?.value.as_str() {
        "\\t" | "tab" => Some('\t'),
        text => text.chars().next(),
    }
}

/// A location as the engine takes it: relative paths start at the project's root.
fn path(root: &Path, location: &str) -> String {
    if location.contains("://") || Path::new(location).is_absolute() {
        return location.to_string();
    }
    root.join(location).to_string_lossy().into_owned()
}
