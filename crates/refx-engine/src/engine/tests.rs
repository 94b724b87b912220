use std::path::PathBuf;

use datafusion::common::DataFusionError;

use super::*;

/// A folder that vanishes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("refx-engine-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn session() -> Session {
    Engine::new(&Settings::default()).unwrap().session()
}

/// The rows of a query after the WITH that names its tables.
pub(super) async fn rows(tables: &str, query: &str) -> Result<serde_json::Value, String> {
    let answer = session()
        .rows_as_json(&format!("{tables}{query}"), 100)
        .await;
    answer
        .map(|answer| serde_json::json!(answer.rows))
        .map_err(|error| error.to_string())
}

/// A session with a table `users(user_id bigint, name varchar, born date)`.
async fn users() -> Session {
    let session = session();
    session
        .register_view(
            &Name::bare("users"),
            "select cast(1 as bigint) as user_id, 'ann' as name, date '2000-02-03' as born",
        )
        .await
        .unwrap();
    session
}

/// A session with tables that have columns and no rows: `users` with `user_id bigint, name varchar`.
pub(super) async fn without_rows(tables: &[(&str, &str)]) -> Session {
    let session = session();
    for (table, columns) in tables {
        let nulls = columns.split(", ").map(|column| {
            let (name, data_type) = column.split_once(' ').unwrap();
            format!("cast(null as {data_type}) as {name}")
        });
        let sql = format!("select {}", nulls.collect::<Vec<_>>().join(", "));
        let schema = session.plan(&sql).await.unwrap().schema();
        let name = match table.split_once('.') {
            Some((schema, table)) => Name::qualified(schema, table),
            None => Name::bare(*table),
        };
        let table = datafusion::datasource::empty::EmptyTable::new(schema);
        session.register_table(&name, Arc::new(table)).unwrap();
    }
    session
}

async fn refused(sql: &str) -> Error {
    users().await.plan(sql).await.unwrap_err()
}

fn at(line: usize, column: usize) -> Option<Position> {
    Some(Position { line, column })
}

#[tokio::test]
async fn an_unknown_column_has_its_place_and_the_near_name() {
    let error = refused("select\n  user_id,\n  nme\nfrom users").await;
    assert_eq!(
        (error.kind, error.position),
        (Kind::UnknownColumn, at(3, 3))
    );
    assert_eq!(error.message, "no column named `nme`");
    let diagnostic = error.into_diagnostic();
    assert_eq!(diagnostic.help.as_deref(), Some("did you mean `name`?"));
}

#[tokio::test]
async fn an_unknown_column_of_an_alias_has_its_place() {
    let error = refused("select u.user_id\nfrom users as u\nwhere u.brn > date '2000-01-01'").await;
    assert_eq!(
        (error.kind, error.position),
        (Kind::UnknownColumn, at(3, 7))
    );
    let diagnostic = error.into_diagnostic();
    assert_eq!(diagnostic.help.as_deref(), Some("did you mean `u.born`?"));
}

#[tokio::test]
async fn an_unknown_table_has_its_place_and_the_near_name() {
    let error = refused("select *\nfrom usrs").await;
    assert_eq!((error.kind, error.position), (Kind::UnknownTable, at(2, 6)));
    assert_eq!(error.message, "no table named `usrs`");
    let diagnostic = error.into_diagnostic();
    assert_eq!(diagnostic.help.as_deref(), Some("did you mean `users`?"));
}

#[tokio::test]
async fn an_unknown_function_has_its_place_and_the_near_name() {
    let error = refused("select user_id,\n       uper(name)\nfrom users").await;
    assert_eq!(
        (error.kind, error.position),
        (Kind::UnknownFunction, at(2, 8))
    );
    let diagnostic = error.into_diagnostic();
    assert_eq!(diagnostic.help.as_deref(), Some("did you mean `upper`?"));
}

#[tokio::test]
async fn a_syntax_error_has_its_place() {
    let error = refused("select upper(name\nfrom users").await;
    assert_eq!(
        (error.kind, error.position.map(|p| p.line)),
        (Kind::Syntax, Some(2))
    );
    assert!(error.message.starts_with("expected"), "{}", error.message);
}

