//! DataFusion's accumulators over any [`Measure`]: of one group, of many groups, of distinct values.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, ListArray,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::exact::take;

/// What an aggregate keeps of a group's rows, and what it makes of it.
///
/// A state must not depend on the order of its rows: then neither does the result.
pub(super) trait Measure: Clone + Debug + Send + Sync + 'static {
    type State: Clone + Debug + Default + Send + Sync + 'static;
    /// The arguments in their types.
    type Rows;

    fn rows(&self, arguments: &[ArrayRef]) -> Result<Self::Rows>;
    fn add(&self, state: &mut Self::State, rows: &Self::Rows, row: usize);
    /// Adds all rows at once, if there is a faster way than one by one; else false, and nothing changed.
    fn add_all(&self, _: &mut Self::State, _: &Self::Rows, _: Option<&NullBuffer>) -> bool {
        false
    }
    /// Takes out a row that was added before.
    fn remove(&self, state: &mut Self::State, rows: &Self::Rows, row: usize);
    fn merge(&self, state: &mut Self::State, other: &Self::State);
    fn encode(&self, state: &Self::State, bytes: &mut Vec<u8>);
    fn decode(&self, bytes: &mut &[u8]) -> Option<Self::State>;
    /// Bytes that the state has on the heap.
    fn heap(&self, state: &Self::State) -> usize;
    /// One value for each group.
    fn finish(&self, groups: &[Group<Self::State>]) -> Result<ArrayRef>;
}

/// The state of one group, and how many rows are in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Group<S> {
    pub(super) count: u64,
    pub(super) state: S,
}

/// The type of a state between the phases of an aggregation.
pub(super) const STATE: DataType = DataType::Binary;

fn encode<M: Measure>(measure: &M, group: &Group<M::State>, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&group.count.to_le_bytes());
    measure.encode(&group.state, bytes);
}

fn decode<M: Measure>(measure: &M, mut bytes: &[u8]) -> Result<Group<M::State>> {
    let decoded = take(&mut bytes).map(u64::from_le_bytes).and_then(|count| {
        let state = measure.decode(&mut bytes)?;
        Some(Group { count, state })
    });
    decoded.ok_or_else(|| DataFusionError::Internal("the state of an aggregate is cut".to_owned()))
}

/// Rows in which no argument is NULL.
fn complete(arguments: &[ArrayRef]) -> Option<NullBuffer> {
    arguments.iter().fold(None, |nulls, argument| {
        NullBuffer::union(nulls.as_ref(), argument.logical_nulls().as_ref())
    })
}

fn states(arrays: &[ArrayRef]) -> Result<&BinaryArray> {
    let first = arrays
        .first()
        .and_then(|array| array.as_binary_opt::<i32>());
    first
        .ok_or_else(|| DataFusionError::Internal("the state of an aggregate is missing".to_owned()))
}

/// One group: of a whole query, or of a window.
#[derive(Debug)]
pub(super) struct One<M: Measure> {
    measure: M,
    group: Group<M::State>,
}

impl<M: Measure> One<M> {
    pub(super) fn new(measure: M) -> One<M> {
        One {
            measure,
            group: Group::default(),
        }
    }
}

/// Calls `row` with the number of each row in which no argument is NULL.
fn each(rows: usize, valid: Option<&NullBuffer>, row: impl FnMut(usize)) {
    match valid {
        None => (0..rows).for_each(row),
        Some(valid) => valid.valid_indices().for_each(row),
    }
}

fn length(arguments: &[ArrayRef]) -> usize {
    arguments.first().map_or(0, |argument| argument.len())
}

