//! Files that are there and cannot be read.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_data_file_that_cannot_be_decoded_is_named() {
    let place = Place::new();
    let rows = "select value as id, repeat('x', 20) || value as text from generate_series(1, 5000)";
    place.write(rows, merge_on(&["id"])).await.unwrap();
    assert!(damaged(&place.location(), None).await.is_none());

    let files = std::fs::read_dir(place.root.join("t")).unwrap().flatten();
    let is_data = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "parquet");
    let path = files.map(|file| file.path()).find(is_data).unwrap();
    // A hole, as a disk leaves it: the footer is whole.
    let mut bytes = std::fs::read(&path).unwrap();
    let third = bytes.len() / 3;
    bytes[4..third].fill(0);
    std::fs::write(&path, bytes).unwrap();

    let found = damaged(&place.location(), None).await.unwrap().to_string();
    let name = path.file_name().unwrap().to_string_lossy();
    assert!(
        found.ends_with(&format!("is broken: its data file `{name}` cannot be read")),
        "{found}"
    );
}