#[tokio::test]
async fn an_ambiguous_column_has_its_place() {
    let error = refused("select name\nfrom users a join users b on a.user_id = b.user_id").await;
    assert_eq!((error.kind, error.position), (Kind::Ambiguous, at(1, 8)));
}

#[tokio::test]
async fn a_column_that_is_not_grouped_is_told() {
    let error = refused("select user_id, name, count(*) from users group by user_id").await;
    assert_eq!((error.kind, error.position), (Kind::Plan, at(1, 17)));
    assert!(error.message.contains("GROUP BY"), "{}", error.message);
}

#[tokio::test]
async fn types_that_do_not_fit_are_found_when_planning() {
    let error = refused("select born + name from users").await;
    assert_eq!(error.kind, Kind::Type, "{}", error.message);
    let error = refused("select lower(born, 3) from users").await;
    assert_eq!(error.kind, Kind::Type, "{}", error.message);
}

#[tokio::test]
async fn only_one_select_is_a_model() {
    assert_eq!(
        refused("drop table users").await.message,
        "expected a SELECT, found `drop`"
    );
    assert_eq!(
        refused("  -- nothing\n").await.message,
        "there is no SELECT"
    );
    let two = refused("select 1 as a; select 2 as b").await;
    assert_eq!(two.message, "expected one SELECT, found several statements");
}

#[tokio::test]
async fn a_division_by_zero_is_told() {
    let plan = users()
        .await
        .plan("select 1 / (user_id - 1) as x from users")
        .await
        .unwrap();
    let error = plan.collect(None).await.unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (Kind::Execution, "division by zero")
    );
}

#[tokio::test]
async fn a_panic_of_the_engine_is_told_in_words() {
    async fn panicked() -> tokio::task::JoinError {
        let task = tokio::spawn(async { panic!("offset out of bounds") });
        task.await.unwrap_err()
    }
    let joined = DataFusionError::ExecutionJoin(Box::new(panicked().await));
    let hidden = DataFusionError::External(Box::new(panicked().await));
    for error in [joined, hidden].map(Error::from) {
        assert_eq!(error.message, "the engine broke off: offset out of bounds");
        let help = error.help.as_deref().unwrap_or_default();
        assert!(help.contains("damaged file"), "{help}");
    }
}

#[tokio::test]
async fn a_bad_cast_is_told() {
    let plan = users()
        .await
        .plan("select cast(name as bigint) as x from users")
        .await
        .unwrap();
    let error = plan.collect(None).await.unwrap_err();
    assert!(error.message.contains("`ann`"), "{}", error.message);
}

#[tokio::test]
async fn the_sql_of_a_dbt_project_plans() {
    let sql = "with d as (select date '2024-08-31' as day, timestamp '2024-08-31 12:00:00' as at, 3 as n)
        select
            cast(n as double) as a, cast(n as varchar) as b, cast(n as string) as c, cast(n as text) as d,
            cast(n as bigint) as e, cast(n as decimal(10, 2)) as f, n::int as g,
            extract(dow from at) in (0, 6) as h, extract(hour from at) < 6 as i,
            cast((extract(epoch from cast(day as timestamp)) - extract(epoch from at)) / 86400 as integer) as j,
            day > day - interval '7' day as k, day - interval '30' day as l,
            greatest(n, 2, 5) as m, least(cast(n as double), 1.0) as o,
            cast(date_trunc('month', at) as date) as p,
            ntile(5) over (order by n desc, day) as q,
            round(cast(n as double) / nullif(n, 0), 4) as r
        from d
        qualify row_number() over (partition by day order by at) = 1";
    let plan = session().plan(sql).await.unwrap();
    assert_eq!(plan.collect(None).await.unwrap()[0].num_rows(), 1);
    assert_eq!(plan.columns()[1].data_type, "varchar");
}

