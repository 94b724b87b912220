use super::*;

fn read<T: for<'de> Deserialize<'de> + serde::de::DeserializeOwned>(
    text: &str,
) -> Result<T, String> {
    let node = yaml::parse("project.yml", text).expect("the test's YAML is well-formed");
    yaml::decode(&node).map_err(|diagnostic| {
        let help = diagnostic.help.unwrap_or_default();
        format!("{} / {help}", diagnostic.message)
    })
}

#[test]
fn duplicates_are_settled_by_a_column() {
    assert_eq!(read("error"), Ok(OnDuplicateKey::Error));
    assert_eq!(read("last by at"), Ok(OnDuplicateKey::LastBy("at".into())));
    let spaced = OnDuplicateKey::FirstBy("Seen \"At\"".into());
    assert_eq!(read("'FIRST  by \"Seen \"\"At\"\"\"'"), Ok(spaced));
    assert_eq!(
        read::<OnDuplicateKey>("lst by at"),
        Err("`lst by at` is none of its values / did you mean `last by at`?".into())
    );
    assert_eq!(
        read::<OnDuplicateKey>("last"),
        Err(
            "`last` is none of its values / name the column that decides: `last by updated_at`"
                .into()
        )
    );
    assert!(read::<OnDuplicateKey>("last bylaw").is_err());
    assert!(read::<OnDuplicateKey>("true").is_err());
}

#[test]
fn columns_have_rules() {
    let all: OnMatch = read("keep").unwrap();
    assert_eq!((all.of("x"), all.columns.len()), (&ColumnRule::Keep, 0));
    let some: OnMatch =
        read("{First: min, '*': coalesce, total: {sql: source.a + target.a}}").unwrap();
    assert_eq!(some.of("FIRST"), &ColumnRule::Min);
    assert_eq!(some.of("x"), &ColumnRule::Coalesce);
    assert_eq!(
        some.of("total"),
        &ColumnRule::Sql("source.a + target.a".into())
    );
    let wrong = |text: &str| read::<OnMatch>(text).unwrap_err();
    assert_eq!(
        wrong("kep"),
        "`kep` is none of its values / did you mean `keep`?"
    );
    assert_eq!(
        wrong("{a: min, A: max}"),
        "column `A` is named twice / names of columns differ by more than case: keep one of them"
    );
    assert!(wrong("{sql: source.a}").starts_with("an expression is of one column"));
    assert!(wrong("{a: {sgl: b}}").starts_with("a column's rule is one word"));
    assert!(wrong("[a]").starts_with("expected text"));
}

#[test]
fn missing_rows_have_a_fate() {
    assert_eq!(read("flag( gone )"), Ok(OnMissing::Flag("gone".into())));
    assert_eq!(read("expire after 1 day"), Ok(OnMissing::ExpireAfter(1)));
    assert_eq!(read("Delete"), Ok(OnMissing::Delete));
    let wrong = |text: &str| read::<OnMissing>(text).unwrap_err();
    assert_eq!(
        wrong("delet"),
        "`delet` is none of its values / did you mean `delete`?"
    );
    assert!(wrong("flag").ends_with("name the column in brackets: `flag(is_missing)`"));
    assert!(wrong("expire after -1 days").ends_with("write `expire after 30 days`"));
    assert!(wrong("expire after 3 weeks").ends_with("write `expire after 30 days`"));
    let set = OnMissing::of_action("UPDATE  SET a = 1, b = 'x'");
    assert_eq!(set, Some(OnMissing::Set("a = 1, b = 'x'".into())));
    assert_eq!(OnMissing::of_action(" delete "), Some(OnMissing::Delete));
    assert_eq!(OnMissing::of_action("insert"), None);
}

#[test]
fn ratios_are_parts_of_one() {
    assert_eq!(read("0.05"), Ok(Ratio(0.05)));
    assert_eq!(read("5 %"), Ok(Ratio(0.05)));
    assert_eq!(read("1"), Ok(Ratio(1.0)));
    for wrong in ["5", "-1%", "120%", "x", "NaN", "[1]"] {
        assert!(read::<Ratio>(wrong).is_err(), "{wrong}");
    }
}
