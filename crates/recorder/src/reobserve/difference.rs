//! One difference between a record and its second derivation, field by field.

use crate::record::Body;
use crate::record::value::{Mono, Wall};
use flow::id::FlowId;
use flow::time::Stamp;
use serde_json::Value;

/// Something that the log says in another way than the bytes do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The exchange, or the connection for what is about all of it.
    pub flow: FlowId,
    /// The record's kind.
    pub record: &'static str,
    /// The path of the field in the record's body, such as `fields[2][1]`, or `at` and `mono` of
    /// the record; empty when there is no such record on one of the two sides.
    pub field: String,
    /// JSON, cut after [`Difference::VALUE_CHARS`]; `None` where the log has nothing.
    pub recorded: Option<String>,
    /// The same of the second derivation.
    pub derived: Option<String>,
    /// The version of the observer that recorded it, where it is not ours.
    pub other_observer: Option<String>,
}

impl Difference {
    /// Characters of a value that are shown.
    pub const VALUE_CHARS: usize = 200;
}

/// A field that differs: its path, and the values on both sides.
pub(super) type Differing = (String, Option<String>, Option<String>);

/// A record as JSON: its body, and its times beside it.
pub(super) fn json(at: Stamp, body: &Body) -> Value {
    // No shape of a record can fail to become JSON.
    let mut value = serde_json::to_value(body).unwrap_or_default();
    if let Value::Object(object) = &mut value {
        let text = |value: serde_json::Result<Value>| value.unwrap_or_default();
        object.insert("at".to_owned(), text(serde_json::to_value(Wall(at.wall))));
        object.insert("mono".to_owned(), text(serde_json::to_value(Mono(at.mono))));
    }
    value
}

/// Takes the name of the observer out of a record.
pub(super) fn take_observer(record: &mut Value) -> Option<String> {
    match record.as_object_mut()?.remove("observer")? {
        Value::String(observer) => Some(observer),
        _ => None,
    }
}

/// A value as it is shown.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(Difference::VALUE_CHARS) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text,
    }
}

/// Appends the fields in which two values differ.
pub(super) fn compare(path: &str, recorded: &Value, derived: &Value, into: &mut Vec<Differing>) {
    match (recorded, derived) {
        (Value::Object(recorded), Value::Object(derived)) => {
            let missing = derived.keys().filter(|key| !recorded.contains_key(*key));
            for key in recorded.keys().chain(missing) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match (recorded.get(key), derived.get(key)) {
                    (Some(recorded), Some(derived)) => compare(&path, recorded, derived, into),
                    (recorded, derived) => {
                        into.push((path, recorded.map(shown), derived.map(shown)));
                    }
                }
            }
        }
        (Value::Array(recorded), Value::Array(derived)) if recorded.len() == derived.len() => {
            for (index, (recorded, derived)) in recorded.iter().zip(derived).enumerate() {
                compare(&format!("{path}[{index}]"), recorded, derived, into);
            }
        }
        _ if recorded == derived => {}
        _ => into.push((path.to_owned(), Some(shown(recorded)), Some(shown(derived)))),
    }
}