#[tokio::test]
async fn csv_types_are_declared_or_inferred() {
    let folder = Folder::new();
    let path = folder.write(
        "seeds/codes.csv",
        "Code,amount,day,note\n007,1.50,2024-01-31,\n8,2,2024-02-01,x\n",
    );
    let mut source = SourceTable::at(path);
    let declared = [("Code", "varchar"), ("amount", "decimal(10,2)")];
    source.options.columns = declared.map(|(a, b)| (a.into(), b.into())).to_vec();
    let session = session();
    session
        .register_source(&Name::qualified("raw", "codes"), &source)
        .await
        .unwrap();
    let answer = session
        .rows_as_json("select * from raw.codes order by day", 10)
        .await
        .unwrap();
    let types: Vec<&str> = answer.columns.iter().map(|(_, t)| t.as_str()).collect();
    assert_eq!(types, ["varchar", "decimal(10,2)", "date", "varchar"]);
    assert_eq!(answer.columns[0].0, "Code");
    assert_eq!(answer.rows[0][0], "007");
    assert!(answer.rows[0][3].is_null());
}

#[tokio::test]
async fn a_bad_value_in_a_csv_names_file_line_and_column() {
    let folder = Folder::new();
    let path = folder.write("codes.csv", "code,n\na,1\nb,zwei\n");
    let mut source = SourceTable::at(path.clone());
    source.options.columns = vec![("n".into(), "bigint".into())];
    let session = session();
    session
        .register_source(&Name::bare("codes"), &source)
        .await
        .unwrap();
    let error = session
        .rows_as_json("select * from codes", 9)
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        format!("{path}:3: column `n`: `zwei` is not of type bigint")
    );
}

#[tokio::test]
async fn dates_are_read_by_their_format() {
    let folder = Folder::new();
    let mut source = SourceTable::at(folder.write("d.csv", "day\n31.01.2024\n"));
    source.options.columns = vec![("day".into(), "date".into())];
    source.options.date_format = Some("%d.%m.%Y".into());
    let session = session();
    session
        .register_source(&Name::bare("d"), &source)
        .await
        .unwrap();
    let answer = session.rows_as_json("select day from d", 9).await.unwrap();
    assert_eq!(answer.rows[0][0], "2024-01-31");
}

#[tokio::test]
async fn a_folder_of_differing_files_is_one_table() {
    let folder = Folder::new();
    let session = session();
    for (name, sql) in [
        (
            "day=2024-01-01/a.parquet",
            "select arrow_cast(1, 'Int32') as id, 'x' as name",
        ),
        (
            "day=2024-01-02/b.parquet",
            "select cast(5000000000 as bigint) as id, 1.5 as extra",
        ),
    ] {
        let path = folder.0.join(name).display().to_string();
        session
            .statement(&format!("copy ({sql}) to '{path}' stored as parquet"))
            .await
            .unwrap();
    }
    for location in [
        folder.0.display().to_string(),
        folder.0.join("*/*.parquet").display().to_string(),
    ] {
        session
            .register_source(&Name::bare("t"), &SourceTable::at(location.clone()))
            .await
            .unwrap();
        let answer = session
            .rows_as_json("select id, name, extra from t order by id", 9)
            .await
            .unwrap();
        assert_eq!(answer.rows.len(), 2, "{location}");
        assert_eq!(answer.rows[1][0], serde_json::json!(5_000_000_000_i64));
        assert!(answer.rows[1][1].is_null());
    }
    session
        .register_source(
            &Name::bare("t"),
            &SourceTable::at(folder.0.display().to_string()),
        )
        .await
        .unwrap();
    let answer = session
        .rows_as_json("select id from t where day = '2024-01-01'", 9)
        .await
        .unwrap();
    assert_eq!(answer.rows.len(), 1);
}

/// The sum of a source's ids, as a new step of a run computes it.
async fn sum_of(engine: &Engine, location: &str) -> Result<u64, Error> {
    let session = engine.session();
    let name = Name::bare("t");
    session
        .register_source(&name, &SourceTable::at(location))
        .await?;
    let answer = session.rows_as_json("select sum(id) from t", 1).await?;
    Ok(answer.rows[0][0].as_u64().unwrap())
}

