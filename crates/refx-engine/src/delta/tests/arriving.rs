//! Two source rows of one key.

use super::merging::refused;
use super::*;
use refx_core::project::config::OnDuplicateKey;

fn last(column: &str) -> OnDuplicateKey {
    OnDuplicateKey::LastBy(column.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_of_each_key_is_taken_on_every_path() {
    let select = "select column1 as \"User Id\", column2 as \"at\", column3 as v from (values
        (1, 5, 'old'), (1, 9, 'new'), (1, null, 'unknown'), (2, 7, 'b'), (2, 7, 'a'), (3, null, 'only'))";
    let actions: [fn(PrimaryKey) -> Action; 4] = [
        |key| Action::Merge(Merge::on(key)),
        |key| Action::Overwrite { key: Some(key) },
        |key| Action::Append { key: Some(key) },
        delete_insert,
    ];
    for action in actions {
        for (choice, expected) in [
            (last("AT"), json!([[1, "new"], [2, "a"], [3, "only"]])),
            (
                OnDuplicateKey::FirstBy("at".to_owned()),
                json!([[1, "old"], [2, "a"], [3, "only"]]),
            ),
        ] {
            let place = Place::new();
            let write = Write {
                on_duplicate_key: choice,
                ..Write::new(place.location(), action(key(&["user id"])))
            };
            let commit = place.write_as(select, write).await.unwrap();
            assert_eq!(commit.rows, counts(3, 0, 0, 0));
            let rows = "select \"User Id\", v from t order by 1";
            assert_eq!(json!(place.rows(rows).await), expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_choice_is_the_same_whatever_the_order() {
    let place = Place::new();
    let rows = [
        "(1, 7, ['b'], map(['k'], [2]))",
        "(1, 7, ['a', 'z'], map(['k'], [1]))",
        "(1, 7, null, map(['k'], [3]))",
    ];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let values: Vec<&str> = order.iter().map(|index| rows[*index]).collect();
        let select = format!(
            "select column1 as id, column2 as at, column3 as tags, column4 as m from (values {})",
            values.join(", ")
        );
        let write = Write {
            on_duplicate_key: last("at"),
            ..Write::new(place.location(), merge_on(&["id"]))
        };
        place.write_as(&select, write).await.unwrap();
        assert_eq!(
            json!(place.rows("select tags from t").await),
            json!([[["a", "z"]]])
        );
    }
    assert_eq!(place.facts().await.version, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn null_keys_stay_errors_and_are_all_counted() {
    let place = Place::new();
    let write = |choice| Write {
        on_duplicate_key: choice,
        ..Write::new(place.location(), merge_on(&["id"]))
    };
    let rows = pairs("(null, 'a'), (null, 'b'), (1, 'c')");
    let error = place.write_as(&rows, write(last("v"))).await.unwrap_err();
    assert!(matches!(error, Error::NullKey { rows: 2, .. }), "{error}");
    let error = place.write_as(&rows, write(last("w"))).await.unwrap_err();
    assert_eq!(
        refused(error),
        "`on_duplicate_key`: it names `w`, which the model does not select / did you mean `v`?"
    );
    let maps = "select 1 as id, map(['a'], [1]) as m";
    let error = place.write_as(maps, write(last("m"))).await.unwrap_err();
    assert!(matches!(error, Error::Rule { .. }), "{error}");
    let error = place
        .write_as("select 1 as other, 2 as v", write(last("v")))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Schema { .. }), "{error}");
}