impl<M: Measure> Accumulator for One<M> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = self.measure.rows(values)?;
        let valid = complete(values);
        let nulls = valid.as_ref().map_or(0, NullBuffer::null_count);
        let state = &mut self.group.state;
        self.group.count += (length(values) - nulls) as u64;
        if !self.measure.add_all(state, &rows, valid.as_ref()) {
            each(length(values), valid.as_ref(), |at| {
                self.measure.add(state, &rows, at)
            });
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = self.measure.rows(values)?;
        let valid = complete(values);
        let nulls = valid.as_ref().map_or(0, NullBuffer::null_count);
        let state = &mut self.group.state;
        let gone = (length(values) - nulls) as u64;
        self.group.count = self.group.count.saturating_sub(gone);
        each(length(values), valid.as_ref(), |at| {
            self.measure.remove(state, &rows, at)
        });
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        for bytes in states(arrays)?.iter().flatten() {
            let other = decode(&self.measure, bytes)?;
            self.group.count += other.count;
            self.measure.merge(&mut self.group.state, &other.state);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut bytes = Vec::new();
        encode(&self.measure, &self.group, &mut bytes);
        Ok(vec![ScalarValue::Binary(Some(bytes))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let values = self.measure.finish(std::slice::from_ref(&self.group))?;
        ScalarValue::try_from_array(&values, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.measure.heap(&self.group.state)
    }
}

/// All groups of a GROUP BY.
#[derive(Debug)]
pub(super) struct Many<M: Measure> {
    measure: M,
    groups: Vec<Group<M::State>>,
    /// Bytes that the states have on the heap.
    heap: usize,
}

impl<M: Measure> Many<M> {
    pub(super) fn new(measure: M) -> Many<M> {
        Many {
            measure,
            groups: Vec::new(),
            heap: 0,
        }
    }

    fn taken(&mut self, emit_to: EmitTo) -> Vec<Group<M::State>> {
        let groups = emit_to.take_needed(&mut self.groups);
        let heap: usize = groups
            .iter()
            .map(|group| self.measure.heap(&group.state))
            .sum();
        self.heap = self.heap.saturating_sub(heap);
        groups
    }

    #[inline]
    fn enter(&mut self, group: usize, rows: &M::Rows, row: usize) {
        let group = &mut self.groups[group];
        let before = self.measure.heap(&group.state);
        group.count += 1;
        self.measure.add(&mut group.state, rows, row);
        self.heap += self.measure.heap(&group.state) - before;
    }
}

impl<M: Measure> GroupsAccumulator for Many<M> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize(total_num_groups, Group::default());
        let rows = self.measure.rows(values)?;
        match wanted(values, opt_filter) {
            None => {
                for (row, group) in group_indices.iter().enumerate() {
                    self.enter(*group, &rows, row);
                }
            }
            Some(wanted) => {
                for row in wanted.valid_indices() {
                    self.enter(group_indices[row], &rows, row);
                }
            }
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize(total_num_groups, Group::default());
        for (bytes, at) in states(values)?.iter().zip(group_indices) {
            let Some(bytes) = bytes else { continue };
            let other = decode(&self.measure, bytes)?;
            let group = &mut self.groups[*at];
            let before = self.measure.heap(&group.state);
            match group.count {
                0 => *group = other,
                _ => {
                    group.count += other.count;
                    self.measure.merge(&mut group.state, &other.state);
                }
            }
            self.heap = (self.heap + self.measure.heap(&group.state)).saturating_sub(before);
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = self.taken(emit_to);
        self.measure.finish(&groups)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = self.taken(emit_to);
        let mut builder = BinaryBuilder::with_capacity(groups.len(), groups.len() * 48);
        let mut bytes = Vec::new();
        for group in &groups {
            bytes.clear();
            encode(&self.measure, group, &mut bytes);
            builder.append_value(&bytes);
        }
        Ok(vec![Arc::new(builder.finish())])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = self.measure.rows(values)?;
        let length = length(values);
        let wanted = wanted(values, opt_filter);
        let mut builder = BinaryBuilder::with_capacity(length, length * 48);
        let mut bytes = Vec::new();
        for row in 0..length {
            if wanted.as_ref().is_some_and(|wanted| wanted.is_null(row)) {
                builder.append_null();
                continue;
            }
            let mut group = Group {
                count: 1,
                ..Group::default()
            };
            self.measure.add(&mut group.state, &rows, row);
            bytes.clear();
            encode(&self.measure, &group, &mut bytes);
            builder.append_value(&bytes);
        }
        Ok(vec![Arc::new(builder.finish())])
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Group<M::State>>() + self.heap
    }
}

/// The rows that count: no argument is NULL, and the filter lets them through.
fn wanted(values: &[ArrayRef], filter: Option<&BooleanArray>) -> Option<NullBuffer> {
    let complete = complete(values);
    let Some(filter) = filter else {
        return complete;
    };
    let passed = match filter.nulls() {
        Some(nulls) => filter.values() & nulls.inner(),
        None => filter.values().clone(),
    };
    NullBuffer::union(complete.as_ref(), Some(&NullBuffer::new(passed)))
}

/// One group that counts each value once, as `sum(distinct x)` does.
#[derive(Debug)]
pub(super) struct Distinct<M: Measure> {
    measure: M,
    data_type: DataType,
    /// The values, and how many rows have each.
    values: HashMap<ScalarValue, u64>,
}

impl<M: Measure> Distinct<M> {
    pub(super) fn new(measure: M, data_type: DataType) -> Distinct<M> {
        Distinct {
            measure,
            data_type,
            values: HashMap::new(),
        }
    }

    fn enter(&mut self, values: &ArrayRef) -> Result<()> {
        for row in 0..values.len() {
            if values.is_valid(row) {
                *self.values.entry(value(values, row)?).or_default() += 1;
            }
        }
        Ok(())
    }

    fn all(&self) -> Vec<ScalarValue> {
        self.values.keys().cloned().collect()
    }
}

/// A value, in one form where it has several: zero, NaN.
fn value(values: &ArrayRef, row: usize) -> Result<ScalarValue> {
    Ok(match ScalarValue::try_from_array(values, row)? {
        ScalarValue::Float64(Some(value)) if value.is_nan() => ScalarValue::from(f64::NAN),
        ScalarValue::Float64(Some(value)) => ScalarValue::from(value + 0.0),
        other => other,
    })
}

impl<M: Measure> Accumulator for Distinct<M> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.enter(&values[0])
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for row in 0..values[0].len() {
            if values[0].is_null(row) {
                continue;
            }
            let value = value(&values[0], row)?;
            if let Some(count) = self.values.get_mut(&value) {
                *count -= 1;
                if *count == 0 {
                    self.values.remove(&value);
                }
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let lists: &ListArray = arrays[0].as_list();
        for values in lists.iter().flatten() {
            self.enter(&values)?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list = ScalarValue::new_list_nullable(&self.all(), &self.data_type);
        Ok(vec![ScalarValue::List(list)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut one = One::new(self.measure.clone());
        let all = self.all();
        if !all.is_empty() {
            one.update_batch(&[ScalarValue::iter_to_array(all)?])?;
        }
        one.evaluate()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<(ScalarValue, u64)>()
    }
}
