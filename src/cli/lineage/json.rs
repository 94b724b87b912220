//! Lineage for programs.

use serde_json::{Map, Value, json};

use super::View;
use crate::cli::report::documents::VERSION;
use refx_core::manifest::NodeId;
use refx_core::select::{ColumnId, Direction};
use refx_engine::check::Way;

/// One object: the node, and of each column that is asked for its next inputs and readers, and those
/// at the ends of all paths.
pub(in crate::cli) fn json(view: &View) -> Value {
    let columns = view.asked();
    let columns: Vec<Value> = columns.iter().map(|one| column(view, one)).collect();
    let mut whole = Map::from_iter([("version".to_string(), VERSION.into())]);
    whole.extend(named(view, view.node));
    whole.insert("columns".into(), columns.into());
    if view.up {
        let rows = view.columns.rows(view.node).iter();
        let rows = rows.map(|(column, role)| step(view, column, Way::Decides(*role)));
        whole.insert("rows".into(), rows.collect());
    }
    Value::Object(whole)
}

fn column(view: &View, column: &ColumnId) -> Value {
    let columns = view.columns;
    let mut told = Map::new();
    told.insert("name".into(), column.column.clone().into());
    if view.up {
        let inputs = columns.next(column, Direction::Up).iter();
        let inputs = inputs.map(|(input, way)| step(view, input, *way));
        told.insert("inputs".into(), inputs.collect());
        let sources = columns.sources(column);
        let sources = sources.iter().map(|(source, way)| step(view, source, *way));
        told.insert("sources".into(), sources.collect());
        let counts = columns.all_counted(column);
        let counts = counts.iter().map(|id| Value::Object(named(view, id)));
        told.insert("counts".into(), counts.collect());
    }
    if view.down {
        let readers = columns.next(column, Direction::Down).iter();
        let readers = readers.map(|(reader, way)| step(view, reader, *way));
        told.insert("readers".into(), readers.collect());
        let reach = columns.reach(column, Direction::Down);
        let values = reach.iter().map(|(reader, way)| step(view, reader, *way));
        told.insert("reaches".into(), values.collect());
        let own = std::iter::once(column).chain(reach.keys());
        let rows = own.flat_map(|at| {
            let readers = columns.row_readers(at).iter();
            readers.map(move |(reader, role)| {
                let mut decided = named(view, reader);
                decided.insert("by".into(), view.column_name(at).into());
                decided.insert("way".into(), role.as_str().into());
                Value::Object(decided)
            })
        });
        told.insert("decides_rows_of".into(), rows.collect());
    }
    Value::Object(told)
}

fn step(view: &View, column: &ColumnId, way: Way) -> Value {
    let mut step = named(view, &column.node);
    step.insert("column".into(), column.column.clone().into());
    step.insert("way".into(), way.as_str().into());
    step.insert("value".into(), matches!(way, Way::Value(_)).into());
    Value::Object(step)
}

fn named(view: &View, id: &NodeId) -> Map<String, Value> {
    let node = json!({"node": id.as_str(), "name": view.name(id)});
    match node {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