#[tokio::test]
async fn all_steps_of_a_run_see_the_same_files() {
    for ending in ["csv", "parquet"] {
        let folder = Folder::new();
        let write = |file: &str, rows: u64| {
            let path = folder.0.join(file).display().to_string();
            let copy = format!(
                "copy (select value as id from range({rows})) to '{path}' stored as {ending}"
            );
            async move { session().statement(&copy).await.unwrap() }
        };
        let whole = folder.0.display().to_string();
        let (one, two) = (format!("one.{ending}"), format!("two.{ending}"));
        let run = Engine::new(&Settings::default()).unwrap();
        write(&one, 3).await;
        assert_eq!(sum_of(&run, &whole).await.unwrap(), 3);
        // A delivery while the run is on is for the next run.
        write(&two, 4).await;
        assert_eq!(sum_of(&run, &whole).await.unwrap(), 3);
        let next = Engine::new(&Settings::default()).unwrap();
        assert_eq!(sum_of(&next, &whole).await.unwrap(), 3 + 6);
        // A file that was replaced is neither the old one nor the new one.
        write(&one, 50).await;
        let error = sum_of(&run, &whole).await.unwrap_err();
        let path = folder.0.join(&one).display().to_string();
        assert_eq!(
            error.message,
            format!("`{path}` changed while the run was reading it")
        );
        // What the run itself writes it sees.
        let copy =
            format!("copy (select value as id from range(9)) to '{path}' stored as {ending}");
        run.session().statement(&copy).await.unwrap();
        assert_eq!(sum_of(&run, &whole).await.unwrap(), 36 + 6);
    }
}

#[tokio::test]
async fn a_missing_source_names_its_path() {
    let session = session();
    let error = session
        .register_source(&Name::bare("t"), &SourceTable::at("/no/such/*.parquet"))
        .await
        .unwrap_err();
    assert_eq!(error.message, "nothing found at `/no/such/*.parquet`");
    assert_eq!(error.kind, Kind::Missing);
}

#[tokio::test]
async fn strings_are_never_views() {
    let session = users().await;
    let plan = session
        .plan("select name, upper(name) as u, name || 'x' as c, substr(name, 1) as s, cast(user_id as varchar) as v from users")
        .await
        .unwrap();
    for field in plan.schema().fields() {
        assert_eq!(field.data_type().to_string(), "Utf8", "{}", field.name());
    }
}

#[tokio::test]
async fn hooks_run_any_statement() {
    let session = users().await;
    session
        .statement("create table t as select 1 as a; set datafusion.execution.batch_size = 100")
        .await
        .unwrap();
    let plan = session.plan("select a from t").await.unwrap();
    let rows = plan.collect(None).await.unwrap();
    assert_eq!(rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
    assert_eq!(
        session
            .statement("drop table nothing")
            .await
            .unwrap_err()
            .kind,
        Kind::UnknownTable
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_larger_than_memory_finishes_by_spilling() {
    let folder = Folder::new();
    let engine = Engine::new(&Settings {
        memory_limit: Some(100 << 20),
        spill_directory: Some(folder.0.join("spill")),
        threads: Some(2),
        ..Settings::default()
    })
    .unwrap();
    let session = engine.session();
    let wide = "select value as id, repeat(cast(value as varchar), 20) as text from generate_series(1, 1000000)";
    session
        .register_view(&Name::bare("wide"), wide)
        .await
        .unwrap();
    for sql in [
        "select * from wide order by text desc",
        "select text, count(*) as n from wide group by text",
        "select a.id, b.text from wide a join wide b on a.text = b.text",
    ] {
        let plan = session.plan(sql).await.unwrap();
        let schema = plan.schema();
        let columns = schema.fields().iter().map(|f| {
            datafusion::logical_expr::Expr::Column(datafusion::common::Column::new_unqualified(
                f.name(),
            ))
        });
        let staged = plan.stage(columns.collect(), schema.clone()).await.unwrap();
        assert_eq!(staged.rows, 1_000_000);
    }
}
