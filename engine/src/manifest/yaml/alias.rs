//! Aliases and merge keys: copies of anchored values, within limits.

use serde_json::{Map, Value};

/// What aliases may add to a document, in [`cost`]: about what go-yaml allows (400,000 nodes, mostly independent of the document's size). A
/// document of a few hundred bytes can reach it, and then holds some tens of megabytes.
pub(in crate::manifest) const ALIAS_BUDGET: usize = 400_000;

/// Adds what a merge key refers to. As in kubectl, it overwrites what stands above it, and in a list the first mapping wins.
///
/// # Errors
/// `value` is nothing that can be merged.
pub(super) fn merge(
    fields: &mut Map<String, Value>,
    value: Value,
    aliased: bool,
) -> Result<(), &'static str> {
    let sources = match value {
        Value::Object(source) => vec![source],
        Value::Array(items) if !aliased => items
            .into_iter()
            .rev()
            .map(|item| match item {
                Value::Object(source) => Some(source),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
            .ok_or(MERGE_OF)?,
        _ => return Err(MERGE_OF),
    };
    fields.extend(sources.into_iter().flatten());
    Ok(())
}

const MERGE_OF: &str = "`<<` takes a mapping or a list of mappings";

/// Which limit an alias goes beyond.
pub(super) enum Excess {
    Size,
    Depth,
}

/// What a value adds to memory when it is copied, without its children.
fn cost(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len() / 32,
        Value::Object(fields) => 1 + fields.keys().map(|key| key.len() / 32).sum::<usize>(),
        _ => 1,
    }
}

/// A copy of at most `depth` levels, paid from `budget`.
///
/// # Errors
/// It is deeper or dearer.
pub(super) fn copy(value: &Value, depth: usize, budget: &mut usize) -> Result<Value, Excess> {
    *budget = budget.checked_sub(cost(value)).ok_or(Excess::Size)?;
    let deeper = || depth.checked_sub(1).ok_or(Excess::Depth);
    Ok(match value {
        Value::Array(items) => {
            let depth = deeper()?;
            Value::Array(
                items
                    .iter()
                    .map(|item| copy(item, depth, budget))
                    .collect::<Result<_, _>>()?,
            )
        }
        Value::Object(fields) => {
            let depth = deeper()?;
            let copied = fields
                .iter()
                .map(|(name, value)| Ok((name.clone(), copy(value, depth, budget)?)))
                .collect::<Result<_, _>>()?;
            Value::Object(copied)
        }
        scalar => scalar.clone(),
    })
}
