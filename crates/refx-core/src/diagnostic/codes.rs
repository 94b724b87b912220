//! Every code, with the text that explains it: `refx explain` and `docs/errors.md` print the comments.

/// The codes, each with the text that explains it.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        /// What kind of mistake a [`Diagnostic`] tells of. The documentation of each is what
        /// [`Code::explain`] prints.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// The code as it is printed: `unknown-ref`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)+ }
            }

            /// Its documentation, each line with the blank that comments have.
            pub(super) fn documentation(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc, "\n"),+),)+ }
            }
        }
    };
}

codes! {
    /// The folder holds no `project.yml` and no `dbt_project.yml`, and neither does one above it.
    ///
    /// ```sh
    /// refx init user_reference                        # makes a new project
    /// refx build --project-dir projects/reference     # or names the folder of one
    /// ```
    NoProject = "no-project",
    /// A file of the project cannot be read. It is missing, this user may not read it, or it is not UTF-8
    /// text: a file saved by a spreadsheet or an old editor often is not. Save it again as UTF-8.
    ///
    /// ```sh
    /// iconv -f LATIN1 -t UTF-8 seeds/countries.csv > new.csv && mv new.csv seeds/countries.csv
    /// ```
    UnreadableFile = "unreadable-file",
    /// A YAML file is not well-formed. Look at the marked line and the one before it for a missing colon, a
    /// tab, an open quote, or a line that is indented differently from its neighbours.
    ///
    /// ```yaml
    /// columns:
    ///   - name: user_id
    ///    description: one a user     # one blank short: it belongs under `name`
    /// ```
    BrokenYaml = "broken-yaml",
    /// A key that refx does not know. Most are slips of the pen, and the nearest known key is offered. What
    /// you keep for yourself belongs under `meta:`, where every key is allowed.
    ///
    /// ```yaml
    /// models:
    ///   - name: orders
    ///     colums: []                # write `columns`
    ///     meta: {reviewed_by: ada}  # a key of your own
    /// ```
    UnknownKey = "unknown-key",
    /// A value of the wrong type: text where a list is expected, a word where a number is.
    ///
    /// ```yaml
    /// tags: daily, crm      # text
    /// tags: [daily, crm]    # a list, as it is asked for
    /// ```
    WrongType = "wrong-type",
    /// A value outside the set that the key or flag allows. The message names the values that it takes.
    ///
    /// ```yaml
    /// on_duplicate_key: newest                # no such value
    /// on_duplicate_key: last by updated_at    # one that there is
    /// ```
    InvalidValue = "invalid-value",
    /// A key or setting that must be there is not. The message says which, and where it belongs.
    ///
    /// ```yaml
    /// models:
    ///   - description: one row a user     # of which model? add `name: users`
    /// ```
    MissingKey = "missing-key",
    /// The target named with `--target` or `default-target` is not among `targets:` of the project file.
    ///
    /// ```yaml
    /// default-target: production
    /// targets:
    ///   prod: {root: "gs://reference/"}     # call one of them as the other
    /// ```
    UnknownTarget = "unknown-target",
    /// A variable that is read with `var()` has no value and no default. Give it a value in the project file
    /// or with `--vars`, or a default where it is read.
    ///
    /// ```sql
    /// where day >= current_date - {{ var('days') }}       -- needs `vars: {days: 30}` in project.yml
    /// where day >= current_date - {{ var('days', 30) }}   -- does without
    /// ```
    UnknownVar = "unknown-var",
    /// `--vars` gives a variable that nothing in the project reads: most often its name is misspelt, and the
    /// run does not do what was meant.
    ///
    /// ```sh
    /// refx build --vars 'day: 7'     # the models read `days`
    /// ```
    UnusedVar = "unused-var",
    /// An environment variable that is read with `env_var()` is not set and has no default. Set it where refx
    /// runs, or give a default.
    ///
    /// ```yaml
    /// root: "{{ env_var('REFERENCE_ROOT', 'warehouse') }}"
    /// ```
    UnknownEnvVar = "unknown-env-var",
    /// Jinja that does not parse: a block without its end, a stray brace, an open quote.
    ///
    /// ```sql
    /// {% if var('full', false) %}
    /// where day > '2024-01-01'
    /// -- `{% endif %}` is missing
    /// ```
    JinjaSyntax = "jinja-syntax",
    /// Jinja that fails while it runs: a name that is not defined, an operation on values that do not allow
    /// it, an error that a macro raises itself. The first place is in the model; the places below it are the
    /// macros that were called from there, the last of them the one that failed.
    ///
    /// ```sql
    /// {% for column in colums %} … {% endfor %}     -- the list is called `columns`
    /// ```
    ///
    /// A macro gives text, whatever stands in it. To give a list or a number it has to say `return`:
    ///
    /// ```sql
    /// {% macro regions() %}{{ return(['north', 'south']) }}{% endmacro %}
    /// ```
    JinjaError = "jinja-error",
    /// A call of a macro or function that no file of the project defines, and that neither dbt nor refx has.
    ///
    /// ```sql
    /// select {{ cent('price') }} as price     -- macros/money.sql defines `cents`
    /// ```
    ///
    /// Correct the name, or define it: `{% macro cent(column) %} … {% endmacro %}` in a file under `macros/`.
    UnknownMacro = "unknown-macro",
    /// A macro is called with an argument that it does not take, with too many, or without one that it needs.
    ///
    /// ```sql
    /// -- {% macro cents(column, digits=2) %} … {% endmacro %}
    /// select {{ cents('price', scale=3) }}      -- the argument is called `digits`
    /// select {{ cents('price', digits=3) }}
    /// ```
    MacroArgument = "macro-argument",
    /// Two macros, or two blocks of one kind, have the same name. Which one a call means would be left to
    /// chance: rename one of them, or delete it.
    ///
    /// ```sql
    /// {% macro cents(column) %} … {% endmacro %}     -- in macros/money.sql
    /// {% macro cents(column) %} … {% endmacro %}     -- and in macros/old.sql
    /// ```
    DuplicateMacro = "duplicate-macro",
    /// `ref()` names a model or a seed that does not exist. Correct the name: the nearest one is offered. A
    /// model that was renamed has to be renamed in its readers too.
    ///
    /// ```sql
    /// select * from {{ ref('ordrs') }}      -- the model is models/orders.sql
    /// select * from {{ ref('orders') }}
    /// ```
    UnknownRef = "unknown-ref",
    /// `source()` names a source or a table that no properties file declares.
    ///
    /// ```yaml
    /// sources:
    ///   - name: raw
    ///     tables:
    ///       - name: plays                 # read it as `source('raw', 'plays')`
    ///         location: raw/plays/*.parquet
    /// ```
    UnknownSource = "unknown-source",
    /// `ref()` names a model that is disabled. Enable it, or disable the reader too.
    ///
    /// ```yaml
    /// models:
    ///   - name: orders
    ///     config: {enabled: true}
    /// ```
    DisabledRef = "disabled-ref",
    /// A model that is private to its group is read from outside of it. Read a public model of the group
    /// instead, or put the reader into the group.
    ///
    /// ```yaml
    /// models:
    ///   - name: crm_scores
    ///     config: {group: crm, access: private}     # only models with `group: crm` may read it
    /// ```
    PrivateRef = "private-ref",
    /// `doc()` in a description names no `{% docs %}` block. Blocks are in the `.md` files of the model
    /// folders.
    ///
    /// ```text
    /// {% docs rfa %} Recency, frequency, amount. {% enddocs %}
    /// ```
    UnknownDoc = "unknown-doc",
    /// Two models, seeds or sources have the same name, so that `ref()` could mean either. The folder does not
    /// tell them apart. Rename one; `alias` still gives its table the name that you want.
    ///
    /// ```text
    /// models/crm/users.sql
    /// models/churn/users.sql     call it churn_users.sql
    /// ```
    DuplicateName = "duplicate-name",
    /// Two models would land in the same place, and each would overwrite the other. Give one of them another
    /// `alias` or `schema`.
    ///
    /// ```sql
    /// {{ config(alias='orders') }}     -- in bills.sql, while there is an orders.sql
    /// ```
    DuplicateLocation = "duplicate-location",
    /// Models read each other in a circle, so that none can be made first. The message shows the way round.
    /// Take one reference out, or move what both need into a model that both read.
    ///
    /// ```text
    /// users → scores → users      let `users_base` hold what `scores` needs
    /// ```
    Cycle = "cycle",
    /// A properties file describes a model, seed, column or group that does not exist. It was renamed or
    /// removed, or its name is misspelt: correct the entry, or delete it.
    ///
    /// ```yaml
    /// models:
    ///   - name: order     # the file is models/orders.sql
    /// ```
    UnknownProperty = "unknown-property",
    /// A test of a name that is neither built in nor defined in the project. Built in are `not_null`, `unique`,
    /// `accepted_values` and `relationships`.
    ///
    /// ```yaml
    /// tests: [notnull]      # write `not_null`
    /// ```
    ///
    /// One of your own is a block `{% test positive(model, column_name) %} … {% endtest %}` under `tests/generic/`.
    UnknownTest = "unknown-test",
    /// Settings of a model that contradict each other, or lack one that another needs.
    ///
    /// ```sql
    /// {{ config(materialized='incremental', incremental_strategy='merge') }}
    /// -- by which key? add primary_key='user_id'
    /// ```
    InvalidConfig = "invalid-config",
    /// A model file without a SELECT. Write one, or delete the file; macros belong under `macros/`.
    ///
    /// ```sql
    /// select user_id, count(*) as plays from {{ ref('plays') }} group by user_id
    /// ```
    EmptyModel = "empty-model",
    /// A selector that does not parse, or uses a method that does not exist.
    ///
    /// ```sh
    /// refx build --select tagg:daily     # write `tag:daily`
    /// ```
    InvalidSelector = "invalid-selector",
    /// A selector that matches nothing, so that nothing is done. `refx ls` shows what there is to select. A selection
    /// that picks nothing at all is an error of every command, unless `--allow-empty` is given.
    ///
    /// ```sh
    /// refx ls --select segmentatoin      # the folder is models/segmentation
    /// ```
    EmptySelection = "empty-selection",
    /// SQL that does not parse: a comma too many or too few, a bracket that is not closed, a keyword out of
    /// its place. Look at the marked word, and at what stands just before it.
    ///
    /// ```sql
    /// select user_id, name,          -- the last comma
    /// from {{ ref('users') }}
    /// ```
    SqlSyntax = "sql-syntax",
    /// SQL that names a table which is not known. Read other models with `ref()` and raw data with `source()`:
    /// that also tells refx in which order to build.
    ///
    /// ```sql
    /// select * from orders                  -- not like this
    /// select * from {{ ref('orders') }}
    /// ```
    UnknownTable = "unknown-table",
    /// SQL that names a column which the tables it reads do not have. Capital letters count only in double
    /// quotes. Where a macro wrote the name, the macro's line is shown below the model's.
    ///
    /// ```sql
    /// select user_id, nmae from {{ ref('users') }}     -- the column is called `name`
    /// ```
    UnknownColumn = "unknown-column",
    /// SQL that calls a function that DataFusion does not have. Functions of other databases often have another
    /// name here; the nearest one is offered.
    ///
    /// ```sql
    /// select ifnul(country, '?')       -- write `ifnull`, or `coalesce`
    /// ```
    UnknownFunction = "unknown-function",
    /// SQL that parses and yet cannot be planned: types that do not fit, a name that two tables have, a column
    /// that is neither grouped nor aggregated.
    ///
    /// ```sql
    /// select user_id from {{ ref('users') }} u join {{ ref('plays') }} p on u.user_id = p.user_id
    /// -- whose `user_id`? write `u.user_id`
    /// ```
    SqlError = "sql-error",
    /// A query that fails while it runs, over a value that is in the data: a division by zero, a text that is
    /// no number. Guard against it in the SQL.
    ///
    /// ```sql
    /// select plays / nullif(days, 0), try_cast(age as int) from {{ ref('users') }}
    /// ```
    QueryFailed = "query-failed",
    /// A source's file, folder or table is missing or cannot be read. Check its `location`, which starts at the
    /// project's folder, its `format`, and who may read it; `refx debug` tries all sources.
    ///
    /// ```yaml
    /// tables:
    ///   - name: plays
    ///     location: raw/plays/*.parquet
    /// ```
    UnreadableSource = "unreadable-source",
    /// A model that is read has no table in this target yet. Build it first, together with what it reads.
    ///
    /// ```sh
    /// refx build --select +user_360
    /// ```
    MissingTable = "missing-table",
    /// A primary key with a NULL in it. A row without a key could never be found again, so nothing was
    /// published. Filter such rows out, or correct the key.
    ///
    /// ```sql
    /// select user_id, plays from {{ ref('plays') }} where user_id is not null
    /// ```
    NullKey = "null-key",
    /// A primary key that two rows share; nothing was published. Deduplicate in the model, add the column that
    /// tells the rows apart to the key, or let `on_duplicate_key` choose.
    ///
    /// ```sql
    /// select user_id, max(seen_at) as seen_at from {{ ref('visits') }} group by user_id
    /// ```
    DuplicateKey = "duplicate-key",
    /// Rows that do not fulfil a constraint of the model. Nothing was published. Correct the rows in the model,
    /// or the constraint, if it asks too much.
    ///
    /// ```yaml
    /// constraints:
    ///   - {type: check, expression: "plays >= 0"}
    /// ```
    BrokenConstraint = "broken-constraint",
    /// Rows whose keys the query no longer gives would be deleted, and they are more of the table than
    /// `max_delete_ratio` allows: the source rather is incomplete. Nothing is committed. If the rows are
    /// really gone, raise the limit for one run.
    ///
    /// ```yaml
    /// config: {on_missing: delete, max_delete_ratio: 20%}
    /// ```
    TooManyMissing = "too-many-missing",
    /// The model's columns no longer fit its table: one is gone, new, or of another type. Keep the old shape
    /// in the model, allow the change with `on_schema_change`, or build the table anew.
    ///
    /// ```sh
    /// refx build --select users --full-refresh
    /// ```
    SchemaMismatch = "schema-mismatch",
    /// The same rows were added to the table before, by a model that would add them again: it appends, or adds
    /// up. Nothing was done. Two runs add the same rows where both are for one `--as-of`, or where neither names
    /// an instant and the inputs, the code and its variables are the same. To add the rows again, take the
    /// earlier version back first, or name another interval.
    ///
    /// ```sh
    /// refx restore daily_plays --to 12
    /// refx build --select daily_plays --as-of 2024-08-31
    /// ```
    AlreadyApplied = "already-applied",
    /// This run and one that was applied differ only in the instant, which the clock gave for want of `--as-of`.
    /// The inputs, the code and its variables are the same, and the model adds rows that depend on the instant.
    /// It may be the same run, started again, or the next interval. Say which.
    ///
    /// ```sh
    /// refx run --select daily_plays --as-of 2024-08-31T06:00:00Z   # the instant that the message names: resumes
    /// refx run --select daily_plays --as-of 2024-09-01             # adds the rows of another interval
    /// ```
    UnclearInterval = "unclear-interval",
    /// The table rests on something later than the run: it was computed for a later instant, or from later
    /// versions of its inputs. Older rows would replace newer ones, so nothing was written. The comparison is
    /// with the last commit, at the moment of the next one; `--full-refresh` is compared too.
    ///
    /// ```sh
    /// refx build --select user_360 --as-of 2024-09-01                  # as of the table's instant or later
    /// refx build --select user_360 --as-of 2024-07-15 --allow-older    # lets the table go back
    /// ```
    TableAhead = "table-ahead",
    /// A model that was a table is now a view or ephemeral. refx reads its query, and the table of before stays
    /// where it was: other tools that read it see old rows. Remove it where nobody needs it.
    ///
    /// ```sh
    /// rm -r warehouse/daily_plays
    /// ```
    TableLeft = "table-left",
    /// The code of an incremental model is no longer the one that wrote all of its table. Rows that no run
    /// touched since keep what the old code gave, until the table is built anew.
    ///
    /// ```sh
    /// refx build --select daily_plays --full-refresh
    /// ```
    ChangedCode = "changed-code",
    /// A table that uses features of Delta which refx cannot write, most often one that another tool made.
    /// Write it with that tool, or let refx make a table of its own beside it.
    ///
    /// ```sql
    /// {{ config(alias='users_reference') }}
    /// ```
    UnsupportedTable = "unsupported-table",
    /// A table that cannot be read or written: no permission, no space, a broken log. Nothing was published.
    /// `refx debug` tries the target; run again once it can be reached.
    ///
    /// ```sh
    /// refx debug --target production
    /// ```
    TableFailed = "table-failed",
    /// Another writer committed to the table at the same time, again and again. Nothing of this run is in the
    /// table. Run again when the other one is through, and let one program write each table.
    ///
    /// ```sh
    /// refx history user_360 --limit 5     # who else writes
    /// ```
    CommitConflict = "commit-conflict",
    /// A table that was not published, because the rows it would have had do not pass its tests. Readers go on
    /// seeing the last good version. The tests that failed are shown beside it: correct the model or its
    /// inputs, and build again.
    ///
    /// ```sh
    /// refx build --select users --store-failures     # keeps the rows that the tests found
    /// ```
    TableHeld = "table-held",
    /// A data test that found rows. Each of them breaks what the test asks for. Look at them, then correct the
    /// model, its input, or the test.
    ///
    /// ```sh
    /// refx show not_null_users_user_id
    /// ```
    TestFailed = "test-failed",
    /// The statement of a hook failed, before or after what it belongs to. The hook is a setting of the model
    /// or of the project file: correct it there.
    ///
    /// ```yaml
    /// on-run-end: ["{{ grant_access(schemas) }}"]
    /// ```
    HookFailed = "hook-failed",
    /// A model that cannot be known without data: its template asks for rows while it is compiled, with
    /// `run_query` or a macro that calls it. `refx check` plans neither it nor what reads it; `refx plan`
    /// and `refx build` do, over the tables as they are.
    ///
    /// ```sql
    /// {% set regions = run_query('select region from ' ~ ref('regions')) %}
    /// ```
    NotChecked = "not-checked",
    /// Something that dbt has and refx has not. The message names it, and the help says what to use instead.
    ///
    /// ```sql
    /// {{ config(materialized='materialized_view') }}     -- use 'table', or 'incremental' with a primary key
    /// ```
    Unsupported = "unsupported",

    /// A unit test whose model gave other rows than those expected. Missing rows begin with `-`, unexpected
    /// ones with `+`, and a cell that differs reads `expected → actual`. Correct the model, or the test where
    /// the model is right.
    ///
    /// ```yaml
    /// expect:
    ///   rows:
    ///     - {user_id: u1, level: heavy}     # only the columns that are named are compared
    /// ```
    UnitTestFailed = "unit-test-failed",
    /// A unit test gives rows of an input that it cannot give. It is neither a `ref`, a `source` nor `this`, it
    /// comes twice, it is `this` of a model that is not incremental, or its columns are not known. The model's
    /// own SQL says what it reads.
    ///
    /// ```yaml
    /// given:
    ///   - {input: ref('users'), rows: []}
    ///   - {input: "source('raw', 'events')", rows: []}
    /// ```
    InvalidInput = "invalid-input",
    /// A unit test gives no rows of something that its model reads. Unit tests read no tables, so each input
    /// is given, if without rows.
    ///
    /// ```yaml
    /// given:
    ///   - {input: ref('users'), rows: []}
    /// ```
    MissingInput = "missing-input",
    /// Rows of a unit test that cannot be read: a line of CSV with too many values, text without a `format`,
    /// a value that is not of its column's type.
    ///
    /// ```yaml
    /// rows:
    ///   - {day: 2024-09-01, at: 2024-09-01 06:30:00, tags: [a, b], is_new: true}
    /// ```
    InvalidRows = "invalid-rows",
    /// A unit test names a fixture that is not there: a file under `tests/fixtures/`, named without its ending.
    ///
    /// ```yaml
    /// given:
    ///   - {input: ref('users'), fixture: two_users}     # tests/fixtures/two_users.csv, or .sql
    /// ```
    UnknownFixture = "unknown-fixture",
    /// A model whose query does not give what its contract declares: a column is missing, one is
    /// extra, or one is of another type.
    ///
    /// ```yaml
    /// models:
    ///   - name: daily
    ///     config: {contract: {enforced: true}}
    ///     columns:
    ///       - {name: user_id, data_type: varchar}
    ///       - {name: logins, data_type: bigint}
    /// ```
    ///
    /// Select these columns, with these types (`cast(logins as bigint)`), or correct the declaration:
    /// the order does not matter. Nothing is written before the two agree.
    BrokenContract = "broken-contract",
    /// A column is declared with another type than the query gives. The model holds no one to the
    /// declaration, and its readers may rely on it all the same.
    ///
    /// Correct `data_type`, or cast in the model. With `contract: {enforced: true}` this is an error.
    ///
    /// ```sql
    /// select user_id, cast(logins as integer) as logins from {{ ref('visits') }}
    /// ```
    DeclaredType = "declared-type",
    /// A declared type that the engine does not have. Use one of SQL's: `varchar`, `bigint`,
    /// `double`, `decimal(10, 2)`, `date`, `timestamp`, `boolean`, `bigint[]`.
    ///
    /// ```yaml
    /// columns:
    ///   - {name: price, data_type: "decimal(10, 2)"}
    /// ```
    UnknownType = "unknown-type",
    /// A setting, a key or a constraint names a column that the model does not select, or a foreign
    /// key one that the other table does not have. Select the column, or correct the name.
    ///
    /// ```sql
    /// {{ config(materialized='table', partition_by=['day']) }}
    /// select user_id, cast(seen_at as date) as day from {{ ref('visits') }}
    /// ```
    UnselectedColumn = "unselected-column",
    /// A model that had an enforced contract no longer keeps what it promised. A column is gone or of
    /// a narrower type, a constraint or the contract itself is gone, its key is another, it is no
    /// longer a table, or there is no such model.
    ///
    /// It is found against the `manifest.json` of another time, which `--state` names. Who reads the
    /// model is named with it. Keep the promise, or add a version and let the readers move:
    ///
    /// ```yaml
    /// models:
    ///   - name: daily
    ///     latest_version: 1
    ///     versions: [{v: 1}, {v: 2}]
    /// ```
    BreakingChange = "breaking-change",

    // Rules of lint.
    /// A model asks for the time of the run, or for a value by chance. It gives other rows each time
    /// that it runs, and no past day can be built again.
    ///
    /// ```sql
    /// where event_ts >= now() - interval '30' day             -- wall-clock
    /// where event_ts >= {{ as_of() }} - interval '30' day     -- the instant that the run computes for
    /// ```
    WallClock = "wall-clock",
    /// A function that takes rows by their order, or a `limit`, without an `order by`. Which rows it
    /// takes differs from run to run.
    ///
    /// ```sql
    /// first_value(title)                                      -- no-order
    /// first_value(title order by event_ts, event_id)
    /// ```
    NoOrder = "no-order",
    /// The order of a window, an aggregate or a `limit` leaves open which of two rows comes first,
    /// and a key of the rows is known that it does not hold. Where two rows tie, the result differs
    /// from run to run.
    ///
    /// ```sql
    /// row_number() over (partition by user_id order by day)             -- partial-order
    /// row_number() over (partition by user_id order by day, device)     -- the key is user_id, day, device
    /// ```
    PartialOrder = "partial-order",
    /// A comparison with NULL, which is never true.
    ///
    /// ```sql
    /// where closed_at = null                                  -- null-comparison
    /// where closed_at is null
    /// ```
    NullComparison = "null-comparison",
    /// A column is compared with itself. As the condition of a join, each row meets all rows of the
    /// other table; as a filter, it drops the rows where the column is NULL and no others.
    ///
    /// ```sql
    /// join users as u on u.user_id = u.user_id                -- self-comparison
    /// join users as u on u.user_id = p.user_id
    /// ```
    SelfComparison = "self-comparison",
    /// A condition of the same SELECT drops the rows that an outer join keeps without a match: it is
    /// an inner join, written as an outer one. `is not null` is no finding.
    ///
    /// ```sql
    /// from plays as p left join users as u on u.user_id = p.user_id
    /// where u.country = 'FR'                                  -- outer-join-undone
    /// from plays as p left join users as u on u.user_id = p.user_id and u.country = 'FR'
    /// ```
    OuterJoinUndone = "outer-join-undone",
    /// `not in` over a query whose column may be NULL: where one value is, the condition is true of no
    /// row. A column holds no NULL where it belongs to a primary key, has a test `not_null`, or the
    /// query says `is not null`.
    ///
    /// ```sql
    /// where user_id not in (select user_id from blocked)      -- nullable-not-in
    /// where user_id not in (select user_id from blocked where user_id is not null)
    /// ```
    NullableNotIn = "nullable-not-in",
    /// Values of two types are compared, and one is cast on the way, at a loss. A text is read as a
    /// number or a date (one that is none fails the run), a bigint is rounded to a double, a
    /// timestamp equals a date at midnight only.
    ///
    /// ```sql
    /// where event_ts = date '2024-08-31'                      -- lossy-comparison
    /// where cast(event_ts as date) = date '2024-08-31'
    /// ```
    LossyComparison = "lossy-comparison",
    /// A join matches columns of types that only meet by a cast which loses: text and number, bigint
    /// and double, timestamp and date. Rows are not found, or the run fails.
    ///
    /// ```sql
    /// on orders.customer_code = customers.customer_id         -- join-types: varchar and bigint
    /// on cast(orders.customer_code as bigint) = customers.customer_id
    /// ```
    JoinTypes = "join-types",
    /// A branch of a union gives columns in another order than the first one. Unions go by position,
    /// so values land in columns of other names.
    ///
    /// ```sql
    /// select user_id, device, plays from web union all select user_id, plays, device from app
    /// ```
    UnionColumns = "union-columns",
    /// A column of a union has types in its branches that only meet at a loss: numbers become text,
    /// whole numbers become doubles. Cast one of them to the type that is meant.
    ///
    /// ```sql
    /// select user_id, zip from users union all select user_id, 0 from visitors       -- union-types
    /// select user_id, zip from users union all select user_id, null from visitors
    /// ```
    UnionTypes = "union-types",
    /// A whole number divided by a column of whole numbers: the fraction is cut off, and a share is 0.
    ///
    /// ```sql
    /// clicks / views                                          -- integer-division
    /// cast(clicks as double) / nullif(views, 0)
    /// ```
    IntegerDivision = "integer-division",
    /// A sum over a join counts a row once for each of the rows that it was joined to.
    ///
    /// ```sql
    /// select o.user_id, sum(o.amount) from orders as o inner join items as i on i.order_id = o.order_id
    /// group by o.user_id                                      -- fan-out: an order counts once an item
    /// ```
    ///
    /// Aggregate `items` to one row an order first, and join then.
    FanOut = "fan-out",
    /// A table is published with `select *`: its columns are whatever the tables that it reads have
    /// today, and one that is added there shows here unasked. Name the columns. `select * from final`
    /// is no finding where the CTE `final` names them.
    ///
    /// ```sql
    /// select * from {{ ref('stg_users') }}                    -- select-star
    /// select user_id, signup_date from {{ ref('stg_users') }}
    /// ```
    SelectStar = "select-star",
    /// A CTE that nothing reads: left over, or meant to be read where another name stands.
    ///
    /// ```sql
    /// with plays as (select …), old_plays as (select …)       -- unused-cte: old_plays
    /// select user_id from plays
    /// ```
    UnusedCte = "unused-cte",
    /// A column of the primary key in which the query itself puts NULL: by an outer join, by
    /// `nullif`, by a `case` without `else`. A keyed table takes no NULL key, and the run would fail.
    ///
    /// ```sql
    /// select d.user_id from users as u left join devices as d on d.user_id = u.user_id   -- nullable-key
    /// select u.user_id from users as u left join devices as d on d.user_id = u.user_id
    /// ```
    NullableKey = "nullable-key",
    /// The query gives several rows of one primary key: it groups by more columns than the key has,
    /// or joins tables whose keys have more. A keyed table takes no duplicate, and the run would fail.
    ///
    /// ```sql
    /// {{ config(primary_key='user_id') }}
    /// select user_id, device, count(*) as plays from plays group by user_id, device      -- unproven-key
    /// ```
    UnprovenKey = "unproven-key",
    /// A view or an ephemeral model that nothing reads: no model, no test of another node, no
    /// exposure. Remove it, or let it land as a table if it is a product of its own. A project that
    /// lands no table at all is not told.
    ///
    /// ```sql
    /// {{ config(materialized='table') }}                      -- where the model is a product of its own
    /// ```
    UnreferencedModel = "unreferenced-model",
    /// A column of a published table without a description: nobody can rely on an indicator that is
    /// not defined. Describe it in a properties file. A project that describes no column at all is
    /// not told, unless it sets the rule's level itself.
    ///
    /// ```yaml
    /// columns:
    ///   - name: plays
    ///     description: Plays of more than ten seconds, since the beginning.
    /// ```
    UndescribedIndicator = "undescribed-indicator",
    /// A published table for which nobody answers. Give it an `owner`, or a `group` that has one. A
    /// project without any owner is not told, unless it sets the rule's level itself.
    ///
    /// ```yaml
    /// models:
    ///   - name: user_360
    ///     owner: crm team
    /// ```
    NoOwner = "no-owner",
    /// Two indicators are computed in the same way from the same columns. One of them is enough: let
    /// the other read it, so that they cannot drift apart.
    ///
    /// ```sql
    /// coalesce(n.active_days, 0) as active_days               -- in user_navigation
    /// coalesce(n.active_days, 0) as days_active               -- in user_360: same-meaning
    /// navigation.active_days                                  -- read it from user_navigation instead
    /// ```
    SameMeaning = "same-meaning",
    /// Two published tables have a column of one name that they compute differently. Whoever reads
    /// both takes them for the same figure: give one another name, or let it read the other.
    ///
    /// ```sql
    /// count(*) as plays                                       -- in user_video_consumption
    /// count(distinct content_id) as plays                     -- in user_live_replay: two-meanings
    /// count(distinct content_id) as contents_played
    /// ```
    TwoMeanings = "two-meanings",
    /// `refx: allow(…)` names a rule that does not exist.
    ///
    /// ```sql
    /// limit 10 -- refx: allow(no-ordr)                        -- unknown-rule: did you mean `no-order`?
    /// ```
    UnknownRule = "unknown-rule",
    /// `refx: allow(…)` silences nothing: what it was written for is mended, or stands on another
    /// line. Remove it.
    ///
    /// ```sql
    /// select user_id from users order by user_id -- refx: allow(no-order)
    /// ```
    UnusedAllow = "unused-allow",
}
